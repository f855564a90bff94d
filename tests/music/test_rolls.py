"""MIDI and bits: round trips are exact on the grid, and bad files end in one clear line."""

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab.music import events, meter, midi, rolls
from binolab.music.midi import MidiError

BITS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 60)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("midi")


def song(*notes, drum=False, resolution=480, tempo=100.0):
    """A file of one instrument; notes are (pitch, first beat, one past the last)."""
    piece = pretty_midi.PrettyMIDI(resolution=resolution, initial_tempo=tempo)
    instrument = pretty_midi.Instrument(0, is_drum=drum)
    instrument.notes = [
        pretty_midi.Note(80, p, s * 60 / tempo, e * 60 / tempo) for p, s, e in notes
    ]
    piece.instruments.append(instrument)
    return piece


def through_disk(roll, path, **options):
    """roll -> MIDI -> bytes on disk -> MIDI -> roll of the same shape."""
    rolls.to_midi(roll, **options).write(path)
    made = midi.parse(path.read_bytes())  # `midi.read` refuses a roll of silence
    shape = {k: v for k, v in options.items() if k in ("low", "ticks")}
    return rolls.from_midi(made, pitches=len(roll), length=roll.shape[1], **shape)


def spans(given_, ticks=24, pedal=False):
    """(pitch, first tick, one past the last) of the notes of a file."""
    piece = midi.read(given_)
    return rolls.spans(piece.notes(pedal), meter.grid(piece, ticks))


# --- round trips ---------------------------------------------------------------------------------


@given(BITS, st.floats(4, 900), st.integers(0, 120), st.sampled_from([4, 6, 12, 24]))
@example(np.array([[1, 0, 1, 0, 1, 1, 0, 0, 1]], bool), 100.0, 33, 24)
@example(np.array([[0, 1, 0, 0, 0]], bool), 73.37, 33, 24)
def test_any_bits_at_any_tempo_come_back_exactly(folder, roll, tempo, low, ticks):
    again = through_disk(roll, folder / "a.mid", tempo=tempo, low=low, ticks=ticks)
    assert np.array_equal(again, roll)


def test_a_full_roll_of_noise_comes_back_exactly(folder):
    roll = np.random.default_rng(0).random((56, 384)) < 0.3
    assert np.array_equal(through_disk(roll, folder / "a.mid"), roll)


def test_another_size_comes_back_exactly(folder):
    roll = np.random.default_rng(0).random((88, 64)) < 0.1
    assert np.array_equal(through_disk(roll, folder / "a.mid", low=21, ticks=4), roll)


@st.composite
def melodies(draw):
    """Notes in a few rows that do not overlap; no rest, and no note, of a single tick."""
    found = []
    for row in range(draw(st.integers(1, 4))):
        now = draw(st.integers(0, 5))
        for length, rest in draw(
            st.lists(st.tuples(st.integers(2, 9), st.sampled_from([0, 2, 3, 7])), max_size=6)
        ):
            found.append((row, now, now + length))
            now += length + rest
    return found


@given(melodies())
def test_notes_become_bits_and_notes_again(found):
    roll = rolls.from_notes(found, 4)
    assert rolls.notes(roll) == sorted(found)
    assert {type(n) for note in rolls.notes(roll) for n in note} <= {int}  # as JSON takes them


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(1, 9)), max_size=12),
    st.none() | st.integers(0, 24),
)
def test_a_cell_is_lit_where_a_note_sounds_and_none_is_struck_again_next(found, length):
    """eq-rolls-bit, eq-rolls-gap"""
    notes = [(row, start, start + ticks) for row, start, ticks in found]
    roll = rolls.from_notes(iter(notes), 3, length)
    length = max((end for *_, end in notes), default=0) if length is None else length
    assert roll.shape == (3, length) and roll.dtype == bool
    struck = {(row, start) for row, start, _ in notes}
    for row, tick in np.ndindex(3, length):
        sounds = any(r == row and start <= tick < end for r, start, end in notes)
        again = tick + 1 < length and (row, tick + 1) in struck and (row, tick) not in struck
        assert roll[row, tick] == (sounds and not again)


def test_a_note_that_begins_where_the_roll_ends_leaves_no_gap():
    assert rolls.from_notes([(0, 0, 8), (0, 8, 12)], 1, 8).all()


def test_a_struck_again_note_gives_up_its_last_tick_and_gets_it_back(folder):
    roll = rolls.from_notes([(2, 0, 24), (2, 24, 48)], 5, 60)
    assert roll[2].nonzero()[0].tolist() == [*range(23), *range(24, 48)]
    assert rolls.notes(roll) == [(2, 0, 24), (2, 24, 48)]
    piece = rolls.to_midi(roll)
    spans = [(n.start, n.end) for n in piece.notes()]
    assert spans[0][1] == spans[1][0]  # struck again at once, as in the score


