"""What the doctor finds, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvtier.doctor import Doctor, Finding
from kvtier.local_node import LocalNode

PROFILES = Path(__file__).parents[3] / "profiles"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KVTIER_")]:
        monkeypatch.delenv(name)


def findings(model: Path | None = None, put: bool = False, **settings: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in Doctor(model, put, settings).run()}


def test_healthy_worker_has_nothing_bad(real_node: LocalNode) -> None:
    profile = str(PROFILES / "smollm2-135m-layer.kvp")
    found = findings(put=True, node=real_node.location, profile=profile, level="recent")
    assert not [f for f in found.values() if f.ok is False and f.check != "vllm"]
    assert found["put and get"].ok and "64 of 64" in found["put and get"].text
    assert "levels best" in found["profile"].text


def test_dead_node_is_said_in_words() -> None:
    found = findings(node="grpc://127.0.0.1:1")
    assert found["node"].ok is False and "127.0.0.1:1" in found["node"].text


def test_profile_of_another_model_is_bad(tmp_path: Path) -> None:
    config = {
        "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "rope_theta": 10000.0,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.bin").write_bytes(b"weights")
    profile = str(PROFILES / "smollm2-135m-layer.kvp")
    found = findings(tmp_path, node="grpc://127.0.0.1:1", profile=profile)
    assert found["model"].ok and "2 layers, 4 KV heads of 16" in found["geometry"].text
    assert found["profile"].ok is False and "shape of the geometry" in found["profile"].text


def test_mistyped_variables_and_keys_are_pointed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVTIER_NODES", "grpc://a:1")
    found = findings(node="grpc://127.0.0.1:1")
    assert "KVTIER_NODES is set and not read" in found["environment"].text
    found = findings(mode="lossy")
    assert found["configuration"].ok is False and "adaptive or exact" in found["configuration"].text
    assert "node" not in found


def test_command_prints_json_and_exits_with_1_when_something_is_bad() -> None:
    command = [sys.executable, "-m", "kvtier.doctor", "--json", "--node", "grpc://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    checks = {row["check"]: row["ok"] for row in json.loads(done.stdout)}
    assert checks["node"] is False and checks["packages"] is None
