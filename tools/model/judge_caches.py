#!/usr/bin/env python3
"""Caches of any model that calibration supports as files, and what a codec does to its
predictions: what `tools/kvlab` does for SmolLM2, in the same file format.

    export PYTHONPATH=client/python
    judge_caches.py dump --model DIR --texts DIR/tokens.npz --work WORK --out CACHES
    ./kvtier codec roundtrip --profile P --in CACHES --out DECODED --level recent --json
    judge_caches.py eval --model DIR --texts DIR/tokens.npz --work WORK --decoded DECODED

A context is the first 1,024 tokens of each `test_*` text of the npz file, and with `--facts N` the
first N of these texts again with facts hidden in them. `eval` puts decoded caches in the exact
ones' place and predicts the next 128 tokens: a JSON line a context (`kl` nats, `dnll` nats, `top1`
percent; of facts the answer tokens `asked`, predicted from the `exact` cache, from the `decoded`
one), then means and sums over all. WORK keeps exact caches between runs.

Where layers differ, the metadata `rope_theta` and `window` are lists, a number for every layer.
`roundtrip` leaves out what no query behind the context can see, so decoded caches may be zero
there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kvtier.calibrate.cases import Words, held_out_cases
from kvtier.calibrate.gather import cache_file, read_texts
from kvtier.calibrate.judge import Case, Judge
from kvtier.calibrate.model import CausalModel, KvShape


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run, folder in (("dump", dump, "--out"), ("eval", evaluate, "--decoded")):
        command = commands.add_parser(name, help=run.__doc__.split("\n")[0])
        command.add_argument("--model", type=Path, required=True, help="Hugging Face folder")
        command.add_argument("--texts", type=Path, required=True, help="npz file of token ids")
        command.add_argument("--work", type=Path, required=True, help="folder of exact caches")
        command.add_argument(folder, type=Path, required=True)
        command.add_argument("--prefix", default="test_", help="of the texts' names [test_]")
        command.add_argument("--only", help="names of texts, comma separated")
        command.add_argument("--facts", type=int, default=0, help="texts to hide facts in [0]")
        command.add_argument("--threads", type=int, default=1)
        command.set_defaults(run=run)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    args.run(args)


def dump(args: argparse.Namespace) -> None:
    """Write the exact cache of each context."""
    model = CausalModel(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    for case in cases(args, model):
        tokens = load_file(cache_file(args.work, case.name))["tokens"]
        tensors = {"k": case.keys, "v": case.values, "tokens": tokens.int()}
        save_file(tensors, args.out / f"{case.name}.safetensors", metadata(args, model.shape))
        print(case.name, flush=True)


def evaluate(args: argparse.Namespace) -> None:
    """Print what each decoded cache loses, and all together."""
    model = CausalModel(args.model)
    judge, rows = Judge(model), []
    for case in cases(args, model):
        decoded = read(args.decoded / f"{case.name}.safetensors", case)
        scores = judge.recall if case.questions else judge.score
        rows.append(scores(case, *decoded))
        judge.forget(case)
        print(json.dumps({"context": case.name, **rows[-1]}), flush=True)
    print(json.dumps({"context": "TOTAL", **total(rows)}))


def cases(args: argparse.Namespace, model: CausalModel) -> Iterator[Case]:
    args.work.mkdir(parents=True, exist_ok=True)
    texts = read_texts(args.texts, args.prefix)
    names = args.only.split(",") if args.only else list(texts)
    for name in names:
        if name not in texts:
            sys.exit(f"no text {name!r} in {args.texts}: it has {', '.join(texts)}")
    chosen = {name: texts[name] for name in names}
    words = Words.of(args.model) if args.facts else None
    if args.facts and words is None:
        sys.exit(f"{args.model} has no tokenizer, which facts are written with")
    yield from held_out_cases(model, words, chosen, args.work, (1, args.facts))


def metadata(args: argparse.Namespace, shape: KvShape) -> dict[str, str]:
    """What a reader needs to know of the model: one number for all layers, or one for each."""
    windows = {"window": per_layer(shape.window)} if set(shape.window) != {-1} else {}
    return windows | {
        "model": args.model.resolve().name,
        "rope_theta": per_layer(shape.theta),
        "q_heads": str(shape.query_heads),
        "layout": "layers,tokens,kv_heads,head_dim",
        "k": "after RoPE, rotate-half",
        "first_position": "0",
    }


def per_layer(numbers: tuple[float, ...]) -> str:
    return ",".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))


def read(path: Path, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoded keys and values, checked against the exact ones."""
    try:
        got = load_file(path)
    except (OSError, SafetensorError) as error:
        sys.exit(f"{path}: {error}; a decoded cache of every context is expected (see --only)")
    for name, exact in (("k", case.keys), ("v", case.values)):
        if name not in got or got[name].shape != exact.shape:
            found = tuple(got[name].shape) if name in got else "missing"
            sys.exit(f"{path}: tensor {name!r} is {found}, expected {tuple(exact.shape)}")
        if not torch.isfinite(got[name]).all():
            sys.exit(f"{path}: tensor {name!r} is not finite")
    return got["k"], got["v"]


def total(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of the losses, sums of the answers."""
    texts = [row for row in rows if "kl" in row]
    facts = [row for row in rows if "asked" in row]
    out: dict[str, float] = {"contexts": len(texts)}
    if texts:
        out |= {key: float(np.mean([row[key] for row in texts])) for key in texts[0]}
        out["dppl"] = 100 * math.expm1(out["dnll"])
    return out | {key: sum(row[key] for row in facts) for key in (facts[0] if facts else ())}


if __name__ == "__main__":
    main()
