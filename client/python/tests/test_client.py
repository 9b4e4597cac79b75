"""The client against a Flight server of the tests: whole ways, deadlines, and every failure."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import samples
from memory_node import MemoryNode
from pyarrow import flight

from kvtier import (
    AccessDeniedError,
    Deadline,
    DeadlineExceededError,
    InvalidRequestError,
    OverloadedError,
    PutStatus,
    Stop,
    Tier,
    UnavailableError,
    client,
    encoder,
)
from kvtier.flight_errors import translate
from kvtier.frame import read_header
from kvtier.goodput import Goodput
from kvtier.plan import BEST, Grade
from kvtier.profile import to_bytes
from kvtier.wire import SegmentReply

SPACE = samples.namespace()
TOKENS = np.random.default_rng(11).integers(0, 1000, 4 * 48)
K, V = samples.tensors(SPACE.geometry, len(TOKENS), 11)


@pytest.fixture(autouse=True)
def many_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks in several segments a part, as large ones are."""
    monkeypatch.setattr(encoder, "SEGMENT_BYTES_MIN", 400)


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    server = MemoryNode()
    yield server
    server.released.set()
    server.shutdown()


@pytest.fixture
def tier(node: MemoryNode) -> Iterator[Tier]:
    with Tier.connect(node.location) as connected:
        yield connected


def put(tier: Tier, **options: object) -> None:
    replies = tier.put(SPACE, TOKENS, K, V, **options)
    assert [reply.status for reply in replies] == [PutStatus.STORED] * 4


def close_to(actual: np.ndarray, expected: np.ndarray) -> bool:
    a, b = actual.astype(np.float32), expected.astype(np.float32)
    return float(np.sqrt(np.square(a - b).sum() / np.square(b).sum())) < 0.2


