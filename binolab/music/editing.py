"""MIDI files edited: notes outside a mask's free cells stay as they are, new ones are added.

All that is not a note of a free cell stands in the result as it stood.

Chapters: 12 *Completing and infilling*, 13 *Harmonizing a melody*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from binolab.music import midi, rolls
from binolab.music.meter import Grid
from binolab.music.midi import END_OF_TRACK, Event, Midi, Note


class New(NamedTuple):
    """A note to be written: its MIDI pitch, and the ticks of the file at which it begins, ends."""

    pitch: int
    start: int
    end: int


@dataclass(frozen=True)
class Given:
    """A piece as it is given to a model.

    Attributes
    ----------
    midi : Midi
    grid : Grid
    notes : list of Note
        Those that the model is shown; all others are carried along.
    low, shift : int
        Row 0 of the roll is MIDI note ``low - shift`` of the file.
    """

    midi: Midi
    grid: Grid
    notes: list[Note]
    low: int
    shift: int = 0

    def spans(self) -> list[tuple[int, int, int]]:
        """(row, first tick, one past the last) of the notes, on the grid; at least a tick each."""
        return rolls.spans(self.notes, self.grid, self.low - self.shift)

    def roll(self, pitches: int, length: int | None = None) -> np.ndarray:
        """The bits of the notes, (pitches, length)."""
        return rolls.from_notes(self.spans(), pitches, len(self.grid) if length is None else length)


def parts(notes: Iterable[Note]) -> dict[int, list[Note]]:
    """Notes by their track; where all are in one track, by their channel."""
    notes = list(notes)
    several, found = len({n.track for n in notes}) > 1, defaultdict(list)
    for note in notes:
        found[note.track if several else note.channel].append(note)
    return dict(sorted(found.items()))


def changes(given: Given, roll: np.ndarray, known: np.ndarray):
    """What a roll, written where a mask is free, changes in a piece.

    A note that lies wholly in known cells is kept to the letter: on the grid or off it. Of one that
    reaches into free cells the roll decides what is left. Where its beginning was known it keeps
    that; where only its end was, that end is heard only if the roll leads up to it. A kept note
    that ends between sixteenths, as legato playing does, is not struck again there: what the roll
    goes on with begins on the next beat. Where the meter parts the beat in three, new notes begin
    and end on its thirds.

    Parameters
    ----------
    given : Given
    roll, known : bool arrays (pitches, ticks)
        The whole piece after the change, and where it was not to change.

    Returns
    -------
    removed : list of Note
    ended : dict of Note to the tick of the file at which it ends now
    added : list of New, in order of start and pitch
    """
    grid, ticks = given.grid, given.grid.ticks
    removed, ended, rest = [], {}, roll.copy()
    begins, ends, begun = {}, {}, defaultdict(list)  # of kept notes; of those that are cut
    for note, (row, start, end) in zip(given.notes, given.spans()):
        if known[row, start:end].all():
            begins[row, start] = min(note.start, begins.get((row, start), note.start))
            ends[row, end] = max(note.end, ends.get((row, end), 0))
            rest[row, start:end] = False
        elif known[row, start]:
            begun[row, start].append((note, end))
        else:
            removed.append(note)
            if known[row, end - 1]:
                tail = start + int((~known[row, start:end]).nonzero()[0][-1]) + 1
                if not roll[row, tail - 1]:
                    rest[row, tail:end] = False
    added = set()
    for row, start, end in rolls.notes(rest):
        if (row, start) in begun:
            for note, was in begun.pop((row, start)):
                if end != was:
                    ended[note] = min(grid.tick(end), begins.get((row, end), midi.LAST))
            continue
        if (row, start) in ends and start % (ticks // 4 or 1):
            start = -(-start // ticks) * ticks
        start, end = (_in_thirds(grid, place, known[row]) for place in (start, end))
        first, last = grid.tick(start), grid.tick(end)
        first, last = max(first, ends.get((row, start), 0)), min(last, begins.get((row, end), last))
        if first < last:
            added.add(New(given.low + row - given.shift, first, last))
    removed += [note for some in begun.values() for note, _ in some]
    return removed, ended, sorted(added, key=lambda n: (n.start, n.pitch))


def _in_thirds(grid, place, known):
    """A place, or the nearest third of its beat where the meter has thirds and cells are free."""
    beat = min(place // grid.ticks, len(grid.thirds) - 1)
    third = grid.ticks // 3
    if not third or not grid.thirds[beat]:
        return place
    near = int(place / third + 0.5) * third
    return place if known[min(place, near) : max(place, near)].any() else near


def edited(
    given: Midi,
    removed: Iterable[Note] = (),
    ended: dict[Note, int] | None = None,
    added: dict[int | str, list[tuple[New, int, int]]] | None = None,
    programs: dict[str, tuple[int, int | None]] | None = None,
) -> Midi:
    """A file with some notes gone, some ended elsewhere, and some added.

    Parameters
    ----------
    removed, ended
        As `changes` tells.
    added : dict
        By the index of a track of the file, or by the name of a new one: (note, channel, velocity).
    programs : dict
        Of new tracks, by name: (channel, program), None for the program that the channel has.
    """
    tracks = [list(track) for track in given.tracks]
    gone: list[set[int]] = [set() for _ in tracks]
    offs: list[list[Event]] = [[] for _ in tracks]  # before what stands at their tick, or
    ons: list[list[Event]] = [[] for _ in tracks]  # after it
    for note in removed:
        gone[note.track] |= {note.on} | ({note.off} if note.off is not None else set())
    for note, tick in (ended or {}).items():
        if note.off is not None:
            gone[note.track].add(note.off)
        offs[note.track].append(_off(tick, note.channel, note.pitch))
    for place, notes in (added or {}).items():
        if isinstance(place, str):
            channel, program = (programs or {}).get(place, (0, 0))
            sound = [] if program is None else [Event(0, bytes([0xC0 | channel, program]))]
            begin = midi.meta(0, midi.NAME, place.encode())
            tracks.append([begin, *sound, Event(0, END_OF_TRACK)])
            gone.append(set())
            offs.append([])
            ons.append([])
            place = len(tracks) - 1
        for new, channel, velocity in notes:
            ons[place].append(Event(new.start, bytes([0x90 | channel, new.pitch, velocity])))
            offs[place].append(_off(new.end, channel, new.pitch))
    made = []
    for track, out, before, after in zip(tracks, gone, offs, ons):
        stay = [e for i, e in enumerate(track) if i not in out and e.data != END_OF_TRACK]
        parts = [(e.tick, rank, e) for rank, part in enumerate((before, stay, after)) for e in part]
        events = [event for *_, event in sorted(parts, key=lambda e: e[:2])]
        last = max([track[-1].tick, *(e.tick for e in events[-1:])])
        made.append([*events, Event(last, END_OF_TRACK)])
    return replace(given, tracks=made, kind=max(given.kind, int(len(made) > 1)))


def _off(tick, channel, pitch):
    return Event(tick, bytes([0x80 | channel, pitch, 64]))
