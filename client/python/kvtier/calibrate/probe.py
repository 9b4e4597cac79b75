"""Token sensitivity: how much finer a token has to be quantized, told from its own coefficients and
its position.

The sensitivity of a token is w = E|g|², the power of the loss gradient in the whitened domain.
Quantizing token t with a step ∝ w_t^−½ costs the least distortion for the bits, and the best
prediction f = log w minimizes mean(e·exp(−f) + f) for the observed powers e: a Gamma regression
with a log link, not a regression on log e, which would forget the rare sensitive tokens.
"""

from __future__ import annotations

import math

import torch

CLIP = 5.0
EDGES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 896, 960, 992, 1008, 1016, 1020, 1024)
Tensor = torch.Tensor


def features(y: Tensor, sigma: Tensor) -> Tensor:
    """Normalized, clipped coefficients and a constant, `[tokens, R + 1]`."""
    return torch.cat([(y / sigma).clamp(-CLIP, CLIP), torch.ones(len(y), 1)], 1)


def position_curve(power: Tensor, first: int = 0) -> Tensor:
    """Mean sensitivity by position, `power` `[texts, tokens]` of the positions from `first` on →
    `[tokens]`, 1 on average after the first 64 tokens.

    Every text counts alike whatever its loss. Constant within each bucket of `EDGES`.
    """
    relative = (power / power[:, 64:].mean(1, keepdim=True)).mean(0)
    curve = torch.empty_like(relative)
    edges = [0, *(edge - first for edge in EDGES if edge > first)]
    for start, end in zip(edges, edges[1:]):
        curve[start:end] = relative[start:end].mean()
    return curve


def fit_probe(z: Tensor, power: Tensor, ridge: float, shrink: float, steps: int = 12) -> Tensor:
    """Coefficients `[R + 1]` of log2 w; `z` are `features`, `power` the observed powers without the
    position's share.

    `ridge` is in samples: a coefficient is believed from about that many tokens on. `shrink` scales
    the result's deviation from its mean, which guards against text unlike the training texts.
    """
    samples, width = z.shape
    power = power / power.mean()
    penalty = torch.full((width,), ridge, dtype=torch.float64)
    penalty[-1] = 0
    gram = (z.T @ z).double() + torch.diag(penalty)
    factor = torch.linalg.cholesky(gram)

    def objective(beta: Tensor) -> tuple[float, Tensor]:
        f = (z @ beta.float()).clamp(-12, 12)
        ratio = power * torch.exp(-f)
        value = (ratio + f).sum().double() + 0.5 * (penalty * beta * beta).sum()
        return value.item(), ratio

    beta = torch.zeros(width, dtype=torch.float64)
    value, ratio = objective(beta)
    for _ in range(steps):
        # Fisher scoring: the expected curvature of a Gamma model with log link is the plain Gram
        # matrix.
        gradient = (z.T @ (ratio - 1)).double() - penalty * beta
        move = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        rate = 1.0
        while rate > 1e-3:
            trial, trial_ratio = objective(beta + rate * move)
            if trial < value:
                break
            rate /= 2
        else:
            break
        done = value - trial < 1e-5 * samples
        beta, value, ratio = beta + rate * move, trial, trial_ratio
        if done:
            break
    beta[:-1] *= shrink
    mean = (z @ beta.float()).mean()
    beta[-1] -= mean
    return (beta / math.log(2)).float()
