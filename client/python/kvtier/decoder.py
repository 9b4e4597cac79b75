"""Frames, or any of their segments that form rungs, into K and V (docs/format.md section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kvtier import block, exact, rans
from kvtier.deep import DeepTransform
from kvtier.encoder import rung_steps
from kvtier.errors import require, trust
from kvtier.frame import FrameHeader, Span, verify_segment
from kvtier.identity import Geometry, NamespaceKind
from kvtier.profile import Profile, ProfileGroup
from kvtier.segment import SegmentReader
from kvtier.tables import RUNG_SHIFT

Segments = Mapping[int, "bytes | memoryview"]


def frame_segments(header: FrameHeader, frame: bytes | memoryview) -> dict[int, memoryview]:
    """The whole segments that the first bytes of a frame hold, by index."""
    view, out = memoryview(frame), {}
    for index, (start, end) in enumerate(zip(header.offsets, header.offsets[1:])):
        if end <= len(view):
            out[index] = view[start:end]
    return out


@dataclass(eq=False)
class Symbols:
    """What has been decoded of one group: q i32 `[R, tokens]`, classes i8 `[tokens]`.

    group: None for the shared components of a deep profile; raw_first: whether token 0 is raw, its
    values being in `raw`; active: rows of q that may not be zero; rungs: of head and tail.
    """

    group: ProfileGroup | None
    raw_first: int
    q: np.ndarray
    classes: np.ndarray
    sigma: np.ndarray
    raw: np.ndarray | None
    mean: np.ndarray
    scale: np.ndarray | None
    active: int
    rungs: list[int]


def decode_chunk(
    header: FrameHeader,
    segments: Segments,
    profile: Profile | None,
    geometry: Geometry,
    k: np.ndarray,
    v: np.ndarray,
    tokens: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Decode segments into K and V, `[stored layers, tokens, KV heads, dim]` of the caller.

    `tokens` are the chunk's ids; only deep profiles use them. Each segment is verified first. A
    refinement whose lower rung is not among the segments is left out; a group without its base, or
    without the shared components of a deep profile, leaves its elements of K and V as they were.
    Returns the rungs i8 `[layer groups of the frame, head groups, 2]` of head and tail tokens,
    -1 = nothing. After an exception K and V may hold a part of the chunk and must not be used.
    """
    block.check_tensors(geometry, header.tokens, k, v)
    require(header.dtype == geometry.dtype, "frame's dtype", header.dtype, geometry.dtype)
    for index, data in segments.items():
        verify_segment(header, index, data)
    if header.kind == NamespaceKind.EXACT:
        return _decode_exact(header, segments, geometry, k, v)
    require(profile is not None, "profile", None, header.profile.hex()[:8])
    assert profile is not None
    ids = profile.deep and profile.deep.check_tokens(tokens, header.token_digest)
    grid = decode_symbols(header, segments, profile, geometry)
    rungs = np.full((header.layer_groups, header.head_groups, 2), -1, np.int8)
    z = _shared(header, profile, profile.deep, grid, ids) if profile.deep else None
    for place, symbols in grid.items():
        if symbols.group is not None:
            own = None if z is None else z[place[0] - 1]
            _reconstruct(header, profile, geometry, symbols.group, symbols, own, k, v)
        rungs[place] = symbols.rungs
    return rungs


def decode_symbols(
    header: FrameHeader, segments: Segments, profile: Profile, geometry: Geometry
) -> dict[tuple[int, int], Symbols]:
    """Indices of each (layer group, head group), from verified segments."""
    _check_profile(header, profile, geometry)
    grid: dict[tuple[int, int], Symbols] = {}
    for part in range(len(header.parts)):
        for index in header.segments_of(part):
            if index in segments:
                _decode_segment(header, index, segments[index], profile, geometry, grid)
    return grid


def _check_profile(header: FrameHeader, profile: Profile, geometry: Geometry) -> None:
    profile.check_geometry(geometry)
    same = profile.id == header.profile
    require(same, "profile", profile.id.hex()[:8], f"the frame's {header.profile.hex()[:8]}")
    groups = (profile.frame_layer_groups, profile.head_groups)
    got = (header.layer_groups, header.head_groups)
    trust(got == groups, "frame's groups", groups, got)
    tail = header.tail_tokens
    trust(tail == profile.tail_tokens, "frame's tailTokens", profile.tail_tokens, tail)


