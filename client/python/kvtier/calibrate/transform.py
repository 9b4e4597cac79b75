"""The linear transform of a layer group: whitening by sensitivity, then the axes of largest
variance.

With W the (blended) Fisher matrix of a token's channels and M = W^½, an error δ costs about δᵀWδ =
|Mδ|² of Kullback-Leibler divergence. So errors are equal where y = Uᵀ M (x − mean) is quantized by
one step everywhere, and the eigenvectors U of the covariance of M (x − mean) make y cheap to code.
W is blockwise: one block a layer's keys and one its values; between blocks it is too noisy to be
worth estimating.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Transform:
    """y = analysis · (x − mean), x = mean + synthesisᵀ · y; one row a component, falling sigma."""

    mean: Tensor
    analysis: Tensor
    synthesis: Tensor
    sigma: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.analysis.T

    def inverse(self, y: Tensor) -> Tensor:
        return self.mean + y @ self.synthesis

    def gradient(self, g: Tensor) -> Tensor:
        """A gradient with respect to x as one with respect to y."""
        return g @ self.synthesis.T


def fisher_blocks(
    gradients: list[Tensor], weights: Tensor | None, block: int, blend: float
) -> list[Tensor]:
    """Blended Fisher matrices, one a block of channels, float64.

    `gradients` are draws `[tokens, width]`, `weights` `[tokens]` the sensitivities that the token
    classes already account for. `blend` is the share of the block's mean that replaces the matrix:
    with few texts the small eigenvalues are noise.
    """
    scale = torch.ones(1) if weights is None else weights.rsqrt()[:, None]
    width, tokens = gradients[0].shape[1], gradients[0].shape[0]
    blocks = []
    for start in range(0, width, block):
        total = torch.zeros(block, block, dtype=torch.float64)
        for draw in gradients:
            g = draw[:, start : start + block] * scale
            total += (g.T @ g).double()
        total /= tokens * len(gradients)
        identity = torch.eye(block, dtype=torch.float64)
        blocks.append((1 - blend) * total + blend * total.diagonal().mean() * identity)
    return blocks


def fit_transform(x: Tensor, blocks: list[Tensor], rank: int | None = None) -> Transform:
    """The transform of samples `x` `[tokens, width]` under the Fisher matrices `blocks`."""
    mean = x.mean(0)
    roots, inverses = zip(*(_roots(block) for block in blocks))
    root = torch.block_diag(*roots)
    inverse = torch.block_diag(*inverses)
    white = (x - mean) @ root.float()
    covariance = (white.T @ white).double() / len(white)
    energy, axes = torch.linalg.eigh(covariance)
    energy, axes = energy.flip(0)[:rank], axes.flip(1)[:, :rank]
    analysis, synthesis = (axes.T @ root).float(), (axes.T @ inverse).float()
    sigma = energy.clamp_min(energy[0] * 1e-14).sqrt().float()
    return Transform(mean, analysis, synthesis, sigma)


def _roots(matrix: Tensor) -> tuple[Tensor, Tensor]:
    energy, axes = torch.linalg.eigh(matrix)
    root = energy.clamp_min(energy[-1] * 1e-12).sqrt()
    return (axes * root) @ axes.T, (axes / root) @ axes.T
