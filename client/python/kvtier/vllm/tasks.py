"""What the scheduler's side tells the worker's, and back. Everything here is pickled."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kvtier.fetch import ChunkRef


@dataclass(frozen=True, eq=False)
class LoadTask:
    """Chunks to put into the blocks of a request.

    refs: for each rank, the chunks in order; tokens: of the sequence from 0 to the last chunk's
    end. block_ids: of the whole sequence; first_block: the first that is written (the engine has
    those before). seconds: time for all of it, counted from when the worker gets the task;
    recompute_seconds: what computing the written blocks would take, 0 when that is not known.
    """

    request: str
    refs: tuple[tuple[ChunkRef, ...], ...]
    tokens: np.ndarray
    block_ids: tuple[int, ...]
    first_block: int
    seconds: float
    recompute_seconds: float = 0.0

    @property
    def written(self) -> tuple[int, ...]:
        """Blocks that the load has to fill, in order."""
        return self.block_ids[self.first_block :]


@dataclass(frozen=True, eq=False)
class SaveTask:
    """A full chunk to keep: its id, its u32 tokens, where it begins, the blocks that hold it."""

    chunk_id: bytes
    tokens: np.ndarray
    first_position: int
    block_ids: tuple[int, ...]


@dataclass
class Step:
    """What one step of the engine asks of the workers.

    cancelled: requests whose load nobody waits for; prefill_tokens: prompt tokens that the step
    computes, 0 unless it computes nothing else; is_idle: whether it computes nothing at all.
    """

    loads: list[LoadTask] = field(default_factory=list)
    saves: list[SaveTask] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    prefill_tokens: int = 0
    is_idle: bool = False


@dataclass
class Report:
    """What a worker measured: the slowest of the ranks counts. 0 = not known."""

    goodput: float = 0.0
    prefill_tokens_per_second: float = 0.0

    def merge(self, other: Report) -> Report:
        """The report of both."""

        def lower(a: float, b: float) -> float:
            return min(a, b) if a and b else a or b

        return Report(
            lower(self.goodput, other.goodput),
            lower(self.prefill_tokens_per_second, other.prefill_tokens_per_second),
        )
