"""The configuration: what wins over what, and what is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtier import InvalidRequestError, TierConfig
from kvtier.config import unknown_variables

FILE = "node: grpc://file:1\nloadTimeout: 250 ms\nsaveBytes: 3 MiB\nmode: exact\nsave: false\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kvtier.yaml"
    path.write_text(FILE)
    return path


def test_defaults_without_anything() -> None:
    config = TierConfig.load(environment={})
    assert config == TierConfig() and config.node == "grpc://127.0.0.1:7420"


def test_keyword_wins_over_environment_wins_over_file(file: Path) -> None:
    environment = {"KVTIER_NODE": "grpc://env:2", "KVTIER_LOAD_TIMEOUT": "4"}
    config = TierConfig.load(file, environment, node="grpc://keyword:3")
    assert (config.node, config.load_timeout, config.save_bytes) == ("grpc://keyword:3", 4, 3 << 20)
    assert config.mode == "exact" and config.save is False
    assert TierConfig.load(file, environment).node == "grpc://env:2"
    assert TierConfig.load(file, {}).load_timeout == 0.25


def test_file_may_be_named_by_the_environment(file: Path) -> None:
    assert TierConfig.load(environment={"KVTIER_CONFIG": str(file)}).node == "grpc://file:1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nodes: grpc://a:1", "did you mean node?"),
        ("loadTimeout: fast", "loadTimeout in .*'fast', expected a number, with ms, s, min, h"),
        ("loadTimeout: 3 GiB", "expected a number, with ms"),
        ("loadTimeout: 0", "load_timeout is 0.0, expected more than 0 s"),
        ("saveBytes: 0.3", "expected a whole number"),
        ("node: 7420", "node in .* is 7420, expected text"),
        ("node: localhost:7420", "node is 'localhost:7420', expected grpc://host:port"),
        ("mode: lossy", "mode is 'lossy', expected adaptive or exact"),
        ("durability: tape", "durability is 'tape', expected"),
        ("save: maybe", "expected true or false"),
        ("model: abc", "64 hex digits"),
        ("- a", "content of .* is list, expected keys"),
        ("a: [", "is no YAML"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "kvtier.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match=says):
        TierConfig.load(path, {})


def test_mistakes_of_environment_arguments_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="KVTIER_CHUNK_TOKENS in the environment"):
        TierConfig.load(environment={"KVTIER_CHUNK_TOKENS": "many"})
    with pytest.raises(InvalidRequestError, match="in the arguments is 'nod'.*did you mean node"):
        TierConfig.load(environment={}, nod="grpc://a:1")
    with pytest.raises(InvalidRequestError, match="none.yaml cannot be read"):
        TierConfig.load(tmp_path / "none.yaml", {})


def test_variables_that_nobody_reads_are_listed() -> None:
    environment = {"KVTIER_NODE": "x", "KVTIER_TIMEOUT": "1", "PATH": "", "KVTIER_CONFIG": ""}
    assert unknown_variables(environment) == ["KVTIER_TIMEOUT"]
