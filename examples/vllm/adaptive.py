#!/usr/bin/env python3
"""Exact against adaptive mode, over a slow link: time to the first token, and what it costs.

    python examples/vllm/adaptive.py --model MODEL --profile profiles/smollm2-135m-joint.kvp --json

Two engine processes a mode over one node: a cold one saves the prompt, then a fresh one loads it
over a link of `--mbit`. Both have to continue with the same 256 tokens; KL is the mean divergence
of the fresh engine's next-token distributions from those of the cold one, which computed all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from compare import PROMPT_TOKENS, WARM_UP, prompt_ids
from engine import EngineProcess, connector
from link import Link

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client/python"))

from kvtier.local_node import LocalNode  # noqa: E402

FORCED_TOKENS = 256
MODES = ["exact", "adaptive"]
NEVER_RECOMPUTE = 1.0
"""Tokens a second of prefill that make every load worth its while."""


def run(
    model: Path, config: dict[str, Any], ids: list[int], log: Path, logits: Path
) -> dict[str, Any]:
    """TTFT of the prompt in a fresh engine, then the logits of the forced tokens."""
    prompt, forced = ids[:PROMPT_TOKENS], ids[PROMPT_TOKENS:]
    with EngineProcess(model, config, log) as engine:
        engine.ask(WARM_UP)
        out = engine.ask({"prompt": prompt, "tokens": 1})
        job = {"prompt": prompt, "tokens": len(forced), "force": forced, "logits": str(logits)}
        assert engine.ask(job)["ids"] == forced
    return {k: out[k] for k in ("ttftMs", "cpuMs", "externalTokens", "kvtier")}


def mean_kl(exact: np.ndarray, other: np.ndarray) -> float:
    """Mean over tokens of KL(exact || other), natural logarithms."""

    def log_softmax(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        x -= x.max(axis=1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    a, b = log_softmax(exact), log_softmax(other)
    return float((np.exp(a) * (a - b)).sum(axis=1).mean())


def measure(
    model: Path, profile: Path, modes: list[str], level: str, mbit: float, chunk: int, folder: Path
) -> dict[str, Any]:
    """Both engines of each mode."""
    ids, log = prompt_ids(model, PROMPT_TOKENS + FORCED_TOKENS), folder / "engine.log"
    settings: dict[str, dict[str, Any]] = {
        "exact": {"mode": "exact"},
        "adaptive": {"profile": str(profile), "level": level, "chunkTokens": chunk},
    }
    out: dict[str, Any] = {"mbit": mbit, "tokens": PROMPT_TOKENS, "level": level}
    with LocalNode(folder / "node") as node:
        for mode in modes:
            more, cold, warm = settings[mode], folder / "cold.npy", folder / "warm.npy"
            config = connector(node.location, **more)
            out[f"{mode}Cold"] = run(model, config, ids, log, cold)
            with Link(node.location, mbit) as link:
                config = connector(
                    link.location, loadTimeout=120, lookupTimeout=2,
                    prefillTokensPerSecond=NEVER_RECOMPUTE, save=False, **more,
                )
                out[mode] = run(model, config, ids, log, warm)
                out[mode]["linkBytes"] = link.bytes
            out[mode]["kl"] = mean_kl(np.load(cold), np.load(warm))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--level", default="best")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--mbit", type=float, default=20)
    parser.add_argument("--chunk-tokens", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, profile = Path(name), args.profile.resolve()
        out = measure(
            args.model, profile, args.modes, args.level, args.mbit, args.chunk_tokens, folder
        )
    if args.json:
        print(json.dumps(out))
        return
    for mode in args.modes:
        for name in (f"{mode}Cold", mode):
            row = out[name]
            print(f"{name:14} {row['ttftMs']:8.0f} ms {row['externalTokens']:6} external tokens")
        print(f"KL of {FORCED_TOKENS} forced tokens: {out[mode]['kl']:.4f}")


if __name__ == "__main__":
    main()
