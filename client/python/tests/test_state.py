"""States of models without a cache of tokens: hit by exactly the prefix that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import samples
from memory_node import MemoryNode

from kvtier import GeometryKind, Namespace, NamespaceKind, PutStatus, Tier
from kvtier.encoder import ChunkId
from kvtier.identity import chunk_keys

SIZE = 48
TOKENS = np.random.default_rng(5).integers(0, 1000, 3 * SIZE)
STATE = replace(
    samples.geometry(), kind=GeometryKind.STATE, opaque_bytes=6000, value_dim=samples.DIM
)
SPACE = Namespace(samples.MODEL, STATE, NamespaceKind.EXACT, SIZE, layout="test")


def put(tier: Tier, count: int) -> np.ndarray:
    key = chunk_keys(SPACE, TOKENS[:count], with_rest=True)[-1]
    first = (count - 1) // SIZE * SIZE
    data = np.random.default_rng(count).integers(0, 256, (4, 6000)).astype(np.uint8)
    (reply,) = tier.put_blocks(SPACE, [(ChunkId(key, TOKENS[first:count], first), data)])
    assert reply.status == PutStatus.STORED
    return data


def test_a_state_is_hit_by_its_own_prefix_and_no_other() -> None:
    node = MemoryNode()
    with Tier.connect(node.location) as tier:
        states = {count: put(tier, count) for count in (SIZE, 2 * SIZE, 2 * SIZE + 10)}
        for count, state in states.items():
            match = tier.match(SPACE, TOKENS[:count])
            assert match.tokens == count
            (block,) = tier.open_blocks(match, deadline=10.0)
            assert np.array_equal(block.data, state)
        for count in (1, SIZE - 1, SIZE + 1, 2 * SIZE + 9, 2 * SIZE + 11, 3 * SIZE):
            assert tier.match(SPACE, TOKENS[:count]).chunks == ()
    node.shutdown()
