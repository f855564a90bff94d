"""Scores in MusicXML, read as MIDI: what sounds, when, and on which beat."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from binolab.music import meter, midi, musicxml, parts, rolls
from binolab.music import scores as written

QUARTER = 480  # ticks of the MIDI; a score counts 12 divisions a quarter
VOICE, PIANO = ("Stimme", 53), ("Klavier", 1)  # programs from 1, as MusicXML counts


def note(name, quarters, *, voice=1, staff=None, chord=False, tie="", kind=""):
    """A note as C4, F#3 or Bb5; `kind` is grace or cue, an element that stands first."""
    step, alter, octave = name[0], {"": 0, "#": 1, "b": -1}[name[1:-1]], name[-1]
    grace = kind == "grace"
    return "".join(
        [
            "<note>",
            f"<{kind}/>" * bool(kind),
            "<chord/>" * chord,
            f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>",
            f"<duration>{round(12 * quarters)}</duration>" * (not grace),
            *(f'<tie type="{t}"/>' for t in tie.split()),
            f"<voice>{voice}</voice>",
            f"<staff>{staff}</staff>" if staff else "",
            "</note>",
        ]
    )


def rest(quarters, **more):
    return note("C4", quarters, **more).replace(
        "<pitch><step>C</step><alter>0</alter><octave>4</octave></pitch>", "<rest/>"
    )


def back(quarters):
    return f"<backup><duration>{round(12 * quarters)}</duration></backup>"


def signs(beats=4, kind=4, fifths=0, mode="major", more=""):
    """What stands at the beginning of a staff."""
    return (
        f"<attributes><divisions>12</divisions><key><fifths>{fifths}</fifths><mode>{mode}</mode>"
        f"</key><time><beats>{beats}</beats><beat-type>{kind}</beat-type></time>{more}</attributes>"
    )


def score(*written):
    """A score of parts ((name, program from 1 or None), measures)."""
    names, music = [], []
    for i, ((name, program), measures) in enumerate(written, 1):
        sound = f'<midi-instrument id="I{i}"><midi-program>{program}</midi-program>'
        sound += "</midi-instrument>"
        names += [
            f'<score-part id="P{i}"><part-name>{name}</part-name>',
            f'<score-instrument id="I{i}"><instrument-name>{name}</instrument-name>'
            f"</score-instrument>{sound}" * (program is not None),
            "</score-part>",
        ]
        bars = (f'<measure number="{k}">{bar}</measure>' for k, bar in enumerate(measures, 1))
        music.append(f'<part id="P{i}">{"".join(bars)}</part>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD'
        ' MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
        f'<score-partwise version="4.0"><part-list>{"".join(names)}</part-list>'
        f"{''.join(music)}</score-partwise>"
    ).encode()


def lone(*measures):
    return score((PIANO, measures))


