"""Fetching a matched prefix over a segment stream: plan, ask, verify, plan again."""

from __future__ import annotations

import enum
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kvtier.deadline import Deadline
from kvtier.errors import (
    CorruptChunkError,
    InvalidRequestError,
    KvtierError,
    require,
    trust,
)
from kvtier.frame import FrameHeader, read_header, verify_identity, verify_segment
from kvtier.goal import NO_DEADLINE, Goal, Link
from kvtier.goodput import Goodput
from kvtier.identity import Namespace
from kvtier.plan import NOTHING, Grade, Importance, PlannedChunk, Step, arrived_grade, next_item
from kvtier.plan import plan as make_plan
from kvtier.stream import Arrival, SegmentStream
from kvtier.wire import ChunkDirectory, SegmentReply, SegmentRequest, SegmentStatus

IN_FLIGHT_BYTES_MIN = 64 << 10
IN_FLIGHT_BYTES_MAX = 16 << 20
IN_FLIGHT_SECONDS = 0.1
REPLAN_SECONDS = 0.02


class Stop(enum.Enum):
    """Why a fetch ended where it did."""

    COMPLETE = "complete"
    """All matched chunks are there, at the best grade that is held or that the time allowed."""
    DEADLINE = "deadline"
    MISS = "miss"
    OTHER_ENCODING = "other encoding"
    CORRUPT = "corrupt"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"


@dataclass(frozen=True)
class ChunkRef:
    """A chunk that is asked for: what it must be, and what the node said that it holds of it."""

    key: bytes
    token_digest: bytes
    first_position: int
    tokens: int
    directory: ChunkDirectory


@dataclass(eq=False)
class FetchedChunk:
    """What has arrived of a chunk: its header and verified segments by index."""

    ref: ChunkRef
    sent: set[int] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)
    segments: dict[int, memoryview] = field(default_factory=dict)
    header: FrameHeader | None = None
    taken: bool = False

    @property
    def grade(self) -> Grade:
        """The best grade that can be decoded from what is there."""
        return arrived_grade(self.ref.directory, self.arrived)

    def usable_segments(self) -> dict[int, memoryview]:
        """Segments of parts that arrived in whole."""
        assert self.header is not None
        entries = self.header.segments
        return {i: s for i, s in self.segments.items() if entries[i].part in self.arrived}


@dataclass(frozen=True)
class _Request:
    chunk: int
    part_from: int
    part_to: int
    bytes: int


