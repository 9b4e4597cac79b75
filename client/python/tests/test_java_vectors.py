"""Golden vectors of the Java codec, codec/src/test/resources/vectors: equal bytes, equal fields."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kvtier import cluster, wire
from kvtier.frame import read_header
from kvtier.identity import Namespace, chunk_keys, next_key, token_digest

VECTORS = Path(__file__).parents[3] / "codec/src/test/resources/vectors"


def load(name: str) -> dict:
    return json.loads((VECTORS / f"{name}.json").read_text())


def cases(name: str, label: str) -> pytest.MarkDecorator:
    found = load(name)["cases"]
    ids = [f"{i}-{case[label]}" for i, case in enumerate(found)]
    return pytest.mark.parametrize("case", found, ids=ids)


def plain(value: Any) -> Any:
    """The value as the vectors write it: camelCase, enums by name, digests in hexadecimal."""
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {re.sub("_([a-z])", lambda m: m[1].upper(), k): v for k, v in fields.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def as_python(expected: Any) -> Any:
    """Java's fields under the names and signs that Python has for them."""
    if isinstance(expected, dict):
        out = {k: as_python(v) for k, v in expected.items()}
        if "headGroups" in out and "budgetNanos" in out:
            out["headGroups"] %= 1 << 64
        if "coverage" in out:
            out["coverage"] = bytes(b % 256 for b in out["coverage"]).hex()
        if "crc32c" in out:
            out["crc32c"] %= 1 << 32
        for name in out.keys() & {"distortion", "tailDistortion"}:
            out[name] = float(np.float32(out[name]))
        return out
    return [as_python(item) for item in expected] if isinstance(expected, list) else expected


@cases("namespaces", "name")
def test_namespace_of_java_bytes_has_the_same_fields_and_digests(case: dict) -> None:
    space = Namespace.parse(bytes.fromhex(case["bytes"]))
    assert plain(space) == as_python(case["fields"])
    assert space.to_bytes().hex() == case["bytes"]
    assert space.digest.hex() == case["digest"]
    assert space.geometry.shape_digest.hex() == case["shapeDigest"]


def test_keys_of_java_chains_are_the_same() -> None:
    vectors = load("keys")
    for case in vectors["chains"]:
        space = Namespace.parse(bytes.fromhex(case["namespace"]))
        tokens = case["tokens"]
        assert [key.hex() for key in chunk_keys(space, tokens)] == case["keys"]
        with_rest = chunk_keys(space, tokens, with_rest=True)
        assert [key.hex() for key in with_rest] == case["keysWithRest"]
        assert token_digest(tokens).hex() == case["tokenDigest"]
    image = vectors["multimodal"]
    parent, extra = bytes.fromhex(image["parent"]), bytes.fromhex(image["extra"])
    assert next_key(parent, image["tokens"], extra).hex() == image["key"]


@cases("frames", "name")
def test_header_of_java_bytes_has_the_same_fields_id_and_cuts(case: dict) -> None:
    frame = bytes.fromhex(case["frame"])
    header = read_header(frame)
    assert plain(header) == as_python(case["fields"])
    assert header.to_bytes() == frame[: case["headerBytes"]]
    assert header.encoding_id.hex() == case["encodingId"]
    assert list(header.cuts) == case["cuts"]
    assert header.frame_bytes == len(frame)


@cases("wire", "message")
def test_message_of_java_bytes_has_the_same_bytes_in_python(case: dict) -> None:
    if case["message"] in cluster.OF_NODES_ALONE:
        assert not hasattr(wire, case["message"])
        return
    data = bytes.fromhex(case["bytes"])
    home = cluster if hasattr(cluster, case["message"]) else wire
    message = getattr(home, case["message"]).parse(data)
    assert message.to_bytes() == data
    expected = as_python(case["fields"])
    got = plain(message)
    for name in expected.keys() & got.keys() - {"chunks"}:
        assert got[name] == expected[name], name
    assert len(expected.keys() & got.keys()) >= len(expected) - 1
