"""Rotary position embedding on arrays: undone before the transform, applied again after it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from kvtier.errors import InvalidRequestError, require
from kvtier.identity import Rope, RopeScaling, RopeStyle


def frequencies(rope: Rope) -> np.ndarray:
    """Radians a position of each rotated pair, f64[rotary_dims / 2]."""
    dims = rope.rotary_dims
    base = rope.theta ** (-np.arange(0, dims, 2, dtype=np.float64) / dims)
    if rope.scaling == RopeScaling.NONE:
        return base
    factor = rope.parameters[0]
    require(factor > 0, "RoPE scaling factor", factor, "above 0")
    if rope.scaling == RopeScaling.LINEAR:
        return base / factor
    if rope.scaling == RopeScaling.LLAMA3:
        return _llama3(rope, base)
    # dynamic NTK depends on the length of the whole sequence, which a chunk does not know
    raise InvalidRequestError(
        f"RoPE scaling is {rope.scaling.name}, expected NONE, LINEAR or LLAMA3 in an adaptive "
        "namespace; use an exact one"
    )


def _llama3(rope: Rope, base: np.ndarray) -> np.ndarray:
    """Long waves are stretched by the factor, short ones stay, those between are blended."""
    factor, low, high, original = rope.parameters
    good = 0 < low < high and original > 0
    require(good, "Llama-3 RoPE parameters", rope.parameters, "low < high")
    turns = original * base / (2 * math.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return base * ((1 - smooth) / factor + smooth)


@lru_cache(maxsize=64)
def _cos_sin(rope: Rope, first: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    angles = np.arange(first, first + tokens, dtype=np.float64)[:, None] * frequencies(rope)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(keys: np.ndarray, rope: Rope, first_position: int, undo: bool = False) -> np.ndarray:
    """Keys f32 `[tokens, heads, dim]` rotated by their positions, or back; a new array."""
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
