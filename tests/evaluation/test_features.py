"""Statistics and features against a slow plain reading, by hand, and beside muspy's."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab.datasets import chorales
from binolab.evaluation.features import FEATURES, LENGTHS, features, off, statistics
from binolab.music import rolls

NAMES = ["density", "silence", "four_voices", "onsets", "on_eighths", "in_scale", "dissonance"]


@pytest.fixture(scope="module")
def windows():
    """Sixteen beats of each of some held-out chorales."""
    pieces = [p.roll for p in chorales.load("test", progress=False)]
    return np.stack([roll[:, : rolls.LENGTH] for roll in pieces if roll.shape[1] >= rolls.LENGTH])


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
        "silence": share(sum(len(c) == 0 for c in columns), len(columns)),
        "four_voices": share(sum(len(c) == 4 for c in columns), len(columns)),
        "onsets": len(begun) / n,
        "on_eighths": share(sum(t % (ticks // 2) == 0 for t in begun), len(begun)),
        "in_scale": share(sum(scales), len(scales)),
        "dissonance": share(sum(i in (1, 2, 6, 10, 11) for i in pairs), len(pairs)),
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
    assert all(math.isnan(found[k]) for k in ("on_eighths", "in_scale", "dissonance"))


def test_a_chord_of_c_major():
    found = statistics(held(48, 55, 64, 72))
    assert found["density"] == pytest.approx(4 / 56)
    assert (found["silence"], found["four_voices"], found["in_scale"]) == (0, 1, 1)
    assert found["dissonance"] == 0 and found["onsets"] == 0 and math.isnan(found["on_eighths"])


@pytest.mark.parametrize("interval", range(1, 25))
def test_intervals_and_their_octaves(interval):
    dissonant = interval % 12 in (1, 2, 6, 10, 11)
    assert statistics(held(48, 48 + interval))["dissonance"] == dissonant


def test_a_chromatic_cluster_leaves_every_scale():
    assert statistics(held(*range(48, 60)))["in_scale"] == pytest.approx(7 / 12)


def test_each_roll_chooses_its_own_key():
    batch = np.concatenate([held(48, 50, 52, 53, 55, 57, 59), held(49, 51, 53, 54, 56, 58, 60)])
    assert statistics(batch)["in_scale"] == 1


def test_off_is_the_largest_relative_distance():
    music = dict(zip(NAMES, (0.07, 0.01, 0.9, 60, 1, 0.9, 0.1), strict=True))
    assert off(music, music) == 0
    assert off(music | {"onsets": 45, "density": 0.077}, music) == pytest.approx(0.25)
    assert off(music | {"silence": 0.0}, music) == pytest.approx(1 / 6)  # 0.05 beside 0.06
    assert off(music | {"silence": 0.13}, music) == pytest.approx(2)  # 0.18 beside 0.06
    for nothing in (None, math.nan):
        assert off(music | {"dissonance": nothing}, music) == math.inf


def test_onsets_on_and_off_the_eighths():
    roll = rolls.from_notes([(0, 0, 12), (1, 12, 24), (2, 24, 30), (3, 31, 40)], 56, 96)
    found = statistics(roll[None])
    assert found["onsets"] == 3 and found["on_eighths"] == pytest.approx(2 / 3)


def test_a_note_struck_again_is_an_onset():
    assert statistics(rolls.from_notes([(0, 0, 12), (0, 12, 24)], 56, 24)[None])["onsets"] == 1


def test_one_roll_is_not_a_set_of_rolls():
    with pytest.raises(ValueError, match=r"\(N, pitches, ticks\)"):
        statistics(np.zeros((56, 96), bool))


HISTOGRAMS = {
    "polyphony": 9,
    "pitch": None,
    "pitch_class": 12,
    "interval": 12,
    "note_length": 13,
    "onset_position": None,
}


def one_roll_slowly(roll, low, ticks):
    """The features of one roll, note by note and chord by chord, as FEATURES says them."""
    pitches, length = roll.shape
    columns = [[r for r in range(pitches) if roll[r, t]] for t in range(length)]
    cells = [r for column in columns for r in column]
    notes = rolls.notes(roll)
    pairs = [(b - a) % 12 for column in columns for a, b in combinations(column, 2)]
    onsets = sorted({start for _, start, _ in notes})
    holes = 0
    for row, start, _ in notes:
        rest = 0
        while start - 1 - rest >= 0 and not roll[row, start - 1 - rest]:
            rest += 1
        known = rest < start  # something sounded before the rest
        holes += start > 0 and known and rest < ticks / 8 and start % max(1, ticks // 4) != 0
    bars = [
        {t % (4 * ticks) for t in onsets if t // (4 * ticks) == b}
        for b in range(length // (4 * ticks))
    ]
    unlike = [len(a ^ b) / (4 * ticks) for a, b in pairwise(bars)]
    filled = roll.copy()
    for r in range(pitches):
        for t in range(1, length - 1):
            filled[r, t] = roll[r, t] or (roll[r, t - 1] and roll[r, t + 1])
    chords = [[r for r in range(pitches) if filled[r, t]] for t in range(length)]
    changes = [(a, b) for a, b in pairwise(chords) if a != b and len(a) == len(b) == 4]

    def parallels(interval):
        return sum(
            (b[i] - a[i]) * (b[j] - a[j]) > 0
            and (a[j] - a[i]) % 12 == (b[j] - b[i]) % 12 == interval
            for a, b in changes
            for i, j in combinations(range(4), 2)
        )

    def histogram(values, bins):
        return [share(sum(v == k for v in values), len(values)) for k in range(bins)]

    classes = histogram([(low + r) % 12 for r in cells], 12)
    keys = [{(k + m) % 12 for m in (0, 2, 4, 5, 7, 9, 11)} for k in range(12)]
    lengths = [(end - start) / ticks for _, start, end in notes]
    return {
        "density": len(cells) / roll.size,
        "silence": share(sum(not c for c in columns), length),
        "four_voices": share(sum(len(c) == 4 for c in columns), length),
        "polyphonic_rate": share(sum(len(c) > 2 for c in columns), length),
        "polyphony": histogram([min(len(c), 8) for c in columns], 9),
        "notes": len(notes),
        "pitch_count": len(set(cells)),
        "pitch_range": max(cells) - min(cells) if cells else math.nan,
        "pitch": histogram(cells, pitches),
        "pitch_class": classes,
        "pitch_class_entropy": -sum(p * math.log2(p) for p in classes if p != 0),
        "in_scale": max(
            share(sum((low + r) % 12 in key for r in cells), len(cells)) for key in keys
        ),
        "interval": histogram(pairs, 12),
        "dissonance": share(sum(i in (1, 2, 6, 10, 11) for i in pairs), len(pairs)),
        "note_length": histogram(
            [min(range(13), key=lambda k: (abs(LENGTHS[k] - v), k)) for v in lengths], 13
        ),
        "qualified_notes": share(sum(v >= 1 / 8 for v in lengths), len(notes)),
        "fragmentation": share(holes, len(notes)),
        "inter_onset": share(
            (max(onsets) - min(onsets)) / ticks if onsets else 0, len(onsets) - 1 if onsets else 0
        ),
        "onset_position": histogram([s % ticks for _, s, _ in notes if s > 0], ticks),
        "groove": 1 - share(sum(unlike), len(unlike)),
        "parallel_fifths": share(parallels(7), len(changes)),
        "parallel_octaves": share(parallels(0), len(changes)),
    }


BATCHES = arrays(
    bool,
    st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 40)),
    elements=st.integers(0, 9).map(lambda n: n > 5),
)


@given(BATCHES, st.integers(20, 40), st.sampled_from([2, 4, 24]))
def test_features_are_what_they_say(batch, low, ticks):
    found = features(batch, low=low, ticks=ticks)
    assert list(found) == list(FEATURES)
    for k, roll in enumerate(batch):
        for name, expected in one_roll_slowly(roll, low, ticks).items():
            np.testing.assert_allclose(found[name][k], expected, atol=1e-9, err_msg=name)


def test_features_of_chorales(windows):
    found = features(windows[:4])
    for k, roll in enumerate(windows[:4]):
        for name, expected in one_roll_slowly(roll, 33, 24).items():
            np.testing.assert_allclose(found[name][k], expected, atol=1e-9, err_msg=name)


@given(BATCHES, st.integers(0, 99))
def test_features_keep_the_order_of_the_rolls_and_their_shape(batch, seed):
    found = features(batch)
    order = np.random.default_rng(seed).permutation(len(batch))
    for name, values in features(batch[order]).items():
        np.testing.assert_array_equal(values, found[name][order])
        assert (values.ndim == 2) == (name in HISTOGRAMS)
        if values.ndim == 2:
            assert values.shape[1] == (
                HISTOGRAMS[name] or {"pitch": batch.shape[1], "onset_position": 24}[name]
            )
            assert np.allclose(values[~np.isnan(values[:, 0])].sum(1), 1)


@given(arrays(bool, (2, 12, 30)), st.integers(1, 3))
def test_an_octave_up_changes_only_the_pitch(batch, octaves):
    padded = np.pad(batch, ((0, 0), (0, 36), (0, 0)))
    found, moved = features(padded), features(np.roll(padded, 12 * octaves, axis=1))
    for name in set(FEATURES) - {"pitch"}:
        np.testing.assert_allclose(moved[name], found[name], err_msg=name)


@given(arrays(bool, (2, 12, 30)), st.integers(1, 11))
def test_a_transposition_turns_the_pitch_classes(batch, up):
    padded = np.pad(batch, ((0, 0), (0, 12), (0, 0)))
    found, moved = features(padded), features(np.roll(padded, up, axis=1))
    np.testing.assert_allclose(moved["pitch_class"], np.roll(found["pitch_class"], up, axis=1))
    for name in ("in_scale", "interval", "parallel_fifths", "groove"):
        np.testing.assert_allclose(moved[name], found[name], err_msg=name)


def chords(*pitches, beat=24):
    notes = [(p - 33, k * beat, (k + 1) * beat) for k, c in enumerate(pitches) for p in c]
    return features(rolls.from_notes(notes, 56, len(pitches) * beat)[None])


@pytest.mark.parametrize(
    ("one", "two", "fifths", "octaves"),
    [
        ((48, 55, 64, 72), (50, 57, 65, 74), 1, 1),  # C-G to D-A, and C-C to D-D
        ((48, 55, 64, 72), (50, 57, 62, 71), 1, 0),
        ((48, 55, 64, 72), (48, 55, 65, 72), 0, 0),  # a fifth that stays is none
        ((48, 55, 64, 73), (46, 65, 70, 75), 0, 0),  # nor one that is reached by contrary motion
        ((48, 60, 67, 76), (50, 62, 69, 77), 2, 1),  # a twelfth counts as a fifth
    ],
)
def test_parallels(one, two, fifths, octaves):
    found = chords(one, two)
    assert (found["parallel_fifths"][0], found["parallel_octaves"][0]) == (fifths, octaves)


def test_parallels_are_counted_a_change_of_chord():
    one, two = (48, 55, 64, 72), (50, 57, 62, 71)
    assert chords(one, two, two, (50, 57, 62, 69))["parallel_fifths"][0] == 1 / 2


def test_three_voices_have_no_four_part_parallels():
    assert math.isnan(chords((48, 55, 64), (50, 57, 65))["parallel_fifths"][0])


def test_holes_and_short_notes():
    notes = [(0, 0, 13), (0, 15, 24), (1, 0, 12), (1, 12, 24), (2, 0, 2)]
    found = features(rolls.from_notes(notes, 56, 24)[None])
    assert found["notes"][0] == 5
    assert found["fragmentation"][0] == 1 / 5  # the second; the fourth is struck again
    assert found["qualified_notes"][0] == 4 / 5


def test_silence_has_no_features_but_silence():
    found = features(np.zeros((2, 56, 384), bool))
    assert found["silence"].tolist() == [1, 1] and found["groove"].tolist() == [1, 1]
    for name in ("pitch_class", "interval", "qualified_notes", "pitch_range", "inter_onset"):
        assert np.isnan(found[name]).all()


@pytest.mark.slow
def test_agreement_with_muspy(windows):
    """An independent implementation, on real music; muspy measures notes, and to the last end."""
    import muspy  # here, for it takes seconds
    import pypianoroll

    batch = windows[:3].copy()
    batch[:, 20, -1] = True  # so that muspy's music is as long as the roll
    found = features(batch)
    for k, roll in enumerate(batch):
        notes = [(start, row + 33, end - start, 64) for row, start, end in rolls.notes(roll)]
        cells = [(t, row + 33, 1, 64) for row, t in np.argwhere(roll).tolist()]
        by_note, by_cell = (
            muspy.from_note_representation(np.array(sorted(n)), resolution=24)
            for n in (notes, cells)
        )
        # muspy adds a bar after music that ends on a bar line: measure it a tick short.
        for note in by_note.tracks[0].notes:
            note.duration -= note.end == roll.shape[1]
        bar = muspy.groove_consistency(by_note, 4 * 24)
        assert {
            name: found[name][k]
            for name in (
                "polyphonic_rate",
                "pitch_count",
                "pitch_range",
                "pitch_class_entropy",
                "in_scale",
                "groove",
                "notes",
            )
        } == pytest.approx(
            {
                "polyphonic_rate": muspy.polyphony_rate(by_cell),
                "pitch_count": muspy.n_pitches_used(by_note),
                "pitch_range": muspy.pitch_range(by_note),
                "pitch_class_entropy": muspy.pitch_class_entropy(by_cell),
                "in_scale": muspy.scale_consistency(by_cell),
                "groove": bar,
                "notes": len(by_note.tracks[0].notes),
            }
        )
        voices = found["polyphony"][k] @ np.arange(9)
        assert muspy.polyphony(by_cell) == pytest.approx(voices / (1 - found["silence"][k]))
        assert pypianoroll.polyphonic_rate(roll.T) == pytest.approx(found["polyphonic_rate"][k])
        for row in np.flatnonzero(roll.any(1))[:4]:  # its rate pairs notes rightly one row at once
            alone = features(roll[None, row : row + 1])["qualified_notes"][0]
            gaps = rolls.notes(roll[row : row + 1])
            line = np.zeros((roll.shape[1] + len(gaps), 1), np.int8)
            for n, (_, start, end) in enumerate(gaps):
                line[start + n : end + n] = 1
            assert pypianoroll.qualified_note_rate(line, 3) == pytest.approx(alone)


def test_features_want_a_set_of_rolls():
    with pytest.raises(ValueError, match=r"\(N, pitches, ticks\)"):
        features(np.zeros((56, 96), bool))
