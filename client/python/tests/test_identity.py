"""Geometries, namespaces, keys: canonical bytes, refusals."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
import samples

from kvtier.dtype import Dtype
from kvtier.errors import InvalidRequestError
from kvtier.identity import (
    Geometry,
    GeometryKind,
    Namespace,
    Rope,
    RopeScaling,
    RopeStyle,
    chunk_keys,
    token_digest,
)
from kvtier.rope import frequencies, rotate


def test_namespace_bytes_are_those_of_the_format() -> None:
    space = samples.namespace()
    data = space.to_bytes()
    assert data[:10] == b"KVNS\x01\x00\x00\x00\x30\x00"
    assert data[10:42] == samples.MODEL and data[42:74] == bytes(32)
    assert data[74:84] == b"\x08\x00kvtier-1" and data[84:86] == b"\x00\x00"
    assert data[86:103] == struct.pack("<5HBBIB", 4, 4, 2, 8, 8, 0, 0, 0, 1)
    assert len(data) == 103 + 46 + 4 * 7
    assert space.digest == hashlib.sha256(data).digest()
    assert Namespace.parse(data) == space


def test_any_truncation_or_longer_namespace_is_refused() -> None:
    data = samples.namespace().to_bytes()
    for size in range(len(data)):
        with pytest.raises(InvalidRequestError):
            Namespace.parse(data[:size])
    with pytest.raises(InvalidRequestError, match="bytes after the namespace is 1"):
        Namespace.parse(data + b"\0")


def test_keys_chain_over_the_prefix() -> None:
    space = samples.namespace(chunk_tokens=4)
    tokens = np.arange(10)
    keys = chunk_keys(space, tokens)
    first = hashlib.sha256(space.digest + struct.pack("<4I", 0, 1, 2, 3)).digest()
    second = hashlib.sha256(first + struct.pack("<4I", 4, 5, 6, 7)).digest()
    assert keys == [first, second]
    rest = hashlib.sha256(second + struct.pack("<2I", 8, 9)).digest()
    assert chunk_keys(space, list(tokens), with_rest=True) == [first, second, rest]
    assert token_digest([8, 9]) == hashlib.sha256(struct.pack("<2I", 8, 9)).digest()
    with pytest.raises(InvalidRequestError, match="token id is -1"):
        chunk_keys(space, [1, 2, 3, -1])


def test_shape_digest_forgets_the_dtype_only() -> None:
    shapes = {samples.geometry(dtype).shape_digest for dtype in Dtype}
    assert len(shapes) == 1
    assert samples.geometry(Dtype.F32).to_bytes() != samples.geometry().to_bytes()


def test_shared_layers_are_not_stored() -> None:
    shape = Geometry(
        8, 2, 4, 4, Dtype.F16, GeometryKind.ATTENTION, 0, (Rope(),), (0,) * 4, (0, 1, 1, 0),
        (-1,) * 4,
    )
    assert shape.stored_layers == (0, 1) and shape.elements_per_token == 2 * 2 * 8
    with pytest.raises(InvalidRequestError, match=r"kv_source\[3\] is 2, expected a stored layer"):
        Geometry(
            8, 2, 4, 4, Dtype.F16, GeometryKind.ATTENTION, 0, (Rope(),), (0,) * 4, (0, 1, 1, 2),
            (-1,) * 4,
        )


@pytest.mark.parametrize("style", (RopeStyle.ROTATE_HALF, RopeStyle.INTERLEAVED))
@pytest.mark.parametrize(
    "scaling", (RopeScaling.NONE, RopeScaling.LINEAR, RopeScaling.LLAMA3)
)
def test_rope_undone_is_the_identity(style: RopeStyle, scaling: RopeScaling) -> None:
    parameters = {
        RopeScaling.LINEAR: (4.0,),
        RopeScaling.LLAMA3: (8.0, 1.0, 4.0, 8192.0),
    }.get(scaling, ())
    rope = Rope(style, scaling, 8, 10_000.0, parameters)
    keys = np.random.default_rng(1).normal(size=(20, 2, 12)).astype(np.float32)
    turned = rotate(keys, rope, 1000)
    assert np.array_equal(turned[..., 8:], keys[..., 8:])
    assert not np.allclose(turned[..., :8], keys[..., :8])
    assert np.allclose(rotate(turned, rope, 1000, undo=True), keys, atol=1e-5)


def test_rope_matches_the_definition() -> None:
    rope = Rope.rotate_half(4, 100.0)
    assert np.allclose(frequencies(rope), [1, 0.1])
    keys = np.array([[[1, 2, 3, 4]]], np.float32)
    out = rotate(keys, rope, 5)[0, 0]
    assert out[0] == pytest.approx(np.cos(5) - 3 * np.sin(5), rel=1e-5)
    assert out[3] == pytest.approx(4 * np.cos(0.5) + 2 * np.sin(0.5), rel=1e-5)


@pytest.mark.parametrize("scaling", (RopeScaling.DYNAMIC_NTK, RopeScaling.YARN))
def test_rope_that_a_chunk_cannot_undo_is_refused(scaling: RopeScaling) -> None:
    rope = Rope(RopeStyle.ROTATE_HALF, scaling, 8, 10_000.0, (2.0, 2048.0, 32.0, 1.0))
    with pytest.raises(InvalidRequestError, match="use an exact one"):
        rotate(np.ones((2, 1, 8), np.float32), rope, 0)
