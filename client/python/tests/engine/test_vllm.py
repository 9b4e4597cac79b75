"""Real vLLM engines in processes of their own, over a real node and over one that misbehaves.

Needs vLLM in this Python and `SMOLLM2_FOLDER`, the folder of `tools/model/make_smollm2.py`;
docs/workers.md says how to install vLLM for CPUs. Greedy tokens of an engine without connector are
what every other engine has to say, whatever happens to its node.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(ROOT / "examples/vllm"), str(ROOT / "client/python/tests")]

MODEL = Path(os.environ.get("SMOLLM2_FOLDER", "/nonexistent"))
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None,
        reason="vLLM is not installed: docs/workers.md says how",
    ),
    pytest.mark.skipif(
        not (MODEL / "config.json").is_file(),
        reason="SMOLLM2_FOLDER names no model folder: tools/model/make_smollm2.py makes one",
    ),
]

from compare import WARM_UP, prompt_ids  # noqa: E402
from engine import EngineProcess, connector  # noqa: E402
from memory_node import MemoryNode  # noqa: E402

from kvtier.local_node import LocalNode  # noqa: E402

SHORT, LONG, NEW = 520, 1500, 64
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def text() -> list[int]:
    return prompt_ids(MODEL, 6000)


@pytest.fixture(scope="module")
def jobs(text: list[int]) -> dict[str, dict[str, Any]]:
    """One long prompt, and eight short ones: four share 384 tokens, four share nothing."""
    shared = [text[:384] + text[1000 + 200 * i : 1136 + 200 * i] for i in range(4)]
    own = [text[2000 + SHORT * i : 2000 + SHORT * (i + 1)] for i in range(4)]
    out = {f"short{i}": {"prompt": p, "tokens": 16} for i, p in enumerate(shared + own)}
    out["long"] = {"prompt": text[:LONG], "tokens": NEW}
    return out


@pytest.fixture(scope="module")
def expected(
    jobs: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[int]]:
    """Tokens by an engine that knows nothing of kvtier."""
    log = tmp_path_factory.mktemp("plain") / "engine.log"
    with EngineProcess(MODEL, log=log) as engine:
        engine.ask(WARM_UP)
        return {name: engine.ask(job)["ids"] for name, job in jobs.items()}


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryNode]:
    node = MemoryNode()
    yield node
    node.released.set()
    node.shutdown()


@pytest.fixture(scope="module")
def ask(memory: MemoryNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """An engine on a node of the tests; each job begins without a local prefix cache."""
    log = tmp_path_factory.mktemp("memory") / "engine.log"
    settings = {"mode": "exact", "loadTimeout": 5, "retryAfter": 0, "prefillTokensPerSecond": 150}
    with EngineProcess(MODEL, connector(memory.location, **settings), log) as engine:
        engine.ask(WARM_UP)
        engine.ask({"prompt": list(range(500, 1020)), "tokens": 2})

        def run(job: dict[str, Any], **more: Any) -> dict[str, Any]:
            before = engine.ask(WARM_UP)["kvtier"]
            answer = engine.ask({**job, **more, "reset": True})
            after = engine.ask(WARM_UP)["kvtier"]
            answer["kvtier"] = {k: v - before.get(k, 0) for k, v in after.items()}
            assert answer["finish"] == "length", log.read_text()[-3000:]
            return answer

        run.together = engine.ask  # type: ignore[attr-defined]
        yield run


@pytest.fixture
def saved(
    ask: Ask, memory: MemoryNode, jobs: dict[str, dict[str, Any]], expected: dict[str, list[int]]
) -> Iterator[dict[str, Any]]:
    """The job whose chunks the node of the tests holds; the node behaves again afterwards."""
    job = jobs["short7"]
    assert ask(job)["ids"] == expected["short7"]
    yield job
    memory.tamper, memory.bytes_per_second, memory.refuse = None, 0, None


def test_fresh_engine_loads_what_another_saved_and_says_the_same(
    built_node: None, jobs: dict, expected: dict, tmp_path: Path
) -> None:
    with LocalNode(tmp_path / "node") as node:
        config = connector(node.location, mode="exact")
        for external in (0, LONG // 128 * 128):
            with EngineProcess(MODEL, config, tmp_path / "engine.log") as engine:
                engine.ask(WARM_UP)
                first = engine.ask({**jobs["long"], "tokens": 1})
                assert first["externalTokens"] == external
                assert engine.ask(jobs["long"])["ids"] == expected["long"]
                print(f"external {external}: {first}")
                if external:
                    node.suspend()
                    answer = engine.ask({**jobs["short0"], "reset": True})
                    assert answer["ids"] == expected["short0"], "the node hung"
                    node.kill()
                    answer = engine.ask({**jobs["short1"], "reset": True})
                    assert answer["ids"] == expected["short1"], "the node was killed"


def test_whole_prefix_comes_back(ask: Ask, saved: dict, expected: dict) -> None:
    answer = ask(saved)
    assert answer["ids"] == expected["short7"] and answer["externalTokens"] == 512
    assert answer["kvtier"].get("failed_blocks", 0) == 0


def test_other_salt_finds_nothing(ask: Ask, saved: dict, expected: dict) -> None:
    answer = ask(saved, salt="tenant")
    assert answer["externalTokens"] == 0 and answer["ids"] == expected["short7"]


def test_damaged_chunk_is_computed(
    ask: Ask, saved: dict, memory: MemoryNode, expected: dict
) -> None:
    memory.tamper = lambda reply, data: (reply, data[:-1] + bytes([data[-1] ^ 1]))
    answer = ask(saved)
    assert answer["ids"] == expected["short7"] and answer["kvtier"]["failed_blocks"] == 4


def test_chunk_that_is_gone_after_the_lookup_is_computed(
    ask: Ask, saved: dict, memory: MemoryNode, expected: dict
) -> None:
    kept = dict(memory.frames)

    def lose(reply: Any, data: bytes) -> Any:
        memory.frames.clear()  # all but what is being sent
        return reply, data

    memory.tamper = lose
    answer = ask(saved)
    memory.frames.update(kept)
    assert answer["ids"] == expected["short7"]


def test_link_that_becomes_slow_costs_no_more_than_the_deadline(
    ask: Ask, saved: dict, memory: MemoryNode, expected: dict
) -> None:
    memory.bytes_per_second = 100_000  # a chunk takes a minute
    answer = ask(saved)
    assert answer["ids"] == expected["short7"] and answer["kvtier"]["failed_blocks"] > 0


def test_node_that_refuses_is_a_miss(
    ask: Ask, saved: dict, memory: MemoryNode, expected: dict
) -> None:
    from pyarrow import flight

    memory.refuse = flight.FlightUnavailableError("full")
    answer = ask(saved)
    assert answer["ids"] == expected["short7"] and answer["externalTokens"] == 0
    assert answer["kvtier"]["failed_lookups"] == 1


def test_eight_at_once_say_what_each_says_alone(
    ask: Ask, jobs: dict, expected: dict, memory: MemoryNode
) -> None:
    names = [f"short{i}" for i in range(8)]
    together = ask.together  # type: ignore[attr-defined]
    for _ in range(2):  # the second time, all of them load
        answers = together([{**jobs[name], "reset": True} for name in names])
        assert [a["ids"] for a in answers] == [expected[name] for name in names]
    assert answers[0]["externalTokens"] >= 4 * 512
