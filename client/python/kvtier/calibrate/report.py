"""What calibration tells on stderr while it runs."""

from __future__ import annotations

import math
import sys

import numpy as np

from .evaluate import Level
from .losses import Measured, coverage, loss_map, summary


def report(rows: list[Measured], levels: tuple[Level, ...]) -> None:
    """What the levels cost, and how well a map made without a text bounds that text."""
    held = coverage(rows) if len({row.document for row in rows}) > 2 else {}
    for level in summary(rows, levels):
        shares = held.get(level.name, (math.nan,) * 3)
        say(
            f"level {level.name}: {level.bits_per_element:.3f} bit/element, KL {level.kl:.4f}, "
            f"perplexity {100 * level.dppl:+.2f} %, facts lost {100 * level.facts_loss:+.1f} %, "
            f"distortion {level.distortion:.5f}; bounds held for "
            + ", ".join(f"{100 * share:.0f} %" for share in shares)
        )
    say(f"stored: {np.mean([row.stored for row in rows]):.3f} bit/element")
    for point in loss_map(rows):
        say(
            f"bound up to distortion {point.distortion:.5f}: KL {point.kl:.4f}, perplexity "
            f"{100 * point.dppl:.2f} %, facts {100 * point.facts_loss:.1f} %"
        )


def say(message: str) -> None:
    """A line of progress."""
    print(message, file=sys.stderr, flush=True)
