"""The codec of `docs/format.md` in torch: symbols, ideal code lengths and decoded values, without
writing a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kvtier.tables import INDEX_OF_ONE, RUNG_SHIFT, TABLES

from .fit import Corpus, GroupFit, group_rows
from .probe import features
from .tables import CodeLengths

Tensor = torch.Tensor
CLASS_MIN, CLASS_MAX = -10, 6


@dataclass(frozen=True)
class GroupCodec:
    """One group of a profile, ready to code; arrays as in the profile file."""

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    mean: Tensor
    analysis: Tensor
    synthesis: Tensor
    sigma: Tensor
    sigma_index: Tensor
    probe: Tensor


@dataclass(frozen=True)
class CodecProfile:
    """All groups with what they share, at layer group · `head_groups` + head group. `curve`
    `[tokens]` in octaves of step, 0 after its end."""

    step: float
    groups: list[GroupCodec]
    curve: Tensor
    centroids: Tensor

    @property
    def head_groups(self) -> int:
        """Groups of one list of layers: they lie side by side."""
        first = self.groups[0].layers
        return sum(group.layers == first for group in self.groups)

    def octaves(self, first_position: int, tokens: int) -> Tensor:
        end = max(len(self.curve), first_position + tokens)
        padded = torch.zeros(end)
        padded[: len(self.curve)] = self.curve
        return padded[first_position : first_position + tokens]


def sigma_index(sigma: Tensor, step: float) -> Tensor:
    return ((4 * (sigma / step).log2()).round() + INDEX_OF_ONE).clamp(0, TABLES - 1).long()


def to_codec(fits: list[GroupFit], step: float, centroids: Tensor) -> CodecProfile:
    """Round a fit to what the file holds (float16 matrices, one curve for all groups)."""
    log_curves = torch.stack([-0.5 * fit.curve.log2() for fit in fits])
    ends = log_curves[:, -1]
    curves = log_curves - ends[:, None]
    rising = curves[curves.ne(0).any(1)]
    curve = rising.mean(0) if len(rising) else curves[0]
    groups = []
    for fit, end in zip(fits, ends):
        t = fit.transform
        probe = -0.5 * fit.probe
        probe[-1] += end
        groups.append(
            GroupCodec(
                fit.layers,
                fit.heads,
                t.mean,
                t.analysis.half().float(),
                t.synthesis.half().float(),
                t.sigma,
                sigma_index(t.sigma, step),
                probe,
            )
        )
    return CodecProfile(step, groups, curve, centroids)


def at_step(profile: CodecProfile, step: float) -> CodecProfile:
    """The same profile with another step of rung 0."""
    groups = [replace(g, sigma_index=sigma_index(g.sigma, step)) for g in profile.groups]
    return replace(profile, step=step, groups=groups)


def classes(profile: CodecProfile, group: GroupCodec, y: Tensor, first_position: int = 0) -> Tensor:
    """Token classes `[tokens]` (half octaves) from the unquantized coefficients."""
    octaves = features(y, group.sigma) @ group.probe + profile.octaves(first_position, len(y))
    return (2 * octaves).round().clamp(CLASS_MIN, CLASS_MAX).long()


@dataclass(frozen=True)
class Symbols:
    """Indices of every rung, `[rungs]` of `[tokens, R]`, with tables and steps of each token."""

    q: list[Tensor]
    index: list[Tensor]
    step: Tensor
    token_class: Tensor


def quantize(
    profile: CodecProfile, group: GroupCodec, y: Tensor, rungs: int = 3, first_position: int = 0
) -> Symbols:
    """Embedded indices of coefficients `y` `[tokens, R]`."""
    token_class = classes(profile, group, y, first_position)
    step = profile.step * torch.exp2(token_class / 2)[:, None]
    scaled = y * (3 ** (rungs - 1)) / step
    q = [(scaled.sign() * (scaled.abs() + 0.5).floor()).long()]
    for _ in range(rungs - 1):
        fine = q[0]
        q.insert(0, fine.sign() * ((fine.abs() + 1) // 3))
    index = [
        (group.sigma_index - 2 * token_class[:, None] + shift).clamp(0, TABLES - 1)
        for shift in RUNG_SHIFT[:rungs]
    ]
    return Symbols(q, index, step, token_class)


def reconstruct(profile: CodecProfile, symbols: Symbols, rung: Tensor) -> Tensor:
    """Coefficients as decoded when token t is held at `rung[t]`."""
    y = torch.empty(symbols.q[0].shape)
    for r, (q, index) in enumerate(zip(symbols.q, symbols.index)):
        at = rung == r
        if at.any():
            magnitude = q[at].abs()
            shift = profile.centroids[index[at], magnitude.clamp(max=3)]
            y[at] = q[at].sign() * (magnitude - shift) * symbols.step[at] / 3**r
    return y


def fit_centroids(
    profile: CodecProfile, samples: list[Tensor], prior: Tensor, strength: float = 200.0
) -> Tensor:
    """Mean shift of |y| below |q| by (table, min(|q|, 3)), `samples` `[tokens, R]` a group; `prior`
    fills thin cells."""
    total, count = (
        torch.zeros(TABLES * 4, dtype=torch.float64),
        torch.zeros(TABLES * 4, dtype=torch.float64),
    )
    for group, y in zip(profile.groups, samples):
        symbols = quantize(profile, group, y, first_position=len(profile.curve))
        for r, (q, index) in enumerate(zip(symbols.q, symbols.index)):
            magnitude = q.abs()
            shift = magnitude - (y * 3**r / symbols.step).abs()
            cell = (index * 4 + magnitude.clamp(max=3)).flatten()
            total += torch.bincount(cell, weights=shift.flatten().double(), minlength=TABLES * 4)
            count += torch.bincount(cell, minlength=TABLES * 4)
    prior = prior.double().flatten()
    fitted = ((total + strength * prior) / (count + strength)).view(TABLES, 4).float()
    fitted[:, 0] = 0
    return fitted


def base_bits(tables: CodeLengths, symbols: Symbols, rung: int, at: slice) -> Tensor:
    """Bits of the base `[active]` of tokens `at`; trailing components that are all zero are not
    sent."""
    q = symbols.q[rung][at]
    active = _active(q)
    return tables.base_bits(q[:, :active], symbols.index[rung][at][:, :active]).sum(0)


def refinement_bits(tables: CodeLengths, symbols: Symbols, rung: int, at: slice) -> Tensor:
    """Bits of a refinement `[active]`, of the components up to the last that it changes."""
    coarse, fine = symbols.q[rung - 1][at], symbols.q[rung][at]
    active = _active(fine - 3 * coarse)
    coarse, fine = coarse[:, :active], fine[:, :active]
    index = symbols.index[rung - 1][at][:, :active]
    return tables.refinement_bits(coarse, fine, index).sum(0)


def _active(rows: Tensor) -> int:
    used = rows.ne(0).any(0).nonzero()
    return int(used.max()) + 1 if len(used) else 0


def sample_coefficients(
    profile: CodecProfile, corpus: Corpus, count: int = 1600, seed: int = 0
) -> list[Tensor]:
    """Coefficients `[count, R]` of each group at random tokens past the start of their context."""
    generator = torch.Generator().manual_seed(seed)
    documents, _, tokens, _ = corpus.rows.shape
    token = torch.randint(64, tokens, (count,), generator=generator)
    document = torch.randint(0, documents, (count,), generator=generator)
    out = []
    for group in profile.groups:
        channels = corpus.shape.channels(group.heads)
        rows = group_rows(corpus.rows[document, :, token][:, :, None], group.layers, channels)[:, 0]
        out.append((rows - group.mean) @ group.analysis.T)
    return out


def class_coding(
    profile: CodecProfile, samples: list[Tensor], tables: CodeLengths
) -> tuple[int, int]:
    """Centre and table that code the sampled token classes in the fewest bits."""
    position = len(profile.curve)
    every = torch.cat(
        [classes(profile, group, y, position) for group, y in zip(profile.groups, samples)]
    )
    best = min(
        (
            tables.base_bits(every - centre, torch.full_like(every, table)).sum().item(),
            centre,
            table,
        )
        for centre in range(CLASS_MIN, CLASS_MAX + 1)
        for table in range(16, 48)
    )
    return best[1], best[2]
