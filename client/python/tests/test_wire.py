"""Wire messages: bytes there and back, refusals."""

from __future__ import annotations

import pytest
import samples

from kvtier import wire
from kvtier.errors import InvalidRequestError

A, B, C = (bytes([i]) * 32 for i in (1, 2, 3))


def messages() -> list[object]:
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, "data-free"))
    directory = wire.ChunkDirectory.of(made.header, 3)
    directory = wire.ChunkDirectory._read(
        _fields(wire.LookupReply(0, (directory,)).to_bytes())
    )  # distortions rounded to f32
    return [
        wire.PutCommand(wire.Durability.DISK, 2, space),
        wire.PutCommand(wire.Durability.MEMORY, 1, space, 86_400_000),
        wire.PutReply(A, B, wire.PutStatus.REJECTED, wire.Durability.MEMORY, 1, "nö"),
        wire.LookupCommand(A, (B, C)),
        wire.LookupReply(12_500_000, (directory, directory)),
        wire.StreamCommand(A),
        wire.SegmentRequest(7, A, B, 1, 4, True, 5, 10**9),
        wire.CancelRequest(9),
        wire.SegmentReply(7, wire.SegmentStatus.DATA, True, False, 3, 4, A, "text"),
        wire.GetTicket(A, 10**9, 123, 2, (B,)),
    ]


def _fields(data: bytes) -> wire._Fields:
    fields = wire._Fields(data, wire.LookupReply, 4)
    fields.take("<IQ")
    return fields


def test_each_message_reads_what_it_wrote_and_nothing_shorter_or_longer() -> None:
    for message in messages():
        data = message.to_bytes()
        parse = type(message).parse
        assert parse(data) == message
        for size in range(len(data)):
            with pytest.raises(InvalidRequestError):
                parse(data[:size])
        with pytest.raises(InvalidRequestError, match="bytes after"):
            parse(data + b"\0")
        with pytest.raises(InvalidRequestError, match="version is 2, expected 1"):
            parse(bytes([data[0], 2]) + data[2:])


def test_stream_requests_are_told_apart() -> None:
    cancel = wire.CancelRequest(1)
    assert wire.parse_stream_request(cancel.to_bytes()) == cancel
    with pytest.raises(InvalidRequestError, match="stream message type is 3"):
        wire.parse_stream_request(b"\x03\x01")
    with pytest.raises(InvalidRequestError):
        wire.parse_stream_request(b"")


def test_directory_sums_the_header() -> None:
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, "head"))
    directory = wire.ChunkDirectory.of(made.header, 4)
    sizes = [part.bytes for part in directory.parts]
    assert made.header.header_bytes + sum(sizes) == len(made.frame)
    assert directory.encoding_id == made.header.encoding_id
