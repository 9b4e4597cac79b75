#!/usr/bin/env python3
"""More contexts with facts for kvlab: three of five-digit codes, three of words, beside its two.

    export PYTHONPATH=client/python
    python tools/model/make_facts.py --model MODEL --out FACTS
    export KVLAB_DATA=FACTS
    python tools/kvlab/kvlab.py dump --split facts --out DIR    # then as with kvlab's own contexts

Each hides twelve facts in the text of one of kvlab's test contexts; two of a kind share nothing.
MODEL is the folder that `make_smollm2.py` writes: its tokenizer is what is needed. The same
arguments give the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from kvtier.calibrate.cases import Words
from kvtier.calibrate.facts import CODES, SECRETS, hide_facts
from kvtier.calibrate.gather import PREFIX_TOKENS

KVLAB = Path(__file__).resolve().parents[1] / "kvlab"
TEXTS = ("handbook", "novel", "scripture")
KINDS = (("digits", CODES), ("words", SECRETS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with the tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder for facts.npz")
    args = parser.parse_args()
    words = Words.of(args.model)
    if words is None:
        parser.error(f"{args.model} has no tokenizer: make the folder by make_smollm2.py")
    with np.load(KVLAB / "facts.npz") as own:
        arrays = dict(own)
    with np.load(KVLAB / "tokens.npz") as texts:
        for seed, text in enumerate(TEXTS):
            for turn, (kind, question) in enumerate(KINDS):
                ids, questions = hide_facts(
                    texts[f"test_{text}"],
                    PREFIX_TOKENS,
                    words.encode,
                    words.decode,
                    100 + 2 * seed + turn,
                    (question,),
                )
                name = f"facts_{kind}_{text}"
                arrays[name] = ids.astype(np.int32)
                for index, one in enumerate(questions):
                    arrays[f"{name}/q{index}"] = one.prompt.astype(np.int32)
                    arrays[f"{name}/a{index}"] = one.answer.astype(np.int32)
    args.out.mkdir(parents=True, exist_ok=True)
    np.savez(args.out / "facts.npz", **arrays)


if __name__ == "__main__":
    main()
