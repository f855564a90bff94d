"""MIDI files as their events, at ticks: read within limits, mended where they are damaged, written.

What is read can be written again event for event. Events stay the bytes that they were, so nothing
is lost that is not understood. Two things are told of a file: its notes, and its time.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mido
import pretty_midi

from binolab import files

LONGEST = 10_000  # beats of a file: more than an hour and a half at 100 a minute
RESOLUTION = 480  # ticks a quarter note in the files that we write: 24 divides it
LAST = 2**28 - 1  # ticks: the largest number that a MIDI file can hold
BYTES = 8_000_000
EVENTS = 400_000
TEMPO = 500_000  # microseconds a quarter note, where a file tells none
DRUMS = 9  # the channel that the General MIDI standard calls 10

END_OF_TRACK = b"\xff\x2f\x00"
END, TEMPO_META, SIGNATURE, KEY, NAME = 0x2F, 0x51, 0x58, 0x59, 0x03
SIZES = {0x00: (0, 2), 0x20: (1,), 0x21: (1,), END: (0,), TEMPO_META: (3,), 0x54: (5,),
         SIGNATURE: (4,), KEY: (2,)}  # bytes of a meta event, where they are fixed  # fmt: skip
KNOWN = (0x01, NAME, 0x05, END, TEMPO_META, SIGNATURE, KEY)  # to a `PrettyMIDI`, of meta events
SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}


class MidiError(ValueError):
    """A MIDI file that cannot be used; the message names the fault and the remedy."""


class Event(NamedTuple):
    """An event of a track: its tick from the beginning, and its bytes, the status first."""

    tick: int
    data: bytes

    @property
    def kind(self) -> int:
        """0x80 note off, 0x90 note on, 0xB0 controller, 0xC0 program, 0xF0 sysex, 0xFF meta, ..."""
        return self.data[0] if self.data[0] >= 0xF0 else self.data[0] & 0xF0

    def meta(self, kind: int) -> bytes | None:
        """What a meta event of this kind holds; None of any other event."""
        if self.data[0] != 0xFF or self.data[1] != kind:
            return None
        return self.data[number(self.data, 2)[1] :]


class Note(NamedTuple):
    """A note, in ticks, and which events of its track begin and end it (None: it has no end)."""

    track: int
    channel: int
    pitch: int
    velocity: int
    start: int
    end: int
    on: int
    off: int | None


@dataclass
class Midi:
    """A MIDI file.

    Attributes
    ----------
    resolution : int
        Ticks a quarter note.
    tracks : list of lists of Event, each in the order of the file
    kind : int
        0: all in one track; 1: tracks that sound together.
    mended : list of str
        What was wrong with the file and is not any more, a line each.
    """

    resolution: int = RESOLUTION
    tracks: list[list[Event]] = field(default_factory=list)
    kind: int = 1
    mended: list[str] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The last tick of any track."""
        return max((track[-1].tick for track in self.tracks if track), default=0)

    def notes(self, pedal: bool = False) -> list[Note]:
        """The pitched notes, drums left out, in order of start and pitch.

        Of two notes of one pitch and channel that overlap, the one that began first ends first. A
        note that nothing ends lasts until its track does. With `pedal`, a note whose key is let go
        while the sustain pedal is down lasts until the pedal is lifted or the key struck again.
        """
        found = []
        for k, track in enumerate(self.tracks):
            open_ = defaultdict(list)
            for i, (tick, data) in enumerate(track):
                kind, channel = data[0] & 0xF0, data[0] & 0x0F
                if kind not in (0x80, 0x90) or channel == DRUMS:
                    continue
                if kind == 0x90 and data[2]:
                    open_[channel, data[1]].append((tick, data[2], i))
                elif waiting := open_[channel, data[1]]:
                    start, velocity, on = waiting.pop(0)
                    found.append(Note(k, channel, data[1], velocity, start, tick, on, i))
            for (channel, pitch), waiting in open_.items():
                for start, velocity, on in waiting:
                    end = max(start, track[-1].tick)
                    found.append(Note(k, channel, pitch, velocity, start, end, on, None))
        found.sort(key=lambda n: (n.start, n.pitch, n.track, n.on))
        return self._sustained(found) if pedal else found

    def _sustained(self, notes):
        changes, struck = defaultdict(list), defaultdict(list)
        for tick, data in sorted(event for track in self.tracks for event in track):
            if data[0] & 0xF0 == 0xB0 and data[1] == 64:
                changes[data[0] & 0x0F].append((tick, data[2] >= 64))
        for note in notes:
            struck[note.channel, note.pitch].append(note.start)
        last = max((n.end for n in notes), default=0)

        def end(note):
            pedal, keys = changes[note.channel], struck[note.channel, note.pitch]
            at = bisect_right(pedal, (note.end, True))
            if not at or not pedal[at - 1][1]:
                return note.end
            lift = next((tick for tick, down in pedal[at:] if not down), max(last, note.end))
            again = bisect_right(keys, note.start)
            return max(note.end, min([lift, *keys[again : again + 1]]))

        return [note._replace(end=end(note)) for note in notes]

    def metas(self, kind: int) -> list[tuple[int, bytes]]:
        """The meta events of a kind in any track: (tick, what it holds), in order of time."""
        every = (e for track in self.tracks for e in track)
        return sorted((e.tick, held) for e in every if (held := e.meta(kind)) is not None)

    def clock(self) -> Clock:
        """When a tick is heard, by all tempi of the file."""
        tempi = {0: TEMPO} | {t: int.from_bytes(held, "big") for t, held in self.metas(TEMPO_META)}
        return Clock([(t, tempo / 1e6 / self.resolution) for t, tempo in sorted(tempi.items())])

    def name(self, track: int) -> str:
        """The name of a track; "" where it has none."""
        names = (held for e in self.tracks[track] if (held := e.meta(NAME)) is not None)
        return next(names, b"").decode("utf-8", "replace").strip()

    def programs(self, track: int) -> dict[int, int]:
        """The program that each channel of a track begins with, by channel."""
        return {e.data[0] & 0x0F: e.data[1] for e in reversed(self.tracks[track]) if e.kind == 0xC0}

    def bytes(self) -> bytes:
        """The file. Running status is written out."""
        out = [struct.pack(">4sLHHH", b"MThd", 6, self.kind, len(self.tracks), self.resolution)]
        for track in self.tracks:
            parts, before = [], 0
            for tick, data in track:
                parts += variable(tick - before), data
                before = tick
            packed = b"".join(parts)
            out += struct.pack(">4sL", b"MTrk", len(packed)), packed
        return b"".join(out)

    def write(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        with files.replacing(path) as temporary:
            temporary.write_bytes(self.bytes())

    def pretty(self) -> pretty_midi.PrettyMIDI:
        """The same as a `PrettyMIDI`, which knows notes, controllers, tempi, and little else."""
        tracks = [[e for e in t if e.kind < 0xF0 or e.data[:1] == b"\xff" and e.data[1] in KNOWN]
                  for t in self.tracks]  # fmt: skip
        file = io.BytesIO(replace(self, tracks=tracks).bytes())
        return _Pretty.of(mido.MidiFile(file=file, clip=True))


def finer(midi: Midi, ticks: int) -> Midi:
    """The same piece with a clock that holds a grid of so many ticks a quarter note."""
    if midi.resolution >= ticks:
        return midi
    times = -(-ticks // midi.resolution)
    tracks = [[Event(e.tick * times, e.data) for e in track] for track in midi.tracks]
    return replace(midi, resolution=midi.resolution * times, tracks=tracks)


def blank(tempo: float = 100.0) -> Midi:
    """A file with no notes, of one tempo in beats a minute."""
    held = round(60e6 / tempo).to_bytes(3, "big")
    return Midi(tracks=[[meta(0, TEMPO_META, held), Event(0, END_OF_TRACK)]])


class Clock:
    """Seconds at a tick, ``clock[tick]``, and the tick nearest to a time, by the tempi.

    tempi : list of (tick, seconds a tick), the first at tick 0
    """

    def __init__(self, tempi: list[tuple[int, float]]):
        self.ticks, self.scales = zip(*tempi)
        self.begins = [0.0]
        for (tick, scale), (until, _) in pairwise(tempi):
            self.begins.append(self.begins[-1] + scale * (until - tick))

    def __getitem__(self, tick: float) -> float:
        i = max(bisect_right(self.ticks, tick) - 1, 0)
        return self.begins[i] + self.scales[i] * (tick - self.ticks[i])

    def tick(self, seconds: float) -> int:
        i = bisect_right(self.begins, max(seconds, 0)) - 1
        return self.ticks[i] + int((seconds - self.begins[i]) / self.scales[i] + 0.5)


def read(source: str | Path | bytes | pretty_midi.PrettyMIDI | Midi) -> Midi:
    """Read a MIDI file that holds at least one pitched note.

    What every player opens is opened: a file in a RIFF wrapper, unknown chunks and bytes between
    tracks, wrong counts and lengths, data bytes over 127, meta events that mean nothing. `mended`
    tells of it.

    Parameters
    ----------
    source
        A path, the bytes of a file, or a `PrettyMIDI`.

    Raises
    ------
    MidiError
        In one line: no such file, a folder, not MIDI, empty, no pitched notes, frames of a film in
        place of beats, or more than `BYTES`, `EVENTS` or `LONGEST` beats.
    """
    if isinstance(source, Midi):
        return source
    if isinstance(source, pretty_midi.PrettyMIDI):
        file = io.BytesIO()
        try:
            source.write(file)
        except (ValueError, TypeError, struct.error) as error:
            raise MidiError(f"the PrettyMIDI cannot be a file ({error}); mend it first") from None
        return _music(parse(file.getvalue()))
    if isinstance(source, bytes):
        return _music(parse(source))
    path = Path(source)
    try:
        if path.is_dir():
            raise MidiError("is a folder; name one MIDI file in it")
        if not path.exists():
            raise MidiError("no such file")
        if not path.is_file():
            raise MidiError("is not a file; name a MIDI file")
        with open(path, "rb") as opened:
            return _music(parse(opened.read(BYTES + 1)))
    except PermissionError:
        raise MidiError(f"{path}: cannot be read; check its permissions") from None
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from None


def parse(data: bytes) -> Midi:
    """A MIDI file from its bytes: see `read`."""
    if not data:
        raise MidiError("the file is empty (0 bytes); export it again as Standard MIDI")
    if len(data) > BYTES:
        raise MidiError(f"has more than {BYTES:,} bytes; split the file, or leave data out of it")
    head = data.find(b"MThd", 0, 1024)
    if head < 0 or len(data) < head + 14:
        raise MidiError(
            "not a readable MIDI file (it has no header); export it again as Standard MIDI"
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


def _music(midi: Midi) -> Midi:
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
                raise MidiError(
                    f"has an event at beat {tick // midi.resolution:,}, after the last that is "
                    f"read, {last // midi.resolution:,}; cut the piece, or delete the event"
                )
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


def number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length in a file, of at most four bytes, and where it ends."""
    value = 0
    for place in range(at, at + 4):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    raise ValueError("a number of more than 4 bytes")


def variable(value: int) -> bytes:
    """A number as a file holds it: seven bits a byte, the last below 128."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def meta(tick: int, kind: int, held: bytes) -> Event:
    """A meta event."""
    return Event(tick, bytes([0xFF, kind]) + variable(len(held)) + held)


class _Pretty(pretty_midi.PrettyMIDI):
    """A `PrettyMIDI` that computes seconds from its tempi: its own table grows with the ticks."""

    @classmethod
    def of(cls, file):
        midi = cls(resolution=file.ticks_per_beat)
        for track in file.tracks:  # `PrettyMIDI` wants absolute times
            tick = 0
            for event in track:
                event.time += tick
                tick = event.time
        midi._load_tempo_changes(file)
        midi._update_tick_to_time(0)
        midi._load_metadata(file)
        midi._load_instruments(file)
        return midi

    def _update_tick_to_time(self, _):
        self._PrettyMIDI__tick_to_time = self._clock = Clock(self._tick_scales)

    def tick_to_time(self, tick):
        return self._clock[tick]

    def time_to_tick(self, time):
        return self._clock.tick(time)
