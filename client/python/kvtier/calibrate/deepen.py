"""Command line: a deep profile from a joint one (`python -m kvtier.calibrate.deepen --help`).

Needs the model's caches of the training texts and its embeddings, no gradients. Levels are measured
on texts held out from a first fit, by frames of the codec itself.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from kvtier.profile import Profile, parse, to_bytes

from .cases import Words, choose_held_out, held_out_cases
from .deep import Context, DeepOptions, fit_deep
from .errors import CalibrationError
from .evaluate import Level
from .frames import FrameCoder
from .gather import cache_file, gather, read_texts
from .judge import Judge
from .losses import LEVELS, loss_map, measure, summary
from .model import CausalModel
from .profile_file import geometry
from .report import report, say
from .tables import read_tables


HELD_OUT_MAX = 6
"""Frames take a minute a text: fewer than the simulation measures."""


def parser() -> argparse.ArgumentParser:
    options, out = DeepOptions(), argparse.ArgumentParser(
        prog="python -m kvtier.calibrate.deepen", description="Make a deep profile of a joint one."
    )
    out.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the model")
    out.add_argument("--joint", type=Path, required=True, help="joint profile of the same model")
    out.add_argument("--texts", type=Path, required=True, help="npz file of token ids, as for it")
    out.add_argument("--out", type=Path, required=True, help="profile file to write")
    out.add_argument(
        "--work", type=Path, help="folder of caches, shared with kvtier.calibrate [OUT.work]"
    )
    out.add_argument("--prefix", default="train_", help="arrays of this prefix [train_]")
    out.add_argument("--leading", type=int, default=options.leading, help="shared of each group")
    out.add_argument("--features", type=int, default=options.features, help="of a token id")
    out.add_argument("--lags", type=int, default=options.lags, help="tokens that are looked at")
    out.add_argument("--rank", type=int, help="shared components kept [all]")
    out.add_argument("--step", type=float, help="step of rung 0 [1.5 times the joint one's]")
    out.add_argument(
        "--held-out", type=int, help="texts to measure levels on, 0 = not [a third, at most 6]"
    )
    out.add_argument("--facts", type=int, default=3, help="texts of those with facts [3]")
    out.add_argument("--rows", type=Path, help="write every measurement, a JSON line each")
    out.add_argument("--threads", type=int, default=os.cpu_count(), help="[all cores]")
    return out


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    args.work = args.work or args.out.with_suffix(".work")
    torch.set_num_threads(args.threads)
    try:
        run(args)
    except CalibrationError as error:
        sys.exit(f"deepen: {error}")


def measure_levels(
    args: argparse.Namespace, model: CausalModel, trial: Profile, texts: dict[str, np.ndarray]
) -> dict[str, tuple]:
    """`levels` and `loss` of a profile, of a window of each text and of facts hidden in some."""
    levels = LEVELS
    if trial.levels:
        levels = tuple(
            Level(level.name, level.far_rung, level.last_rung, level.tail_rung)
            for level in trial.levels
        )
    cases = held_out_cases(model, Words.of(args.model), texts, args.work, (1, args.facts))
    with open(args.rows or os.devnull, "w") as log:
        coder = FrameCoder(trial, geometry(model.shape))
        rows = measure(Judge(model), coder, cases, levels, log)
    report(rows, levels)
    return {"levels": tuple(summary(rows, levels)), "loss": tuple(loss_map(rows))}


def run(args: argparse.Namespace) -> None:
    texts = read_texts(args.texts, args.prefix)
    model = CausalModel(args.model)
    shape = geometry(model.shape)
    joint = parse(args.joint.read_bytes(), shape)
    gather(model, texts, args.work, draws=0)
    contexts = {}
    for name in texts:
        cache = load_file(cache_file(args.work, name))
        contexts[name] = Context.of(joint, shape, cache["tokens"], cache["k"], cache["v"])
    options = DeepOptions(args.leading, args.features, args.lags, rank=args.rank, step=args.step)

    def fit(names: Iterable[str]) -> Profile:
        chosen = [contexts[name] for name in names]
        return fit_deep(joint, chosen, model.embedding(), read_tables(), options)

    measured: dict[str, tuple] = {}
    count = min(HELD_OUT_MAX, -(-len(texts) // 3)) if args.held_out is None else args.held_out
    if count:
        held_out = choose_held_out(texts, count)
        say(f"fit without the {len(held_out)} held-out texts")
        trial = parse(to_bytes(fit(name for name in texts if name not in held_out)), shape)
        measured = measure_levels(args, model, trial, held_out)
    say("fit on all texts")
    profile = replace(fit(texts), **measured)
    digest = hashlib.sha256(args.texts.read_bytes()).hexdigest()[:16]
    made = (
        f"deep from joint {joint.id.hex()[:16]}… by {len(texts)} texts {args.prefix}* of "
        f"{args.texts.name} (SHA-256 {digest}…); {datetime.date.today()}; {options}"
    )
    data = to_bytes(replace(profile, provenance=f"{joint.provenance}; {made}"))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(args.out)
    print(f"{args.out}: {len(data)} bytes, id {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
