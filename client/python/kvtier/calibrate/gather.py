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
    """Write what `load` and `load_gradients` read, keeping what is there.

    `draws` labellings of each text, whose powers are averaged: each is one backward pass. All texts
    get their first before any gets its second; without any, caches alone are gathered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(draw, index, name) for draw in range(-1, draws) for index, name in enumerate(texts)]
    started = time.monotonic()
    for done, (draw, index, name) in enumerate(jobs):
        keys, values = cached(model, folder, name, texts[name][:PREFIX_TOKENS])
        target = gradient_file(folder, name, draw)
        if draw >= 0 and not target.exists():
            following = texts[name][PREFIX_TOKENS : PREFIX_TOKENS + FOLLOWING_TOKENS]
            generator = torch.Generator().manual_seed(index + LABELLINGS_APART * draw)
            keys, values = model.gradients(following, keys, values, generator)
            _save(target, {"k": keys.contiguous(), "v": values.contiguous()})
        what = "cache" if draw < 0 else f"gradients {draw + 1}"
        print(
            f"gather {done + 1}/{len(jobs)} {name} {what} {time.monotonic() - started:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def cached(
    model: CausalModel, folder: Path, name: str, ids: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cache of `ids` as `CausalModel.prefill` gives it, from the folder if it is there."""
    target = cache_file(folder, name)
    if target.exists():
        tensors = load_file(target)
        if not np.array_equal(tensors["tokens"].numpy(), ids):
            raise CalibrationError(
                f"{target} was gathered from another text of this name: use another --work folder"
            )
        return tensors["k"], tensors["v"]
    keys, values = model.prefill(ids)
    tokens = torch.as_tensor(ids)
    _save(target, {"k": keys.contiguous(), "v": values.contiguous(), "tokens": tokens})
    return keys, values


def cache_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.cache.safetensors"


def gradient_file(folder: Path, name: str, draw: int) -> Path:
    return folder / f"{name}.gradients-{draw}.safetensors"


def _save(target: Path, tensors: dict[str, torch.Tensor]) -> None:
    partial = target.with_suffix(".partial")
    save_file(tensors, partial)
    os.replace(partial, target)


def load(folder: Path, name: str, shape: KvShape) -> Document:
    """A gathered cache, keys before RoPE."""
    tensors = load_file(cache_file(folder, name))
    keys = rotate(tensors["k"].float(), shape.theta, -1)
    return Document(name, tensors["tokens"], to_rows(shape, keys, tensors["v"].float()))


def load_gradients(folder: Path, name: str, shape: KvShape, draw: int) -> torch.Tensor:
    """Gradients of one labelling in the layout of `Document.rows`, keys before RoPE."""
    tensors = load_file(gradient_file(folder, name, draw))
    return to_rows(shape, rotate(tensors["k"], shape.theta, -1), tensors["v"])
