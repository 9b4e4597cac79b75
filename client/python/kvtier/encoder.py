"""Chunks into frames (docs/format.md sections 2 and 3, choices in docs/codec.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from kvtier import block, exact, rans
from kvtier.crc import crc32c
from kvtier.data_free import statistics, value_weight
from kvtier.deep import DeepTransform, pooled_octaves
from kvtier.errors import require
from kvtier.frame import BASE, FrameHeader, Part, SegmentEntry, Span
from kvtier.identity import (
    ZERO_DIGEST,
    Geometry,
    Namespace,
    NamespaceKind,
    token_array,
    token_digest,
)
from kvtier.profile import Profile, ProfileGroup, sigma_index
from kvtier.segment import GroupRows, base_group, refinement_group, write_segment
from kvtier.tables import RUNG_SHIFT

SEGMENT_BYTES_MIN = 16 << 10
FEATURE_MAX = 5.0


@dataclass(frozen=True)
class ChunkId:
    """Which chunk: its key, its tokens and where they lie in their sequence."""

    key: bytes
    tokens: np.ndarray
    first_position: int


@dataclass(frozen=True, eq=False)
class _Group:
    """Indices of one group at every rung, i32 `[R, tokens]` each, and the errors they leave.

    class_row: whether the group's base says the classes. distortion f64[rungs, 2]: squared error of
    head and tail tokens.
    """

    side: bytes
    raw: int
    class_row: bool
    classes: np.ndarray
    sigma: np.ndarray
    q: list[np.ndarray]
    distortion: np.ndarray


def default_parts(profile: Profile, tokens: int) -> tuple[Part, ...]:
    """Recency first: base, the tail's rungs, then the head's, one fewer."""
    tail = min(profile.tail_tokens, tokens)
    parts = [BASE]
    if tail:
        parts += [Part(rung, Span.TAIL) for rung in range(1, profile.rungs)]
    if tail < tokens:
        parts += [Part(rung, Span.HEAD) for rung in range(1, max(profile.rungs - 1, 1))]
    return tuple(parts)


def encode_chunk(
    namespace: Namespace, profile: Profile | None, chunk: ChunkId, k: np.ndarray, v: np.ndarray
) -> bytes:
    """The frame of a chunk's K and V, `[stored layers, tokens, KV heads, dim]`.

    `profile` is None for exact namespaces. Raises InvalidRequestError for tensors that do not fit
    the namespace or hold numbers that are not finite (exact namespaces take them).
    """
    geometry, tokens = namespace.geometry, len(chunk.tokens)
    require(
        1 <= tokens <= namespace.chunk_tokens, "tokens", tokens, f"1..{namespace.chunk_tokens}"
    )
    block.check_tensors(geometry, tokens, k, v)
    if namespace.kind == NamespaceKind.EXACT:
        layers = [
            k[i].tobytes() + v[i].tobytes() for i in range(len(geometry.stored_layers))
        ]
        return _exact_frame(namespace, chunk, layers, geometry.dtype.bytes)
    require(profile is not None, "profile", None, "one, for an adaptive namespace")
    assert profile is not None
    profile.check_geometry(geometry)
    parts = default_parts(profile, tokens)
    if profile.deep is not None:
        grid = _quantize_deep(namespace, profile, profile.deep, chunk, k, v)
    else:
        grid = [
            _quantize(namespace, profile, index, chunk.first_position, k, v)
            for index in range(len(profile.groups))
        ]
    entries, segments = [], []
    for part in range(len(parts)):
        for entry, data in _part_segments(namespace, profile, parts, part, grid, tokens):
            entries.append(entry)
            segments.append(data)
    return _frame(namespace, profile, chunk, parts, entries, segments)


def encode_opaque(namespace: Namespace, chunk: ChunkId, blob: np.ndarray) -> bytes:
    """The exact frame of opaque layers, u8 `[stored layers, opaque_bytes]`."""
    geometry = namespace.geometry
    shape = (len(geometry.stored_layers), geometry.opaque_bytes)
    require(geometry.is_opaque, "geometry kind", geometry.kind.name, "OPAQUE or STATE")
    require(blob.shape == shape and blob.dtype == np.uint8, "blob", blob.shape, f"u8 {shape}")
    size = geometry.dtype.bytes if geometry.opaque_bytes % geometry.dtype.bytes == 0 else 1
    return _exact_frame(namespace, chunk, [row.tobytes() for row in blob], size)


def _exact_frame(
    namespace: Namespace, chunk: ChunkId, layers: list[bytes], element_bytes: int
) -> bytes:
    entries, segments, at = [], [], 0
    while at < len(layers):
        data, first = b"", at
        while at < len(layers) and len(data) < SEGMENT_BYTES_MIN:
            data += exact.encode_layer(layers[at], element_bytes)
            at += 1
        entries.append(SegmentEntry(first, at - first, 0, 0, len(data), crc32c(data), 0.0, 0.0))
        segments.append(data)
    return _frame(namespace, None, chunk, (BASE,), entries, segments)


def _frame(
    namespace: Namespace,
    profile: Profile | None,
    chunk: ChunkId,
    parts: tuple[Part, ...],
    entries: list[SegmentEntry],
    segments: list[bytes],
) -> bytes:
    tokens = token_array(chunk.tokens)
    header = FrameHeader(
        namespace.kind,
        namespace.geometry.decoded_bytes(len(tokens)),
        chunk.key,
        namespace.digest,
        profile.id if profile else ZERO_DIGEST,
        token_digest(tokens),
        chunk.first_position,
        len(tokens),
        profile.tail_tokens if profile else 0,
        profile.frame_layer_groups if profile else len(namespace.geometry.stored_layers),
        profile.head_groups if profile else 1,
        namespace.geometry.dtype,
        parts,
        tuple(entries),
    )
    return header.to_bytes() + b"".join(segments)


def _quantize(
    namespace: Namespace,
    profile: Profile,
    index: int,
    first_position: int,
    k: np.ndarray,
    v: np.ndarray,
) -> _Group:
    geometry, group = namespace.geometry, profile.groups[index]
    raw = int(profile.raw_first and first_position == 0)
    x = block.gather(geometry, group, k, v, first_position)
    side = block.raw_token(geometry, group, k, v) if raw else b""
    if profile.statistics_in_frame:
        keys = block.key_channels(geometry, group)
        weight = value_weight(index // profile.head_groups, profile.layer_groups)
        mean, scale = statistics(x[raw:], keys, weight)
        per_channel = np.repeat(scale, [keys, group.width - keys])
        y = (x - mean.astype(np.float32)) / per_channel
        rms = np.sqrt(np.mean(np.square(y[raw:], dtype=np.float64), axis=0)) if len(y) > raw else 0
        sigma = sigma_index(np.broadcast_to(rms, group.width), profile.step)
        side += scale.astype("<f4").tobytes() + mean.astype("<f2").tobytes() + sigma.tobytes()
    else:
        y = (x - group.mean) @ group.analysis.T
        sigma = group.sigma_index
    y[:raw] = 0
    classes = np.zeros(len(y), np.int8)
    if profile.class_rows:
        classes = token_classes(profile, token_octaves(group, y), first_position)
    return _coded(profile, side, raw, profile.class_rows, classes, y, sigma)


def _quantize_deep(
    namespace: Namespace,
    profile: Profile,
    deep: DeepTransform,
    chunk: ChunkId,
    k: np.ndarray,
    v: np.ndarray,
) -> list[_Group]:
    """The shared components, then what each group keeps of its own."""
    geometry, position = namespace.geometry, chunk.first_position
    raw, ids = int(profile.raw_first and position == 0), token_array(chunk.tokens)
    components, octaves = [], []
    for group in profile.groups:
        y = (block.gather(geometry, group, k, v, position) - group.mean) @ group.analysis.T
        y[:raw] = 0
        components.append(y)
        octaves.append(token_octaves(group, y))
    classes = np.zeros(len(ids), np.int8)
    if profile.class_rows:
        classes = token_classes(profile, pooled_octaves(np.array(octaves)), position)
    shared = deep.forward(np.hstack([y[:, : deep.leading] for y in components]), ids)
    shared[:raw] = 0
    grid = [_coded(profile, b"", raw, profile.class_rows, classes, shared, deep.sigma_index)]
    for group, y in zip(profile.groups, components):
        side = block.raw_token(geometry, group, k, v) if raw else b""
        own, sigma = y[:, deep.leading :], group.sigma_index[deep.leading :]
        grid.append(_coded(profile, side, raw, False, classes, own, sigma))
    return grid


def _coded(
    profile: Profile,
    side: bytes,
    raw: int,
    class_row: bool,
    classes: np.ndarray,
    y: np.ndarray,
    sigma: np.ndarray,
) -> _Group:
    q = _indices(profile, y, classes)
    errors = _distortion(profile, y, q, sigma, classes, raw)
    return _Group(side, raw, class_row, classes, np.ascontiguousarray(sigma), q, errors)


def token_octaves(group: ProfileGroup, y: np.ndarray) -> np.ndarray:
    """log2 of each token's step by the linear probe of its coefficients, but for the curve."""
    features = np.clip(y / group.sigma, -FEATURE_MAX, FEATURE_MAX)
    return features @ group.probe[:-1] + group.probe[-1]


