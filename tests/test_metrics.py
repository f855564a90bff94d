"""The seven statistics against a slow plain reading of their definitions, and by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab import rolls
from binolab.metrics import statistics

NAMES = ["density", "silent", "four_voices", "changes", "on_grid", "in_scale", "dissonant"]


def share(part, whole):
    return part / whole if whole else math.nan


def slowly(batch, low, ticks):
    """Cell by cell, tick by tick, as the docstring says it."""
    n, pitches, length = batch.shape
    columns = [[r for r in range(pitches) if roll[r, t]] for roll in batch for t in range(length)]
    begun = [
        t
        for roll in batch
        for r in range(pitches)
        for t in range(1, length)
        if roll[r, t] and not roll[r, t - 1]
    ]
    scales = []
    for roll in batch:
        sounding = [(low + r) % 12 for r in range(pitches) for t in range(length) if roll[r, t]]
        keys = [{(k + m) % 12 for m in (0, 2, 4, 5, 7, 9, 11)} for k in range(12)]
        if sounding:
            scales.append(max(sum(c in key for c in sounding) for key in keys) / len(sounding))
    pairs = [(b - a) % 12 for column in columns for a, b in combinations(column, 2)]
    return {
        "density": share(sum(len(c) for c in columns), batch.size),
        "silent": share(sum(len(c) == 0 for c in columns), len(columns)),
        "four_voices": share(sum(len(c) == 4 for c in columns), len(columns)),
        "changes": len(begun) / n,
        "on_grid": share(sum(t % (ticks // 2) == 0 for t in begun), len(begun)),
        "in_scale": share(sum(scales), len(scales)),
        "dissonant": share(sum(i in (1, 2, 6, 10, 11) for i in pairs), len(pairs)),
    }


@given(
    arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 16), st.integers(1, 20))),
    st.integers(20, 40),
    st.sampled_from([2, 4, 6, 24]),
)
def test_statistics_are_what_they_say(batch, low, ticks):
    found, expected = statistics(batch, low=low, ticks=ticks), slowly(batch, low, ticks)
    assert list(found) == NAMES and all(type(v) is float for v in found.values())
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_statistics_of_the_papers_size():
    batch = np.random.default_rng(0).random((2, 56, 384)) < 0.07
    assert statistics(batch) == pytest.approx(slowly(batch, 33, 24), abs=1e-12)


def held(*pitches, length=96):
    return rolls.from_notes([(p - 33, 0, length) for p in pitches], 56, length)[None]


def test_silence_has_no_notes_to_speak_of():
    found = statistics(np.zeros((2, 56, 96), bool))
    assert [found[k] for k in NAMES[:4]] == [0, 1, 0, 0]
    assert all(math.isnan(found[k]) for k in ("on_grid", "in_scale", "dissonant"))


def test_a_chord_of_c_major():
    found = statistics(held(48, 55, 64, 72))
    assert found["density"] == pytest.approx(4 / 56)
    assert (found["silent"], found["four_voices"], found["in_scale"]) == (0, 1, 1)
    assert found["dissonant"] == 0 and found["changes"] == 0 and math.isnan(found["on_grid"])


@pytest.mark.parametrize("interval", range(1, 25))
def test_intervals_and_their_octaves(interval):
    dissonant = interval % 12 in (1, 2, 6, 10, 11)
    assert statistics(held(48, 48 + interval))["dissonant"] == dissonant


def test_a_chromatic_cluster_leaves_every_scale():
    assert statistics(held(*range(48, 60)))["in_scale"] == pytest.approx(7 / 12)


def test_each_roll_chooses_its_own_key():
    batch = np.concatenate([held(48, 50, 52, 53, 55, 57, 59), held(49, 51, 53, 54, 56, 58, 60)])
    assert statistics(batch)["in_scale"] == 1


def test_changes_on_and_off_the_grid():
    roll = rolls.from_notes([(0, 0, 12), (1, 12, 24), (2, 24, 30), (3, 31, 40)], 56, 96)
    found = statistics(roll[None])
    assert found["changes"] == 3 and found["on_grid"] == pytest.approx(2 / 3)


def test_a_note_struck_again_is_a_change():
    assert statistics(rolls.from_notes([(0, 0, 12), (0, 12, 24)], 56, 24)[None])["changes"] == 1


def test_one_roll_is_not_a_set_of_rolls():
    with pytest.raises(ValueError, match=r"\(N, pitches, ticks\)"):
        statistics(np.zeros((56, 96), bool))
