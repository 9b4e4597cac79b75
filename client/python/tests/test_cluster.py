"""Placement: the same owners as in Java, from the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtier.cluster import ClusterMap, MemberState, groups_of
from kvtier.errors import InvalidRequestError

VECTORS = Path(__file__).parents[2] / "src/test/resources/vectors/placement.txt"


def lines() -> list[list[str]]:
    return [line.split(" ") for line in VECTORS.read_text().splitlines()]


def test_owners_and_readers_are_those_of_java() -> None:
    current, checked = None, 0
    for fields in lines():
        if fields[0] == "map":
            data = bytes.fromhex(fields[1])
            current = ClusterMap.parse(data)
            assert current.to_bytes() == data
        elif fields[0] != "groups":
            assert current is not None
            key = bytes.fromhex(fields[0])
            assert [m.id for m in current.owners(key)] == fields[2].split(",")
            assert [m.id for m in current.readers(key)] == fields[4].split(",")
            checked += 1
    assert checked == 250


def test_groups_are_those_of_java() -> None:
    for fields in lines():
        if fields[0] == "groups":
            expected = [tuple(map(int, group.split("-"))) for group in fields[1].split(",")]
            got = groups_of(expected[-1][1], 8)
            assert [(group.start, group.stop) for group in got] == expected


def test_a_map_cut_anywhere_is_refused() -> None:
    data = bytes.fromhex(next(f[1] for f in lines() if f[0] == "map"))
    for size in range(len(data)):
        with pytest.raises(InvalidRequestError):
            ClusterMap.parse(data[:size])
    assert ClusterMap.parse(data).members[0].state == MemberState.UP
