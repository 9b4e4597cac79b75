#!/usr/bin/env python3
"""CPU-milliseconds of Python, and of LMCache's CacheGen if it is installed, for a real chunk.

    export PYTHONPATH=client/python OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    python tools/sample/chunk_speed.py --profile profiles/smollm2-135m-layer.kvp --profile ...

The chunk is that of Java's ChunkBenchmark: tokens 256 to 511 of `examples/sample`, 2.9 M elements,
f16. Codecs take turns; of each, the median of the rounds is shown, after a first that compiles.
Checksums of segments are part of Python's figures (0.1 ms). CacheGen runs as LMCache 0.5 runs it on
a CPU: encode_function, decode_function_gpu, do_dequantize, with the bins of its default family.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from quantized_kv import dequantize
from safetensors.numpy import load_file

from kvtier.decoder import decode_chunk, frame_segments
from kvtier.dtype import Dtype
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import read_header
from kvtier.identity import Geometry, Namespace, Rope
from kvtier.profile import parse

TOKENS = slice(256, 512)
NO_DIGEST = bytes(32)
BASE, ALL = 1, 4
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

Operations = dict[str, Callable[[], object]]


def chunk(path: str) -> tuple[np.ndarray, np.ndarray]:
    """K and V f16 `[30, 256, 3, 64]` of the sample."""
    tensors = load_file(path)
    parts = ("first", "q", "scale", "offset")
    k, v = (dequantize({part: tensors[f"{name}_{part}"] for part in parts}) for name in "kv")
    return np.ascontiguousarray(k[:, TOKENS]), np.ascontiguousarray(v[:, TOKENS])


def ours(path: str, k: np.ndarray, v: np.ndarray) -> Operations:
    """Encode by a profile, and decode the base and all parts of the frame."""
    rope = Rope.rotate_half(64, 100_000)
    geometry = Geometry.uniform(30, 9, 3, 64, Dtype.F16, rope)
    space = Namespace(NO_DIGEST, geometry)
    with open(path, "rb") as file:
        profile = parse(file.read(), geometry)
    chunk_id = ChunkId(NO_DIGEST, np.zeros(len(k[0]), np.int32), TOKENS.start)
    frame = encode_chunk(space, profile, chunk_id, k, v)
    target = np.empty_like(k), np.empty_like(v)

    def decode(parts: int) -> object:
        header = read_header(frame)
        held = frame_segments(header, frame[: header.cuts[parts - 1]])
        return decode_chunk(header, held, profile, geometry, *target)

    return {
        "encode": lambda: encode_chunk(space, profile, chunk_id, k, v),
        "decode base": lambda: decode(BASE),
        "decode all": lambda: decode(ALL),
    }


def cachegen(k: np.ndarray, v: np.ndarray) -> Operations:
    """LMCache's CacheGen; empty if it is not installed."""
    try:
        import torch
        from lmcache.storage_backend.serde import cachegen_decoder as decoder
        from lmcache.storage_backend.serde import cachegen_encoder as encoder
    except ImportError:
        return {}
    torch.set_num_threads(1)
    layers, tokens = k.shape[:2]
    channels = k[0, 0].size
    key_bins = torch.full((layers,), 16.0)
    value_bins = key_bins.clone()
    key_bins[:10] = value_bins[:2] = 32.0  # as CacheGenConfig has it for 10 layers and more
    cache = torch.from_numpy(np.stack([k, v], axis=1).astype(np.float32))
    output = torch.zeros((tokens, 2 * layers * channels), dtype=torch.uint8)

    def encode() -> object:
        return encoder.encode_function(cache, None, key_bins, value_bins, tokens).to_bytes()

    encoded = encode()

    def decode() -> object:
        got = encoder.CacheGenGPUEncoderOutput.from_bytes(encoded)
        key, value = decoder.decode_function_gpu(
            got.cdf, got.data_chunks, layers, tokens, output
        )
        key = decoder.do_dequantize(key, key_bins, got.max_tensors_key)
        value = decoder.do_dequantize(value, value_bins, got.max_tensors_value)
        return torch.stack([key, value]).half()

    error = torch.linalg.norm(decode()[1] - cache[:, 1].flatten(2)) / torch.linalg.norm(cache[:, 1])
    bits = 8 * len(encoded) / (2 * k.size)
    print(f"CacheGen: {bits:.2f} bits an element, values {error:.3f} off")
    return {"encode": encode, "decode": decode}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", default=os.path.join(ROOT, "examples/sample/novel.safetensors"))
    parser.add_argument("--profile", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    k, v = chunk(args.sample)
    codecs = {path: ours(path, k, v) for path in args.profile} | {"CacheGen": cachegen(k, v)}
    times: dict[str, list[float]] = {}
    for turn in range(args.rounds + 1):
        for codec, operations in codecs.items():
            for name, run in operations.items():
                start = time.process_time()
                run()
                if turn:
                    took = 1e3 * (time.process_time() - start)
                    times.setdefault(f"{os.path.basename(codec)} {name}", []).append(took)
    for name, values in times.items():
        print(f"{name:40} {statistics.median(values):7.1f} ms (from {min(values):.1f})")


if __name__ == "__main__":
    main()
