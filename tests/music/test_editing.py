"""MIDI files edited: what was given stays, and only what the roll says is struck."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import editing, meter, midi
from binolab.music.editing import Given, New
from binolab.music.midi import Event

CASES = Path(__file__).parent / "cases"


def piano(*notes, ticks=24, signature=(4, 4)):
    """A piano of (pitch, first beat, last beat), as it is given to a model, and its bits."""
    told = bytes([signature[0], signature[1].bit_length() - 1, 24, 8])
    events = [midi.meta(0, midi.NAME, b"Piano"), midi.meta(0, midi.SIGNATURE, told)]
    unit = 720 if signature[1] == 8 else 480
    for pitch, *times in notes:
        start, end = (round(time * unit) for time in times)
        events += [Event(start, bytes([0x90, pitch, 91])), Event(end, bytes([0x80, pitch, 64]))]
    events.sort(key=lambda e: e.tick)
    made = midi.Midi(tracks=[[*events, Event(events[-1].tick, midi.END_OF_TRACK)]])
    whole = Given(made, meter.grid(made, ticks, least=4), made.notes(), 60)
    return whole, whole.roll(12, 4 * ticks)


def rewritten(given_, roll, known):
    """The notes of the piece's own track, and the new ones, in beats."""
    removed, ended, added = editing.changes(given_, roll, known)
    made = editing.edited(given_.midi, removed, ended, {"new": [(n, 1, 80) for n in added]})
    unit = int(given_.grid.beats[1] - given_.grid.beats[0])
    found = {0: [], 1: []}
    for n in made.notes():
        found[n.track].append((n.pitch, n.start / unit, n.end / unit))
    return found[0], found[1]


def test_a_note_that_reaches_into_the_hole_keeps_its_track_and_its_beginning():
    whole, roll = piano((60, 0.02, 3.03))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[0, 36:] = False  # the model ends it half a beat into the hole
    ((pitch, start, end),), new = rewritten(whole, roll, known)
    assert (pitch, round(start, 2), end, new) == (60, 0.02, 1.5, [])


def test_the_end_of_a_note_that_was_removed_is_not_struck():
    whole, roll = piano((60, 1, 3), (64, 1, 3))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[0, 24:48] = False  # the model drops the one and leads up to the other
    assert rewritten(whole, roll, known) == ([], [(64, 1.0, 3.0)])


def test_the_roll_does_not_strike_a_legato_note_again():
    whole, roll = piano((67, 0, 1.06), (71, 1, 2))
    known = np.zeros_like(roll)
    known[7, :25] = known[11] = True
    roll[7, 25:40] = True  # the model lets it sound on
    assert rewritten(whole, roll, known)[1] == []
    roll[7, 25:60] = True
    assert rewritten(whole, roll, known)[1] == [(67, 2.0, 2.5)]


@pytest.mark.parametrize("ticks, end", [(24, 18), (24, 24), (4, 3), (2, 1)])
def test_a_note_that_ends_on_a_sixteenth_is_struck_again_there(ticks, end):
    whole, roll = piano((67, 0, end / ticks), (71, 1, 2), ticks=ticks)
    known = np.zeros_like(roll)
    known[7, :end] = known[11] = True
    roll[7, end : 2 * ticks] = True
    assert rewritten(whole, roll, known)[1] == [(67, end / ticks, 2.0)]


@pytest.mark.parametrize("late", [0, 0.01])
def test_a_new_note_does_not_sound_into_the_kept_ones_beside_it(late):
    whole, roll = piano((60, 0, 1 + late), (60, 2 - late, 3))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    roll[0, 24:48] = True
    own, new = rewritten(whole, roll, known)
    assert new == [(60, own[0][2], own[1][1])]


def test_a_note_across_the_hole_keeps_the_exact_end_that_the_roll_leads_up_to():
    whole, roll = piano((60, 0.02, 3.03))
    known = np.ones_like(roll)
    known[:, 24:48] = False
    ((_, start, end),), new = rewritten(whole, roll, known)
    assert (round(start, 2), round(end, 2), new) == (0.02, 3.03, [])


