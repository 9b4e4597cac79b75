"""Rotary position embedding on arrays: undone before the transform, applied again after it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from kvtier.identity import Rope, RopeScaling, RopeStyle


def frequencies(rope: Rope) -> np.ndarray:
    """Radians a position of each rotated pair, f64[rotary_dims / 2]."""
    dims = rope.rotary_dims
    base = rope.theta ** (-np.arange(0, dims, 2, dtype=np.float64) / dims)
    factor = rope.parameters[0]
    if rope.scaling == RopeScaling.LINEAR:
        return base / factor
    if rope.scaling == RopeScaling.YARN:
        return _yarn(rope, base)
    if rope.scaling == RopeScaling.LLAMA3:
        return _llama3(rope, base)
    return base


def _yarn(rope: Rope, base: np.ndarray) -> np.ndarray:
    """Peng et al. 2023, section 3.2: interpolate slow pairs, keep fast ones, ramp between."""
    factor, original, fast, slow = rope.parameters
    dims = rope.rotary_dims

    def pair_of(rotations: float) -> float:
        return dims * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(rope.theta))

    low, high = max(math.floor(pair_of(fast)), 0), min(math.ceil(pair_of(slow)), dims - 1)
    ramp = np.clip((np.arange(dims // 2) - low) / max(high - low, 0.001), 0, 1)
    return base / factor * ramp + base * (1 - ramp)


def _llama3(rope: Rope, base: np.ndarray) -> np.ndarray:
    factor, low, high, original = rope.parameters
    turns = original * base / (2 * math.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return base * ((1 - smooth) / factor + smooth)


@lru_cache(maxsize=64)
def _cos_sin(rope: Rope, first: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    angles = np.arange(first, first + tokens, dtype=np.float64)[:, None] * frequencies(rope)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(keys: np.ndarray, rope: Rope, first_position: int, undo: bool = False) -> np.ndarray:
    """Keys f32 `[tokens, heads, dim]` rotated by their positions, or back; a new array.

    Only the angles count: scalings that also stretch the keys (YaRN) leave them stretched.
    """
    if rope.style == RopeStyle.NONE:
        return keys
    cos, sin = _cos_sin(rope, first_position, len(keys))
    cos, sin = cos[:, None, :], -sin[:, None, :] if undo else sin[:, None, :]
    out, half = keys.copy(), rope.rotary_dims // 2
    if rope.style == RopeStyle.ROTATE_HALF:
        a, b = slice(0, half), slice(half, 2 * half)
    else:
        a, b = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
    out[..., a] = keys[..., a] * cos - keys[..., b] * sin
    out[..., b] = keys[..., b] * cos + keys[..., a] * sin
    return out
