"""MIDI files: read within limits, mended where they are damaged, written event for event."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import mido
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import meter, midi, rolls

END = b"\0\xff\x2f\0"
CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
from binolab.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def number(value):
    found = [value & 0x7F]
    while value := value >> 7:
        found.insert(0, value & 0x7F | 0x80)
    return bytes(found)


def track(*notes, end=END):
    """Bytes of a track; notes are (rest before, pitch, length) in ticks."""
    return (
        b"".join(
            number(rest) + bytes([0x90, pitch, 80]) + number(length) + bytes([0x90, pitch, 0])
            for rest, pitch, length in notes
        )
        + end
    )


def file(*tracks, resolution=480):
    chunks = [b"MTrk" + struct.pack(">L", len(t)) + t for t in tracks]
    return b"MThd" + struct.pack(">LHHh", 6, 1, len(tracks), resolution) + b"".join(chunks)


BAD = {
    "a far note": (file(track((0, 60, 237_000_000))), "after the last that is read, 10,000"),
    "far, on a coarse clock": (file(track((9_000_000, 60, 24)), resolution=24), "at beat 375,000"),
    "far, in steps": (file(track(*[(2**27, 60, 24)] * 100), resolution=32767), "8,192; cut"),
    "a far tempo": (
        file(track((0, 60, 24), end=number(2**27) + b"\xff\x51\x03\x07\xa1\x20" + END)),
        "delete the event",
    ),
    "a delta without end": (file(b"\x80" * 1_000_000 + b"\0" + END), "no pitched notes"),
    "a length without end": (file(b"\0\xff\x01" + b"\x80" * 10**6 + END), "no pitched notes"),
    "a size without end": (file(b"\0\xf0" + b"\xff" * 10**6 + END), "no pitched notes"),
    "many events": (file(b"\0\x90\x3c\x50" + b"\0\x3c\0" * 2_000_000 + END), "events; split"),
    "many bytes": (file(track((0, 60, 24))) + bytes(midi.BYTES), "bytes; split"),
    "many tracks": (file(*[b""] * 32767), "no pitched notes"),
    "film time": (file(track((0, 60, 24)), resolution=-6360), "frames of a film"),
    "no ticks": (file(track((0, 60, 24)), resolution=0), "export it with ticks a beat"),
}


@pytest.mark.skipif(os.name != "posix", reason="limits are set as on Unix")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_prompt_is_refused_in_little_memory_and_at_once(name, tmp_path):
    data, says = BAD[name]
    (tmp_path / "a.mid").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "harmonize", "a.mid", "-o", "out.mid"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ
        | {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(midi.__file__).parents[2]),
        },
    )
    assert done.returncode == 2, done.stderr[-300:]
    assert done.stderr.startswith("binolab: a.mid: ") and done.stderr.count("\n") == 1
    assert says in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "is a folder; name one"),
        (os.mkfifo, "is not a file"),
        (lambda p: p.write_bytes(b""), r"empty \(0 bytes\)"),
        (lambda p: p.write_bytes(b"MThd"), "it has no header"),
        (lambda p: p.write_bytes(file()), "it has no track"),
        (lambda p: p.write_bytes(file(track())), "no pitched notes"),
        (lambda p: p.write_bytes(file(b"\0\x99\x24\x50\x18\x89\x24\0" + END)), "no pitched notes"),
    ],
)
def test_what_is_no_music_is_refused_in_one_line(make, says, tmp_path):
    make(tmp_path / "a.mid")
    with pytest.raises(midi.MidiError, match=says) as caught:
        midi.read(tmp_path / "a.mid")
    assert str(caught.value).startswith(f"{tmp_path / 'a.mid'}: ")
    assert "\n" not in str(caught.value)


# --- nothing is lost -----------------------------------------------------------------------------

KEPT = Path(__file__).parent / "cases"
CASES = sorted(KEPT.glob("*.mid"))
REFUSED = {"smpte_25x40": "have no beats", "tick_9_million": "beat 375,000"}
MENDED = {
    "cc_255": "a value over 127 is now 127",
    "junk_between_chunks": "2 bytes between tracks",
    "key_bad_mode": "a key signature that there is not",
    "riff_rmid": "20 bytes before the header",
    "track_length_too_long": "track 2 is not as long as it says",
}


def events(data):
    """What mido reads, without its running status: (track, tick, the message) of each event."""
    found = []
    for k, messages in enumerate(mido.MidiFile(file=io.BytesIO(data), clip=True).tracks):
        tick = 0
        for message in messages:
            tick += message.time
            found.append((k, tick, bytes(message.bin())))
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_a_case_is_read_or_refused_and_written_event_for_event(path):
    if path.stem in REFUSED:
        with pytest.raises(midi.MidiError, match=REFUSED[path.stem]):
            midi.read(path)
        return
    piece = midi.read(path)
    assert [m for m in piece.mended if MENDED.get(path.stem, "\n") in m] or (
        piece.mended == [] and path.stem not in MENDED
    )
    again = midi.parse(piece.bytes())
    assert again.tracks == piece.tracks and again.mended == []
    if path.stem not in MENDED:
        given_ = events(path.read_bytes())
        tracks = {k for k, *_ in given_}  # a track of no bytes at all gets its end
        assert [e for e in events(piece.bytes()) if e[0] in tracks] == given_
    assert len(piece.pretty().instruments) > 0


bytes_of = st.integers(0, 127)
EVENTS = st.one_of(
    st.tuples(
        st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0xE0]), st.integers(0, 15), bytes_of, bytes_of
    ).map(lambda e: bytes([e[0] | e[1], e[2], e[3]])),
    st.tuples(st.sampled_from([0xC0, 0xD0]), st.integers(0, 15), bytes_of).map(
        lambda e: bytes([e[0] | e[1], e[2]])
    ),
    st.binary(max_size=9).map(lambda b: b"\xf0" + number(len(b)) + bytes(v & 127 for v in b)),
    st.tuples(st.sampled_from([1, 2, 3, 5, 6, 7, 0x7F]), st.binary(max_size=200)).map(
        lambda e: bytes([0xFF, e[0]]) + number(len(e[1])) + e[1]
    ),
    st.integers(1, 2**24 - 1).map(lambda t: b"\xff\x51\x03" + t.to_bytes(3, "big")),
    st.tuples(st.integers(-7, 7), st.integers(0, 1)).map(
        lambda k: b"\xff\x59\x02" + bytes([k[0] % 256, k[1]])
    ),
    st.tuples(st.integers(1, 12), st.integers(1, 4)).map(
        lambda s: b"\xff\x58\x04" + bytes([*s, 24, 8])
    ),
)
TRACKS = st.lists(st.lists(st.tuples(st.integers(0, 5000), EVENTS), max_size=12), max_size=4)


@given(TRACKS, st.sampled_from([24, 96, 480, 32767]))
def test_every_event_of_any_file_is_read_and_written_as_it_stood(tracks, resolution):
    chunks = [b"".join(number(d) + e for d, e in track_) + END for track_ in tracks]
    data = file(track((0, 60, 24)), *chunks, resolution=resolution)
    piece = midi.parse(data)
    assert piece.bytes() == data and piece.mended == []


DAMAGE = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)


@given(DAMAGE, st.integers(0, 400))
def test_a_damaged_file_is_refused_or_mended_into_a_sound_one(changes, cut):
    data = bytearray(SOUND)
    for place, byte in changes:
        data[place % len(data)] = byte
    try:
        piece = midi.parse(bytes(data[: cut % len(data) or None]))
    except midi.MidiError as error:
        assert str(error)
        return
    again = midi.parse(piece.bytes())
    assert again.tracks == piece.tracks and again.mended == []
    assert events(piece.bytes())  # mido reads it


SOUND = file(
    b"\0\xff\x03\x04Tune\0\xff\x51\x03\x07\xa1\x20\0\xff\x59\x02\xff\x01" + END,
    b"\0\xc0\x05\0\xf0\x03\x01\x02\xf7\0\xb0\x40\x7f" + track((0, 60, 24), (24, 62, 24)),
)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + SOUND, "20 bytes before the header"),
        (SOUND.replace(b"MTrk", b"XFIH\0\0\0\x02hiMTrk", 1), "a chunk XFIH is left out"),
        (SOUND[:10] + b"\0\x09" + SOUND[12:], "it tells of 9 tracks and has 2"),
        (SOUND[:-6], "not as long as it says"),
        (SOUND.replace(b"\xff\x59\x02\xff\x01", b"\xff\x59\x02\x50\x01"), "a key signature"),
        (SOUND.replace(b"\xff\x51\x03\x07\xa1\x20", b"\xff\x51\x03\0\0\0"), "a tempo of 0"),
        (SOUND.replace(b"\xb0\x40\x7f", b"\xb0\x40\xff"), "a value over 127"),
        (SOUND[:8] + b"\0\x02" + SOUND[10:], "its tracks follow one another"),
        (SOUND.replace(b"\xf0\x03", b"\xf4\x03"), "track 2 is damaged after 1 events"),
    ],
)
def test_what_is_mended_is_told(data, says):
    if "damaged" in says:
        with pytest.raises(midi.MidiError, match="no pitched notes"):
            midi.read(data)
        data += b"MTrk" + struct.pack(">L", len(track((0, 60, 9)))) + track((0, 60, 9))
    piece = midi.parse(data)
    assert [m for m in piece.mended if says in m]
    assert len(piece.notes()) >= 1 and midi.parse(piece.bytes()).mended == []


# --- notes and time ------------------------------------------------------------------------------


def test_notes_of_one_pitch_end_in_the_order_in_which_they_began():
    data = file(b"\0\x90\x3c\x50\x0a\x3c\x40\x0a\x3c\0\x0a\x80\x3c\0" + END)
    assert [(n.start, n.end, n.velocity) for n in midi.parse(data).notes()] == [
        (0, 20, 80),
        (10, 30, 64),
    ]


def test_a_note_without_an_end_lasts_as_its_track_does():
    data = file(b"\0\x90\x3c\x50" + number(960) + b"\xff\x2f\0")
    (note,) = midi.parse(data).notes()
    assert (note.start, note.end, note.off) == (0, 960, None)


TEMPI = st.dictionaries(st.integers(0, 5000), st.integers(1000, 2**24 - 1), max_size=6)
NOTES = st.lists(
    st.tuples(st.integers(0, 900), st.integers(0, 127), st.integers(1, 900)),
    min_size=1,
    max_size=12,
)


@given(TEMPI, NOTES, st.sampled_from([24, 96, 220, 480, 1024, 32767]))
def test_time_is_computed_as_pretty_midi_looks_it_up(tempi, notes, resolution):
    changes, now = b"", 0
    for tick, tempo in sorted(tempi.items()):
        changes += number(tick - now) + b"\xff\x51\x03" + tempo.to_bytes(3, "big")
        now = tick
    data = file(changes + END, track(*notes), resolution=resolution)
    theirs = pretty_midi.PrettyMIDI(io.BytesIO(data))
    ours, clock = midi.parse(data).pretty(), midi.parse(data).clock()
    spans = [[(n.start, n.end, n.pitch) for n in m.instruments[0].notes] for m in (ours, theirs)]
    assert spans[0] == spans[1]
    for ticks in (range(0, 6000, 7), [n for n, _ in sorted(tempi.items())]):
        times = [theirs.tick_to_time(t) for t in ticks]
        assert [clock[t] for t in ticks] == pytest.approx(times, rel=1e-9, abs=1e-9)
        assert [ours.time_to_tick(t) for t in times] == [theirs.time_to_tick(t) for t in times]


def test_pretty_midi_is_told_of_tempi_and_meters_wherever_they_stand():
    tempi = midi.read(KEPT / "tempo_on_track_1.mid")
    times, speeds = tempi.pretty().get_tempo_changes()
    clock = tempi.clock()
    ticks = [tick for tick, _ in tempi.metas(midi.TEMPO_META)]
    assert speeds == pytest.approx([60, 80]) and [*times] == pytest.approx(
        [clock[t] for t in ticks]
    )
    made = midi.read(KEPT / "timesig_on_track_1.mid").pretty()
    (one,) = made.time_signature_changes
    assert (one.numerator, one.denominator) == (6, 8) and len(made.key_signature_changes) == 1
    assert midi.read(midi.read(KEPT / "timesig_on_track_1.mid").pretty()).metas(midi.SIGNATURE)


def test_of_two_tempi_or_meters_at_one_tick_the_last_holds():
    slow, fast = (b"\0\xff\x51\3" + (n * 10**5).to_bytes(3, "big") for n in (9, 3))
    three, four = (b"\0\xff\x58\4" + bytes([n, 2, 24, 8]) for n in (3, 4))
    for told, seconds, beats in ((slow + fast, 0.3, 3), (fast + slow, 0.9, 4)):
        meters = four + three if beats == 3 else three + four
        piece = midi.parse(file(told + meters + END, track((0, 60, 480))))
        assert piece.clock()[480] == pytest.approx(seconds)
        assert piece.pretty().instruments[0].notes[0].end == pytest.approx(seconds)
        assert [one.numerator for one in meter.signatures(piece)] == [beats]


def test_a_fine_clock_and_a_late_end_do_no_harm():
    notes = [(0, 60 + i % 8, 15360) for i in range(700)]
    fine = midi.parse(file(track(*notes), resolution=15360))
    assert rolls.from_midi(fine).shape[1] == 700 * 24 and len(fine.pretty().instruments) == 1
    late = track((0, 60, 480), end=number(237_000_000) + b"\xff\x2f\0")
    assert rolls.from_midi(midi.parse(file(late))).shape[1] == 24


def test_a_coarse_clock_is_made_finer():
    coarse = midi.parse(file(track((2, 60, 4)), resolution=4))
    fine = midi.finer(coarse, 24)
    assert fine.resolution == 24 and [(n.start, n.end) for n in fine.notes()] == [(12, 36)]
    assert midi.finer(fine, 24) is fine


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([60, 62]), st.integers(1, 20)),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=8),
)
def test_the_pedal_is_heeded_as_the_slow_way_says(notes, pedal):
    piano = pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(80, p, s, s + n) for s, p, n in notes]
    piano.control_changes = [pretty_midi.ControlChange(64, 127 * down, t) for t, down in pedal]
    whole = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=60)
    whole.instruments.append(piano)
    piece = midi.read(whole)
    keys, held = piece.notes(), piece.notes(pedal=True)
    changes = sorted(
        (tick, data[2] >= 64)
        for track_ in piece.tracks
        for tick, data in track_
        if data[0] & 0xF0 == 0xB0 and data[1] == 64
    )
    last = max(n.end for n in keys)
    for note, longer in zip(keys, held):
        before = [i for i, (t, _) in enumerate(changes) if t <= note.end]
        end = note.end
        if before and changes[before[-1]][1]:
            end = next((t for t, down in changes[before[-1] + 1 :] if not down), last)
            again = [n.start for n in keys if n.pitch == note.pitch and note.start < n.start]
            end = max(note.end, min([end, *again]))
        assert longer == note._replace(end=end)


def test_a_piece_given_as_pretty_midi_is_read_like_its_file(tmp_path):
    made = rolls.to_midi(rolls.from_notes([(3, 0, 24), (7, 24, 40)]))
    made.write(tmp_path / "a.mid")
    given_ = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    assert (rolls.from_midi(given_) == rolls.from_midi(tmp_path / "a.mid")).all()
    assert meter.grid(midi.read(given_)).beats.tolist() == meter.grid(made).beats.tolist()
