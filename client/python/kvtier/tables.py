"""The normative entropy tables (docs/format.md section 5), ready for coding."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from kvtier.errors import trust

SHA256 = "e6d8f91a138d7ffbf04ecc67211a67e8d6eb5c108bae0cfaa13a91eafddd6d0e"
TABLES = 64
TOTAL = 4096
SYMBOLS_MAX = 64
CONTEXTS = 4
INDEX_OF_ONE = 24
RUNG_SHIFT = (0, 6, 13, 19)
"""By how many tables sigma/step grows when the step shrinks by 3^r."""


@dataclass(frozen=True)
class EntropyTables:
    """All tables as arrays.

    half u8[64] = K; bypass u8[64]: bits of q that are left raw; freq, cum u16[64, 64]: symbol
    h + K, then the escape; symbol_of u8[64, 4096]: which symbol owns a slot; refine_freq,
    refine_cum u16[64, 4, 3] for d = -1, 0, 1 of a positive index; centroids f32[64, 4].
    """

    half: np.ndarray
    bypass: np.ndarray
    freq: np.ndarray
    cum: np.ndarray
    symbol_of: np.ndarray
    refine_freq: np.ndarray
    refine_cum: np.ndarray
    centroids: np.ndarray


def parse(data: bytes) -> EntropyTables:
    """Read the file; only the one with the normative SHA-256 is accepted."""
    actual = hashlib.sha256(data).hexdigest()
    trust(actual == SHA256, "SHA-256 of gaussian-1.bin", SHA256, actual)
    half, bypass = np.zeros(TABLES, np.uint8), np.zeros(TABLES, np.uint8)
    freq = np.zeros((TABLES, SYMBOLS_MAX), np.uint16)
    symbol_of = np.zeros((TABLES, TOTAL), np.uint8)
    at = 4
    for i in range(TABLES):
        half[i], bypass[i] = data[at], data[at + 1]
        count = 2 * int(half[i]) + 2
        row = np.frombuffer(data, "<u2", count, at + 2)
        freq[i, :count] = row
        symbol_of[i] = np.repeat(np.arange(count, dtype=np.uint8), row)
        at += 2 + 2 * count
    refine = np.frombuffer(data, "<u2", TABLES * CONTEXTS * 3, at)
    refine = refine.reshape(TABLES, CONTEXTS, 3).astype(np.uint16)
    at += refine.nbytes
    centroids = np.array(struct.unpack_from(f"<{TABLES * CONTEXTS}f", data, at), np.float32)
    return EntropyTables(
        half,
        bypass,
        freq,
        _exclusive_sum(freq),
        symbol_of,
        refine,
        _exclusive_sum(refine),
        centroids.reshape(TABLES, CONTEXTS),
    )


def _exclusive_sum(freq: np.ndarray) -> np.ndarray:
    return (np.cumsum(freq, axis=-1, dtype=np.int64) - freq).astype(np.uint16)


@cache
def load() -> EntropyTables:
    """The tables that come with the package."""
    return parse((resources.files("kvtier") / "data" / "gaussian-1.bin").read_bytes())
