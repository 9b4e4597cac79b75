"""Messages of the Flight service (docs/format.md section 6); each refuses what it does not know."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import ClassVar

from kvtier.errors import InvalidRequestError, require
from kvtier.frame import PARTS_MAX, FrameHeader, Part, Span
from kvtier.identity import DIGEST_BYTES, ZERO_DIGEST, Namespace

VERSION = 1
KEYS_MAX = 4096
MESSAGE_BYTES_MAX = 16 << 10
ALL_HEADS = (1 << 64) - 1


class Durability(enum.IntEnum):
    """How durable a put is before it is acknowledged."""

    MEMORY = 0
    DISK = 1


class PutStatus(enum.IntEnum):
    """Outcome of a put."""

    STORED = 0
    ALREADY_PRESENT = 1
    REPLACED = 2
    KEPT_OTHER = 3
    REJECTED = 4


class SegmentStatus(enum.IntEnum):
    """What a segment reply says."""

    DATA = 0
    MISS = 1
    OTHER_ENCODING = 2
    BAD_REQUEST = 3
    OVERLOADED = 4
    CANCELLED = 5


class _Fields:
    """Takes the fields of one message in order, then checks that nothing is left."""

    def __init__(self, data: bytes | memoryview, message: type, kind: int) -> None:
        self.data, self.name, self.at = memoryview(data), message.__name__, 0
        got, version = self.take("<BB")
        require(got == kind, f"{self.name} type", got, kind)
        require(version == VERSION, f"{self.name} version", version, VERSION)

    def take(self, layout: str) -> tuple:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def bytes(self, count: int) -> bytes:
        left = len(self.data) - self.at
        if count > left:
            raise InvalidRequestError(
                f"{self.name} ends after {len(self.data)} bytes, expected more"
            )
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def digest(self) -> bytes:
        return self.bytes(DIGEST_BYTES)

    def reserved(self, count: int) -> None:
        got = self.bytes(count)
        require(not any(got), f"reserved field of {self.name}", got.hex(), "zeros")

    def string(self) -> str:
        (length,) = self.take("<H")
        require(length <= MESSAGE_BYTES_MAX, "string bytes", length, MESSAGE_BYTES_MAX)
        return self.bytes(length).decode(errors="replace")

    def keys(self) -> tuple[bytes, ...]:
        (count,) = self.take("<I")
        require(count <= KEYS_MAX, f"keys of {self.name}", count, f"0..{KEYS_MAX}")
        data = self.bytes(count * DIGEST_BYTES)
        return tuple(data[i : i + DIGEST_BYTES] for i in range(0, len(data), DIGEST_BYTES))

    def end(self) -> None:
        left = len(self.data) - self.at
        require(left == 0, f"bytes after {self.name}", left, 0)


def _string(text: str) -> bytes:
    data = text.encode()
    if len(data) > MESSAGE_BYTES_MAX:
        data = text[: MESSAGE_BYTES_MAX // 4].encode()
    return struct.pack("<H", len(data)) + data


def _keys(keys: tuple[bytes, ...]) -> bytes:
    require(len(keys) <= KEYS_MAX, "keys", len(keys), f"0..{KEYS_MAX}")
    return struct.pack("<I", len(keys)) + b"".join(keys)


@dataclass(frozen=True)
class PutCommand:
    """Descriptor command of a DoPut: what the frames that follow are put under."""

    TYPE: ClassVar[int] = 1
    TIMED: ClassVar[int] = 128
    durability: Durability
    copies: int
    namespace: Namespace
    ttl_millis: int = 0
    """After which the chunks expire; 0 = as the node keeps the namespace."""

    def to_bytes(self) -> bytes:
        canonical = self.namespace.to_bytes()
        timed = self.ttl_millis > 0
        first = self.durability | (self.TIMED if timed else 0)
        ttl = struct.pack("<q", self.ttl_millis) if timed else b""
        head = struct.pack("<BBBB", self.TYPE, VERSION, first, self.copies)
        return head + ttl + struct.pack("<I", len(canonical)) + canonical

    @classmethod
    def parse(cls, data: bytes) -> PutCommand:
        fields = _Fields(data, cls, cls.TYPE)
        first, copies = fields.take("<BB")
        durability = first & ~cls.TIMED
        require(durability <= 1, "durability", durability, "0 (memory) or 1 (disk)")
        require(1 <= copies <= 16, "copies", copies, "1..16")
        (ttl,) = fields.take("<q") if first & cls.TIMED else (0,)
        require((ttl > 0) == bool(first & cls.TIMED), "ttl_millis", ttl, "1 or more, as said")
        (size,) = fields.take("<I")
        namespace = Namespace.parse(fields.bytes(size))
        fields.end()
        return cls(Durability(durability), copies, namespace, ttl)


@dataclass(frozen=True)
class PutReply:
    """What became of one frame of a DoPut; `encoding_id` is what the node now holds."""

    TYPE: ClassVar[int] = 2
    key: bytes
    encoding_id: bytes
    status: PutStatus
    durability: Durability
    copies: int
    message: str = ""

    def to_bytes(self) -> bytes:
        head = struct.pack("<BB", self.TYPE, VERSION) + self.key + self.encoding_id
        outcome = struct.pack("<BBBB", self.status, self.durability, self.copies, 0)
        return head + outcome + _string(self.message)

    @classmethod
    def parse(cls, data: bytes) -> PutReply:
        fields = _Fields(data, cls, cls.TYPE)
        key, encoding_id = fields.digest(), fields.digest()
        status, durability, copies = fields.take("<BBB")
        require(status <= 4, "put status", status, "0..4")
        require(durability <= 1, "durability", durability, "0 (memory) or 1 (disk)")
        fields.reserved(1)
        message = fields.string()
        fields.end()
        return cls(key, encoding_id, PutStatus(status), Durability(durability), copies, message)


@dataclass(frozen=True)
class LookupCommand:
    """Body of the action `lookup`: which of these chunks, from the first on, are held?"""

    TYPE: ClassVar[int] = 3
    namespace: bytes
    keys: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        return struct.pack("<BB", self.TYPE, VERSION) + self.namespace + _keys(self.keys)

    @classmethod
    def parse(cls, data: bytes) -> LookupCommand:
        fields = _Fields(data, cls, cls.TYPE)
        out = cls(fields.digest(), fields.keys())
        fields.end()
        return out


@dataclass(frozen=True)
class PartCost:
    """One part: what it costs, and the squared error that is left once it is decoded."""

    part: Part
    bytes: int
    distortion: float
    tail_distortion: float


@dataclass(frozen=True)
class ChunkDirectory:
    """What a planner needs to know of a held chunk."""

    encoding_id: bytes
    header_bytes: int
    first_position: int
    tokens: int
    tail_tokens: int
    parts_held: int
    parts: tuple[PartCost, ...]

    def __post_init__(self) -> None:
        count = len(self.parts)
        require(1 <= count <= PARTS_MAX, "parts", count, f"1..{PARTS_MAX}")
        require(1 <= self.parts_held <= count, "parts_held", self.parts_held, f"1..{count}")
        require(self.tokens >= 1, "tokens", self.tokens, "at least 1")
        first = self.parts[0].part
        require(first == Part(0, Span.ALL), "part 0", first, "rung 0 of all tokens")

    @staticmethod
    def of(header: FrameHeader, parts_held: int) -> ChunkDirectory:
        """Sum up a header for a frame of which `parts_held` parts are held."""
        costs = []
        for index, part in enumerate(header.parts):
            entries = [header.segments[i] for i in header.segments_of(index)]
            costs.append(
                PartCost(
                    part,
                    sum(e.bytes for e in entries),
                    sum(e.distortion for e in entries),
                    sum(e.tail_distortion for e in entries),
                )
            )
        return ChunkDirectory(
            header.encoding_id,
            header.header_bytes,
            header.first_position,
            header.tokens,
            header.tail_tokens,
            parts_held,
            tuple(costs),
        )

    def to_bytes(self) -> bytes:
        sizes = (self.header_bytes, self.first_position, self.tokens, self.tail_tokens)
        head = struct.pack("<IIHHBBH", *sizes, len(self.parts), self.parts_held, 0)
        rows = (
            struct.pack(
                "<BBHIff", p.part.rung, p.part.span, 0, p.bytes, p.distortion, p.tail_distortion
            )
            for p in self.parts
        )
        return b"".join((self.encoding_id, head, *rows))

    @classmethod
    def _read(cls, fields: _Fields) -> ChunkDirectory:
        encoding_id = fields.digest()
        header_bytes, first, tokens, tail, count, held = fields.take("<IIHHBB")
        fields.reserved(2)
        require(count <= PARTS_MAX, "parts", count, f"1..{PARTS_MAX}")
        parts = []
        for _ in range(count):
            rung, span = fields.take("<BB")
            require(span <= 2, "span", span, "0..2")
            fields.reserved(2)
            size, near, far = fields.take("<Iff")
            require(near >= 0 and far >= 0, "distortion", (near, far), ">= 0")
            parts.append(PartCost(Part(rung, Span(span)), size, near, far))
        return cls(encoding_id, header_bytes, first, tokens, tail, held, tuple(parts))


@dataclass(frozen=True)
class LookupReply:
    """Answer to a lookup: the chunks held, from the first key on, without a hole.

    bytes_per_second: what the node thinks it can send to this client, 0 = unknown.
    """

    TYPE: ClassVar[int] = 4
    bytes_per_second: int
    chunks: tuple[ChunkDirectory, ...]

    def to_bytes(self) -> bytes:
        head = struct.pack("<BBIQ", self.TYPE, VERSION, len(self.chunks), self.bytes_per_second)
        return head + b"".join(chunk.to_bytes() for chunk in self.chunks)

    @classmethod
    def parse(cls, data: bytes) -> LookupReply:
        fields = _Fields(data, cls, cls.TYPE)
        matched, rate = fields.take("<IQ")
        require(matched <= KEYS_MAX, "matched", matched, f"0..{KEYS_MAX}")
        chunks = tuple(ChunkDirectory._read(fields) for _ in range(matched))
        fields.end()
        return cls(rate, chunks)


@dataclass(frozen=True)
class StreamCommand:
    """Descriptor command of a DoExchange: the namespace of the segments to be asked for."""

    TYPE: ClassVar[int] = 5
    namespace: bytes

    def to_bytes(self) -> bytes:
        return struct.pack("<BB", self.TYPE, VERSION) + self.namespace

    @classmethod
    def parse(cls, data: bytes) -> StreamCommand:
        fields = _Fields(data, cls, cls.TYPE)
        out = cls(fields.digest())
        fields.end()
        return out


@dataclass(frozen=True)
class SegmentRequest:
    """Asks for all segments of parts `part_from` to `part_to` (exclusive) of one chunk.

    encoding_id: the encoding to stay with, zeros = whichever is held.
    head_groups: bit mask, all ones = all.
    budget_nanos: time that the client has left, 0 = none given.
    stream, need_bytes, want_bytes: number of its stream, 0 = none, and what that needs and wants,
    counted from its start.
    """

    TYPE: ClassVar[int] = 6
    request: int
    key: bytes
    encoding_id: bytes = ZERO_DIGEST
    part_from: int = 0
    part_to: int = PARTS_MAX
    with_header: bool = True
    head_groups: int = ALL_HEADS
    budget_nanos: int = 0
    stream: int = 0
    need_bytes: int = 0
    want_bytes: int = 0

    def __post_init__(self) -> None:
        need, want = self.need_bytes, self.want_bytes
        require(0 <= need <= want < 1 << 63, "need_bytes", need, f"0..want_bytes = {want}")
        require(
            0 <= self.part_from <= self.part_to <= PARTS_MAX,
            "parts",
            f"{self.part_from}..{self.part_to}",
            f"an ascending range within 0..{PARTS_MAX}",
        )

    def to_bytes(self) -> bytes:
        head = struct.pack("<BBI", self.TYPE, VERSION, self.request) + self.key + self.encoding_id
        parts = (self.part_from, self.part_to, self.with_header, 0)
        claim = (self.stream, self.need_bytes, self.want_bytes)
        limits = (self.head_groups, self.budget_nanos)
        return head + struct.pack("<BBBBQQIQQ", *parts, *limits, *claim)

    @classmethod
    def parse(cls, data: bytes) -> SegmentRequest:
        fields = _Fields(data, cls, cls.TYPE)
        (request,) = fields.take("<I")
        key, encoding_id = fields.digest(), fields.digest()
        part_from, part_to, header = fields.take("<BBB")
        require(header <= 1, "with_header", header, "0 or 1")
        fields.reserved(1)
        rest = fields.take("<QQIQQ")
        fields.end()
        return cls(request, key, encoding_id, part_from, part_to, header == 1, *rest)


@dataclass(frozen=True)
class CancelRequest:
    """Takes back a request of the same stream; what was already sent still arrives."""

    TYPE: ClassVar[int] = 7
    request: int

    def to_bytes(self) -> bytes:
        return struct.pack("<BBI", self.TYPE, VERSION, self.request)

    @classmethod
    def parse(cls, data: bytes) -> CancelRequest:
        fields = _Fields(data, cls, cls.TYPE)
        out = cls(*fields.take("<I"))
        fields.end()
        return out


def parse_stream_request(data: bytes) -> SegmentRequest | CancelRequest:
    """Read what a client says on a segment stream."""
    kind = data[0] if len(data) else -1
    if kind == SegmentRequest.TYPE:
        return SegmentRequest.parse(data)
    require(kind == CancelRequest.TYPE, "stream message type", kind, "6 or 7")
    return CancelRequest.parse(data)


@dataclass(frozen=True)
class SegmentReply:
    """Metadata of one batch of a segment stream: which bytes its row holds.

    request: number of the request (or, for a DoGet, index of the key) that it answers.
    has_header: whether the row begins with the frame's header.
    last: whether it is the last reply to this request.
    first_segment, segments: the whole segments in the row, counted over the directory.
    bytes_per_second: what the node's link has for this stream now, 0 = unknown.
    retry_millis: after which a stream that was refused may be let in, 0 = not refused.
    """

    TYPE: ClassVar[int] = 8
    request: int
    status: SegmentStatus
    has_header: bool
    last: bool
    first_segment: int
    segments: int
    encoding_id: bytes
    message: str = ""
    bytes_per_second: int = 0
    retry_millis: int = 0

    @classmethod
    def end(
        cls, request: int, status: SegmentStatus, encoding_id: bytes, message: str
    ) -> SegmentReply:
        """A reply without bytes, which ends its request."""
        return cls(request, status, False, True, 0, 0, encoding_id, message)

    def to_bytes(self) -> bytes:
        flags = self.has_header | self.last << 1
        head = (self.TYPE, VERSION, self.request, self.status, flags, 0)
        fixed = struct.pack("<BBIBBHII", *head, self.first_segment, self.segments)
        share = struct.pack("<QI", self.bytes_per_second, self.retry_millis)
        return fixed + self.encoding_id + share + _string(self.message)

    @classmethod
    def parse(cls, data: bytes) -> SegmentReply:
        fields = _Fields(data, cls, cls.TYPE)
        request, status, flags = fields.take("<IBB")
        require(status <= 5, "segment status", status, "0..5")
        require(flags <= 3, "SegmentReply flags", flags, "0..3")
        fields.reserved(2)
        first, count = fields.take("<II")
        require(first < 1 << 31 and count < 1 << 31, "segments", f"{first}+{count}", "below 2^31")
        encoding_id = fields.digest()
        rate, retry = fields.take("<QI")
        require(rate < 1 << 63 and retry < 1 << 31, "share", f"{rate}, {retry}", "positive")
        message = fields.string()
        fields.end()
        header, last = bool(flags & 1), bool(flags & 2)
        what = SegmentStatus(status)
        return cls(request, what, header, last, first, count, encoding_id, message, rate, retry)


@dataclass(frozen=True)
class GetTicket:
    """Ticket of a DoGet, for clients that leave the planning to the node."""

    TYPE: ClassVar[int] = 9
    namespace: bytes
    deadline_nanos: int
    bytes_per_second: int
    rung_max: int
    keys: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        head = struct.pack("<BB", self.TYPE, VERSION) + self.namespace
        limits = (self.deadline_nanos, self.bytes_per_second, self.rung_max)
        return head + struct.pack("<QQB3x", *limits) + _keys(self.keys)

    @classmethod
    def parse(cls, data: bytes) -> GetTicket:
        fields = _Fields(data, cls, cls.TYPE)
        namespace = fields.digest()
        deadline, rate, rung_max = fields.take("<QQB")
        fields.reserved(3)
        out = cls(namespace, deadline, rate, rung_max, fields.keys())
        fields.end()
        return out


@dataclass(frozen=True)
class ProfilePiece:
    """Body of the action `put-profile`: `data` at `offset` of a profile of `total` bytes."""

    TYPE: ClassVar[int] = 10
    id: bytes
    total: int
    offset: int
    data: bytes

    def to_bytes(self) -> bytes:
        head = struct.pack("<BB", self.TYPE, VERSION) + self.id
        return head + struct.pack("<QQ", self.total, self.offset) + self.data

    @classmethod
    def parse(cls, data: bytes) -> ProfilePiece:
        fields = _Fields(data, cls, cls.TYPE)
        digest, (total, offset) = fields.digest(), fields.take("<QQ")
        piece = fields.bytes(len(data) - fields.at)
        inside = total >= 1 and offset + len(piece) <= total
        require(inside, "profile piece", f"{offset}+{len(piece)}", f"within {total}")
        return cls(digest, total, offset, piece)
