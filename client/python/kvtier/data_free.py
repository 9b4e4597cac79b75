"""The profile of every model that has none: constants and the reasons for them in docs/codec.md."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from kvtier.errors import require
from kvtier.identity import Geometry
from kvtier.profile import Profile, ProfileGroup, ProfileKind, group_width
from kvtier.tables import load

NAME = b"kvtier-data-free-1"
STEP = 0.625
SCALE_MIN = 1e-30
F16_MAX = 65504.0


def data_free_id(geometry: Geometry) -> bytes:
    """The profile id for a geometry, without building the profile."""
    return hashlib.sha256(NAME + geometry.shape_digest).digest()


@lru_cache(maxsize=16)
def data_free(geometry: Geometry) -> Profile:
    """The profile for a geometry of K and V tensors: one group a stored layer, all KV heads."""
    require(not geometry.is_opaque, "geometry kind", geometry.kind.name, "K and V tensors")
    heads = tuple(range(geometry.kv_heads))
    none, no_matrix = np.empty(0, np.float32), np.empty((0, 0), np.float32)
    groups = []
    for layer in geometry.stored_layers:
        width = group_width(geometry, (layer,), heads)
        tables = np.zeros(width, np.uint8)
        groups.append(
            ProfileGroup((layer,), heads, width, none, none, tables, none, no_matrix, no_matrix)
        )
    return Profile(
        ProfileKind.DATA_FREE,
        geometry.shape_digest,
        STEP,
        len(groups),
        1,
        tuple(groups),
        load().centroids,
        provenance=NAME.decode(),
        id=data_free_id(geometry),
    )


def value_weight(index: int, stored_layers: int) -> float:
    """Weight of the scale of the index-th stored layer's values; that of keys is 1."""
    return 1.0 if stored_layers == 1 else 0.25 + 1.25 * index / (stored_layers - 1)


def statistics(
    block: np.ndarray, key_channels: int, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """mean f16[W] and scale f32[2] (K, V) of one layer's channels f32 `[tokens, W]`."""
    if not len(block):
        return np.zeros(block.shape[1], np.float16), np.ones(2, np.float32)
    mean = np.clip(block.mean(axis=0, dtype=np.float64), -F16_MAX, F16_MAX).astype(np.float16)
    centred = block.astype(np.float64) - mean
    scale = np.ones(2, np.float32)
    for i, part in enumerate((centred[:, :key_channels], centred[:, key_channels:])):
        if part.size:
            value = np.float32(np.sqrt(np.mean(part * part)) * (weight if i else 1.0))
            scale[i] = value if value > SCALE_MIN else 1.0
    return mean, scale
