#!/usr/bin/env python3
"""Judge every method of the survey on kvlab's contexts: one row a method, with what it does to the
model's predictions and to its recall of facts.

    python tools/methods/grid.py --work DIR [--only METHOD,...] [--contexts novel,gocode,...] --json

WORK keeps the exact caches, `test` and `facts`, and what each method decodes. A row holds
    method, paper, stages    as `kvtier bench methods` names them
    bitsPerElement           of real containers, everything counted
    kl, top1, dppl           kvlab.py eval over the contexts of `test`
    facts                    answer tokens recalled after decoding, and with the exact cache
    encodeMs, decodeMs       wall time of a chunk of 256 tokens
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KVLAB = ROOT / "tools" / "kvlab" / "kvlab.py"


def output(command: list[str]) -> str:
    """What a command prints; exits when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    return done.stdout


def kvlab(*arguments: str) -> list[dict[str, object]]:
    """The JSON lines that a command of kvlab prints."""
    lines = output([sys.executable, str(KVLAB), *arguments]).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def dump(work: Path, split: str, contexts: str | None) -> Path:
    """The folder of a split's exact caches, made once."""
    folder = work / ("exact-" + split)
    if not any(folder.glob("*.safetensors")):
        chosen = ["--only", contexts] if contexts else []
        kvlab("dump", "--split", split, "--out", str(folder), *chosen)
    return folder


def code(exact: Path, out: Path, only: str | None) -> list[dict[str, object]]:
    """Codes a folder by all methods; the rows of `kvtier bench methods`."""
    command = [str(ROOT / "kvtier"), "bench", "methods", "--in", str(exact), "--out", str(out)]
    command += ["--json"] + (["--only", only] if only else [])
    return json.loads(output(command))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for caches")
    parser.add_argument("--only", help="methods, comma separated")
    parser.add_argument("--contexts", help="contexts of `test`, comma separated [all]")
    parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")
    args = parser.parse_args(arguments)
    test = dump(args.work, "test", args.contexts)
    facts = dump(args.work, "facts", None)
    rows = code(test, args.work / "test", args.only)
    code(facts, args.work / "facts", args.only)
    for i, row in enumerate(rows):
        print(f"{i + 1}/{len(rows)} {row['method']} ...", file=sys.stderr, flush=True)
        row.update(judge(args.work, str(row["method"]), args.contexts))
    print(json.dumps(rows) if args.json else table(rows))


def judge(work: Path, method: str, contexts: str | None) -> dict[str, object]:
    """Loss over the test contexts and recall of facts of one method's decoded caches."""
    chosen = ["--only", contexts] if contexts else []
    total = kvlab("eval", "--decoded", str(work / "test" / method), *chosen)[-1]
    recalled = kvlab("facts", "--decoded", str(work / "facts" / method))
    return {
        "kl": total["kl"],
        "top1": total["top1"],
        "dppl": total["dppl"],
        "facts": {str(row.get("context")): row for row in recalled},
    }


def table(rows: list[dict[str, object]]) -> str:
    """A Markdown table of the rows."""
    out = ["| method | bits/element | KL | top-1 | ΔPPL | encode, decode ms |"]
    out.append("|---|---|---|---|---|---|")
    for row in rows:
        out.append(
            f"| {row['method']} | {row['bitsPerElement']:.2f} | {row['kl']:.4f} |"
            f" {row['top1']:.1f} % | {row['dppl']:+.1f} % |"
            f" {row['encodeMs']:.0f}, {row['decodeMs']:.0f} |"
        )
    return "\n".join(out)


if __name__ == "__main__":
    main()
