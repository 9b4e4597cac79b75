"""Profile files and the data-free profile."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
import samples

from kvtier.data_free import data_free, statistics
from kvtier.errors import CorruptChunkError, InvalidRequestError, KvtierError
from kvtier.profile import Level, LossPoint, ProfileKind, parse, to_bytes


def test_file_reads_what_was_written() -> None:
    shape = samples.geometry()
    profile = samples.trained(shape, ProfileKind.HEAD)
    profile = replace(
        profile,
        levels=(
            Level("half", 1, 1, 2, far_groups=(0, 1)),
            Level("good", 0, 1, 2, 0.7, 0.005, 0.01, 0.02, 3.0),
        ),
        loss=(LossPoint(0.5, 0.25, 0.125, 0.0),),
    )
    data = to_bytes(profile)
    read = parse(data, shape)
    assert read.id == hashlib.sha256(data).digest()
    assert to_bytes(read) == data
    assert read.levels[0].far_groups == (0, 1) and math.isnan(read.levels[0].kl)
    assert read.levels[1].name == "good" and read.loss == profile.loss
    assert read.octaves(6, 4).tolist() == [-0.5, -0.5, 0, 0]
    assert np.array_equal(read.groups[3].analysis, profile.groups[3].analysis)


@pytest.mark.parametrize("far, groups", [(0, (0,)), (1, (1, 0)), (1, (1, 1)), (1, (0, 9)), (4, ())])
def test_levels_that_name_no_rung_or_group_are_refused(far: int, groups: tuple[int, ...]) -> None:
    shape = samples.geometry()
    bad = (Level("bad", far, 1, 2, far_groups=groups),)
    data = to_bytes(replace(samples.trained(shape, ProfileKind.LAYER), levels=bad))
    with pytest.raises(CorruptChunkError, match="level bad"):
        parse(data, shape)


def test_damaged_files_are_refused() -> None:
    shape = samples.geometry()
    data = to_bytes(samples.trained(shape, ProfileKind.LAYER))
    for size in (*range(0, 200, 7), len(data) - 1):
        with pytest.raises(KvtierError):
            parse(data[:size], shape)
    random = np.random.default_rng(3)
    for at in (*range(8), *random.integers(8, len(data), 50)):
        bad = bytearray(data)
        bad[at] ^= 4
        with pytest.raises(KvtierError):
            parse(bytes(bad), shape)


def test_profile_of_another_model_is_refused() -> None:
    profile = samples.trained(samples.geometry(), ProfileKind.LAYER)
    other = samples.Geometry.uniform(4, 4, 2, 16, samples.Dtype.F16, samples.Rope())
    with pytest.raises(InvalidRequestError, match="shape of the geometry"):
        parse(to_bytes(profile), other)


def test_data_free_is_named_by_its_shape() -> None:
    shape = samples.geometry()
    profile = data_free(shape)
    assert profile.id == hashlib.sha256(b"kvtier-data-free-1" + shape.shape_digest).digest()
    assert (profile.step, profile.layer_groups, profile.head_groups) == (0.625, 4, 1)
    assert profile.raw_first and not profile.class_rows


def test_statistics_follow_the_definition() -> None:
    x = np.array([[1, 10, 5], [3, 10, 7]], np.float32)
    mean, scale = statistics(x, 2, 0.5)
    assert mean.tolist() == [2, 10, 6]
    assert scale.tolist() == [np.float32(np.sqrt(0.5)), 0.5]
    assert statistics(x[:0], 2, 0.5)[1].tolist() == [1, 1]
    assert statistics(np.ones((4, 3), np.float32), 2, 1.0)[1].tolist() == [1, 1]
