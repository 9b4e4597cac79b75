"""What a profile's levels cost on texts that the fit has not seen, and bounds of the loss by
distortion."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

import numpy as np
from torch import Tensor

from kvtier.profile import Level as MeasuredLevel
from kvtier.profile import LossPoint

from .evaluate import FLAT, RECENT, Level
from .judge import Case, Judge

BEST = Level("best", 1, 1, 2)
LEVELS = (BEST, RECENT, Level("near", 0, 1, 1), Level("tail", 0, 0, 2), FLAT)
SHARE = 0.95
MARGIN = 1.25
POINTS = 16
BEYOND = 1.5


@dataclass(frozen=True)
class Measured:
    """One case at one level. Losses that a case cannot tell are NaN; `asked`, `exact` and `decoded`
    count answer tokens."""

    document: str
    level: str
    bits: float
    stored: float
    distortion: float
    kl: float
    dnll: float
    top1: float
    asked: int
    exact: int
    decoded: int

    @property
    def dppl(self) -> float:
        return math.expm1(self.dnll)

    @property
    def facts_loss(self) -> float:
        """Lost share of the answer tokens that the exact cache gives."""
        return 1 - self.decoded / self.exact if self.exact else math.nan


class Coder(Protocol):
    """A codec to measure: what `encode` gives tells by level `bits_per_element` sent and
    `distortion` left, and `stored_bits_per_element`."""

    def encode(self, case: Case) -> Any:
        """A case's exact cache as the codec keeps it."""

    def decode(self, case: Case, coded: Any, level: Level) -> tuple[Tensor, Tensor]:
        """K and V that a reader at a level gets."""


def measure(
    judge: Judge,
    coder: Coder,
    cases: Iterable[Case],
    levels: tuple[Level, ...] = LEVELS,
    log: TextIO | None = None,
) -> list[Measured]:
    """Every case at every level; `log` gets a JSON line each as they come."""
    rows = []
    for case in cases:
        coded = coder.encode(case)
        for level in levels:
            keys, values = coder.decode(case, coded, level)
            rows.append(
                Measured(
                    document=case.document,
                    level=level.name,
                    bits=coded.bits_per_element(level),
                    stored=coded.stored_bits_per_element,
                    distortion=coded.distortion(level),
                    **judge.score(case, keys, values),
                    **judge.recall(case, keys, values),
                )
            )
            if log is not None:
                print(json.dumps(asdict(rows[-1])), file=log, flush=True)
        judge.forget(case)
        print(f"measured {case.name}", file=sys.stderr, flush=True)
    return rows


def summary(rows: list[Measured], levels: tuple[Level, ...] = LEVELS) -> list[MeasuredLevel]:
    """Means of each level over its cases; facts pooled over all."""
    out = []
    for level in levels:
        at = [row for row in rows if row.level == level.name]
        text = [row for row in at if not math.isnan(row.kl)] or at
        exact, decoded = sum(row.exact for row in at), sum(row.decoded for row in at)
        out.append(
            MeasuredLevel(
                level.name,
                level.far,
                level.last,
                level.tail,
                far_groups=level.far_groups,
                bits_per_element=float(np.mean([row.bits for row in at])),
                kl=float(np.mean([row.kl for row in text])),
                dppl=math.expm1(np.mean([row.dnll for row in text])),
                facts_loss=1 - decoded / exact if exact else math.nan,
                distortion=float(np.mean([row.distortion for row in at])),
            )
        )
    return out


