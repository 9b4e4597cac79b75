"""A context's cache through the codec itself: a frame a chunk, what a level sends of them, what
comes back. `evaluate` simulates the same faster, but for deep profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kvtier.decoder import decode_chunk
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import FrameHeader, SegmentEntry, verify
from kvtier.identity import Geometry, Namespace, chunk_keys
from kvtier.plan import Importance
from kvtier.profile import Profile

from .evaluate import Level
from .judge import Case

Tensor = torch.Tensor
WEIGHTS = bytes(32)


@dataclass(frozen=True)
class FramedCache:
    """Frames of a context's chunks, and the headers that they begin with."""

    headers: list[FrameHeader]
    frames: list[bytes]
    elements: int

    def bits_per_element(self, level: Level) -> float:
        """Sent at a level: headers and the segments that it asks for."""
        total = 0
        for index, header in enumerate(self.headers):
            total += header.header_bytes
            total += sum(header.segments[i].bytes for i in self.segments(level, index))
        return 8 * total / self.elements

    @property
    def stored_bits_per_element(self) -> float:
        """Of whole frames."""
        return 8 * sum(map(len, self.frames)) / self.elements

    def distortion(self, level: Level) -> float:
        """What a level leaves by the headers, times the planner's importance, an element."""
        total = 0.0
        for index, header in enumerate(self.headers):
            weight = Importance.by_position(index, len(self.headers))
            head, tail = self._grade(level, index)
            for entry in header.segments:
                part = header.parts[entry.part]
                total += weight.head * entry.distortion * (part.rung == head)
                total += weight.tail * entry.tail_distortion * (part.rung == tail)
        return total / self.elements

    def segments(self, level: Level, index: int) -> list[int]:
        """Indices of the segments that a level asks for of chunk `index`."""
        segments = self.headers[index].segments
        return [i for i in range(len(segments)) if self._asks(level, index, segments[i])]

    def _asks(self, level: Level, index: int, entry: SegmentEntry) -> bool:
        part = self.headers[index].parts[entry.part]
        head, tail = self._grade(level, index)
        of_head = part.span.covers_head and part.rung <= head
        return of_head or (part.span.covers_tail and part.rung <= tail)

    def _grade(self, level: Level, index: int) -> tuple[int, int]:
        last = index == len(self.headers) - 1
        return (level.last, level.tail) if last else (level.far, level.far)


@dataclass(frozen=True)
class FrameCoder:
    """The codec of a profile, in chunks of 256 tokens; levels that name groups are refused."""

    profile: Profile
    geometry: Geometry

    def encode(self, case: Case) -> FramedCache:
        """Frames of a case's exact cache."""
        space = Namespace(WEIGHTS, self.geometry)
        headers, frames = [], []
        for index, key in enumerate(chunk_keys(space, case.tokens, with_rest=True)):
            at = slice(index * space.chunk_tokens, (index + 1) * space.chunk_tokens)
            chunk = ChunkId(key, case.tokens[at], at.start)
            k, v = (np.ascontiguousarray(x[:, at].numpy()) for x in (case.keys, case.values))
            frames.append(encode_chunk(space, self.profile, chunk, k, v))
            headers.append(verify(frames[-1], space))
        return FramedCache(headers, frames, case.keys.numel() + case.values.numel())

    def decode(self, case: Case, coded: FramedCache, level: Level) -> tuple[Tensor, Tensor]:
        """The cache that a reader at a level gets."""
        if level.far_groups:
            raise ValueError(f"level {level.name} names groups: simulate it")
        k, v = (np.zeros(x.shape, np.float16) for x in (case.keys, case.values))
        for index, (header, frame) in enumerate(zip(coded.headers, coded.frames)):
            at = slice(header.first_position, header.first_position + header.tokens)
            own = {
                i: frame[header.offsets[i] : header.offsets[i + 1]]
                for i in coded.segments(level, index)
            }
            ids = case.tokens[at]
            decode_chunk(header, own, self.profile, self.geometry, k[:, at], v[:, at], ids)
        return torch.from_numpy(k), torch.from_numpy(v)
