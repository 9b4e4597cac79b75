"""Which groups a level refines first in far chunks: those whose refinement saves most loss a bit.

The whitened domain makes squared errors of all groups alike to first order, but what a model loses
by them is not: on SmolLM2 the best group gains ten times as much a bit as the worst.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from .evaluate import Level, decode, encode
from .judge import Case, Judge
from .losses import BEST, LEVELS
from .model import KvShape
from .simulate import CodecProfile
from .tables import CodeLengths

SHARES = (("most", 0.7), ("half", 0.5), ("some", 0.3))
"""Levels between best and recent, by the share of groups that they refine in far chunks."""


def group_order(
    judge: Judge,
    profile: CodecProfile,
    tables: CodeLengths,
    shape: KvShape,
    cases: Iterable[Case],
) -> list[int]:
    """Layer groups by the divergence that rung 1 of each alone takes off, a bit, over all cases."""
    groups = range(len(profile.groups) // profile.head_groups)
    saved, spent = [0.0] * len(groups), [0.0] * len(groups)
    for case in cases:
        coded = encode(profile, tables, shape, case.keys, case.values)

        def cost(level: Level) -> tuple[float, float]:
            sent = decode(profile, shape, coded, level)
            return judge.score(case, *sent)["kl"], coded.bits_per_element(level)

        # Tails count for all groups: the base line has them, too.
        base_kl, base_bits = cost(Level("base", 1, 1, 1, (len(groups),)))
        for group in groups:
            kl, bits = cost(Level("alone", 1, 1, 1, (group,)))
            saved[group] += base_kl - kl
            spent[group] += bits - base_bits
        judge.forget(case)
        print(f"ordered groups by {case.name}", file=sys.stderr, flush=True)
    return sorted(groups, key=lambda group: -saved[group] / max(spent[group], 1e-9))


def levels_of(order: list[int]) -> tuple[Level, ...]:
    """Every level of a profile, best first."""
    between = []
    for name, share in SHARES:
        count = round(share * len(order))
        if 0 < count < len(order):
            between.append(replace(BEST, name=name, far_groups=tuple(sorted(order[:count]))))
    return (BEST, *between, *LEVELS[1:])
