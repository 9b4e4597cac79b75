"""The normative entropy tables (`docs/format.md`, section 5) as code lengths, to count bits without
coding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kvtier.tables import TABLES, load

ESCAPE_BITS = 64.0
Tensor = torch.Tensor


@dataclass(frozen=True)
class CodeLengths:
    """Bits of every symbol.

    `symbols` `[64, 64]` holds the bits of h = −K..K at column h + 31 and infinity beyond; `escape`,
    `symbol_max` and `bypass` are `[64]`; `refinement` is `[64, 4, 3]` for d = −1, 0, 1 of a
    positive index.
    """

    symbols: Tensor
    escape: Tensor
    symbol_max: Tensor
    bypass: Tensor
    refinement: Tensor
    centroids: Tensor

    def base_bits(self, q: Tensor, index: Tensor) -> Tensor:
        """Bits of base symbols `q` coded by tables `index` (int64 tensors of one shape)."""
        h = q >> self.bypass[index]
        inside = h.abs() <= self.symbol_max[index]
        bits = self.symbols[index, (h.clamp(-31, 31) + 31)]
        return torch.where(inside, bits, self.escape[index] + ESCAPE_BITS) + self.bypass[index]

    def refinement_bits(self, coarse: Tensor, fine: Tensor, index: Tensor) -> Tensor:
        """Bits of the refinement from `coarse` to `fine` = 3·coarse + d."""
        d = (fine - 3 * coarse) * torch.where(coarse < 0, -1, 1)
        return self.refinement[index, coarse.abs().clamp(max=3), d + 1]


def read_tables() -> CodeLengths:
    """Code lengths of the tables that come with the package."""
    tables = load()
    symbols = torch.full((TABLES, 63), torch.inf)
    escape = torch.zeros(TABLES)
    for i, k in enumerate(tables.half.tolist()):
        bits = _bits(tables.freq[i, : 2 * k + 2])
        symbols[i, 31 - k : 32 + k], escape[i] = bits[:-1], bits[-1]
    return CodeLengths(
        symbols,
        escape,
        torch.tensor(tables.half).long(),
        torch.tensor(tables.bypass).long(),
        _bits(tables.refine_freq),
        torch.tensor(tables.centroids),
    )


def _bits(frequencies: np.ndarray) -> Tensor:
    """Ideal code lengths of 12-bit frequencies."""
    return (12 - torch.tensor(frequencies.astype(np.float64)).log2()).float()
