"""Profiles: what calibration leaves for one model (docs/format.md section 4), read and written."""

from __future__ import annotations

import enum
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kvtier import deep
from kvtier.crc import crc32c
from kvtier.errors import CorruptChunkError, require, trust
from kvtier.frame import RUNGS_MAX
from kvtier.identity import Geometry
from kvtier.tables import CONTEXTS, INDEX_OF_ONE, TABLES

MAGIC = b"KVP1"
VERSION = 1
PROFILE_BYTES_MAX = 1 << 30
WIDTH_MAX = 1 << 16
FLAG_CLASSES, FLAG_RAW_FIRST = 1, 2
_HEAD = "<4sHBB32sfBBHHbbbBHHHH"
_LEVEL = "<BBBBfffff"


class ProfileKind(enum.IntEnum):
    """How the channels of a profile are grouped."""

    DATA_FREE = 0
    LAYER = 1
    JOINT = 2
    HEAD = 3
    DEEP = 4


@dataclass(frozen=True)
class Level:
    """A named choice of rungs with what it was measured to cost; NaN = unmeasured.

    far_groups: the layer groups of a frame, ascending, whose heads reach far_rung in far chunks;
    those of other groups stay one rung lower. None = all reach it.
    """

    name: str
    far_rung: int
    last_rung: int
    tail_rung: int
    bits_per_element: float = math.nan
    kl: float = math.nan
    dppl: float = math.nan
    facts_loss: float = math.nan
    distortion: float = math.nan
    far_groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class LossPoint:
    """Upper bounds of loss up to a distortion per element; `dppl`, `facts_loss` are fractions.

    distortion: squared error in the whitened domain over 2^class, times the planner's importance.
    """

    distortion: float
    kl: float
    dppl: float
    facts_loss: float


