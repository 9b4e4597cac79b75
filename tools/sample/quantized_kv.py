"""The 8-bit form in which `examples/sample` stores a KV cache: writer and reader, numpy only.

A tensor x, float16 `[layers, tokens, kv_heads, head_dim]`, is held as four tensors

    first    float16 [layers, first_tokens, kv_heads, head_dim]   the first tokens as they are
    q        int8    [layers, tokens, kv_heads, head_dim]         0 for the first tokens
    scale    float16 [layers, groups, kv_heads, head_dim]
    offset   float16 [layers, groups, kv_heads, head_dim]

with groups of tokens / groups consecutive tokens, and is read, for tokens from first_tokens on, by

    x[l, t, h, d] = float16(float32(offset) + float32(q[l, t, h, d]) * float32(scale))

with scale and offset at [l, t * groups / tokens, h, d]. The product is exact in float32 (8 times 11
bits), so a fused multiply-add gives the same; the sum rounds once to float32 and once to float16,
both to nearest, ties to even. Every reader therefore gets the same bytes.
"""

from __future__ import annotations

import hashlib

import numpy as np

STEPS = 127
"""Largest magnitude of q."""


def quantize(x: np.ndarray, groups: int, first_tokens: int) -> dict[str, np.ndarray]:
    """The four tensors of x, float16 `[layers, tokens, kv_heads, head_dim]`.

    Every channel of every group gets the middle and the half width of its own range. The first
    tokens stay out of the ranges: attention sinks, with keys and values unlike all others.
    """
    layers, tokens, heads, dim = x.shape
    if tokens % groups or not 0 <= first_tokens < tokens // groups:
        raise ValueError(
            f"{tokens} tokens with {first_tokens} kept as they are do not make {groups} groups: "
            "groups must divide the tokens, and leave the first group some to quantize"
        )
    body = x.astype(np.float32)
    body[:, :first_tokens] = body[:, first_tokens : first_tokens + 1]
    body = body.reshape(layers, groups, tokens // groups, heads, dim)
    offset = ((body.max(2) + body.min(2)) / 2).astype(np.float16)
    centred = body - offset.astype(np.float32)[:, :, None]
    scale = (np.abs(centred).max(2) / STEPS).astype(np.float16)
    scale[scale == 0] = np.finfo(np.float16).smallest_subnormal
    q = np.rint(centred / scale.astype(np.float32)[:, :, None]).clip(-STEPS, STEPS)
    q = q.astype(np.int8).reshape(x.shape)
    q[:, :first_tokens] = 0
    first = x[:, :first_tokens].copy()
    return {"first": first, "q": q, "scale": scale, "offset": offset}


def dequantize(parts: dict[str, np.ndarray]) -> np.ndarray:
    """x, float16 `[layers, tokens, kv_heads, head_dim]`, of its four tensors."""
    first, q, scale, offset = (parts[name] for name in ("first", "q", "scale", "offset"))
    layers, tokens, heads, dim = q.shape
    if scale.shape != offset.shape or scale.shape[::2] != (layers, heads):
        raise ValueError(f"scale {scale.shape} and offset {offset.shape} do not fit q {q.shape}")
    groups = scale.shape[1]
    body = q.astype(np.float32).reshape(layers, groups, tokens // groups, heads, dim)
    body *= scale.astype(np.float32)[:, :, None]
    body += offset.astype(np.float32)[:, :, None]
    x = body.astype(np.float16).reshape(q.shape)
    x[:, : first.shape[1]] = first
    return x


def sha256(x: np.ndarray) -> str:
    """The digest of a tensor's little-endian bytes in C order, in hex."""
    little = x.astype(x.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.tobytes("C")).hexdigest()
