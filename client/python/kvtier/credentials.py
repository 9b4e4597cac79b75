"""What a client shows to a node, and by what it knows a node: a bearer token, PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kvtier.errors import InvalidRequestError


@dataclass(frozen=True)
class Credentials:
    """Files, read when a connection is made; empty = none.

    token_file: the bearer token. tls_ca: authorities that vouch for a `grpc+tls://` node, empty for
    the system's. tls_cert, tls_key: the client's own certificate and its private key.
    """

    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of each call."""
        if not self.token_file:
            return []
        return [(b"authorization", b"Bearer " + _read(self.token_file).strip())]

    def tls(self) -> dict[str, bytes]:
        """Arguments of a Flight client."""
        files = {
            "tls_root_certs": self.tls_ca,
            "cert_chain": self.tls_cert,
            "private_key": self.tls_key,
        }
        return {name: _read(file) for name, file in files.items() if file}


NO_CREDENTIALS = Credentials()


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"credential {file} cannot be read: {error}") from None