def test_a_true_rest_of_one_tick_is_the_one_thing_that_is_lost():
    roll = rolls.from_notes([(0, 0, 4), (0, 5, 9)], 1, 9)
    assert rolls.notes(roll) == [(0, 0, 5), (0, 5, 9)]


def test_a_note_of_one_tick_is_not_swallowed_by_the_gap():
    assert rolls.from_notes([(0, 0, 1), (0, 1, 2), (0, 2, 8), (0, 4, 8)], 1, 8)[0].tolist() == [
        True,
        True,
        True,
        False,
        True,
        True,
        True,
        True,
    ]


def test_no_later_note_paints_a_gap_over():
    held = rolls.from_notes([(0, 0, 12), (0, 6, 12)], 1, 12)
    other_order = rolls.from_notes([(0, 6, 12), (0, 0, 12)], 1, 12)
    assert not held[0, 5] and np.array_equal(held, other_order) and held.sum() == 11


# --- from other people's files -------------------------------------------------------------------


def test_instruments_are_merged_and_drums_left_out():
    piece = song((60, 0, 1), (64, 1, 2))
    piece.instruments += song((67, 0, 2)).instruments + song((40, 0, 2), drum=True).instruments
    roll = rolls.from_midi(piece, low=33)
    expected = rolls.from_notes([(27, 0, 24), (31, 24, 48), (34, 0, 48)], 56, 48)
    assert np.array_equal(roll, expected)


def test_a_note_of_another_instrument_strikes_again():
    piece = song((60, 0, 2))
    piece.instruments += song((60, 1, 2)).instruments
    assert rolls.notes(rolls.from_midi(piece)) == [(27, 0, 24), (27, 24, 48)]