def test_put_then_get_gives_the_prefix_at_the_best_grade(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    prefix = tier.get(SPACE, np.concatenate([TOKENS, [1, 2, 3]]))
    assert (prefix.hit, prefix.admitted, prefix.delivered) == (192, 192, 192)
    assert prefix.stop == Stop.COMPLETE and prefix.grades == [Grade(1, 2)] * 4
    assert close_to(prefix.k, K) and close_to(prefix.v, V)
    assert np.array_equal(prefix.k[:, 0], K[:, 0])
    assert prefix.bytes == sum(len(frame) for frame in node.frames.values())


def test_decoded_values_are_those_of_the_codec(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    prefix = tier.get(SPACE, TOKENS)
    for index, frame in enumerate(node.frames.values()):
        header = read_header(frame)
        k, v = np.zeros_like(K[:, :48]), np.zeros_like(V[:, :48])
        segments = samples.frame_segments(header, frame)
        profile = samples.data_free(SPACE.geometry)
        samples.decode_chunk(header, segments, profile, SPACE.geometry, k, v)
        at = slice(48 * index, 48 * index + 48)
        assert np.array_equal(prefix.k[:, at], k) and np.array_equal(prefix.v[:, at], v)


def test_only_the_common_prefix_matches(tier: Tier) -> None:
    put(tier)
    other = TOKENS.copy()
    other[100] += 1
    prefix = tier.get(SPACE, other)
    assert prefix.hit == prefix.tokens == 96 and prefix.k.shape[1] == 96
    assert close_to(prefix.k, K[:, :96])


def test_nothing_matches_is_an_empty_prefix(tier: Tier) -> None:
    prefix = tier.get(SPACE, TOKENS)
    assert prefix.stop == Stop.MISS and prefix.tokens == 0 and prefix.k.shape == (4, 0, 2, 8)


def test_open_yields_chunks_in_order_and_reuses_one_stream(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    match = tier.match(SPACE, TOKENS)
    for _ in range(3):
        chunks = list(tier.open(match))
        assert [chunk.first_position for chunk in chunks] == [0, 48, 96, 144]
        assert all(close_to(c.k, K[:, 48 * c.index : 48 * c.index + 48]) for c in chunks)
    assert node.streams == 1


def test_grade_max_bounds_what_is_sent(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    prefix = tier.get(SPACE, TOKENS, grade_max=Grade(0, 0))
    assert prefix.grades == [Grade(0, 0)] * 4 and prefix.stop == Stop.COMPLETE
    assert {(r.part_from, r.part_to) for r in node.requests} == {(0, 1)}
    prefix = tier.get(SPACE, TOKENS, grade_max=Grade(1, 1))
    assert prefix.grades == [Grade(1, 1)] * 4


def test_cut_frames_serve_the_parts_that_are_held(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    for key, frame in node.frames.items():
        node.frames[key] = frame[: read_header(frame).cuts[1]]
    prefix = tier.get(SPACE, TOKENS)
    assert prefix.grades == [Grade(0, 1)] * 4 and prefix.stop == Stop.COMPLETE


def test_slow_link_gets_fewer_bytes_and_keeps_the_deadline(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    tier.get(SPACE, TOKENS)  # compiled, measured
    whole = sum(len(frame) for frame in node.frames.values())
    bases = sum(read_header(frame).cuts[0] for frame in node.frames.values())
    node.bytes_per_second = int(bases / 0.5)
    node.segments_per_reply = 1
    tier.goodput = Goodput(mean=node.bytes_per_second, samples=1)
    tier._decode_seconds = 0.005
    started = time.monotonic()
    prefix = tier.get(SPACE, TOKENS, deadline=0.7)
    assert time.monotonic() - started < 0.8
    assert prefix.delivered == 192 and prefix.bytes < whole
    assert close_to(prefix.v, V) or prefix.grades[0] == Grade(0, 0)


def test_too_little_time_sends_nothing_or_a_prefix(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    node.bytes_per_second = 20_000
    tier.goodput = Goodput(mean=20_000, samples=1)
    prefix = tier.get(SPACE, TOKENS, deadline=0.3)
    assert prefix.stop == Stop.DEADLINE and 0 < prefix.admitted < 192
    assert close_to(prefix.k, K[:, : prefix.tokens]) or prefix.tokens == 0
    count = len(node.requests)
    tier.goodput = Goodput(mean=2_000, samples=1)
    prefix = tier.get(SPACE, TOKENS, deadline=0.3)
    assert prefix.tokens == prefix.bytes == 0 and len(node.requests) == count


def test_hanging_node_ends_at_the_deadline_with_what_is_there(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    tier.get(SPACE, TOKENS)
    seen: list[int] = []

    def hang(reply: SegmentReply) -> None:
        seen.append(reply.request)
        if len(set(seen)) > 2:
            node.released.wait(10)

    node.before_reply = hang
    started = time.monotonic()
    prefix = tier.get(SPACE, TOKENS, deadline=3.0)  # two chunks are decoded in far less
    assert time.monotonic() - started < 8
    assert prefix.stop == Stop.DEADLINE and prefix.delivered == 96
    assert prefix.grades == [Grade(0, 0)] * 2 and np.array_equal(prefix.k[:, 0], K[:, 0])
    node.before_reply = lambda reply: None
    node.released.set()
    prefix = tier.get(SPACE, TOKENS)  # late replies of the first get are dropped
    assert prefix.stop == Stop.COMPLETE and prefix.grades == [Grade(1, 2)] * 4
    assert node.cancelled


def test_missing_chunk_ends_the_prefix_before_it(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    match = tier.match(SPACE, TOKENS)
    del node.frames[match.chunks[2].key]
    reader = tier.open(match)
    assert len(list(reader)) == 2
    assert reader.stop == Stop.MISS and "chunk 2" in reader.message


def test_switched_frames_never_mix_at_any_segment(node: MemoryNode, tier: Tier) -> None:
    """Another encoding of a chunk takes its place at each reply, a segment each, in turn."""
    put(tier)
    match = tier.match(SPACE, TOKENS)
    node.segments_per_reply = 1
    key = match.chunks[1].key
    ours, parts = node.frames[key], slice(48, 96)
    name = samples.ChunkId(key, TOKENS[parts], 48)
    profile = samples.trained(SPACE.geometry, samples.ProfileKind.LAYER)
    other = samples.encode_chunk(SPACE, profile, name, K[:, parts], V[:, parts])
    replies = switch = 0

    def count(reply: SegmentReply) -> None:
        nonlocal replies
        node.frames[key] = other if replies >= switch else ours
        replies += 1

    node.before_reply = count
    total = sum(len(read_header(frame).segments) for frame in node.frames.values())
    switch = total
    assert len(list(tier.open(match, deadline=30))) == 4 and replies == total >= 4 * 8
    outcomes = []
    for switch in range(total):
        replies, node.frames[key] = 0, ours
        reader = tier.open(match, deadline=30)
        chunks = list(reader)
        assert replies > switch and node.frames[key] is other
        grades = [chunk.grade for chunk in chunks if chunk.index == 1]
        outcomes.append((len(chunks), *grades, reader.stop))
        for chunk in chunks:
            frame = ours if chunk.index == 1 else node.frames[match.chunks[chunk.index].key]
            k, v = decoded(frame, chunk.grade)
            assert np.array_equal(chunk.k, k) and np.array_equal(chunk.v, v), f"switch {switch}"
    # Before the node took up its base, one of its refinements, or behind all of them.
    assert set(outcomes) == {
        (1, Stop.OTHER_ENCODING),
        (4, Grade(0, 0), Stop.COMPLETE),
        (4, Grade(0, 1), Stop.COMPLETE),
        (4, Grade(1, 1), Stop.COMPLETE),
        (4, Grade(1, 2), Stop.COMPLETE),
    }


def decoded(frame: bytes, grade: Grade) -> tuple[np.ndarray, np.ndarray]:
    """K and V of a frame of `put`, at a grade."""
    header = read_header(frame)
    k, v = np.zeros_like(K[:, : header.tokens]), np.zeros_like(V[:, : header.tokens])
    used = {
        index: data
        for index, data in samples.frame_segments(header, frame).items()
        if grade.uses(header.parts[header.segments[index].part])
    }
    profile = samples.data_free(SPACE.geometry)
    samples.decode_chunk(header, used, profile, SPACE.geometry, k, v)
    return k, v


def test_mixed_encodings_in_one_request_are_corrupt(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    node.segments_per_reply = 1
    node.tamper = lambda reply, data: (
        replace(reply, encoding_id=bytes(32)) if reply.first_segment == 1 else reply,
        data,
    )
    prefix = tier.get(SPACE, TOKENS)
    assert prefix.stop == Stop.CORRUPT and prefix.tokens == 0 and "encoding" in prefix.message


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits_never_reach_the_caller(node: MemoryNode, tier: Tier, seed: int) -> None:
    put(tier)
    clean = tier.get(SPACE, TOKENS)
    random = np.random.default_rng(seed)
    node.segments_per_reply = 1

    def flip(reply: SegmentReply, data: bytes) -> tuple[SegmentReply, bytes]:
        if data and random.random() < 0.15:
            bad = bytearray(data)
            bad[random.integers(len(bad))] ^= 1 << random.integers(8)
            data = bytes(bad) if random.random() < 0.7 else bytes(bad[:-1])
        return reply, data

    node.tamper = flip
    for _ in range(5):
        prefix = tier.get(SPACE, TOKENS)
        for index, grade in enumerate(prefix.grades):
            at = slice(48 * index, 48 * index + 48)
            if grade == Grade(1, 2):
                assert np.array_equal(prefix.k[:, at], clean.k[:, at]), f"seed {seed}"
        if prefix.tokens < 192:
            assert prefix.stop == Stop.CORRUPT, f"seed {seed}: {prefix.message}"


def test_vanished_node_is_a_typed_stop(node: MemoryNode) -> None:
    with Tier.connect(node.location) as tier:
        put(tier)
        match = tier.match(SPACE, TOKENS)

        def end(reply: SegmentReply) -> None:
            raise flight.FlightUnavailableError("going away")

        node.before_reply = end
        reader = tier.open(match, deadline=2.0)
        assert list(reader) == [] and reader.stop == Stop.UNAVAILABLE
        node.before_reply = lambda reply: None
        assert len(list(tier.open(match))) == 4  # by a new stream


def test_dead_node_is_unavailable_within_the_deadline() -> None:
    node = MemoryNode()
    location = node.location
    node.shutdown()
    with Tier.connect(location) as tier:
        started = time.monotonic()
        prefix = tier.get(SPACE, TOKENS, deadline=1.0)
        assert prefix.stop in (Stop.UNAVAILABLE, Stop.DEADLINE) and prefix.tokens == 0
        assert time.monotonic() - started < 1.5
        with pytest.raises(UnavailableError):
            tier.put(SPACE, TOKENS, K, V, deadline=1.0)


def test_errors_of_the_node_are_typed(node: MemoryNode, tier: Tier) -> None:
    node.refuse = flight.FlightUnauthorizedError("not you")
    with pytest.raises(AccessDeniedError, match="not you"):
        tier.match(SPACE, TOKENS)
    assert tier.get(SPACE, TOKENS).stop == Stop.UNAVAILABLE
    node.refuse = pa.ArrowInvalid("wrong")
    with pytest.raises(InvalidRequestError, match="wrong"):
        tier.get(SPACE, TOKENS)
    error = translate(
        flight.FlightServerError(
            "gRPC returned resource exhausted error, with message: full. kvtier-retry-after-ms: 250"
        ),
        "node",
    )
    assert isinstance(error, OverloadedError) and error.retry_after_seconds == 0.25
    with pytest.raises(DeadlineExceededError):
        tier.match(SPACE, TOKENS, deadline=0.0)


def test_rejected_frame_is_a_reply_with_a_reason(node: MemoryNode, tier: Tier) -> None:
    other = samples.namespace(chunk_tokens=24)
    frame = samples.chunk(other, samples.data_free(SPACE.geometry), 24).frame
    (reply,) = tier.put_frames(SPACE, iter([frame]))
    assert reply.status == PutStatus.REJECTED and "frame's namespace" in reply.message
    put(tier)
    assert {r.status for r in tier.put(SPACE, TOKENS, K, V)} == {PutStatus.ALREADY_PRESENT}


def test_profile_travels_by_the_node(
    node: MemoryNode, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PROFILE_PIECE_BYTES", 3000)
    profile = samples.trained(SPACE.geometry, samples.ProfileKind.HEAD)
    tier.put_profile(to_bytes(profile))
    put(tier, profile=profile)
    with Tier.connect(node.location) as other:
        prefix = other.get(SPACE, TOKENS)
        assert prefix.stop == Stop.COMPLETE and prefix.grades == [Grade(1, 2)] * 4
    node.profiles.clear()
    with Tier.connect(node.location) as third:
        prefix = third.get(SPACE, TOKENS)
        assert prefix.tokens == 0 and prefix.stop == Stop.UNAVAILABLE
    assert tier.stats() == '{"chunks": 4}'


def test_exact_and_short_last_chunk(tier: Tier) -> None:
    space, count = SPACE.exact(), 48 + 17
    replies = tier.put(space, TOKENS[:count], K[:, :count], V[:, :count], with_rest=True)
    assert len(replies) == 2
    prefix = tier.get(space, TOKENS[:count], deadline=math.inf)
    assert prefix.tokens == count
    assert np.array_equal(prefix.k, K[:, :count]) and np.array_equal(prefix.v, V[:, :count])


def test_many_threads_share_a_tier(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    results: list[bool] = []

    def work() -> None:
        for _ in range(5):
            prefix = tier.get(SPACE, TOKENS)
            results.append(prefix.tokens == 192 and close_to(prefix.k, K))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [True] * 20 and node.streams <= 4


def test_abandoned_reader_gives_its_stream_back(node: MemoryNode, tier: Tier) -> None:
    put(tier)
    match = tier.match(SPACE, TOKENS)
    chunks = iter(tier.open(match, deadline=Deadline.after(5)))
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert len(list(tier.open(match, grade_max=BEST))) == 4 and node.streams == 1
