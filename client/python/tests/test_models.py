"""What a model's files say: geometry and the name of its weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from kvtier import Dtype, InvalidRequestError, Rope, TierConfig, models
from kvtier.identity import NamespaceKind, RopeScaling
from kvtier.models import geometry_of, weights_digest
from kvtier.vllm.namespaces import Engine, chunk_tokens, namespace_of

LLAMA = {
    "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
}
GEMMA = {
    "text_config": {
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 1,
        "head_dim": 256, "sliding_window": 512,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        },
    }
}


def test_llama_has_one_rope_and_full_attention() -> None:
    geometry = geometry_of(LLAMA, Dtype.F32)
    assert geometry.ropes == (Rope.rotate_half(64, 100_000.0),)
    assert (geometry.layers, geometry.query_heads, geometry.kv_heads) == (30, 9, 3)
    assert set(geometry.window) == {-1}


def test_geometry_is_that_of_the_shipped_profile() -> None:
    from kvtier.tier import read_profile

    file = Path(__file__).parents[3] / "profiles/smollm2-135m-joint.kvp"
    read_profile(file, geometry_of(LLAMA, Dtype.F32))


def test_gemma_has_windows_and_a_rope_for_each_kind() -> None:
    geometry = geometry_of(GEMMA, Dtype.BF16)
    assert geometry.window == (512, -1) and geometry.rope(0).theta == 1e4
    assert geometry.rope(1).scaling == RopeScaling.LINEAR
    assert geometry.rope(1).parameters[0] == 8.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kv_lora_rank": 512}, "mode exact"),
        ({"layer_types": ["linear_attention"] * 30}, "layer type"),
        ({"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4}}, "is longrope"),
        ({"rope_parameters": {"rope_type": "default"}}, "rope_theta"),
        ({"num_kv_shared_layers": 4}, "num_kv_shared_layers"),
    ],
)
def test_caches_of_another_kind_are_refused(change: dict, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        geometry_of(LLAMA | change, Dtype.F32)


def model(folder: Path, seed: int = 1, **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA | config))
    values = np.random.default_rng(seed).normal(size=(64, 4096)).astype(np.float32)
    save_file({"a": values[:32], "b": values[32:]}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("whole", [True, False])
def test_weights_have_a_name_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    if not whole:
        monkeypatch.setattr(models, "WHOLE_BYTES_MAX", 1000)
    first = weights_digest(model(tmp_path / "a"))
    assert weights_digest(model(tmp_path / "b", _name_or_path="elsewhere")) == first
    assert weights_digest(model(tmp_path / "c", seed=2)) != first
    assert weights_digest(model(tmp_path / "d", rms_norm_eps=1e-6)) != first
    with pytest.raises(InvalidRequestError, match="weights in .* is none"):
        weights_digest(tmp_path)


ENGINE = Engine("m", "float32", "float32", "cpu:vec", 128, "sha256", revision="0.32.0")


def test_namespaces_differ_by_whatever_changes_a_block() -> None:
    config = TierConfig(mode="exact", model="ab" * 32)
    spaces = [
        namespace_of(config, engine, LLAMA, 196608, 30, 128).digest
        for engine in (
            ENGINE,
            Engine("m", "bfloat16", "bfloat16", "cpu:vec", 128, "sha256", revision="0.32.0"),
            Engine("m", "float32", "float32", "cpu:amx", 128, "sha256", revision="0.32.0"),
            Engine("m", "float32", "float32", "cpu:vec", 64, "sha256", revision="0.32.0"),
            Engine("m", "float32", "float32", "cpu:vec", 128, "sha256_cbor", revision="0.32.0"),
            Engine("m", "float32", "float32", "cpu:vec", 128, "sha256", 1, 2, revision="0.32.0"),
            Engine("m", "float32", "float32", "cpu:vec", 128, "sha256", 0, 1, "awq", "0.32.0"),
            Engine("m", "float32", "float32", "cpu:vec", 128, "sha256", revision="0.33.0"),
        )
    ]
    other = TierConfig(mode="exact", model="cd" * 32)
    spaces.append(namespace_of(other, ENGINE, LLAMA, 196608, 30, 128).digest)
    assert len(set(spaces)) == 9


def test_adaptive_namespace_does_not_name_the_layout() -> None:
    config = TierConfig(model="ab" * 32)
    flash = Engine("m", "float32", "float32", "flash_attn", 16, "sha256")
    a, b = (namespace_of(config, e, LLAMA, 1, 30, 256) for e in (ENGINE, flash))
    assert a == b and a.kind == NamespaceKind.ADAPTIVE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hash": "xxhash"}, "others differ between processes"),
        ({"ranks": 2}, "1 in mode adaptive"),
        ({"cache_dtype": "fp8:uint8"}, "dtype of the KV cache"),
    ],
)
def test_engines_that_cannot_share_are_refused(change: dict, says: str) -> None:
    from dataclasses import replace

    config = TierConfig(model="ab" * 32)
    with pytest.raises(InvalidRequestError, match=says):
        namespace_of(config, replace(ENGINE, **change), LLAMA, 1, 30, 256)
    with pytest.raises(InvalidRequestError, match="a folder with weights"):
        namespace_of(TierConfig(), ENGINE, LLAMA, 1, 30, 256)


def test_chunks_are_whole_blocks() -> None:
    exact, adaptive = TierConfig(mode="exact"), TierConfig()
    assert [chunk_tokens(exact, b, b) for b in (16, 128, 48)] == [128, 128, 144]
    assert [chunk_tokens(adaptive, b, b) for b in (16, 128)] == [256, 256]
    assert chunk_tokens(TierConfig(chunk_tokens=384), 128, 128) == 384
    with pytest.raises(InvalidRequestError, match="a multiple of 128"):
        chunk_tokens(TierConfig(chunk_tokens=200), 128, 128)
