"""Command line: a deep profile from a joint one (`python -m kvtier.calibrate.deepen --help`).

Needs the model's caches of the training texts and its embeddings, no gradients.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.numpy import load_file

from kvtier.profile import parse, to_bytes

from .deep import Context, DeepOptions, fit_deep
from .errors import CalibrationError
from .gather import cache_file, gather, read_texts
from .model import CausalModel
from .profile_file import geometry
from .tables import read_tables


def parser() -> argparse.ArgumentParser:
    options, out = DeepOptions(), argparse.ArgumentParser(
        prog="python -m kvtier.calibrate.deepen", description="Make a deep profile of a joint one."
    )
    out.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the model")
    out.add_argument("--joint", type=Path, required=True, help="joint profile of the same model")
    out.add_argument("--texts", type=Path, required=True, help="npz file of token ids, as for it")
    out.add_argument("--out", type=Path, required=True, help="profile file to write")
    out.add_argument(
        "--work", type=Path, help="folder of caches, shared with kvtier.calibrate [OUT.work]"
    )
    out.add_argument("--prefix", default="train_", help="arrays of this prefix [train_]")
    out.add_argument("--leading", type=int, default=options.leading, help="shared of each group")
    out.add_argument("--features", type=int, default=options.features, help="of a token id")
    out.add_argument("--lags", type=int, default=options.lags, help="tokens that are looked at")
    out.add_argument("--rank", type=int, help="shared components kept [all]")
    out.add_argument("--step", type=float, help="step of rung 0 [1.5 times the joint one's]")
    out.add_argument("--threads", type=int, default=os.cpu_count(), help="[all cores]")
    return out


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    args.work = args.work or args.out.with_suffix(".work")
    torch.set_num_threads(args.threads)
    try:
        run(args)
    except CalibrationError as error:
        sys.exit(f"deepen: {error}")


def run(args: argparse.Namespace) -> None:
    texts = read_texts(args.texts, args.prefix)
    model = CausalModel(args.model)
    shape = geometry(model.shape)
    joint = parse(args.joint.read_bytes(), shape)
    gather(model, texts, args.work, draws=0)
    contexts = []
    for name in texts:
        cache = load_file(cache_file(args.work, name))
        contexts.append(Context.of(joint, shape, cache["tokens"], cache["k"], cache["v"]))
    options = DeepOptions(args.leading, args.features, args.lags, rank=args.rank, step=args.step)
    profile = fit_deep(joint, contexts, model.embedding(), read_tables(), options)
    digest = hashlib.sha256(args.texts.read_bytes()).hexdigest()[:16]
    made = (
        f"deep from joint {joint.id.hex()[:16]}… by {len(texts)} texts {args.prefix}* of "
        f"{args.texts.name} (SHA-256 {digest}…); {datetime.date.today()}; {options}"
    )
    data = to_bytes(replace(profile, provenance=f"{joint.provenance}; {made}"))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(args.out)
    print(f"{args.out}: {len(data)} bytes, id {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
