"""The normative entropy tables (`docs/format.md`, section 5) as code lengths, to count bits without
coding."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import torch

TABLES = 64
INDEX_OF_ONE = 24
RUNG_SHIFT = (0, 6, 13, 19)
ESCAPE_BITS = 64.0
Tensor = torch.Tensor
_FILE = Path(__file__).parent.parent / "data" / "gaussian-1.bin"


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


def read_tables(path: Path = _FILE) -> CodeLengths:
    """Read `gaussian-1.bin`."""
    data = path.read_bytes()
    if data[:4] != b"KVG1":
        raise ValueError(f"{path}: magic {data[:4]!r}, expected b'KVG1'")
    at = 4
    symbols = torch.full((TABLES, 63), torch.inf)
    escape, symbol_max, bypass = (
        torch.zeros(TABLES),
        torch.zeros(TABLES).long(),
        torch.zeros(TABLES).long(),
    )
    for i in range(TABLES):
        k, bypass[i] = data[at], data[at + 1]
        frequencies = torch.tensor(
            struct.unpack_from(f"<{2 * k + 2}H", data, at + 2), dtype=torch.float64
        )
        bits = (12 - frequencies.log2()).float()
        symbols[i, 31 - k : 32 + k], escape[i], symbol_max[i] = bits[:-1], bits[-1], k
        at += 2 + 4 * k + 4
    refinement = torch.tensor(struct.unpack_from("<768H", data, at), dtype=torch.float64).view(
        TABLES, 4, 3
    )
    centroids = torch.tensor(struct.unpack_from("<256f", data, at + 1536)).view(TABLES, 4)
    return CodeLengths(
        symbols, escape, symbol_max, bypass, (12 - refinement.log2()).float(), centroids
    )
