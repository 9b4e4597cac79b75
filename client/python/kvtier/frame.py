"""Frames, the stored form of a chunk (docs/format.md section 2): read, verified, written.

A frame is a header, then segments in the order of its directory. Nothing is allocated from a
length that came from outside before it was held against `DecodeLimits`.
"""

from __future__ import annotations

import enum
import hashlib
import math
import struct
from dataclasses import dataclass
from functools import cached_property

from kvtier.crc import crc32c
from kvtier.dtype import Dtype
from kvtier.errors import require, trust
from kvtier.identity import Namespace, NamespaceKind

MAGIC = b"KVT1"
VERSION = 1
FIXED_BYTES = 168
PART_BYTES = 4
SEGMENT_BYTES = 24
CRC_BYTES = 4
PARTS_MAX = 16
RUNGS_MAX = 4
HEAD_GROUPS_MAX = 64
TAIL_TOKENS = 32
_FIXED = "<4sHBBII32s32s32s32sIHHHHBBHII"
_SEGMENT = "<HHHBBIIff"


@dataclass(frozen=True)
class DecodeLimits:
    """What a reader is ready to believe."""

    frame_bytes_max: int = 256 << 20
    header_bytes_max: int = 1 << 20
    decoded_bytes_max: int = 1 << 30
    segments_max: int = 16_384
    tokens_max: int = 8192


DEFAULT_LIMITS = DecodeLimits()


class Span(enum.IntEnum):
    """Which tokens of a chunk a part covers."""

    ALL = 0
    HEAD = 1
    TAIL = 2

    @property
    def covers_head(self) -> bool:
        return self != Span.TAIL

    @property
    def covers_tail(self) -> bool:
        return self != Span.HEAD


@dataclass(frozen=True)
class Part:
    """One rung of one span of tokens: the unit in which a frame is cut."""

    rung: int
    span: Span


BASE = Part(0, Span.ALL)


@dataclass(frozen=True)
class SegmentEntry:
    """A directory entry: consecutive layer groups of one head group of one part."""

    first_layer_group: int
    layer_groups: int
    head_group: int
    part: int
    bytes: int
    crc32c: int
    distortion: float
    tail_distortion: float


