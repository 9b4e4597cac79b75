"""The profile file (`docs/format.md`, section 4) as calibration writes it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import numpy as np

from .checksum import crc32c
from .evaluate import Level
from .model import KvShape
from .simulate import CLASS_MAX, CLASS_MIN, CodecProfile, GroupCodec

VERSION = 1
KINDS = {"layer": 1, "joint": 2, "head": 3, "deep": 4}
FLAG_CLASSES, FLAG_RAW_FIRST = 1, 2
ROTATE_HALF = 1
RUNGS, TAIL_TOKENS = 3, 32


@dataclass(frozen=True)
class LevelRow:
    """A named level with what was measured on held-out contexts; `dppl` and `facts_loss` are
    fractions."""

    level: Level
    bits_per_element: float
    kl: float
    dppl: float
    facts_loss: float
    distortion: float


@dataclass(frozen=True)
class LossPoint:
    """Upper bounds of loss at a distortion per element."""

    distortion: float
    kl: float
    dppl: float
    facts_loss: float


@dataclass(frozen=True)
class ProfileText:
    """What a profile says about itself: its kind, how it was made, what its levels cost."""

    kind: str
    provenance: str
    class_centre: int
    class_table: int
    levels: list[LevelRow]
    loss: list[LossPoint]


def geometry_bytes(shape: KvShape) -> bytes:
    """Canonical geometry (`docs/format.md`, section 1) with dtype 0, as the shape digest wants
    it."""
    head = struct.pack(
        "<5HBBIB", shape.layers, shape.query_heads, shape.heads, shape.dim, shape.dim, 0, 0, 0, 1
    )
    rope = struct.pack("<BBHHd4d", ROTATE_HALF, 0, shape.dim, 0, shape.theta, 0, 0, 0, 0)
    return (
        head
        + rope
        + bytes(shape.layers)
        + struct.pack(f"<{shape.layers}H", *range(shape.layers))
        + struct.pack(f"<{shape.layers}i", *[-1] * shape.layers)
    )


def shape_digest(shape: KvShape) -> bytes:
    return hashlib.sha256(geometry_bytes(shape)).digest()


def to_bytes(profile: CodecProfile, shape: KvShape, text: ProfileText) -> bytes:
    """The whole file; its SHA-256 is the profile id."""
    points = _curve_points(profile)
    flags = FLAG_CLASSES | FLAG_RAW_FIRST
    out = bytearray(b"KVP1")
    out += struct.pack("<HBB", VERSION, KINDS[text.kind], flags) + shape_digest(shape)
    out += struct.pack(
        "<fBBHHbbbBHHHH",
        profile.step,
        RUNGS,
        TAIL_TOKENS,
        len(profile.groups),
        1,
        CLASS_MIN,
        CLASS_MAX,
        text.class_centre,
        text.class_table,
        len(points),
        len(text.levels),
        len(text.loss),
        0,
    )
    out += _string(text.provenance)
    for row in text.levels:
        out += _string(row.level.name)
        out += struct.pack(
            "<BBBB5f",
            row.level.far,
            row.level.last,
            row.level.tail,
            0,
            row.bits_per_element,
            row.kl,
            row.dppl,
            row.facts_loss,
            row.distortion,
        )
    for point in text.loss:
        out += struct.pack("<4f", point.distortion, point.kl, point.dppl, point.facts_loss)
    out += profile.centroids.numpy().astype("<f4").tobytes()
    for position, octaves in points:
        out += struct.pack("<If", position, octaves)
    for group in profile.groups:
        out += _group_bytes(group, shape)
    return bytes(out + struct.pack("<I", crc32c(bytes(out))))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<H", len(data)) + data


def _curve_points(profile: CodecProfile) -> list[tuple[int, float]]:
    """Positions where the curve changes, 0 from its end on."""
    curve = profile.curve.numpy().astype(np.float32)
    points = [(0, float(curve[0]))]
    for position in range(1, len(curve)):
        if curve[position] != curve[position - 1]:
            points.append((position, float(curve[position])))
    if points[-1][1] != 0:
        points.append((len(curve), 0.0))
    return points


def _group_bytes(group: GroupCodec, shape: KvShape) -> bytes:
    rank, width = group.analysis.shape
    layers, heads = list(group.layers), list(range(shape.heads))
    out = struct.pack(f"<HH{len(layers)}H{len(heads)}H", len(layers), len(heads), *layers, *heads)
    out += struct.pack("<II", width, rank)
    for array, kind in (
        (group.mean, "<f4"),
        (group.sigma, "<f4"),
        (group.sigma_index, "u1"),
        (group.probe, "<f4"),
        (group.analysis, "<f2"),
        (group.synthesis, "<f2"),
    ):
        values = array.numpy()
        if not np.isfinite(values.astype(kind)).all():
            raise ValueError(f"group of layers {layers}: values that are not finite as {kind}")
        out += values.astype(kind).tobytes()
    return out
