"""A GGUF file as a Hugging Face folder with float32 weights."""

from __future__ import annotations

import math
import sys
from pathlib import Path

PROSE = (
    "The rain had stopped before noon, but water still ran down both sides of the road, and the "
    "horses walked slowly because the stones were wet. At the bridge an old man in a grey coat "
    "waited with two baskets of apples. He asked the driver whether there was room for him as far "
    "as the market, and when he heard the price he laughed, sat down on the wall and said that he "
    "would rather walk. An hour later it was raining again. The driver thought of the man more "
    "than once, and on the way home in the evening he looked for him at the bridge, but there was "
    "nobody, only one of the baskets, and it was empty."
)
LIMIT = 60.0
"""Perplexity of PROSE: 23 by SmolLM2-135M-Instruct, 19 by Gemma 3 270M, which is no model for
questions; 97 by Gemma without its begin token, 3e9 with norms off by one."""


def convert(gguf: Path, out: Path) -> None:
    """Write the dequantized model and its tokenizer to `out`, after checking that it still
    predicts prose."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    if hasattr(loaded.config, "quantization_config"):
        del loaded.config.quantization_config
    # A fresh module of the same class: the loaded one is marked as quantized and refuses to be
    # saved plainly.
    model = type(loaded)(loaded.config).to(torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.eval()
    found = check_predicts(model, tokenizer(PROSE).input_ids)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{out}: {parameters} parameters, perplexity of plain prose {found:.1f}")


def check_predicts(model, ids: list[int]) -> float:
    """The perplexity of plain prose; exits where a language model cannot be meant."""
    found = perplexity(model, ids)
    if not found <= LIMIT:
        sys.exit(
            f"the converted model's perplexity of plain prose is {found:.1f}, expected at most "
            f"{LIMIT:g}: is the GGUF file intact, and read by the rules of its architecture?"
        )
    return found


def perplexity(model, ids: list[int]) -> float:
    """Of all ids but the first, by a causal LM of transformers."""
    import torch

    tokens = torch.as_tensor(ids)[None]
    with torch.no_grad():
        return math.exp(model(tokens, labels=tokens).loss.item())
