"""Tokens and PEM files of the configuration reach every call of a client."""

from __future__ import annotations

from pathlib import Path

import pyarrow.flight as flight
import pytest

from kvtier import client
from kvtier.credentials import Credentials
from kvtier.errors import InvalidRequestError, KvtierError
from kvtier.tier import Tier


class Guard(flight.ServerMiddlewareFactory):
    """Refuses calls without the token, and keeps what came."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def start_call(self, info: flight.CallInfo, headers: dict[str, list[str]]) -> None:
        self.seen.append(headers.get("authorization", [""])[0])
        if self.seen[-1] != "Bearer secret-token":
            raise flight.FlightUnauthenticatedError("the bearer token is not known")


class StatsNode(flight.FlightServerBase):
    """Answers the one action that needs no body."""

    def do_action(self, context, action):  # noqa: ANN001, ANN201
        yield flight.Result(b'{"entries": 0}')


@pytest.fixture
def guarded():
    guard = Guard()
    with StatsNode("grpc://127.0.0.1:0", middleware={"guard": guard}) as node:
        yield f"grpc://127.0.0.1:{node.port}", guard


def test_token_comesWithEveryCall(guarded, tmp_path: Path) -> None:
    location, guard = guarded
    file = tmp_path / "token"
    file.write_text("secret-token\n")
    with client.Tier(location, credentials=Credentials(token_file=str(file))) as tier:
        assert "entries" in tier.stats()
    with Tier.connect(location, token_file=str(file)) as tier:
        assert "entries" in tier.stats()
    assert guard.seen == ["Bearer secret-token"] * 2


def test_withoutToken_isRefused(guarded) -> None:
    location, _ = guarded
    with client.Tier(location) as tier, pytest.raises(KvtierError):
        tier.stats()


def test_pemFiles_areReadAndMissingOnesNamed(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"PEM")
    assert Credentials(tls_ca=str(tmp_path / "ca.pem")).tls() == {"tls_root_certs": b"PEM"}
    with pytest.raises(InvalidRequestError, match="missing"):
        Credentials(token_file=str(tmp_path / "missing")).headers()
    with pytest.raises(InvalidRequestError, match="tls_cert and tls_key"):
        Tier.connect("grpc+tls://127.0.0.1:1", tls_cert=str(tmp_path / "ca.pem"))
