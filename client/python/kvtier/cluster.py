"""The map of a cluster and who owns what by it (docs/format.md): integers only, as in Java."""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import ClassVar

from kvtier.errors import require
from kvtier.wire import KEYS_MAX, VERSION, _Fields, _keys, _string

COPIES_MAX = 16
PLACEMENTS_MAX = 4
MEMBERS_MAX = 1024
WEIGHT_MAX = 10_000

# Messages between nodes, and from an operator's command line: Python has no part in them.
OF_NODES_ALONE = frozenset(
    {"Heartbeat", "MemberCommand", "ControlReply", "RetentionCommand", "RetentionReply"}
)

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,63}")
_ENDPOINT = re.compile(r"[a-zA-Z0-9._:\[\]-]{0,255}")
_MASK = (1 << 64) - 1
_FRACTION_BITS = 32


class MemberState(enum.IntEnum):
    """What a node does at the moment."""

    JOINING = 0
    UP = 1
    DRAINING = 2
    DOWN = 3


@dataclass(frozen=True)
class Member:
    """A node: `shares` are its weights in the placement that holds now, then in earlier ones."""

    id: str
    endpoint: str
    zone: str
    weight: int
    state: MemberState
    shares: tuple[int, ...]

    def __post_init__(self) -> None:
        require(_NAME.fullmatch(self.id) is not None, "node id", self.id, _NAME.pattern)
        valid = _ENDPOINT.fullmatch(self.endpoint) is not None
        require(valid, "endpoint", self.endpoint, "host:port")
        valid = not self.zone or _NAME.fullmatch(self.zone) is not None
        require(valid, "zone", self.zone, _NAME.pattern)
        require(1 <= self.weight <= WEIGHT_MAX, "weight", self.weight, f"1..{WEIGHT_MAX}")
        for share in self.shares:
            require(0 <= share <= WEIGHT_MAX, "share", share, f"0..{WEIGHT_MAX}")

    @functools.cached_property
    def seed(self) -> int:
        """What the node's name adds to the hash of a group."""
        return int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:8], "little")


@dataclass(frozen=True)
class ClusterMap:
    """Who is in a cluster and what is placed on whom; a higher epoch replaces a lower one."""

    TYPE: ClassVar[int] = 11
    cluster: int
    epoch: int
    copies: int
    group_tokens: int
    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        require(1 <= self.copies <= COPIES_MAX, "copies", self.copies, f"1..{COPIES_MAX}")
        require(1 <= self.group_tokens <= 1 << 20, "groupTokens", self.group_tokens, "1..1048576")
        ids = [member.id for member in self.members]
        require(ids == sorted(set(ids)), "node ids", ids, "in order, each once")
        require(self.epoch >= 0, "epoch", self.epoch, "0 or more")

    @property
    def placements(self) -> int:
        return len(self.members[0].shares) if self.members else 1

    def to_bytes(self) -> bytes:
        out = struct.pack("<BBqqI", self.TYPE, VERSION, self.cluster, self.epoch, self.group_tokens)
        out += struct.pack("<BBH", self.copies, self.placements, len(self.members))
        for member in self.members:
            out += _string(member.id) + _string(member.endpoint) + _string(member.zone)
            out += struct.pack("<HBB", member.weight, member.state, 0)
            out += struct.pack(f"<{len(member.shares)}H", *member.shares)
        return out

    @classmethod
    def parse(cls, data: bytes) -> ClusterMap:
        fields = _Fields(data, cls, cls.TYPE)
        cluster, epoch, group_tokens, copies, placements, count = fields.take("<qqIBBH")
        valid = placements <= PLACEMENTS_MAX and (placements == 1 or count > 0 and placements > 0)
        require(valid, "placements", placements, f"1..{PLACEMENTS_MAX}")
        require(count <= MEMBERS_MAX, "members", count, f"0..{MEMBERS_MAX}")
        members = tuple(_read_member(fields, placements) for _ in range(count))
        fields.end()
        return cls(cluster, epoch, copies, group_tokens, members)

    def owners(self, group: bytes, copies: int | None = None) -> list[Member]:
        """Owners of the group whose first chunk has this key, the first one first."""
        return self._owners(group, self.copies if copies is None else copies, 0)

    def readers(self, group: bytes) -> list[Member]:
        """Whom to ask for a group: its owners, then earlier ones, but for nodes that are down."""
        out: dict[str, Member] = {}
        for placement in range(self.placements):
            for member in self._owners(group, self.copies, placement):
                out.setdefault(member.id, member)
        return [member for member in out.values() if member.state != MemberState.DOWN]

    def _owners(self, group: bytes, copies: int, placement: int) -> list[Member]:
        head = int.from_bytes(group[:8], "little")
        bids = [
            (cost(mix(head ^ member.seed)), member.shares[placement], member)
            for member in self.members
            if member.shares[placement]
        ]
        bids.sort(key=functools.cmp_to_key(_compare))
        ranking = [member for _, _, member in bids]
        chosen: list[Member] = []
        for member in ranking:
            if len(chosen) < copies and all(member.zone != other.zone for other in chosen):
                chosen.append(member)
        for member in ranking:  # more copies than zones
            if len(chosen) < copies and member not in chosen:
                chosen.append(member)
        return chosen


