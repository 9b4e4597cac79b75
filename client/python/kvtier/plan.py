"""The planner: which rungs of which chunks to ask for; the same results as Java's `codec.plan`.

Chooses how many chunks to fetch, and the grade of each that minimizes the sum of importance x
distortion under bytes <= rate x time left. Pure functions, called again as segments arrive with the
time really left. Algorithm and sources: `Planner.java` and `Split.java`.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from kvtier.errors import require
from kvtier.frame import RUNGS_MAX, Part
from kvtier.goal import NO_DEADLINE, Goal, Link, LossBudget
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
class Importance:
    """Weights of a chunk's squared errors: of the tokens before the tail, and of the tail."""

    head: float
    tail: float

    @staticmethod
    def by_position(index: int, count: int) -> Importance:
        """The weights of chunk `index` of `count` by position alone."""
        return TERMS.of(index, count)


FAR = Importance(1, 1)
_DENSITY_FACTOR_MIN = 1 / 16


@dataclass(frozen=True)
class ImportanceTerms:
    """What makes a chunk important, as factors.

    last, last_tail: of the chunk that ends the request, and of its tail. A rung divides squared
    error by nine, so 9 and 81 ask for one rung more than far chunks, and for two on the last
    tokens: the best use of recency at chunk granularity that was measured. sink: of the first
    chunk. attention, entity: how much the weight follows a density, 0 = not, 1 = in proportion.
    """

    last: float = 9
    last_tail: float = 81
    sink: float = 1
    attention: float = 1
    entity: float = 1

    def of(
        self, index: int, count: int, attention_density: float = 1, entity_density: float = 1
    ) -> Importance:
        """The weights of a chunk; densities by those of an average chunk."""
        density = max(_DENSITY_FACTOR_MIN, 1 + self.attention * (attention_density - 1))
        density *= max(_DENSITY_FACTOR_MIN, 1 + self.entity * (entity_density - 1))
        head = (self.sink if index == 0 else 1) * density
        tail = head
        if index == count - 1:
            head *= self.last
            tail *= self.last_tail
        return Importance(head, tail)


TERMS = ImportanceTerms()


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

    def distortion(self, grade: Grade, weights: Importance | None = None) -> float:
        """Squared error that is left at a grade, by the chunk's own weights or others."""
        weights = weights or self.importance
        head = tail = 0.0
        for cost in self.directory.parts:
            span, rung = cost.part.span, cost.part.rung
            if span.covers_head and rung == grade.head_rung:
                head = cost.distortion
            if span.covers_tail and rung == grade.tail_rung:
                tail = cost.tail_distortion
        return weights.head * head + weights.tail * tail

    def is_within(self, loss: LossBudget, grade: Grade) -> bool:
        """Whether a grade is within a loss budget."""
        return self.distortion(grade, FAR) <= loss.of(self.directory.tokens)

    def least(self, loss: LossBudget) -> Grade | None:
        """The cheapest grade within the loss budget."""
        within = [grade for grade in self.grades() if self.is_within(loss, grade)]
        return min(within, key=self.bytes, default=None)

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
    """What bounded a plan: the last three ask for nothing, since computing is the better way."""

    NONE = "none"
    QUALITY = "quality"
    PREFIX = "prefix"
    SLOWER = "slower"
    LOSS = "loss"
    STALLED = "stalled"


@dataclass(frozen=True)
class Step:
    """One chunk comes to a grade."""

    chunk: int
    to: Grade


@dataclass(frozen=True)
class Plan:
    """Which grade to ask of each chunk, NOTHING of those that are computed or come too late.

    steps: in sending order, first what makes each chunk usable, then the steepest refinements;
    bytes: still to be sent; nanos: until the request is done; distortion: weighted squared error
    that is left on the chunks that are asked for, at most `gap` above the least there can be.
    """

    grades: tuple[Grade, ...]
    steps: tuple[Step, ...]
    bytes: int
    nanos: int
    distortion: float
    gap: float
    limit: Limit

    @property
    def chunks(self) -> int:
        """Chunks that are asked for: the first ones, or the last ones of a bidirectional plan."""
        return sum(1 for grade in self.grades if grade != NOTHING)

    @property
    def is_recompute(self) -> bool:
        """Whether to compute everything, since fetching does not pay."""
        return self.limit in (Limit.SLOWER, Limit.LOSS, Limit.STALLED)


@dataclass(frozen=True)
class _Split:
    """How many chunks are fetched, with how many bytes at most; all others are computed."""

    fetched: int
    budget: int
    waiting: int
    compute: int
    reason: Limit


def plan(chunks: Sequence[PlannedChunk], link: Link, goal: Goal) -> Plan:
    """Plan for the chunks of a prefix, in order."""
    split = _choose_split(chunks, link, goal, goal.loss)
    grades = [NOTHING] * len(chunks)
    if split.fetched == 0 and chunks:
        below = goal.loss != LossBudget() and _choose_split(chunks, link, goal, LossBudget())
        reason = Limit.LOSS if below and below.fetched else split.reason
        return Plan(tuple(grades), (), 0, split.compute, 0.0, 0.0, reason)
    start = len(chunks) - split.fetched if goal.model.from_the_back else 0
    fetched = range(start, start + split.fetched)
    steps: list[Step] = []
    spent = 0
    for index in reversed(fetched) if goal.model.from_the_back else fetched:
        least = chunks[index].least(goal.loss)
        assert least is not None
        grades[index] = least
        count = chunks[index].bytes(least)
        if count > 0:
            steps.append(Step(index, least))
            spent += count
    more, gap, cut = _refine(chunks, fetched, grades, split.budget - spent, steps)
    spent += more
    distortion = 0.0
    for index in fetched:
        distortion += chunks[index].distortion(grades[index])
    fetch = link.nanos_for(spent, split.waiting) if spent else 0
    limit = Limit.QUALITY if cut else Limit.NONE
    return Plan(
        tuple(grades),
        tuple(steps),
        spent,
        goal.model.finish_nanos(fetch, split.compute),
        distortion,
        gap,
        Limit.PREFIX if split.fetched < len(chunks) else limit,
    )


