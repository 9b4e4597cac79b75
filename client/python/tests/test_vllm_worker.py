"""The worker's side of the vLLM connector: loads and saves over a node, into blocks of numpy."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import samples
from memory_node import MemoryNode

from kvtier import Geometry, GeometryKind, Namespace, NamespaceKind, Tier, TierConfig
from kvtier.identity import Rope
from kvtier.vllm.tasks import LoadTask, SaveTask, Step
from kvtier.vllm.worker import WorkerSide

LAYERS, BLOCK, BLOCK_BYTES, CHUNK = 4, 16, 400, 48
PER = CHUNK // BLOCK
OPAQUE = Namespace(
    samples.MODEL,
    Geometry(
        1, 1, 1, 0, samples.Dtype.F32, GeometryKind.OPAQUE, PER * BLOCK_BYTES, (Rope(),),
        (0,) * LAYERS, tuple(range(LAYERS)), (-1,) * LAYERS,
    ),
    NamespaceKind.EXACT, CHUNK, key_scheme="vllm-sha256", layout="test",
)
TOKENS = np.random.default_rng(3).integers(0, 1000, 4 * CHUNK).astype("<u4")


class ByteBlocks:
    """Opaque blocks in one array `[layers, blocks, bytes]`."""

    def __init__(self, seed: int | None) -> None:
        shape = (LAYERS, 32, BLOCK_BYTES)
        random = np.random.default_rng(seed)
        self.data = np.zeros(shape, np.uint8)
        if seed is not None:
            self.data[:] = random.integers(0, 256, shape)

    def read(self, block_ids: Sequence[int]) -> np.ndarray:
        return self.data[:, list(block_ids)].reshape(LAYERS, -1).copy()

    def write(self, content: np.ndarray, block_ids: Sequence[int], first: int) -> None:
        by_block = content.reshape(LAYERS, len(block_ids), BLOCK_BYTES)
        for index in range(first, len(block_ids)):
            self.data[:, block_ids[index]] = by_block[:, index]


class TensorArrays:
    """K and V in arrays `[layers, blocks, 16, heads, dim]`."""

    def __init__(self, seed: int) -> None:
        shape = samples.geometry()
        k, v = samples.tensors(shape, 32 * BLOCK, seed)
        size = (LAYERS, 32, BLOCK, samples.HEADS, samples.DIM)
        self.k, self.v = k.reshape(size), v.reshape(size)

    def read(self, block_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        ids = list(block_ids)
        size = (LAYERS, len(ids) * BLOCK, samples.HEADS, samples.DIM)
        return self.k[:, ids].reshape(size), self.v[:, ids].reshape(size)

    def write(self, content: tuple[Any, Any], block_ids: Sequence[int], first: int) -> None:
        for into, values in zip((self.k, self.v), content):
            by_block = values.reshape(LAYERS, len(block_ids), BLOCK, samples.HEADS, samples.DIM)
            for index in range(first, len(block_ids)):
                into[:, block_ids[index]] = by_block[:, index]


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    server = MemoryNode()
    yield server
    server.released.set()
    server.shutdown()


@pytest.fixture
def sides() -> Iterator[list[WorkerSide]]:
    made: list[WorkerSide] = []
    yield made
    for side in made:
        side.close()


def worker(
    sides: list[WorkerSide], node: MemoryNode, blocks: Any, space: Namespace = OPAQUE, **config: Any
) -> WorkerSide:
    tier = Tier.connect(TierConfig(node=node.location, **config))
    sides.append(WorkerSide(tier, space, blocks))
    return sides[-1]


def saves(count: int = 4, base: int = 0) -> list[SaveTask]:
    return [
        SaveTask(
            bytes([i]) * 32, TOKENS[i * CHUNK : (i + 1) * CHUNK], i * CHUNK,
            tuple(range(base + i * PER, base + (i + 1) * PER)),
        )
        for i in range(count)
    ]


def load_task(
    node: MemoryNode, space: Namespace = OPAQUE, first_block: int = 0, seconds: float = 60.0
) -> LoadTask:
    """Load all four chunks into blocks 12..23, those before `first_block` left alone."""
    first = first_block // PER
    with Tier.connect(node.location) as tier:
        ids = [bytes([i]) * 32 for i in range(first, 4)]
        match = tier.match_ids(space, ids, TOKENS, first_chunk=first, deadline=10.0)
    assert len(match.chunks) == 4 - first
    return LoadTask("r", (match.chunks,), TOKENS, tuple(range(12, 24)), first_block, seconds)


def save_all(side: WorkerSide, tasks: list[SaveTask] | None = None) -> None:
    side.save(Step(saves=saves() if tasks is None else tasks))
    side.drain()


def load_all(side: WorkerSide, task: LoadTask) -> set[int]:
    """Failed blocks of a load that ended."""
    side.load(Step([task]), wait=True)
    assert side.received() == {"r"} and side.received() == set()
    return side.failed_blocks()


def test_saved_blocks_are_loaded_into_others_byte_for_byte(node, sides) -> None:  # type: ignore
    source, target = ByteBlocks(1), ByteBlocks(None)
    first = worker(sides, node, source)
    save_all(first)
    second = worker(sides, node, target)
    assert load_all(second, load_task(node)) == set()
    assert np.array_equal(target.data[:, 12:24], source.data[:, :12])
    assert not target.data[:, :12].any() and not target.data[:, 24:].any()
    assert first.counts()["saved_chunks"] == 4
    counts = second.counts()
    assert (counts["loaded_chunks"], counts["loads"], counts["failed_loads"]) == (4, 1, 0)


@pytest.mark.parametrize("first_block", [1, 3, 5])
def test_blocks_that_the_engine_has_are_left_alone(  # type: ignore
    node, sides, first_block
) -> None:
    source, target = ByteBlocks(1), ByteBlocks(None)
    save_all(worker(sides, node, source))
    assert load_all(worker(sides, node, target), load_task(node, first_block=first_block)) == set()
    assert not target.data[:, : 12 + first_block].any()
    assert np.array_equal(target.data[:, 12 + first_block : 24], source.data[:, first_block:12])


def test_adaptive_blocks_come_back_as_the_codec_leaves_them(node, sides) -> None:  # type: ignore
    space = replace(samples.namespace(), key_scheme="vllm-sha256")
    source, target = TensorArrays(1), TensorArrays(2)
    first = worker(sides, node, source, space)
    first.warm_up()
    save_all(first)
    assert load_all(worker(sides, node, target, space), load_task(node, space)) == set()
    a = source.k[:, :12].astype(np.float32)
    b = target.k[:, 12:24].astype(np.float32)
    assert np.square(a - b).sum() < 0.04 * np.square(a).sum()


def test_chunk_that_was_saved_or_loaded_is_not_put_again(node, sides) -> None:  # type: ignore
    side = worker(sides, node, ByteBlocks(1))
    save_all(side)
    save_all(side)
    assert side.counts()["saved_chunks"] == 4
    other = worker(sides, node, ByteBlocks(None))
    load_all(other, load_task(node))
    save_all(other, saves(base=12))
    assert "saved_chunks" not in other.counts()


def test_missing_chunk_fails_its_blocks_and_all_behind_it(node, sides) -> None:  # type: ignore
    source, target = ByteBlocks(1), ByteBlocks(None)
    save_all(worker(sides, node, source))
    task = load_task(node)
    del node.frames[task.refs[0][2].key]
    assert load_all(worker(sides, node, target), task) == set(range(18, 24))
    assert np.array_equal(target.data[:, 12:18], source.data[:, :6])
    assert not target.data[:, 18:].any()


def test_damaged_chunk_is_never_written(node, sides) -> None:  # type: ignore
    target = ByteBlocks(None)
    save_all(worker(sides, node, ByteBlocks(1)))
    task = load_task(node)
    node.tamper = lambda reply, data: (reply, data[:-1] + bytes([data[-1] ^ 1]))
    side = worker(sides, node, target)
    assert load_all(side, task) == set(range(12, 24)) and not target.data.any()
    assert side.counts()["failed_blocks"] == 12


def test_hanging_node_ends_the_load_at_its_deadline(node, sides) -> None:  # type: ignore
    save_all(worker(sides, node, ByteBlocks(1)))
    task = load_task(node, seconds=0.2)
    node.before_reply = lambda reply: node.released.wait()
    assert load_all(worker(sides, node, ByteBlocks(None)), task) == set(range(12, 24))


def test_load_that_falls_behind_computing_ends_long_before_its_deadline(  # type: ignore
    node, sides
) -> None:
    source, target = ByteBlocks(1), ByteBlocks(None)
    save_all(worker(sides, node, source))
    task = replace(load_task(node, seconds=600.0), recompute_seconds=2.0)
    held = task.refs[0][2].key

    def hang(reply: object) -> None:
        if node.requests[-1].key == held:
            node.released.wait()

    node.before_reply = hang
    assert load_all(worker(sides, node, target), task) == set(range(18, 24))
    assert np.array_equal(target.data[:, 12:18], source.data[:, :6])


def test_cancelled_load_ends_and_reports_its_blocks(node, sides) -> None:  # type: ignore
    save_all(worker(sides, node, ByteBlocks(1)))
    task, asked = load_task(node, seconds=600.0), threading.Event()

    def hang(reply: object) -> None:
        asked.set()
        node.released.wait()

    node.before_reply = hang
    side = worker(sides, node, ByteBlocks(None))
    side.load(Step([task]), wait=False)
    asked.wait()
    side.begin(Step(cancelled=["r"]))
    while not (ended := side.received(is_idle=True)):
        pass
    assert ended == {"r"} and side.failed_blocks() == set(range(12, 24))


def test_dead_node_costs_saves_and_loads_and_nothing_else(node, sides) -> None:  # type: ignore
    save_all(worker(sides, node, ByteBlocks(1)))
    task = load_task(node)
    node.shutdown()
    side = worker(sides, node, ByteBlocks(2), save_timeout=5.0)
    assert load_all(side, task) == set(range(12, 24))
    save_all(side)
    assert side.counts()["dropped_chunks"] == 4
    save_all(side)  # left alone, and not thought to be saved
    assert side.counts()["dropped_chunks"] == 4


def test_saves_beyond_the_bound_are_dropped_and_may_come_again(node, sides) -> None:  # type: ignore
    size = OPAQUE.geometry.decoded_bytes(CHUNK)
    side = worker(sides, node, ByteBlocks(1), save_bytes=2 * size)
    gate = threading.Event()
    side._saves.submit(gate.wait)
    side.save(Step(saves=saves()))
    gate.set()
    side.drain()
    assert side.counts() == {
        "dropped_chunks": 2, "saved_chunks": 2, "saved_bytes": sum(map(len, node.frames.values())),
    }
    save_all(side)
    assert side.counts()["saved_chunks"] == 2 and len(node.frames) == 4


def test_blocks_that_cannot_be_written_are_reported(node, sides) -> None:  # type: ignore
    class Broken(ByteBlocks):
        def write(self, content: Any, block_ids: Sequence[int], first: int) -> None:
            raise IndexError("no such block")

    save_all(worker(sides, node, ByteBlocks(1)))
    assert load_all(worker(sides, node, Broken(None)), load_task(node)) == set(range(12, 24))


def test_prefill_is_measured_on_steps_of_prompts_alone(node, sides) -> None:  # type: ignore
    times = iter([0.0, 0.5, 0.5, 0.6])
    tier = Tier.connect(node.location)
    side = WorkerSide(tier, OPAQUE, ByteBlocks(1), measures_prefill=True, clock=lambda: next(times))
    sides.append(side)
    side.begin(Step())
    side.save(Step(prefill_tokens=500))
    assert side.report().prefill_tokens_per_second == 1000.0
    side.begin(Step())
    side.save(Step(prefill_tokens=8))
    assert side.report().prefill_tokens_per_second == 1000.0
