#!/usr/bin/env python3
"""Lets each token policy drop half of real caches, for kvlab to judge.

    python tools/kvlab/kvlab.py dump --split facts --out DUMP
    python tools/kvlab/kvlab.py attn --split facts --out ATTN
    python tools/methods/drop.py --dump DUMP --attn ATTN --out OUT --classes codec/target/classes
    python tools/kvlab/kvlab.py facts --decoded OUT/H2O

Each policy gets a folder under OUT with the caches and its masks. The decisions are the Java
classes' own; `Kept.java` calls them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kvlab"))
SHAPE = (2, 30, 3, 1024)


def token_strings() -> list[str]:
    """The strings of the vocabulary in the model's file."""
    from gguf import GGUFReader
    from smollm2 import find_gguf

    field = GGUFReader(find_gguf()).fields["tokenizer.ggml.tokens"]
    return [bytes(field.parts[i]).decode("utf-8").replace("\u010a", "\\n") for i in field.data]


def drop(args: argparse.Namespace, path: Path, vocabulary: list[str]) -> None:
    """Writes a context's cache with the masks of every policy."""
    cache = load_file(path)
    tensors = {**cache, **load_file(Path(args.attn) / path.name)}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("k", "v", "attn_sum", "attn_window", "query_window", "query_moments"):
            tensors[name].astype("<f4").tofile(Path(folder) / name)
        strings = [vocabulary[i] for i in cache["tokens"]]
        (Path(folder) / "strings").write_text("\n".join(strings) + "\n", encoding="utf-8")
        java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
        modules = ["--add-modules", "jdk.incubator.vector", "-cp", args.classes]
        program = [str(HERE / "Kept.java"), folder, str(args.share)]
        subprocess.run([java, *modules, *program], check=True)
        for kept in sorted(Path(folder).glob("*.kept")):
            bits = np.fromfile(kept, np.uint8).reshape(SHAPE)
            masks = {"kept_k": bits[0], "kept_v": bits[1]}
            masks = {name: (mask > 0).astype(np.uint8) for name, mask in masks.items()}
            out = Path(args.out) / kept.stem.replace(" ", "-")
            out.mkdir(parents=True, exist_ok=True)
            save_file(cache | masks, out / path.name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--dump", "--attn", "--out", "--classes"):
        parser.add_argument(name, required=True)
    parser.add_argument("--only", help="names of contexts, comma separated")
    parser.add_argument("--share", type=float, default=0.5, help="of the bytes that stay")
    args = parser.parse_args()
    vocabulary = token_strings()
    for path in sorted(Path(args.dump).glob("*.safetensors")):
        if not args.only or path.stem in args.only.split(","):
            drop(args, path, vocabulary)


if __name__ == "__main__":
    main()
