"""Small geometries, profiles and tensors that the tests share; all from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvtier.crc import crc32c
from kvtier.data_free import data_free
from kvtier.deep import DeepTransform, TokenPrediction
from kvtier.decoder import Segments, decode_chunk, decode_symbols, frame_segments
from kvtier.dtype import Dtype
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import FrameHeader, verify
from kvtier.identity import Geometry, Namespace, Rope, chunk_keys
from kvtier.profile import Profile, ProfileGroup, ProfileKind, parse, sigma_index, to_bytes
from kvtier.tables import load

LAYERS, HEADS, DIM = 4, 2, 8
MODEL = bytes(range(32))


def geometry(dtype: Dtype = Dtype.F16, **rope: object) -> Geometry:
    return Geometry.uniform(LAYERS, 4, HEADS, DIM, dtype, Rope.rotate_half(DIM, 10_000.0))


def namespace(dtype: Dtype = Dtype.F16, chunk_tokens: int = 48) -> Namespace:
    return Namespace(MODEL, geometry(dtype), chunk_tokens=chunk_tokens)


def tensors(
    shape: Geometry, tokens: int, seed: int, outliers: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Correlated K and V, the first token large, as caches have them."""
    random = np.random.default_rng(seed)
    out = []
    for dim in (shape.key_dim, shape.value_dim):
        size = (len(shape.stored_layers), tokens, shape.kv_heads, dim)
        x = random.normal(size=size) * random.uniform(0.2, 3, (size[0], 1, size[2], dim))
        x[:, 0] *= 5
        if outliers:
            x[random.random(size) < 0.01] *= 300
        out.append(shape.dtype.from_float32(x.astype(np.float32)))
    return out[0], out[1]


def trained(shape: Geometry, kind: ProfileKind, seed: int = 1) -> Profile:
    """A profile with random orthogonal transforms, classes and a curve, read back from its file."""
    random = np.random.default_rng(seed)
    stored, heads = shape.stored_layers, tuple(range(shape.kv_heads))
    by_head = kind == ProfileKind.HEAD
    head_lists = [(head,) for head in heads] if by_head else [heads]
    step = 2 if kind in (ProfileKind.JOINT, ProfileKind.DEEP) else 1
    layer_lists = [stored[i : i + step] for i in range(0, len(stored), step)]
    groups = []
    for layers in layer_lists:
        for head_list in head_lists:
            width = len(layers) * len(head_list) * (shape.key_dim + shape.value_dim)
            groups.append(_group(random, layers, head_list, width))
    profile = Profile(
        kind,
        shape.shape_digest,
        0.5,
        len(layer_lists),
        len(head_lists),
        tuple(groups),
        load().centroids,
        class_rows=True,
        class_min=-4,
        class_max=3,
        class_centre=-1,
        class_table=26,
        provenance="random",
        curve=((0, -0.5), (8, 0.0)),
        deep=_deep(random, len(groups)) if kind == ProfileKind.DEEP else None,
    )
    return parse(to_bytes(profile), shape)


def _deep(random: np.random.Generator, groups: int) -> DeepTransform:
    """Most components shared; a vocabulary of 900 of the 1,000 ids in use."""
    leading = 50
    rank = leading * groups
    basis, _ = np.linalg.qr(random.normal(size=(rank, rank)))
    sigma = np.linspace(4, 0.1, rank).astype(np.float32)
    prediction = TokenPrediction(
        2,
        np.array([0.02, 0.01, 0.01], np.float32),
        random.integers(-127, 128, (900, 3)).astype(np.int8),
        random.normal(size=(rank, 6)).astype(np.float16).astype(np.float32) * 0.25,
    )
    matrix = basis.astype(np.float16).astype(np.float32)
    return DeepTransform(leading, sigma, sigma_index(sigma, 0.5), matrix, prediction)


def _group(
    random: np.random.Generator, layers: tuple[int, ...], heads: tuple[int, ...], width: int
) -> ProfileGroup:
    rank = width - 3
    basis, _ = np.linalg.qr(random.normal(size=(width, width)))
    weight = np.linspace(2, 0.5, rank)[:, None]
    sigma = np.linspace(4, 0.1, rank).astype(np.float32)
    return ProfileGroup(
        layers,
        heads,
        width,
        random.normal(size=width).astype(np.float32) * 0.1,
        sigma,
        sigma_index(sigma, 0.5),
        (random.normal(size=rank + 1) * 0.05).astype(np.float32),
        (basis[:rank] * weight).astype(np.float16).astype(np.float32),
        (basis[:rank] / weight).astype(np.float16).astype(np.float32),
    )


def checksum(data: bytes) -> bytes:
    """What ends a profile's file."""
    return crc32c(data).to_bytes(4, "little")


def profile_for(space: Namespace, name: str) -> Profile:
    if name == "data-free":
        return data_free(space.geometry)
    return trained(space.geometry, ProfileKind[name.upper()])


@dataclass(frozen=True)
class Chunk:
    """An encoded chunk with what it was made from."""

    space: Namespace
    profile: Profile | None
    frame: bytes
    header: FrameHeader
    k: np.ndarray
    v: np.ndarray
    ids: np.ndarray

    def decode(self, frame_bytes: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rungs, K, V) of the frame or of its first bytes."""
        k, v = np.zeros_like(self.k), np.zeros_like(self.v)
        segments = frame_segments(self.header, self.frame[:frame_bytes])
        rungs = self.decode_into(segments, k, v)
        return rungs, k, v

    def decode_into(self, segments: Segments, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Rungs of what the segments hold, decoded into K and V."""
        shape = self.space.geometry
        return decode_chunk(self.header, segments, self.profile, shape, k, v, self.ids)


def chunk(
    space: Namespace,
    profile: Profile | None,
    tokens: int = 48,
    index: int = 0,
    seed: int = 7,
    outliers: bool = False,
) -> Chunk:
    """Chunk `index` of a sequence of tokens made from the seed."""
    ids = np.random.default_rng(seed).integers(0, 1000, (index + 1) * space.chunk_tokens)
    ids = ids[: index * space.chunk_tokens + tokens]
    key = chunk_keys(space, ids, with_rest=True)[-1]
    k, v = tensors(space.geometry, tokens, seed + index, outliers)
    own = ids[index * space.chunk_tokens :]
    frame = encode_chunk(space, profile, ChunkId(key, own, len(ids) - len(own)), k, v)
    return Chunk(space, profile, frame, verify(frame, space), k, v, own)
