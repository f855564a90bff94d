"""MIDI files edited: notes outside a mask's free cells stay as they are, new ones are added.

All that is not a note of a free cell stands in the result as it stood.

Chapters: 10 *Completing and infilling*, 11 *Harmonizing a melody*.
"""

from __future__ import annotations

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


def changes(given: Given, roll: np.ndarray, known: np.ndarray):
    """What a roll, written where a mask is free, changes in a piece.

    A note that lies wholly in known cells is kept to the letter: on the grid or off it. Of one that
    reaches into free cells the roll decides what is left. Where its beginning was known it keeps
    that; where only its end was, that end is heard only if the roll leads up to it. A kept note
    that ends between sixteenths, as legato playing does, is not struck again there: what the roll
    goes on with begins on the next beat. Where the meter parts the beat in three, new notes begin
    and end on its thirds. No new note sounds into a kept one of its pitch, by however little: a
    player would cut one of them.

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
    removed, ended, starts, ends, begun, rest = [], {}, {}, {}, {}, roll.copy()
    for note, (row, start, end) in zip(given.notes, given.spans()):
        if known[row, start:end].all():
            starts[row, start] = min(note.start, starts.get((row, start), note.start))
            ends[row, end] = max(note.end, ends.get((row, end), 0))
            rest[row, start:end] = False
        elif known[row, start]:
            begun[row, start] = note, end
        else:
            removed.append(note)
            if known[row, end - 1]:
                tail = start + int((~known[row, start:end]).nonzero()[0][-1]) + 1
                if not roll[row, tail - 1]:
                    rest[row, tail:end] = False
    added = set()
    for row, start, end in rolls.notes(rest):
        least, most = ends.get((row, start), 0), starts.get((row, end), midi.LAST)
        if (row, start) in begun:
            note, was = begun.pop((row, start))
            if end != was:
                ended[note] = min(grid.tick(end), most)
            continue
        if (row, start) in ends and start % (ticks // 4 or 1):
            start = -(-start // ticks) * ticks
        first, last = (grid.tick(_in_thirds(grid, place)) for place in (start, end))
        if (first := max(first, least)) < (last := min(last, most)):
            added.add(New(given.low + row - given.shift, first, last))
    removed += [note for note, _ in begun.values()]
    return removed, ended, sorted(added, key=lambda n: (n.start, n.pitch))


def _in_thirds(grid, place):
    """A place of the grid, or the nearest third of its beat where the meter has thirds."""
    beat = min(place // grid.ticks, len(grid.thirds) - 1)
    third = grid.ticks // 3
    return int(place / third + 0.5) * third if third and grid.thirds[beat] else place


def edited(
    given: Midi,
    removed: Iterable[Note] = (),
    ended: dict[Note, int] | None = None,
    added: dict[int | str, list[tuple[New, int, int]]] | None = None,
    programs: dict[str, tuple[int, int]] | None = None,
) -> Midi:
    """A file with some notes gone, some ended elsewhere, and some added.

    Parameters
    ----------
    removed, ended
        As `changes` tells.
    added : dict
        By the index of a track of the file, or by the name of a new one: (note, channel, velocity).
    programs : dict
        Of new tracks, by name: (channel, program).
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
            tracks.append(
                [
                    midi.meta(0, midi.NAME, place.encode()),
                    Event(0, bytes([0xC0 | channel, program])),
                    Event(0, END_OF_TRACK),
                ]
            )
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
