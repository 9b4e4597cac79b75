"""kvtier: the client of a distributed tier for the KV caches of LLM inference."""

from kvtier.client import DecodedChunk, Match, Prefix, PrefixReader, Tier
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
from kvtier.wire import Durability, PutReply, PutStatus

__all__ = [
    "AccessDeniedError",
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
    "UnavailableError",
]