def test_in_a_meter_of_thirds_new_notes_begin_and_end_on_them():
    whole, roll = piano((71, 0, 4), signature=(6, 8))
    known = np.zeros_like(roll)
    known[11] = True
    roll[0, 0:13] = roll[2, 11:25] = True  # about a half; from about a half to about a whole
    assert rewritten(whole, roll, known)[1] == [(60, 0.0, 2 / 3), (62, 1 / 3, 1.0)]


def test_a_shifted_piece_is_written_where_it_was():
    whole, _ = piano((60, 0, 1))
    moved = Given(whole.midi, whole.grid, whole.notes, 60, shift=5)
    roll = moved.roll(12, 96)
    assert roll[5].any() and roll.sum() == 24
    known, roll[3, 24:48] = np.ones_like(roll), True
    known[:, 24:] = False
    assert editing.changes(moved, roll, known) == ([], {}, [New(58, 480, 960)])


def test_an_end_comes_before_what_stands_at_its_tick_and_a_beginning_after_it():
    whole, _ = piano((60, 0, 1), (60, 1, 2))
    new = [(New(64, 0, 480), 0, 80), (New(64, 480, 960), 0, 70)]
    made = editing.edited(whole.midi, added={0: new})
    at = [e.data[:2].hex() for e in made.tracks[0] if e.tick == 480]
    assert at == ["8040", "803c", "903c", "9040"]
    assert [(n.pitch, n.start, n.end) for n in made.notes()] == [
        (60, 0, 480),
        (64, 0, 480),
        (60, 480, 960),
        (64, 480, 960),
    ]


def test_new_tracks_have_their_name_and_program_and_the_piece_becomes_one_of_tracks():
    one = midi.Midi(480, [list(piano((60, 0, 1))[0].midi.tracks[0])], kind=0)
    made = editing.edited(
        one, added={"Bass": [(New(40, 0, 480), 3, 77)]}, programs={"Bass": (3, 32)}
    )
    assert made.kind == 1 and made.tracks[0] == one.tracks[0] and made.name(1) == "Bass"
    assert made.programs(1) == {3: 32} and midi.parse(made.bytes()).tracks == made.tracks


@given(path=st.sampled_from(sorted(CASES.glob("*.mid"))), seed=st.integers(0, 2**31))
def test_all_that_is_not_a_note_of_a_free_cell_stands_as_it_stood(path, seed):
    """Any roll, in any free cells: the result without its new notes is the file without those
    that were removed or ended elsewhere."""
    try:
        piece = midi.read(path)
    except midi.MidiError:
        return
    rng = np.random.default_rng(seed)
    grid = meter.grid(piece)
    notes = [n for n in piece.notes() if 33 <= n.pitch < 89]
    whole = Given(piece, grid, notes, 33)
    length = min(len(grid), 4000)
    roll = np.zeros((56, len(grid)), bool)
    roll[:, :length] = np.repeat(rng.random((56, -(-length // 12))) < 0.1, 12, 1)[:, :length]
    known = np.ones_like(roll)
    known[:, : rng.integers(0, length + 1)] = False
    known |= rng.random(56)[:, None] < 0.3
    roll = np.where(known, whole.roll(56), roll)
    removed, ended, added = editing.changes(whole, roll, known)
    made = editing.edited(piece, removed, ended, {"new": [(n, 15, 80) for n in added]})
    gone = {(n.track, i) for n in removed for i in (n.on, n.off)}
    moved = {(n.track, n.off) for n in ended}
    for k, track in enumerate(piece.tracks):
        left = [e for i, e in enumerate(track) if (k, i) not in gone | moved]
        other = [e for e in made.tracks[k] if e.data != midi.END_OF_TRACK]
        for note, tick in ended.items():
            if note.track == k:
                other.remove(Event(tick, bytes([0x80 | note.channel, note.pitch, 64])))
        assert other == [e for e in left if e.data != midi.END_OF_TRACK]
        assert made.tracks[k][-1].tick >= track[-1].tick
    for note, (row, start, end) in zip(notes, whole.spans()):
        assert not known[row, start:end].all() or note not in removed and note not in ended
    assert midi.parse(made.bytes()).tracks == made.tracks
