"""MIDI files read: within limits, mended where they are damaged. Scores become MIDI (`musicxml`).

What is read can be written again event for event (`events.Midi`).

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pretty_midi

from binolab.music import musicxml
from binolab.music.events import (
    DRUMS,
    END,
    END_OF_TRACK,
    KEY,
    NAME,
    RESOLUTION,
    SIGNATURE,
    TEMPO,
    TEMPO_META,
    Clock,
    Event,
    Midi,
    MidiError,
    Note,
    blank,
    finer,
    meta,
    number,
)

__all__ = [
    "DRUMS",
    "END_OF_TRACK",
    "KEY",
    "NAME",
    "RESOLUTION",
    "SIGNATURE",
    "TEMPO",
    "TEMPO_META",
    "Clock",
    "Event",
    "Midi",
    "MidiError",
    "Note",
    "blank",
    "finer",
    "longest",
    "meta",
    "parse",
    "read",
]

LONGEST = 10_000  # beats of a file: more than an hour and a half at 100 a minute
LAST = 2**28 - 1  # ticks: the largest number that a MIDI file can hold
BYTES = 8_000_000
EVENTS = 400_000
SIZES = {0x00: (0, 2), 0x20: (1,), 0x21: (1,), END: (0,), TEMPO_META: (3,), 0x54: (5,),
         SIGNATURE: (4,), KEY: (2,)}  # bytes of a meta event, where they are fixed  # fmt: skip
SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}


def read(source: str | Path | bytes | pretty_midi.PrettyMIDI | Midi) -> Midi:
    """Read a MIDI file, or a score in MusicXML, that holds at least one pitched note.

    What every player opens is opened: a file in a RIFF wrapper, unknown chunks and bytes between
    tracks, wrong counts and lengths, data bytes over 127, meta events that mean nothing. `mended`
    tells of it.

    Parameters
    ----------
    source
        A path, the bytes of a file, or a `PrettyMIDI`. What the bytes are tells a score, not the
        ending of the name.

    Raises
    ------
    MidiError
        In one line: no such file, a folder, not MIDI and no score, empty, no pitched notes, frames
        of a film in place of beats, or more than `BYTES`, `EVENTS` or `LONGEST` beats; of a score,
        more than `musicxml` takes.
    """
    if isinstance(source, Midi):
        return source
    name = str(source) if isinstance(source, (str, Path)) else "the piece"
    try:
        data = _data(source)
        piece = musicxml.to_midi(data) if musicxml.is_score(data) else parse(data)
        return replace(_music(piece), source=name)
    except PermissionError:
        raise MidiError(f"{name}: cannot be read; check its permissions") from None
    except MidiError as error:
        raise MidiError(f"{name}: {error}") from None


def _data(source):
    """The bytes of a path or a `PrettyMIDI`, no more of them than are taken."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, pretty_midi.PrettyMIDI):
        file = io.BytesIO()
        try:
            source.write(file)
        except (ValueError, TypeError, struct.error) as error:
            raise MidiError(f"the PrettyMIDI cannot be a file ({error}); mend it first") from None
        return file.getvalue()
    path = Path(source)
    if path.is_dir():
        raise MidiError("is a folder; name one MIDI file in it")
    if not path.exists():
        raise MidiError("no such file")
    if not path.is_file():
        raise MidiError("is not a file; name a MIDI file")
    with open(path, "rb") as opened:
        data = opened.read(BYTES + 1)
        return data + opened.read(musicxml.BYTES) if musicxml.is_score(data) else data


def parse(data: bytes) -> Midi:
    """A MIDI file from its bytes: see `read`."""
    if not data:
        raise MidiError("the file is empty (0 bytes); export it again as Standard MIDI")
    if len(data) > BYTES:
        raise MidiError(f"has more than {BYTES:,} bytes; split the file, or leave data out of it")
    head = data.find(b"MThd", 0, 1024)
    if head < 0 or len(data) < head + 14:
        raise MidiError(
            "not a readable MIDI file (it has no header); export it again as Standard MIDI, or "
            "as MusicXML"
        )
    size, kind, count, division = struct.unpack_from(">LHHh", data, head + 4)
    if division <= 0:
        raise MidiError(
            "counts frames of a film (SMPTE time), which have no beats; export it with "
            "ticks a beat (480, say)"
        )
    midi = Midi(division, kind=min(kind, 1))
    if head:
        midi.mended.append(f"{head} bytes before the header are skipped")
    if kind > 1:
        midi.mended.append("its tracks follow one another, and are read as sounding together")
    at, events = head + 8 + max(size, 6), 0
    while (at := _next_track(data, at, midi)) is not None:
        track, at = _track(data, at, midi, events)
        events += len(track)
        midi.tracks.append(track)
    if not midi.tracks:
        raise MidiError(
            "not a readable MIDI file (it has no track); export it again as Standard MIDI"
        )
    if count != len(midi.tracks):
        midi.mended.append(f"it tells of {count} tracks and has {len(midi.tracks)}")
    if midi.kind == 0 and len(midi.tracks) > 1:
        midi.kind = 1
    return midi


