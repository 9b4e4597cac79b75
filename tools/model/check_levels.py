#!/usr/bin/env python3
"""What a profile's levels send and lose on contexts that calibration never saw, and whether its
loss map bounds that.

    export PYTHONPATH=client/python
    python tools/model/check_levels.py --model MODEL --texts tools/kvlab/tokens.npz \\
        --profile profiles/smollm2-135m-joint.kvp --work WORK

For every text of the npz file with the prefix (`test_`): windows of 1,024 tokens with the 128
that follow, and one context with twelve facts. A JSON line a level: means of `bits` an element
sent, `stored`, `kl`, `dppl` (percent), `top1` (percent), `facts` lost (percent, pooled), and the
shares of cases (`within_kl`, `within_dppl`, `within_facts`, 1 = all) whose true loss is within the
bound that the profile's loss map gives for that case's distortion. Code lengths are ideal ones,
of deep profiles those of real frames.
Exits with 1 if a share is below `--least`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import torch

from kvtier.calibrate.cases import Words, held_out_cases
from kvtier.calibrate.evaluate import Level, Simulation
from kvtier.calibrate.frames import FrameCoder
from kvtier.calibrate.gather import PREFIX_TOKENS, read_texts
from kvtier.calibrate.judge import Judge
from kvtier.calibrate.losses import Measured, measure, within
from kvtier.calibrate.model import CausalModel
from kvtier.calibrate.profile_file import from_profile, geometry
from kvtier.calibrate.tables import read_tables
from kvtier.profile import LossPoint, parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of caches, reused")
    parser.add_argument("--prefix", default="test_", help="arrays of this prefix [test_]")
    parser.add_argument("--windows", type=int, default=3, help="contexts cut from a text [3]")
    parser.add_argument("--facts", type=int, default=1000, help="texts to hide facts in [all]")
    parser.add_argument("--no-recency", action="store_true", help="the last chunk like any other")
    parser.add_argument("--least", type=float, default=0.95, help="share that has to hold [0.95]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, help="write every measurement, a JSON line each")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    model = CausalModel(args.model)
    profile = parse(args.profile.read_bytes())
    levels = tuple(
        Level(level.name, level.far_rung, level.last_rung, level.tail_rung, level.far_groups)
        for level in profile.levels
    )
    if args.no_recency:
        levels = tuple(level.without_recency() for level in levels)
    cases = held_out_cases(
        model,
        Words.of(args.model),
        read_texts(args.texts, args.prefix),
        args.work,
        (args.windows, args.facts),
    )
    if profile.deep is None:
        codec = from_profile(profile, PREFIX_TOKENS)
        coder = Simulation(codec, read_tables(), model.shape)
    else:
        coder = FrameCoder(profile, geometry(model.shape))
    with open(args.rows or os.devnull, "w") as log:
        rows = measure(Judge(model), coder, cases, levels, log)
    least = 1.0
    for level in levels:
        at = [row for row in rows if row.level == level.name]
        out = line(at, list(profile.loss))
        print(json.dumps({"level": level.name, **out}), flush=True)
        least = min([least, *(out[key] for key in out if key.startswith("within"))])
    sys.exit(least < args.least)


def line(rows: list[Measured], points: list[LossPoint]) -> dict[str, float]:
    """Means of one level over its cases, and the shares within the bounds."""
    text = [row for row in rows if not math.isnan(row.kl)]
    exact, decoded = sum(row.exact for row in rows), sum(row.decoded for row in rows)
    out = {"cases": len(rows)}
    for key in ("bits", "stored"):
        out[key] = float(np.mean([getattr(row, key) for row in rows]))
    for key in ("kl", "dnll", "top1"):
        out[key] = float(np.mean([getattr(row, key) for row in text]))
    out["dppl"] = 100 * math.expm1(out.pop("dnll"))
    out["facts"] = 100 * (1 - decoded / exact) if exact else math.nan
    shares = np.array([within(row, points) for row in rows])
    for index, key in enumerate(("within_kl", "within_dppl", "within_facts")):
        column = shares[:, index]
        out[key] = float(np.nanmean(column)) if not np.isnan(column).all() else math.nan
    return out


if __name__ == "__main__":
    main()
