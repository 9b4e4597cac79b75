#!/usr/bin/env python3
"""Makes gaussian-1.bin, the normative entropy tables of docs/format.md section 5.

    python3 tools/tables/make_tables.py [--check] PATH...

Table i models q = round(y/step) for y ~ 0.99 N(0, sigma) + 0.01 N(0, 2.5 sigma), sigma/step =
2^((i-24)/4): real coefficients have a little more tail than a Gaussian, and an escape costs 64
bits. Wide tables (sigma > 6 steps) code q >> bypass and leave the low bits raw. The file is data,
made once: readers load it and never recompute it, since exp and erf differ by platform. Only the
standard library is used.
"""

import argparse
import hashlib
import math
import pathlib
import struct
import sys

TABLES = 64
TOTAL = 4096  # 12-bit probabilities
SYMBOL_MAX = 30
CONTEXTS = 4  # |q| = 0, 1, 2, 3 or more
MIXTURE = ((0.99, 1.0), (0.01, 2.5))  # weight, sigma scale


def cdf(x: float, sigma: float) -> float:
    """Probability that a coefficient (in steps) lies below x."""
    return sum(w * 0.5 * math.erfc(-x / (scale * sigma * math.sqrt(2))) for w, scale in MIXTURE)


def mass(low: float, high: float, sigma: float) -> float:
    """Probability of [low, high), taken on the side where it keeps its digits."""
    if low >= 0:
        low, high = -high, -low
    return max(cdf(high, sigma) - cdf(low, sigma), 0.0)


def first_moment(low: float, high: float, sigma: float) -> float:
    """Integral of x over [low, high) with the mixture's density."""
    total = 0.0
    for weight, scale in MIXTURE:
        s = scale * sigma
        norm = s * math.sqrt(2 * math.pi)
        density = [math.exp(-0.5 * (x / s) ** 2) / norm for x in (low, high)]
        total += weight * s * s * (density[0] - density[1])
    return total


def to_frequencies(probabilities: list[float]) -> list[int]:
    """Integers >= 1 that sum to TOTAL, by largest remainder; ties go to the lower index."""
    room = TOTAL - len(probabilities)
    scale = room / sum(probabilities)
    shares = [p * scale for p in probabilities]
    out = [1 + int(s) for s in shares]
    order = sorted(range(len(shares)), key=lambda i: (int(shares[i]) - shares[i], i))
    for i in order[: TOTAL - sum(out)]:
        out[i] += 1
    return out


def sigma_of(index: int) -> float:
    return 2.0 ** ((index - 24) / 4)


def symbol_table(index: int) -> tuple[int, int, list[int]]:
    """(K, bypass bits, frequencies of h = -K..K and the escape) of one table."""
    sigma = sigma_of(index)
    bypass = max(0, math.ceil(math.log2(sigma / 6)))
    width = 1 << bypass
    k = min(SYMBOL_MAX, max(1, math.ceil(5 * sigma / width)))
    cells = [mass(h * width - 0.5, (h + 1) * width - 0.5, sigma) for h in range(-k, k + 1)]
    return k, bypass, to_frequencies([*cells, max(1.0 - sum(cells), 1e-9)])


def cells_of(context: int, sigma: float) -> range:
    """The coarse indices that share a context."""
    if context < 3:
        return range(context, context + 1)
    return range(3, max(8, math.ceil(6 * sigma)) + 1)


def refinement(index: int, context: int) -> list[int]:
    """Frequencies of d = -1, 0, 1 when q (>= 0) falls in thirds.

    A share of uniform guards against heavy tails.
    """
    sigma, p = sigma_of(index), [0.0, 0.0, 0.0]
    for q in cells_of(context, sigma):
        for d in (-1, 0, 1):
            third = q + d / 3
            p[d + 1] += mass(third - 1 / 6, third + 1 / 6, sigma)
    total = sum(p)
    guard = 0.002 if context == 0 else 0.05
    if total < 1e-13:
        return to_frequencies([0.5, 0.3, 0.2])
    return to_frequencies([(1 - guard) * x / total + guard / 3 for x in p])


def centroid(index: int, context: int) -> float:
    """How far below |q| (in steps) the mean of the cell lies."""
    if context == 0:
        return 0.0
    sigma, weight, moment = sigma_of(index), 0.0, 0.0
    for q in cells_of(context, sigma):
        weight += mass(q - 0.5, q + 0.5, sigma)
        moment += q * mass(q - 0.5, q + 0.5, sigma) - first_moment(q - 0.5, q + 0.5, sigma)
    return min(max(moment / weight, 0.0), 0.25) if weight > 1e-13 else 0.25


def table_bytes() -> bytes:
    out = bytearray(b"KVG1")
    for index in range(TABLES):
        k, bypass, frequencies = symbol_table(index)
        out += struct.pack(f"<BB{len(frequencies)}H", k, bypass, *frequencies)
    pairs = [(i, c) for i in range(TABLES) for c in range(CONTEXTS)]
    for i, c in pairs:
        out += struct.pack("<3H", *refinement(i, c))
    for i, c in pairs:
        out += struct.pack("<f", centroid(i, c))
    return bytes(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    data = table_bytes()
    for path in args.paths:
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif path.read_bytes() != data:
            sys.exit(
                f"{path} differs from what this platform computes; "
                "readers go by the file's SHA-256"
            )
    print(f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
