"""Deep profiles: shared components, one class for all layers, prediction from token ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import samples

from kvtier import deep
from kvtier.decoder import frame_segments
from kvtier.deep import TokenPrediction, pooled_octaves
from kvtier.errors import CorruptChunkError, InvalidRequestError, KvtierError
from kvtier.profile import Profile, ProfileKind, parse, to_bytes

SPACE = samples.namespace(samples.Dtype.F32)


def profile() -> Profile:
    return samples.trained(SPACE.geometry, ProfileKind.DEEP)


def test_shared_components_are_alone_and_first_in_every_part() -> None:
    made = samples.chunk(SPACE, profile())
    assert made.header.layer_groups == made.profile.layer_groups + 1
    for part in range(len(made.header.parts)):
        first = made.header.segments[made.header.segments_of(part)[0]]
        assert (first.first_layer_group, first.layer_groups) == (0, 1)


def test_classes_are_those_of_the_shared_components() -> None:
    made = samples.chunk(SPACE, profile(), index=1)
    segments = frame_segments(made.header, made.frame)
    grid = samples.decode_symbols(made.header, segments, made.profile, SPACE.geometry)
    assert len(set(grid[0, 0].classes.tolist())) > 1
    for symbols in grid.values():
        assert np.array_equal(symbols.classes, grid[0, 0].classes)


def test_without_the_shared_base_nothing_is_decoded() -> None:
    made = samples.chunk(SPACE, profile())
    segments = frame_segments(made.header, made.frame)
    del segments[0]
    k, v = np.full_like(made.k, 7), np.full_like(made.v, 7)
    assert (made.decode_into(segments, k, v) == -1).all()
    assert (k == 7).all() and (v == 7).all()


def test_other_tokens_or_none_are_refused() -> None:
    made = samples.chunk(SPACE, profile())
    segments = frame_segments(made.header, made.frame)
    other = made.ids.copy()
    other[3] += 1
    with pytest.raises(InvalidRequestError, match="digest of the tokens"):
        replace(made, ids=other).decode_into(segments, made.k.copy(), made.v.copy())
    with pytest.raises(InvalidRequestError, match="which this profile predicts from"):
        replace(made, ids=None).decode_into(segments, made.k.copy(), made.v.copy())


def test_prediction_of_a_linear_cache_leaves_nothing_to_code() -> None:
    """K and V that are what the tokens predict are coded as zeros, and come back."""
    trained = profile()
    assert trained.deep is not None and trained.deep.prediction is not None
    ids = np.random.default_rng(1).integers(0, 900, 48)
    z = trained.deep.prediction.predict(ids)
    components = np.random.default_rng(2).normal(size=z.shape).astype(np.float32)
    assert np.abs(trained.deep.forward(z, ids)).max() < 1e-5
    back = trained.deep.inverse(trained.deep.forward(components, ids), ids)
    assert np.abs(back - components).max() < 2e-3 * np.abs(components).max()


def test_features_look_back_within_the_chunk_only() -> None:
    table = np.arange(1, 7, dtype=np.int8).reshape(3, 2)
    prediction = TokenPrediction(2, np.array([1, 0.5], np.float32), table, np.zeros((4, 4)))
    assert prediction.features(np.array([2, 0, 9])).tolist() == [
        [5, 3, 0, 0],
        [1, 1, 5, 3],
        [0, 0, 1, 1],
    ]


def test_pooled_octaves_average_sensitivities() -> None:
    octaves = np.array([[0.0, -1.0], [0.0, 1.0]])
    assert pooled_octaves(octaves).tolist() == [0, -0.5 * np.log2((4 + 0.25) / 2)]


@pytest.mark.parametrize("tokens", (1, 2, 31, 48))
def test_everything_shared_and_no_prediction_round_trips(tokens: int) -> None:
    trained = profile()
    assert trained.deep is not None
    leading = trained.deep.leading
    groups = tuple(_cut(group, leading) for group in trained.groups)
    bare = replace(trained, groups=groups, deep=replace(trained.deep, prediction=None))
    read = parse(to_bytes(bare), SPACE.geometry)
    made = samples.chunk(SPACE, read, tokens)
    k, v = np.zeros_like(made.k), np.zeros_like(made.v)
    rungs = replace(made, ids=None).decode_into(frame_segments(made.header, made.frame), k, v)
    assert (rungs[..., 1] == 2).all() and np.array_equal(k[:, 0], made.k[:, 0])
    assert np.isfinite(v).all()


def _cut(group, rank: int):
    return replace(
        group,
        sigma=group.sigma[:rank],
        sigma_index=group.sigma_index[:rank],
        probe=np.concatenate([group.probe[:rank], group.probe[-1:]]),
        analysis=group.analysis[:rank],
        synthesis=group.synthesis[:rank],
    )


def test_file_reads_what_was_written_and_refuses_the_rest() -> None:
    trained = profile()
    data = to_bytes(trained)
    assert to_bytes(parse(data, SPACE.geometry)) == data
    for size in np.linspace(0, len(data) - 1, 60).astype(int):
        with pytest.raises(KvtierError):
            parse(data[:size], SPACE.geometry)
    assert trained.deep is not None
    section = deep.to_bytes(trained.deep)
    start = len(data) - 4 - len(section)
    for at, value in ((0, 0), (0, 255), (4, 0), (7, 255), (len(section) - 1, 0x7C)):
        bad = bytearray(data[:-4])
        bad[start + at] = value
        with pytest.raises(CorruptChunkError):
            parse(bytes(bad) + samples.checksum(bytes(bad)), SPACE.geometry)
