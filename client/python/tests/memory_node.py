"""A node for tests: a real Flight server on 127.0.0.1 that keeps frames in memory.

It speaks docs/format.md section 6, verifies what is put, and can be told to misbehave.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyarrow import flight

from kvtier import wire
from kvtier.errors import KvtierError
from kvtier.frame import FrameHeader, read_header, verify
from kvtier.identity import ZERO_DIGEST
from kvtier.wire import SegmentReply, SegmentStatus

DATA = pa.schema([pa.field("data", pa.binary(), nullable=False)])
Tamper = Callable[[SegmentReply, bytes], "tuple[SegmentReply, bytes]"]


class MemoryNode(flight.FlightServerBase):
    """One node. Fields that tests set:

    bytes_per_second: paces replies; segments_per_reply: splits them; parts_held: cuts frames in
    lookups; tamper: changes replies; before_reply: called before each; refuse: raised by actions.
    """

    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.frames: dict[bytes, bytes] = {}
        self.profiles: dict[bytes, bytes] = {}
        self.requests: list[wire.SegmentRequest] = []
        self.cancelled: list[int] = []
        self.streams = 0
        self.bytes_per_second = 0
        self.hint = 0
        self.segments_per_reply = 3
        self.parts_held = 16
        self.tamper: Tamper | None = None
        self.before_reply: Callable[[SegmentReply], None] = lambda reply: None
        self.refuse: Exception | None = None
        self.released = threading.Event()

    @property
    def location(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def do_put(self, context, descriptor, reader, writer) -> None:  # type: ignore[no-untyped-def]
        command = wire.PutCommand.parse(descriptor.command)
        for chunk in reader:
            for frame in chunk.data.column(0):
                reply = self._store(frame.as_py(), command)
                writer.write(pa.py_buffer(reply.to_bytes()))

    def _store(self, frame: bytes, command: wire.PutCommand) -> wire.PutReply:
        try:
            header = verify(frame, command.namespace)
        except KvtierError as error:
            status = wire.PutStatus.REJECTED
            zeros = (ZERO_DIGEST, ZERO_DIGEST)
            return wire.PutReply(*zeros, status, wire.Durability.MEMORY, 0, str(error))
        held = self.frames.get(header.key)
        status = wire.PutStatus.STORED
        if held is not None:
            same = read_header(held).encoding_id == header.encoding_id
            status = wire.PutStatus.ALREADY_PRESENT if same else wire.PutStatus.KEPT_OTHER
        held = self.frames.setdefault(header.key, frame)
        encoding = read_header(held).encoding_id
        return wire.PutReply(header.key, encoding, status, command.durability, 1)

    def do_action(self, context, action) -> Iterator[bytes]:  # type: ignore[no-untyped-def]
        if self.refuse is not None:
            raise self.refuse
        body = action.body.to_pybytes()
        if action.type == "lookup":
            return iter([self._lookup(wire.LookupCommand.parse(body)).to_bytes()])
        if action.type == "put-profile":
            piece = wire.ProfilePiece.parse(body)
            file = self.profiles.pop(piece.id, b"")[: piece.offset] + piece.data
            self.profiles[piece.id] = file
            whole = hashlib.sha256(file).digest() == piece.id
            return iter([piece.id if whole else b""])
        if action.type == "get-profile":
            file = self.profiles.get(body, b"")
            return iter([file[i : i + 1000] for i in range(0, len(file), 1000)])
        assert action.type == "stats"
        return iter([json.dumps({"chunks": len(self.frames)}).encode()])

    def _lookup(self, command: wire.LookupCommand) -> wire.LookupReply:
        chunks = []
        for key in command.keys:
            if key not in self.frames:
                break
            header = read_header(self.frames[key])
            held = min(self.parts_held, header.parts_held(len(self.frames[key])))
            chunks.append(wire.ChunkDirectory.of(header, held))
        return wire.LookupReply(self.hint, tuple(chunks))

    def do_exchange(  # type: ignore[no-untyped-def]
        self, context, descriptor, reader, writer
    ) -> None:
        wire.StreamCommand.parse(descriptor.command)
        self.streams += 1
        writer.begin(DATA)
        while True:
            try:
                message = reader.read_chunk().app_metadata
            except StopIteration:
                return
            request = wire.parse_stream_request(message.to_pybytes())
            if isinstance(request, wire.CancelRequest):
                self.cancelled.append(request.request)
                continue
            self.requests.append(request)
            for reply, data in self._answer(request):
                self.before_reply(reply)
                if self.tamper is not None:
                    reply, data = self.tamper(reply, data)
                if self.bytes_per_second:
                    time.sleep(len(data) / self.bytes_per_second)
                row = pa.record_batch([pa.array([data], pa.binary())], schema=DATA)
                writer.write_with_metadata(row, pa.py_buffer(reply.to_bytes()))

    def _answer(self, request: wire.SegmentRequest) -> Iterator[tuple[SegmentReply, bytes]]:
        number, frame = request.request, self.frames.get(request.key)
        if frame is None:
            yield SegmentReply.end(number, SegmentStatus.MISS, ZERO_DIGEST, "not held"), b""
            return
        header = read_header(frame)
        if request.encoding_id not in (ZERO_DIGEST, header.encoding_id):
            status = SegmentStatus.OTHER_ENCODING
            yield SegmentReply.end(number, status, header.encoding_id, "another is held"), b""
            return
        if request.part_to > header.parts_held(len(frame)):
            status = SegmentStatus.BAD_REQUEST
            yield SegmentReply.end(number, status, header.encoding_id, "part not held"), b""
            return
        yield from self._segments(request, header, frame)

    def _segments(
        self, request: wire.SegmentRequest, header: FrameHeader, frame: bytes
    ) -> Iterator[tuple[SegmentReply, bytes]]:
        first = header.segments_of(request.part_from).start
        end = header.segments_of(request.part_to - 1).stop
        for at in range(first, end, self.segments_per_reply):
            to = min(at + self.segments_per_reply, end)
            data = frame[header.offsets[at] : header.offsets[to]]
            with_header = request.with_header and at == first
            if with_header:
                data = header.to_bytes() + data
            reply = SegmentReply(
                request.request, SegmentStatus.DATA, with_header, to == end, at, to - at,
                header.encoding_id,
            )
            yield reply, data
