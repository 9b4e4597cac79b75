"""Bit-exact segments (docs/format.md section 3.2): byte planes behind zstd, or raw bytes."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa

from kvtier.errors import CorruptChunkError, trust

RAW, PLANES = 0, 1
_HEAD = struct.Struct("<BBHII")
_LEVEL = 3


def encode_layer(raw: bytes, element_bytes: int) -> bytes:
    """One layer's bytes, smaller if zstd makes them so."""
    array = np.frombuffer(raw, np.uint8)
    planes = np.ascontiguousarray(array.reshape(-1, element_bytes).T)
    coded = pa.Codec("zstd", compression_level=_LEVEL).compress(planes.tobytes(), asbytes=True)
    method, data = (PLANES, coded) if len(coded) < len(raw) else (RAW, raw)
    return _HEAD.pack(method, element_bytes, 0, len(raw), len(data)) + data


def decode_layer(segment: memoryview, raw_bytes: int, where: str) -> tuple[np.ndarray, memoryview]:
    """u8 `[raw_bytes]` of the layer at the start of `segment`, and what follows it."""
    trust(len(segment) >= _HEAD.size, f"{where} bytes", f"{_HEAD.size} or more", len(segment))
    method, element_bytes, reserved, raw, coded = _HEAD.unpack_from(segment)
    trust(method <= PLANES, f"{where} method", "0 or 1", method)
    trust(element_bytes in (1, 2, 4), f"{where} elementBytes", "1, 2 or 4", element_bytes)
    trust(reserved == 0, f"reserved field of {where}", 0, reserved)
    trust(raw == raw_bytes, f"{where} rawBytes", raw_bytes, raw)
    trust(raw % element_bytes == 0, f"{where} rawBytes", f"a multiple of {element_bytes}", raw)
    end = _HEAD.size + coded
    trust(end <= len(segment), f"{where} codedBytes", len(segment) - _HEAD.size, coded)
    data = segment[_HEAD.size : end]
    if method == RAW:
        trust(coded == raw, f"{where} codedBytes", raw, coded)
        return np.frombuffer(data, np.uint8), segment[end:]
    planes = _unzstd(data, raw, where).reshape(element_bytes, -1)
    return np.ascontiguousarray(planes.T).reshape(-1), segment[end:]


def _unzstd(data: memoryview, size: int, where: str) -> np.ndarray:
    # streaming and not Codec.decompress, which does not tell how many bytes it really made
    out = np.empty(size, np.uint8)
    try:
        with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), "zstd") as stream:
            got = stream.read(size)
            more = stream.read(1)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptChunkError(f"{where} is no zstd frame: {error}") from None
    trust(len(got) == size and not more, f"{where} bytes", size, f"{len(got)}{'+' * bool(more)}")
    out[:] = np.frombuffer(got, np.uint8)
    return out