class PrefixFetch:
    """One fetch. Iterating yields chunks in order, each when nothing more will come for it.

    Ends, with `stop` and `message` set, when the prefix is complete, broken, or out of time; what
    was yielded is a gapless prefix. Never asks for more bytes at once than goodput x (round trip +
    100 ms), at least 64 KiB.
    """

    def __init__(
        self,
        namespace: Namespace,
        refs: Sequence[ChunkRef],
        stream: SegmentStream,
        goodput: Goodput,
        deadline: Deadline,
        decode_seconds: float,
        grade_max: Grade,
    ) -> None:
        self._namespace = namespace
        self._stream = stream
        self._goodput = goodput
        self._deadline = deadline
        self._decode_seconds = decode_seconds
        self._grade_max = grade_max
        self._chunks = [FetchedChunk(ref) for ref in refs]
        self._limit = len(self._chunks)
        self._requests: dict[int, _Request] = {}
        self._in_flight = 0
        self._planned_at = -math.inf
        self._steps: list[Step] = []
        self.admitted = 0
        self.bytes = 0
        self.stop = Stop.COMPLETE
        self.message = ""

    def __iter__(self) -> Iterator[FetchedChunk]:
        taken = 0
        try:
            while taken < self._limit:
                self._ask(taken)
                while taken < self._limit and self._is_final(taken):
                    yield self._take(taken)
                    taken += 1
                if taken >= self._limit or not self._requests:
                    break  # what is not there now will not come
                arrival = self._stream.receive(self._decode_start(taken))
                if arrival is None:
                    self._end(Stop.DEADLINE, "the time ran out while segments were under way")
                    break
                self._accept(arrival)
        except KvtierError as error:
            self._end(stop_of(error), str(error))
        self.cancel()
        while taken < self._limit and self._chunks[taken].grade != NOTHING:
            yield self._take(taken)
            taken += 1
        if taken == len(self._chunks):
            self.stop = Stop.COMPLETE
        else:
            self._end(Stop.DEADLINE, "the time left does not allow more chunks")

    def _take(self, index: int) -> FetchedChunk:
        self._chunks[index].taken = True
        return self._chunks[index]

    def _decode_start(self, taken: int) -> Deadline:
        """When to stop receiving, so that what is there can still be decoded in time."""
        waiting = sum(1 for chunk in self._chunks[taken : self._limit] if chunk.arrived)
        return Deadline(self._deadline.at - waiting * self._decode_seconds)

    def _link(self) -> Link:
        goodput = self._goodput
        return Link(
            goodput.bytes_per_second,
            int(goodput.round_trip_seconds * 1e9),
            int(self._decode_seconds * 1e9),
        )

    def _plan(self, taken: int) -> None:
        """Plan again for the chunks that are still open, with the time really left."""
        self._planned_at = time.monotonic()
        nanos = self._decode_start(taken).nanos_left
        if nanos is not None:  # what is under way comes first
            nanos -= int(self._in_flight / self._goodput.bytes_per_second * 1e9)
        open_chunks = [
            PlannedChunk(
                chunk.ref.directory,
                arrived_grade(chunk.ref.directory, chunk.sent),
                Importance.by_position(index, len(self._chunks)),
                self._grade_max,
            )
            for index, chunk in enumerate(self._chunks[taken : self._limit], taken)
        ]
        goal = Goal(NO_DEADLINE if nanos is None else max(nanos, 0))
        plan = make_plan(open_chunks, self._link(), goal)
        self._steps = [Step(taken + step.chunk, step.to) for step in plan.steps]
        self.admitted = max(self.admitted, taken + plan.chunks)

    def _ask(self, taken: int) -> None:
        now = time.monotonic()
        if now - self._planned_at >= REPLAN_SECONDS or not self._requests:
            self._plan(taken)
        goodput = self._goodput
        ahead = goodput.bytes_per_second * (goodput.round_trip_seconds + IN_FLIGHT_SECONDS)
        window = min(max(IN_FLIGHT_BYTES_MIN, ahead), IN_FLIGHT_BYTES_MAX)
        directories = [chunk.ref.directory for chunk in self._chunks]
        sent = [chunk.sent for chunk in self._chunks]
        steps = [step for step in self._steps if taken <= step.chunk < self._limit]
        while not self._requests or self._in_flight < window:
            item = next_item(steps, directories, sent)
            if item is None:
                return
            self._request(item.chunk, item.part_from, item.part_to)

    def _request(self, index: int, part_from: int, part_to: int) -> None:
        chunk = self._chunks[index]
        directory, header = chunk.ref.directory, part_from == 0
        count = sum(cost.bytes for cost in directory.parts[part_from:part_to])
        count += directory.header_bytes if header else 0
        number = self._stream.next_request()
        nanos = self._deadline.nanos_left
        self._stream.request(
            SegmentRequest(
                number, chunk.ref.key, directory.encoding_id, part_from, part_to, header,
                budget_nanos=0 if nanos is None else max(nanos, 1),
            )
        )
        chunk.sent.update(range(part_from, part_to))
        self._requests[number] = _Request(index, part_from, part_to, count)
        self._in_flight += count
        self._goodput.start(time.monotonic())

    def _is_final(self, index: int) -> bool:
        """Whether the chunk is there and nothing better could come: the best grade is held."""
        chunk = self._chunks[index]
        if chunk.grade == NOTHING or chunk.sent != chunk.arrived:
            return False
        directory = chunk.ref.directory
        return all(
            part in chunk.arrived or not self._grade_max.uses(directory.parts[part].part)
            for part in range(directory.parts_held)
        )

    def _accept(self, arrival: Arrival) -> None:
        reply = arrival.reply
        request = self._requests[reply.request]
        if reply.last:
            del self._requests[reply.request]
            self._in_flight -= request.bytes
        self.bytes += len(arrival.data)
        now = time.monotonic()
        self._goodput.arrived(len(arrival.data), now, idle_after=not self._requests)
        chunk = self._chunks[request.chunk]
        if reply.status != SegmentStatus.DATA:
            self._refused(request, reply)
            return
        try:
            self._keep(chunk, request, arrival)
            if reply.last:
                self._complete(chunk, request)
        except (CorruptChunkError, InvalidRequestError) as error:
            self._break(request.chunk, request, Stop.CORRUPT, str(error))

    def _refused(self, request: _Request, reply: SegmentReply) -> None:
        reasons = {
            SegmentStatus.MISS: Stop.MISS,
            SegmentStatus.OTHER_ENCODING: Stop.OTHER_ENCODING,
            SegmentStatus.BAD_REQUEST: Stop.MISS,  # parts that are no longer held
            SegmentStatus.OVERLOADED: Stop.OVERLOADED,
            SegmentStatus.CANCELLED: Stop.UNAVAILABLE,
        }
        text = reply.message or reply.status.name.lower()
        self._break(request.chunk, request, reasons[reply.status], text)

    def _break(self, index: int, request: _Request, reason: Stop, message: str) -> None:
        """The chunk will not get better; without its base the prefix ends before it."""
        chunk = self._chunks[index]
        for part in range(request.part_from, len(chunk.ref.directory.parts)):
            chunk.sent.add(part)  # not asked for again
        if request.part_from == 0:
            self._limit = min(self._limit, index)
            self._end(reason, f"chunk {index}: {message}")

    def _keep(self, chunk: FetchedChunk, request: _Request, arrival: Arrival) -> None:
        """Verify the segments of a reply and keep them."""
        reply, data = arrival.reply, arrival.data
        trust(
            reply.encoding_id == chunk.ref.directory.encoding_id,
            "encoding of a reply",
            chunk.ref.directory.encoding_id.hex()[:8],
            reply.encoding_id.hex()[:8],
        )
        if reply.has_header:
            data = self._read_header(chunk, data)
        header = chunk.header
        if header is None:
            raise CorruptChunkError("the first reply of a chunk has no header, expected one")
        last = reply.first_segment + reply.segments
        top = len(header.segments)
        trust(last <= top, "last segment of a reply", f"up to {top}", last)
        for index in range(reply.first_segment, last):
            entry = header.segments[index]
            asked = request.part_from <= entry.part < request.part_to
            trust(asked, "part of a reply", f"{request.part_from}..{request.part_to}", entry.part)
            verify_segment(header, index, data[: entry.bytes])
            chunk.segments[index] = data[: entry.bytes]
            data = data[entry.bytes :]
        trust(not data, "bytes after the segments of a reply", 0, len(data))

    def _read_header(self, chunk: FetchedChunk, data: memoryview) -> memoryview:
        ref, size = chunk.ref, chunk.ref.directory.header_bytes
        encoding = hashlib.sha256(data[:size]).digest()
        expected = ref.directory.encoding_id
        trust(encoding == expected, "encoding of a header", expected.hex()[:8], encoding.hex()[:8])
        header = read_header(data[:size])
        verify_identity(header, self._namespace)
        trust(header.key == ref.key, "key of a header", ref.key.hex()[:8], header.key.hex()[:8])
        for name in ("token_digest", "first_position", "tokens"):
            got, wanted = getattr(header, name), getattr(ref, name)
            trust(got == wanted, f"{name} of a header", wanted, got)
        require(not header.coverage, "coverage", "a chunk with dropped tokens", "all tokens")
        chunk.header = header
        return data[size:]

    def _complete(self, chunk: FetchedChunk, request: _Request) -> None:
        """Count the parts of a finished request that are whole."""
        assert chunk.header is not None
        for part in range(request.part_from, request.part_to):
            whole = all(i in chunk.segments for i in chunk.header.segments_of(part))
            trust(whole, f"segments of part {part}", "all that the directory names", "fewer")
            chunk.arrived.add(part)

    def cancel(self) -> None:
        """Take back what is under way."""
        if not self._requests:
            return
        self._requests.clear()
        self._in_flight = 0
        try:
            self._stream.cancel_all()
        except KvtierError:
            pass  # the stream is broken: the node noticed
        self._goodput.arrived(0, time.monotonic(), idle_after=True)

    def _end(self, reason: Stop, message: str) -> None:
        """The first reason counts."""
        if self.stop == Stop.COMPLETE:
            self.stop, self.message = reason, message


def stop_of(error: KvtierError) -> Stop:
    """The reason that an error means."""
    names = {
        "DeadlineExceededError": Stop.DEADLINE,
        "OverloadedError": Stop.OVERLOADED,
        "CorruptChunkError": Stop.CORRUPT,
        "InvalidRequestError": Stop.INVALID,
    }
    return names.get(type(error).__name__, Stop.UNAVAILABLE)
