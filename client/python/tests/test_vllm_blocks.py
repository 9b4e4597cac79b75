"""Layouts of engines' blocks: K and V out of them and back, and opaque bytes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from kvtier import InvalidRequestError  # noqa: E402
from kvtier.vllm.blocks import (  # noqa: E402
    CpuBlocks, FlashBlocks, InterleavedBlocks, OpaqueBlocks, tensor_blocks,
)

LAYERS, COUNT, HEADS, N, DIM = 3, 10, 2, 32, 16
IDS = [7, 2, 5]


def tensors(*shape: int, dtype: object = torch.float32) -> list:
    torch.manual_seed(3)
    return [torch.randn(shape).to(dtype) for _ in range(LAYERS)]


def cpu_caches() -> list:
    return tensors(COUNT, HEADS, N, 2 * DIM)


def test_cpu_blocks_hold_keys_transposed_and_values_as_they_are() -> None:
    caches = cpu_caches()
    k, v = CpuBlocks(caches, COUNT, HEADS, DIM).read(IDS)
    assert k.shape == v.shape == (LAYERS, len(IDS) * N, HEADS, DIM)
    flat = caches[1][2].numpy().reshape(HEADS, -1)
    for head, token, dim in ((0, 0, 0), (1, 31, 15), (1, 5, 3)):
        assert k[1, N + token, head, dim] == flat[head, dim * N + token]
        assert v[1, N + token, head, dim] == flat[head, N * DIM + token * DIM + dim]


def test_flash_blocks_hold_keys_then_values() -> None:
    caches = tensors(2, COUNT, N, HEADS, DIM)
    k, v = FlashBlocks(caches, COUNT, HEADS, DIM).read(IDS)
    assert np.array_equal(k[2, :N], caches[2][0, 7].numpy())
    assert np.array_equal(v[2, N : 2 * N], caches[2][1, 2].numpy())


@pytest.mark.parametrize("by_head", [False, True])
def test_interleaved_blocks_hold_a_tokens_key_and_value_together(by_head: bool) -> None:
    shape = (COUNT, HEADS, N, 2 * DIM) if by_head else (COUNT, N, HEADS, 2 * DIM)
    caches = tensors(*shape)
    k, v = InterleavedBlocks(caches, COUNT, HEADS, DIM).read([4])
    block = caches[0][4].permute(1, 0, 2) if by_head else caches[0][4]
    assert np.array_equal(k[0], block[..., :DIM].numpy())
    assert np.array_equal(v[0], block[..., DIM:].numpy())


@pytest.mark.parametrize(
    ("shape", "backend", "kind"),
    [
        ((COUNT, HEADS, N, 2 * DIM), "cpu:vec", CpuBlocks),
        ((2, COUNT, N, HEADS, DIM), "flash_attn", FlashBlocks),
        ((COUNT, N, HEADS, 2 * DIM), "flash_attn", InterleavedBlocks),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_read_and_written_elsewhere_is_the_same(
    shape: tuple[int, ...], backend: str, kind: type, dtype: object
) -> None:
    source, target = tensors(*shape, dtype=dtype), tensors(*shape, dtype=dtype)
    for cache in target:
        cache.zero_()
    blocks = tensor_blocks(source, COUNT, HEADS, DIM, backend)
    assert isinstance(blocks, kind)
    tensor_blocks(target, COUNT, HEADS, DIM, backend).write(blocks.read(IDS), [1, 3, 8], 1)
    axis = 1 if shape[0] == 2 else 0
    for a, b in zip(source, target):
        for block, into in ((2, 3), (5, 8)):
            assert torch.equal(a.select(axis, block), b.select(axis, into))
        for untouched in (0, 1, 2, 4):  # block 1 is before the first that is written
            assert not b.select(axis, untouched).any()


@pytest.mark.parametrize("shape", [(COUNT, HEADS, N, 2 * DIM), (2, COUNT, N, HEADS, DIM)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_opaque_blocks_are_copied_whole(shape: tuple[int, ...], dtype: object) -> None:
    source, target = tensors(*shape, dtype=dtype), tensors(*shape, dtype=dtype)
    for cache in target:
        cache.zero_()
    blocks = OpaqueBlocks(source, COUNT)
    content = blocks.read(IDS)
    assert content.shape == (LAYERS, len(IDS) * blocks.block_bytes)
    OpaqueBlocks(target, COUNT).write(content, [0, 9, 4], 1)
    axis = 1 if shape[0] == 2 else 0
    for a, b in zip(source, target):
        assert torch.equal(a.select(axis, 2), b.select(axis, 9))
        assert torch.equal(a.select(axis, 5), b.select(axis, 4))
        assert not b.select(axis, 0).any()


@pytest.mark.parametrize(
    ("shape", "backend"),
    [
        ((COUNT, HEADS, N, 2 * DIM), "cpu:amx"),
        ((COUNT, HEADS, N, DIM), "cpu:vec"),
        ((COUNT, N, 576), "flashmla"),
    ],
)
def test_layout_that_is_not_known_is_refused_with_what_to_do(
    shape: tuple[int, ...], backend: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"{backend}.*use mode exact"):
        tensor_blocks(tensors(*shape), COUNT, HEADS, DIM, backend)


def test_blocks_in_a_place_that_is_not_known_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="10 in front or second"):
        OpaqueBlocks(tensors(HEADS, 3, COUNT, DIM), COUNT)
