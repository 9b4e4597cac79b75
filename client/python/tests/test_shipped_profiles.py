"""The profiles that ship with the project, read by `docs/format.md` section 4 and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from kvtier.crc import crc32c

PROFILES = Path(__file__).parents[3] / "profiles"
LAYERS, HEADS, DIM = 30, 3, 64
BYTES_MAX = 48_000_000


class Reader:
    """Takes fields off the front of a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        values = np.frombuffer(self.data, kind, count, self.at).reshape(shape)
        self.at += values.nbytes
        return values

    def text(self) -> str:
        (length,) = self.take("H")
        return self.take(f"{length}s")[0].decode()


def read_head(reader: Reader) -> dict:
    names = (
        "magic version kind flags shape step rungs tail layerGroups headGroups classMin classMax "
        "classCentre classTable curvePoints levels lossPoints reserved"
    ).split()
    return dict(zip(names, reader.take("4sHBB32sfBBHHbbbBHHHH")))


@pytest.mark.parametrize("name, kind, groups", [("layer", 1, 30), ("joint", 2, 10)])
def test_shippedProfile_everyField_isAsTheFormatSays(name: str, kind: int, groups: int) -> None:
    data = (PROFILES / f"smollm2-135m-{name}.kvp").read_bytes()
    reader = Reader(data)
    head = read_head(reader)
    assert (head["magic"], head["version"], head["kind"], head["flags"]) == (b"KVP1", 1, kind, 3)
    assert (head["layerGroups"], head["headGroups"], head["rungs"], head["tail"]) == (
        groups,
        1,
        3,
        32,
    )
    assert head["classMin"] < head["classCentre"] < head["classMax"] and head["classTable"] < 64
    assert head["reserved"] == 0 and "smollm2" in reader.text()

    check_levels(reader, head)
    centroids = reader.array("<f4", 64, 4)
    assert (centroids[:, 0] == 0).all() and np.abs(centroids).max() <= 0.5
    curve = [reader.take("If") for _ in range(head["curvePoints"])]
    assert curve[0][0] == 0 and curve[-1][1] == 0
    assert all(a[0] < b[0] for a, b in zip(curve, curve[1:]))

    for index in range(groups):
        check_group(
            reader, head["step"], range(index * LAYERS // groups, (index + 1) * LAYERS // groups)
        )
    assert reader.take("I")[0] == crc32c(data[:-4])
    assert reader.at == len(data)


def read_level(reader: Reader) -> tuple:
    row = (reader.text(), *reader.take("BBBB5f"))
    return (*row, reader.take(f"{row[4]}H"))


def check_levels(reader: Reader, head: dict) -> None:
    """Best first: fewer bits, more loss; the bounds rise with the distortion."""
    rows = [read_level(reader) for _ in range(head["levels"])]
    assert len({row[0] for row in rows}) == len(rows) >= 5
    bits, kl = [row[5] for row in rows], [row[6] for row in rows]
    assert bits == sorted(bits, reverse=True) and kl == sorted(kl)
    for row in rows:
        assert max(row[1:4]) < head["rungs"]
        assert list(row[-1]) == sorted({*row[-1]} & {*range(head["layerGroups"])})
    bounds = np.array([reader.take("4f")[:3] for _ in range(head["lossPoints"])])
    assert len(bounds) and (np.diff(bounds, axis=0) >= 0).all()


def check_group(reader: Reader, step: float, layers: range) -> None:
    counts = reader.take("HH")
    assert counts == (len(layers), HEADS)
    assert reader.take(f"{counts[0]}H") == tuple(layers) and reader.take("3H") == (0, 1, 2)
    width, rank = reader.take("II")
    assert width == len(layers) * 2 * HEADS * DIM and rank <= width
    mean, sigma = reader.array("<f4", width), reader.array("<f4", rank)
    index, probe = reader.array("u1", rank), reader.array("<f4", rank + 1)
    analysis, synthesis = reader.array("<f2", rank, width), reader.array("<f2", rank, width)
    for values in (mean, sigma, probe, analysis, synthesis):
        assert np.isfinite(values).all()
    assert (sigma > 0).all() and (np.diff(sigma) <= 0).all()
    exact = 4 * np.log2(sigma.astype(np.float64) / step) + 24
    assert (np.abs(np.clip(exact, 0, 63) - index) <= 0.501).all()
    product = analysis.astype(np.float32) @ synthesis.astype(np.float32).T
    assert np.abs(product - np.eye(rank)).max() < 0.1


def test_shippedProfiles_together_staySmall() -> None:
    assert sum(path.stat().st_size for path in PROFILES.glob("*.kvp")) <= BYTES_MAX
