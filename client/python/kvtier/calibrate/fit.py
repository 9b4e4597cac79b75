"""From gathered documents to the arrays of a profile, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from kvtier.data_free import value_weight

from .errors import CalibrationError
from .gather import load, load_gradients
from .model import KvShape
from .probe import features, fit_probe, position_curve
from .transform import Transform, fisher_blocks, fit_transform

Tensor = torch.Tensor
SAMPLES_PER_CHANNEL = 4
BLIND_CURVE = ((0, 4, 16.0), (4, 16, 8.0), (16, 64, 3.0))
"""How sensitive the first tokens of a sequence are without gradients to tell: start, end, times."""


@dataclass(frozen=True)
class FitOptions:
    """How statistics become a profile; the defaults were chosen on training texts held out from the
    fit."""

    layers_per_group: int = 3
    heads_apart: bool = False
    blend: float = 0.3
    joint_fisher: bool = False
    ridge: float = 2000.0
    shrink: float = 0.7
    noise: float = 0.01
    reweights: int = 1
    rank: int | None = None
    skip: int = 4
    skip_first_fit: int = 64
    gradients: bool = True


@dataclass(frozen=True)
class Corpus:
    """Statistics of all documents: `rows` and each of `draws` (none without gradients)
    `[documents, layers, tokens, 2·row]`, float32."""

    names: list[str]
    shape: KvShape
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
            names,
            shape,
            torch.stack(rows),
            [torch.stack(g) for g in gradients],
            torch.stack(tokens),
        )

    def subset(self, keep: list[int]) -> Corpus:
        return Corpus(
            [self.names[i] for i in keep],
            self.shape,
            self.rows[keep],
            [d[keep] for d in self.draws],
            self.tokens[keep],
        )

    def group(
        self, layers: Sequence[int], heads: tuple[int, ...] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Channels of a group in the format's order, `[documents, tokens, width]`, and the
        gradients alike; of all heads by default."""
        channels = None if heads is None else self.shape.channels(heads)
        rows, *draws = (group_rows(x, layers, channels) for x in (self.rows, *self.draws))
        return rows, draws


def merge_keys_values(rows: Tensor) -> Tensor:
    """`[layers, 2, tokens, row]` → `[layers, tokens, 2·row]`."""
    return rows.transpose(1, 2).flatten(2)


def group_rows(rows: Tensor, layers: Sequence[int], channels: Tensor | None = None) -> Tensor:
    """`[…, layers, tokens, 2·row]` → `[…, tokens, len(layers)·2·row]`, or of some channels of each
    layer's row alone."""
    chosen = rows[..., list(layers), :, :]
    if channels is not None and len(channels) < rows.shape[-1]:
        chosen = chosen[..., channels]
    return chosen.transpose(-3, -2).flatten(-2)


@dataclass(frozen=True)
class GroupFit:
    """What calibration leaves for one group; `probe` `[R + 1]` in log2 of sensitivity, `curve`
    `[tokens]` its factor."""

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    transform: Transform
    probe: Tensor
    curve: Tensor


