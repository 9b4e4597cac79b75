"""CRC-32C of large files with numpy alone."""

from __future__ import annotations

import numpy as np


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of `data`: 4096 stretches advance together in numpy, then are joined."""
    table = _crc_table()
    lanes = 4096 if len(data) >= 1 << 16 else 1
    rows = len(data) // lanes
    block = np.frombuffer(data, np.uint8, rows * lanes).reshape(lanes, rows)
    state = np.zeros(lanes, np.uint32)
    state[0] = 0xFFFFFFFF
    for column in range(rows):
        state = table[(state ^ block[:, column]) & 0xFF] ^ (state >> np.uint32(8))
    shift = _zeros_operator(rows)
    crc = state[0]
    for lane in range(1, lanes):
        crc = _apply(shift, crc) ^ state[lane]
    for byte in data[rows * lanes :]:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> np.uint32(8))
    return int(crc) ^ 0xFFFFFFFF


def _apply(columns: np.ndarray, value: np.uint32) -> np.uint32:
    bits = (int(value) >> np.arange(32)) & 1
    return np.bitwise_xor.reduce(columns[bits == 1], initial=np.uint32(0))


def _zeros_operator(count: int) -> np.ndarray:
    """The linear map that `count` zero bytes apply to a CRC state, as the images of its 32 bits."""
    table = _crc_table()
    one = np.array([table[(1 << i) & 0xFF] ^ ((1 << i) >> 8) for i in range(32)], np.uint32)
    result = np.array([1 << i for i in range(32)], np.uint32)
    while count:
        if count & 1:
            result = np.array([_apply(one, value) for value in result], np.uint32)
        one = np.array([_apply(one, value) for value in one], np.uint32)
        count >>= 1
    return result