@dataclass(frozen=True)
class GroupLookup:
    """A lookup of several groups of one chain, each answered by a LookupReply of its own."""

    TYPE: ClassVar[int] = 15
    namespace: bytes
    groups: tuple[tuple[bytes, ...], ...]

    def to_bytes(self) -> bytes:
        head = struct.pack("<BB", self.TYPE, VERSION) + self.namespace
        return head + struct.pack("<I", len(self.groups)) + b"".join(map(_keys, self.groups))

    @classmethod
    def parse(cls, data: bytes) -> GroupLookup:
        fields = _Fields(data, cls, cls.TYPE)
        namespace = fields.digest()
        (count,) = fields.take("<I")
        require(count <= KEYS_MAX, "groups", count, f"0..{KEYS_MAX}")
        groups = tuple(fields.keys() for _ in range(count))
        fields.end()
        keys = sum(map(len, groups))
        require(keys <= KEYS_MAX, "keys of GroupLookup", keys, f"0..{KEYS_MAX}")
        return cls(namespace, groups)


def groups_of(chunks: int, chunks_max: int) -> list[range]:
    """Runs of chunks placed as a whole: 1, 1, 2, 4, ... chunks, then `chunks_max` each."""
    starts = [i for i in range(chunks) if _start(i, chunks_max) == i]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], chunks], strict=True)]


def _start(chunk: int, chunks_max: int) -> int:
    if chunk >= chunks_max:
        return chunk - chunk % chunks_max
    return 1 << chunk.bit_length() - 1 if chunk else 0


def mix(x: int) -> int:
    """The finalizer of SplitMix64, a bijection of 64 bits."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def cost(hashed: int) -> int:
    """-log2(hashed / 2^64) with 32 bits of fraction, digit by digit."""
    odd = hashed | 1
    log = odd.bit_length() - 1
    mantissa = odd << 63 - log
    for _ in range(_FRACTION_BITS):
        square = mantissa * mantissa >> 64
        bit = square >> 63
        log = log << 1 | bit
        mantissa = square if bit else square << 1
    return (64 << _FRACTION_BITS) - log


def _compare(a: tuple[int, int, Member], b: tuple[int, int, Member]) -> int:
    left, right = a[0] * b[1], b[0] * a[1]
    if left != right:
        return -1 if left < right else 1
    return -1 if a[2].id < b[2].id else 1


def _read_member(fields: _Fields, placements: int) -> Member:
    names = fields.string(), fields.string(), fields.string()
    weight, state = fields.take("<HB")
    require(state <= MemberState.DOWN, "node state", state, "0..3")
    fields.reserved(1)
    shares = fields.take(f"<{placements}H")
    return Member(*names, weight, MemberState(state), shares)
