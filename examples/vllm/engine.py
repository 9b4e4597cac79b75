"""Engine processes for the example and its tests: start one, ask it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
STOP_SECONDS = 60


def connector(node: str, **settings: Any) -> dict[str, Any]:
    """The KVTransferConfig of a worker that uses a node."""
    return {
        "kv_connector": "KvtierConnector",
        "kv_connector_module_path": "kvtier.vllm.connector",
        "kv_role": "kv_both",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": {"node": node, **settings},
    }


class EngineProcess:
    """vLLM in a process of its own; leaving the context ends it, its saves sent."""

    def __init__(
        self, model: Path, config: dict[str, Any] | None = None, log: Path | None = None
    ) -> None:
        command = [sys.executable, str(HERE / "serve.py"), "--model", str(model)]
        if config is not None:
            command += ["--connector", json.dumps(config)]
        client = str(HERE.parents[1] / "client/python")
        path = os.pathsep.join(filter(None, [client, os.environ.get("PYTHONPATH")]))
        self._log = log.open("ab") if log else None
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._answer()

    def ask(self, job: Any) -> Any:
        """Run one job, or a list of them at once."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine ended with {self.process.wait()}: see its log")
        return json.loads(line)

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._log is not None:
            self._log.close()
