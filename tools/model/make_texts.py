#!/usr/bin/env python3
"""Texts for calibration or for judging: plain text files as an npz file of token ids.

    make_texts.py --model DIR --out FRESH.npz --prefix fresh_ novel=NOVEL.txt manual=MANUAL.gz@9000

Each NAME=FILE[@CHARACTER] becomes the int32 array PREFIX + NAME: `--tokens` ids by the model's own
tokenizer from that character on, begun as the tokenizer begins a sequence. Files are UTF-8, plain
or .gz; one that is too short is refused. DIR is a Hugging Face folder with a tokenizer.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np

CHARACTERS_A_TOKEN = 12


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with the tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="npz file to write")
    parser.add_argument("--prefix", default="train_", help="of the arrays' names [train_]")
    parser.add_argument("--tokens", type=int, default=1537, help="ids of a text [1537]")
    parser.add_argument("texts", nargs="+", metavar="NAME=FILE[@CHARACTER]")
    args = parser.parse_args(arguments)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    arrays = {}
    for text in args.texts:
        name, _, source = text.partition("=")
        path, _, start = source.partition("@")
        if not (name and path and (start or "0").isdigit()):
            sys.exit(f"text is {text!r}, expected NAME=FILE or NAME=FILE@CHARACTER")
        characters = read(Path(path))[int(start or 0) :][: CHARACTERS_A_TOKEN * args.tokens]
        ids = tokenizer(characters, verbose=False).input_ids[: args.tokens]
        if len(ids) < args.tokens:
            sys.exit(f"{path} has {len(ids)} tokens from there on, expected {args.tokens}")
        arrays[args.prefix + name] = np.array(ids, np.int32)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, **arrays)
    print(f"{args.out}: {len(arrays)} texts of {args.tokens} tokens")


def read(path: Path) -> str:
    """A text file's characters; exits with the reason where there are none."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"{path}: {error}; a text file in UTF-8 is expected")


if __name__ == "__main__":
    main()
