"""Group blocks: the channels of a group as a matrix, and K and V tensors from it.

The channels of a group are, layer by layer, the heads' keys (RoPE undone), then the heads' values.
K and V are arrays `[stored layers, tokens, KV heads, dim]`.
"""

from __future__ import annotations

import numpy as np

from kvtier.dtype import Dtype
from kvtier.errors import require
from kvtier.identity import Geometry
from kvtier.profile import ProfileGroup
from kvtier.rope import rotate


def check_tensors(geometry: Geometry, tokens: int, k: np.ndarray, v: np.ndarray) -> None:
    """Refuse tensors of another shape or dtype than the geometry's."""
    stored = len(geometry.stored_layers)
    for name, array, dim in (("k", k, geometry.key_dim), ("v", v, geometry.value_dim)):
        shape = (stored, tokens, geometry.kv_heads, dim)
        require(array.shape == shape, f"shape of {name}", array.shape, shape)
        dtype = Dtype.of_array(array)
        require(dtype == geometry.dtype, f"dtype of {name}", dtype.name, geometry.dtype.name)


def key_channels(geometry: Geometry, group: ProfileGroup) -> int:
    """Key channels of one layer of a group."""
    return len(group.heads) * geometry.key_dim


def gather(
    geometry: Geometry, group: ProfileGroup, k: np.ndarray, v: np.ndarray, first_position: int
) -> np.ndarray:
    """The group's channels f32 `[tokens, W]`, RoPE undone."""
    tokens, heads, columns = k.shape[1], list(group.heads), []
    for layer in group.layers:
        index = geometry.stored_layers.index(layer)
        keys = geometry.dtype.to_float32(k[index][:, heads])
        keys = rotate(keys, geometry.rope(layer), first_position, undo=True)
        values = geometry.dtype.to_float32(v[index][:, heads])
        columns += [keys.reshape(tokens, -1), values.reshape(tokens, -1)]
    block = np.concatenate(columns, axis=1)
    require(
        bool(np.isfinite(block).all()), f"K or V of layers {group.layers}", "not finite", "numbers"
    )
    return block


def raw_token(geometry: Geometry, group: ProfileGroup, k: np.ndarray, v: np.ndarray) -> bytes:
    """Token 0 of the group as it is, W values of the dtype."""
    heads, rows = list(group.heads), []
    for layer in group.layers:
        index = geometry.stored_layers.index(layer)
        rows += [k[index, 0, heads].reshape(-1), v[index, 0, heads].reshape(-1)]
    return np.concatenate(rows).astype(geometry.dtype.numpy).tobytes()


def scatter(
    geometry: Geometry,
    group: ProfileGroup,
    block: np.ndarray,
    first_position: int,
    raw: np.ndarray | None,
    k: np.ndarray,
    v: np.ndarray,
) -> None:
    """Write channels f32 `[tokens, W]` into K and V, RoPE applied; `raw` replaces token 0."""
    tokens, heads = len(block), list(group.heads)
    keys, values = key_channels(geometry, group), len(heads) * geometry.value_dim
    at = 0
    for layer in group.layers:
        index = geometry.stored_layers.index(layer)
        part = block[:, at : at + keys].reshape(tokens, len(heads), geometry.key_dim)
        part = rotate(part, geometry.rope(layer), first_position)
        k[index][:, heads] = geometry.dtype.from_float32(part)
        part = block[:, at + keys : at + keys + values]
        part = part.reshape(tokens, len(heads), geometry.value_dim)
        v[index][:, heads] = geometry.dtype.from_float32(part)
        if raw is not None:
            k[index, 0, heads] = raw[at : at + keys].reshape(len(heads), -1)
            v[index, 0, heads] = raw[at + keys : at + keys + values].reshape(len(heads), -1)
        at += keys + values
