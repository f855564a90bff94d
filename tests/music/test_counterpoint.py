"""Where chords of four notes change, and where two of their voices move in parallel."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab.music import counterpoint

SETS = arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 12)))


def chords(*each, length=6, pitches=60):
    """Chords of so many ticks, one after the other, each a tuple of rows: (1, P, L)."""
    roll = np.zeros((1, pitches, length * len(each)), bool)
    for k, rows in enumerate(each):
        roll[0, list(rows), k * length : (k + 1) * length] = True
    return roll


def slow(roll):
    """Parallels of one roll (P, L), tick by tick and pair by pair."""
    P, L = roll.shape
    filled = [
        {
            row
            for row in range(P)
            if roll[row, t] or (0 < t < L - 1 and roll[row, t - 1] and roll[row, t + 1])
        }
        for t in range(L)
    ]
    count = np.zeros(L, int)
    for t in range(1, L):
        was, now = sorted(filled[t - 1]), sorted(filled[t])
        if was == now or len(was) != 4 or len(now) != 4:
            continue
        for i, j in itertools.combinations(range(4), 2):
            same_way = np.sign(now[i] - was[i]) == np.sign(now[j] - was[j]) != 0
            gaps = {(was[j] - was[i]) % 12, (now[j] - now[i]) % 12}
            count[t] += bool(same_way) and gaps in ({7}, {0})
    return count


@given(SETS)
def test_parallels_are_those_of_the_slow_way(cells):
    assert (counterpoint.parallels(cells) == np.stack([slow(roll) for roll in cells])).all()


@given(st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4, unique=True), min_size=2))
def test_parallels_of_chords_are_those_of_the_slow_way(rows):
    roll = chords(*rows)
    assert (counterpoint.parallels(roll)[0] == slow(roll[0])).all()


@pytest.mark.parametrize(
    "one, two, count",
    [
        ((12, 19, 24, 28), (14, 21, 26, 29), 3),  # bass and tenor in fifths; a fifth's octave; both
        ((12, 19, 28, 33), (10, 22, 26, 31), 0),
    ],
)
def test_they_stand_at_the_tick_to_which_they_lead(one, two, count):
    found = counterpoint.parallels(chords(one, two, length=6))
    assert found[0, 6] == slow(chords(one, two)[0])[6]
    assert (found[0, 6] > 0) == (count > 0) and found.sum() == found[0, 6]


def test_a_note_struck_again_does_not_hide_them():
    roll = chords((12, 19, 28, 33), (14, 21, 26, 31))
    again = roll.copy()
    again[0, 33, 3] = False  # a gap of one tick, and the soprano begins once more
    assert counterpoint.parallels(roll)[0, 6] == counterpoint.parallels(again)[0, 6] == 1


def test_a_set_of_no_rolls_and_rolls_of_one_tick_have_none():
    assert counterpoint.parallels(np.zeros((0, 5, 7), bool)).shape == (0, 7)
    assert counterpoint.parallels(np.ones((2, 4, 1), bool)).sum() == 0
