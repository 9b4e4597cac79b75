"""A context's cache through the codec by simulation: bits of every part, what a level sends, what
comes back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from kvtier.plan import Importance

from .fit import group_rows, merge_keys_values
from .judge import Case
from .model import KvShape, from_rows, rotate, to_rows
from .simulate import CodecProfile, Symbols, base_bits, quantize, reconstruct, refinement_bits
from .tables import CodeLengths

Tensor = torch.Tensor
CHUNK = 256
TAIL = 32
RAW_BITS = 16
RUNGS = 3
PARTS = ((0, "all"), (1, "tail"), (2, "tail"), (1, "head"))


@dataclass(frozen=True)
class Level:
    """A reader's choice of rungs: of far chunks, of the last chunk, of its last tokens.

    far_groups: whose heads reach `far` in far chunks, others stay one rung lower; none = all do.
    Where all three rungs are the same, the last chunk is like any other.
    """

    name: str
    far: int
    last: int
    tail: int
    far_groups: tuple[int, ...] = ()

    @property
    def has_recency(self) -> bool:
        return not self.far == self.last == self.tail

    def far_head(self, group: int) -> int:
        """Rung of the heads of far chunks."""
        return self.far - (len(self.far_groups) > 0 and group not in self.far_groups)

    def rungs(self, tokens: int, group: int) -> Tensor:
        """Rung of each token `[tokens]` of a group."""
        out = torch.full((tokens,), self.far_head(group))
        for start in range(0, tokens, CHUNK):
            end = min(start + CHUNK, tokens)
            out[max(end - TAIL, start) : end] = self.far
        if self.has_recency:
            out[(tokens - 1) // CHUNK * CHUNK :] = self.last
            out[-TAIL:] = self.tail
        return out

    def sends(self, rung: int, span: str, last: bool, group: int) -> bool:
        """Whether a group's part of the last chunk, or of another, is sent."""
        head = self.last if last and self.has_recency else self.far_head(group)
        tail = self.tail if last else self.far
        return rung <= (tail if span == "tail" else head)

    def without_recency(self) -> Level:
        """The same for a reader to whom the last chunk is like any other."""
        return replace(self, name=f"{self.name}, no recency", last=self.far, tail=self.far)


RECENT = Level("recent", 0, 1, 2)
FLAT = Level("flat", 0, 0, 0)


def importance(tokens: int) -> Tensor:
    """Weights `[tokens]` of squared errors, as the planner's: the chunk that ends the request and
    its tail count more."""
    far, last = (Importance.by_position(index, 2) for index in range(2))
    out = torch.full((tokens,), float(far.head))
    out[-CHUNK:] = last.head
    out[-TAIL:] = last.tail
    return out


