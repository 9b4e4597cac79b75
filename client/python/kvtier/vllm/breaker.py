"""A circuit breaker: after a failure, a node is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Open for `seconds` after each failure, so that requests do not wait for a dead node."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether to leave the node alone."""
        return self._clock() < self._until

    def failed(self) -> None:
        """A call did not get through."""
        self._until = self._clock() + self._seconds

    def succeeded(self) -> None:
        """A call did."""
        self._until = float("-inf")
