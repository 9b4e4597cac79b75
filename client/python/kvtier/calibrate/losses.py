"""What a profile's levels cost, and a bound on the loss from the distortion, on texts that the fit
has not seen."""

from __future__ import annotations

import math

import numpy as np

from kvtier.profile import Level as MeasuredLevel
from kvtier.profile import LossPoint

from .evaluate import FLAT, RECENT, Judge, Level, code
from .model import KvShape
from .simulate import CodecProfile
from .tables import CodeLengths

LEVELS = (
    Level("best", 1, 1, 2),
    RECENT,
    Level("near", 0, 1, 1),
    Level("tail", 0, 0, 2),
    FLAT,
)
MAP_LEVELS = (Level("rung 2", 2, 2, 2), Level("rung 1", 1, 1, 1), *LEVELS)
MARGIN = 1.25
UNMEASURED = math.nan


def measure_levels(
    judge: Judge, profile: CodecProfile, tables: CodeLengths, shape: KvShape
) -> tuple[list[MeasuredLevel], list[LossPoint]]:
    """Means at every level, and upper bounds over all contexts by distortion per element."""
    rows: dict[str, list[dict[str, float]]] = {level.name: [] for level in MAP_LEVELS}
    for name in judge.names:
        keys, values = judge.cache(name)
        elements = shape.elements * keys.shape[1]
        for level in MAP_LEVELS:
            coded = code(profile, tables, shape, keys, values, level)
            rows[level.name].append(
                {
                    "bits": coded.bits / elements,
                    "distortion": coded.distortion / elements,
                    **judge.score(name, coded.keys, coded.values),
                }
            )
    levels = []
    for level in LEVELS:
        mean = {
            key: float(np.mean([row[key] for row in rows[level.name]]))
            for key in rows[level.name][0]
        }
        levels.append(
            MeasuredLevel(
                level.name,
                level.far,
                level.last,
                level.tail,
                mean["bits"],
                mean["kl"],
                math.expm1(mean["dnll"]),
                UNMEASURED,
                mean["distortion"],
            )
        )
    return levels, loss_bounds([row for level in MAP_LEVELS for row in rows[level.name]])


def loss_bounds(rows: list[dict[str, float]], points: int = 8) -> list[LossPoint]:
    """A monotone map from distortion to bounds: in each band of distortion the worst context, with
    a margin.

    The point of a band sits at its *smallest* distortion, so that a reader who takes the next point
    at or above a distortion, or interpolates between points, never gets less than what was seen
    there. A change of perplexity is noisy (it may be negative), so its bound is never taken below
    the divergence.
    """
    ordered = sorted(rows, key=lambda row: row["distortion"])
    bands = np.array_split(np.arange(len(ordered)), min(points, len(ordered)))
    out, kl, dppl = [], 0.0, 0.0
    for band in bands:
        kl = max(kl, *(MARGIN * ordered[i]["kl"] for i in band))
        dppl = max(dppl, MARGIN * kl, *(MARGIN * math.expm1(ordered[i]["dnll"]) for i in band))
        out.append(LossPoint(ordered[band[0]]["distortion"], kl, dppl, UNMEASURED))
    return [LossPoint(0.0, 0.0, 0.0, 0.0), *out]
