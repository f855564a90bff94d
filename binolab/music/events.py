"""A MIDI file as its events, at ticks: what they are, and what is told of a file by them.

Events stay the bytes that they were, so nothing is lost that is not understood. Two things are told
of a file: its notes, and its time.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mido
import pretty_midi

from binolab import files

RESOLUTION = 480  # ticks a quarter note in the files that we write: 24 divides it
TEMPO = 500_000  # microseconds a quarter note, where a file tells none
DRUMS = 9  # the channel that the General MIDI standard calls 10
END, TEMPO_META, SIGNATURE, KEY, NAME = 0x2F, 0x51, 0x58, 0x59, 0x03  # kinds of meta events
KNOWN = (0x01, NAME, 0x05, END, TEMPO_META, SIGNATURE, KEY)  # those that a `PrettyMIDI` knows
SHARED = (TEMPO_META, SIGNATURE, KEY)  # what one track tells of all
END_OF_TRACK = bytes([0xFF, END, 0])


class MidiError(ValueError):
    """A file that cannot be used; the message names the fault and the remedy."""


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
    source : str
        What a message calls it.
    """

    resolution: int = RESOLUTION
    tracks: list[list[Event]] = field(default_factory=list)
    kind: int = 1
    mended: list[str] = field(default_factory=list)
    source: str = "the piece"

    @property
    def end(self) -> int:
        """The last tick of any track."""
        return max((track[-1].tick for track in self.tracks if track), default=0)

    @property
    def drums(self) -> bool:
        """Whether a drum is struck."""
        struck = 0x90 | DRUMS
        return any(e.data[0] == struck and e.data[2] for track in self.tracks for e in track)

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
        """The meta events of a kind in any track: (tick, what it holds), in order of time.

        Those of one tick stand in the order of the file: the last of them holds.
        """
        every = (e for track in self.tracks for e in track)
        found = [(e.tick, held) for e in every if (held := e.meta(kind)) is not None]
        return sorted(found, key=lambda told: told[0])

    def tempi(self) -> list[tuple[int, int]]:
        """The tempi, in order of time: (tick, microseconds a quarter note); one begins the file."""
        told = {0: TEMPO} | {t: int.from_bytes(held, "big") for t, held in self.metas(TEMPO_META)}
        return sorted(told.items())

    def clock(self) -> Clock:
        """When a tick is heard, by all tempi of the file."""
        return Clock([(t, tempo / 1e6 / self.resolution) for t, tempo in self.tempi()])

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
        """The same as a `PrettyMIDI`, which knows notes, controllers, tempi, and little else.

        It seeks tempi, meters and keys in the first track alone, so all of them are put there.
        """
        first, *others = [
            [e for e in t if e.kind < 0xF0 or e.data[:1] == b"\xff" and e.data[1] in KNOWN]
            for t in self.tracks
        ]
        first = [e for e in first if e.data != END_OF_TRACK]
        first += [e for t in others for e in t if e.kind == 0xFF and e.data[1] in SHARED]
        first = [*sorted(first, key=lambda e: e.tick), Event(self.end, END_OF_TRACK)]
        others = [[e for e in t if e.kind < 0xF0 or e.data[1] not in SHARED] for t in others]
        file = io.BytesIO(replace(self, tracks=[first, *others]).bytes())
        return _Pretty.of(mido.MidiFile(file=file, clip=True))


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