def zipped(name="song.xml", text=None, container=True):
    """A compressed score, .mxl."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if container:
            told = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
            archive.writestr("META-INF/container.xml", told)
        archive.writestr(name, lone(signs() + note("C4", 4)) if text is None else text)
    return file.getvalue()


def heard(data):
    """(pitch, first quarter, last quarter) of all notes, by the name of their part."""
    made = midi.read(data)
    found = {}
    for n in made.notes():
        told = n.pitch, n.start / QUARTER, n.end / QUARTER
        found.setdefault(made.name(n.track), []).append(told)
    return found


def notes(data):
    (found,) = heard(data).values()
    return found


# --- notes ---------------------------------------------------------------------------------------


def test_a_tie_over_bars_makes_one_note_and_a_repeated_note_is_two():
    data = lone(
        signs() + note("D5", 4, tie="start"),
        note("D5", 4, tie="stop start"),
        note("D5", 2, tie="stop") + note("D5", 2),
    )
    assert notes(data) == [(74, 0, 10), (74, 10, 12)]


def test_of_a_chord_the_tied_notes_alone_are_joined():
    data = lone(
        signs() + note("C4", 4, tie="start") + note("E4", 4, chord=True),
        note("C4", 4, tie="stop") + note("E4", 4, chord=True),
    )
    assert notes(data) == [(60, 0, 8), (64, 0, 4), (64, 4, 8)]


def test_a_tie_finds_its_note_among_voices_that_meet():
    """Both voices end on the same pitch and tick: the tie goes on with the voice that has it."""
    data = lone(
        signs() + note("G4", 4, tie="start") + back(4) + rest(2, voice=2) + note("G4", 2, voice=2),
        note("G4", 4, tie="stop"),
    )
    assert notes(data) == [(67, 0, 2), (67, 2, 8)]  # struck again by the second voice


def test_voices_and_staves_sound_together_on_one_track():
    two = "<staves>2</staves>"
    upper = note("C5", 2, staff=1) + note("D5", 2, staff=1) + back(4)
    inner = rest(1, voice=2, staff=1) + note("A4", 3, voice=2, staff=1) + back(4)
    lower = note("C3", 4, voice=5, staff=2) + note("G3", 4, voice=5, staff=2, chord=True)
    made = midi.read(lone(signs(more=two) + upper + inner + lower, note("C5", 4, staff=1)))
    assert len(made.tracks) == 2 and made.name(1) == "Klavier" and made.programs(1) == {0: 0}
    assert [(n.pitch, n.start // 480, n.end // 480) for n in made.notes()] == [
        (48, 0, 4), (55, 0, 4), (72, 0, 2), (69, 1, 4), (74, 2, 4), (72, 4, 8)
    ]  # fmt: skip


def test_a_note_that_two_voices_hold_sounds_once_and_as_long_as_either():
    data = lone(signs() + note("C4", 4) + back(4) + note("C4", 2, voice=2) + note("E4", 2, voice=2))
    assert notes(data) == [(60, 0, 4), (64, 2, 4)]


def test_grace_and_cue_notes_chord_symbols_and_percussion_are_left_out_and_said():
    drum = "<note><unpitched><display-step>E</display-step><display-octave>4</display-octave>"
    drum += "</unpitched><duration>12</duration><voice>1</voice></note>"
    symbol = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
    data = lone(
        signs() + symbol + note("B3", 0, kind="grace") + note("C4", 2) + drum
        + note("G5", 1, kind="cue"),
        note("D4", 4),
    )  # fmt: skip
    assert notes(data) == [(60, 0, 2), (62, 4, 8)]
    said = midi.read(data).mended
    for line in ("1 grace notes", "1 cue notes", "1 notes without a pitch"):
        assert f"{line} are left out" in said


def test_triplets_keep_their_place():
    data = lone(signs(2) + "".join(note(f"{step}4", 1 / 3) for step in "CDEFGA"))
    assert [round(3 * start) for _, start, _ in notes(data)] == [0, 1, 2, 3, 4, 5]
    assert [n.start for n in midi.read(data).notes()][:3] == [0, 160, 320]


# --- parts ---------------------------------------------------------------------------------------

B_FLAT = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
BASS = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"


def test_a_clarinet_in_b_flat_sounds_a_tone_lower_in_the_key_of_the_others():
    clarinet = ("Clarinet in B flat", 72), [signs(fifths=2, more=B_FLAT) + note("D5", 4)]
    data = score(clarinet, (PIANO, [signs() + note("C3", 4)]))
    assert heard(data) == {"Clarinet in B flat": [(72, 0, 4)], "Klavier": [(48, 0, 4)]}
    made = midi.read(data)
    assert made.metas(midi.KEY) == [(0, b"\0\0")] and made.programs(1) == {0: 71}
    clarinet = ("Clarinet in B flat", 72), [signs() + note("C5", 4)]  # a score at concert pitch
    assert heard(score(clarinet)) == {"Clarinet in B flat": [(72, 0, 4)]}


def test_a_double_bass_sounds_an_octave_lower():
    """No diatonic steps are told, which is allowed, and where music21 fails."""
    assert notes(score((("Bass", 44), [signs(more=BASS) + note("C3", 4)]))) == [(36, 0, 4)]


SONG = score(
    (VOICE, [signs() + note("C5", 4)]),
    (PIANO, [signs(more="<staves>2</staves>") + note("E4", 4, staff=1) + back(4)
             + note("C3", 4, voice=5, staff=2)]),
)  # fmt: skip


@pytest.mark.parametrize(
    "wanted, found",
    [("piano", [48, 64]), ("stimme", [72]), ("choir", [72]), ("0-7", [48, 64])],
)
def test_the_parts_of_a_score_are_those_of_its_midi(wanted, found):
    assert [n.pitch for n in parts.chosen(midi.read(SONG), wanted)] == found


def test_more_parts_than_channels_never_take_the_drums():
    data = score(*(((f"Part {i}", None), [signs() + note("C4", 4)]) for i in range(20)))
    made = midi.read(data)
    assert len(made.notes()) == 20 and midi.DRUMS not in {n.channel for n in made.notes()}


def test_a_part_of_drums_is_left_to_the_drums():
    drums = score((("Drums", 1), [signs() + note("C4", 4)]), (PIANO, [signs() + note("C4", 4)]))
    told = b'<midi-instrument id="I1"><midi-channel>10</midi-channel>'
    assert list(heard(drums.replace(b'<midi-instrument id="I1">', told))) == ["Klavier"]


# --- meter, key, tempo ---------------------------------------------------------------------------


def beats(data):
    """The beats of a file, and its bars, in quarter notes."""
    grid = meter.grid(midi.read(data))
    return (grid.beats / QUARTER).tolist(), [bar / QUARTER for bar in grid.bars]


@pytest.mark.parametrize(
    "signature, pickup, first",
    [
        ((4, 4), 1, [0, 1, 2]),
        ((4, 4), 0.5, [-0.5, 0.5, 1.5]),
        ((3, 4), 1.5, [-0.5, 0.5, 1.5]),
        ((6, 8), 0.5, [-1, 0.5, 2]),
        ((6, 8), 1 / 3, [1 / 3 - 1.5, 1 / 3, 1 / 3 + 1.5]),
        ((2, 2), 1, [-1, 1, 3]),
    ],
)
def test_a_pickup_ends_where_its_bar_ends(signature, pickup, first):
    bar = 4 * signature[0] / signature[1]
    data = lone(signs(*signature) + note("C4", pickup), *[note("D4", bar)] * 2)
    found, bars = beats(data)
    assert found[:3] == pytest.approx(first, abs=0.02)
    assert bars == pytest.approx([pickup, pickup + bar])
    assert [start for _, start, _ in notes(data)] == pytest.approx([0, pickup, pickup + bar])


def test_the_first_measure_of_a_lone_bar_is_no_pickup():
    assert midi.read(lone(signs(3) + note("C4", 1))).metas(midi.SIGNATURE)[0][1][:2] == b"\3\2"


def test_a_repeat_is_not_played_out_and_that_is_said():
    sign = '<barline location="right"><repeat direction="backward"/></barline>'
    data = lone(signs() + note("C4", 4), note("D4", 4) + sign, note("E4", 4))
    assert notes(data) == [(60, 0, 4), (62, 4, 8), (64, 8, 12)]
    assert any("repeats are not played out" in line for line in midi.read(data).mended)
    assert beats(data)[1] == [0, 4, 8]


def test_a_bar_that_a_repeat_parts_in_two_stays_one_for_the_beats():
    """As in a song with a pickup before every verse: 5/8 and 1/8 in 6/8."""
    data = lone(
        signs(6, 8) + note("C4", 0.5), note("D4", 3), note("E4", 2.5), note("F4", 0.5),
        note("G4", 3),
    )  # fmt: skip
    assert beats(data)[0] == [-1, 0.5, 2, 3.5, 5, 6.5, 8, 9.5]


def test_a_bar_that_is_short_for_good_moves_the_beats_that_follow():
    data = lone(signs(6, 8) + note("C4", 3), note("D4", 2), note("E4", 3), note("F4", 3))
    found, bars = beats(data)
    assert found == [0, 1.5, 3, 4.5, 5, 6.5, 8, 9.5, 11] and bars == [0, 3, 5, 8]


def test_meters_keys_and_tempi_come_where_they_change():
    slow = "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
    slow += "<per-minute>40</per-minute></metronome></direction-type></direction>"
    data = lone(
        '<sound tempo="100"/>' + signs(fifths=-3, mode="minor") + note("C4", 4),
        signs(6, 8, fifths=2) + slow + note("D4", 3),
        signs(6, 8, fifths=2) + note("E4", 3),  # told again, as on a new page
    )
    made = midi.read(data)
    told = [(t / QUARTER, held[0], 2 ** held[1]) for t, held in made.metas(midi.SIGNATURE)]
    assert told == [(0, 4, 4), (4, 6, 8)]
    assert made.metas(midi.KEY) == [(0, b"\xfd\1"), (4 * QUARTER, b"\2\0")]
    tempi = [(t / QUARTER, int.from_bytes(h, "big")) for t, h in made.metas(midi.TEMPO_META)]
    assert tempi == [(0, 600_000), (4, 1_000_000)]


def test_of_parts_that_tell_two_tempi_at_once_the_first_holds():
    tempi = ('<sound tempo="60"/>', '<sound tempo="120"/>')
    data = score(*((VOICE, [tempo + signs() + note("C4", 4)]) for tempo in tempi))
    assert midi.read(data).metas(midi.TEMPO_META) == [(0, (10**6).to_bytes(3, "big"))]


def test_parts_that_leave_bars_empty_stay_together():
    data = score(
        (VOICE, [signs(3), "", note("C5", 3)]),
        (PIANO, [signs(3) + note("C3", 3), note("D3", 3), note("E3", 3)]),
    )
    assert heard(data)["Stimme"] == [(72, 6, 9)]


# --- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".musicxml", ".mxl"])
@pytest.mark.parametrize("path", ["two_part_tune", "jig_68", "two_hand_piano", "tempo_461538"])
def test_what_is_written_as_a_score_is_read_again(path, ending, tmp_path):
    given = midi.read(Path(__file__).parent / "cases" / f"{path}.mid")
    written.write(given, tmp_path / f"a{ending}", ending)
    made = midi.read(tmp_path / f"a{ending}")

    def told(piece):
        step = piece.resolution / 24
        return sorted((n.pitch, round(n.start / step), round(n.end / step)) for n in piece.notes())

    assert told(made) == told(given)
    first = [meter.signatures(m)[0] for m in (made, given)]
    assert first[0].beat == first[1].beat and first[0].bar == first[1].bar


@pytest.mark.parametrize("path", ["tempo_on_track_1", "rubato_500_tempi", "tempo_461538"])
def test_a_score_sounds_as_fast_as_the_midi_from_its_first_note_to_its_last(path, tmp_path):
    given = midi.read(Path(__file__).parent / "cases" / f"{path}.mid")
    written.write(given, tmp_path / "a.musicxml", ".musicxml")
    made = midi.read(tmp_path / "a.musicxml")
    times = [[piece.clock()[n.start] for n in piece.notes()] for piece in (given, made)]
    assert times[0] == pytest.approx(times[1], abs=0.02)


def test_a_roll_is_made_of_a_score_as_of_midi(tmp_path):
    (tmp_path / "a.musicxml").write_bytes(lone(signs() + note("C4", 2) + note("C4", 2)))
    roll = rolls.from_midi(tmp_path / "a.musicxml")
    assert roll.shape == (56, 96) and np.flatnonzero(~roll[60 - 33]).tolist() == [47]


# --- what is no score ----------------------------------------------------------------------------


def test_a_score_is_told_by_its_bytes(tmp_path):
    data = lone(signs() + note("C4", 4))
    text = data.decode().partition("\n")[2]
    for given in (data, b"\xef\xbb\xbf" + data, b"\n " + data[39:], text.encode("utf-16")):
        assert musicxml.is_score(given) and notes(given) == [(60, 0, 4)]
    (tmp_path / "a.mid").write_bytes(data)  # whatever it is called
    assert midi.read(tmp_path / "a.mid").name(1) == "Klavier"
    assert not musicxml.is_score(b"<ad>MThd") and not musicxml.is_score(b"")


def test_a_compressed_score_is_the_one_that_its_container_names():
    assert notes(zipped()) == [(60, 0, 4)]
    assert notes(zipped("a.musicxml", container=False)) == [(60, 0, 4)]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("first.xml", lone(signs() + note("D4", 4)))
        archive.writestr("R&B.xml", lone(signs() + note("E4", 4)))
        archive.writestr("META-INF/container.xml", "<rootfile full-path='R&amp;B.xml'/>")
    assert notes(file.getvalue()) == [(64, 0, 4)]


ENTITY = b'<!DOCTYPE score-partwise [<!ENTITY a "%s">]>'
REFUSED = {
    "truncated": (lone(signs() + note("C4", 4))[:-60], "not a readable score"),
    "no score": (b"<html><body/></html>", "XML, but no score"),
    "by time": (b"<score-timewise/>", "by parts"),
    "silent": (lone(signs() + rest(4)), "no pitched notes"),
    "an entity": (ENTITY % b"aaa" + b"<score-partwise/>", "declares entities"),
    "a file as entity": (
        ENTITY.replace(b'"%s"', b'SYSTEM "a.txt"') + b"<score-partwise>&a;</score-partwise>",
        "declares entities",
    ),
    "no divisions": (lone(signs().replace("12", "0") + note("C4", 4)), "a damaged score"),
    "no transposition": (
        lone(signs(more="<transpose><chromatic>x</chromatic></transpose>") + note("C4", 4)),
        "a damaged score",
    ),
    "a huge meter": (lone(signs(10**6) + note("C4", 4)), "255 are the most"),
    "endless": (lone(signs() + note("C4", 10**6)), "has an event at beat"),
    "before the first bar": (lone(signs() + note("C4", -1) + note("D4", 1)), "first bar"),
    "elements": (b"<score-partwise>" + b"<a/>" * 2_000_001, "split the score"),
    "notes": (b"<score-partwise>" + b"<note/>" * 100_001, "split the score"),
    "a bomb": (zipped(text=b" " * 100_000_000), "bytes of text; split"),
    "half a zip": (zipped()[:-30], "a damaged .mxl file"),
    "another zip": (zipped("a.txt", container=False), "no score in it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_score_is_refused_in_one_line(name, tmp_path):
    data, says = REFUSED[name]
    path = tmp_path / "a.musicxml"
    path.write_bytes(data)
    with pytest.raises(midi.MidiError, match=says) as caught:
        midi.read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_of_a_bomb_no_more_is_unpacked_than_is_read(monkeypatch):
    asked, read = [], zipfile.ZipExtFile.read
    monkeypatch.setattr(musicxml, "BYTES", 1000)
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda file, n=-1: asked.append(n) or read(file, n)
    )
    with pytest.raises(midi.MidiError, match="1,000 bytes of text"):
        midi.read(zipped(text=b" " * 10_000))
    assert asked and all(0 < n <= 100_000 for n in asked) and asked[-1] == 1001
