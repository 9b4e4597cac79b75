"""The quantizer of CacheGen as LMCache runs it, with static tables for free: the baseline that
profiles are measured against.

LMCache's `torch_quant` scales every token of a layer by its largest magnitude over all channels and
rounds to `bins` levels (CacheGen, SIGCOMM 2024, section 5.2, gives the early layers more). Its
entropy coder sends tables with every chunk; here they are trained once, one a layer and channel,
and cost nothing, which is the best case for it. A token's scale costs 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .evaluate import CHUNK
from .model import KvShape

Tensor = torch.Tensor
SCALE_BITS = 16
SMOOTHING = 8.0
REFERENCE_LAYERS, FINE_KEY_LAYERS, FINE_VALUE_LAYERS = 32, 10, 2
FINE_BINS, COARSE_BINS = 32, 16


def levels(shape: KvShape, factor: float) -> Tensor:
    """Largest index `[2, layers]` of keys and of values, for `factor` times LMCache's bins."""
    fine_keys = round(shape.layers * FINE_KEY_LAYERS / REFERENCE_LAYERS)
    out = torch.full((2, shape.layers), COARSE_BINS)
    out[0, :fine_keys] = FINE_BINS
    out[1, :FINE_VALUE_LAYERS] = FINE_BINS
    return (out * factor).round().long() // 2 - 1


@dataclass(frozen=True)
class Quantized:
    """Indices `[2, layers, tokens, channels]` (keys, values), and what they decode to, float16."""

    index: Tensor
    keys: Tensor
    values: Tensor


def quantize(shape: KvShape, keys: Tensor, values: Tensor, factor: float) -> Quantized:
    """Quantize a cache (float16 `[layers, tokens, heads, dim]`, keys after RoPE)."""
    x = torch.stack([keys.float().flatten(2), values.float().flatten(2)])
    top = levels(shape, factor)[:, :, None, None]
    largest = x.abs().amax(-1, keepdim=True).clamp_min(1e-8)
    index = (x * (top / largest)).round()
    decoded = (index / top * largest).half().unflatten(-1, (shape.heads, shape.dim))
    return Quantized(index.long(), decoded[0], decoded[1])


class StaticTables:
    """Code lengths of each layer's and channel's indices, smoothed towards those of all."""

    def __init__(self, shape: KvShape, factor: float) -> None:
        self._shape = shape
        self._top = int(levels(shape, factor).max())
        symbols = 2 * self._top + 1
        self._counts = torch.zeros(2 * shape.layers * shape.row, symbols, dtype=torch.float64)

    def add(self, quantized: Quantized) -> None:
        """Count the indices of a training text."""
        rows = self._rows(quantized.index)
        self._counts.scatter_add_(1, rows, torch.ones_like(rows, dtype=torch.float64))

    def bits(self, quantized: Quantized) -> tuple[float, int]:
        """Bits of what later queries need, and how many elements that is."""
        pooled = self._counts.sum(0) + 0.5
        smoothed = self._counts + SMOOTHING * pooled / pooled.sum()
        length = -(smoothed / smoothed.sum(1, keepdim=True)).log2()
        tokens = quantized.index.shape[2]
        each = length.gather(1, self._rows(quantized.index)).unflatten(
            0, (2, self._shape.layers, self._shape.row)
        )
        total, elements = 0.0, 0
        for layer in range(self._shape.layers):
            start = self._shape.seen_from(layer, tokens) // CHUNK * CHUNK
            total += each[:, layer, :, start:].sum().item() + 2 * SCALE_BITS * (tokens - start)
            elements += 2 * self._shape.row * (tokens - start)
        return total, elements

    def _rows(self, index: Tensor) -> Tensor:
        return index.transpose(2, 3).flatten(0, 2) + self._top
