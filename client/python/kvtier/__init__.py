"""kvtier: the client of a distributed tier for the KV caches of LLM inference."""

from kvtier.client import DecodedChunk, Match, Prefix, PrefixReader
from kvtier.config import TierConfig
from kvtier.deadline import Deadline
from kvtier.dtype import Dtype
from kvtier.errors import (
    AccessDeniedError,
    CorruptChunkError,
    DeadlineExceededError,
    InvalidRequestError,
    KvtierError,
    OverloadedError,
    UnavailableError,
)
from kvtier.fetch import Stop
from kvtier.identity import Geometry, GeometryKind, Namespace, NamespaceKind, Rope
from kvtier.plan import Grade
from kvtier.profile import Profile
from kvtier.tier import Block, ChunkReader, Tier
from kvtier.wire import Durability, PutReply, PutStatus

__all__ = [
    "AccessDeniedError",
    "Block",
    "ChunkReader",
    "CorruptChunkError",
    "Deadline",
    "DeadlineExceededError",
    "DecodedChunk",
    "Dtype",
    "Durability",
    "Geometry",
    "GeometryKind",
    "Grade",
    "InvalidRequestError",
    "KvtierError",
    "Match",
    "Namespace",
    "NamespaceKind",
    "OverloadedError",
    "Prefix",
    "PrefixReader",
    "Profile",
    "PutReply",
    "PutStatus",
    "Rope",
    "Stop",
    "Tier",
    "TierConfig",
    "UnavailableError",
]