@dataclass(frozen=True)
class Coded:
    """A context's cache as the encoder leaves it.

    bits: `[groups, chunks, parts]` of ideal code length, side information included; group g is of
    layer group g // head_groups. errors:
    `[groups, rungs, tokens]`, squared in the whitened domain, over 2^class. needed: `[groups,
    chunks]`, false where no later query can see any token; elements: how many K and V elements are
    needed.
    """

    keys: Tensor
    values: Tensor
    symbols: list[Symbols]
    bits: Tensor
    errors: Tensor
    needed: Tensor
    elements: int
    head_groups: int = 1

    def bits_per_element(self, level: Level) -> float:
        """Sent at a level, of what a reader needs."""
        total = 0.0
        groups, chunks, _ = self.bits.shape
        for group, chunk in itertools.product(range(groups), range(chunks)):
            for part, (rung, span) in enumerate(PARTS):
                if level.sends(rung, span, chunk == chunks - 1, group // self.head_groups):
                    total += (self.bits[group, chunk, part] * self.needed[group, chunk]).item()
        return total / self.elements

    @cached_property
    def stored_bits_per_element(self) -> float:
        """Of all that a frame holds by default."""
        return self.bits.sum().item() / (self.keys.numel() + self.values.numel())

    def distortion(self, level: Level) -> float:
        """What a level leaves: `errors` by importance, an element."""
        groups, _, tokens = self.errors.shape
        left = torch.zeros(tokens)
        for group in range(groups):
            rungs = level.rungs(tokens, group // self.head_groups)
            left += self.errors[group].gather(0, rungs[None])[0]
        return (left * importance(tokens)).sum().item() / (self.keys.numel() + self.values.numel())


def encode(
    profile: CodecProfile, tables: CodeLengths, shape: KvShape, keys: Tensor, values: Tensor
) -> Coded:
    """Code a context's cache (float16, keys after RoPE) as chunks at every rung."""
    x = merge_keys_values(to_rows(shape, rotate(keys.float(), shape.theta, -1), values.float()))
    tokens = x.shape[1]
    chunks = -(-tokens // CHUNK)
    symbols, errors = [], torch.zeros(len(profile.groups), RUNGS, tokens)
    bits = torch.zeros(len(profile.groups), chunks, len(PARTS), dtype=torch.float64)
    needed = torch.ones(len(profile.groups), chunks, dtype=torch.bool)
    elements = 0
    for index, group in enumerate(profile.groups):
        own = group_rows(x, group.layers, shape.channels(group.heads))
        y = (own - group.mean) @ group.analysis.T
        one = quantize(profile, group, y)
        symbols.append(one)
        weight = torch.exp2(-one.token_class[1:, None].float())
        for rung in range(RUNGS):
            decoded = reconstruct(profile, one, torch.full((tokens,), rung))
            errors[index, rung, 1:] = (weight * (y - decoded)[1:].square()).sum(1)
        class_bits = _class_bits(one.token_class) / chunks
        seen = shape.seen_from(group.layers[0], tokens)
        for chunk in range(chunks):
            span = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, tokens))
            bits[index, chunk] = _part_bits(tables, one, span)
            bits[index, chunk, 0] += class_bits
            needed[index, chunk] = span.stop > seen
            elements += int(needed[index, chunk]) * (span.stop - span.start) * len(group.mean)
        bits[index, 0, 0] += RAW_BITS * len(group.mean)
    return Coded(
        keys, values, symbols, bits, errors, needed, elements, profile.head_groups
    )


def decode(
    profile: CodecProfile, shape: KvShape, coded: Coded, level: Level
) -> tuple[Tensor, Tensor]:
    """The cache that a reader at a level gets, float16 as given to `encode`."""
    layers, tokens = coded.keys.shape[:2]
    rows = torch.empty(layers, tokens, 2 * shape.row)
    for index, (group, symbols) in enumerate(zip(profile.groups, coded.symbols)):
        rung = level.rungs(tokens, index // profile.head_groups)
        back = group.mean + reconstruct(profile, symbols, rung) @ group.synthesis
        channels = shape.channels(group.heads)
        for layer, part in zip(group.layers, back.chunk(len(group.layers), -1)):
            rows[layer][:, channels] = part
    keys, values = from_rows(shape, rows.unflatten(-1, (2, -1)).transpose(1, 2))
    keys, values = rotate(keys, shape.theta, 1).half(), values.half().clone()
    keys[:, 0], values[:, 0] = coded.keys[:, 0], coded.values[:, 0]
    return keys, values


@dataclass(frozen=True)
class Simulation:
    """The codec of a profile by simulation, as `losses.measure` takes one."""

    profile: CodecProfile
    tables: CodeLengths
    shape: KvShape

    def encode(self, case: Case) -> Coded:
        """A case's exact cache at every rung."""
        return encode(self.profile, self.tables, self.shape, case.keys, case.values)

    def decode(self, case: Case, coded: Coded, level: Level) -> tuple[Tensor, Tensor]:
        """The cache that a reader at a level gets."""
        return decode(self.profile, self.shape, coded, level)


def _part_bits(tables: CodeLengths, symbols: Symbols, span: slice) -> Tensor:
    """Bits `[parts]` of one group of a chunk."""
    first = span.start + (span.start == 0)
    tail = max(span.stop - TAIL, first)
    at = {
        "all": slice(first, span.stop),
        "head": slice(first, tail),
        "tail": slice(tail, span.stop),
    }
    out = []
    for rung, name in PARTS:
        rows = base_bits if rung == 0 else refinement_bits
        out.append(rows(tables, symbols, rung, at[name]).sum())
    return torch.stack(out).double()


def _class_bits(token_class: Tensor) -> float:
    share = torch.bincount(token_class + 64).double()
    share = share[share > 0] / len(token_class)
    return -(share * share.log2()).sum().item() * len(token_class)
