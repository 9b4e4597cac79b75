"""What can go wrong, by what the caller should do about it; the same five types as in Java.

Messages say what was got, what was expected and where.
"""

from __future__ import annotations


class KvtierError(Exception):
    """A failure that a caller can tell apart by type."""


class InvalidRequestError(KvtierError):
    """The caller's fault: a retry of the same request fails in the same way."""


class AccessDeniedError(KvtierError):
    """Who asks may not: no credential, a wrong one, or one without the role."""


class OverloadedError(KvtierError):
    """A limit (memory, disk, in-flight bytes, quota) is reached; later it may pass."""

    def __init__(self, message: str, retry_after_seconds: float = 0.1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CorruptChunkError(KvtierError):
    """Bytes are not what they claim to be. The chunk is a miss; its bytes are never used."""


class UnavailableError(KvtierError):
    """The node cannot answer now (down, unreachable): another one may."""


class DeadlineExceededError(UnavailableError):
    """The time that the caller gave is over."""


def require(holds: bool, what: str, got: object, expected: object) -> None:
    """Raise InvalidRequestError "what is got, expected expected" unless `holds`."""
    if not holds:
        raise InvalidRequestError(f"{what} is {got}, expected {expected}")


def trust(holds: bool, where: str, expected: object, actual: object) -> None:
    """Raise CorruptChunkError "where is actual, expected expected" unless `holds`."""
    if not holds:
        raise CorruptChunkError(f"{where} is {actual}, expected {expected}")
