#!/usr/bin/env python3
"""What many decoded copies of kvlab's contexts do to the model, with one exact pass for all.

    judge.py prepare --work DIR                 # exact caches, hints and token strings, made once
    judge.py rows --work DIR NAME [NAME ...]    # a JSON line for each DIR/decoded/NAME

`kvtier bench methods` calls both. DIR holds
    exact/SPLIT/      the caches of `test` and `facts`, as `kvlab.py dump` writes them
    hints/SPLIT/      their attention statistics, as `kvlab.py attn` writes them
    vocabulary.json   the string of each token id
    basis.safetensors means and principal components of every layer, of the `train` contexts
    decoded/NAME/SPLIT/  what a method gave back, under the same names
A line holds the method and kl, top1, dppl (means over `test`), the share of answer tokens that are
recalled after decoding, `facts` (all), `digits` and `words` (each context of `facts`), and the same
of the exact cache under `exact`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "kvlab"))
import kvlab  # noqa: E402
from smollm2 import unrotate  # noqa: E402

NEXT = 128
"""Tokens that are predicted behind a context, as `kvlab.py eval` does by itself."""

SPLITS = ("test", "facts")


@dataclass(frozen=True)
class Context:
    """A context of `test` with its exact cache and what that predicts."""

    name: str
    cache: kvlab.Cache
    following: np.ndarray
    exact: np.ndarray


@dataclass(frozen=True)
class Quiz:
    """A context of `facts`: its exact cache, questions and how many tokens that answers."""

    name: str
    cache: kvlab.Cache
    questions: list[tuple[np.ndarray, np.ndarray]]
    right: int

    @property
    def tokens(self) -> int:
        return sum(len(answer) for _, answer in self.questions)


class Judge:
    """Holds the model and the exact predictions; judges folders of decoded caches."""

    def __init__(self, work: Path, only: str | None, gguf: str | None) -> None:
        """Reads the exact caches under work; predicts by each once."""
        self.work = work
        self.model = kvlab.SmolLM2(gguf)
        chosen = only.split(",") if only else None
        self.contexts = [
            self._context(name, ids)
            for name, ids in kvlab.contexts("test").items()
            if chosen is None or name in chosen
        ]
        self.quizzes = [self._quiz(name) for name in kvlab.contexts("facts")]

    def _exact(self, split: str, name: str) -> kvlab.Cache:
        from safetensors.numpy import load_file

        file = load_file(self.work / "exact" / split / f"{name}.safetensors")
        return file["k"].astype(np.float32), file["v"].astype(np.float32)

    def _context(self, name: str, ids: np.ndarray) -> Context:
        cache = self._exact("test", name)
        following = ids[kvlab.PREFIX : kvlab.PREFIX + NEXT + 1]
        logits = self.model.forward(following[:-1], cache)[0]
        return Context(name, cache, following, kvlab.log_softmax(logits))

    def _quiz(self, name: str) -> Quiz:
        cache = self._exact("facts", name)
        questions = kvlab.questions(name)
        return Quiz(name, cache, questions, self._recalled(questions, cache, None))

    def _recalled(
        self,
        questions: list[tuple[np.ndarray, np.ndarray]],
        cache: kvlab.Cache,
        kept: np.ndarray | None,
    ) -> int:
        right = 0
        for prompt, answer in questions:
            asked = np.concatenate([prompt, answer[:-1]])
            logits, _, _ = self.model.forward(asked, cache, kept=kept)
            right += int((logits[len(prompt) - 1 :].argmax(-1) == answer).sum())
        return right

    def row(self, method: str) -> dict[str, object]:
        """What a method's decoded caches lose."""
        folder = self.work / "decoded" / method
        rows = [self._loss(folder / "test", context) for context in self.contexts]
        mean = {key: float(np.mean([row[key] for row in rows])) for key in ("kl", "top1", "dnll")}
        right = [self._answered(folder / "facts", quiz) for quiz in self.quizzes]
        return {
            "method": method,
            "kl": mean["kl"],
            "top1": mean["top1"],
            "dppl": 100 * math.expm1(mean["dnll"]),
            **self._shares(right),
            "exact": self._shares([quiz.right for quiz in self.quizzes]),
        }

    def _shares(self, right: list[int]) -> dict[str, float]:
        tokens = [quiz.tokens for quiz in self.quizzes]
        each = {q.name: r / q.tokens for q, r in zip(self.quizzes, right, strict=True)}
        return {"facts": sum(right) / sum(tokens), **each}

    def _loss(self, folder: Path, context: Context) -> dict[str, float]:
        decoded = self._decoded(folder, context.name, context.cache)
        asked = context.following[:-1]
        logits = self.model.forward(asked, decoded.cache, kept=decoded.kept)[0]
        return kvlab.loss(context.exact, kvlab.log_softmax(logits), context.following[1:])

    def _answered(self, folder: Path, quiz: Quiz) -> int:
        decoded = self._decoded(folder, quiz.name, quiz.cache)
        return self._recalled(quiz.questions, decoded.cache, decoded.kept)

    @staticmethod
    def _decoded(folder: Path, name: str, cache: kvlab.Cache) -> kvlab.Decoded:
        return kvlab.load_decoded(argparse.Namespace(decoded=str(folder)), name, *cache)


