"""CRC-32C (Castagnoli), eight bytes a step."""

from __future__ import annotations

import numpy as np
from numba import njit

_POLYNOMIAL = 0x82F63B78


def _tables() -> np.ndarray:
    table = np.zeros((8, 256), np.uint32)
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, (row >> 1) ^ np.uint32(_POLYNOMIAL), row >> 1).astype(np.uint32)
    table[0] = row
    for i in range(1, 8):
        table[i] = table[0][table[i - 1] & 0xFF] ^ (table[i - 1] >> np.uint32(8))
    return table


_TABLES = _tables()


@njit(nogil=True, cache=True, boundscheck=False)
def _update(crc, data, t):
    state = np.uint32(crc)
    whole = len(data) // 8 * 8
    for i in range(0, whole, 8):
        low = state ^ (
            np.uint32(data[i])
            | np.uint32(data[i + 1]) << np.uint32(8)
            | np.uint32(data[i + 2]) << np.uint32(16)
            | np.uint32(data[i + 3]) << np.uint32(24)
        )
        state = (
            t[7, low & np.uint32(0xFF)]
            ^ t[6, (low >> np.uint32(8)) & np.uint32(0xFF)]
            ^ t[5, (low >> np.uint32(16)) & np.uint32(0xFF)]
            ^ t[4, low >> np.uint32(24)]
            ^ t[3, data[i + 4]]
            ^ t[2, data[i + 5]]
            ^ t[1, data[i + 6]]
            ^ t[0, data[i + 7]]
        )
    for i in range(whole, len(data)):
        state = t[0, (state ^ data[i]) & np.uint32(0xFF)] ^ (state >> np.uint32(8))
    return state


def crc32c(data: bytes | memoryview | np.ndarray) -> int:
    """CRC-32C of contiguous bytes."""
    view = np.frombuffer(data, np.uint8)
    view.flags.writeable = False  # one compiled version serves all
    return int(_update(np.uint32(0xFFFFFFFF), view, _TABLES)) ^ 0xFFFFFFFF
