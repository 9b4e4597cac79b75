"""The one table of errors on the wire: what Flight raises, as a `KvtierError`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import flight

from kvtier.errors import (
    AccessDeniedError,
    CorruptChunkError,
    DeadlineExceededError,
    InvalidRequestError,
    KvtierError,
    OverloadedError,
    UnavailableError,
)

_RETRY_AFTER = re.compile(r"kvtier-retry-after-ms\W+(\d+)")
_NOISE = re.compile(r"\.? ?(gRPC client debug context|Client context|Detail):.*", re.DOTALL)


def translate(error: Exception, node: str) -> KvtierError:
    """The error of this package that a failed call means; messages name the node."""
    text = str(error)
    message = f"{node}: {_NOISE.sub('', text).strip() or type(error).__name__}"
    if "resource exhausted" in text.lower() or "RESOURCE_EXHAUSTED" in text:
        return OverloadedError(message, _retry_after(error, text))
    if isinstance(error, flight.FlightTimedOutError):
        return DeadlineExceededError(message)
    if isinstance(error, (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError)):
        return AccessDeniedError(message)
    if isinstance(error, flight.FlightInternalError):
        return CorruptChunkError(message)
    invalid = (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError, KeyError)
    if isinstance(error, invalid):
        return InvalidRequestError(message)
    return UnavailableError(message)


def _retry_after(error: Exception, text: str) -> float:
    extra = getattr(error, "extra_info", b"") or b""
    found = _RETRY_AFTER.search(text) or _RETRY_AFTER.search(extra.decode(errors="replace"))
    return int(found.group(1)) / 1000 if found else 0.1


@contextmanager
def flight_errors(node: str) -> Iterator[None]:
    """Raise what goes wrong inside as a `KvtierError`."""
    try:
        yield
    except KvtierError:
        raise
    except (pa.ArrowException, flight.FlightError, OSError, KeyError) as error:
        raise translate(error, node) from error
