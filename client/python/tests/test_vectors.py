"""Golden vectors: frames of the Python encoder (tests/vectors) and of the Java one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kvtier.data_free import data_free
from kvtier.decoder import decode_chunk, decode_symbols, frame_segments
from kvtier.frame import verify
from kvtier.identity import Namespace, NamespaceKind
from kvtier.profile import parse

OURS = json.loads((Path(__file__).parent / "vectors" / "frames.json").read_text())["cases"]


def values(data: str, like: np.ndarray) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(data), like.dtype).reshape(like.shape)


@pytest.mark.parametrize("case", OURS, ids=[case["name"] for case in OURS])
def test_python_frames_decode_to_the_recorded_symbols_and_values(case: dict) -> None:
    space = Namespace.parse(bytes.fromhex(case["namespace"]))
    shape, frame = space.geometry, bytes.fromhex(case["frame"])
    header = verify(frame, space)
    assert header.encoding_id.hex() == case["encodingId"] and header.key.hex() == case["key"]
    profile = None
    if space.kind == NamespaceKind.ADAPTIVE:
        file = case["profile"]
        profile = parse(bytes.fromhex(file), shape) if file else data_free(shape)
        grid = decode_symbols(header, frame_segments(header, frame), profile, shape)
        for place, recorded in zip(sorted(grid), case["symbols"], strict=True):
            assert grid[place].classes.tolist() == recorded["classes"]
            assert grid[place].q.reshape(-1).tolist() == recorded["q"]
    size = (len(shape.stored_layers), header.tokens, shape.kv_heads)
    for cut in case["cuts"]:
        k = np.zeros((*size, shape.key_dim), shape.dtype.numpy)
        v = np.zeros((*size, shape.value_dim), shape.dtype.numpy)
        segments = frame_segments(header, frame[: cut["bytes"]])
        rungs = decode_chunk(header, segments, profile, shape, k, v)
        assert (rungs == cut["rungs"]).all()
        for got, recorded in ((k, values(cut["k"], k)), (v, values(cut["v"], v))):
            a, b = shape.dtype.to_float32(got), shape.dtype.to_float32(recorded)
            unit = 2.0 ** {0: -10, 1: -7, 2: -19}[shape.dtype]
            assert np.abs(a - b).max() <= unit * np.abs(b).max()
            assert (np.abs(a - b) <= unit * (np.abs(b) + 1)).mean() > 0.999


JAVA = Path(__file__).parents[3] / "codec/src/test/resources/vectors/chunks.json"


def test_java_frames_decode_to_the_values_that_java_decodes() -> None:
    ours = {case["name"]: case for case in OURS}
    for case in json.loads(JAVA.read_text())["cases"]:
        space = Namespace.parse(bytes.fromhex(ours[case["case"]]["namespace"]))
        shape, frame = space.geometry, bytes.fromhex(case["frame"])
        header, file = verify(frame, space), ours[case["case"]]["profile"]
        profile = parse(bytes.fromhex(file), shape) if file else data_free(shape)
        size = (len(shape.stored_layers), header.tokens, shape.kv_heads)
        for cut in case["cuts"]:
            k = np.zeros((*size, shape.key_dim), shape.dtype.numpy)
            v = np.zeros((*size, shape.value_dim), shape.dtype.numpy)
            segments = frame_segments(header, frame[: cut["bytes"]])
            decode_chunk(header, segments, profile, shape, k, v)
            for got, recorded in ((k, values(cut["k"], k)), (v, values(cut["v"], v))):
                a, b = shape.dtype.to_float32(got), shape.dtype.to_float32(recorded)
                unit = 2.0 ** {0: -10, 1: -7, 2: -19}[shape.dtype]
                assert np.abs(a - b).max() <= unit * np.abs(b).max()
