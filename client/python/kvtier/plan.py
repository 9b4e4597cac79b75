"""The planner: which rungs of which chunks to ask for; the same results as Java's `codec.plan`.

Chooses the grade of every chunk that minimizes the sum of importance x distortion under bytes <=
rate x time left. Pure functions, called again as segments arrive with the time really left.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from kvtier.errors import require
from kvtier.frame import RUNGS_MAX, Part
from kvtier.wire import ChunkDirectory


@dataclass(frozen=True)
class Grade:
    """What of a chunk is asked for: a rung for its head and one, at least as high, for its tail.

    head_rung: -1 = nothing of the chunk.
    """

    head_rung: int
    tail_rung: int

    def __post_init__(self) -> None:
        head, tail = self.head_rung, self.tail_rung
        require(
            -1 <= head <= tail < RUNGS_MAX and (head >= 0 or tail == -1),
            "grade",
            f"{head}/{tail}",
            f"-1/-1, or 0 <= head rung <= tail rung < {RUNGS_MAX}",
        )

    def uses(self, part: Part) -> bool:
        """Whether decoding at this grade uses the part."""
        head = part.span.covers_head and part.rung <= self.head_rung
        return head or (part.span.covers_tail and part.rung <= self.tail_rung)

    def covers(self, other: Grade) -> bool:
        """Whether this has every part that the other has."""
        return self.head_rung >= other.head_rung and self.tail_rung >= other.tail_rung

    def order(self) -> tuple[int, int]:
        """By tail, then by head: a total order for sorting, not a measure of quality."""
        return self.tail_rung, self.head_rung

    def __str__(self) -> str:
        head, tail = self.head_rung, self.tail_rung
        return str(head) if head == tail else f"{head}/{tail}"


NOTHING = Grade(-1, -1)
BASE_GRADE = Grade(0, 0)
BEST = Grade(RUNGS_MAX - 1, RUNGS_MAX - 1)


@dataclass(frozen=True)
class Link:
    """A lower bound of the link's rate, its round trip, and the time to decode one chunk."""

    bytes_per_second: float
    round_trip_nanos: int = 0
    decode_nanos_per_chunk: int = 0

    def __post_init__(self) -> None:
        rate = self.bytes_per_second
        good = rate > 0 and math.isfinite(rate)
        require(good, "bytes_per_second", rate, "finite and positive")

    def bytes_within(self, nanos: int) -> int:
        """Bytes that arrive and are decoded within the time."""
        usable = float(nanos) - self.round_trip_nanos - self.decode_nanos_per_chunk
        return 0 if usable <= 0 else int(min(usable * self.bytes_per_second / 1e9, 1e18))

    def nanos_for(self, count: int) -> int:
        """Time until that many bytes have arrived and the last chunk is decoded."""
        nanos = count / self.bytes_per_second * 1e9
        return self.round_trip_nanos + self.decode_nanos_per_chunk + int(min(nanos, 1e18))


@dataclass(frozen=True)
class Importance:
    """Weights of a chunk's squared errors: of the tokens before the tail, and of the tail."""

    head: float
    tail: float

    @staticmethod
    def by_position(index: int, count: int) -> Importance:
        """The weights of chunk `index` of `count` by position alone."""
        return LAST if index == count - 1 else FAR


FAR = Importance(1, 1)
# A rung divides squared error by nine, so 9 and 81 ask for one rung more than far chunks, and for
# two on the last tokens: the best use of recency at chunk granularity that was measured.
LAST = Importance(9, 81)


@dataclass(frozen=True)
class PlannedChunk:
    """One chunk as the planner sees it.

    arrived: costs nothing more; grade_max: the best grade that the caller wants.
    """

    directory: ChunkDirectory
    arrived: Grade = NOTHING
    importance: Importance = FAR
    grade_max: Grade = BEST

    def grades(self) -> list[Grade]:
        """Every grade that the held parts allow, from the base on."""
        head_max, tail_max = self._rung_max(True), self._rung_max(False)
        out = []
        for head in range(head_max + 1):
            for tail in range(head, tail_max + 1):
                grade = Grade(head, tail)
                if grade.covers(self.arrived) and self.grade_max.covers(grade):
                    out.append(grade)
        return out or [self.arrived]

    def bytes(self, grade: Grade) -> int:
        """Bytes still to be sent; the header counts with the first bytes of a chunk."""
        out = self.directory.header_bytes if self.arrived == NOTHING else 0
        for cost in self.directory.parts:
            if grade.uses(cost.part) and not self.arrived.uses(cost.part):
                out += cost.bytes
        return out

    def distortion(self, grade: Grade) -> float:
        """Weighted squared error that is left at a grade."""
        head = tail = 0.0
        for cost in self.directory.parts:
            span, rung = cost.part.span, cost.part.rung
            if span.covers_head and rung == grade.head_rung:
                head = cost.distortion
            if span.covers_tail and rung == grade.tail_rung:
                tail = cost.tail_distortion
        return self.importance.head * head + self.importance.tail * tail

    def _rung_max(self, of_head: bool) -> int:
        """Highest rung held; a head without tokens follows the tail, and the other way round."""
        directory = self.directory
        headless = directory.tokens <= directory.tail_tokens
        by_head = directory.tail_tokens == 0 or (of_head and not headless)
        held = [cost.part for cost in directory.parts[: directory.parts_held]]
        return max(
            part.rung
            for part in held
            if (part.span.covers_head if by_head else part.span.covers_tail)
        )


