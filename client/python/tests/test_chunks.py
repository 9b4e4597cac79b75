"""Chunks through encoder and decoder: every kind of profile, dtype and length, and damage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import samples

from kvtier import block, decoder
from kvtier.decoder import decode_chunk, frame_segments
from kvtier.dtype import Dtype
from kvtier.errors import CorruptChunkError, InvalidRequestError, KvtierError
from kvtier.frame import Span, read_header, verify
from kvtier.segment import SegmentReader

PROFILES = ("data-free", "layer", "joint", "head", "deep")


def relative_error(actual: np.ndarray, expected: np.ndarray, dtype: Dtype) -> float:
    a, b = dtype.to_float32(actual), dtype.to_float32(expected)
    return float(np.sqrt(np.square(a - b).sum() / np.square(b).sum()))


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("dtype", list(Dtype))
def test_decode_each_part_more_comes_closer(name: str, dtype: Dtype) -> None:
    space = samples.namespace(dtype)
    made = samples.chunk(space, samples.profile_for(space, name), index=1)
    assert [(p.rung, p.span) for p in made.header.parts] == [
        (0, Span.ALL),
        (1, Span.TAIL),
        (2, Span.TAIL),
        (1, Span.HEAD),
    ]
    errors = []
    for parts, cut in enumerate(made.header.cuts, 1):
        rungs, k, v = made.decode(cut)
        assert (rungs[..., 1] == min(parts - 1, 2)).all()
        assert (rungs[..., 0] == (1 if parts == 4 else 0)).all()
        errors.append(
            relative_error(k, made.k, dtype) + relative_error(v, made.v, dtype)
        )
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < (0.25 if name == "data-free" else 0.9)  # 3 components dropped


@pytest.mark.parametrize("name", PROFILES)
def test_first_chunk_keeps_its_first_token_exactly(name: str) -> None:
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, name))
    _, k, v = made.decode(made.header.cuts[0])
    assert np.array_equal(k[:, 0], made.k[:, 0]) and np.array_equal(v[:, 0], made.v[:, 0])
    assert not np.array_equal(k[:, 1], made.k[:, 1])


@pytest.mark.parametrize("name", ("data-free", "layer", "head"))
def test_segments_never_mix_sliding_windows(name: str) -> None:
    shape = replace(samples.geometry(), window=(16, 16, -1, 16))
    space = replace(samples.namespace(), geometry=shape)
    made = samples.chunk(space, samples.profile_for(space, name), index=1)
    for part in range(len(made.header.parts)):
        own = [made.header.segments[i] for i in made.header.segments_of(part)]
        cuts = {(entry.first_layer_group, entry.layer_groups) for entry in own}
        assert cuts == {(0, 2), (2, 1), (3, 1)}


@pytest.mark.parametrize("tokens", (1, 2, 7, 31, 32, 33, 48))
@pytest.mark.parametrize("index", (0, 2))
def test_short_chunks_round_trip(tokens: int, index: int) -> None:
    space = samples.namespace()
    for name in PROFILES:
        made = samples.chunk(space, samples.profile_for(space, name), tokens, index)
        _, k, v = made.decode()
        assert np.isfinite(k).all() and np.isfinite(v).all()
        if name == "data-free" and tokens > 8:
            assert relative_error(v, made.v, Dtype.F16) < 0.2


def test_outliers_escape_and_come_back() -> None:
    space = samples.namespace(Dtype.F32)
    profile = samples.profile_for(space, "layer")
    made = samples.chunk(space, profile, 48, 1, 3, outliers=True)
    segments = frame_segments(made.header, made.frame)
    reader = SegmentReader(segments[0], made.header.segments[0].layer_groups, "segment")
    assert len(reader.escapes) > 10
    _, k, v = made.decode()
    bound = profile.step * 2**1.5 * 0.75 / 3 + 1e-2  # of a coefficient, in the largest class
    for group in profile.groups:
        a, b = (block.gather(space.geometry, group, *t, 48) for t in ((k, v), (made.k, made.v)))
        error, large = np.abs((a - b) @ group.analysis.T), np.abs(b).max(axis=1, keepdims=True)
        assert (error < bound + 2e-3 * large).all()  # the matrices are float16


@pytest.mark.parametrize("name", PROFILES)
def test_distortion_in_the_header_is_what_decoding_leaves(name: str) -> None:
    space = samples.namespace(Dtype.F32)
    profile = samples.profile_for(space, name)
    made = samples.chunk(space, profile, index=1)
    errors = np.array([[e.distortion, e.tail_distortion] for e in made.header.segments])
    parts = [e.part for e in made.header.segments]
    by_part = [sum(errors[i] for i, p in enumerate(parts) if p == part) for part in range(4)]
    assert by_part[1][0] == 0 and by_part[3][1] == 0
    assert by_part[0][1] > by_part[1][1] > by_part[2][1] > 0
    assert by_part[0][0] > by_part[3][0] > 0
    if name == "data-free":
        return
    _, k, v = made.decode()  # whitened: the error of y is the error of A x
    segments = frame_segments(made.header, made.frame)
    grid = decoder.decode_symbols(made.header, segments, profile, space.geometry)
    total = 0.0
    places = sorted(grid)[-len(profile.groups) :]  # a deep profile's shared components come first
    for place, group in zip(places, profile.groups, strict=True):
        a, b = (block.gather(space.geometry, group, *t, 48) for t in ((k, v), (made.k, made.v)))
        error = np.square((a - b) @ group.analysis.T).sum(axis=1)
        total += float((error * np.exp2(-grid[place].classes.astype(float))).sum())
    assert total == pytest.approx(by_part[2][1] + by_part[3][0], rel=0.05)


def test_exact_is_exact_for_every_dtype_and_for_nan() -> None:
    for dtype in Dtype:
        space = samples.namespace(dtype).exact()
        made = samples.chunk(space, None, 40, 1)
        rungs, k, v = made.decode()
        assert (rungs == 0).all()
        assert k.tobytes() == made.k.tobytes() and v.tobytes() == made.v.tobytes()


def test_subset_of_head_groups_leaves_the_others_untouched() -> None:
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, "head"), index=1)
    segments = {
        i: data
        for i, data in frame_segments(made.header, made.frame).items()
        if made.header.segments[i].head_group == 1
    }
    k, v = np.full_like(made.k, 77), np.full_like(made.v, 77)
    rungs = made.decode_into(segments, k, v)
    assert (rungs[:, 0] == -1).all() and (rungs[:, 1] == [1, 2]).all()
    assert (k[:, :, 0] == 77).all() and (v[:, :, 0] == 77).all()
    _, whole, _ = made.decode()
    assert np.array_equal(k[:, :, 1], whole[:, :, 1])


def test_refinement_without_its_lower_rung_is_left_out() -> None:
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, "joint"), index=1)
    segments = frame_segments(made.header, made.frame)
    for i in made.header.segments_of(1):
        del segments[i]
    k, v = np.zeros_like(made.k), np.zeros_like(made.v)
    rungs = made.decode_into(segments, k, v)
    assert (rungs == [1, 0]).all()


@pytest.mark.parametrize("exact", (False, True))
def test_every_cut_and_flip_is_refused_or_harmless(exact: bool) -> None:
    space = samples.namespace()
    profile = None if exact else samples.profile_for(space, "layer")
    made = samples.chunk(space.exact() if exact else space, profile, index=1)
    for size in range(0, len(made.frame), 13):
        if size not in made.header.cuts:
            with pytest.raises(KvtierError):
                verify(made.frame[:size], made.space)
    random = np.random.default_rng(5)
    for at in (*range(200), *random.integers(200, len(made.frame), 200)):
        bad = bytearray(made.frame)
        bad[at] ^= 1 << random.integers(8)
        with pytest.raises(KvtierError):
            verify(bytes(bad), made.space)


@pytest.mark.parametrize("seed", range(5))
def test_damage_behind_the_checksum_is_refused_or_decodes_within_bounds(seed: int) -> None:
    """Segment streams with any bytes: a typed error or numbers, never a crash, never a hang."""
    space = samples.namespace()
    made = samples.chunk(space, samples.profile_for(space, PROFILES[seed]), index=0, outliers=True)
    random, refused = np.random.default_rng(seed), 0
    segments = frame_segments(made.header, made.frame)
    for _ in range(300):
        index = int(random.integers(len(segments)))
        bad = bytearray(segments[index])
        for _ in range(int(random.integers(1, 4))):
            bad[random.integers(min(len(bad), 40 if random.random() < 0.5 else len(bad)))] = (
                random.integers(256)
            )
        try:
            decoder.decode_symbols(
                made.header, {**segments, index: bytes(bad)}, made.profile, space.geometry
            )
        except (CorruptChunkError, InvalidRequestError) as error:
            refused += 1
            assert "segment" in str(error), f"seed {seed}: {error}"
    assert refused > 200


def test_wrong_arguments_are_named() -> None:
    space = samples.namespace()
    profile = samples.profile_for(space, "data-free")
    made = samples.chunk(space, profile)
    name = samples.ChunkId(bytes(32), np.arange(48), 0)
    with pytest.raises(InvalidRequestError, match="shape of v"):
        samples.encode_chunk(space, profile, name, made.k, made.v[:, :40])
    with pytest.raises(InvalidRequestError, match="dtype of k is F32, expected F16"):
        samples.encode_chunk(space, profile, name, made.k.astype(np.float32), made.v)
    with pytest.raises(InvalidRequestError, match="not finite"):
        bad = made.k.copy()
        bad[1, 3, 0, 0] = np.inf
        samples.encode_chunk(space, profile, name, bad, made.v)
    other = samples.Namespace(bytes(32), space.geometry, chunk_tokens=48)
    with pytest.raises(InvalidRequestError, match="frame's namespace"):
        verify(made.frame, other)
    newer = bytearray(made.frame)
    newer[4] = 2
    with pytest.raises(InvalidRequestError, match="a newer kvtier wrote it"):
        read_header(bytes(newer))