def _decode_segment(
    header: FrameHeader,
    index: int,
    data: bytes | memoryview,
    profile: Profile,
    geometry: Geometry,
    grid: dict[tuple[int, int], Symbols],
) -> None:
    entry = header.segments[index]
    part = header.parts[entry.part]
    places = [
        (entry.first_layer_group + i, entry.head_group) for i in range(entry.layer_groups)
    ]
    if part.rung and not all(_is_next(grid.get(place), part.rung, part.span) for place in places):
        return
    shared = entry.first_layer_group == 0 and profile.deep is not None
    if shared:
        alone = entry.layer_groups
        trust(alone == 1, f"layer groups of segment {index}, the shared one", 1, alone)
    elif profile.deep is not None and (0, 0) not in grid:
        return
    reader = SegmentReader(data, entry.layer_groups, f"segment {index}")
    for place in places:
        if part.rung == 0:
            grid[place] = _decode_base(header, reader, profile, geometry, place, grid)
        else:
            _refine(header, reader, part.rung, part.span, grid[place])
    reader.finish()


def _is_next(group: Symbols | None, rung: int, span: Span) -> bool:
    if group is None:
        return False
    head = not span.covers_head or group.rungs[0] == rung - 1
    return head and (not span.covers_tail or group.rungs[1] == rung - 1)


def _decode_base(
    header: FrameHeader,
    reader: SegmentReader,
    profile: Profile,
    geometry: Geometry,
    place: tuple[int, int],
    grid: dict[tuple[int, int], Symbols],
) -> Symbols:
    """The base of one group; a group of a deep profile has the classes of the shared components."""
    tokens, deep = header.tokens, profile.deep
    raw = int(profile.raw_first and header.first_position == 0)
    if deep is not None and place[0] == 0:
        active, classes = _active(reader, deep.rank), _classes(header, reader, profile, raw)
        q, none = _rows(deep.rank, tokens), np.empty(0, np.float32)
        shared = Symbols(None, raw, q, classes, deep.sigma_index, None, none, None, active, [0, 0])
        return _base_rows(reader, shared)
    group = profile.group(place[0] - (deep is not None), place[1])
    first = deep.leading if deep is not None else 0
    active = _active(reader, group.rank - first)
    raw_values = reader.take(geometry.dtype.numpy.str, group.width) if raw else None
    mean, sigma, scale = group.mean, group.sigma_index[first:], None
    if profile.statistics_in_frame:
        mean, sigma, scale = _statistics(reader, geometry, group)
    if deep is not None:
        classes = grid[0, 0].classes
    else:
        classes = _classes(header, reader, profile, raw)
    q = _rows(len(sigma), tokens)
    symbols = Symbols(group, raw, q, classes, sigma, raw_values, mean, scale, active, [0, 0])
    return _base_rows(reader, symbols)


def _rows(rank: int, tokens: int) -> np.ndarray:
    return np.zeros((rank, tokens), np.int32)


def _active(reader: SegmentReader, rank: int) -> int:
    active = int(reader.take("<u2")[0])
    trust(active <= rank, f"{reader.where} active", f"up to {rank}", active)
    return active


def _base_rows(reader: SegmentReader, symbols: Symbols) -> Symbols:
    symbols.sigma = np.array(symbols.sigma)  # writable and its own: one compiled version serves all
    active = symbols.active
    symbols.q[:active] = reader.base_rows(
        symbols.sigma[:active], symbols.classes, symbols.raw_first
    )
    return symbols