class Limit(enum.Enum):
    """What bounded a plan."""

    NONE = "none"
    QUALITY = "quality"
    PREFIX = "prefix"


@dataclass(frozen=True)
class Plan:
    """Which grade to ask of each chunk; NOTHING only behind the prefix that fits.

    bytes: still to be sent; nanos: until the last of them is decoded; distortion: weighted squared
    error that is left on the chunks that are asked for.
    """

    grades: tuple[Grade, ...]
    bytes: int
    nanos: int
    distortion: float
    limit: Limit

    @property
    def chunks(self) -> int:
        """Leading chunks that are asked for."""
        return sum(1 for grade in self.grades if grade != NOTHING)


_Step = tuple[float, int, tuple[int, int], int, Grade]


def plan(chunks: Sequence[PlannedChunk], link: Link, nanos_left: int | None) -> Plan:
    """Plan for the chunks of a prefix, in order; `nanos_left` None = no deadline."""
    budget = None if nanos_left is None else link.bytes_within(nanos_left)
    grades = [NOTHING] * len(chunks)
    spent = fitting = 0
    for chunk in chunks:
        least = chunk.grades()[0]
        count = chunk.bytes(least)
        if budget is not None and count > budget - spent:
            break
        spent += count
        grades[fitting] = least
        fitting += 1
    spent += _refine(chunks[:fitting], grades, None if budget is None else budget - spent)
    complete = fitting == len(chunks) and not any(
        _next(chunk, grades[i], i, None) for i, chunk in enumerate(chunks)
    )
    limit = Limit.NONE
    if not complete:
        limit = Limit.PREFIX if fitting < len(chunks) else Limit.QUALITY
    distortion = 0.0
    for chunk, grade in zip(chunks[:fitting], grades):
        distortion += chunk.distortion(grade)
    return Plan(tuple(grades), spent, link.nanos_for(spent), distortion, limit)


def _refine(chunks: Sequence[PlannedChunk], grades: list[Grade], budget: int | None) -> int:
    """Take the steepest step that fits, again and again; returns the bytes spent."""
    steps: list[_Step] = []
    for index, chunk in enumerate(chunks):
        steps += _next(chunk, grades[index], index, budget)
    heapq.heapify(steps)
    spent = 0
    while steps:
        _, index, _, count, to = heapq.heappop(steps)
        if budget is None or count <= budget - spent:
            spent += count
            grades[index] = to
        left = None if budget is None else budget - spent
        for step in _next(chunks[index], grades[index], index, left):
            heapq.heappush(steps, step)
    return spent


def _next(chunk: PlannedChunk, start: Grade, index: int, bytes_max: int | None) -> list[_Step]:
    """The steepest way on from a grade within so many bytes: the next point of the lower hull."""
    ahead: list[_Step] = []
    for to in chunk.grades():
        count = chunk.bytes(to) - chunk.bytes(start)
        gain = chunk.distortion(start) - chunk.distortion(to)
        fits = bytes_max is None or count <= bytes_max
        if to.covers(start) and count > 0 and fits and gain > 0:
            ahead.append((-(gain / count), index, to.order(), count, to))
    return [min(ahead, key=lambda step: step[:3])] if ahead else []


def arrived_grade(directory: ChunkDirectory, parts: set[int]) -> Grade:
    """The best grade that decodes from these parts alone."""
    head = tail = -1
    for index, cost in enumerate(directory.parts):
        if index in parts:
            span, rung = cost.part.span, cost.part.rung
            head = rung if span.covers_head and rung == head + 1 else head
            tail = rung if span.covers_tail and rung == tail + 1 else tail
    if head < 0:
        return NOTHING
    if directory.tail_tokens == 0:
        return Grade(head, head)
    return Grade(min(head, tail), tail)  # a refined head counts once its tail is as good


@dataclass(frozen=True)
class SendItem:
    """A run of parts of one chunk: `part_from` to `part_to`, exclusive."""

    chunk: int
    part_from: int
    part_to: int


def next_item(
    grades: Sequence[Grade], directories: Sequence[ChunkDirectory], sent: Sequence[set[int]]
) -> SendItem | None:
    """The next parts to ask for, None when all that the plan wants is under way.

    The base of all chunks from the first one on, so that what is there at the deadline is the
    longest prefix, then refinements from the chunk that ends the request backwards.
    """
    chunks = sum(1 for grade in grades if grade != NOTHING)
    for chunk in range(chunks):
        if 0 not in sent[chunk]:
            return SendItem(chunk, 0, 1)
    for chunk in range(chunks - 1, -1, -1):
        directory, grade = directories[chunk], grades[chunk]
        wanted = [
            part not in sent[chunk] and grade.uses(directory.parts[part].part)
            for part in range(directory.parts_held)
        ]
        if True in wanted:
            start = end = wanted.index(True)
            while end < len(wanted) and wanted[end]:
                end += 1
            return SendItem(chunk, start, end)
    return None
