"""MIDI files edited: what was given stays, and only what the roll says is struck."""

import numpy as np
import pretty_midi
import pytest

from binolab.music import editing, rolls


def piano(*notes):
    """A piano of (pitch, first beat, last beat) at 60 beats a minute, and its bits."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=60)
    hands = pretty_midi.Instrument(0, name="Piano")
    hands.notes = [pretty_midi.Note(91, *(pitch, *map(float, times))) for pitch, *times in notes]
    midi.instruments.append(hands)
    return midi, rolls.from_midi(midi, low=60, pitches=12, length=96)


def rewritten(midi, roll, known):
    made = editing.rewrite(midi, roll, known, low=60)
    return {
        i.name: [(n.pitch, n.start, n.end, n.velocity) for n in i.notes] for i in made.instruments
    }


def test_a_note_that_reaches_into_the_hole_keeps_its_track_and_its_beginning():
    midi, roll = piano((60, 0.02, 3.03))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[0, 36:] = False  # the model ends it half a beat into the hole
    (note,) = rewritten(midi, roll, known)["Piano"]
    assert note == (60, pytest.approx(0.02, abs=2e-3), pytest.approx(1.5, abs=2e-3), 91)


def test_the_end_of_a_note_that_was_removed_is_not_struck():
    midi, roll = piano((60, 1, 3), (64, 1, 3))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[0, 24:48] = False  # the model drops the one and leads up to the other
    made = rewritten(midi, roll, known)
    assert [n[:3] for n in made["binolab"]] == [(64, 1.0, 3.0)] and "Piano" not in made


def test_the_roll_does_not_strike_a_legato_note_again():
    midi, roll = piano((67, 0, 1.06), (71, 1, 2))
    known = np.zeros_like(roll)
    known[7, :25] = known[11] = True
    roll[7, 25:40] = True  # the model lets it sound on
    assert "binolab" not in rewritten(midi, roll, known)
    roll[7, 25:60] = True
    assert [n[:3] for n in rewritten(midi, roll, known)["binolab"]] == [(67, 2.0, 2.5)]


@pytest.mark.parametrize("ticks, end", [(24, 18), (24, 24), (4, 3), (2, 1)])
def test_a_note_that_ends_on_a_sixteenth_is_struck_again_there(ticks, end):
    midi, _ = piano((67, 0, end / ticks), (71, 1, 2))
    roll = rolls.from_midi(midi, low=60, pitches=12, ticks=ticks, length=4 * ticks)
    known = np.zeros_like(roll)
    known[7, :end] = known[11] = True
    roll[7, end : 2 * ticks] = True
    made = editing.rewrite(midi, roll, known, low=60, ticks=ticks)
    (new,) = made.instruments[-1].notes
    assert made.instruments[-1].name == "binolab"
    assert (new.pitch, new.start, new.end) == (67, pytest.approx(end / ticks), 2.0)


def test_a_note_across_the_hole_keeps_the_exact_end_that_the_roll_leads_up_to():
    midi, roll = piano((60, 0.02, 3.03))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    (before,) = midi.instruments[0].notes
    (note,) = rewritten(midi, roll, known)["Piano"]
    assert note == (60, before.start, before.end, 91)  # to the letter: 3.03 is on no grid


def test_new_notes_have_the_mean_velocity_of_the_given_ones():
    midi, roll = piano((60, 0, 1), (64, 0, 1), (67, 0, 1))
    for note, velocity in zip(midi.instruments[0].notes, (30, 50, 91)):
        note.velocity = velocity
    drums = pretty_midi.Instrument(0, is_drum=True)
    drums.notes = [pretty_midi.Note(127, 38, 0.0, 1.0)]
    midi.instruments.append(drums)
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[2, 24:48] = True
    assert [n[3] for n in rewritten(midi, roll, known)["binolab"]] == [57]
    midi.instruments[0].notes = []
    assert [n[3] for n in rewritten(midi, roll, np.zeros_like(roll))["binolab"]] == [80] * 4
