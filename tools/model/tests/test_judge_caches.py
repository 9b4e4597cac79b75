"""Caches of a tiny model with sliding windows: exact ones lose nothing, spoiled ones do."""

from __future__ import annotations

import json

import judge_caches
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    """A folder with a model, texts and the dumped cache of the one that is a test."""
    folder = tmp_path_factory.mktemp("judge")
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=512,
        layer_types=["sliding_attention", "full_attention"],
        initializer_range=0.5,
    )
    Gemma3ForCausalLM(config).save_pretrained(folder / "model")
    ids = np.random.default_rng(0).integers(0, 64, (2, 1300)).astype(np.int32)
    np.savez(folder / "texts.npz", test_x=ids[0], train_x=ids[1])
    run("dump", folder, "--out", folder / "caches")
    return folder


def run(command, folder, *more) -> None:
    where = ["--model", folder / "model", "--texts", folder / "texts.npz", "--work", folder / "w"]
    judge_caches.main([command, *map(str, where), *map(str, more)])


def judged(capsys, folder, decoded, *more) -> list[dict]:
    capsys.readouterr()
    run("eval", folder, "--decoded", decoded, *more)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def spoiled(folder, change) -> None:
    tensors = load_file(folder / "caches/test_x.safetensors")
    change(tensors)
    (folder / "spoiled").mkdir(exist_ok=True)
    save_file(tensors, folder / "spoiled/test_x.safetensors")


def test_dump_slidingLayers_saysWindowsAndBasesOfEveryLayer(dumped):
    assert [path.name for path in (dumped / "caches").iterdir()] == ["test_x.safetensors"]
    with safe_open(dumped / "caches/test_x.safetensors", "pt") as file:
        says = file.metadata()
        assert file.get_tensor("k").shape == (2, 1024, 1, 8)
        assert file.get_tensor("tokens").dtype == torch.int32
    assert (says["rope_theta"], says["window"]) == ("10000.0,1000000.0", "512,-1")
    assert (says["q_heads"], says["model"]) == ("2", "model")


def test_eval_exactCaches_loseNothing(dumped, capsys):
    context, everything = judged(capsys, dumped, dumped / "caches")
    assert context["context"] == "test_x" and abs(context["kl"]) < 1e-6
    assert (everything["contexts"], everything["top1"], everything["dppl"]) == (1, 100, 0)


def test_eval_onlyUnseenTokensSpoiled_losesNothing(dumped, capsys):
    spoiled(dumped, lambda tensors: tensors["v"][0, :512].zero_())
    assert abs(judged(capsys, dumped, dumped / "spoiled")[-1]["kl"]) < 1e-6
    spoiled(dumped, lambda tensors: tensors["v"][1, :512].zero_())
    assert judged(capsys, dumped, dumped / "spoiled")[-1]["kl"] > 1e-5


def test_eval_cachesThatDoNotFit_areRefusedByName(dumped, capsys):
    with pytest.raises(SystemExit, match="test_x.safetensors: .*every context is expected"):
        judged(capsys, dumped, dumped / "nowhere")
    spoiled(dumped, lambda tensors: tensors["k"].fill_(torch.nan))
    with pytest.raises(SystemExit, match="'k' is not finite"):
        judged(capsys, dumped, dumped / "spoiled")
    spoiled(dumped, lambda tensors: tensors.pop("v"))
    with pytest.raises(SystemExit, match="'v' is missing, expected"):
        judged(capsys, dumped, dumped / "spoiled")
    with pytest.raises(SystemExit, match="no text 'test_y'.*it has test_x"):
        judged(capsys, dumped, dumped / "caches", "--only", "test_y")