@dataclass(frozen=True, eq=False)
class ProfileGroup:
    """One group of channels: `layers` x `heads`, W channels, R components.

    mean f32[W], sigma f32[R] falling, sigma_index u8[R], probe f32[R + 1] constant last,
    analysis and synthesis f32[R, W] (float16 values), a row a component. In a data-free profile
    only `layers` and `heads` mean anything: statistics are in the frames.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    width: int
    mean: np.ndarray
    sigma: np.ndarray
    sigma_index: np.ndarray
    probe: np.ndarray
    analysis: np.ndarray
    synthesis: np.ndarray

    @property
    def rank(self) -> int:
        """Components that are coded."""
        return len(self.sigma_index)


@dataclass(frozen=True, eq=False)
class Profile:
    """Everything static that the codec needs; fields as in docs/format.md section 4."""

    kind: ProfileKind
    shape: bytes
    step: float
    layer_groups: int
    head_groups: int
    groups: tuple[ProfileGroup, ...]
    centroids: np.ndarray
    class_rows: bool = False
    raw_first: bool = True
    rungs: int = 3
    tail_tokens: int = 32
    class_min: int = 0
    class_max: int = 0
    class_centre: int = 0
    class_table: int = 0
    provenance: str = ""
    levels: tuple[Level, ...] = ()
    loss: tuple[LossPoint, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    id: bytes = field(default=b"")
    deep: deep.DeepTransform | None = None

    def group(self, layer_group: int, head_group: int) -> ProfileGroup:
        """The group at a place of the grid."""
        return self.groups[layer_group * self.head_groups + head_group]

    @property
    def frame_layer_groups(self) -> int:
        """Layer groups of a frame: those of the profile, behind the shared components if deep."""
        return self.layer_groups + (self.deep is not None)

    @property
    def statistics_in_frame(self) -> bool:
        """Whether means and scales come with each chunk."""
        return self.kind == ProfileKind.DATA_FREE

    def octaves(self, first_position: int, tokens: int) -> np.ndarray:
        """The start-of-sequence curve f32 `[tokens]`: octaves added to the step."""
        out = np.zeros(tokens, np.float32)
        positions = np.arange(first_position, first_position + tokens)
        for position, octaves in self.curve:
            out[positions >= position] = octaves
        return out

    @cached_property
    def class_steps(self) -> np.ndarray:
        """Step f32 of each class from class_min on."""
        classes = np.arange(self.class_min, self.class_max + 1, dtype=np.float64)
        return (self.step * np.exp2(classes / 2)).astype(np.float32)

    def check_geometry(self, geometry: Geometry) -> None:
        """Refuse a geometry that the profile was not made for."""
        shape = geometry.shape_digest
        require(self.shape == shape, "shape of the geometry", shape.hex()[:8], self.shape.hex()[:8])


def sigma_index(sigma: np.ndarray, step: float) -> np.ndarray:
    """Table u8 of each sigma: clamp(round(4 log2(sigma / step)) + 24, 0, 63)."""
    with np.errstate(divide="ignore"):
        quarters = np.round(4 * np.log2(np.asarray(sigma, np.float64) / step)) + INDEX_OF_ONE
    return np.clip(quarters, 0, TABLES - 1).astype(np.uint8)


class _Reader:
    def __init__(self, data: bytes, end: int) -> None:
        self.data, self.at, self.end = data, 0, end

    def take(self, layout: str) -> tuple:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def bytes(self, count: int) -> memoryview:
        left = self.end - self.at
        trust(count <= left, f"bytes left of the profile at {self.at}", f"{count} or more", left)
        self.at += count
        return memoryview(self.data)[self.at - count : self.at]

    def array(self, layout: str, count: int, where: str) -> np.ndarray:
        dtype = np.dtype(layout)
        out = np.frombuffer(self.bytes(dtype.itemsize * count), dtype)
        if dtype.kind == "f":
            out = out.astype(np.float32)
            trust(bool(np.isfinite(out).all()), where, "finite numbers", "one that is not")
        return out

    def string(self) -> str:
        (size,) = self.take("<H")
        return bytes(self.bytes(size)).decode(errors="replace")


def parse(data: bytes, geometry: Geometry | None = None) -> Profile:
    """Read a profile file, for a geometry if one is given.

    Raises CorruptChunkError for damaged bytes, InvalidRequestError for another version or geometry.
    """
    trust(len(data) <= PROFILE_BYTES_MAX, "profile bytes", PROFILE_BYTES_MAX, len(data))
    trust(len(data) > struct.calcsize(_HEAD) + 4, "profile bytes", "a header", len(data))
    (crc,) = struct.unpack_from("<I", data, len(data) - 4)
    version = struct.unpack_from("<4sH", data)
    trust(version[0] == MAGIC, "profile magic", MAGIC, version[0])
    require(version[1] == VERSION, "profile version", version[1], VERSION)
    actual = crc32c(memoryview(data)[:-4])
    trust(crc == actual, "profile crc32c", f"{crc:08x}", f"{actual:08x}")
    reader = _Reader(data, len(data) - 4)
    head = reader.take(_HEAD)
    profile = _read(reader, head, hashlib.sha256(data).digest())
    trust(reader.at == reader.end, "profile bytes", reader.at + 4, len(data))
    if geometry is not None:
        profile.check_geometry(geometry)
        _check_groups(profile, geometry)
    return profile


def _read(reader: _Reader, head: tuple, profile_id: bytes) -> Profile:
    _, _, kind, flags, shape, step, rungs, tail, layer_groups, head_groups = head[:10]
    low, high, centre, class_table, curve, levels, loss, reserved = head[10:]
    trust(kind <= 4, "profile kind", "0..4", kind)
    trust(flags <= 3, "profile flags", "0..3", flags)
    trust(reserved == 0, "reserved profile field", 0, reserved)
    trust(step > 0 and math.isfinite(step), "profile step", "finite and positive", step)
    trust(1 <= rungs <= 4, "profile rungs", "1..4", rungs)
    trust(layer_groups >= 1 and 1 <= head_groups <= 64, "profile groups", "1 or more", 0)
    trust(low <= centre <= high, "class centre", f"{low}..{high}", centre)
    trust(class_table < TABLES, "class table", "0..63", class_table)
    provenance = reader.string()
    frame_groups = layer_groups + (kind == ProfileKind.DEEP)
    level_rows = tuple(_read_level(reader, frame_groups) for _ in range(levels))
    loss_rows = tuple(LossPoint(*reader.take("<4f")) for _ in range(loss))
    centroids = reader.array("<f4", TABLES * CONTEXTS, "profile centroids")
    points = tuple(reader.take("<If") for _ in range(curve))
    groups = tuple(_read_group(reader, i) for i in range(layer_groups * head_groups))
    return Profile(
        ProfileKind(kind),
        bytes(shape),
        step,
        layer_groups,
        head_groups,
        groups,
        centroids.reshape(TABLES, CONTEXTS),
        bool(flags & FLAG_CLASSES),
        bool(flags & FLAG_RAW_FIRST),
        rungs,
        tail,
        low,
        high,
        centre,
        class_table,
        provenance,
        level_rows,
        loss_rows,
        points,
        profile_id,
        deep.read(reader, groups, head_groups) if kind == ProfileKind.DEEP else None,
    )


def _read_level(reader: _Reader, layer_groups: int) -> Level:
    name = reader.string()
    far, last, tail, count, *measured = reader.take(_LEVEL)
    where = f"level {name}"
    trust(max(far, last, tail) < RUNGS_MAX, f"rungs of {where}", "0..3", (far, last, tail))
    groups = reader.take(f"<{count}H")
    trust(count == 0 or far > 0, f"far rung of {where}, which names groups", "1 or more", far)
    ascending = all(a < b for a, b in zip(groups, (*groups[1:], layer_groups)))
    trust(ascending, f"groups of {where}", f"ascending, below {layer_groups}", groups)
    return Level(name, far, last, tail, *measured, far_groups=groups)


def _read_group(reader: _Reader, index: int) -> ProfileGroup:
    where = f"group {index} of the profile"
    layers, heads = reader.take("<HH")
    layer_list, head_list = reader.take(f"<{layers}H"), reader.take(f"<{heads}H")
    width, rank = reader.take("<II")
    trust(1 <= width <= WIDTH_MAX, f"width of {where}", f"1..{WIDTH_MAX}", width)
    trust(1 <= rank <= width, f"rank of {where}", f"1..{width}", rank)
    mean, sigma = reader.array("<f4", width, where), reader.array("<f4", rank, where)
    tables = reader.array("u1", rank, where)
    trust(int(tables.max()) < TABLES, f"sigma index of {where}", "0..63", int(tables.max()))
    probe = reader.array("<f4", rank + 1, where)
    analysis = reader.array("<f2", rank * width, where).reshape(rank, width)
    synthesis = reader.array("<f2", rank * width, where).reshape(rank, width)
    return ProfileGroup(
        layer_list, head_list, width, mean, sigma, tables, probe, analysis, synthesis
    )


def group_width(geometry: Geometry, layers: Sequence[int], heads: Sequence[int]) -> int:
    """Channels of a group."""
    return len(layers) * len(heads) * (geometry.key_dim + geometry.value_dim)


def _check_groups(profile: Profile, geometry: Geometry) -> None:
    """Every stored layer and KV head is in exactly one group, as the grid says."""
    stored = set(geometry.stored_layers)
    seen: set[tuple[int, int]] = set()
    for index, group in enumerate(profile.groups):
        where = f"group {index} of the profile"
        cells = {(layer, head) for layer in group.layers for head in group.heads}
        size = len(group.layers) * len(group.heads)
        trust(len(cells) == size and not cells & seen, where, "cells of its own", "shared ones")
        inside = all(layer in stored and head < geometry.kv_heads for layer, head in cells)
        trust(inside, where, "stored layers and KV heads", (group.layers, group.heads))
        width = group_width(geometry, group.layers, group.heads)
        trust(group.width == width, f"width of {where}", width, group.width)
        seen |= cells
    trust(
        len(seen) == len(stored) * geometry.kv_heads,
        "cells of the profile",
        len(stored) * geometry.kv_heads,
        len(seen),
    )


def to_bytes(profile: Profile) -> bytes:
    """The file of a profile; its SHA-256 is the profile id."""
    flags = profile.class_rows * FLAG_CLASSES | profile.raw_first * FLAG_RAW_FIRST
    out = bytearray(
        struct.pack(
            _HEAD,
            MAGIC,
            VERSION,
            profile.kind,
            flags,
            profile.shape,
            profile.step,
            profile.rungs,
            profile.tail_tokens,
            profile.layer_groups,
            profile.head_groups,
            profile.class_min,
            profile.class_max,
            profile.class_centre,
            profile.class_table,
            len(profile.curve),
            len(profile.levels),
            len(profile.loss),
            0,
        )
    )
    out += _string(profile.provenance)
    for level in profile.levels:
        measured = (level.bits_per_element, level.kl, level.dppl, level.facts_loss)
        rungs = (level.far_rung, level.last_rung, level.tail_rung, len(level.far_groups))
        out += _string(level.name) + struct.pack(_LEVEL, *rungs, *measured, level.distortion)
        out += struct.pack(f"<{len(level.far_groups)}H", *level.far_groups)
    for point in profile.loss:
        out += struct.pack("<4f", point.distortion, point.kl, point.dppl, point.facts_loss)
    out += profile.centroids.astype("<f4").tobytes()
    for position, octaves in profile.curve:
        out += struct.pack("<If", position, octaves)
    for group in profile.groups:
        out += _group_bytes(group)
    if profile.deep is not None:
        out += deep.to_bytes(profile.deep)
    return bytes(out) + struct.pack("<I", crc32c(bytes(out)))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<H", len(data)) + data


def _group_bytes(group: ProfileGroup) -> bytes:
    layers, heads = len(group.layers), len(group.heads)
    lists = (*group.layers, *group.heads)
    out = struct.pack(f"<HH{layers + heads}H", layers, heads, *lists)
    out += struct.pack("<II", group.width, group.rank)
    for array, layout in (
        (group.mean, "<f4"),
        (group.sigma, "<f4"),
        (group.sigma_index, "u1"),
        (group.probe, "<f4"),
        (group.analysis, "<f2"),
        (group.synthesis, "<f2"),
    ):
        values = array.astype(layout)
        if not np.isfinite(values).all():
            raise CorruptChunkError(
                f"group of layers {group.layers} has a value that is not finite as {layout}"
            )
        out += values.tobytes()
    return out
