"""The container of an adaptive segment (docs/format.md section 3.1): read and written."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from kvtier import rans
from kvtier.errors import CorruptChunkError, trust
from kvtier.tables import load

_HEAD = struct.Struct("<BBHIIII")
LANES = (8, 16, 32)


class SegmentReader:
    """One segment's streams. Rows are taken off in order; `finish` checks that nothing is left."""

    def __init__(self, data: bytes | memoryview, groups: int, where: str) -> None:
        trust(len(data) >= _HEAD.size, f"{where} bytes", f"at least {_HEAD.size}", len(data))
        lanes, reserved, count, side, escapes, bypass, words = _HEAD.unpack_from(data)
        trust(lanes in LANES, f"{where} lanes", LANES, lanes)
        trust(reserved == 0, f"reserved field of {where}", 0, reserved)
        trust(count == groups, f"{where} groups", groups, count)
        size = _HEAD.size + side + 8 * escapes + bypass + 4 * lanes + 2 * words
        trust(size == len(data), f"{where} bytes", size, len(data))
        view = np.frombuffer(data, np.uint8)
        at = _HEAD.size
        self.where, self.lanes = where, lanes
        self.side = memoryview(data)[at : at + side]
        self.side_at = 0
        at += side
        # copies: aligned, and never read again from the caller's memory
        self.escapes = np.frombuffer(bytes(view[at : at + 8 * escapes]), rans.ESCAPE_DTYPE)
        at += 8 * escapes
        self.bypass = np.frombuffer(bytes(view[at : at + bypass]), np.uint8)
        at += bypass
        self.states = np.frombuffer(bytes(view[at : at + 4 * lanes]), "<u4").copy()
        self.words = np.frombuffer(bytes(view[at + 4 * lanes :]), "<u2")
        self.cursor = np.zeros(4, np.int64)
        trust(
            bool((self.states >= rans.STATE_MIN).all()),
            f"{where} initial states",
            "at least 2^16",
            int(self.states.min()),
        )

    def take(self, layout: str, count: int = 1) -> np.ndarray:
        """The next side values."""
        dtype = np.dtype(layout)
        end = self.side_at + dtype.itemsize * count
        trust(end <= len(self.side), f"{self.where} side bytes", end, len(self.side))
        out = np.frombuffer(bytes(self.side[self.side_at : end]), dtype)
        self.side_at = end
        return out

    def base_rows(self, sigma: np.ndarray, classes: np.ndarray, raw: int) -> np.ndarray:
        """Decode i32 `[len(sigma), tokens]`; `sigma` u8, `classes` i8 `[tokens]`."""
        out = np.empty((len(sigma), len(classes)), np.int32)
        status = rans.decode_base(self, sigma, classes, raw, load(), out)
        rans.raise_fault(status, self.where)
        return out

    def refine_rows(
        self, q: np.ndarray, sigma: np.ndarray, classes: np.ndarray, raw: int
    ) -> None:
        """Refine q i32 `[rows, tokens]` in place by one rung; rows past `sigma` only scale.

        `sigma` u8 has the rung's shift added already.
        """
        status = rans.decode_refinement(self, sigma, classes, raw, load(), q)
        rans.raise_fault(status, self.where)

    def finish(self) -> None:
        """Check that the segment was used up, to the last state."""
        word, escape, bit, _ = (int(x) for x in self.cursor)
        where = self.where
        trust(self.side_at == len(self.side), f"{where} side bytes", self.side_at, len(self.side))
        trust(word == len(self.words), f"{where} words", word, len(self.words))
        trust(escape == len(self.escapes), f"{where} escapes", escape, len(self.escapes))
        trust((bit + 7) // 8 == len(self.bypass), f"{where} bypass", bit, 8 * len(self.bypass))
        if not (self.states == rans.STATE_MIN).all():
            raise CorruptChunkError(f"{where} ends in other states, expected 2^16 in every lane")


@dataclass
class GroupRows:
    """Rows of one group of one part, ready to be coded, with what they will take.

    `q`, `sigma`, `classes`, `raw` of each run of base rows (class row, then components) are kept
    for escapes and bypass bits; a refinement has none.
    """

    side: bytes
    freq: np.ndarray
    cum: np.ndarray
    bits: float
    runs: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = field(default_factory=list)

    @property
    def bytes(self) -> float:
        """Estimate of what the group adds to a segment."""
        return len(self.side) + self.bits / 8


def base_group(
    side: bytes,
    raw: int,
    classes: np.ndarray,
    class_row: tuple[np.ndarray, int] | None,
    q: np.ndarray,
    sigma: np.ndarray,
) -> GroupRows:
    """Symbols of a base group.

    class_row: (i32 `[1, tokens]` class minus centre, its table) or None. q: i32 `[rows, tokens]`.
    """
    tables, n = load(), len(classes)
    runs = []
    if class_row is not None:
        values, table = class_row
        runs.append((values, np.array([table], np.uint8), np.zeros(n, np.int8), raw))
    runs.append((np.ascontiguousarray(q), np.ascontiguousarray(sigma), classes, raw))
    rows = sum(len(run[1]) for run in runs)
    freq, cum = np.empty((rows, n), np.uint16), np.empty((rows, n), np.uint16)
    bits, at = 0.0, 0
    for values, index, token_class, first in runs:
        end = at + len(index)
        bits += rans.base_symbols(
            values, index, token_class, first, tables.half, tables.bypass, tables.freq, tables.cum,
            freq[at:end], cum[at:end],
        )
        at = end
    return GroupRows(side, freq, cum, bits, runs)


def refinement_group(
    side: bytes,
    raw: int,
    classes: np.ndarray,
    coarse: np.ndarray,
    fine: np.ndarray,
    sigma: np.ndarray,
) -> GroupRows:
    """Symbols of a refinement group; `sigma` u8 has the rung's shift added already."""
    tables, shape = load(), (len(sigma), len(classes))
    freq, cum = np.empty(shape, np.uint16), np.empty(shape, np.uint16)
    bits = rans.refinement_symbols(
        np.ascontiguousarray(coarse), np.ascontiguousarray(fine), sigma, classes, raw,
        tables.refine_freq, tables.refine_cum, freq, cum,
    )
    return GroupRows(side, freq, cum, bits)


def write_segment(groups: list[GroupRows]) -> bytes:
    """Code groups of one part into a segment."""
    tables = load()
    freq = np.concatenate([group.freq for group in groups])
    cum = np.concatenate([group.cum for group in groups])
    lanes = _lanes(freq.shape[1])
    states = np.full(lanes, rans.STATE_MIN, np.uint32)
    words = np.empty(freq.size + 1, np.uint16)
    first = rans.encode(freq, cum, lanes, states, words)
    cursor = np.zeros(4, np.int64)
    runs = [run for group in groups for run in group.runs]
    for q, sigma, classes, raw in runs:
        rans.count_bypass(q, sigma, classes, raw, tables.half, tables.bypass, cursor)
    escapes = np.zeros(cursor[rans.ESCAPE], rans.ESCAPE_DTYPE)
    bypass = np.zeros((int(cursor[rans.BIT]) + 7) // 8, np.uint8)
    cursor[:] = 0
    for q, sigma, classes, raw in runs:
        rans.write_bypass(
            q, sigma, classes, raw, tables.half, tables.bypass, cursor, escapes, bypass
        )
    side = b"".join(group.side for group in groups)
    used = words[first:]
    head = (lanes, 0, len(groups), len(side), len(escapes), len(bypass), len(used))
    streams = (escapes, bypass, states.astype("<u4"), used.astype("<u2"))
    return b"".join((_HEAD.pack(*head), side, *(stream.tobytes() for stream in streams)))


def _lanes(tokens: int) -> int:
    """The most lanes that a row fills, so that few states are sent for short spans."""
    return 32 if tokens >= 32 else 16 if tokens >= 16 else 8
