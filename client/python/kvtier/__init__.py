"""kvtier: the client of a distributed tier for the KV caches of LLM inference."""

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
from kvtier.identity import Geometry, GeometryKind, Namespace, NamespaceKind, Rope

__all__ = [
    "AccessDeniedError",
    "CorruptChunkError",
    "DeadlineExceededError",
    "Dtype",
    "Geometry",
    "GeometryKind",
    "InvalidRequestError",
    "KvtierError",
    "Namespace",
    "NamespaceKind",
    "OverloadedError",
    "Rope",
    "UnavailableError",
]
