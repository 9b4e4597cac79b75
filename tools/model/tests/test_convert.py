"""Conversion on tiny models and tokenizers whose answers are known."""

from __future__ import annotations

import math

import make_gemma3
import numpy as np
import pytest
import torch
from from_gguf import check_predicts, perplexity
from tokenizers import Tokenizer, decoders, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LETTERS = "abcdefgh "


def model_that_says(odds: float) -> LlamaForCausalLM:
    """After any token, token 1 is `odds` times as likely as each of the other 99."""
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.fill_(1.0)
        model.model.norm.weight.fill_(1.0)
        model.lm_head.weight.zero_()
        model.lm_head.weight[1] = math.log(odds) / 8
    return model


def test_perplexity_knownOdds_isTheirShare():
    model = model_that_says(9)
    assert math.isclose(perplexity(model, [5, 1, 1, 1]), 108 / 9, rel_tol=1e-4)
    assert math.isclose(perplexity(model, [1, 7, 7]), 108, rel_tol=1e-4)


def test_checkPredicts_modelThatGuesses_isRefused():
    assert check_predicts(model_that_says(9), [5, 1, 1]) < 13
    with pytest.raises(SystemExit, match="prose is 100.0, expected at most 60"):
        check_predicts(model_that_says(1), [5, 1, 1])


def tokenizer(folder, letters: str) -> None:
    """A tokenizer with an id for each letter, 0 for the beginning."""
    ids = {token: at for at, token in enumerate(["<bos>", *letters])}
    whole = Tokenizer(models.BPE(ids, []))
    whole.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=whole, bos_token="<bos>").save_pretrained(folder)


def test_writeTexts_otherTokenizer_saysTheSameAfterABeginToken(tmp_path, monkeypatch):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    tokenizer(theirs, LETTERS)
    tokenizer(ours, LETTERS[::-1])
    monkeypatch.setattr(make_gemma3, "TEXTS", tmp_path / "texts.npz")
    np.savez(tmp_path / "texts.npz", train_x=np.array([1, 9, 2, 3], np.int32))
    make_gemma3.write_texts(theirs, ours)
    with np.load(ours / "tokens.npz") as texts:
        assert texts["train_x"].tolist() == [0, 9, 1, 8, 7]
