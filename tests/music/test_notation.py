"""Notes as text: what is written is what the roll holds, and a slip is named with its line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import notation, rolls

NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]


def name(pitch):
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


# Pitch, or None for a rest, and ticks; a note of one tick has none to give up to the next.
EVENTS = st.lists(
    st.tuples(st.none() | st.integers(33, 88), st.integers(2, 60)), min_size=1, max_size=12
)


@given(EVENTS)
def test_a_voice_comes_back_as_its_notes(events):
    text, expected, now = "", [], 0
    for pitch, ticks in events:
        text += f"{'-' if pitch is None else name(pitch)} {ticks}/24 "
        if pitch is not None:
            expected.append((pitch - 33, now, now + ticks))
        now += ticks
    roll = notation.read(text, length=None)
    assert roll.shape == (56, now) and roll.dtype == bool
    assert rolls.notes(roll) == sorted(expected)


@given(EVENTS, EVENTS)
def test_voices_are_laid_over_each_other(one, two):
    voices = [(p and min(p, 60), t) for p, t in one], [(p and max(p, 61), t) for p, t in two]
    texts = [
        " ".join(f"{'-' if pitch is None else name(pitch)} {ticks}/24" for pitch, ticks in voice)
        for voice in voices
    ]
    both = notation.read("\n".join(texts), length=1440)
    alone = [notation.read(text, length=1440) for text in texts]
    assert np.array_equal(both, alone[0] | alone[1])


def test_lengths_are_whole_decimal_or_fractions():
    roll = notation.read("C4 1 D4 .5 E4 0.25 F4 1/4 | G4 1/3 A4 1/3 B4 1/3 - 12", length=None)
    assert [(s, e) for _, s, e in rolls.notes(roll)] == [
        (0, 24), (24, 36), (36, 42), (42, 48), (48, 56), (56, 64), (64, 72)
    ]  # fmt: skip
    assert roll.shape == (56, 15 * 24)


def test_the_paper_s_window_and_other_grids():
    assert notation.read("A1 1\nE6 16").shape == (56, 384)
    roll = notation.read("A0 1/4 C8 1/4", low=21, pitches=88, ticks=4, length=4)
    assert roll.nonzero()[0].tolist() == [0, 87] and roll.nonzero()[1].tolist() == [0, 1]
    assert not notation.read("\n\n").any()


@pytest.mark.parametrize(
    "one, other", [("Bb3", "A#3"), ("B♭3", "A♯3"), ("Cb4", "b3"), ("C##4", "d4")]
)
def test_names_of_one_pitch(one, other):
    assert np.array_equal(notation.read(f"{one} 1"), notation.read(f"{other} 1"))


@pytest.mark.parametrize("text, words", [
    ("C4 1\nH4 1", ("line 2", "'H4' is not a note", "A to G")),
    ("C 1", ("'C' is not a note", "octave")),
    ("C4 1 D4", ("'D4' has no length", "D4 1")),
    ("C4 D4 1", ("'C4' has no length", "'D4' follows")),
    ("C4 - 1", ("'C4' has no length", "'-' follows")),
    ("C4 long", ("'long' is not a length", "1/3")),
    ("C4 1/0", ("'1/0' is not a length",)),
    ("C4 0", ("more than 0",)),
    ("C4 -1", ("more than 0",)),
    ("C4 1/100", ("shorter than a tick", "1/24")),
    ("C1 1", ("C1 is MIDI 24", "33 to 88", "octave")),
    ("C4 12\nC3 16 - 1", ("line 2", "ends at beat 17", "16", "length=None")),
])  # fmt: skip
def test_slips_are_named(text, words):
    with pytest.raises(ValueError) as caught:
        notation.read(text)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


@pytest.mark.parametrize(
    "text, says",
    [
        ("C4 1e999999999", "is not a length in beats"),
        ("C4 " + "9" * 5000, "is not a length"),
        ("C4 10001", "after the roll's 10000; shorten the voice$"),
        ("- 99999999999 C4 1", "after the"),
    ],
)
def test_a_length_beyond_all_music_is_refused_at_once(text, says):
    with pytest.raises(ValueError, match=says):
        notation.read(text, length=None)
