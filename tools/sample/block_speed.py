#!/usr/bin/env python3
"""CPU-milliseconds to decode the sample's 1,024 tokens into the blocks of vLLM's CPU backend.

    export PYTHONPATH=client/python OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    python tools/sample/block_speed.py --profile profiles/smollm2-135m-layer.kvp

Four chunks of 256 tokens, float32 blocks of 128 tokens as the engine lays them out. Verifying the
segments is part of it, receiving is not. The level names rungs of far chunks and of the last. The
median of the rounds is shown, after one that compiles. Needs torch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
import torch
from quantized_kv import dequantize
from safetensors.numpy import load_file

from kvtier.decoder import decode_chunk, frame_segments
from kvtier.dtype import Dtype
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import FrameHeader, read_header, verify_segment
from kvtier.identity import Geometry, Namespace, Rope
from kvtier.plan import Grade
from kvtier.profile import Level
from kvtier.tier import read_profile
from kvtier.vllm.blocks import CpuBlocks

CHUNK, BLOCK, CHUNKS = 256, 128, 4
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def grades(level: Level) -> list[Grade]:
    """What each chunk is decoded at; every group of a far chunk at its rung."""
    far = Grade(level.far_rung, max(level.far_rung, 0))
    return [far] * (CHUNKS - 1) + [Grade(level.last_rung, level.tail_rung)]


def segments_for(header: FrameHeader, frame: bytes, grade: Grade) -> dict[int, memoryview]:
    """The segments of a frame that a grade uses."""
    parts = [part for part in range(len(header.parts)) if grade.uses(header.parts[part])]
    held = frame_segments(header, frame)
    return {i: data for i, data in held.items() if header.segments[i].part in parts}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", required=True)
    parser.add_argument("--sample", default=f"{ROOT}/examples/sample/novel.safetensors")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    tensors = load_file(args.sample)
    parts = ("first", "q", "scale", "offset")
    k, v = (
        dequantize({part: tensors[f"{name}_{part}"] for part in parts}).astype(np.float32)
        for name in "kv"
    )
    geometry = Geometry.uniform(30, 9, 3, 64, Dtype.F32, Rope.rotate_half(64, 100_000))
    space, profile = Namespace(bytes(32), geometry), read_profile(args.profile, geometry)
    frames = []
    for index in range(CHUNKS):
        at = slice(index * CHUNK, (index + 1) * CHUNK)
        chunk = ChunkId(bytes(32), np.zeros(CHUNK, np.int32), at.start)
        frames.append(encode_chunk(space, profile, chunk, k[:, at], v[:, at]))
    blocks = CHUNKS * CHUNK // BLOCK
    caches = [torch.zeros(blocks, 3, BLOCK, 128) for _ in range(30)]
    target = CpuBlocks(caches, blocks, 3, 64)
    out = np.empty((30, CHUNK, 3, 64), np.float32), np.empty((30, CHUNK, 3, 64), np.float32)

    def decode(wanted: list[Grade]) -> None:
        for index, (frame, grade) in enumerate(zip(frames, wanted)):
            header = read_header(frame)
            segments = segments_for(header, frame, grade)
            for number, data in segments.items():
                verify_segment(header, number, data)
            decode_chunk(header, segments, profile, geometry, *out)
            per = CHUNK // BLOCK
            target.write(out, range(index * per, (index + 1) * per), 0)

    for level in profile.levels:
        times = []
        for _ in range(args.rounds + 1):
            started = time.process_time()
            decode(grades(level))
            times.append(1e3 * (time.process_time() - started))
        print(f"{level.name:8} {statistics.median(times[1:]):7.0f} CPU-ms for 1,024 tokens")


if __name__ == "__main__":
    main()
