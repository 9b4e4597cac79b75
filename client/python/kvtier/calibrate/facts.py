"""Contexts that hide facts among a text: codes and words that the model is asked for afterwards.

A codec can look harmless by perplexity and still forget what it was asked to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FACTS = 12
CODES = "The access code of"
SECRETS = "The secret word of"
NAMES = (
    "Agnes Albin Beatrix Cedric Clemens Dorothea Edgar Felicia Gideon Harriet Isidor Jolanda Konrad"
    " Leonie Magnus Nadine Oswald Petra Quentin Rosalind Silas Theodora Ulrich Wanda"
).split()
WORDS = (
    "amber anvil barley bottle candle copper dagger ember feather garden hammer island jacket"
    " kettle ladder marble needle orchard pepper ribbon saddle temple turnip whistle"
).split()
Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Question:
    """Token ids of a question and of its answer."""

    prompt: np.ndarray
    answer: np.ndarray


def hide_facts(
    ids: np.ndarray,
    tokens: int,
    encode: Encode,
    decode: Callable[[list[int]], str],
    seed: int,
    kinds: tuple[str, ...] = (CODES, SECRETS),
) -> tuple[np.ndarray, tuple[Question, ...]]:
    """A context of `tokens` ids, cut from `ids`, with twelve facts of these kinds by turns among
    its sentences.

    `encode` gives ids without special tokens. Facts are spread evenly; each follows the end of a
    sentence where one is near.
    """
    rng = np.random.default_rng(seed)
    names = rng.choice(NAMES, FACTS, replace=False)
    words = rng.choice(WORDS, FACTS, replace=False)
    sentences, questions = [], []
    for index, name in enumerate(names):
        kind = kinds[index % len(kinds)]
        what = f"{kind} {name} is"
        answer = f" {rng.integers(10000, 100000) if kind == CODES else words[index]}"
        sentences.append(encode(f" {what}{answer}."))
        questions.append(Question(np.array(encode(f"\n{what}")), np.array(encode(answer))))
    prose = tokens - sum(len(sentence) for sentence in sentences)
    ends = [
        at for at in range(1, prose) if decode([int(ids[at - 1])]).rstrip(" ").endswith((".", "\n"))
    ]
    out, at = [], 0
    for index, sentence in enumerate(sentences):
        wanted = round((index + 0.5) * prose / FACTS)
        near = min(ends, key=lambda end: abs(end - wanted), default=wanted)
        cut = max(at, near if abs(near - wanted) < prose // (3 * FACTS) else wanted)
        out += [*ids[at:cut], *sentence]
        at = cut
    out += list(ids[at:prose])
    return np.array(out, ids.dtype), tuple(questions)
