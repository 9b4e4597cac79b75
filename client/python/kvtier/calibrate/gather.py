"""One pass over the training texts: caches and gradients, a file a document, so that a stopped run
resumes."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from .errors import CalibrationError
from .model import CausalModel, KvShape, rotate, to_rows

PREFIX_TOKENS = 1024
FOLLOWING_TOKENS = 256


@dataclass(frozen=True)
class Document:
    """Statistics of one context, float32 rows `[layers, 2, tokens, channels]` (keys before RoPE,
    then values)."""

    name: str
    tokens: torch.Tensor
    rows: torch.Tensor
    gradients: torch.Tensor


def read_texts(path: Path, prefix: str) -> dict[str, np.ndarray]:
    """Token ids of every array of an npz file whose name starts with `prefix`."""
    needed = PREFIX_TOKENS + FOLLOWING_TOKENS
    with np.load(path) as arrays:
        texts = {name: arrays[name] for name in sorted(arrays.files) if name.startswith(prefix)}
    short = [f"{name} has {len(ids)}" for name, ids in texts.items() if len(ids) < needed]
    if short:
        raise CalibrationError(f"{path}: {short[0]} tokens, {needed} are needed for each text")
    if not texts:
        raise CalibrationError(f"{path}: no array whose name starts with {prefix!r}")
    return texts


def gather(model: CausalModel, texts: dict[str, np.ndarray], folder: Path, draws: int = 1) -> None:
    """Write what `load` reads, skipping documents that are there; `draws` labellings are averaged
    in power."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for index, (name, ids) in enumerate(texts.items()):
        target = folder / f"{name}.safetensors"
        if not target.exists():
            _gather_one(model, ids, target, torch.Generator().manual_seed(index), draws)
        print(
            f"gather {index + 1}/{len(texts)} {name} {time.monotonic() - started:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def _gather_one(
    model: CausalModel, ids: np.ndarray, target: Path, generator: torch.Generator, draws: int
) -> None:
    keys, values = model.prefill(ids[:PREFIX_TOKENS])
    following = ids[PREFIX_TOKENS : PREFIX_TOKENS + FOLLOWING_TOKENS]
    tensors = {
        "k": keys.contiguous(),
        "v": values.contiguous(),
        "tokens": torch.as_tensor(ids[:PREFIX_TOKENS]),
    }
    for draw in range(draws):
        grad_keys, grad_values = model.gradients(following, keys, values, generator)
        tensors[f"gk{draw}"], tensors[f"gv{draw}"] = (
            grad_keys.contiguous(),
            grad_values.contiguous(),
        )
    partial = target.with_suffix(".partial")
    save_file(tensors, partial)
    os.replace(partial, target)


def load(folder: Path, name: str, shape: KvShape, draw: int = 0) -> Document:
    """A gathered document, keys and their gradients before RoPE."""
    tensors = load_file(folder / f"{name}.safetensors")
    keys = rotate(tensors["k"].float(), shape.theta, -1)
    gradients = to_rows(shape, rotate(tensors[f"gk{draw}"], shape.theta, -1), tensors[f"gv{draw}"])
    return Document(name, tensors["tokens"], to_rows(shape, keys, tensors["v"].float()), gradients)