def vocabulary(gguf: str | None) -> list[str]:
    """The string of each token id of the model, as its tokenizer decodes it alone."""
    from gguf import GGUFReader

    field = GGUFReader(gguf or kvlab.find_gguf()).fields["tokenizer.ggml.tokens"]
    return [bytes(field.parts[i]).decode("utf-8").replace("\u010a", "\n") for i in field.data]


def basis(model: kvlab.SmolLM2, texts: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Means and principal components of the keys before RoPE and the values of each layer.

    mean `[2 * layers, channels]`, components `[2 * layers, channels, channels]`: keys of all
    layers, then values; components are rows, orthonormal, by falling variance.
    """
    tokens, sums, products = 0, None, None
    for count, ids in enumerate(texts, 1):
        _, k, v = model.forward(ids[: kvlab.PREFIX], logits=False)
        k = np.stack([unrotate(layer, 0, model.theta) for layer in k])
        x = np.concatenate([k, v])[:, kvlab.SINKS :]  # the first tokens are unlike all others
        x = x.reshape(len(x), x.shape[1], -1).astype(np.float64)
        if sums is None or products is None:
            sums = np.zeros((len(x), x.shape[2]))
            products = np.zeros((len(x), x.shape[2], x.shape[2]))
        sums += x.sum(1)
        products += x.swapaxes(1, 2) @ x
        tokens += x.shape[1]
        print(f"basis {count}", file=sys.stderr, flush=True)
    if sums is None or products is None:
        sys.exit("no texts to find a basis on")
    mean = sums / tokens
    covariance = products / tokens - mean[:, :, None] * mean[:, None, :]
    _, vectors = np.linalg.eigh(covariance)
    components = vectors.swapaxes(1, 2)[:, ::-1]
    return {
        "mean": mean.astype(np.float32),
        "components": np.ascontiguousarray(components, np.float32),
    }


def prepare(args: argparse.Namespace) -> None:
    """Makes what is missing under the folder."""
    work = Path(args.work)
    for split in SPLITS:
        names = kvlab.contexts(split)
        if split == "test" and args.only:
            names = {name: names[name] for name in args.only.split(",")}
        for command, kind in ((kvlab.dump, "exact"), (kvlab.attn, "hints")):
            folder = work / kind / split
            missing = [n for n in names if not (folder / f"{n}.safetensors").exists()]
            if missing:
                print(f"{kind} {split}", file=sys.stderr, flush=True)
                only = ",".join(missing)
                command(argparse.Namespace(gguf=args.gguf, split=split, only=only, out=folder))
    path = work / "vocabulary.json"
    if not path.exists():
        path.write_text(json.dumps(vocabulary(args.gguf)), encoding="utf-8")
    if not (work / "basis.safetensors").exists():
        model = kvlab.SmolLM2(args.gguf)
        tensors = basis(model, kvlab.contexts("train").values())
        kvlab.save(str(work), "basis", tensors, None)


def rows(args: argparse.Namespace) -> None:
    """Prints a line for each method."""
    judge = Judge(Path(args.work), args.only, args.gguf)
    for count, method in enumerate(args.names, 1):
        print(json.dumps(judge.row(method)), flush=True)
        print(f"judged {count}/{len(args.names)} {method}", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="See the head of this file."
    )
    sub = parser.add_subparsers(dest="command", required=True)
    for name, run in (("prepare", prepare), ("rows", rows)):
        command = sub.add_parser(name, help=run.__doc__.split("\n")[0])
        command.add_argument("--work", required=True, help="folder of all files")
        command.add_argument("--only", help="contexts of `test`, comma separated")
        command.add_argument("--gguf", help="another copy of the weights")
        command.set_defaults(run=run)
        if run is rows:
            command.add_argument("names", nargs="+", help="methods under DIR/decoded")
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
