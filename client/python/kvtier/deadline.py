"""Deadlines: one point in time that a whole operation, with all its calls, has to meet."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from kvtier.errors import DeadlineExceededError, require


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock, in seconds."""

    at: float

    @staticmethod
    def after(seconds: float) -> Deadline:
        """So many seconds from now; infinity = none."""
        require(seconds >= 0, "seconds", seconds, "0 or more")  # refuses NaN, too
        return Deadline(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds left, 0 when it is over."""
        return max(self.at - time.monotonic(), 0.0)

    @property
    def nanos_left(self) -> int | None:
        """Nanoseconds left, None without a deadline."""
        return None if math.isinf(self.at) else int(self.left * 1e9)

    def check(self, what: str) -> None:
        """Raise DeadlineExceededError when it is over."""
        if self.left <= 0:
            raise DeadlineExceededError(f"no time left for {what}")
