"""The contexts that levels are measured on: windows of the held-out texts, and facts hidden in
them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from .errors import CalibrationError
from .facts import hide_facts
from .gather import PREFIX_TOKENS, cached
from .judge import Case
from .model import CausalModel

JUDGED_TOKENS = 128


@dataclass(frozen=True)
class Words:
    """The model's tokenizer without its special tokens."""

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]

    @staticmethod
    def of(folder: Path) -> Words | None:
        """None when the model folder has no tokenizer."""
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, TypeError, KeyError):
            return None

        def encode(text: str) -> list[int]:
            return tokenizer.encode(text, add_special_tokens=False)

        return Words(encode, tokenizer.decode)


def choose_held_out(texts: dict[str, np.ndarray], count: int | None) -> dict[str, np.ndarray]:
    """`count` texts, a third by default, spread over all."""
    count = -(-len(texts) // 3) if count is None else count
    if not 1 <= count < len(texts):
        raise CalibrationError(
            f"{count} of {len(texts)} texts held out: keep at least one on each side"
        )
    names = list(texts)
    chosen = sorted(set(np.linspace(0, len(texts) - 1, count).round().astype(int).tolist()))
    return {names[i]: texts[names[i]] for i in chosen}


def windows(ids: np.ndarray, count: int, begin: int | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` contexts of a text as evenly spread as it allows, each with the ids that follow.

    A text that starts with the model's begin token starts with it in every window.
    """
    spare = len(ids) - PREFIX_TOKENS - JUDGED_TOKENS - 1
    out = []
    for offset in sorted(set(np.linspace(0, max(spare, 0), count).astype(int).tolist())):
        prefix = ids[offset : offset + PREFIX_TOKENS].copy()
        if begin is not None and ids[0] == begin:
            prefix[0] = begin
        following = ids[offset + PREFIX_TOKENS :][: JUDGED_TOKENS + 1]
        out.append((prefix, following))
    return out


def held_out_cases(
    model: CausalModel,
    words: Words | None,
    texts: dict[str, np.ndarray],
    folder: Path,
    counts: tuple[int, int],
) -> Iterator[Case]:
    """The cases of each text, by `counts`: so many windows, and for so many of the texts one with
    facts if the tokenizer is there. Their caches are kept in `folder` for the next run."""
    count, with_facts = counts
    for seed, (name, ids) in enumerate(texts.items()):
        for index, (prefix, following) in enumerate(windows(ids, count, model.begin_token)):
            label = name if index == 0 else f"{name}+{index}"
            keys, values = cached(model, folder, label, prefix)
            yield Case(name, label, keys, values, following, tokens=prefix)
        if words is not None and seed < with_facts:
            first = 1 if ids[0] == model.begin_token else 0
            prose = PREFIX_TOKENS - first
            context, questions = hide_facts(ids[first:], prose, words.encode, words.decode, seed)
            context = np.concatenate([ids[:first], context])
            keys, values = cached(model, folder, f"{name}+facts", context)
            case = f"{name}+facts"
            yield Case(name, case, keys, values, following[:0], questions, context)
