"""Bounds of the loss, contexts with facts, windows: on data with a known answer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from kvtier.calibrate.cases import windows
from kvtier.calibrate.facts import FACTS, hide_facts
from kvtier.calibrate.losses import (
    LEVELS,
    Measured,
    bound,
    conformal,
    coverage,
    loss_map,
    summary,
)


def measured(documents: int, seed: int) -> list[Measured]:
    """Cases whose losses scatter around powers of the distortion, as real ones do."""
    rng = np.random.default_rng(seed)
    rows = []
    for document in range(documents):
        hardness = rng.lognormal(0, 0.4)
        for index, level in enumerate(LEVELS):
            distortion = 0.003 * 2**index * rng.uniform(0.9, 1.1)
            kl = hardness * 0.6 * distortion * rng.lognormal(0, 0.2)
            rows.append(
                Measured(
                    document=f"d{document}",
                    level=level.name,
                    bits=1 / (index + 1),
                    stored=1.2,
                    distortion=distortion,
                    kl=kl,
                    dnll=rng.normal(kl, math.sqrt(kl / 64)),
                    top1=95.0,
                    asked=50,
                    exact=40,
                    decoded=40 - int(rng.poisson(index / 2)),
                )
            )
    return rows


def test_conformal_rankOfOneMore():
    assert conformal(list(range(1, 21))) == 20
    assert conformal(list(range(1, 40))) == 38
    assert conformal([1.0, 2.0]) == 2.5


def test_lossMap_isMonotone_andBeginsWithNoLoss():
    points = loss_map(measured(24, 1))
    assert points[0] == bound(points, 0.0) and points[0].kl == 0
    for low, high in zip(points, points[1:]):
        assert low.distortion < high.distortion
        assert low.kl < high.kl and low.dppl < high.dppl and low.facts_loss < high.facts_loss
    assert math.isnan(bound(points, 2 * points[-1].distortion).kl)


def test_lossMap_freshDocuments_areWithinInNineteenOfTwenty():
    points = loss_map(measured(28, 2))
    for level in LEVELS:
        fresh = [row for row in measured(400, 3) if row.level == level.name]
        limits = [bound(points, row.distortion) for row in fresh]
        within = [
            (row.kl <= at.kl, row.dppl <= at.dppl, row.facts_loss <= at.facts_loss)
            for row, at in zip(fresh, limits)
        ]
        assert (np.mean(within, axis=0) >= 0.95).all(), (level.name, np.mean(within, axis=0))


def test_lossMap_nothingForgotten_stillBoundsByOneAnswerToken():
    rows = [replace(row, decoded=40) for row in measured(24, 6)]
    points = loss_map(rows)
    assert all(bound(points, row.distortion).facts_loss >= 1 / 40 for row in rows)


def test_coverage_leavesEachDocumentOut():
    rows = measured(24, 4)
    outlier = [row for row in rows if row.document != "d0"]
    outlier += [replace(row, kl=50 * row.kl) for row in rows if row.document == "d0"]
    for shares in coverage(outlier).values():
        assert shares[0] <= 23 / 24  # the outlier is bounded by a map that never saw it


def test_summary_factsArePooled_textsAreMeans():
    rows = [row for row in measured(4, 5) if row.level == "flat"]
    flat = summary(rows, LEVELS[-1:])[0]
    assert flat.kl == np.mean([row.kl for row in rows])
    assert flat.facts_loss == 1 - sum(row.decoded for row in rows) / 160
    assert flat.dppl == math.expm1(np.mean([row.dnll for row in rows]))


def test_windows_beginToken_beginsEach():
    ids = np.arange(1500, dtype=np.int32)
    first, second = windows(ids, 2, begin=0)
    assert first[0][0] == second[0][0] == 0 and second[0][1] == 1500 - 1152
    assert len(first[0]) == len(second[0]) == 1024 and len(first[1]) == len(second[1]) == 129
    assert second[1][-1] == 1499
    assert [len(one[0]) for one in windows(ids[:1153], 3, None)] == [1024]


def test_hideFacts_everyFact_standsInTheContext():
    def encode(text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(ids: list[int]) -> str:
        return "".join(map(chr, ids))

    prose = np.array(encode("It was a long day. The sea was calm.\n" * 60), np.int32)
    context, questions = hide_facts(prose, 1500, encode, decode, seed=1)
    text = decode(context.tolist())
    assert len(context) == 1500 and len(questions) == FACTS
    for question in questions:
        asked, answer = decode(question.prompt.tolist()), decode(question.answer.tolist())
        assert f" {asked.strip()}{answer}." in text
    assert len({question.answer.tobytes() for question in questions}) == FACTS
    first = text.index("The access code")
    assert text[first - 2] in ".\n"
    again, _ = hide_facts(prose, 1500, encode, decode, seed=1)
    assert np.array_equal(context, again)
