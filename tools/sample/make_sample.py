#!/usr/bin/env python3
"""Makes the KV cache in `examples/sample` from the model, and gives it back as float16.

    make_sample.py make   --out examples/sample                        # needs the model's weights
    make_sample.py decode --sample examples/sample/novel.safetensors --out DIR

`make` runs SmolLM2-135M by `tools/kvlab` (see its requirements) over 1,024 tokens of a test context
and stores the cache in 8 bits (`quantized_kv.py` has the arithmetic). `decode` writes the file
that `kvlab.py eval --only novel --decoded DIR` reads.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys

import numpy as np
from quantized_kv import dequantize, quantize, sha256
from safetensors import safe_open

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kvlab"))
import kvlab  # noqa: E402

FORMAT = "kvtier-sample-1"
FIRST_TOKENS = 1
GROUPS = {"k": 4, "v": 2}
"""Token groups with a scale and an offset of their own; keys need them more than values."""

SOURCES = {
    "novel": (
        "Mark Twain, The Adventures of Tom Sawyer (1876), end of the preface and chapter 1",
        "public domain",
    ),
}
"""Contexts that may be made into a sample: (text, its licence)."""


def make(args: argparse.Namespace) -> None:
    """Runs the model and writes out/CONTEXT.safetensors."""
    weights = args.gguf or kvlab.find_gguf()
    model = kvlab.SmolLM2(weights)
    ids = kvlab.contexts("test")[args.context]
    _, k, v = model.forward(ids[: kvlab.PREFIX], logits=False)
    tensors = {
        "tokens": ids[: kvlab.PREFIX].astype(np.int32),
        # One more than 128: kvlab feeds 128 tokens and predicts the token behind each.
        "next_tokens": ids[kvlab.PREFIX : kvlab.PREFIX + 129].astype(np.int32),
    }
    metadata = describe(model, args.context, weights)
    for name, x in (("k", k), ("v", v)):
        parts = quantize(x.astype(np.float16), GROUPS[name], FIRST_TOKENS)
        tensors |= {f"{name}_{part}": tensor for part, tensor in parts.items()}
        metadata[f"{name}_sha256"] = sha256(dequantize(parts))
    kvlab.save(args.out, args.context, tensors, metadata)
    path = os.path.join(args.out, args.context + ".safetensors")
    print(f"{path}: {os.path.getsize(path)} bytes")


def describe(model: kvlab.SmolLM2, context: str, weights: str) -> dict[str, str]:
    """The metadata of a sample, all of it strings as safetensors wants."""
    with open(weights, "rb") as file:
        weights_sha256 = hashlib.sha256(file.read()).hexdigest()
    source, licence = SOURCES[context]
    return {
        "format": FORMAT,
        "model": "SmolLM2-135M-Instruct Q4_1",
        "model_license": "Apache-2.0",
        "model_file": os.path.basename(weights),
        "model_sha256": weights_sha256,
        "context": context,
        "text_source": source,
        "text_license": licence,
        "layers": str(model.layers),
        "q_heads": str(model.q_heads),
        "kv_heads": str(model.kv_heads),
        "head_dim": str(model.head_dim),
        "tokens": str(kvlab.PREFIX),
        "first_position": "0",
        "rope_theta": str(model.theta),
        "rope_style": "rotate-half",
        "rope_applied": "true",
        "layout": "layers,tokens,kv_heads,head_dim",
        "dtype": "float16",
        "arithmetic": "x = float16(float32(offset) + float32(q) * float32(scale)); "
        "the first tokens are first as it is",
        "first_tokens": str(FIRST_TOKENS),
        "k_group_tokens": str(kvlab.PREFIX // GROUPS["k"]),
        "v_group_tokens": str(kvlab.PREFIX // GROUPS["v"]),
    }


def read(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(k and v float16 `[layers, tokens, kv_heads, head_dim]`, tokens and next_tokens int32;
    metadata) of a sample, checked against the digests it carries."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            sys.exit(f"{path}: format is {metadata.get('format')}, not {FORMAT}")
        got = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    result = {"tokens": got["tokens"], "next_tokens": got["next_tokens"]}
    for name in ("k", "v"):
        parts = {part: got[f"{name}_{part}"] for part in ("first", "q", "scale", "offset")}
        result[name] = dequantize(parts)
        if sha256(result[name]) != metadata[f"{name}_sha256"]:
            sys.exit(
                f"{path}: SHA-256 of {name} is {sha256(result[name])}, not "
                f"{metadata[f'{name}_sha256']} as its metadata says: get the file again"
            )
    return result, metadata


def decode(args: argparse.Namespace) -> None:
    """Writes the sample as kvlab's own files are: float16 k and v, and the tokens."""
    tensors, metadata = read(args.sample)
    del tensors["next_tokens"]
    kvlab.save(args.out, metadata["context"], tensors, None)
    print(os.path.join(args.out, metadata["context"] + ".safetensors"))


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="command", required=True)
    command = sub.add_parser("make", help=make.__doc__)
    command.add_argument("--out", required=True)
    command.add_argument("--context", choices=tuple(SOURCES), default="novel")
    command.add_argument("--gguf", help="another copy of the weights")
    command.set_defaults(run=make)
    command = sub.add_parser("decode", help=decode.__doc__)
    command.add_argument("--sample", required=True)
    command.add_argument("--out", required=True)
    command.set_defaults(run=decode)
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
