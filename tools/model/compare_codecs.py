#!/usr/bin/env python3
"""Bits and loss of profiles and of CacheGen's quantizer on texts that calibration never saw.

    export PYTHONPATH=client/python
    python tools/model/compare_codecs.py --model DIR --texts DIR/tokens.npz --work WORK \\
        --profile P.kvp --steps 0.4,0.5 --cachegen 1,2

For every `test_*` text of the npz file: its first 1,024 tokens are cached, sent, and the next 128
predicted. A JSON line a codec: `bits` an element of what the reader needs (tokens out of every
later window left out), `kl` nats, `dppl` and `top1` percent. Code lengths are ideal, with classes,
scales and the raw first token counted, headers left out; CacheGen's static tables are trained on
the caches of the `train_*` texts that calibration left in WORK. The last lines compare each
profile and level with CacheGen at equal KL, interpolated in log KL.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from kvtier.calibrate import cachegen
from kvtier.calibrate.cases import windows
from kvtier.calibrate.evaluate import FLAT, RECENT, decode, encode
from kvtier.calibrate.gather import PREFIX_TOKENS, cached, read_texts
from kvtier.calibrate.judge import Case, Judge
from kvtier.calibrate.model import CausalModel
from kvtier.calibrate.profile_file import from_profile
from kvtier.calibrate.simulate import at_step
from kvtier.calibrate.tables import read_tables
from kvtier.profile import parse

TABLE_TEXTS = 8
KLS = (0.004, 0.0065, 0.0135, 0.057)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the --work of calibration")
    parser.add_argument("--profile", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", default="", help="steps instead of the profile's own")
    parser.add_argument("--cachegen", default="1,2", help="multiples of LMCache's bins")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = CausalModel(args.model)
    judge, tables = Judge(model), read_tables()
    baselines = {f: trained(args, model, f) for f in map(float, args.cachegen.split(","))}
    rows = defaultdict(list)
    for name, ids in read_texts(args.texts, "test_").items():
        prefix, following = windows(ids, 1, model.begin_token)[0]
        keys, values = cached(model, args.work, name, prefix)
        case = Case(name, name, keys, values, following)
        for factor, static in baselines.items():
            sent = cachegen.quantize(model.shape, keys, values, factor)
            bits, elements = static.bits(sent)
            score = judge.score(case, sent.keys, sent.values)
            rows["cachegen", f"{factor:g}x bins"].append({"bits": bits / elements, **score})
        for path in args.profile:
            profile = from_profile(parse(path.read_bytes()), PREFIX_TOKENS)
            for step in [float(s) for s in args.steps.split(",") if s] or [profile.step]:
                coded = encode(at_step(profile, step), tables, model.shape, keys, values)
                for level in (RECENT, FLAT):
                    sent = decode(at_step(profile, step), model.shape, coded, level)
                    row = {"bits": coded.bits_per_element(level), **judge.score(case, *sent)}
                    rows[f"{path.stem} {level.name}", f"step {step:g}"].append(row)
        judge.forget(case)
        print(f"done {name}", file=sys.stderr, flush=True)
    report(rows)


def trained(args: argparse.Namespace, model: CausalModel, factor: float) -> cachegen.StaticTables:
    """CacheGen's tables from training texts."""
    static = cachegen.StaticTables(model.shape, factor)
    for name, ids in list(read_texts(args.texts, "train_").items())[::3][:TABLE_TEXTS]:
        keys, values = cached(model, args.work, name, ids[:PREFIX_TOKENS])
        static.add(cachegen.quantize(model.shape, keys, values, factor))
    return static


def report(rows: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    curves = defaultdict(list)
    for (codec, variant), each in rows.items():
        mean = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
        mean["dppl"] = 100 * math.expm1(mean.pop("dnll"))
        print(json.dumps({"codec": codec, "variant": variant, "contexts": len(each), **mean}))
        curves[codec].append((mean["kl"], mean["bits"]))
    for codec, points in curves.items():
        for kl in KLS:
            ours, theirs = bits_at(points, kl), bits_at(curves["cachegen"], kl)
            if codec != "cachegen" and not math.isnan(ours + theirs):
                row = {"codec": codec, "kl": kl, "bits": ours, "cachegen": theirs}
                print(json.dumps({**row, "factor": theirs / ours}))


def bits_at(points: list[tuple[float, float]], kl: float) -> float:
    """Bits at a KL between measured points, NaN outside of them."""
    ordered = sorted(points)
    logs, bits = [math.log(point[0]) for point in ordered], [point[1] for point in ordered]
    inside = len(ordered) > 1 and logs[0] <= math.log(kl) <= logs[-1]
    return float(np.interp(math.log(kl), logs, bits)) if inside else math.nan


if __name__ == "__main__":
    main()