def _statistics(
    reader: SegmentReader, geometry: Geometry, group: ProfileGroup
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean f32[W], sigma index u8[W] and scale f32[W] that a frame brings along."""
    pair = reader.take("<f4", 2 * len(group.layers)).astype(np.float32)
    mean = reader.take("<f2", group.width).astype(np.float32)
    sigma = reader.take("u1", group.width)
    finite = bool(np.isfinite(pair).all() and np.isfinite(mean).all())
    trust(finite, f"{reader.where} statistics", "finite numbers", "one that is not")
    trust(int(sigma.max()) < 64, f"{reader.where} sigmaIndex", "0..63", int(sigma.max()))
    keys = block.key_channels(geometry, group)
    values = len(group.heads) * geometry.value_dim
    return mean, sigma, np.repeat(pair, [keys, values] * len(group.layers))


def _classes(
    header: FrameHeader, reader: SegmentReader, profile: Profile, raw: int
) -> np.ndarray:
    """Class i8 of each token, from the class row if the profile has one."""
    classes = np.zeros(header.tokens, np.int8)
    if not profile.class_rows:
        return classes
    table = np.array([profile.class_table], np.uint8)
    row = reader.base_rows(table, classes, raw)[0].astype(np.int64) + profile.class_centre
    low, high = int(row.min()), int(row.max())
    limits = f"{profile.class_min}..{profile.class_max}"
    inside = profile.class_min <= low and high <= profile.class_max
    trust(inside, f"{reader.where} class", limits, f"{low}..{high}")
    return row.astype(np.int8)


def _refine(
    header: FrameHeader, reader: SegmentReader, rung: int, span: Span, group: Symbols
) -> None:
    active = _active(reader, len(group.q))
    start, end = header.span_range(span)
    raw = group.raw_first if start == 0 else 0
    sigma = group.sigma[:active] + np.uint8(RUNG_SHIFT[rung - 1])
    part = group.q[:, start:end].copy()
    reader.refine_rows(part, sigma, group.classes[start:end].copy(), raw)
    group.q[:, start:end] = part
    group.active = max(group.active, active)
    if span.covers_head:
        group.rungs[0] = rung
    if span.covers_tail:
        group.rungs[1] = rung


def _values(header: FrameHeader, profile: Profile, symbols: Symbols) -> np.ndarray:
    """Decoded components f32 `[active, tokens]`."""
    head, tokens, active = header.tokens - header.tail, header.tokens, symbols.active
    y = np.empty((active, tokens), np.float32)
    for (start, end), rung in zip(((0, head), (head, tokens)), symbols.rungs):
        if start < end:
            classes = symbols.classes[start:end].copy()
            rans.dequantize(
                symbols.q[:active, start:end].copy(),
                symbols.sigma,
                RUNG_SHIFT[rung],
                classes,
                profile.centroids,
                rung_steps(profile, classes, rung),
                start,
                y,
            )
    return y


def _shared(
    header: FrameHeader,
    profile: Profile,
    deep: DeepTransform,
    grid: dict[tuple[int, int], Symbols],
    tokens: np.ndarray | None,
) -> list[np.ndarray]:
    """Leading components f32 `[tokens, M]` of each group; none without the shared ones."""
    if (0, 0) not in grid:
        return []
    z = deep.inverse(_values(header, profile, grid[0, 0]).T, tokens)
    return np.split(z, profile.layer_groups, axis=1)


def _reconstruct(
    header: FrameHeader,
    profile: Profile,
    geometry: Geometry,
    group: ProfileGroup,
    symbols: Symbols,
    shared: np.ndarray | None,
    k: np.ndarray,
    v: np.ndarray,
) -> None:
    y, active = _values(header, profile, symbols), symbols.active
    if shared is not None:
        first = shared.shape[1]
        x = shared @ group.synthesis[:first] + y.T @ group.synthesis[first : first + active]
    elif symbols.scale is None:
        x = y.T @ group.synthesis[:active]
    else:
        x = np.zeros((header.tokens, group.width), np.float32)
        x[:, :active] = y.T * symbols.scale[:active]
    x += symbols.mean
    block.scatter(geometry, group, x, header.first_position, symbols.raw, k, v)


def _exact_layers(
    header: FrameHeader, segments: Segments, geometry: Geometry
) -> dict[int, np.ndarray]:
    """u8 bytes of each layer that the segments hold, by its place among the stored layers."""
    stored = len(geometry.stored_layers)
    trust(header.layer_groups == stored, "frame's layer groups", stored, header.layer_groups)
    trust(header.head_groups == 1, "frame's head groups", 1, header.head_groups)
    layer_bytes = geometry.decoded_bytes(header.tokens) // stored
    out = {}
    for index, data in segments.items():
        entry, rest, where = header.segments[index], memoryview(data), f"segment {index}"
        for layer in range(entry.first_layer_group, entry.first_layer_group + entry.layer_groups):
            out[layer], rest = exact.decode_layer(rest, layer_bytes, where)
        trust(not rest, f"bytes after the layers of {where}", 0, len(rest))
    return out


def _decode_exact(
    header: FrameHeader, segments: Segments, geometry: Geometry, k: np.ndarray, v: np.ndarray
) -> np.ndarray:
    rungs = np.full((header.layer_groups, 1, 2), -1, np.int8)
    for layer, raw in _exact_layers(header, segments, geometry).items():
        values = raw.view(geometry.dtype.numpy)
        keys = k[layer].size
        k[layer] = values[:keys].reshape(k[layer].shape)
        v[layer] = values[keys:].reshape(v[layer].shape)
        rungs[layer] = 0
    return rungs


def decode_opaque(
    header: FrameHeader, segments: Segments, geometry: Geometry, blob: np.ndarray
) -> list[int]:
    """Decode opaque layers into u8 `[stored layers, opaque_bytes]`; returns the layers written."""
    shape = (len(geometry.stored_layers), geometry.opaque_bytes)
    require(blob.shape == shape and blob.dtype == np.uint8, "blob", blob.shape, f"u8 {shape}")
    for index, data in segments.items():
        verify_segment(header, index, data)
    layers = _exact_layers(header, segments, geometry)
    for layer, raw in layers.items():
        blob[layer] = raw
    return sorted(layers)
