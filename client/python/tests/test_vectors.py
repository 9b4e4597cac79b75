"""Golden vectors: frames of the Python encoder (tests/vectors) and of the Java one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from kvtier.data_free import data_free
from kvtier.decoder import decode_chunk, decode_symbols, frame_segments
from kvtier.dtype import Dtype
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import FrameHeader, verify
from kvtier.identity import Namespace, NamespaceKind
from kvtier.profile import Profile, parse

VECTORS = Path(__file__).parent / "vectors" / "frames.json"
JAVA = Path(__file__).parents[3] / "codec/src/test/resources/vectors/chunks.json"

# Unit in the last place of an element: two sums on either side of a tie round to neighbours.
UNIT = {Dtype.F16: 2.0**-10, Dtype.BF16: 2.0**-7, Dtype.F32: 2.0**-23}
# An element is a float32 sum of up to 64 products, which each CPU's BLAS (and Java) adds in an
# order of its own. Two orders differ by about sqrt(64) roundings, each 2^-24 of the products'
# size: at most the token's norm times 4, the condition number of the matrices in the vectors
# (`samples.trained`; the second one of a deep profile is orthogonal). Seen
# across two CPUs, and across Java and numpy: 2.5 * 2^-24 of the norm.
ORDER = 8 * 4 * 2.0**-24


@dataclass(frozen=True)
class Case:
    """A recorded frame with all that decoding it takes; cuts as `make_frames.py` writes them."""

    name: str
    space: Namespace
    profile: Profile | None
    frame: bytes
    header: FrameHeader
    cuts: list[dict]
    tokens: list[int]

    @staticmethod
    def of(recorded: dict, frame: str, cuts: list[dict]) -> Case:
        space, data = Namespace.parse(bytes.fromhex(recorded["namespace"])), bytes.fromhex(frame)
        profile, file = None, recorded["profile"]
        if space.kind == NamespaceKind.ADAPTIVE:
            shape = space.geometry
            profile = parse(bytes.fromhex(file), shape) if file else data_free(shape)
        header, tokens = verify(data, space), recorded["tokens"]
        return Case(recorded["name"], space, profile, data, header, cuts, tokens)

    def decode(self, frame_bytes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rungs, K, V) of the frame's first bytes."""
        shape = self.space.geometry
        size = (len(shape.stored_layers), self.header.tokens, shape.kv_heads, shape.key_dim)
        k, v = (np.zeros(size, shape.dtype.numpy) for _ in range(2))
        segments = frame_segments(self.header, self.frame[:frame_bytes])
        rungs = decode_chunk(self.header, segments, self.profile, shape, k, v, self.tokens)
        return rungs, k, v

    def far(self, cut: dict, k: np.ndarray, v: np.ndarray) -> int:
        """How many elements are further from the recorded ones than rounding explains."""
        dtype = self.space.geometry.dtype
        got = np.stack([dtype.to_float32(k), dtype.to_float32(v)])
        raw = [np.frombuffer(bytes.fromhex(cut[x]), dtype.numpy) for x in ("k", "v")]
        expected = np.stack([dtype.to_float32(x) for x in raw]).reshape(got.shape)
        if self.profile is None:
            return int((got != expected).sum())
        norm = np.sqrt(np.square(expected, dtype=np.float64).sum(axis=(0, 1, 3, 4), keepdims=True))
        error = np.abs(got.astype(np.float64) - expected)
        near = error <= UNIT[dtype] * np.abs(expected) + ORDER * norm  # a NaN is far
        return int((~near).sum())


RECORDED = json.loads(VECTORS.read_text())["cases"]
OURS = [Case.of(case, case["frame"], case["cuts"]) for case in RECORDED]
BY_NAME = {case["name"]: case for case in RECORDED}
JAVAS = [
    Case.of(BY_NAME[case["case"]], case["frame"], case["cuts"])
    for case in json.loads(JAVA.read_text())["cases"]
]


@pytest.mark.parametrize("recorded", RECORDED, ids=list(BY_NAME))
def test_python_frames_keep_their_ids_and_decode_to_the_recorded_symbols(recorded: dict) -> None:
    case = Case.of(recorded, recorded["frame"], recorded["cuts"])
    assert case.header.encoding_id.hex() == recorded["encodingId"]
    assert case.header.key.hex() == recorded["key"]
    if case.profile is not None:
        segments, shape = frame_segments(case.header, case.frame), case.space.geometry
        grid = decode_symbols(case.header, segments, case.profile, shape)
        for place, symbols in zip(sorted(grid), recorded["symbols"], strict=True):
            assert grid[place].classes.tolist() == symbols["classes"]
            assert grid[place].q.reshape(-1).tolist() == symbols["q"]


@pytest.mark.parametrize("case", OURS, ids=[case.name for case in OURS])
def test_python_frames_decode_to_the_recorded_values(case: Case) -> None:
    for cut in case.cuts:
        rungs, k, v = case.decode(cut["bytes"])
        assert (rungs == cut["rungs"]).all()
        assert case.far(cut, k, v) == 0


@pytest.mark.parametrize("case", JAVAS, ids=[case.name for case in JAVAS])
def test_java_frames_decode_to_the_values_that_java_decodes(case: Case) -> None:
    assert len(case.cuts) == len(case.header.parts)
    for cut in case.cuts:
        _, k, v = case.decode(cut["bytes"])
        assert case.far(cut, k, v) == 0


@pytest.mark.parametrize("case", OURS + JAVAS, ids=lambda case: case.name)
def test_the_comparison_sees_what_is_not_rounding(case: Case) -> None:
    """One element a few units off, a rung less, and centroids a quarter of a step off."""
    cut, dtype = case.cuts[-1], case.space.geometry.dtype
    _, k, v = case.decode(cut["bytes"])
    off = dtype.to_float32(v)
    off.flat[np.abs(off).argmax()] *= 1 + 2**-6
    assert case.far(cut, k, dtype.from_float32(off)) == 1
    if case.profile is None:
        return
    rungs, k, v = case.decode(case.cuts[-2]["bytes"])
    assert case.far(cut, k, v) > v.size // 20
    centroids = case.profile.centroids + np.float32([0, 0.25, 0.25, 0.25])
    wrong = replace(case, profile=replace(case.profile, centroids=centroids))
    _, k, v = wrong.decode(cut["bytes"])
    assert case.far(cut, k, v) > v.size // 20


@pytest.mark.parametrize("case", JAVAS, ids=[case.name for case in JAVAS])
def test_java_distortions_are_those_of_this_encoder(case: Case) -> None:
    if case.profile is None:
        return
    recorded = BY_NAME[case.name]["cuts"][-1]  # the block that Java encoded
    dtype, shape = case.space.geometry.dtype, case.space.geometry
    size = (len(shape.stored_layers), case.header.tokens, shape.kv_heads, shape.key_dim)
    k, v = (np.frombuffer(bytes.fromhex(recorded[x]), dtype.numpy).reshape(size) for x in "kv")
    chunk = ChunkId(case.header.key, np.array(case.tokens), case.header.first_position)
    again = verify(encode_chunk(case.space, case.profile, chunk, k, v), case.space)
    for ours, java in zip(again.segments, case.header.segments, strict=True):
        assert ours.distortion == pytest.approx(java.distortion, rel=1e-3)
        assert ours.tail_distortion == pytest.approx(java.tail_distortion, rel=1e-3)