def token_classes(profile: Profile, octaves: np.ndarray, first_position: int) -> np.ndarray:
    """Class i8 of each token, the curve added."""
    halves = np.round(2 * (octaves + profile.octaves(first_position, len(octaves))))
    return np.clip(halves, profile.class_min, profile.class_max).astype(np.int8)


def _indices(profile: Profile, y: np.ndarray, classes: np.ndarray) -> list[np.ndarray]:
    """Embedded indices i32 `[R, tokens]` of each rung, rounded half away at the finest."""
    top = profile.rungs - 1
    step = profile.step * np.exp2(classes.astype(np.float64) / 2)
    scaled = y.T.astype(np.float64) * (3**top / step)
    magnitude = np.minimum(np.floor(np.abs(scaled) + 0.5), float(rans.Q_MAX) * 3**top)
    fine = np.copysign(magnitude, scaled).astype(np.int32)
    out = [np.ascontiguousarray(fine)]
    for _ in range(top):
        fine = np.sign(fine) * ((np.abs(fine) + 1) // 3)
        out.insert(0, np.ascontiguousarray(fine, np.int32))
    return out


def rung_steps(profile: Profile, classes: np.ndarray, rung: int) -> np.ndarray:
    """Step f32 of each token at a rung."""
    return (profile.step * np.exp2(classes.astype(np.float64) / 2) / 3**rung).astype(np.float32)


def _distortion(
    profile: Profile,
    y: np.ndarray,
    q: list[np.ndarray],
    sigma: np.ndarray,
    classes: np.ndarray,
    raw: int,
) -> np.ndarray:
    """Squared error f64[rungs, 2] left on head and tail tokens at each rung, each token's over
    4^(octaves of its class): what a class makes coarser matters that much less."""
    head = len(y) - min(profile.tail_tokens, len(y))
    out = np.empty((profile.rungs, 2))
    decoded = np.empty(q[0].shape, np.float32)
    for rung in range(profile.rungs):
        rans.dequantize(
            q[rung],
            sigma,
            RUNG_SHIFT[rung],
            classes,
            profile.centroids,
            rung_steps(profile, classes, rung),
            0,
            decoded,
        )
        error = np.square(decoded - y.T, dtype=np.float64).sum(axis=0)
        error *= np.exp2(-classes.astype(np.float64))
        error[:raw] = 0
        out[rung] = error[:head].sum(), error[head:].sum()
    return out


def _part_segments(
    namespace: Namespace,
    profile: Profile,
    parts: tuple[Part, ...],
    index: int,
    grid: list[_Group],
    tokens: int,
) -> list[tuple[SegmentEntry, bytes]]:
    """Segments of one part: layer groups of a head group and one sliding window, merged until they
    are large enough; the shared components of a deep profile stay alone."""
    part, out = parts[index], []
    tail = min(profile.tail_tokens, tokens)
    start = tokens - tail if part.span == Span.TAIL else 0
    end = tokens - tail if part.span == Span.HEAD else tokens
    windows = _windows(profile, namespace.geometry)
    for head in range(profile.head_groups):
        first, rows = 0, []
        last = profile.frame_layer_groups - 1
        for layer in range(last + 1):
            group = grid[layer * profile.head_groups + head]
            rows.append(_rows(profile, group, part.rung, start, end))
            full = sum(row.bytes for row in rows) >= SEGMENT_BYTES_MIN
            shared = layer == 0 and profile.deep is not None
            if full or shared or layer == last or windows[layer] != windows[layer + 1]:
                data = write_segment(rows)
                groups = [
                    grid[i * profile.head_groups + head] for i in range(first, first + len(rows))
                ]
                errors = sum(g.distortion[part.rung] for g in groups)
                near = float(errors[0]) if part.span.covers_head else 0.0
                far = float(errors[1]) if part.span.covers_tail else 0.0
                entry = SegmentEntry(
                    first, len(rows), head, index, len(data), crc32c(data), near, far
                )
                out.append((entry, data))
                first, rows = layer + 1, []
    return sorted(out, key=lambda item: (item[0].first_layer_group, item[0].head_group))


def _windows(profile: Profile, geometry: Geometry) -> list[int]:
    """Window of each layer group of a frame, 0 for the shared components of a deep profile."""
    firsts = [profile.group(i, 0).layers[0] for i in range(profile.layer_groups)]
    return [0] * (profile.deep is not None) + [geometry.window[layer] for layer in firsts]


def _active(rows: np.ndarray) -> int:
    """Rows up to the last that is not all zero."""
    used = np.flatnonzero(rows.any(axis=1))
    return int(used[-1]) + 1 if len(used) else 0


def _rows(profile: Profile, group: _Group, rung: int, start: int, end: int) -> GroupRows:
    raw = group.raw if start == 0 else 0
    classes = np.ascontiguousarray(group.classes[start:end])
    fine = group.q[rung][:, start:end]
    if rung == 0:
        active = _active(fine)
        side = struct.pack("<H", active) + group.side
        row = None
        if group.class_row:
            values = classes.astype(np.int32) - profile.class_centre
            row = (values.reshape(1, -1), profile.class_table)
        return base_group(side, raw, classes, row, fine[:active], group.sigma[:active])
    coarse = group.q[rung - 1][:, start:end]
    active = _active(fine - 3 * coarse)
    sigma = group.sigma[:active] + np.uint8(RUNG_SHIFT[rung - 1])
    side = struct.pack("<H", active)
    return refinement_group(side, raw, classes, coarse[:active], fine[:active], sigma)
