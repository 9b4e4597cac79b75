"""Lane-parallel rANS over rows of integers (docs/format.md section 3.1), compiled by numba.

A row has one element a token; token t of a row is coded by lane t mod L. Kernels release the GIL,
touch nothing outside their arrays whatever the bytes say, and report damage as a status.
Shapes: rows of integers are i32 `[rows, tokens]`, component-major as they lie in a segment.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvtier.errors import CorruptChunkError
from kvtier.tables import EntropyTables

STATE_MIN = 1 << 16
Q_MAX = (1 << 24) - 1
WORD, ESCAPE, BIT, ELEMENT = range(4)
"""Positions in a cursor, i64[4]: next word, next escape, next bypass bit, next element index."""

_FAULTS = {
    1: "more words than there are",
    2: "an escape that is not listed",
    3: "more bypass bits than there are",
    4: "an escaped value beyond 2^24",
}


def raise_fault(status: int, where: str) -> None:
    """Raise CorruptChunkError for a kernel's status unless it is 0."""
    if status:
        raise CorruptChunkError(f"{where} needs {_FAULTS[int(status)]}, expected a whole segment")


@njit(nogil=True, cache=True, inline="always")
def _table_index(sigma, token_class):
    return min(max(sigma - 2 * token_class, 0), 63)


@njit(nogil=True, cache=True)
def _read_bits(data, bit, count):
    value = 0
    for j in range(count):
        at = bit + j
        value |= ((np.int64(data[at >> 3]) >> (at & 7)) & 1) << j
    return value


@njit(nogil=True, cache=True)
def _decode_base(
    words, states, lanes, cursor, escapes, bypass_bits, sigma, classes, raw, t_half, t_bypass,
    t_freq, t_cum, t_symbol, out
):
    n = out.shape[1]
    word, escape, bit = cursor[0], cursor[1], cursor[2]
    word_end, escape_end, bit_end = len(words), len(escapes), len(bypass_bits) * 8
    for row in range(out.shape[0]):
        s = np.int64(sigma[row])
        for t in range(n):
            if t < raw:
                out[row, t] = 0
                continue
            i = _table_index(s, np.int64(classes[t]))
            lane = t % lanes
            x = np.uint64(states[lane])
            slot = x & np.uint64(4095)
            symbol = t_symbol[i, slot]
            x = np.uint64(t_freq[i, symbol]) * (x >> np.uint64(12)) + slot - np.uint64(
                t_cum[i, symbol]
            )
            if x < np.uint64(65536):
                if word >= word_end:
                    return 1
                x = (x << np.uint64(16)) | np.uint64(words[word])
                word += 1
            states[lane] = np.uint32(x)
            half = np.int64(t_half[i])
            h = np.int64(symbol) - half
            width = np.int64(t_bypass[i])
            value = h
            if width > 0:
                if bit + width > bit_end:
                    return 3
                value = (h << width) | _read_bits(bypass_bits, bit, width)
                bit += width
            if h > half:
                element = cursor[3] + row * n + t
                if escape >= escape_end or np.int64(escapes[escape]["element"]) != element:
                    return 2
                value = np.int64(escapes[escape]["value"])
                if value > 16777215 or value < -16777215:
                    return 4
                escape += 1
            out[row, t] = value
    cursor[0], cursor[1], cursor[2] = word, escape, bit
    cursor[3] += out.shape[0] * n
    return 0


@njit(nogil=True, cache=True)
def _decode_refinement(words, states, lanes, cursor, sigma, classes, raw, r_freq, r_cum, q):
    n = q.shape[1]
    word, word_end = cursor[0], len(words)
    for row in range(len(sigma)):
        s = np.int64(sigma[row])
        for t in range(n):
            coarse = np.int64(q[row, t])
            if t < raw:
                continue
            i = _table_index(s, np.int64(classes[t]))
            context = min(abs(coarse), 3)
            lane = t % lanes
            x = np.uint64(states[lane])
            slot = x & np.uint64(4095)
            symbol = 0
            if slot >= np.uint64(r_cum[i, context, 2]):
                symbol = 2
            elif slot >= np.uint64(r_cum[i, context, 1]):
                symbol = 1
            x = np.uint64(r_freq[i, context, symbol]) * (x >> np.uint64(12)) + slot - np.uint64(
                r_cum[i, context, symbol]
            )
            if x < np.uint64(65536):
                if word >= word_end:
                    return 1
                x = (x << np.uint64(16)) | np.uint64(words[word])
                word += 1
            states[lane] = np.uint32(x)
            d = symbol - 1
            q[row, t] = 3 * coarse + (-d if coarse < 0 else d)
    for row in range(len(sigma), q.shape[0]):
        for t in range(raw, n):
            q[row, t] = 3 * q[row, t]
    cursor[0] = word
    cursor[3] += len(sigma) * n
    return 0


@njit(nogil=True, cache=True)
def _base_symbols(q, sigma, classes, raw, t_half, t_bypass, t_freq, t_cum, freq, cum):
    """Fill freq and cum of each element; returns the bits that the rows will take."""
    n = q.shape[1]
    bits = 0.0
    for row in range(len(sigma)):
        s = np.int64(sigma[row])
        for t in range(n):
            if t < raw:
                freq[row, t], cum[row, t] = 4096, 0
                continue
            i = _table_index(s, np.int64(classes[t]))
            half = np.int64(t_half[i])
            h = np.int64(q[row, t]) >> np.int64(t_bypass[i])
            symbol = h + half
            bits += t_bypass[i]
            if h > half or h < -half:
                symbol = 2 * half + 1
                bits += 64
            freq[row, t], cum[row, t] = t_freq[i, symbol], t_cum[i, symbol]
            bits += 12 - np.log2(np.float64(freq[row, t]))
    return bits


