"""Which parts of a file are meant by a name or a program."""

import pytest

from binolab.music import midi, parts
from binolab.music.midi import Event


def piece(*tracks, kind=1):
    """A file of tracks (name, program or None, channel), each with one note: 60 and upwards."""
    made = midi.Midi(kind=kind)
    for k, (name, program, channel) in enumerate(tracks):
        events = [midi.meta(0, midi.NAME, name.encode())] if name else []
        events += [] if program is None else [Event(0, bytes([0xC0 | channel, program]))]
        events += [Event(0, bytes([0x90 | channel, 60 + k, 80]))]
        events += [Event(480, bytes([0x80 | channel, 60 + k, 64])), Event(480, midi.END_OF_TRACK)]
        made.tracks.append(events)
    return made


def pitches(made, wanted):
    return [note.pitch for note in parts.chosen(made, wanted)]


SONG = piece(("Voice", 52, 0), ("Right hand", 0, 1), ("Left hand", 0, 1), ("Drums", 0, 9))


@pytest.mark.parametrize(
    "wanted, found",
    [
        ("all", [60, 61, 62]),
        ("piano", [61, 62]),
        ("Acoustic GRAND", [61, 62]),
        ("voice", [60]),
        ("choir", [60]),  # Choir Aahs
        ("ensemble", [60]),  # its family
        ("left", [62]),
        ("0", [61, 62]),
        ("0-7", [61, 62]),
        ("8-52", [60]),
    ],
)
def test_a_part_is_found_by_its_name_its_instrument_and_its_program(wanted, found):
    assert pitches(SONG, wanted) == found


@pytest.mark.parametrize("program", range(8))
def test_all_pianos_of_general_midi_are_pianos(program):
    made = piece(("Tasten", program, 0), ("Flöte", 73, 1))
    assert pitches(made, "piano") == [60]


@pytest.mark.parametrize("name", ["Piano", "PIANOFORTE", "Klavier", "Fortepiano", "Piano, left"])
def test_what_is_called_a_piano_is_one_whatever_its_program(name):
    assert pitches(piece(("Stimme", 52, 0), (name, 4 * 12, 1)), "piano") == [61]


def test_a_part_without_a_program_is_a_piano_if_there_is_no_other():
    """A player gives it a piano's sound. But of a voice and a piano it is the voice."""
    assert pitches(piece(("Für Elise", None, 0)), "piano") == [60]
    assert pitches(piece(("Voice", None, 0), ("Piano", None, 1)), "piano") == [61]
    assert pitches(piece(("Voice", None, 0), ("", 0, 1)), "0") == [61]
    with pytest.raises(midi.MidiError):
        parts.chosen(piece(("Für Elise", None, 0)), "violin")


def test_the_channels_of_a_track_are_parts_and_its_name_is_the_piece_s():
    together = piece(("", 52, 0), ("", 0, 1))
    voice, piano = together.tracks
    events = [midi.meta(0, midi.NAME, b"Piano pieces"), *voice[:-1], *piano]
    one = midi.Midi(tracks=[sorted(events, key=lambda e: e.tick)], kind=0)
    assert pitches(one, "piano") == [61] and pitches(one, "52") == [60]


def test_programs_may_be_told_on_a_track_of_their_own():
    made = piece(("Setup", None, 5), ("", None, 0), ("", None, 1))
    made.tracks[0] = [Event(0, bytes([0xC0, 40])), Event(0, bytes([0xC1, 0])), *made.tracks[0]]
    assert pitches(made, "violin") == [61] and pitches(made, "piano") == [62]


def test_where_there_is_no_such_part_those_that_there_are_are_named():
    with pytest.raises(midi.MidiError) as caught:
        parts.chosen(SONG, "harp")
    assert str(caught.value).startswith(
        "no part is harp (found Voice (Choir Aahs), Right hand (Acoustic Grand Piano), Left hand"
    )


@pytest.mark.parametrize("wanted", ["", "  ", "128", "7-0", "0-128"])
def test_what_is_no_choice_is_refused(wanted):
    with pytest.raises(ValueError, match="`parts` must be all, a name"):
        parts.chosen(SONG, wanted)


def apart(made, wanted):
    return [[note.pitch for note in notes] for notes in parts.apart(made, wanted)]


def test_choices_are_kept_apart_and_the_last_takes_what_is_left():
    assert apart(SONG, "piano,others") == [[61, 62], [60]]
    assert apart(SONG, "left,piano,others") == [[62], [61], [60]]  # to the first that fits
    assert apart(SONG, "piano") == [[61, 62]]
    assert apart(SONG, "all") == [[60, 61, 62]]


def test_what_a_part_goes_with_may_be_silent_but_not_the_part():
    alone = piece(("Piano", 0, 0))
    assert apart(alone, "piano,others") == [[60], []]
    assert apart(alone, "piano,flute,others") == [[60], [], []]
    with pytest.raises(midi.MidiError, match="no part is flute"):
        parts.apart(alone, "flute,others")


@pytest.mark.parametrize("wanted", ["others", "piano,all", "others,piano", "piano,", "all,others"])
def test_choices_that_leave_nothing_are_refused(wanted):
    with pytest.raises(ValueError, match="parts"):
        parts.choices(wanted)
