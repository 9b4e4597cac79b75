"""Command line of calibration."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kvtier.profile import to_bytes

from .errors import CalibrationError
from .evaluate import Judge
from .fit import Corpus, FitOptions, fit_all
from .gather import gather, read_texts
from .losses import measure_levels
from .model import CausalModel, KvShape
from .profile_file import ProfileText, to_profile
from .simulate import CodecProfile, class_coding, fit_centroids, sample_coefficients, to_codec
from .tables import CodeLengths, read_tables

KIND_LAYERS = {"layer": 1, "joint": 3}
DEFAULT_STEP = {"layer": 0.45, "joint": 0.5}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m kvtier.calibrate", description="Make a codec profile of a model."
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="Hugging Face folder of a causal LM"
    )
    parser.add_argument(
        "--texts",
        type=Path,
        required=True,
        help="npz file of token ids, one array a text (>= 1280 tokens)",
    )
    parser.add_argument("--out", type=Path, required=True, help="profile file to write")
    parser.add_argument(
        "--work", type=Path, help="folder of caches and gradients, reused by a later run [OUT.work]"
    )
    parser.add_argument("--kind", choices=sorted(KIND_LAYERS), default="joint")
    parser.add_argument(
        "--prefix", default="train_", help="use only arrays of this prefix [train_]"
    )
    parser.add_argument(
        "--held-out", type=int, default=6, help="texts kept from a first fit, to measure levels [6]"
    )
    parser.add_argument("--step", type=float, help="quantizer step of rung 0 [%s]" % DEFAULT_STEP)
    parser.add_argument("--rank", type=int, help="components kept of each group [all]")
    parser.add_argument("--draws", type=int, default=1, help="sampled labellings a text [1]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="[all cores]")
    parser.add_argument("--arrays", type=Path, help="write the arrays as npz, too")
    args = parser.parse_args(arguments)
    args.work = args.work or args.out.with_suffix(".work")
    args.step = args.step or DEFAULT_STEP[args.kind]
    return args


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    try:
        run(args)
    except CalibrationError as error:
        sys.exit(f"calibrate: {error}")


def run(args: argparse.Namespace) -> None:
    texts = read_texts(args.texts, args.prefix)
    if not 1 <= args.held_out < len(texts):
        raise CalibrationError(
            f"--held-out {args.held_out} of {len(texts)} texts: keep at least one on each side"
        )
    model = CausalModel(args.model)
    gather(model, texts, args.work, args.draws)
    tables = read_tables()
    corpus = Corpus.read(args.work, list(texts), model.shape, args.draws)
    options = FitOptions(layers_per_group=KIND_LAYERS[args.kind], rank=args.rank)

    say("fit without the held-out texts")
    held_out = set(np.linspace(0, len(texts) - 1, args.held_out).round().astype(int).tolist())
    seen = corpus.subset([i for i in range(len(texts)) if i not in held_out])
    trial = calibrate(seen, model.shape, options, args.step, tables)
    say("measure levels on the held-out texts")
    judge = Judge(model)
    for index, (name, ids) in enumerate(texts.items()):
        if index in held_out:
            judge.add(name, ids)
    levels, loss = measure_levels(judge, trial, tables, model.shape)
    for row in levels:
        say(
            f"level {row.name}: {row.bits_per_element:.3f} bit/element, KL {row.kl:.4f}, "
            f"perplexity {100 * row.dppl:+.2f} %"
        )

    say("fit on all texts")
    profile = calibrate(corpus, model.shape, options, args.step, tables)
    centre, table = class_coding(profile, sample_coefficients(profile, corpus), tables)
    text = ProfileText(args.kind, provenance(args, len(texts)), centre, table, levels, loss)
    data = to_bytes(to_profile(profile, model.shape, text))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(data)
    if args.arrays:
        write_arrays(args.arrays, profile, text)
    print(f"{args.out}: {len(data)} bytes, id {hashlib.sha256(data).hexdigest()}")


def calibrate(
    corpus: Corpus, shape: KvShape, options: FitOptions, step: float, tables: CodeLengths
) -> CodecProfile:
    """Transforms, probes, curve and centroids from a corpus."""
    profile = to_codec(fit_all(corpus, shape, options), step, tables.centroids)
    return replace(
        profile,
        centroids=fit_centroids(profile, sample_coefficients(profile, corpus), tables.centroids),
    )


def provenance(args: argparse.Namespace, texts: int) -> str:
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    digest = hashlib.sha256(args.texts.read_bytes()).hexdigest()[:16]
    return (
        f"model {args.model.name}; {texts} texts {args.prefix}* of {args.texts.name} "
        f"(SHA-256 {digest}…); "
        f"{date}; kvtier.calibrate kind {args.kind}, step {args.step}, draws {args.draws}"
    )


def write_arrays(path: Path, profile: CodecProfile, text: ProfileText) -> None:
    """The profile's arrays by name, for study with numpy alone."""
    arrays = {
        "step": np.float32(profile.step),
        "curve": profile.curve.numpy(),
        "centroids": profile.centroids.numpy(),
        "class_centre": np.int8(text.class_centre),
        "class_table": np.uint8(text.class_table),
    }
    for index, group in enumerate(profile.groups):
        for name in ("mean", "sigma", "sigma_index", "probe"):
            arrays[f"{index}/{name}"] = getattr(group, name).numpy()
        arrays[f"{index}/layers"] = np.array(group.layers)
        for name in ("analysis", "synthesis"):
            arrays[f"{index}/{name}"] = getattr(group, name).numpy().astype(np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
