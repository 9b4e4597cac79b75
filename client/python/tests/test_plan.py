"""The planner: its promises, and the same choices as Java's on the same inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kvtier.frame import Part, Span
from kvtier.goal import (
    Bidirectional,
    Goal,
    Layered,
    Link,
    LossBudget,
    Recompute,
    Sequential,
)
from kvtier.identity import ZERO_DIGEST
from kvtier.plan import (
    BASE_GRADE,
    NOTHING,
    Grade,
    Importance,
    ImportanceTerms,
    Limit,
    PlannedChunk,
    SendItem,
    arrived_grade,
    next_item,
    plan,
)
from kvtier.wire import ChunkDirectory, PartCost

LINK = Link(1e9)  # one byte a nanosecond


def chunks(count: int, random: np.random.Generator) -> list[PlannedChunk]:
    out = []
    for index in range(count):
        base = float(random.integers(1000, 1500))
        sizes = (150_000, 25_000, 30_000, 180_000)
        costs = [int(size + random.integers(9000)) for size in sizes]
        parts = (
            PartCost(Part(0, Span.ALL), costs[0], base, base / 7),
            PartCost(Part(1, Span.TAIL), costs[1], 0, base / 63),
            PartCost(Part(2, Span.TAIL), costs[2], 0, base / 567),
            PartCost(Part(1, Span.HEAD), costs[3], base / 9, 0),
        )
        directory = ChunkDirectory(ZERO_DIGEST, 500, index * 256, 256, 32, 4, parts)
        importance = Importance.by_position(index, count)
        out.append(PlannedChunk(directory, NOTHING, importance))
    return out


def brute_force(open_chunks: list[PlannedChunk], budget: int) -> float:
    if not open_chunks:
        return 0.0
    first, rest = open_chunks[0], open_chunks[1:]
    return min(
        (
            first.distortion(grade) + brute_force(rest, budget - first.bytes(grade))
            for grade in first.grades()
            if first.bytes(grade) <= budget
        ),
        default=float("inf"),
    )


def test_no_deadline_asks_for_everything_held() -> None:
    result = plan(chunks(3, np.random.default_rng(1)), LINK, Goal())
    assert result.limit == Limit.NONE and set(result.grades) == {Grade(1, 2)}


def test_recency_goes_to_the_last_chunk() -> None:
    open_chunks = chunks(4, np.random.default_rng(2))
    bases = sum(chunk.bytes(BASE_GRADE) for chunk in open_chunks)
    last = open_chunks[3]
    budget = bases + last.bytes(Grade(0, 2)) - last.bytes(BASE_GRADE)
    result = plan(open_chunks, LINK, Goal(budget))
    assert result.grades == (BASE_GRADE,) * 3 + (Grade(0, 2),)
    assert result.limit == Limit.QUALITY and result.bytes == budget


def test_too_little_time_keeps_the_longest_prefix() -> None:
    open_chunks = chunks(5, np.random.default_rng(3))
    budget = sum(chunk.bytes(BASE_GRADE) for chunk in open_chunks[:2]) + 1
    result = plan(open_chunks, LINK, Goal(budget))
    assert result.chunks == 2 and result.limit == Limit.PREFIX
    assert plan(open_chunks, Link(1e9, 1000), Goal(1000)).bytes == 0


@pytest.mark.parametrize("seed", range(40))
def test_never_overspends_and_is_near_the_optimum(seed: int) -> None:
    random = np.random.default_rng(seed)
    open_chunks = chunks(int(random.integers(1, 4)), random)
    top = plan(open_chunks, LINK, Goal()).bytes
    bases = sum(chunk.bytes(BASE_GRADE) for chunk in open_chunks)
    budget = int(random.integers(bases, top + 1))
    result = plan(open_chunks, LINK, Goal(budget))
    assert result.bytes <= budget
    best = brute_force(open_chunks, budget)
    assert best - 1e-9 <= result.distortion <= best + result.gap + 1e-9


def test_send_order_is_bases_first_then_what_gains_most() -> None:
    open_chunks = chunks(3, np.random.default_rng(4))
    directories = [chunk.directory for chunk in open_chunks]
    steps = plan(open_chunks, LINK, Goal()).steps
    sent: list[set[int]] = [set(), set(), set()]
    order = []
    while (item := next_item(steps, directories, sent)) is not None:
        order.append(item)
        sent[item.chunk].update(range(item.part_from, item.part_to))
    assert order[:4] == [
        SendItem(0, 0, 1),
        SendItem(1, 0, 1),
        SendItem(2, 0, 1),
        SendItem(2, 1, 4),
    ]
    assert sent == [{0, 1, 2, 3}] * 3
    assert arrived_grade(directories[0], {0, 2, 3}) == BASE_GRADE
    assert arrived_grade(directories[0], {0, 1}) == Grade(0, 1)
    assert arrived_grade(directories[0], {1, 2}) == NOTHING


VECTORS = Path(__file__).parents[3] / "codec/src/test/resources/vectors"
JAVA = json.loads((VECTORS / "planner.json").read_text())["cases"]


def from_java(fields: dict) -> PlannedChunk:
    parts = tuple(
        PartCost(Part(rung, Span[span]), count, float(np.float32(head)), float(np.float32(tail)))
        for rung, span, count, head, tail in fields["parts"]
    )
    return PlannedChunk(
        ChunkDirectory(ZERO_DIGEST, *fields["sizes"], parts),
        Grade(*fields["arrived"]),
        Importance(fields["importance"]["head"], fields["importance"]["tail"]),
    )


def goal_from_java(fields: dict) -> Goal:
    models = {
        "Sequential": Sequential(),
        "Layered": Layered(fields["layers"] or 1),
        "Bidirectional": Bidirectional(),
    }
    rates = [(r["contextTokens"], r["tokensPerSecond"]) for r in fields["recompute"]["rates"]]
    loss = fields["distortionPerElement"]
    return Goal(
        int(fields["nanosLeft"]),
        int(fields["nanosSpent"]),
        models[fields["model"]],
        Recompute(tuple(rates), fields["recompute"]["suffixTokens"]),
        LossBudget() if loss < 0 else LossBudget(loss, fields["elementsPerToken"]),
    )


@pytest.mark.parametrize("case", JAVA, ids=[str(i) for i in range(len(JAVA))])
def test_plans_are_those_of_java(case: dict) -> None:
    link = case["link"]
    result = plan(
        [from_java(chunk) for chunk in case["chunks"]],
        Link(link["bytesPerSecond"], link["roundTripNanos"], link["decodeNanosPerChunk"]),
        goal_from_java(case["goal"]),
    )
    expected = case["plan"]
    assert list(result.grades) == [Grade(*grade) for grade in expected["grades"]]
    assert [(step.chunk, step.to) for step in result.steps] == [
        (chunk, Grade(*grade)) for chunk, grade in expected["steps"]
    ]
    assert (result.bytes, result.nanos) == (expected["bytes"], expected["nanos"])
    assert result.limit.name == expected["limit"]
    assert result.distortion == pytest.approx(expected["distortion"], rel=1e-12)
    assert result.gap == pytest.approx(expected["gap"], rel=1e-9, abs=1e-6)


IMPORTANCES = json.loads((VECTORS / "importance.json").read_text())["cases"]


@pytest.mark.parametrize("case", IMPORTANCES, ids=[str(i) for i in range(len(IMPORTANCES))])
def test_importances_are_those_of_java(case: dict) -> None:
    names = ("last", "lastTail", "sink", "attention", "entity")
    terms = ImportanceTerms(*(case["terms"][name] for name in names))
    result = terms.of(case["index"], case["count"], case["attention"], case["entity"])
    expected = case["importance"]
    assert (result.head, result.tail) == (expected["head"], expected["tail"])