@njit(nogil=True, cache=True)
def _write_bypass(q, sigma, classes, raw, t_half, t_bypass, cursor, escapes, bypass_bits):
    """Append escapes and bypass bits of the rows; the arrays are known to be long enough."""
    n = q.shape[1]
    for row in range(len(sigma)):
        s = np.int64(sigma[row])
        for t in range(n):
            if t < raw:
                continue
            i = _table_index(s, np.int64(classes[t]))
            value = np.int64(q[row, t])
            width = np.int64(t_bypass[i])
            h = value >> width
            for j in range(width):
                at = cursor[2] + j
                bypass_bits[at >> 3] |= np.uint8(((value >> j) & 1) << (at & 7))
            cursor[2] += width
            if h > np.int64(t_half[i]) or h < -np.int64(t_half[i]):
                escapes[cursor[1]]["element"] = cursor[3] + row * n + t
                escapes[cursor[1]]["value"] = value
                cursor[1] += 1
    cursor[3] += len(sigma) * n


@njit(nogil=True, cache=True)
def _count_bypass(q, sigma, classes, raw, t_half, t_bypass, cursor):
    for row in range(len(sigma)):
        for t in range(raw, q.shape[1]):
            i = _table_index(np.int64(sigma[row]), np.int64(classes[t]))
            h = np.int64(q[row, t]) >> np.int64(t_bypass[i])
            cursor[2] += t_bypass[i]
            if h > np.int64(t_half[i]) or h < -np.int64(t_half[i]):
                cursor[1] += 1


@njit(nogil=True, cache=True)
def _refinement_symbols(coarse, fine, sigma, classes, raw, r_freq, r_cum, freq, cum):
    n = coarse.shape[1]
    bits = 0.0
    for row in range(len(sigma)):
        s = np.int64(sigma[row])
        for t in range(n):
            if t < raw:
                freq[row, t], cum[row, t] = 4096, 0
                continue
            i = _table_index(s, np.int64(classes[t]))
            c = np.int64(coarse[row, t])
            d = np.int64(fine[row, t]) - 3 * c
            symbol = (-d if c < 0 else d) + 1
            context = min(abs(c), 3)
            freq[row, t], cum[row, t] = r_freq[i, context, symbol], r_cum[i, context, symbol]
            bits += 12 - np.log2(np.float64(freq[row, t]))
    return bits


@njit(nogil=True, cache=True)
def _encode(freq, cum, lanes, states, words):
    """Code all rows backwards; words are filled from the end, the first index used is returned."""
    at = len(words)
    n = freq.shape[1]
    for row in range(freq.shape[0] - 1, -1, -1):
        for t in range(n - 1, -1, -1):
            f = np.uint64(freq[row, t])
            if f == np.uint64(4096):
                continue
            lane = t % lanes
            x = np.uint64(states[lane])
            if x >= f << np.uint64(20):
                at -= 1
                words[at] = np.uint16(x & np.uint64(0xFFFF))
                x >>= np.uint64(16)
            states[lane] = np.uint32(
                ((x // f) << np.uint64(12)) + x % f + np.uint64(cum[row, t])
            )
    return at


@njit(nogil=True, cache=True)
def _dequantize(q, sigma, shift, classes, centroids, step, token0, y):
    """y[row, token0 + t] of indices q at one rung; `step` is that rung's, per token."""
    for row in range(q.shape[0]):
        s = np.int64(sigma[row]) + shift
        for t in range(q.shape[1]):
            value = q[row, t]
            if value == 0:
                y[row, token0 + t] = 0
                continue
            magnitude = abs(value)
            i = _table_index(s, np.int64(classes[t]))
            level = (np.float32(magnitude) - centroids[i, min(magnitude, 3)]) * step[t]
            y[row, token0 + t] = level if value > 0 else -level


ESCAPE_DTYPE = np.dtype([("element", "<u4"), ("value", "<i4")])


def decode_base(segment, sigma, classes, raw, tables: EntropyTables, out) -> int:
    """Decode base or class rows from a `SegmentReader` into out; returns a status."""
    return _decode_base(
        segment.words, segment.states, segment.lanes, segment.cursor, segment.escapes,
        segment.bypass, sigma, classes, raw, tables.half, tables.bypass, tables.freq, tables.cum,
        tables.symbol_of, out
    )


def decode_refinement(segment, sigma, classes, raw, tables: EntropyTables, q) -> int:
    """Refine q in place from a `SegmentReader`; rows past `sigma` are only scaled."""
    return _decode_refinement(
        segment.words, segment.states, segment.lanes, segment.cursor, sigma, classes, raw,
        tables.refine_freq, tables.refine_cum, q
    )


dequantize = _dequantize
base_symbols = _base_symbols
count_bypass = _count_bypass
write_bypass = _write_bypass
refinement_symbols = _refinement_symbols
encode = _encode
