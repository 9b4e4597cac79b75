#!/usr/bin/env python3
"""Give a profile the loss map that measurements on further texts support.

    export PYTHONPATH=client/python
    python tools/model/check_levels.py ... --texts MORE.npz --prefix more_ --profile P --rows ROWS
    python tools/model/loss_map.py --profile P --rows ROWS --out Q
    python tools/model/loss_map.py --profile P --check OTHERS        # shares of cases within P's

ROWS are lines of `--rows` of `check_levels.py` or of calibration, one or several files; a map of 19
documents and more needs no margin (`kvtier.calibrate.losses.loss_map`). Everything else in the
profile stays, so frames decode to the same values, but its id is another. `--check` prints a JSON
line a level for rows that the map was not made from, and exits with 1 if a share is below 0.95.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from kvtier.calibrate.losses import SHARE, Measured, loss_map, within
from kvtier.profile import LossPoint, parse, to_bytes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--rows", type=Path, nargs="+", help="measurements to make the map from")
    parser.add_argument("--out", type=Path, help="profile to write")
    parser.add_argument("--check", type=Path, nargs="+", help="measurements to hold the map to")
    args = parser.parse_args(arguments)
    if (args.rows is None) != (args.out is None) or not (args.rows or args.check):
        parser.error("give --rows with --out, or --check, or all three")
    profile = parse(args.profile.read_bytes())
    if args.rows:
        rows = read(args.rows)
        unknown = {row.level for row in rows} - {level.name for level in profile.levels}
        if unknown:
            sys.exit(f"rows of levels {sorted(unknown)}, which {args.profile} does not have")
        profile = replace(profile, loss=tuple(loss_map(rows)))
        args.out.write_bytes(to_bytes(profile))
        documents = len({row.document for row in rows})
        print(f"{args.out}: loss map of {len(rows)} rows of {documents} documents")
    if args.check:
        sys.exit(check(read(args.check), list(profile.loss)) < SHARE)


def read(files: list[Path]) -> list[Measured]:
    """Rows as calibration logs them."""
    lines = [line for file in files for line in file.read_text().splitlines() if line]
    return [Measured(**json.loads(line)) for line in lines]


def check(rows: list[Measured], points: list[LossPoint]) -> float:
    """Prints each level's shares within the bounds; the smallest of all."""
    least = 1.0
    for level in dict.fromkeys(row.level for row in rows):
        shares = np.array([within(row, points) for row in rows if row.level == level])
        out = {"level": level, "cases": len(shares)}
        for index, key in enumerate(("within_kl", "within_dppl", "within_facts")):
            column = shares[:, index]
            out[key] = math.nan if np.isnan(column).all() else float(np.nanmean(column))
            least = min(least, out[key])  # NaN, not measured, leaves the first
        print(json.dumps(out), flush=True)
    return least


if __name__ == "__main__":
    main()
