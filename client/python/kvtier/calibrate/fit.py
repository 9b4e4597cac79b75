"""From gathered documents to the arrays of a profile, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from .gather import load, load_gradients
from .model import KvShape
from .probe import features, fit_probe, position_curve
from .transform import Transform, fisher_blocks, fit_transform

Tensor = torch.Tensor


@dataclass(frozen=True)
class FitOptions:
    """How statistics become a profile; the defaults were chosen on training texts held out from the
    fit."""

    layers_per_group: int = 3
    blend: float = 0.3
    joint_fisher: bool = False
    ridge: float = 2000.0
    shrink: float = 0.7
    noise: float = 0.01
    weighted_axes: bool = False
    reweights: int = 1
    rank: int | None = None
    skip: int = 4
    skip_first_fit: int = 64


@dataclass(frozen=True)
class Corpus:
    """Statistics of all documents: `rows` and each of `draws` `[documents, layers, tokens, 2·row]`,
    float32."""

    names: list[str]
    rows: Tensor
    draws: list[Tensor]
    tokens: Tensor

    @staticmethod
    def read(folder: Path, names: list[str], shape: KvShape, draws: int) -> Corpus:
        rows, gradients, tokens = [], [[] for _ in range(draws)], []
        for name in names:
            document = load(folder, name, shape)
            for draw in range(draws):
                power = load_gradients(folder, name, shape, draw)
                gradients[draw].append(merge_keys_values(power))
            rows.append(merge_keys_values(document.rows))
            tokens.append(document.tokens)
        return Corpus(
            names, torch.stack(rows), [torch.stack(g) for g in gradients], torch.stack(tokens)
        )

    def subset(self, keep: list[int]) -> Corpus:
        return Corpus(
            [self.names[i] for i in keep],
            self.rows[keep],
            [d[keep] for d in self.draws],
            self.tokens[keep],
        )

    def group(self, layers: range) -> tuple[Tensor, list[Tensor]]:
        """Channels of a group in the format's order, `[documents, tokens, width]`, and the
        gradients alike."""
        return group_rows(self.rows, layers), [group_rows(draw, layers) for draw in self.draws]


def merge_keys_values(rows: Tensor) -> Tensor:
    """`[layers, 2, tokens, row]` → `[layers, tokens, 2·row]`."""
    return rows.transpose(1, 2).flatten(2)


def group_rows(rows: Tensor, layers: range) -> Tensor:
    """`[…, layers, tokens, 2·row]` → `[…, tokens, len(layers)·2·row]`."""
    part = rows[..., layers.start : layers.stop, :, :]
    return part.transpose(-3, -2).flatten(-2)


@dataclass(frozen=True)
class GroupFit:
    """What calibration leaves for one group; `probe` `[R + 1]` in log2 of sensitivity, `curve`
    `[tokens]` its factor."""

    layers: range
    transform: Transform
    probe: Tensor
    curve: Tensor


def fisher_scale(corpus: Corpus, skip: int) -> float:
    """One number for the whole model that makes a step near 1 useful: mean sensitivity times
    variance of an element.

    Taken from the first half of the contexts, before sensitivity rises towards their end.
    """
    total, parts = 0.0, 0
    for layer in range(corpus.rows.shape[1]):
        x, draws = corpus.group(range(layer, layer + 1))
        variance = x[:, skip:].flatten(0, 1).var(0)
        power = torch.stack(
            [g[:, skip : g.shape[1] // 2].flatten(0, 1).square().mean(0) for g in draws]
        ).mean(0)
        for half in (slice(0, len(variance) // 2), slice(len(variance) // 2, None)):
            total += (variance[half].mean() * power[half].mean()).item()
            parts += 1
    return total / parts


def fit_group(
    corpus: Corpus, layers: range, block: int, scale: float, options: FitOptions
) -> GroupFit:
    """Fit transform, start curve and probe of one group; two rounds, since the token weights need a
    transform first."""
    x, draws = corpus.group(layers)
    draws = [g / scale**0.5 for g in draws]
    width = x.shape[-1]
    block = width if options.joint_fisher else block

    def flat(t: Tensor, skip: int) -> Tensor:
        return t[:, skip:].flatten(0, 1)

    first = options.skip_first_fit
    blocks = fisher_blocks([flat(g, first) for g in draws], None, block, options.blend)
    transform = fit_transform(flat(x, first), blocks)
    for _ in range(options.reweights):
        probe, curve, z = _fit_weights(transform, x, draws, options)
        weight = flat(torch.exp2(z @ probe) * curve, options.skip)
        blocks = fisher_blocks([flat(g, options.skip) for g in draws], weight, block, options.blend)
        start = (
            flat(torch.exp2(z @ probe) * start_only(curve), options.skip)
            if options.weighted_axes
            else None
        )
        transform = fit_transform(flat(x, options.skip), blocks, options.rank, start)
    probe, curve, _ = _fit_weights(transform, x, draws, options)
    return GroupFit(layers, transform, probe, curve)


def _fit_weights(
    transform: Transform, x: Tensor, draws: list[Tensor], options: FitOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Probe, curve and features `[documents, tokens, R + 1]` under a transform."""
    energy = transform.sigma.square()
    matters = energy * options.noise / (energy + options.noise)
    power = torch.stack([(transform.gradient(g).square() @ matters) for g in draws]).mean(0)
    curve = position_curve(power)
    z = features(transform.forward(x).flatten(0, 1), transform.sigma).unflatten(0, x.shape[:2])
    relative = power / curve
    skip = options.skip
    probe = fit_probe(
        z[:, skip:].flatten(0, 1), relative[:, skip:].flatten(), options.ridge, options.shrink
    )
    return probe, curve, z


def start_only(curve: Tensor, until: int = 512) -> Tensor:
    """The curve without its rise towards the end of the context, which readers pay for by rungs."""
    flat = curve.clone()
    flat[until:] = curve[until - 1]
    return flat


def fit_all(corpus: Corpus, shape: KvShape, options: FitOptions) -> list[GroupFit]:
    """Every group of a model with `layers_per_group` consecutive layers each."""
    scale = fisher_scale(corpus, options.skip_first_fit)
    step = options.layers_per_group
    return [
        fit_group(corpus, range(first, min(first + step, shape.layers)), shape.row, scale, options)
        for first in range(0, shape.layers, step)
    ]
