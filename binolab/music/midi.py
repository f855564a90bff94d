"""MIDI files: read within limits, so that a small bad file costs little.

mido reads the events and `PrettyMIDI` makes notes of them. Both trust the file: one long number
holds mido for a minute, and one far event makes pretty_midi build a table of gigabytes. So a file
is walked through first, and time is computed from the tempi, not looked up in a table of ticks.
"""

from __future__ import annotations

import io
import math
import struct
from bisect import bisect_right
from itertools import pairwise

import mido
import pretty_midi
from mido.messages import SPEC_BY_STATUS

LONGEST = 10_000  # beats of a file: more than an hour and a half at 100 a minute
LAST = 2**28 - 1  # ticks: the largest number that a MIDI file can hold
BYTES = 8_000_000
EVENTS = 400_000
DIGITS = 4  # bytes that a number may take in the file


class TooMuch(ValueError):
    """A file beyond the limits; the message names the limit and the remedy."""


def read(path):
    """Read a MIDI file, whatever it holds.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Midi

    Raises
    ------
    TooMuch
        For more than `BYTES`, `EVENTS` or `LONGEST` beats.
    Exception
        Of several kinds, for what is not MIDI.
    """
    with open(path, "rb") as opened:
        data = opened.read(BYTES + 1)
    walk(data)
    return Midi.of(mido.MidiFile(file=io.BytesIO(data)))


def longest(resolution):
    """The last beat that a file of so many ticks a beat may reach."""
    return min(LONGEST, LAST // resolution)


def walk(data):
    """Go through the events of a file as mido will; stop at what would cost too much.

    Returns how many there are. Raises `TooMuch` beyond a limit, and ValueError, struct.error or
    IndexError for what is not MIDI.
    """
    if len(data) > BYTES:
        raise TooMuch(f"has more than {BYTES:,} bytes; split the file, or leave data out of it")
    name, size, _, tracks, resolution = struct.unpack_from(">4sLhhh", data)
    if name != b"MThd":
        raise ValueError("MThd not found")
    if resolution <= 0:
        raise TooMuch("counts frames of a film, not beats; export it with ticks a beat (480, say)")
    last, events, at = longest(resolution) * resolution, 0, 8 + size
    for _ in range(tracks):
        name, size = struct.unpack_from(">4sL", data, at)
        if name != b"MTrk":
            raise ValueError("no MTrk header at start of track")
        at += 8
        end, tick, running = at + size, 0, None
        while at != end:
            delta, at = _number(data, at)
            tick, events, status = tick + delta, events + 1, data[at]
            if status >= 0x80:
                at += 1
                running = running if status == 0xFF else status
            elif running is None or running >= 0xF0:
                raise ValueError("an event without a kind")
            else:
                status = running
            if tick > last and data[at - 1 : at + 1] != b"\xff\x2f":  # the track's end does no harm
                raise TooMuch(
                    f"has an event at beat {tick // resolution:,}, after the last that is read, "
                    f"{last // resolution:,}; cut the piece, or delete the event"
                )
            if events > EVENTS:
                raise TooMuch(f"has more than {EVENTS:,} events; split the file")
            if status in (0xF0, 0xF7, 0xFF):
                size, at = _number(data, at + (status == 0xFF))
                at += size
            elif status in SPEC_BY_STATUS:
                at += SPEC_BY_STATUS[status]["length"] - 1
            else:
                raise ValueError(f"undefined status byte 0x{status:02x}")
    if at > len(data):
        raise IndexError("the file ends too soon")
    return events


def _number(data, at):
    """A number of variable length, and where it ends."""
    value = 0
    for place in range(at, at + DIGITS):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    raise ValueError(f"a number of more than {DIGITS} bytes")


class Midi(pretty_midi.PrettyMIDI):
    """A `PrettyMIDI` that computes seconds from its tempi, and so holds a file of any length."""

    def __init__(self, **options):
        super().__init__(**options)
        self._update_tick_to_time(0)

    @classmethod
    def of(cls, file):
        """The notes of a `mido.MidiFile`, whose times become absolute."""
        midi = cls(resolution=file.ticks_per_beat)
        for track in file.tracks:
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
        self._PrettyMIDI__tick_to_time = self._clock = _Clock(self._tick_scales)

    def tick_to_time(self, tick):
        return self._clock[tick]

    def time_to_tick(self, time):
        return self._clock.tick(time)


class _Clock:
    """Seconds at a tick, as ``clock[tick]``, and the tick nearest to a time, by the tempi."""

    def __init__(self, tempi):
        self.ticks, self.scales = zip(*tempi)
        self.begins = [0.0]
        for (tick, scale), (until, _) in pairwise(tempi):
            self.begins.append(self.begins[-1] + scale * (until - tick))

    def __getitem__(self, tick):
        i = bisect_right(self.ticks, tick) - 1
        return self.begins[i] + self.scales[i] * (tick - self.ticks[i])

    def tick(self, seconds):
        i = bisect_right(self.begins, max(seconds, 0)) - 1
        return self.ticks[i] + math.floor((seconds - self.begins[i]) / self.scales[i] + 0.5)