def _choose_split(
    chunks: Sequence[PlannedChunk], link: Link, goal: Goal, loss: LossBudget
) -> _Split:
    """The split in time that computes least, or else the one that is done first."""
    model, weighed = goal.model, goal.recompute.is_known and bool(chunks)
    total = _computing(chunks, 0, goal) if weighed else 0
    if weighed and goal.nanos_spent > total // 10:
        if chunks[-1 if model.from_the_back else 0].arrived == NOTHING:
            return _Split(0, 0, 0, total, Limit.STALLED)
    left = goal.nanos_left
    if weighed:
        left = min(left, max(0, total - goal.nanos_spent))
    best = _Split(0, 0, 0, total, Limit.SLOWER if weighed else Limit.PREFIX)
    soonest, in_time = total, weighed and total <= left
    count = waiting = 0
    for fetched in range(1, len(chunks) + 1):
        chunk = chunks[len(chunks) - fetched if model.from_the_back else fetched - 1]
        least = chunk.least(loss)
        if least is None:
            break
        more = chunk.bytes(least)
        count += more
        waiting += more > 0
        compute = _computing(chunks, fetched, goal) if weighed else 0
        fetch_max = budget = left
        if left != NO_DEADLINE:
            fetch_max = model.fetch_nanos_max(left, compute)
            budget = link.bytes_within(fetch_max, waiting)
        if fetch_max >= 0 and count <= budget:
            in_time = True
            best = _Split(fetched, budget, waiting, compute, Limit.PREFIX)
        elif not weighed:
            break
        elif not in_time:
            fetch = link.nanos_for(count, waiting) if count else 0
            finish = model.finish_nanos(fetch, compute)
            if finish < soonest:
                soonest = finish
                best = _Split(fetched, count, waiting, compute, Limit.PREFIX)
    return best


def _computing(chunks: Sequence[PlannedChunk], fetched: int, goal: Goal) -> int:
    """Time to compute what is not fetched."""
    starts = [chunk.directory.first_position for chunk in chunks]
    end = starts[-1] + chunks[-1].directory.tokens
    starts.append(end)
    if goal.model.from_the_back:
        # an engine that computes from the front has to begin at the front of the sequence
        return goal.recompute.nanos(0, starts[len(chunks) - fetched])
    last = chunks[fetched - 1].directory
    start = last.first_position + last.tokens if fetched else starts[0]
    return goal.recompute.nanos(start, end + goal.recompute.suffix_tokens)


def _refine(
    chunks: Sequence[PlannedChunk],
    fetched: range,
    grades: list[Grade],
    left: int,
    steps: list[Step],
) -> tuple[int, float, bool]:
    """Take the steepest step that fits, again and again: bytes, gap, whether any did not fit."""
    heap: list[tuple[float, int, tuple[int, int], int, Grade]] = []

    def push(index: int, bytes_max: int) -> None:
        chunk, start = chunks[index], grades[index]
        ahead = []
        for to in chunk.grades():
            count = chunk.bytes(to) - chunk.bytes(start)
            gain = chunk.distortion(start) - chunk.distortion(to)
            if to.covers(start) and 0 < count <= bytes_max and gain > 0:
                ahead.append((-(gain / count), index, to.order(), count, to))
        if ahead:
            heapq.heappush(heap, min(ahead, key=lambda step: step[:3]))

    for index in fetched:
        push(index, NO_DEADLINE)
    spent, gap, cut = 0, 0.0, False
    while heap:
        slope, index, _, count, to = heapq.heappop(heap)
        fits = count <= left
        if fits:
            gain = chunks[index].distortion(grades[index]) - chunks[index].distortion(to)
            gap = gap - gain if cut else 0.0
            grades[index] = to
            steps.append(Step(index, to))
            left -= count
            spent += count
        elif not cut:
            cut, gap = True, -slope * left
        push(index, NO_DEADLINE if fits else left)
    return spent, max(0.0, gap), cut


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
    steps: Sequence[Step], directories: Sequence[ChunkDirectory], sent: Sequence[set[int]]
) -> SendItem | None:
    """The next parts to ask for, None when all that the steps want is under way."""
    for index, step in enumerate(steps):
        follows = index + 1 < len(steps) and steps[index + 1].chunk == step.chunk
        if follows and 0 in sent[step.chunk]:
            continue  # one request for both, but never for the base and what refines it
        directory = directories[step.chunk]
        wanted = [
            part not in sent[step.chunk] and step.to.uses(directory.parts[part].part)
            for part in range(directory.parts_held)
        ]
        if True in wanted:
            start = end = wanted.index(True)
            while end < len(wanted) and wanted[end]:
                end += 1
            return SendItem(step.chunk, start, end)
    return None
