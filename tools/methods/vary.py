#!/usr/bin/env python3
"""A calibrated profile without one of its parts, or at another step: for ablations.

    vary.py PROFILE OUT [--no-key-tokens] [--step S]

Without key tokens no token gets a finer step for what it holds: the probe's weights are 0, its
constant stays, and so does the curve of a sequence's start. At another step the tables of all
components are chosen anew from their deviations, so that nothing is calibrated twice. What the
profile says of its levels and losses is left out, since it no longer holds.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client" / "python"))
from kvtier import profile as profiles  # noqa: E402


def vary(profile: profiles.Profile, key_tokens: bool, step: float | None) -> profiles.Profile:
    """The profile with the parts that are asked for."""
    groups = []
    for group in profile.groups:
        probe = group.probe.copy()
        if not key_tokens:
            probe[:-1] = 0
        index = group.sigma_index
        if step is not None:
            # Quarter octaves: a step twice as wide makes deviations four tables smaller.
            index = shifted(index, profile.step / step)
        groups.append(replace(group, probe=probe, sigma_index=index))
    deep = profile.deep
    if deep is not None and step is not None:
        deep = replace(deep, sigma_index=shifted(deep.sigma_index, profile.step / step))
    said = f"{profile.provenance}; varied: key tokens {key_tokens}, step {step or profile.step}"
    return replace(
        profile,
        groups=tuple(groups),
        deep=deep,
        step=step or profile.step,
        provenance=said,
        levels=(),
        loss=(),
    )


def shifted(index: np.ndarray, factor: float) -> np.ndarray:
    """Table indices of deviations that are `factor` times as many steps."""
    by = round(4 * float(np.log2(factor)))
    return np.clip(index.astype(int) + by, 0, 63).astype(index.dtype)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("profile", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--no-key-tokens", action="store_true")
    parser.add_argument("--step", type=float)
    args = parser.parse_args(argv)
    profile = profiles.parse(args.profile.read_bytes())
    varied = vary(profile, not args.no_key_tokens, args.step)
    args.out.write_bytes(profiles.to_bytes(varied))
    print(args.out)


if __name__ == "__main__":
    main()