def fisher_scale(corpus: Corpus, skip: int) -> float:
    """One number for the whole model that makes a step near 1 useful: mean sensitivity times
    variance of an element.

    Taken from the first half of the tokens that the following ones see, before sensitivity rises
    towards the end of the context.
    """
    total, parts, shape = 0.0, 0, corpus.shape
    for layer in range(shape.layers):
        x, draws = corpus.group((layer,))
        seen = shape.seen_from(layer, x.shape[1])
        half_way = (seen + x.shape[1]) // 2
        variance = x[:, skip:].flatten(0, 1).var(0)
        power = torch.stack(
            [g[:, seen + skip : half_way].flatten(0, 1).square().mean(0) for g in draws]
        ).mean(0)
        for half in (slice(0, len(variance) // 2), slice(len(variance) // 2, None)):
            total += (variance[half].mean() * power[half].mean()).item()
            parts += 1
    return total / parts


def fit_group(
    corpus: Corpus,
    layers: tuple[int, ...],
    heads: tuple[int, ...],
    scale: float,
    options: FitOptions,
) -> GroupFit:
    """Fit transform, start curve and probe of one group; two rounds, since the token weights need a
    transform first.

    Of sliding layers only the tokens that the following ones see have gradients.
    """
    x, draws = corpus.group(layers, heads)
    seen = corpus.shape.seen_from(layers[0], x.shape[1])
    near, draws = x[:, seen:], [g[:, seen:] / scale**0.5 for g in draws]
    block = x.shape[-1] if options.joint_fisher else len(heads) * corpus.shape.dim

    def flat(t: Tensor, skip: int) -> Tensor:
        return t[:, skip:].flatten(0, 1)

    first = options.skip_first_fit
    blocks = fisher_blocks([flat(g, first) for g in draws], None, block, options.blend)
    transform = fit_transform(flat(x, first), blocks)
    for _ in range(options.reweights):
        probe, curve, z = _fit_weights(transform, near, seen, draws, options)
        weight = flat(torch.exp2(z @ probe) * curve, options.skip)
        blocks = fisher_blocks([flat(g, options.skip) for g in draws], weight, block, options.blend)
        transform = fit_transform(flat(x, options.skip), blocks, options.rank)
    probe, curve, _ = _fit_weights(transform, near, seen, draws, options)
    return GroupFit(layers, heads, transform, probe, start_only(curve, seen, x.shape[1]))


def fit_group_blind(
    corpus: Corpus, layers: tuple[int, ...], heads: tuple[int, ...], options: FitOptions
) -> GroupFit:
    """A group without gradients: a guess of one sensitivity for the keys and one for the values of
    each layer, no probe.

    The guess is the data-free profile's: an error matters by its share of the rows' variance, and
    in the values of early layers more than in those of late ones.
    """
    x, _ = corpus.group(layers, heads)
    samples = x[:, options.skip :].flatten(0, 1)
    row = len(heads) * corpus.shape.dim
    variance = samples.var(0).view(len(layers), 2, row).mean(2).double()
    identity = torch.eye(row, dtype=torch.float64)
    blocks = []
    for index, layer in enumerate(layers):
        for part, weight in ((0, 1.0), (1, value_weight(layer, corpus.shape.layers))):
            blocks.append(identity / (variance[index, part] * weight**2).clamp_min(1e-20))
    transform = fit_transform(samples, blocks, options.rank)
    curve = torch.ones(x.shape[1])
    for start, end, sensitivity in BLIND_CURVE:
        curve[start:end] = sensitivity
    return GroupFit(layers, heads, transform, torch.zeros(len(transform.sigma) + 1), curve)


def _fit_weights(
    transform: Transform, x: Tensor, first: int, draws: list[Tensor], options: FitOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Probe, curve and features `[documents, tokens, R + 1]` under a transform; `x` are the tokens
    from position `first` on."""
    energy = transform.sigma.square()
    matters = energy * options.noise / (energy + options.noise)
    power = torch.stack([(transform.gradient(g).square() @ matters) for g in draws]).mean(0)
    curve = position_curve(power, first)
    z = features(transform.forward(x).flatten(0, 1), transform.sigma).unflatten(0, x.shape[:2])
    relative = power / curve
    skip = options.skip
    probe = fit_probe(
        z[:, skip:].flatten(0, 1), relative[:, skip:].flatten(), options.ridge, options.shrink
    )
    return probe, curve, z


def start_only(curve: Tensor, first: int, tokens: int) -> Tensor:
    """The curve `[tokens]` without its rise towards the end of the context, which readers pay for
    by rungs; `curve` begins at position `first`, and is flat where that is not 0."""
    half_way = (tokens - first) // 2
    flat = curve[half_way - 1].repeat(tokens)
    if first == 0:
        flat[:half_way] = curve[:half_way]
    return flat


def fit_all(corpus: Corpus, options: FitOptions) -> list[GroupFit]:
    """Every group of a model in the format's order: `layers_per_group` layers of one kind of
    attention each, with all heads, or for each head apart."""
    shape, heads = corpus.shape, tuple(range(corpus.shape.heads))
    head_groups = [(head,) for head in heads] if options.heads_apart else [heads]
    groups = list(product(shape.groups(options.layers_per_group), head_groups))
    width = 2 * shape.dim * max(len(layers) * len(own) for layers, own in groups)
    samples = corpus.rows.shape[0] * corpus.rows.shape[2]
    if samples < SAMPLES_PER_CHANNEL * width:
        raise CalibrationError(
            f"{samples} tokens of text for groups of {width} channels: give at least "
            f"{SAMPLES_PER_CHANNEL * width}, or group fewer layers"
        )
    if not options.gradients:
        return [fit_group_blind(corpus, *group, options) for group in groups]
    scale = fisher_scale(corpus, options.skip_first_fit)
    return [fit_group(corpus, *group, scale, options) for group in groups]
