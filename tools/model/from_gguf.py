"""A GGUF file as a Hugging Face folder with float32 weights."""

from __future__ import annotations

import sys
from pathlib import Path

PROMPT = "The capital of France is"
EXPECTED = "Paris"


def convert(gguf: Path, out: Path) -> None:
    """Write the dequantized model and its tokenizer to `out`, after checking that it still
    answers."""
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
    prompt = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.no_grad():
        answer = tokenizer.decode(model.generate(prompt, max_new_tokens=8, do_sample=False)[0])
    if EXPECTED not in answer:
        sys.exit(
            f"the converted model says {answer!r}, expected {EXPECTED!r} in it: "
            "is the GGUF file intact?"
        )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    print(f"{out}: {sum(p.numel() for p in model.parameters())} parameters, {answer!r}")