@given(
    st.lists(
        st.tuples(st.integers(0, 127), st.integers(0, 500), st.integers(1, 99)),
        min_size=1,
        unique_by=lambda n: n[0],
    ),
    st.sampled_from([1, 4, 24, 480]),
)
def test_notes_go_to_the_nearest_tick_in_the_order_of_pitch_and_time(found, ticks):
    """eq-rolls-tick"""
    piece = song(*((p, s / 480, (s + n) / 480) for p, s, n in found))
    plain = []
    for pitch, start, length in found:  # MIDI ticks, of which `wide` are one of the grid
        wide = 480 // ticks
        begin, end = ((t + wide // 2) // wide for t in (start, start + length))
        plain.append((pitch, begin, max(end, begin + 1)))
    assert sorted(spans(piece, ticks)) == sorted(plain)


TEMPI = st.lists(st.tuples(st.integers(20, 300), st.integers(1, 40_000)), min_size=1, max_size=5)


@given(TEMPI, st.floats(0, 60))
def test_beats_are_the_tempo_added_up_over_time(tempi, until):
    """eq-rolls-beats: each tempo, in beats a minute, for some ticks of 9,600 a beat"""
    changes, beats, left = [], 0.0, until
    for k, (tempo, ticks) in enumerate(tempi):
        changes.append((sum(n for _, n in tempi[:k]), 60 / tempo / 9600))
        lasts = left if k == len(tempi) - 1 else min(left, ticks / 9600 * 60 / tempo)
        beats, left = beats + tempo / 60 * lasts, left - lasts
    assert events.Clock(changes).tick(until) / 9600 == pytest.approx(beats, abs=1 / 9600)


def test_a_very_short_note_keeps_one_tick():
    """eq-rolls-bit"""
    assert rolls.from_midi(song((60, 1.0, 1.001)), length=48).nonzero()[1].tolist() == [24]


def test_rests_before_and_after_are_kept():
    roll = rolls.from_midi(song((60, 2, 3)), length=120)
    assert roll.shape == (56, 120) and roll.any(0).nonzero()[0].tolist() == list(range(48, 72))


def test_the_pedal_holds_a_note_until_it_is_lifted_or_struck_again():
    piece = song((60, 0, 1), (64, 0, 1), (64, 2, 2.5), (67, 3.5, 4), tempo=60)
    pedal = [(127, 0.5), (0, 3)]
    piece.instruments[0].control_changes = [pretty_midi.ControlChange(64, v, t) for v, t in pedal]
    plain = rolls.notes(rolls.from_midi(piece))
    assert plain == [(27, 0, 24), (31, 0, 24), (31, 48, 60), (34, 84, 96)]
    held = rolls.notes(rolls.from_midi(piece, pedal=True))
    assert held == [(27, 0, 72), (31, 0, 48), (31, 48, 72), (34, 84, 96)]


def test_a_pedal_never_lifted_rings_to_the_end():
    piece = song((60, 0, 1), (64, 3, 4), tempo=60)
    piece.instruments[0].control_changes = [pretty_midi.ControlChange(64, 64, 0.5)]
    assert rolls.notes(rolls.from_midi(piece, pedal=True)) == [(27, 0, 96), (31, 72, 96)]


def test_a_pedal_holds_its_own_instrument_alone():
    piece = song((60, 0, 1), tempo=60)
    piece.instruments += song((64, 0, 1), (67, 3, 4), tempo=60).instruments
    piece.instruments[1].control_changes = [pretty_midi.ControlChange(64, 64, 0.5)]
    assert sorted(spans(piece, pedal=True)) == [(60, 0, 24), (64, 0, 96), (67, 72, 96)]


@pytest.mark.parametrize("number", [63, 65, 66, 67])
def test_only_the_sustain_pedal_is_heeded(number):
    """Not the soft pedal beside it, say; and a pedal without notes holds none."""
    piece = song((60, 0, 1), (64, 3, 4))
    piece.instruments.append(pretty_midi.Instrument(0))
    down = {number: piece.instruments[0], 64: piece.instruments[1]}
    for controller, instrument in down.items():
        instrument.control_changes = [pretty_midi.ControlChange(controller, 127, 0.0)]
    assert spans(piece, pedal=True) == spans(piece)


def test_a_roll_becomes_a_piano_at_a_hundred_a_minute():
    made = rolls.to_midi(rolls.from_notes([(0, 0, 24), (3, 24, 36)], 4))
    (piano,) = made.pretty().instruments
    assert (piano.program, piano.name, piano.is_drum) == (0, "Piano", False)
    assert made.resolution == 480 and made.pretty().get_tempo_changes()[1].tolist() == [100]
    assert [(n.pitch, n.velocity) for n in piano.notes] == [(33, 80), (36, 80)]
    times = [t for n in piano.notes for t in (n.start, n.end)]
    assert times == pytest.approx([0, 0.6, 0.6, 0.9])
    assert midi.blank().notes() == []


# --- windows -------------------------------------------------------------------------------------


@given(BITS, st.integers(1, 25))
def test_windows_reassemble_to_the_padded_roll(roll, length):
    cut = rolls.windows(roll, length)
    whole = np.concatenate(list(cut), axis=1)
    assert cut.shape == (-(-roll.shape[1] // length), len(roll), length)
    assert np.array_equal(whole[:, : roll.shape[1]], roll) and not whole[:, roll.shape[1] :].any()


@given(BITS, st.integers(1, 25), st.integers(1, 25))
def test_overlapping_windows_begin_every_hop_and_reach_the_end(roll, length, hop):
    hop = min(hop, length)
    cut = rolls.windows(roll, length, hop)
    for i, window in enumerate(cut):
        piece = roll[:, i * hop : i * hop + length]
        assert np.array_equal(window[:, : piece.shape[1]], piece)
        assert not window[:, piece.shape[1] :].any()
    end = (len(cut) - 1) * hop + length
    assert end >= roll.shape[1] and (len(cut) == 1 or end - hop < roll.shape[1])


def test_a_window_of_rests_is_a_window():
    roll = np.zeros((3, 100), bool)
    roll[0, 0] = True
    assert rolls.windows(roll, 40).shape == (3, 3, 40)


def test_windows_are_the_paper_s_where_nothing_else_is_said():
    assert rolls.windows(np.zeros((2, 385), bool)).shape == (2, 2, 384)
    assert rolls.windows(np.zeros((2, 0), bool)).shape == (1, 2, 384)


# --- one window of a file ------------------------------------------------------------------------


def test_a_window_begins_at_its_beat_and_is_padded(tmp_path):
    path = tmp_path / "a.mid"
    song((60, 0, 1), (64, 18, 20), (67, 21.5, 22)).write(str(path))
    first, second, third = (rolls.window(path, at=at) for at in (0, 16, 21.75))
    assert first.shape == second.shape == (56, 384) and first.dtype == bool
    assert np.array_equal(rolls.window(path), first)  # its beginning, where no beat is named
    assert rolls.notes(first) == [(27, 0, 24)]
    assert rolls.notes(second) == [(31, 48, 96), (34, 132, 144)]
    assert rolls.notes(third) == [(34, 0, 6)]
    assert rolls.window(path, low=21, pitches=88, ticks=4, length=64).shape == (88, 64)
    near = rolls.window(path, at=16 + 9.6 / 24)  # to the nearest tick: ten
    assert np.array_equal(near[:, :374], second[:, 10:])
    piece = pretty_midi.PrettyMIDI(str(path))
    piece.instruments[0].control_changes = [pretty_midi.ControlChange(64, 127, 0.0)]
    piece.write(str(path))
    assert rolls.window(path, pedal=True)[27].all() and not rolls.window(path)[27, 24:].any()


def test_a_window_that_cannot_be_had_is_refused_by_name(tmp_path):
    song((60, 0, 1)).write(str(tmp_path / "short.mid"))
    song((20, 0, 1)).write(str(tmp_path / "low.mid"))
    for name, at, words in [
        ("no.mid", 0, "no.mid: no such file"),
        ("low.mid", 0, r"low.mid: notes outside MIDI 33..88 .* transpose"),
        ("short.mid", 1, "short.mid: ends at beat 1; choose at below that, got 1"),
    ]:
        with pytest.raises(MidiError, match=words):
            rolls.window(tmp_path / name, at=at)
    with pytest.raises(ValueError, match="0 or more, got -2"):
        rolls.window(tmp_path / "short.mid", at=-2)


# --- bad input: one line that names the fault and the remedy -------------------------------------


def refused(path, *words):
    with pytest.raises(MidiError) as caught:
        rolls.from_midi(path)
    message = str(caught.value)
    assert "\n" not in message and all(w in message for w in words), message


def test_bad_files_are_refused_in_one_line(tmp_path):
    (tmp_path / "empty.mid").touch()
    (tmp_path / "text.mid").write_text("This is not\na MIDI file.\n")
    song().write(str(tmp_path / "none.mid"))
    song((60, 0, 1), drum=True).write(str(tmp_path / "drums.mid"))
    refused(tmp_path / "no.mid", "no.mid", "no such file")
    refused(tmp_path, "is a folder", "name one MIDI file")
    refused(tmp_path / "empty.mid", "empty.mid", "0 bytes", "export")
    refused(tmp_path / "text.mid", "text.mid", "not a readable MIDI file", "export")
    refused(tmp_path / "none.mid", "none.mid", "no pitched notes")
    refused(tmp_path / "drums.mid", "no pitched notes", "drums")


@pytest.mark.filterwarnings("error")
def test_a_tempo_in_an_odd_track_is_read_without_a_word(tmp_path):
    song((60, 0, 1)).write(str(tmp_path / "a.mid"))
    file = mido.MidiFile(tmp_path / "a.mid")
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=400_000, time=480)]))
    file.save(tmp_path / "a.mid")
    assert midi.read(str(tmp_path / "a.mid")).notes()