def loss_map(rows: list[Measured]) -> list[LossPoint]:
    """Upper bounds by distortion D that hold for 95 % of the cases at every level.

    The divergence follows a power of D, fitted over all cases; perplexity and facts, whose changes
    are mostly chance, its square root. A case cannot tell less than one answer token, so one more
    is taken as lost than was seen. A bound is that shape times a factor: for each level the
    conformal quantile of the documents' worst ratios to the shape (the ⌈(n + 1)·0.95⌉-th smallest
    of n; the largest times 1.25 where n < 19), since cases of one document are alike, and of the
    levels the largest factor. A reader takes the first point whose distortion is not below its
    own; beyond the last, at 1.5 times the largest distortion seen, loss is unmeasured.
    """
    text = [row for row in rows if not math.isnan(row.kl)]
    asked = [row for row in rows if not math.isnan(row.facts_loss)]
    shape = _Power.fit(text)
    kl = _factor([(row, row.kl / shape.at(row.distortion)) for row in text])
    dppl = _factor([(row, row.dppl / shape.root(row.distortion)) for row in text])
    lost = [(row, row.facts_loss + 1 / row.exact) for row in asked]
    facts = _factor([(row, loss / shape.root(row.distortion)) for row, loss in lost])
    seen = [row.distortion for row in rows]
    grid = np.geomspace(min(seen), BEYOND * max(seen), POINTS)
    points = [
        LossPoint(float(d), kl * shape.at(d), dppl * shape.root(d), facts * shape.root(d))
        for d in grid
    ]
    return [LossPoint(0.0, 0.0, 0.0, 0.0), *points]


@dataclass(frozen=True)
class _Power:
    """kl ≈ exp(log_scale)·D^exponent."""

    log_scale: float
    exponent: float

    @staticmethod
    def fit(rows: list[Measured]) -> _Power:
        x = np.log([row.distortion for row in rows])
        y = np.log([max(row.kl, 1e-9) for row in rows])
        slope = float(np.cov(x, y)[0, 1] / max(np.var(x, ddof=1), 1e-12))
        slope = min(max(slope, 0.25), 4.0)
        return _Power(float(np.mean(y) - slope * np.mean(x)), slope)

    def at(self, distortion: float) -> float:
        return math.exp(self.log_scale + self.exponent * math.log(distortion))

    def root(self, distortion: float) -> float:
        return math.sqrt(self.at(distortion))


def _factor(ratios: list[tuple[Measured, float]]) -> float:
    """The largest over the levels of the quantiles of their documents' ratios; NaN of none."""
    worst: dict[str, dict[str, float]] = {}
    for row, ratio in ratios:
        at = worst.setdefault(row.level, {})
        at[row.document] = max(ratio, at.get(row.document, 0.0))
    every = [conformal(list(at.values())) for at in worst.values()]
    return max(every, default=math.nan)


def conformal(values: list[float], share: float = SHARE) -> float:
    """What a further value of the same kind stays below with probability `share`."""
    rank = math.ceil((len(values) + 1) * share)
    ordered = sorted(values)
    return ordered[rank - 1] if rank <= len(ordered) else MARGIN * ordered[-1]


def bound(points: list[LossPoint], distortion: float) -> LossPoint:
    """The point that bounds a distortion; NaN beyond the last."""
    for point in points:
        if distortion <= point.distortion:
            return point
    return LossPoint(distortion, math.nan, math.nan, math.nan)


def coverage(rows: list[Measured]) -> dict[str, tuple[float, float, float]]:
    """How often a map made without a document bounds that document's cases, by level: shares of
    KL, ΔPPL and facts (NaN where none was measured)."""
    held: dict[str, list[tuple[float, float, float]]] = {}
    for document in {row.document for row in rows}:
        points = loss_map([row for row in rows if row.document != document])
        for row in (row for row in rows if row.document == document):
            held.setdefault(row.level, []).append(within(row, points))
    return {level: _means(shares) for level, shares in held.items()}


def within(row: Measured, points: list[LossPoint]) -> tuple[float, float, float]:
    """Whether KL, ΔPPL and facts of a case are within its bounds: 1, 0, NaN = not measured."""
    at = bound(points, row.distortion)
    return (
        _within(row.kl, at.kl),
        _within(row.dppl, at.dppl),
        _within(row.facts_loss, at.facts_loss),
    )


def _within(loss: float, limit: float) -> float:
    return math.nan if math.isnan(loss) else float(loss <= limit)


def _means(shares: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    kl, dppl, facts = (
        float(np.nanmean(column)) if not np.isnan(column).all() else math.nan
        for column in np.array(shares).T
    )
    return kl, dppl, facts
