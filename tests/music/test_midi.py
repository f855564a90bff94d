"""Reading within limits: a bad file costs little, and a good one of any clock is read as before."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import midi, rolls

END = b"\0\xff\x2f\0"
CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
from binolab.cli import main as cli
sys.exit(cli.main(sys.argv[1:]))
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
    "a delta without end": (file(b"\x80" * 1_000_000 + b"\0" + END), "more than 4 bytes"),
    "a length without end": (file(b"\0\xff\x01" + b"\x80" * 10**6 + END), "more than 4 bytes"),
    "a size without end": (file(b"\0\xf0" + b"\xff" * 10**6 + END), "more than 4 bytes"),
    "many events": (file(b"\0\x90\x3c\x50" + b"\0\x3c\0" * 2_000_000 + END), "events; split"),
    "many bytes": (file(track((0, 60, 24))) + bytes(midi.BYTES), "bytes; split"),
    "many tracks": (file(*[b""] * 32767), "not a readable MIDI file"),
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
    assert says in done.stderr or name == "many tracks" and "no pitched notes" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    with pytest.raises(rolls.MidiError, match="is not a file"):
        rolls.read_midi(tmp_path / "pipe.mid")


def test_a_fine_clock_and_a_late_end_do_no_harm(tmp_path):
    notes = [(0, 60 + i % 8, 15360) for i in range(700)]
    (tmp_path / "fine.mid").write_bytes(file(track(*notes), resolution=15360))
    assert rolls.from_midi(rolls.read_midi(tmp_path / "fine.mid")).shape[1] == 700 * 24
    late = track((0, 60, 480), end=number(237_000_000) + b"\xff\x2f\0")
    (tmp_path / "late.mid").write_bytes(file(late))
    assert rolls.from_midi(rolls.read_midi(tmp_path / "late.mid")).shape[1] == 24


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
    ours = midi.Midi.of(mido.MidiFile(file=io.BytesIO(data)))
    spans = [[(n.start, n.end, n.pitch) for n in m.instruments[0].notes] for m in (ours, theirs)]
    assert spans[0] == spans[1]
    for ticks in (range(0, 6000, 7), [n for n, _ in sorted(tempi.items())]):
        times = [theirs.tick_to_time(t) for t in ticks]
        assert [ours.tick_to_time(t) for t in ticks] == times
        assert [ours.time_to_tick(t) for t in times] == [theirs.time_to_tick(t) for t in times]
    assert np.array_equal(ours.get_tempo_changes(), theirs.get_tempo_changes())


SOUND = file(
    b"\0\xff\x03\x04Tune\0\xff\x51\x03\x07\xa1\x20" + END,
    b"\0\xc0\x05\0\xf0\x03\x01\x02\xf7\0\xb0\x40\x7f" + track((0, 60, 24), (24, 62, 24)),
)


@given(
    st.lists(st.tuples(st.integers(14, len(SOUND) - 1), st.integers(0, 255)), max_size=3),
    st.integers(0, len(SOUND)),
)
def test_a_walk_sees_every_event_that_mido_will_read(changes, cut):
    """So nothing slips past the limits; what the walk refuses is damaged or beyond them."""
    data = bytearray(SOUND)
    for place, byte in changes:
        data[place] = byte
    data = bytes(data[: cut or None])
    try:
        events = midi.walk(data)
    except (ValueError, IndexError, struct.error):
        return
    try:
        read = mido.MidiFile(file=io.BytesIO(data))
    except Exception:
        return
    assert events == sum(map(len, read.tracks))


def test_a_sound_file_is_walked_to_its_end():
    assert midi.walk(SOUND) == 11


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
    changes = sorted((t, down) for t, down in pedal)
    last, slow = max(n.end for n in piano.notes), []
    for note in piano.notes:
        before = [i for i, (t, _) in enumerate(changes) if t <= note.end]
        end = note.end
        if before and changes[before[-1]][1]:
            end = next((t for t, down in changes[before[-1] + 1 :] if not down), last)
            again = [
                n.start for n in piano.notes if n.pitch == note.pitch and note.start < n.start < end
            ]
            end = max(note.end, min([end, *again]))
        slow.append(end)
    assert rolls._sustained(piano) == slow
