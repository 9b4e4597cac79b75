"""Frame headers: what docs/format.md section 2 promises is refused where it does not hold."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from kvtier.crc import crc32c
from kvtier.errors import CorruptChunkError, InvalidRequestError
from kvtier.frame import FrameHeader, read_header
from kvtier.identity import NamespaceKind

VECTORS = Path(__file__).parents[3] / "codec/src/test/resources/vectors/frames.json"
HEADERS = {
    case["name"]: bytes.fromhex(case["frame"])[: case["headerBytes"]]
    for case in json.loads(VECTORS.read_text())["cases"]
}


def changed(header: bytes, at: int, field: bytes) -> bytes:
    """The header with other bytes at an offset, sealed with a checksum that fits."""
    body = header[:at] + field + header[at + len(field) : -4]
    return body + struct.pack("<I", crc32c(body))


def segments_at(header: FrameHeader) -> int:
    return 168 + 4 * len(header.parts)


@pytest.mark.parametrize("name", HEADERS)
def test_reserved_fields_and_unknown_flags_are_of_a_later_version(name: str) -> None:
    good = HEADERS[name]
    at = segments_at(read_header(good))
    for offset in (7, 158, 159, 170, 171, at + 7, at + 24 + 7):
        bad = changed(good, offset, bytes([good[offset] | 0x80]))
        with pytest.raises(InvalidRequestError, match="a newer kvtier wrote it"):
            read_header(bad)


@pytest.mark.parametrize("name", HEADERS)
def test_distortion_is_of_the_tokens_that_the_part_covers(name: str) -> None:
    good = HEADERS[name]
    header = read_header(good)
    exact, refused = header.kind == NamespaceKind.EXACT, 0
    for i, entry in enumerate(header.segments):
        span, at = header.parts[entry.part].span, segments_at(header) + 24 * i + 16
        for offset, covered, what in (
            (at, span.covers_head, "distortion"),
            (at + 4, span.covers_tail, "tailDistortion"),
        ):
            other = changed(good, offset, struct.pack("<f", 0.5))
            if covered and not exact:
                assert read_header(other).to_bytes() == other
            else:
                refused += 1
                with pytest.raises(CorruptChunkError, match=f"segment {i} {what} is 0.5"):
                    read_header(other)
    assert refused > 0 or name in ("two rungs of all", "dropped tokens")


def test_coverage_bits_behind_the_last_token_are_0() -> None:
    good = HEADERS["dropped tokens"]
    assert read_header(good).tokens == 10
    for bit in range(8):
        other = changed(good, len(good) - 5, bytes([good[-5] ^ 1 << bit]))
        if bit < 2:
            assert not read_header(other).is_present(8 + bit)
        else:
            with pytest.raises(CorruptChunkError, match="coverage bits behind the last token"):
                read_header(other)


def test_exact_frames_have_no_tail_and_no_profile() -> None:
    for offset in (80, 150):
        with pytest.raises(CorruptChunkError, match="of an exact frame"):
            read_header(changed(HEADERS["exact"], offset, b"\x08"))
