"""A profile's loss map made anew from rows: nothing else changes, and the check can fail."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import loss_map
import pytest

from kvtier.calibrate.losses import Measured
from kvtier.profile import parse

SHIPPED = Path(__file__).parents[3] / "profiles" / "smollm2-135m-layer.kvp"


def measured(document: str, level: str, distortion: float, kl: float) -> Measured:
    """A case without facts."""
    return Measured(
        document=document,
        level=level,
        bits=0.8,
        stored=1.5,
        distortion=distortion,
        kl=kl,
        dnll=0.001,
        top1=96.0,
        asked=0,
        exact=0,
        decoded=0,
    )


def rows(path: Path, factor: float = 1.0, level: str = "recent") -> Path:
    """Twenty documents at one level whose divergence is `factor` times the distortion."""
    lines = [
        measured(f"d{i}", level, 0.01 + i / 1000, factor * (0.01 + i / 1000))
        for i in range(20)
    ]
    path.write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines))
    return path


def test_rows_becomeTheMap_andAllElseStays(tmp_path):
    made = tmp_path / "p.kvp"
    loss_map.main(
        ["--profile", str(SHIPPED), "--rows", str(rows(tmp_path / "r")), "--out", str(made)]
    )
    before, after = parse(SHIPPED.read_bytes()), parse(made.read_bytes())
    assert after.loss != before.loss and after.loss[0].kl == 0
    assert after.levels == before.levels and after.step == before.step
    assert after.groups[7].synthesis.tobytes() == before.groups[7].synthesis.tobytes()
    rest = len(SHIPPED.read_bytes()) - len(before.loss) * 16
    assert len(made.read_bytes()) - len(after.loss) * 16 == rest


@pytest.mark.parametrize(("factor", "status"), [(1.0, False), (3.0, True)])
def test_check_ofOtherRows_failsBeyondTheBounds(tmp_path, capsys, factor, status):
    made = tmp_path / "p.kvp"
    arguments = ["--profile", str(SHIPPED), "--rows", str(rows(tmp_path / "r"))]
    arguments += ["--out", str(made), "--check", str(rows(tmp_path / "s", factor))]
    with pytest.raises(SystemExit) as exit_status:
        loss_map.main(arguments)
    assert exit_status.value.code == status
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["level"] == "recent" and line["cases"] == 20
    assert (line["within_kl"] == 1.0) != status


def test_rowsOfAnotherProfilesLevels_areRefused(tmp_path):
    strange = rows(tmp_path / "r", level="finest")
    with pytest.raises(SystemExit, match="finest"):
        loss_map.main(
            ["--profile", str(SHIPPED), "--rows", str(strange), "--out", str(tmp_path / "p")]
        )
