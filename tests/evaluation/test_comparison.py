"""Distances between sets of rolls: against scipy, against plain readings, and on real chorales."""

import json
import math
from itertools import pairwise as successive
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab.datasets import chorales
from binolab.evaluation.comparison import compare
from binolab.evaluation.distances import (
    Distances,
    direct_overlap,
    divergence,
    nearest,
    overlap_area,
    pairwise,
    self_similarity,
    shuffled,
)
from binolab.evaluation.features import FEATURES, Feature, features
from binolab.evaluation.report import comparison_table
from binolab.music import rolls


def windows(split, n):
    pieces = [p.roll for p in chorales.load(split, progress=False)]
    whole = [roll[:, : rolls.LENGTH] for roll in pieces if roll.shape[1] >= rolls.LENGTH]
    return np.stack(whole[:n])


@pytest.fixture(scope="module")
def real():
    """Held-out and training chorales, 16 beats of each."""
    return windows("test", 24), windows("train", 60)


@pytest.fixture(scope="module")
def comparison(real):
    held_out, training = real
    return compare(windows("valid", 20), held_out, training, bootstraps=40)


def sample(seed, kind):
    """Values as distances come: none below zero, some many times; `kind` picks the shape."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(10, 80))
    return [rng.random(size), np.abs(rng.normal(2, 1, size)), rng.geometric(0.3, size) - 1.0][kind]


SEEDS, KINDS = st.integers(0, 999), st.integers(0, 2)


@given(SEEDS, KINDS, KINDS)
def test_overlap_area_is_mgevals(seed, one, two):
    """eq-quality-overlap: MGEval's own definition, with scipy's kernel density estimate."""
    from scipy.stats import gaussian_kde

    a, b = sample(seed, one), sample(seed + 1, two)
    grid = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 2001)
    p, q = gaussian_kde(a)(grid), gaussian_kde(b)(grid)
    low = np.minimum(p, q)
    area = (low[1:] + low[:-1]).sum() / 2 * (grid[1] - grid[0])
    assert overlap_area(a, b) == pytest.approx(area, abs=5e-3)
    if min(p.min(), q.min()) > 1e-9:
        p, q = p / p.sum(), q / q.sum()
        assert divergence(a, b) == pytest.approx((p * np.log(p / q)).sum(), abs=0.02, rel=0.05)


@given(SEEDS, KINDS, st.integers(1, 9))
def test_overlap_of_the_same_and_of_the_far(seed, kind, scale):
    from scipy.stats import gaussian_kde

    a = sample(seed, kind)
    # What the kernels spill below the least value and above the greatest is lost, as in MGEval.
    inside = gaussian_kde(a).integrate_box_1d(a.min(), a.max())
    assert overlap_area(a, a) == pytest.approx(inside, abs=5e-3)
    assert divergence(a, a) == pytest.approx(0, abs=1e-9)
    assert overlap_area(a, a + 1000) < 1e-3
    assert overlap_area(scale * a + 3, scale * a[::-1] + 3) == pytest.approx(
        overlap_area(a, a), abs=5e-3
    )


def test_overlap_of_a_large_set_with_itself_is_about_one():
    a = np.random.default_rng(0).normal(size=5000)
    assert overlap_area(a[:2500], a[2500:]) > 0.95


def test_overlap_of_equal_values_is_the_share_that_is_equal():
    assert overlap_area(np.zeros(10), np.zeros(5)) == 1
    assert overlap_area(np.zeros(10), np.array([0, 0, 0, 7.0])) == pytest.approx(3 / 4)
    assert overlap_area(np.zeros(10), np.ones(10)) == 0
    assert divergence(np.zeros(10), np.zeros(4)) == pytest.approx(0, abs=1e-9)


@given(arrays(float, (6, 3), elements=st.integers(0, 9)), st.integers(0, 5))
def test_pairwise(a, k):
    b = a[:4] + 1
    assert pairwise(a, b)[k].tolist() == pytest.approx([math.dist(a[k], row) for row in b])
    assert pairwise(a[:, 0], b[:, 0])[k].tolist() == [abs(a[k, 0] - v) for v in b[:, 0]]


@pytest.mark.parametrize("dimensions", [(), (4,)])
def test_distances_are_mgevals_and_weights_are_repetitions(dimensions):
    """eq-quality-distances"""
    rng = np.random.default_rng(1)
    held, other = rng.normal(size=(14, *dimensions)), rng.normal(0.5, 2, size=(11, *dimensions))
    weights = np.stack([np.ones(14, int), rng.integers(0, 3, 14)])
    others = np.stack([np.ones(11, int), rng.integers(0, 3, 11)])
    overlaps, divergences = Distances(held, other).compare(weights, others)
    for v, w, overlap, kl in zip(weights, others, overlaps, divergences):
        ids, drawn = np.repeat(np.arange(14), v), np.repeat(other, w, axis=0)
        distance = pairwise(held, held)
        intra = [
            distance[i, j] for m, i in enumerate(ids) for n, j in enumerate(ids) if i != j
        ]  # each pair twice, as MGEval leaves one out at a time
        inter = pairwise(held[ids], drawn)
        assert overlap == pytest.approx(overlap_area(np.array(intra), inter), abs=0.01)
        if (v == 1).all():  # else the grid is that of all the distances, not of those drawn
            assert kl == pytest.approx(divergence(np.array(intra), inter), abs=0.01)


def test_direct_overlap():
    ones = np.ones((1, 4))
    same = np.array([0.0, 1, 2, 3])
    assert direct_overlap(same, same, ones, ones)[0] == pytest.approx(1)
    assert direct_overlap(same, same + 50, ones, ones)[0] < 1e-3
    a, b = np.eye(4), np.eye(4)[[0, 0, 1, 1]]
    assert direct_overlap(a, b, ones, ones)[0] == pytest.approx(1 / 2)
    assert direct_overlap(a, b, ones, np.array([[1, 0, 0, 0]]))[0] == pytest.approx(1 / 4)


@given(arrays(bool, (3, 5, 8)), st.integers(0, 9))
def test_shuffling_keeps_the_notes_of_each_roll(batch, seed):
    mixed = shuffled(batch, np.random.default_rng(seed))
    assert mixed.shape == batch.shape
    assert (mixed.sum((1, 2)) == batch.sum((1, 2))).all()
    np.testing.assert_allclose(features(mixed)["density"], features(batch)["density"])


def test_self_similarity_note_by_note(real):
    found = self_similarity(real[0][:3])
    for k, roll in enumerate(real[0][:3]):
        frames = []
        for start in range(0, 384 - 96 + 1, 48):
            notes = [n for n in rolls.notes(roll) if start <= n[1] < start + 96]
            frames.append(
                [
                    NormalDist(np.mean(v), np.std(v) + 1e-6)
                    for v in ([33 + r for r, _, _ in notes], [(e - s) / 24 for _, s, e in notes])
                ]
            )
        for j, name in enumerate(("pitch", "duration")):
            expected = [a[j].overlap(b[j]) for a, b in successive(frames)]
            assert found[name][k] == pytest.approx(expected, abs=1e-4)


def test_self_similarity_of_what_repeats():
    beat = [(12, 0, 12), (16, 12, 24), (19, 0, 24)]
    notes = [(r, 24 * k + s, 24 * k + e) for k in range(16) for r, s, e in beat]
    found = self_similarity(rolls.from_notes(notes, 56, 384)[None])
    assert found["pitch"].shape == (1, 6) and found["pitch"] == pytest.approx(np.ones((1, 6)))
    assert np.isnan(self_similarity(np.zeros((2, 56, 384), bool))["duration"]).all()
    assert self_similarity(np.zeros((2, 56, 48), bool))["duration"].shape == (2, 0)


@given(st.integers(0, 99))
def test_nearest_window_by_window(seed):
    """eq-quality-jaccard, and one less it eq-pieces-overlap"""
    rng = np.random.default_rng(seed)
    batch, pieces = rng.random((2, 5, 16)) < 0.4, [rng.random((5, n)) < 0.4 for n in (9, 16, 30)]
    for roll, found in zip(batch, nearest(batch, pieces, ticks=4, shifts=(-1, 0, 2))):
        best = 1.0
        for piece in pieces:
            piece = np.pad(piece, ((0, 0), (0, max(0, 16 - piece.shape[1]))))
            for start in range(0, piece.shape[1] - 16 + 1, 4):
                other = {
                    (r, t)
                    for r, t in np.argwhere(piece[:, start : start + 16].tolist())
                    if t % 2 == 0
                }
                for shift in (-1, 0, 2):
                    own = {(r + shift, t) for r, t in np.argwhere(roll) if t % 2 == 0}
                    either = len(own | other)
                    best = min(best, 1 - len(own & other) / either if either else 1)
        assert found == pytest.approx(best, abs=1e-6)


def test_a_copy_in_another_key_is_found(real):
    piece = chorales.load("train", progress=False)[5].roll
    copy = np.roll(piece[:, 48 : 48 + 384], 3, axis=0)
    distance = nearest(np.stack([copy, real[0][0]]), [piece])
    assert distance[0] == pytest.approx(0) and distance[1] > 0.3


def test_comparison_of_real_music(comparison):
    """Other chorales come near the floor in every feature; shuffled ones are far below it."""
    assert list(comparison["features"]) == list(FEATURES)
    assert comparison["n"] == {"made": 20, "held_out": 24, "training": 60}
    rows = comparison["features"].values()
    assert np.median([row["ratio"] for row in rows]) > 0.95
    assert np.median([row["direct_ratio"] for row in rows]) > 0.9
    assert np.median([row["shuffled_overlap"] for row in rows]) < 0.3
    assert np.median([row["direct_shuffled"] for row in rows]) < 0.3
    for row in rows:
        assert row["measured"] == 1 and 0 <= row["overlap"] <= 1 and row["kl"] >= -1e-9
        for key in ("overlap", "direct"):
            low, high = row[f"{key}_ci"]
            assert low - 1e-9 <= row[key] <= high + 1e-9
    for row in comparison["self_similarity"].values():
        assert row["floor_consistency"] > row["shuffled_consistency"]
        assert 0 <= row["variance"] <= 1


def test_comparison_is_json_and_repeats(real, comparison):
    held_out, training = real
    again = compare(windows("valid", 20), held_out, training, bootstraps=40)
    assert json.dumps(again, allow_nan=False) == json.dumps(comparison, allow_nan=False)


def test_table_shows_every_feature(comparison):
    text = comparison_table(comparison)
    for name in [*FEATURES, "pitch, consistency", "held out"]:
        assert f"| {name.replace('_', ' ')} |" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths[:24]) == {15}


def test_a_metric_is_a_line(real, monkeypatch):
    """What is added to FEATURES is counted, compared and reported."""
    highest = Feature("the last row that sounds", lambda x: x.pitches - x.used[:, ::-1].argmax(1))
    monkeypatch.setitem(FEATURES, "highest", highest)
    held_out, training = real
    compared = compare(held_out[:4], held_out, training, bootstraps=2)
    row = compared["features"]["highest"]
    assert row["held_out"] == features(held_out)["highest"].mean() and 0 < row["overlap"] <= 1
    assert "| highest |" in comparison_table(compared)


def test_collapse_and_memory_are_seen(real):
    """One training roll, over and over: no diversity, and nothing new."""
    held_out, training = real
    found = compare(np.repeat(training[3:4], 8, axis=0), held_out, training, bootstraps=5)
    rows = found["features"]
    assert all(row["diversity"] in (0, None) for row in rows.values())
    assert rows["notes"]["direct_ratio"] < rows["notes"]["ratio"]  # which hides it
    memory = found["memorization"]
    assert memory["made"]["median"] == pytest.approx(0) and memory["nearer"] == 1
    assert memory["difference_ci"][1] < 0


def test_silence_has_nothing_to_compare(real):
    held_out, training = real
    found = compare(np.zeros((4, 56, 384), bool), held_out, training, bootstraps=5)
    json.dumps(found, allow_nan=False)
    rows = found["features"]
    assert rows["pitch_class"]["measured"] == 0 and rows["pitch_class"]["overlap"] is None
    assert rows["pitch_class"]["held_out"] is not None
    assert rows["silence"]["overlap"] < 0.01 and rows["density"]["direct"] < 0.01
    assert found["self_similarity"]["pitch"]["consistency"] is None
    assert "–" in comparison_table(found)


def test_no_resampling_no_intervals(real):
    held_out, training = real
    found = compare(held_out[:5], held_out, training[:4], bootstraps=0)
    assert found["features"]["notes"]["overlap_ci"] is None
    json.dumps(found, allow_nan=False)
    comparison_table(found)


@pytest.mark.parametrize("shape", [(1, 56, 384), (4, 56, 96), (56, 384)])
def test_sets_that_cannot_be_compared(real, shape):
    with pytest.raises(ValueError, match="three sets"):
        compare(np.zeros(shape, bool), *real)
