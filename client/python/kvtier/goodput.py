"""How fast bytes really arrive: a lower confidence bound that a plan may count on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WINDOW_SECONDS = 0.02
"""Arrivals within a window are one sample: single messages come in bursts."""
COLD_BYTES_PER_SECOND = 2.5e6
"""What is assumed of a link of which nothing is known: 20 Mbit/s."""
_SMOOTHING = 0.25
_HINT_SHARE = 0.5
_COLD_DEVIATION = 0.25


@dataclass
class Goodput:
    """Exponentially weighted mean and deviation of the rate, in bytes a second."""

    mean: float = 0.0
    variance: float = 0.0
    samples: int = 0
    round_trip_seconds: float = 0.001
    _bytes: int = 0
    _started: float = field(default=math.nan)

    def hint(self, bytes_per_second: int) -> None:
        """What the node believes, used until there is a sample of our own."""
        if self.samples == 0 and bytes_per_second > 0:
            self.mean = _HINT_SHARE * bytes_per_second

    def start(self, now: float) -> None:
        """Bytes are under way from now on: time spent waiting counts, idle time does not."""
        if math.isnan(self._started):
            self._started = now

    def arrived(self, count: int, now: float, idle_after: bool = False) -> None:
        """Count bytes; `idle_after` when nothing more is under way."""
        self._bytes += count
        seconds = now - self._started
        if seconds >= WINDOW_SECONDS or (idle_after and seconds > 1e-4):
            self._sample(self._bytes / seconds)
            self._bytes, self._started = 0, now
        if idle_after:
            self._bytes, self._started = 0, math.nan

    def _sample(self, rate: float) -> None:
        if self.samples == 0:
            self.mean, self.variance = rate, (_COLD_DEVIATION * rate) ** 2
        else:
            off = rate - self.mean
            self.mean += _SMOOTHING * off
            self.variance = (1 - _SMOOTHING) * (self.variance + _SMOOTHING * off * off)
        self.samples += 1

    @property
    def bytes_per_second(self) -> float:
        """The bound: mean less one deviation, not below a quarter of the mean."""
        if self.mean <= 0:
            return COLD_BYTES_PER_SECOND
        return max(self.mean - math.sqrt(self.variance), self.mean / 4, 1.0)
