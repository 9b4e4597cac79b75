"""The deep transform of a joint profile: one more KLT over the leading components of all groups,
less what the token ids predict of them (docs/format.md section 4).

Statistics of a joint profile are taken as they are; this stage needs caches and token ids alone, no
gradients. The order of the prediction's features is that of the variance that they explain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from kvtier import block
from kvtier.deep import DeepTransform, TokenPrediction, pooled_octaves
from kvtier.encoder import token_classes, token_octaves
from kvtier.identity import Geometry
from kvtier.profile import Level, Profile, ProfileKind, sigma_index
from kvtier.tables import INDEX_OF_ONE, RUNG_SHIFT, TABLES

from .errors import CalibrationError
from .tables import CodeLengths

Tensor = torch.Tensor
CHUNK = 256
SKIP = 4
REDUCED_RIDGE = 10.0
TABLE_MAX = 127


@dataclass(frozen=True)
class DeepOptions:
    """How a joint profile becomes a deep one.

    leading: M; features of the token table, lags that are looked at, ridge in tokens (a direction
    of the features is believed from about that many tokens on); rank: shared components kept, None
    = all; step of rung 0, None = that of the joint profile times 1.5.
    """

    leading: int = 576
    features: int = 384
    lags: int = 2
    ridge: float = 1000.0
    rank: int | None = None
    step: float | None = None


@dataclass(frozen=True)
class Context:
    """A training text: token ids int `[tokens]` and components f32 `[tokens, R]` of each group."""

    ids: np.ndarray
    components: list[np.ndarray]

    @staticmethod
    def of(
        profile: Profile, geometry: Geometry, ids: np.ndarray, k: np.ndarray, v: np.ndarray
    ) -> Context:
        """From a cache as the engine holds it, its first token at position 0."""
        return Context(
            ids,
            [
                (block.gather(geometry, group, k, v, 0) - group.mean) @ group.analysis.T
                for group in profile.groups
            ],
        )


def fit_deep(
    joint: Profile,
    contexts: Iterable[Context],
    embedding: Tensor,
    tables: CodeLengths,
    options: DeepOptions,
) -> Profile:
    """The deep profile; `embedding` f32 `[vocabulary, width]` is the model's.

    Its levels are named as the joint profile's; what they cost is unmeasured here, and so is the
    loss.
    """
    least = min(group.rank for group in joint.groups)
    if joint.head_groups != 1 or joint.kind == ProfileKind.DATA_FREE or options.leading > least:
        raise CalibrationError(
            f"--joint has {joint.head_groups} head groups and at least {least} components a group, "
            f"expected one head group and {options.leading} components or more"
        )
    every = list(contexts)
    step = options.step or 1.5 * joint.step
    z = torch.cat([torch.from_numpy(_leading(c, options.leading)[SKIP:]) for c in every])
    prediction = _fit_prediction([c.ids for c in every], z, embedding, options)
    for context, rows in zip(every, z.split([len(c.ids) - SKIP for c in every])):
        rows -= torch.from_numpy(_predict(prediction, context.ids)[SKIP:])
    deep = _fit_transform(z, prediction, step, options)
    del z
    groups = tuple(
        replace(group, sigma_index=sigma_index(group.sigma, step)) for group in joint.groups
    )
    levels = tuple(
        Level(level.name, level.far_rung, level.last_rung, level.tail_rung)
        for level in joint.levels
        if not level.far_groups  # most of what groups have is shared here
    )
    draft = replace(
        joint, kind=ProfileKind.DEEP, step=step, groups=groups, deep=deep, levels=levels, loss=()
    )
    return _fit_coding(draft, deep, every, tables)


def _leading(context: Context, leading: int) -> np.ndarray:
    return np.hstack([y[:, :leading] for y in context.components])


def _predict(prediction: TokenPrediction, ids: np.ndarray) -> np.ndarray:
    """Chunk by chunk, as the codec does."""
    parts = [prediction.predict(ids[at : at + CHUNK]) for at in range(0, len(ids), CHUNK)]
    return np.concatenate(parts)


def _fit_prediction(
    ids: list[np.ndarray], z: Tensor, embedding: Tensor, options: DeepOptions
) -> TokenPrediction:
    """Reduced-rank ridge regression of z on the embeddings of a token and those before it.

    All lags share one table: the directions of the embeddings that explain most of z by any lag.
    """
    rows = embedding * embedding.square().mean(1, keepdim=True).add(1e-5).rsqrt()
    seen = torch.from_numpy(np.concatenate(ids).astype(np.int64))
    rows = rows - rows[seen].mean(0)
    width = rows.shape[1]
    gram, cross = _moments(ids, z, rows, options.lags)
    ridge = options.ridge / len(z) * gram.diagonal().mean()
    solved = torch.linalg.solve(gram + ridge * torch.eye(len(gram)), cross)
    stacked = torch.cat(solved.split(width), 1)
    root = torch.linalg.cholesky(gram[:width, :width] + 1e-6 * ridge * torch.eye(width))
    kept = min(options.features, width)
    axes = torch.linalg.svd(root.T @ stacked, full_matrices=False)[0][:, :kept]
    reduced = rows @ torch.linalg.solve(root.T, axes)
    scale = reduced[seen].abs().amax(0).clamp_min(1e-12) / TABLE_MAX
    table = (reduced / scale).round().clamp(-TABLE_MAX, TABLE_MAX)
    gram, cross = _moments(ids, z, table * scale, options.lags)
    ridge = REDUCED_RIDGE / len(z) * gram.diagonal().mean()
    matrix = torch.linalg.solve(gram + ridge * torch.eye(len(gram)), cross).T
    return TokenPrediction(
        options.lags,
        scale.numpy(),
        table.to(torch.int8).numpy(),
        matrix.half().float().contiguous().numpy(),
    )


def _moments(
    ids: list[np.ndarray], z: Tensor, rows: Tensor, lags: int
) -> tuple[Tensor, Tensor]:
    """Mean products of the features with themselves and with z."""
    width, at = rows.shape[1] * lags, 0
    gram, cross = torch.zeros(width, width), torch.zeros(width, z.shape[1])
    for tokens in ids:
        own = rows[torch.from_numpy(tokens.astype(np.int64))]
        features = torch.zeros(len(tokens), lags, rows.shape[1])
        position = torch.arange(len(tokens)) % CHUNK
        for lag in range(lags):
            features[lag:, lag] = own[: len(tokens) - lag]
            features[position < lag, lag] = 0
        features = features.flatten(1)[SKIP:]
        gram += features.T @ features
        cross += features.T @ z[at : at + len(features)]
        at += len(features)
    return gram / at, cross / at


def _fit_transform(
    rest: Tensor, prediction: TokenPrediction, step: float, options: DeepOptions
) -> DeepTransform:
    """The KLT of what the prediction leaves."""
    covariance = torch.zeros(rest.shape[1], rest.shape[1])
    for part in rest.split(4096):
        covariance.addmm_(part.T, part)
    energy, axes = torch.linalg.eigh(covariance.div_(len(rest)))
    energy, axes = energy.flip(0)[: options.rank], axes.flip(1)[:, : options.rank]
    sigma = energy.clamp_min(energy[0] * 1e-12).sqrt().numpy()
    matrix = axes.T.half().float().contiguous().numpy()
    return DeepTransform(options.leading, sigma, sigma_index(sigma, step), matrix, prediction)


def _fit_coding(
    draft: Profile, deep: DeepTransform, contexts: list[Context], tables: CodeLengths
) -> Profile:
    """Centroids, and centre and table of the class row, from tokens behind the start curve."""
    cells = TABLES * 4
    total, count = np.zeros(cells), np.zeros(cells)
    curve_end = max((position for position, _ in draft.curve), default=0)
    every = []
    for number, context in enumerate(contexts):
        y = context.components
        octaves = np.array([token_octaves(g, rows) for g, rows in zip(draft.groups, y)])
        classes = token_classes(draft, pooled_octaves(octaves), 0)
        every.append(classes[curve_end:])
        at = np.random.default_rng(number).choice(
            np.arange(curve_end, len(classes)), min(64, len(classes) - curve_end), replace=False
        )
        rest = _leading(context, deep.leading) - _predict(deep.prediction, context.ids)
        rows = [rest[at] @ deep.matrix.T, *(own[at, deep.leading :] for own in y)]
        indices = [deep.sigma_index, *(g.sigma_index[deep.leading :] for g in draft.groups)]
        _count(draft, np.hstack(rows), np.concatenate(indices), classes[at], total, count)
    prior = tables.centroids.double().flatten().numpy()
    centroids = ((total + 200 * prior) / (count + 200)).reshape(TABLES, 4).astype(np.float32)
    centroids[:, 0] = 0
    values = torch.from_numpy(np.concatenate(every).astype(np.int64))
    centre, table = min(
        product(range(draft.class_min, draft.class_max + 1), range(16, 48)),
        key=lambda pair: tables.base_bits(
            values - pair[0], torch.full_like(values, pair[1])
        ).sum().item(),
    )
    return replace(draft, centroids=centroids, class_centre=centre, class_table=table)


def _count(
    draft: Profile,
    y: np.ndarray,
    sigma: np.ndarray,
    classes: np.ndarray,
    total: np.ndarray,
    count: np.ndarray,
) -> None:
    """Add how far |y| lies below |q|, in steps, by table and min(|q|, 3), at every rung."""
    step = draft.step * np.exp2(classes / 2)[:, None]
    fine = np.floor(np.abs(y) * (3 ** (draft.rungs - 1) / step) + 0.5).astype(np.int64)
    for rung in range(draft.rungs - 1, -1, -1):
        index = np.clip(sigma.astype(np.int64) - 2 * classes[:, None] + RUNG_SHIFT[rung], 0, 63)
        cell = (4 * index + np.minimum(fine, 3)).ravel()
        shift = (fine - np.abs(y) * (3**rung / step)).ravel()
        total += np.bincount(cell, weights=shift, minlength=len(total))
        count += np.bincount(cell, minlength=len(count))
        fine = (fine + 1) // 3
