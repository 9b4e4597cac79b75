"""Exact frames: those of both encoders give the recorded bytes, damage gives an error."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from kvtier import exact
from kvtier.decoder import decode_chunk, decode_opaque, frame_segments
from kvtier.errors import CorruptChunkError
from kvtier.frame import verify
from kvtier.identity import Namespace

PYTHON = Path(__file__).parent / "vectors" / "exact.json"
JAVA = Path(__file__).parents[3] / "codec/src/test/resources/vectors/exact.json"
CASES = [
    pytest.param(case, id=f"{writer}: {case['name']}")
    for writer, file in (("python", PYTHON), ("java", JAVA))
    for case in json.loads(file.read_text())["cases"]
]


@pytest.mark.parametrize("case", CASES)
def test_exact_frames_of_both_encoders_give_the_recorded_bytes(case: dict[str, str]) -> None:
    space = Namespace.parse(bytes.fromhex(case["namespace"]))
    shape, frame = space.geometry, bytes.fromhex(case["frame"])
    header = verify(frame, space)
    segments, stored = frame_segments(header, frame), len(shape.stored_layers)
    if shape.is_opaque:
        blob = np.zeros((stored, shape.opaque_bytes), np.uint8)
        assert decode_opaque(header, segments, shape, blob) == list(range(stored))
        assert blob.tobytes().hex() == case["raw"]
        return
    size = (stored, header.tokens, shape.kv_heads)
    k = np.zeros((*size, shape.key_dim), shape.dtype.numpy)
    v = np.zeros((*size, shape.value_dim), shape.dtype.numpy)
    assert (decode_chunk(header, segments, None, shape, k, v) == 0).all()
    raw = b"".join(k[i].tobytes() + v[i].tobytes() for i in range(stored))
    assert raw.hex() == case["raw"]


def test_both_vector_files_hold_the_same_chunks() -> None:
    python, java = (json.loads(file.read_text())["cases"] for file in (PYTHON, JAVA))
    raw = {case["name"]: case["raw"] for case in java}
    assert len(python) >= 5
    for case in python:
        assert raw[case["name"]] == case["raw"]


def test_layer_that_lies_is_refused() -> None:
    raw = np.arange(999, dtype="<u2").tobytes()
    record = exact.encode_layer(raw, 2)
    assert record[0] == exact.PLANES and len(record) < len(raw)
    got, rest = exact.decode_layer(memoryview(record), len(raw), "layer")
    assert got.tobytes() == raw and not rest
    lies = (
        struct.pack("<B", 2) + record[1:],
        record[:1] + b"\x03" + record[2:],
        record[:2] + b"\x01" + record[3:],
        record[:4] + struct.pack("<I", len(raw) + 2) + record[8:],
        record[:8] + struct.pack("<I", len(record)) + record[12:],
        record[:-1],
        record[:11],
    )
    for bad in lies:
        with pytest.raises(CorruptChunkError, match="expected"):
            exact.decode_layer(memoryview(bad), len(raw), "layer")
