"""Profiles without a part, or at another step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vary

LAYER = Path(__file__).resolve().parents[3] / "profiles" / "smollm2-135m-layer.kvp"


def test_vary_withoutKeyTokens_leavesTheConstantAlone() -> None:
    profile = vary.profiles.parse(LAYER.read_bytes())
    varied = vary.vary(profile, key_tokens=False, step=None)
    for before, after in zip(profile.groups, varied.groups, strict=True):
        assert not after.probe[:-1].any()
        assert after.probe[-1] == before.probe[-1]
        np.testing.assert_array_equal(after.sigma_index, before.sigma_index)
    assert vary.profiles.parse(vary.profiles.to_bytes(varied)).step == profile.step


def test_vary_twiceTheStep_movesTablesByAnOctave() -> None:
    profile = vary.profiles.parse(LAYER.read_bytes())
    varied = vary.vary(profile, key_tokens=True, step=2 * profile.step)
    for before, after in zip(profile.groups, varied.groups, strict=True):
        expected = np.clip(before.sigma_index.astype(int) - 4, 0, 63)
        np.testing.assert_array_equal(after.sigma_index, expected)
        np.testing.assert_array_equal(after.probe, before.probe)
    assert varied.levels == ()