@dataclass(frozen=True)
class FrameHeader:
    """What a frame says of itself; fields as in docs/format.md section 2.

    It never changes when the frame is cut, so `encoding_id` names the encoding, and through the
    directory's checksums every byte that follows.
    """

    kind: NamespaceKind
    decoded_bytes: int
    key: bytes
    namespace: bytes
    profile: bytes
    token_digest: bytes
    first_position: int
    tokens: int
    tail_tokens: int
    layer_groups: int
    head_groups: int
    dtype: Dtype
    parts: tuple[Part, ...]
    segments: tuple[SegmentEntry, ...]
    coverage: bytes = b""

    def __post_init__(self) -> None:
        trust(1 <= self.tokens <= 65535, "tokens", "1..65535", self.tokens)
        trust(0 <= self.first_position < 1 << 31, "firstPosition", "0..2^31-1", self.first_position)
        trust(0 <= self.tail_tokens <= 65535, "tailTokens", "0..65535", self.tail_tokens)
        trust(1 <= self.layer_groups <= 65535, "layerGroups", "1..65535", self.layer_groups)
        trust(1 <= self.head_groups <= HEAD_GROUPS_MAX, "headGroups", "1..64", self.head_groups)
        trust(1 <= self.decoded_bytes < 1 << 32, "decodedBytes", "1..2^32-1", self.decoded_bytes)
        size = len(self.coverage)
        trust(size in (0, (self.tokens + 7) // 8), "coverage bytes", (self.tokens + 7) // 8, size)
        behind = self.coverage[-1] >> self.tokens % 8 if size and self.tokens % 8 else 0
        trust(behind == 0, "coverage bits behind the last token", 0, behind)
        if self.kind == NamespaceKind.EXACT:
            trust(self.tail_tokens == 0, "tailTokens of an exact frame", 0, self.tail_tokens)
            none = not any(self.profile)
            trust(none, "profile of an exact frame", "zeros", self.profile.hex()[:8])
        self._check_parts()
        self._check_directory()

    def _check_parts(self) -> None:
        count, tail = len(self.parts), self.tail
        trust(1 <= count <= PARTS_MAX, "count of parts", f"1..{PARTS_MAX}", count)
        trust(self.parts[0] == BASE, "part 0", BASE, self.parts[0])
        if self.kind == NamespaceKind.EXACT:
            trust(count == 1, "parts of an exact frame", 1, count)
        head_rung = tail_rung = 0
        for part in self.parts[1:]:
            span = part.span
            trust(part.rung < RUNGS_MAX, "rung", f"0..{RUNGS_MAX - 1}", part.rung)
            trust(span != Span.HEAD or tail < self.tokens, "part", "no empty head", part)
            trust(span != Span.TAIL or tail > 0, "part", "no empty tail", part)
            if span.covers_head:
                trust(part.rung == head_rung + 1, "head rung", head_rung + 1, part)
                head_rung = part.rung
            if span.covers_tail:
                trust(part.rung == tail_rung + 1, "tail rung", tail_rung + 1, part)
                tail_rung = part.rung

    def _check_directory(self) -> None:
        """Each part covers each group once, by segments in order of layer group, head group."""
        at = 0
        for part in range(len(self.parts)):
            covered, before = [0] * self.head_groups, -1
            while at < len(self.segments) and self.segments[at].part == part:
                entry, where = self.segments[at], f"segment {at}"
                head = entry.head_group
                trust(head < self.head_groups, f"{where} head group", self.head_groups, head)
                order = entry.first_layer_group * self.head_groups + head
                trust(order > before, f"{where} order", f"above {before}", order)
                first = entry.first_layer_group
                trust(
                    first == covered[head] and entry.layer_groups >= 1,
                    f"{where} first layer group",
                    covered[head],
                    first,
                )
                trust(entry.bytes >= 1, f"{where} bytes", "at least 1", entry.bytes)
                self._check_distortion(entry, where)
                covered[head] += entry.layer_groups
                before = order
                at += 1
            for head, groups in enumerate(covered):
                what = f"layer groups covered by part {part}, head group {head}"
                trust(groups == self.layer_groups, what, self.layer_groups, groups)
        trust(at == len(self.segments), f"segment {at} part", "a part in order", "another")

    def _check_distortion(self, entry: SegmentEntry, where: str) -> None:
        span, exact = self.parts[entry.part].span, self.kind == NamespaceKind.EXACT
        for what, value, covered in (
            ("distortion", entry.distortion, span.covers_head),
            ("tailDistortion", entry.tail_distortion, span.covers_tail),
        ):
            if exact or not covered:
                trust(value == 0, f"{where} {what}", 0, value)
            else:
                trust(value >= 0 and math.isfinite(value), f"{where} {what}", ">= 0", value)

    @property
    def tail(self) -> int:
        """Tokens of the tail."""
        return min(self.tail_tokens, self.tokens)

    def span_range(self, span: Span) -> tuple[int, int]:
        """First token of a span and the token behind its last."""
        head = self.tokens - self.tail
        return {Span.ALL: (0, self.tokens), Span.HEAD: (0, head), Span.TAIL: (head, self.tokens)}[
            span
        ]

    @property
    def header_bytes(self) -> int:
        """Bytes of the header itself."""
        lists = len(self.parts) * PART_BYTES + len(self.segments) * SEGMENT_BYTES
        return FIXED_BYTES + lists + len(self.coverage) + CRC_BYTES

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Offset in the frame of each segment, and of the frame's end."""
        out = [self.header_bytes]
        for entry in self.segments:
            out.append(out[-1] + entry.bytes)
        return tuple(out)

    @property
    def frame_bytes(self) -> int:
        """Bytes of the whole frame, uncut."""
        return self.offsets[-1]

    def segments_of(self, part: int) -> range:
        """Indices of a part's segments."""
        indices = [i for i, entry in enumerate(self.segments) if entry.part == part]
        return range(indices[0], indices[-1] + 1)

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """Offsets after each part: where the frame may be cut, ascending."""
        return tuple(self.offsets[self.segments_of(p).stop] for p in range(len(self.parts)))

    def parts_held(self, frame_bytes: int) -> int:
        """How many parts the first `frame_bytes` of the frame hold in whole."""
        return sum(cut <= frame_bytes for cut in self.cuts)

    def is_present(self, token: int) -> bool:
        """Whether the token was not dropped by the method that encoded the chunk."""
        return not self.coverage or bool(self.coverage[token >> 3] >> (token & 7) & 1)

    def to_bytes(self) -> bytes:
        """The header as it lies in a frame."""
        return self._bytes

    @cached_property
    def encoding_id(self) -> bytes:
        """SHA-256 of the header's bytes: the name of this encoding."""
        return hashlib.sha256(self._bytes).digest()

    @cached_property
    def _bytes(self) -> bytes:
        fixed = struct.pack(
            _FIXED,
            MAGIC,
            VERSION,
            self.kind,
            1 if self.coverage else 0,
            self.header_bytes,
            self.decoded_bytes,
            self.key,
            self.namespace,
            self.profile,
            self.token_digest,
            self.first_position,
            self.tokens,
            self.tail_tokens,
            self.layer_groups,
            self.head_groups,
            len(self.parts),
            self.dtype,
            0,
            len(self.segments),
            len(self.coverage),
        )
        parts = (struct.pack("<BBH", part.rung, part.span, 0) for part in self.parts)
        entries = (
            struct.pack(
                _SEGMENT,
                e.first_layer_group,
                e.layer_groups,
                e.head_group,
                e.part,
                0,
                e.bytes,
                e.crc32c,
                e.distortion,
                e.tail_distortion,
            )
            for e in self.segments
        )
        out = b"".join((fixed, *parts, *entries, self.coverage))
        return out + struct.pack("<I", crc32c(out))


def header_bytes(start: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS) -> int:
    """Length of the header of a frame whose first 12 bytes or more are `start`."""
    trust(len(start) >= 12, "frame bytes", "at least 12", len(start))
    magic, version, _, _, size = struct.unpack_from("<4sHBBI", start)
    trust(magic == MAGIC, "frame magic", MAGIC, magic)
    newer = ": a newer kvtier wrote it" if version > VERSION else ""
    require(version == VERSION, "frame version", version, f"{VERSION}{newer}")
    least = FIXED_BYTES + PART_BYTES + CRC_BYTES
    trust(
        least <= size <= limits.header_bytes_max,
        "headerBytes",
        f"{least}..{limits.header_bytes_max}",
        size,
    )
    return size


def read_header(
    frame: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS
) -> FrameHeader:
    """The header at the start of `frame`, which may be longer.

    Raises CorruptChunkError when a byte is not what it should be, InvalidRequestError when a newer
    version wrote it: another version, unknown flags, or a reserved field that is not 0.
    """
    size = header_bytes(frame, limits)
    trust(len(frame) >= size, "frame bytes", f"header of {size}", len(frame))
    data = bytes(frame[:size])
    (crc,) = struct.unpack_from("<I", data, size - CRC_BYTES)
    actual = crc32c(data[: size - CRC_BYTES])
    trust(crc == actual, "header crc32c", f"{crc:08x}", f"{actual:08x}")
    return _parse(data, limits)


def _parse(data: bytes, limits: DecodeLimits) -> FrameHeader:
    fields = struct.unpack_from(_FIXED, data)
    kind, flags, size, decoded = fields[2:6]
    first, tokens, tail, layers, heads, parts, dtype, reserved, segments, coverage = fields[10:]
    trust(kind <= 1, "frame kind", "0 or 1", kind)
    trust(tokens <= limits.tokens_max, "tokens", f"up to {limits.tokens_max}", tokens)
    top = limits.decoded_bytes_max
    trust(decoded <= top, "decodedBytes", f"up to {top}", decoded)
    trust(parts <= PARTS_MAX, "parts", f"up to {PARTS_MAX}", parts)
    top = limits.segments_max
    trust(1 <= segments <= top, "segments", f"1..{top}", segments)
    trust(coverage <= (tokens + 7) // 8, "coverage bytes", (tokens + 7) // 8, coverage)
    _later(flags <= 1, "frame flags", flags, "0 or 1")
    trust(flags == (1 if coverage else 0), "frame flags", 1 if coverage else 0, flags)
    _later(reserved == 0, "reserved frame field", reserved, 0)
    trust(dtype <= 2, "frame dtype", "0..2", dtype)
    at = FIXED_BYTES + parts * PART_BYTES
    end = at + segments * SEGMENT_BYTES
    trust(size == end + coverage + CRC_BYTES, "headerBytes", end + coverage + CRC_BYTES, size)
    return FrameHeader(
        NamespaceKind(kind),
        decoded,
        *fields[6:10],
        first,
        tokens,
        tail,
        layers,
        heads,
        Dtype(dtype),
        _read_parts(data[FIXED_BYTES:at]),
        _read_segments(data[at:end]),
        data[end : end + coverage],
    )


def _later(holds: bool, what: str, got: object, expected: object) -> None:
    """What version 1 keeps free is used: by a later version that kept the number."""
    require(holds, what, got, f"{expected}: a newer kvtier wrote it")


def _read_parts(data: bytes) -> tuple[Part, ...]:
    out = []
    for i, (rung, span, reserved) in enumerate(struct.iter_unpack("<BBH", data)):
        trust(rung < RUNGS_MAX, f"rung of part {i}", f"0..{RUNGS_MAX - 1}", rung)
        trust(span <= 2, f"span of part {i}", "0..2", span)
        _later(reserved == 0, f"reserved field of part {i}", reserved, 0)
        out.append(Part(rung, Span(span)))
    return tuple(out)


def _read_segments(data: bytes) -> tuple[SegmentEntry, ...]:
    out = []
    for i, (*ids, reserved, size, crc, near, far) in enumerate(struct.iter_unpack(_SEGMENT, data)):
        _later(reserved == 0, f"reserved field of segment {i}", reserved, 0)
        trust(size < 1 << 31, f"bytes of segment {i}", "1..2^31-1", size)
        out.append(SegmentEntry(*ids, size, crc, near, far))
    return tuple(out)


def verify_identity(header: FrameHeader, namespace: Namespace) -> None:
    """Refuse a header that is not of this namespace, saying what differs."""
    geometry = namespace.geometry
    for what, actual, expected in (
        ("namespace", header.namespace.hex()[:8], namespace.digest.hex()[:8]),
        ("namespace", header.namespace, namespace.digest),
        ("kind", header.kind.name, namespace.kind.name),
        ("dtype", header.dtype.name, geometry.dtype.name),
        ("decoded bytes", header.decoded_bytes, geometry.decoded_bytes(header.tokens)),
    ):
        require(actual == expected, f"frame's {what}", actual, expected)
    require(
        header.tokens <= namespace.chunk_tokens,
        "frame's tokens",
        header.tokens,
        f"at most the namespace's {namespace.chunk_tokens}",
    )
    stored = len(geometry.stored_layers)
    require(
        header.layer_groups <= stored + 1 and header.head_groups <= geometry.kv_heads,
        "frame's groups",
        f"{header.layer_groups} by {header.head_groups}",
        f"at most {stored} layers, one more if deep, by {geometry.kv_heads} heads",
    )


def verify_segment(header: FrameHeader, index: int, data: bytes | memoryview) -> None:
    """Check one segment's bytes against the directory."""
    entry = header.segments[index]
    where = f"segment {index} of chunk {header.key.hex()[:8]}"
    trust(len(data) == entry.bytes, f"{where} bytes", entry.bytes, len(data))
    crc = crc32c(data)
    trust(crc == entry.crc32c, f"{where} crc32c", f"{entry.crc32c:08x}", f"{crc:08x}")


def verify(
    frame: bytes | memoryview, namespace: Namespace, limits: DecodeLimits = DEFAULT_LIMITS
) -> FrameHeader:
    """Verify a whole frame, cut after a part or not, and return its header."""
    size = len(frame)
    trust(size <= limits.frame_bytes_max, "frame bytes", f"up to {limits.frame_bytes_max}", size)
    header = read_header(frame, limits)
    verify_identity(header, namespace)
    trust(size in header.cuts, "frame bytes", f"one of its cuts {header.cuts}", size)
    view = memoryview(frame)
    for index, (start, end) in enumerate(zip(header.offsets, header.offsets[1:])):
        if end <= size:
            verify_segment(header, index, view[start:end])
    return header