def _late(tick: int, resolution: int) -> MidiError:
    return MidiError(
        f"has an event at beat {tick // resolution:,}, after the last that is read, "
        f"{longest(resolution):,}; cut the piece, or delete the event"
    )


def _music(midi: Midi) -> Midi:
    if midi.end > longest(midi.resolution) * midi.resolution:
        raise _late(midi.end, midi.resolution)
    if not midi.notes():
        raise MidiError("has no pitched notes (drums do not count); choose another file")
    return midi


def longest(resolution: int) -> int:
    """The last quarter note that a file of so many ticks may reach."""
    return min(LONGEST, LAST // resolution)


def _next_track(data, at, midi):
    """Where the next track's chunk begins, or None; unknown chunks and stray bytes are passed."""
    while at + 8 <= len(data):
        name, size = struct.unpack_from(">4sL", data, at)
        if name == b"MTrk":
            return at
        if name.isalnum() and at + 8 + size <= len(data):
            midi.mended.append(f"a chunk {name.decode()} is left out")
            at += 8 + size
            continue
        found = data.find(b"MTrk", at)
        if found < 0:
            return None
        midi.mended.append(f"{found - at} bytes between tracks are skipped")
        at = found
    return None


def _track(data, at, midi, before):
    """The events of the track whose chunk begins here, and where the next chunk is to be sought."""
    size, begin = struct.unpack_from(">L", data, at + 4)[0], at + 8
    end, at, tick, status, track = begin + size, begin, 0, None, []
    number_of = len(midi.tracks) + 1
    last = longest(midi.resolution) * midi.resolution
    bad: Counter[str] = Counter()
    try:
        while at < len(data):
            if at == end and (data[at : at + 4] == b"MTrk" or track and at == len(data)):
                break
            delta, at = number(data, at)
            tick += delta
            if data[at] >= 0x80:
                first, at = data[at], at + 1
            elif status is None:
                raise ValueError("an event without a kind")
            else:
                first = status
            status = first if first < 0xF0 else None if first != 0xFF else status
            if first in (0xF0, 0xF7, 0xFF):
                kind = data[at] if first == 0xFF else None
                length, body = number(data, at + (first == 0xFF))
                stop = body + length
                if stop > len(data):
                    raise IndexError
                event = bytes([first]) + data[at:stop]
                if kind is not None and (fault := _meaningless(kind, data[body:stop])):
                    bad[fault] += 1
                    event = b""
                at = stop
                if kind == END:
                    track.append(Event(tick, END_OF_TRACK))
                    break
            else:
                length = SYSTEM[first] if first >= 0xF0 else 1 if first & 0xE0 == 0xC0 else 2
                values = data[at : at + length]
                if len(values) < length:
                    raise IndexError
                if any(v > 127 for v in values):
                    bad["a value over 127 is now 127"] += 1
                    values = bytes(min(v, 127) for v in values)
                event, at = bytes([first]) + values, at + length
            if tick > last and event:
                raise _late(tick, midi.resolution)
            if before + len(track) >= EVENTS:
                raise MidiError(f"has more than {EVENTS:,} events; split the file")
            if event:
                track.append(Event(tick, event))
    except (IndexError, KeyError, ValueError) as error:
        if isinstance(error, MidiError):  # a limit, and no damage
            raise
        midi.mended.append(
            f"track {number_of} is damaged after {len(track)} events, and ends there"
        )
        at = max(at, min(end, len(data)))
    if not track or track[-1].data != END_OF_TRACK:
        track.append(Event(track[-1].tick if track else 0, END_OF_TRACK))
    midi.mended += [f"{fault}" + f" ({times} times)" * (times > 1) for fault, times in bad.items()]
    if end > len(data) or end < at:
        midi.mended.append(f"track {number_of} is not as long as it says")
        return track, at
    return track, end


def _meaningless(kind, held):
    """What is wrong with a meta event, or None."""
    if len(held) not in SIZES.get(kind, (len(held),)):
        return f"a meta event of the wrong length (kind {kind}) is left out"
    if kind == KEY and not (held[0] <= 7 or held[0] >= 249) or kind == KEY and held[1] > 1:
        return "a key signature that there is not is left out"
    if kind == TEMPO_META and not any(held):
        return "a tempo of 0 is left out"
    if kind == SIGNATURE and (not held[0] or held[1] > 7):
        return "a time signature that there is not is left out"
    if kind == 0x54 and held[0] >> 5 > 3:
        return "an SMPTE offset that there is not is left out"
    return None
