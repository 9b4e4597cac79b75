"""An engine's paged blocks as what kvtier keeps: opaque bytes, or K and V.

Each adapter reads the blocks of one chunk, and writes some of them. Tensors are torch's, on any
device; what comes out and goes in are numpy arrays on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kvtier.errors import InvalidRequestError, require


class Blocks(Protocol):
    """Access to the blocks of one rank's layers."""

    def read(self, block_ids: Sequence[int]) -> Any:
        """A copy of the blocks' content, of a chunk that is complete."""

    def write(self, content: Any, block_ids: Sequence[int], first: int) -> None:
        """Put a chunk's content into its blocks, from the one with index `first` on."""


def block_axis(caches: Sequence[Any], num_blocks: int) -> int:
    """The dimension that counts blocks, the same in all layers."""
    axes = set()
    for cache in caches:
        shape = tuple(cache.shape)
        found = [axis for axis, size in enumerate(shape[:2]) if size == num_blocks]
        require(bool(found), "shape of a KV cache", shape, f"{num_blocks} in front or second")
        axes.add(found[0])
    require(len(axes) == 1, "dimension of the blocks", sorted(axes), "the same in all layers")
    return axes.pop()


class OpaqueBlocks:
    """Whole blocks as bytes, in whatever layout: u8 `[layers, blocks x bytes of a block]`."""

    def __init__(self, caches: Sequence[Any], num_blocks: int) -> None:
        self._caches, self._axis = list(caches), block_axis(caches, num_blocks)
        sizes = {cache[self._at(0)].numel() * cache.element_size() for cache in self._caches}
        require(len(sizes) == 1, "bytes of a block", sorted(sizes), "the same in all layers")
        self.block_bytes = sizes.pop()

    def _at(self, block: int) -> Any:
        return block if self._axis == 0 else (slice(None), block)

    def read(self, block_ids: Sequence[int]) -> np.ndarray:
        """u8 `[layers, bytes]`: a layer's blocks one behind the other."""
        import torch

        size = self.block_bytes
        out = np.empty((len(self._caches), len(block_ids) * size), np.uint8)
        for layer, cache in enumerate(self._caches):
            for index, block in enumerate(block_ids):
                values = cache[self._at(block)].detach().contiguous().cpu()
                raw = values.view(-1).view(torch.uint8).numpy()
                out[layer, index * size : (index + 1) * size] = raw
        return out

    def write(self, content: np.ndarray, block_ids: Sequence[int], first: int) -> None:
        """The reverse of `read`."""
        import torch

        size = self.block_bytes
        for layer, cache in enumerate(self._caches):
            for index in range(first, len(block_ids)):
                raw = torch.from_numpy(content[layer, index * size : (index + 1) * size])
                into = cache[self._at(block_ids[index])]
                into.copy_(raw.view(cache.dtype).view(into.shape))


class TensorBlocks:
    """K and V `[layers, tokens, heads, dim]` out of blocks and back, by a layout's two maps."""

    def __init__(self, caches: Sequence[Any], num_blocks: int, heads: int, dim: int) -> None:
        self._caches, self._axis = list(caches), block_axis(caches, num_blocks)
        self._heads, self._dim = heads, dim

    def read(self, block_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """K and V of the blocks' tokens; bfloat16 as uint16."""
        import torch

        from kvtier.tensors import to_numpy

        keys, values = [], []
        for cache in self._caches:
            pairs = [self._split(self._block(cache, block)) for block in block_ids]
            keys.append(torch.cat([k for k, _ in pairs]))
            values.append(torch.cat([v for _, v in pairs]))
        return to_numpy(torch.stack(keys)), to_numpy(torch.stack(values))

    def write(
        self, content: tuple[np.ndarray, np.ndarray], block_ids: Sequence[int], first: int
    ) -> None:
        """The reverse of `read`."""
        from kvtier.tensors import copy_into

        tokens = content[0].shape[1] // len(block_ids)
        for layer, cache in enumerate(self._caches):
            for index in range(first, len(block_ids)):
                into = self._split(self._block(cache, block_ids[index]))
                for view, values in zip(into, content):
                    copy_into(view, values[layer, index * tokens : (index + 1) * tokens])

    def _block(self, cache: Any, block: int) -> Any:
        return cache[block] if self._axis == 0 else cache[:, block]

    def _split(self, block: Any) -> tuple[Any, Any]:
        """Views `[tokens, heads, dim]` of a block's keys and values."""
        raise NotImplementedError


class CpuBlocks(TensorBlocks):
    """vLLM's CPU attention of the `vec` kernels: `[blocks, heads, N, 2 x dim]`.

    A head's first half is K transposed, `[dim, N]`, its second half V, `[N, dim]`; the kernels see
    it so although the shape says otherwise (vllm/v1/attention/backends/cpu_attn.py).
    """

    def _split(self, block: Any) -> tuple[Any, Any]:
        heads, tokens = block.shape[0], block.shape[1]
        halves = block.view(heads, 2, tokens * self._dim)
        keys = halves[:, 0].view(heads, self._dim, tokens).permute(2, 0, 1)
        values = halves[:, 1].view(heads, tokens, self._dim).permute(1, 0, 2)
        return keys, values


class FlashBlocks(TensorBlocks):
    """FlashAttention's `[2, blocks, N, heads, dim]`: keys, then values."""

    def _split(self, block: Any) -> tuple[Any, Any]:
        return block[0], block[1]


class InterleavedBlocks(TensorBlocks):
    """`[blocks, N, heads, 2 x dim]` or `[blocks, heads, N, 2 x dim]`: a token's key, then value."""

    def _split(self, block: Any) -> tuple[Any, Any]:
        # a block of as many tokens as heads is ambiguous; token first is what shape means then
        by_token = block if block.shape[1] == self._heads else block.permute(1, 0, 2)
        return by_token[..., : self._dim], by_token[..., self._dim :]


def tensor_blocks(
    caches: Sequence[Any], num_blocks: int, heads: int, dim: int, backend: str
) -> TensorBlocks:
    """The adapter of a backend's layout, `cpu:vec`, `flash_attn` and the like.

    Raises InvalidRequestError for layouts that are not known: mode exact takes them as they are.
    """
    shape = tuple(caches[0].shape)
    rank = len(shape)
    if backend.startswith("cpu"):
        if backend == "cpu:vec" and rank == 4 and shape[1] == heads and shape[3] == 2 * dim:
            return CpuBlocks(caches, num_blocks, heads, dim)
    elif rank == 5 and shape[0] == 2 and shape[3:] == (heads, dim):
        return FlashBlocks(caches, num_blocks, heads, dim)
    elif rank == 4 and shape[3] == 2 * dim and heads in shape[1:3]:
        return InterleavedBlocks(caches, num_blocks, heads, dim)
    raise InvalidRequestError(
        f"KV cache of {backend} has shape {shape}, expected cpu:vec [blocks, {heads}, N, {2 * dim}]"
        f" or FlashAttention's: use mode exact, which takes any layout"
    )
