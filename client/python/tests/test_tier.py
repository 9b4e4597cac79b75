"""The worker's tier against a real node process, and against one of the tests that misbehaves."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import samples
from memory_node import MemoryNode

from kvtier import (
    Dtype, Geometry, GeometryKind, InvalidRequestError, Namespace, NamespaceKind, PutStatus, Stop,
    Tier, TierConfig, UnavailableError,
)
from kvtier.encoder import ChunkId
from kvtier.local_node import LocalNode
from kvtier.plan import BEST
from kvtier.profile import ProfileKind, to_bytes
from kvtier.tier import foreign_key, read_profile

TOKENS = np.random.default_rng(5).integers(0, 1000, 4 * 48)
OPAQUE = replace(
    samples.geometry(), kind=GeometryKind.OPAQUE, opaque_bytes=6000, value_dim=samples.DIM
)
BLOCKS = Namespace(
    samples.MODEL, OPAQUE, NamespaceKind.EXACT, 48, key_scheme="engine-1", layout="test"
)


def adaptive(seed: int, dtype: Dtype = Dtype.F16) -> Namespace:
    """A namespace of its own for each test, since they share a node."""
    return replace(samples.namespace(dtype), model=hashlib.sha256(bytes([seed])).digest())


def block_space(seed: int) -> Namespace:
    return replace(BLOCKS, model=hashlib.sha256(bytes([seed])).digest())


@pytest.fixture
def tier(real_node: LocalNode) -> Iterator[Tier]:
    with Tier.connect(real_node.location) as connected:
        yield connected


def chunks_of(seed: int, count: int = 4) -> list[tuple[ChunkId, np.ndarray]]:
    random = np.random.default_rng(seed)
    out = []
    for index in range(count):
        data = random.integers(0, 256, (4, 6000)).astype(np.uint8)
        key = foreign_key(block_space(seed), bytes([index]) * 32)
        out.append((ChunkId(key, TOKENS[index * 48 : index * 48 + 48], index * 48), data))
    return out


def test_put_and_get_with_a_real_node(tier: Tier) -> None:
    space = adaptive(1)
    k, v = samples.tensors(space.geometry, len(TOKENS), 3)
    assert {r.status for r in tier.put(space, TOKENS, k, v)} == {PutStatus.STORED}
    prefix = tier.get(space, TOKENS)
    assert (prefix.stop, prefix.delivered) == (Stop.COMPLETE, 192)


def test_async_iteration_fills_the_callers_arrays(tier: Tier) -> None:
    space = adaptive(2).exact()
    k, v = samples.tensors(space.geometry, len(TOKENS), 4)
    tier.put(space, TOKENS, k, v)
    match = tier.match(space, TOKENS)
    out = np.zeros_like(k), np.zeros_like(v)

    async def read() -> list[int]:
        return [chunk.first_position async for chunk in tier.open(match, out=out)]

    assert asyncio.run(read()) == [0, 48, 96, 144]
    assert np.array_equal(out[0], k) and np.array_equal(out[1], v)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_torch_tensors_in_and_out_are_bit_equal(tier: Tier, name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    kind = {"float16": Dtype.F16, "bfloat16": Dtype.BF16, "float32": Dtype.F32}[name]
    space = adaptive(10 + kind, kind).exact()
    shape = (4, len(TOKENS), 2, 8)
    torch.manual_seed(1)
    k, v = (torch.randn(shape).to(getattr(torch, name)) for _ in range(2))
    tier.put(space, TOKENS, k, v)
    out = torch.zeros_like(k), torch.zeros_like(v)
    reader = tier.open(tier.match(space, TOKENS), out=out)
    assert sum(chunk.tokens for chunk in reader) == 192
    assert torch.equal(out[0], k) and torch.equal(out[1], v)


def test_opaque_blocks_come_back_bit_for_bit_from_any_chunk_on(tier: Tier) -> None:
    chunks = chunks_of(21)
    replies = tier.put_blocks(block_space(21), chunks)
    assert {r.status for r in replies} == {PutStatus.STORED}
    ids = [bytes([index]) * 32 for index in range(4)]
    for first in range(4):
        match = tier.match_ids(block_space(21), ids[first:], TOKENS, first_chunk=first)
        got = list(tier.open_blocks(match, deadline=10.0))
        assert [block.index for block in got] == list(range(4 - first))
        assert all(np.array_equal(b.data, chunks[first + b.index][1]) for b in got)


def test_ids_of_another_namespace_or_order_do_not_match(tier: Tier) -> None:
    tier.put_blocks(block_space(22), chunks_of(22))
    ids = [bytes([index]) * 32 for index in range(4)]
    assert tier.match_ids(block_space(23), ids, TOKENS).tokens == 0
    assert tier.match_ids(block_space(22), [ids[0], b"x" * 32, ids[2]], TOKENS).tokens == 48
    other = replace(block_space(22), layout="test AVX512")
    assert tier.match_ids(other, ids, TOKENS).tokens == 0


def test_block_made_of_other_tokens_is_never_delivered(tier: Tier) -> None:
    tier.put_blocks(block_space(24), chunks_of(24))
    other = TOKENS.copy()
    other[50] += 1
    match = tier.match_ids(block_space(24), [bytes([i]) * 32 for i in range(4)], other)
    reader = tier.open_blocks(match, deadline=10.0)
    assert [block.index for block in reader] == [0]
    assert reader.stop == Stop.CORRUPT and "token_digest" in reader.message


def test_node_killed_between_match_and_open_is_a_stop_not_an_error(
    built_node: None, tmp_path: Path
) -> None:
    with LocalNode(tmp_path) as node, Tier.connect(node.location) as tier:
        tier.put_blocks(block_space(25), chunks_of(25))
        match = tier.match_ids(block_space(25), [bytes([0]) * 32], TOKENS)
        node.kill()
        reader = tier.open_blocks(match, deadline=5.0)
        assert list(reader) == [] and reader.stop == Stop.UNAVAILABLE
        with pytest.raises(UnavailableError):
            tier.match_ids(block_space(25), [bytes([0]) * 32], TOKENS, deadline=2.0)


@pytest.fixture
def slow() -> Iterator[MemoryNode]:
    server = MemoryNode()
    yield server
    server.released.set()
    server.shutdown()


def test_cancel_from_another_thread_ends_a_hanging_read(slow: MemoryNode) -> None:
    with Tier.connect(slow.location) as tier:
        tier.put_blocks(block_space(26), chunks_of(26))
        asked = threading.Event()

        def hang(reply: object) -> None:
            asked.set()
            slow.released.wait()

        slow.before_reply = hang
        match = tier.match_ids(block_space(26), [bytes([i]) * 32 for i in range(4)], TOKENS)
        reader = tier.open_blocks(match, deadline=600.0)
        thread = threading.Thread(target=lambda: (asked.wait(), reader.cancel()))
        started = time.monotonic()
        thread.start()
        assert list(reader) == [] and time.monotonic() - started < 300
        assert reader.stop == Stop.UNAVAILABLE and "cancelled" in reader.message
        thread.join()
        slow.released.set()


def test_cancelled_task_gives_the_stream_back(slow: MemoryNode) -> None:
    with Tier.connect(slow.location) as tier:
        space = adaptive(7)
        tier.put(space, TOKENS, *samples.tensors(space.geometry, len(TOKENS), 3))
        match = tier.match(space, TOKENS)
        loop_asked = threading.Event()
        slow.before_reply = lambda reply: (loop_asked.set(), slow.released.wait())[0]

        async def read() -> None:
            async for _ in tier.open(match, deadline=600.0):
                pass

        async def main() -> None:
            task = asyncio.create_task(read())
            await asyncio.get_running_loop().run_in_executor(None, loop_asked.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        slow.released.set()
        slow.before_reply = lambda reply: None
        assert sum(chunk.tokens for chunk in tier.open(match)) == 192


def test_profile_and_level_of_the_configuration_are_used(tier: Tier, tmp_path: Path) -> None:
    space = adaptive(8)
    file = tmp_path / "test.kvp"
    file.write_bytes(to_bytes(samples.trained(space.geometry, ProfileKind.LAYER)))
    config = replace(tier.config, profile=str(file))
    with Tier.connect(config) as worker:
        k, v = samples.tensors(space.geometry, len(TOKENS), 3)
        worker.put(space, TOKENS, k, v)
        prefix = worker.get(space, TOKENS)
        assert prefix.delivered == 192
        assert worker.profile_of_config is not None
    with pytest.raises(InvalidRequestError, match="level is 'perfect'"):
        Tier.connect(config, level="perfect").grade(space)
    assert Tier.connect(config).grade(space) == BEST


def test_profile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="none.kvp cannot be read"):
        Tier.connect(TierConfig(profile=str(tmp_path / "none.kvp")))
    with pytest.raises(InvalidRequestError, match="none.kvp"):
        read_profile(tmp_path / "none.kvp", Geometry.uniform(
            1, 1, 1, 8, Dtype.F16, samples.geometry().ropes[0]))