def test_notes_outside_the_range_are_named_with_the_remedy(tmp_path):
    song((20, 0, 1), (60, 0, 1), (96, 0, 1)).write(str(tmp_path / "wide.mid"))
    refused(tmp_path / "wide.mid", "33..88", "20..96", "transpose")


@pytest.mark.parametrize("pitch, fits", [(32, False), (33, True), (88, True), (89, False)])
def test_the_range_is_33_to_88(pitch, fits):
    """eq-rolls-tick"""
    if fits:
        assert rolls.from_midi(song((pitch, 0, 1)))[pitch - 33].all()
    else:
        with pytest.raises(MidiError):
            rolls.from_midi(song((pitch, 0, 1)))


@settings(max_examples=60)
@given(st.data())
def test_a_truncated_file_is_read_or_refused_never_a_crash(folder, data):
    whole = folder / "whole.mid"
    song((60, 0, 1), (64, 1, 2)).write(str(whole))
    cut = data.draw(st.integers(1, whole.stat().st_size - 1))
    (folder / "cut.mid").write_bytes(whole.read_bytes()[:cut])
    try:
        midi.read(folder / "cut.mid")
    except MidiError as error:
        assert "\n" not in str(error) and "cut.mid" in str(error)


@pytest.mark.parametrize("roll", [np.zeros(5), np.zeros((2, 3, 4)), np.full((2, 3), 0.5)])
def test_what_is_not_a_matrix_of_bits_is_no_roll(roll):
    with pytest.raises(ValueError, match="roll must"):
        rolls.notes(roll)


@pytest.mark.parametrize("kind", [bool, int, np.uint8, float])
def test_bits_of_any_kind_are_a_roll(kind):
    roll = rolls.validate([[kind(0), kind(1)], [kind(1), kind(0)]])
    assert roll.dtype == bool and roll.tolist() == [[False, True], [True, False]]
