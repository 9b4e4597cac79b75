"""Bits and loss of a profile on real contexts, by simulation: ideal code lengths, the model's own
predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .fit import group_rows, merge_keys_values
from .gather import PREFIX_TOKENS
from .model import CausalModel, KvShape, from_rows, rotate, to_rows
from .simulate import CodecProfile, base_bits, quantize, reconstruct, refinement_bits
from .tables import CodeLengths

Tensor = torch.Tensor
CHUNK = 256
TAIL = 32
RAW_BITS = 16


@dataclass(frozen=True)
class Level:
    """A reader's choice of rungs: of far chunks, of the last chunk, of its last tokens."""

    name: str
    far: int
    last: int
    tail: int

    def rungs(self, tokens: int) -> Tensor:
        out = torch.full((tokens,), self.far)
        out[-CHUNK:] = self.last
        out[-TAIL:] = self.tail
        return out


RECENT = Level("recent", 0, 1, 2)
FLAT = Level("flat", 0, 0, 0)


@dataclass(frozen=True)
class Coded:
    """A context after the codec, with its bits; `distortion` is the squared error in the whitened
    domain."""

    keys: Tensor
    values: Tensor
    bits: float
    stored_bits: float
    distortion: float


def code(
    profile: CodecProfile,
    tables: CodeLengths,
    shape: KvShape,
    keys: Tensor,
    values: Tensor,
    level: Level,
) -> Coded:
    """Send a context's cache (float16, keys after RoPE) at a level."""
    x = merge_keys_values(to_rows(shape, rotate(keys.float(), shape.theta, -1), values.float()))
    decoded = torch.empty_like(x)
    tokens = x.shape[1]
    rung = level.rungs(tokens)
    sent = stored = float(RAW_BITS * shape.elements)
    distortion = 0.0
    for group in profile.groups:
        rows = group_rows(x, group.layers)
        y = (rows - group.mean) @ group.analysis.T
        symbols = quantize(profile, group, y)
        y_decoded = reconstruct(profile, symbols, rung)
        back = group.mean + y_decoded @ group.synthesis
        decoded[group.layers.start : group.layers.stop] = back.unflatten(
            -1, (len(group.layers), -1)
        ).transpose(0, 1)
        distortion += (y - y_decoded)[1:].square().sum().item()
        class_bits = _class_bits(symbols.token_class)
        for start in range(0, tokens, CHUNK):
            part = slice(start, min(start + CHUNK, tokens))
            base, refined = _chunk_bits(tables, symbols, part)
            stored += base + sum(refined)
            sent += base
            if start + CHUNK >= tokens:
                sent += (
                    refined[0] * (level.last >= 1)
                    + refined[1] * (level.tail >= 1)
                    + refined[2] * (level.tail >= 2)
                )
            elif level.far >= 1:
                sent += refined[0] + refined[1]
        sent += class_bits
        stored += class_bits
    split = decoded.unflatten(-1, (2, -1)).transpose(1, 2)
    out_keys, out_values = from_rows(shape, split)
    out_keys = rotate(out_keys, shape.theta, 1).half()
    out_values = out_values.half().clone()
    out_keys[:, 0], out_values[:, 0] = keys[:, 0], values[:, 0]
    return Coded(out_keys, out_values, sent, stored, distortion)


def _chunk_bits(
    tables: CodeLengths, symbols, part: slice
) -> tuple[float, tuple[float, float, float]]:
    """Bits of a chunk's base and of its refinements: rung 1 of the head, rung 1 and rung 2 of the
    tail."""
    one = type(symbols)(
        [q[part] for q in symbols.q],
        [i[part] for i in symbols.index],
        symbols.step[part],
        symbols.token_class[part],
    )
    first = 1 if part.start == 0 else 0
    tail = max(part.stop - part.start - TAIL, 0)
    base = base_bits(tables, one, first).sum().item()
    head_1 = refinement_bits(tables, one, 1, slice(first, tail)).sum().item()
    tail_1 = refinement_bits(tables, one, 1, slice(tail, None)).sum().item()
    tail_2 = refinement_bits(tables, one, 2, slice(tail, None)).sum().item()
    return base, (head_1, tail_1, tail_2)


def _class_bits(token_class: Tensor) -> float:
    share = torch.bincount(token_class + 64).double()
    share = share[share > 0] / len(token_class)
    return -(share * share.log2()).sum().item() * len(token_class)


class Judge:
    """The loss that decoded caches cause on the tokens that follow, exact cache against decoded."""

    def __init__(self, model: CausalModel, following: int = 128) -> None:
        self._model = model
        self._following = following
        self._exact: dict[str, tuple[np.ndarray, Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def add(self, name: str, ids: np.ndarray, cache: tuple[Tensor, Tensor] | None = None) -> None:
        keys, values = cache or self._model.prefill(ids[:PREFIX_TOKENS])
        following = ids[PREFIX_TOKENS : PREFIX_TOKENS + self._following + 1]
        exact = self._model.logits(following[:-1], keys.float(), values.float()).log_softmax(-1)
        self._exact[name] = (following, keys, values, exact)

    @property
    def names(self) -> list[str]:
        return list(self._exact)

    def cache(self, name: str) -> tuple[Tensor, Tensor]:
        return self._exact[name][1], self._exact[name][2]

    @torch.no_grad()
    def score(self, name: str, keys: Tensor, values: Tensor) -> dict[str, float]:
        following, _, _, exact = self._exact[name]
        lossy = self._model.logits(following[:-1], keys.float(), values.float()).log_softmax(-1)
        at = torch.as_tensor(following[1:]).long()[:, None]
        return {
            "kl": (exact.exp() * (exact - lossy)).sum(-1).mean().item(),
            "dnll": (exact - lossy).gather(1, at).mean().item(),
            "top1": 100 * (exact.argmax(-1) == lossy.argmax(-1)).float().mean().item(),
        }


def measure(
    judge: Judge, profile: CodecProfile, tables: CodeLengths, shape: KvShape, level: Level
) -> dict[str, float]:
    """Means over the judge's contexts: sent and stored bits per element, KL, ΔPPL in percent, top-1
    agreement."""
    rows = []
    for name in judge.names:
        keys, values = judge.cache(name)
        coded = code(profile, tables, shape, keys, values, level)
        elements = shape.elements * keys.shape[1]
        rows.append(
            {
                "bits": coded.bits / elements,
                "stored": coded.stored_bits / elements,
                "distortion": coded.distortion / elements,
                **judge.score(name, coded.keys, coded.values),
            }
        )
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    mean["dppl"] = 100 * math.expm1(mean.pop("dnll"))
    return mean
