"""Fixtures that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kvtier.local_node import LocalNode, built_checkout


@pytest.fixture(scope="session")
def built_node() -> None:
    """Skips where the node was not built."""
    if built_checkout() is None:
        pytest.skip("the node is not built: ./kvtier build makes it")


@pytest.fixture(scope="module")
def real_node(
    built_node: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalNode]:
    """A node in a process of its own, for a file of tests; they must not end it."""
    with LocalNode(Path(tmp_path_factory.mktemp("node"))) as node:
        yield node
