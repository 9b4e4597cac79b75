"""The scheduler's side of the vLLM connector, with a tier of the tests: no engine, no node."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import samples

from kvtier import Match, TierConfig, UnavailableError
from kvtier.fetch import ChunkRef
from kvtier.frame import BASE
from kvtier.identity import token_digest
from kvtier.tier import foreign_key
from kvtier.vllm.scheduler import SchedulerSide
from kvtier.vllm.tasks import Report
from kvtier.wire import ChunkDirectory, PartCost

CHUNK, BLOCK = 48, 16
SPACE = samples.namespace()


@dataclass
class Request:
    """What the scheduler's side reads of vLLM's."""

    request_id: str
    all_token_ids: list[int]
    salt: int = 0
    num_computed_tokens: int = 0
    prompt_embeds: Any = None
    hashes: int | None = None

    @property
    def num_tokens(self) -> int:
        return len(self.all_token_ids)

    @property
    def num_prompt_tokens(self) -> int:
        return len(self.all_token_ids)

    @property
    def block_hashes(self) -> list[bytes]:
        full = self.num_tokens // BLOCK if self.hashes is None else self.hashes
        return [bytes([self.salt, i]) * 16 for i in range(full)]


@dataclass
class FakeTier:
    """Holds the first `held` chunks of anything, from the front of the sequence."""

    held: int = 4
    failure: Exception | None = None
    config: TierConfig = field(default_factory=TierConfig)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[list[bytes]] = field(default_factory=list)

    def match_ids(self, namespace, ids, tokens, *, first_chunk, deadline):  # type: ignore
        self.gate.wait()
        if len(ids):  # without any it is the one that makes the connection
            self.asked.append(list(ids))
        if self.failure is not None and len(ids):
            raise self.failure
        refs = []
        for i, chunk_id in enumerate(ids[: max(0, self.held - first_chunk)]):
            at = (first_chunk + i) * CHUNK
            cost = PartCost(BASE, 900, 0.0, 0.0)
            directory = ChunkDirectory(bytes(32), 100, at, CHUNK, 0, 1, (cost,))
            digest = token_digest(tokens[at : at + CHUNK])
            refs.append(ChunkRef(foreign_key(namespace, chunk_id), digest, at, CHUNK, directory))
        return Match(namespace, tuple(refs), 0, tokens)


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def side(tier: FakeTier, ranks: int = 1, clock: Clock | None = None, **more: Any) -> SchedulerSide:
    out = SchedulerSide(tier, CHUNK, BLOCK, BLOCK, clock=clock or Clock(), **more)
    out.set_spaces([SPACE] * ranks)
    return out


def free(held: int = 4, **config: Any) -> FakeTier:
    """A tier whose lookups end at once."""
    tier = FakeTier(held, config=TierConfig(**config))
    tier.gate.set()
    return tier


def matched(sched: SchedulerSide, request: Request, local: int = 0) -> tuple[int | None, bool]:
    """The answer once the lookup is done."""
    while (answer := sched.matched(request, local))[0] is None:
        pass
    return answer


def prompt(tokens: int, name: str = "r") -> Request:
    return Request(name, list(range(tokens)))


def test_before_the_workers_named_their_blocks_everything_is_a_miss() -> None:
    tier = free()
    sched = SchedulerSide(tier, CHUNK, BLOCK, BLOCK)
    assert sched.matched(prompt(200), 0) == (0, False) and tier.asked == []


@pytest.mark.parametrize(
    ("tokens", "local", "held", "external"),
    [
        (200, 0, 4, 192), (193, 0, 4, 192), (192, 0, 4, 144),  # one token is left to compute
        (200, 48, 4, 144), (200, 64, 4, 128), (200, 0, 2, 96),
        (200, 96, 2, 0), (200, 112, 2, 0), (200, 192, 4, 0), (47, 0, 4, 0), (200, 0, 0, 0),
    ],
)
def test_external_tokens_are_those_behind_the_local_ones(
    tokens: int, local: int, held: int, external: int
) -> None:
    answer = matched(side(free(held)), prompt(tokens), local)
    assert answer == (external, external > 0)


def test_slow_lookup_is_asked_for_again_and_holds_nobody() -> None:
    tier = FakeTier()
    sched, request = side(tier), prompt(200)
    assert sched.matched(request, 0) == (None, False)
    assert sched.matched(request, 0) == (None, False)
    tier.gate.set()
    assert matched(sched, request) == (192, True)
    assert len(tier.asked) == 1


def test_failed_lookup_is_a_miss_and_the_node_is_left_alone_for_a_while() -> None:
    tier, clock = free(retry_after=5.0), Clock()
    tier.failure = UnavailableError("down")
    sched = side(tier, clock=clock)
    assert matched(sched, prompt(200, "a")) == (0, False)
    assert matched(sched, prompt(200, "b")) == (0, False) and len(tier.asked) == 1
    tier.failure, clock.now = None, 5.0
    assert matched(sched, prompt(200, "c")) == (192, True)
    assert sched.counts() == {"failed_lookups": 1} and sched.counts() == {}


def test_error_that_nobody_foresaw_is_a_miss_too() -> None:
    tier = free()
    tier.failure = RuntimeError("a bug")
    assert matched(side(tier), prompt(200)) == (0, False)


def test_load_names_the_blocks_behind_the_local_ones() -> None:
    sched, request = side(free()), prompt(200)
    assert matched(sched, request, 64) == (128, True)
    sched.allocated(request, range(100, 113), 128)
    (task,) = sched.step({}, lambda name: []).loads
    assert task.block_ids == tuple(range(100, 112)) and task.first_block == 4
    assert task.written == tuple(range(104, 112))
    assert [ref.first_position for ref in task.refs[0]] == [48, 96, 144]
    assert len(task.tokens) == 192 and sched.step({}, lambda name: []).loads == []


def test_after_a_failed_load_the_request_is_a_miss_and_is_saved_anew() -> None:
    sched, request = side(free()), prompt(200)
    matched(sched, request)
    sched.allocated(request, range(13), 192)
    assert sched.matched(request, 0) == (0, False)  # not twice at a time
    sched.received({"r"}, {6, 7, 8, 9, 10, 11}, None)
    assert sched.matched(request, 0) == (0, False)
    request.num_computed_tokens = 96
    saves = sched.step({"r": 104}, lambda name: range(13)).saves
    assert [(s.first_position, s.block_ids) for s in saves] == [(96, (6, 7, 8)), (144, (9, 10, 11))]


def test_after_a_good_load_a_preempted_request_may_load_again_and_saves_nothing() -> None:
    sched, request = side(free()), prompt(200)
    matched(sched, request)
    sched.allocated(request, range(13), 192)
    sched.received({"r"}, set(), None)
    request.num_computed_tokens = 192
    assert sched.step({"r": 8}, lambda name: range(13)).saves == []
    assert matched(sched, request) == (192, True)


def test_saves_follow_what_is_computed_chunk_by_chunk() -> None:
    sched, request = side(free(0)), prompt(200)
    matched(sched, request)
    at = []
    for count in (40, 8, 100, 52):
        saves = sched.step({"r": count}, lambda name: range(13)).saves
        at.append([s.first_position for s in saves])
        request.num_computed_tokens += count
    assert at == [[], [0], [48, 96], [144]]


def test_tokens_whose_hash_is_not_known_yet_are_not_saved() -> None:
    sched, request = side(free(0)), prompt(200)
    request.hashes = 4  # drafts that were scheduled and may be rejected
    sched.seen(request)
    assert len(sched.step({"r": 200}, lambda name: range(13)).saves) == 1


def test_salt_and_adapter_give_other_ids() -> None:
    tiers = [free(), free(), free()]
    names = {"lora": b"adapter"}
    for tier, request in zip(tiers, (prompt(200), Request("s", list(range(200)), salt=1),
                                     prompt(200, "lora"))):
        matched(side(tier, adapter_of=lambda r: names.get(r.request_id, b"")), request)
    plain, salted, adapted = (set(tier.asked[0]) for tier in tiers)
    assert len(plain) == 4 and not plain & salted and not plain & adapted


def test_prompts_of_embeddings_are_neither_looked_up_nor_saved() -> None:
    tier = free()
    sched, request = side(tier), prompt(200)
    request.prompt_embeds = object()
    assert sched.matched(request, 0) == (0, False)
    sched.seen(request)
    assert sched.step({"r": 200}, lambda name: range(13)).saves == [] and tier.asked == []


def test_load_that_takes_longer_than_computing_is_not_begun() -> None:
    sched = side(free())
    fast, slow = Report(1e6, 1000.0), Report(1e3, 1000.0)
    sched.received(set(), set(), fast)  # 4,000 bytes in 4 ms against 192 ms of computing
    assert matched(sched, prompt(200, "a")) == (192, True)
    sched.received(set(), set(), slow)  # 4 s
    assert matched(sched, prompt(200, "b")) == (0, False)
    assert sched.counts()["gated_loads"] == 1


def test_load_has_no_more_time_than_computing_takes() -> None:
    sched, request = side(free()), prompt(200)
    sched.received(set(), set(), Report(1e6, 1920.0))
    matched(sched, request)
    sched.allocated(request, range(13), 192)
    (task,) = sched.step({}, lambda name: []).loads
    assert task.seconds == task.recompute_seconds == pytest.approx(0.1)


def test_request_that_ends_while_it_loads_is_cancelled_once() -> None:
    sched, request = side(free()), prompt(200)
    matched(sched, request)
    sched.allocated(request, range(13), 192)
    sched.finished(request)
    step = sched.step({}, lambda name: [])
    assert step.cancelled == ["r"] and step.is_idle
    assert sched.step({}, lambda name: []).cancelled == []
    sched.received({"r"}, set(range(13)), None)


def test_ranks_that_hold_less_bound_the_match() -> None:
    tier = free()
    look_up, held = tier.match_ids, iter([4, 4, 2])

    def by_rank(*args: Any, **more: Any) -> Match:
        if len(args[1]):
            tier.held = next(held)
        return look_up(*args, **more)

    tier.match_ids = by_rank  # type: ignore[method-assign]
    sched, request = side(tier, ranks=3), prompt(200)
    assert matched(sched, request) == (96, True)
    sched.allocated(request, range(13), 96)
    (task,) = sched.step({}, lambda name: []).loads
    assert [len(refs) for refs in task.refs] == [2, 2, 2]


def test_prefill_is_told_only_of_steps_that_do_nothing_else() -> None:
    sched, a, b = side(free(0)), prompt(200, "a"), prompt(20, "b")
    for request in (a, b):
        sched.seen(request)
    assert sched.step({"a": 100}, lambda name: range(13)).prefill_tokens == 100
    b.num_computed_tokens = 20
    assert sched.step({"a": 100, "b": 1}, lambda name: range(13)).prefill_tokens == 0


def test_tasks_reach_workers_in_other_processes_as_they_are() -> None:
    sched, request = side(free(2)), prompt(200)
    matched(sched, request)
    sched.allocated(request, range(13), 96)
    request.num_computed_tokens = 96
    step = sched.step({"r": 104}, lambda name: range(13))
    other = pickle.loads(pickle.dumps(step))
    (task,) = other.loads
    assert task.tokens.dtype == np.dtype("<u4") and task.tokens.tolist() == list(range(96))
    assert (task.refs, task.block_ids) == (step.loads[0].refs, step.loads[0].block_ids)
    assert [s.chunk_id for s in other.saves] == [s.chunk_id for s in step.saves] != []


def test_slower_rank_counts() -> None:
    merged = Report(5.0, 0.0).merge(Report(3.0, 7.0)).merge(Report(0.0, 9.0))
    assert merged == Report(3.0, 7.0)
