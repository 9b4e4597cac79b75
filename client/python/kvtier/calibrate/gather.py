"""One pass over the training texts: caches and gradients, a file each, so that a stopped run
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
LABELLINGS_APART = 100_003


@dataclass(frozen=True)
class Document:
    """Statistics of one context, float32 rows `[layers, 2, tokens, channels]` (keys before RoPE,
    then values)."""

    name: str
    tokens: torch.Tensor
    rows: torch.Tensor


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
    """Write what `load` and `load_gradients` read, skipping files that are there.

    `draws` labellings of each text, whose powers are averaged: each is one backward pass. All texts
    get their first before any gets its second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(draw, index, name) for draw in range(-1, draws) for index, name in enumerate(texts)]
    started = time.monotonic()
    for done, (draw, index, name) in enumerate(jobs):
        target = cache_file(folder, name) if draw < 0 else gradient_file(folder, name, draw)
        if not target.exists():
            if draw < 0:
                _save(target, _cache(model, texts[name]))
            else:
                generator = torch.Generator().manual_seed(index + LABELLINGS_APART * draw)
                _save(target, _gradients(model, folder, name, texts[name], generator))
        elif draw < 0:
            _check_same_text(target, texts[name])
        print(
            f"gather {done + 1}/{len(jobs)} {target.stem} {time.monotonic() - started:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def cache_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.cache.safetensors"


def gradient_file(folder: Path, name: str, draw: int) -> Path:
    return folder / f"{name}.gradients-{draw}.safetensors"


def _cache(model: CausalModel, ids: np.ndarray) -> dict[str, torch.Tensor]:
    keys, values = model.prefill(ids[:PREFIX_TOKENS])
    tokens = torch.as_tensor(ids[:PREFIX_TOKENS])
    return {"k": keys.contiguous(), "v": values.contiguous(), "tokens": tokens}


def _gradients(
    model: CausalModel, folder: Path, name: str, ids: np.ndarray, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    cache = load_file(cache_file(folder, name))
    following = ids[PREFIX_TOKENS : PREFIX_TOKENS + FOLLOWING_TOKENS]
    keys, values = model.gradients(following, cache["k"], cache["v"], generator)
    return {"k": keys.contiguous(), "v": values.contiguous()}


def _save(target: Path, tensors: dict[str, torch.Tensor]) -> None:
    partial = target.with_suffix(".partial")
    save_file(tensors, partial)
    os.replace(partial, target)


def _check_same_text(target: Path, ids: np.ndarray) -> None:
    if not np.array_equal(load_file(target)["tokens"].numpy(), ids[:PREFIX_TOKENS]):
        raise CalibrationError(
            f"{target} was gathered from another text of this name: use another --work folder"
        )


def load(folder: Path, name: str, shape: KvShape) -> Document:
    """A gathered cache, keys before RoPE."""
    tensors = load_file(cache_file(folder, name))
    keys = rotate(tensors["k"].float(), shape.theta, -1)
    return Document(name, tensors["tokens"], to_rows(shape, keys, tensors["v"].float()))


def load_gradients(folder: Path, name: str, shape: KvShape, draw: int) -> torch.Tensor:
    """Gradients of one labelling in the layout of `Document.rows`, keys before RoPE."""
    tensors = load_file(gradient_file(folder, name, draw))
    return to_rows(shape, rotate(tensors["k"], shape.theta, -1), tensors["v"])
