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

from . import deepen
from .cases import Words, choose_held_out, held_out_cases
from .errors import CalibrationError
from .evaluate import Simulation
from .fit import Corpus, FitOptions, fit_all
from .gather import gather, read_texts
from .judge import Judge
from .losses import loss_map, measure, summary
from .model import CausalModel
from .order import group_order, levels_of
from .profile_file import ProfileText, to_profile
from .report import report, say
from .simulate import CodecProfile, class_coding, fit_centroids, sample_coefficients, to_codec
from .tables import CodeLengths, read_tables

KIND_LAYERS = {"layer": 1, "joint": 3, "head": 6}
DEFAULT_STEP = {"layer": 0.45, "joint": 0.46, "head": 0.46}
BLIND_STEP = 1.0
ORDER_TEXTS = 5


def parse(arguments: list[str] | None) -> argparse.Namespace:
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
    parser.add_argument("--kind", choices=[*sorted(KIND_LAYERS), "deep"], default="joint")
    parser.add_argument(
        "--joint",
        type=Path,
        help="joint profile that one of kind deep is made of, made first if missing [OUT.joint]",
    )
    parser.add_argument("--leading", type=int, help="components of a group that kind deep shares")
    parser.add_argument("--layers", type=int, help="layers a group: kind joint [3], head [6]")
    parser.add_argument(
        "--prefix", default="train_", help="use only arrays of this prefix [train_]"
    )
    parser.add_argument(
        "--held-out", type=int, help="texts kept from a first fit, to measure levels [a third]"
    )
    parser.add_argument(
        "--windows", type=int, default=2, help="contexts cut from each of those texts [2]"
    )
    parser.add_argument("--facts", type=int, help="texts of those that facts are hidden in [all]")
    parser.add_argument("--step", type=float, help="quantizer step of rung 0 [%s]" % DEFAULT_STEP)
    parser.add_argument("--rank", type=int, help="components kept of each group [all]")
    parser.add_argument("--draws", type=int, default=1, help="sampled labellings a text [1]")
    parser.add_argument(
        "--no-gradients",
        action="store_true",
        help="statistics alone, for models too large to differentiate: more bits",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="[all cores]")
    parser.add_argument("--rows", type=Path, help="write every measurement, a JSON line each")
    parser.add_argument("--arrays", type=Path, help="write the arrays as npz, too")
    args = parser.parse_args(arguments)
    args.work = args.work or args.out.with_suffix(".work")
    args.deep, args.deep_step = args.kind == "deep", args.step
    args.kind = "joint" if args.deep else args.kind
    args.step = args.step or (BLIND_STEP if args.no_gradients else DEFAULT_STEP[args.kind])
    args.layers = 1 if args.kind == "layer" else args.layers or KIND_LAYERS[args.kind]
    if args.no_gradients:
        args.draws = 0
    return args


def main() -> None:
    run_command(None)


def run_command(arguments: list[str] | None) -> None:
    """The command with arguments, None = of the process; exits with a plain message where it
    refuses."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    try:
        run_deep(args) if args.deep else run(args)
    except CalibrationError as error:
        sys.exit(f"calibrate: {error}")


def run(args: argparse.Namespace) -> None:
    texts = read_texts(args.texts, args.prefix)
    held_out = choose_held_out(texts, args.held_out)
    model = CausalModel(args.model)
    gather(model, texts, args.work, args.draws)
    tables = read_tables()
    corpus = Corpus.read(args.work, list(texts), model.shape, args.draws)
    options = FitOptions(
        layers_per_group=args.layers,
        heads_apart=args.kind == "head",
        rank=args.rank,
        gradients=not args.no_gradients,
    )

    say(f"fit without the {len(held_out)} held-out texts")
    seen = corpus.subset([i for i, name in enumerate(texts) if name not in held_out])
    trial = calibrate(seen, options, args.step, tables)
    say("measure levels on the held-out texts")
    words = Words.of(args.model)
    if words is None:
        say("facts stay unmeasured: the model folder has no tokenizer")
    judge = Judge(model)
    few = dict(list(held_out.items())[:: -(-len(held_out) // ORDER_TEXTS)])
    first = held_out_cases(model, None, few, args.work, (1, 0))
    levels = levels_of(group_order(judge, trial, tables, model.shape, first))
    counts = (args.windows, len(held_out) if args.facts is None else args.facts)
    cases = held_out_cases(model, words, held_out, args.work, counts)
    with open(args.rows or os.devnull, "w") as log:
        rows = measure(judge, Simulation(trial, tables, model.shape), cases, levels, log)
    report(rows, levels)

    say("fit on all texts")
    profile = calibrate(corpus, options, args.step, tables)
    centre, table = class_coding(profile, sample_coefficients(profile, corpus), tables)
    made, costs = provenance(args, len(texts)), summary(rows, levels)
    text = ProfileText(args.kind, made, centre, table, costs, loss_map(rows))
    data = to_bytes(to_profile(profile, model.shape, text))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(data)
    if args.arrays:
        write_arrays(args.arrays, profile, text)
    print(f"{args.out}: {len(data)} bytes, id {hashlib.sha256(data).hexdigest()}")


def run_deep(args: argparse.Namespace) -> None:
    """A deep profile by `deepen` with its own defaults, after the joint one that it needs."""
    joint = args.joint or args.out.with_suffix(".joint")
    if not joint.exists():
        run(argparse.Namespace(**{**vars(args), "out": joint, "step": DEFAULT_STEP["joint"]}))
    options = {
        "model": args.model,
        "joint": joint,
        "texts": args.texts,
        "out": args.out,
        "work": args.work,
        "prefix": args.prefix,
        "threads": args.threads,
        "held-out": args.held_out,
        "facts": args.facts,
        "leading": args.leading,
        "step": args.deep_step,
        "rows": args.rows,
    }
    deepen.main([f"--{name}={value}" for name, value in options.items() if value is not None])


def calibrate(
    corpus: Corpus, options: FitOptions, step: float, tables: CodeLengths
) -> CodecProfile:
    """Transforms, probes, curve and centroids from a corpus."""
    profile = to_codec(fit_all(corpus, options), step, tables.centroids)
    for group in profile.groups:
        if not (torch.isfinite(group.analysis).all() and torch.isfinite(group.synthesis).all()):
            raise CalibrationError(
                f"the transform of layers {group.layers} is not finite in float16: their channels "
                "are constant or their sensitivities too far apart; give more texts"
            )
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
        f"{date}; kvtier.calibrate kind {args.kind}, {args.layers} layers a group, "
        f"step {args.step}, draws {args.draws}"
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


if __name__ == "__main__":
    main()
