"""What a plan is made for: link, deadline, execution model, cost of computing, loss budget.

The same rules as Java's `codec.plan`. Times are integers of nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from kvtier.errors import require

FOREVER = 10**18
NO_DEADLINE = (1 << 63) - 1


@dataclass(frozen=True)
class Link:
    """A lower bound of the link's rate, its round trip, and the time to decode one chunk.

    Chunks are decoded one after the other while bytes arrive, so the last one adds to a stream
    unless decoding is slower than the link.
    """

    bytes_per_second: float
    round_trip_nanos: int = 0
    decode_nanos_per_chunk: int = 0

    def __post_init__(self) -> None:
        rate = self.bytes_per_second
        good = rate > 0 and math.isfinite(rate)
        require(good, "bytes_per_second", rate, "finite and positive")

    def bytes_within(self, nanos: int, chunks: int) -> int:
        """Bytes of so many chunks that arrive and are decoded within the time."""
        left = float(nanos) - self.round_trip_nanos
        usable = left - self.decode_nanos_per_chunk
        if usable <= 0 or float(chunks) * self.decode_nanos_per_chunk > left:
            return 0
        return int(min(usable * self.bytes_per_second / 1e9, FOREVER))

    def nanos_for(self, count: int, chunks: int) -> int:
        """Time until that many bytes of so many chunks have arrived and are decoded."""
        transfer = count / self.bytes_per_second * 1e9
        decoding = float(max(0, chunks - 1)) * self.decode_nanos_per_chunk
        fixed = self.round_trip_nanos + self.decode_nanos_per_chunk
        return fixed + int(min(max(transfer, decoding), FOREVER))


class Sequential:
    """The engine takes a prefix, then prefills the rest: time = fetch + compute."""

    from_the_back = False

    def finish_nanos(self, fetch: int, compute: int) -> int:
        """Time of a request."""
        return fetch + compute

    def fetch_nanos_max(self, left: int, compute: int) -> int:
        """Longest fetch with which a request is done in time; negative when there is none."""
        return left - compute

    def usable(self, asked: int, arrived: Callable[[int], bool]) -> int:
        """How many of those asked for, in sending order, a missed deadline leaves of use."""
        count = 0
        while count < asked and arrived(count):
            count += 1
        return count


class Layered(Sequential):
    """Layer l of the rest is computed once layer l of the prefix is there.

    Time = max(fetch + compute/L, fetch/L + compute); all or nothing at the deadline.
    """

    def __init__(self, layers: int) -> None:
        require(layers >= 1, "layers", layers, "1 or more")
        self.layers = layers

    def finish_nanos(self, fetch: int, compute: int) -> int:
        """Time of a request."""
        return max(fetch + compute // self.layers, fetch // self.layers + compute)

    def fetch_nanos_max(self, left: int, compute: int) -> int:
        """Longest fetch with which a request is done in time; negative when there is none."""
        overlapped = min((left - compute) * self.layers, FOREVER)
        return min(left - compute // self.layers, overlapped)

    def usable(self, asked: int, arrived: Callable[[int], bool]) -> int:
        """All that were asked for, or none."""
        count = super().usable(asked, arrived)
        return count if count == asked else 0


class Bidirectional(Sequential):
    """Computes from the front while it loads from the back: time = max(fetch, compute)."""

    from_the_back = True

    def finish_nanos(self, fetch: int, compute: int) -> int:
        """Time of a request."""
        return max(fetch, compute)

    def fetch_nanos_max(self, left: int, compute: int) -> int:
        """Longest fetch with which a request is done in time; negative when there is none."""
        return -1 if compute > left else left


ExecutionModel = Sequential | Layered | Bidirectional
SEQUENTIAL = Sequential()


@dataclass(frozen=True)
class Recompute:
    """Speed of prefill by context length, told by the worker; unknown without rates.

    rates: (context tokens, tokens a second), the first from 0 on; each counts until the next.
    suffix_tokens: of the request behind the chunks, computed in any case.
    """

    rates: tuple[tuple[int, float], ...] = ()
    suffix_tokens: int = 0

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.rates]
        good = starts[:1] in ([], [0]) and all(a < b for a, b in zip(starts, starts[1:]))
        require(good, "context tokens", starts, "0, then ascending")
        good = all(rate > 0 and math.isfinite(rate) for _, rate in self.rates)
        require(good, "tokens a second", self.rates, "finite and positive")

    @property
    def is_known(self) -> bool:
        """Whether there is a speed."""
        return bool(self.rates)

    def nanos(self, start: int, end: int) -> int:
        """Time to compute the tokens from a position to another, 0 when unknown."""
        nanos = 0.0
        for index, (since, rate) in enumerate(self.rates):
            until = self.rates[index + 1][0] if index + 1 < len(self.rates) else NO_DEADLINE
            tokens = min(end, until) - max(start, since)
            nanos += max(0, tokens) / rate * 1e9
        return int(min(nanos, FOREVER))


UNKNOWN = Recompute()


@dataclass(frozen=True)
class LossBudget:
    """How much squared error a chunk may have at most, head and tail together and not weighted.

    distortion_per_element: in the profile's whitened domain, infinite = no bound.
    """

    distortion_per_element: float = math.inf
    elements_per_token: int = 1

    def of(self, tokens: int) -> float:
        """Squared error that so many tokens may have."""
        return self.distortion_per_element * self.elements_per_token * tokens


@dataclass(frozen=True)
class Goal:
    """What a plan is made for.

    nanos_left: until the deadline of the request; nanos_spent: since it began to fetch, for
    computing could have begun then.
    """

    nanos_left: int = NO_DEADLINE
    nanos_spent: int = 0
    model: ExecutionModel = SEQUENTIAL
    recompute: Recompute = UNKNOWN
    loss: LossBudget = LossBudget()
