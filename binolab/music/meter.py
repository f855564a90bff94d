"""Where the beats of a MIDI file are: the grid on which it becomes a roll.

The model counts in beats, and a beat is what one taps the foot to: the quarter in 4/4 and 3/4, the
dotted quarter in 6/8, 9/8 and 12/8, the half note in 2/2 and 3/2. It comes from the time
signatures. A pickup, a first bar that is too short, ends where its bar ends: the beats are counted
back from there.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from binolab.music.midi import SIGNATURE, Midi

COMMON = (0, bytes([4, 2, 24, 8]))  # 4/4, where a file tells no time signature


@dataclass(frozen=True)
class Signature:
    """A time signature and where it begins."""

    tick: int
    numerator: int
    denominator: int

    @property
    def beat(self) -> Fraction:
        """What is tapped, in quarter notes.

        The dotted note where the bar has three, six, nine, ... short notes; the half note of x/2;
        else the quarter, unless the bar is no whole number of them (5/8, 7/8: the eighth).
        """
        n, note = self.numerator, Fraction(4, self.denominator)
        if n % 3 == 0 and self.denominator >= 8:
            return 3 * note
        if note >= 1 or (n * note) % 1:
            return note
        return Fraction(1)

    @property
    def bar(self) -> Fraction:
        """The length of a bar, in quarter notes."""
        return Fraction(4 * self.numerator, self.denominator)


def signatures(midi: Midi) -> list[Signature]:
    """The time signatures of a file, in order; 4/4 at first where none is told."""
    told = dict([COMMON, *midi.metas(SIGNATURE)])
    return [Signature(tick, held[0], 2 ** held[1]) for tick, held in sorted(told.items())]


@dataclass(frozen=True)
class Grid:
    """Beats of a file, and `ticks` a beat between them.

    Attributes
    ----------
    beats : int array
        The tick of the file at which each beat begins; the first may lie before 0 (a pickup), and
        the last ends the piece.
    bars : tuple of int
        The ticks at which bars begin: the first whole one is bar 1, a pickup is bar 0.
    thirds : bool array
        Of each beat, whether the meter parts it in three.
    ticks : int
    """

    beats: np.ndarray
    bars: tuple[int, ...]
    thirds: np.ndarray
    ticks: int

    def __len__(self) -> int:
        """Ticks of the grid."""
        return (len(self.beats) - 1) * self.ticks

    def at(self, tick: float) -> float:
        """The place of a tick of the file on the grid, in ticks of the grid."""
        i = min(max(bisect_right(self._list, tick) - 1, 0), len(self._list) - 2)
        begin, end = self._list[i], self._list[i + 1]
        return self.ticks * (i + (tick - begin) / (end - begin))

    def nearest(self, tick: float) -> int:
        """`at`, rounded to the grid."""
        return int(np.floor(self.at(tick) + 0.5))

    def tick(self, place: int) -> int:
        """The tick of the file at a place of the grid."""
        i = min(max(place // self.ticks, 0), len(self._list) - 2)
        begin, end = self._list[i], self._list[i + 1]
        return begin + int(np.floor((place - i * self.ticks) * (end - begin) / self.ticks + 0.5))

    @cached_property
    def _list(self):
        return self.beats.tolist()


def grid(
    midi: Midi,
    ticks: int = 24,
    *,
    beat: Fraction | None = None,
    least: int = 0,
    pickup: Fraction | str | None = None,
) -> Grid:
    """The grid of a file.

    Parameters
    ----------
    midi : Midi
    ticks : int
        Of the grid, a beat.
    beat : Fraction, optional
        The beat in quarter notes, in place of what the time signatures say.
    least : int
        Beats that the grid has at least.
    pickup : Fraction or "auto", optional
        How long before the first bar the piece begins, in quarter notes; "auto" hears it
        (`late`). Where the first bar is told to be short, that holds.
    """
    told, length = signatures(midi), midi.resolution
    short = short_first(told, length)
    beats, bars, thirds, until = [], [], [], 0
    for k, one in enumerate(told):
        own = told[1] if k == 0 and short else one  # a pickup is in the meter that follows
        unit = max(int((beat or own.beat) * length), 1)
        begin, first = one.tick, one.tick
        if k == 0 and not short and pickup is not None:
            first = late(midi, one, unit) if pickup == "auto" else int(pickup * length)
            begin = -(-first % unit)
        if k + 1 < len(told):
            until = told[k + 1].tick
        else:
            until = max(begin + unit * max(1, least - len(beats)), midi.end)
            until = begin + -(-(until - begin) // unit) * unit
        if k == 0 and short:
            begin = until - -(-(until - begin) // unit) * unit
        beats += range(begin, until, unit)
        thirds += [own.beat == 3 * Fraction(4, own.denominator)] * (len(beats) - len(thirds))
        bars += range(first, until, max(int(one.bar * length), 1))
    return Grid(np.array([*beats, until]), tuple(bars[short:]), np.array(thirds), ticks)


def short_first(told: list[Signature], resolution: int) -> bool:
    """Whether the first bar is told to be shorter than those that follow."""
    first, *more = told
    return bool(more) and more[0].tick <= first.bar * resolution < more[0].bar * resolution


def late(midi: Midi, one: Signature, unit: int) -> int:
    """How long a pickup is that no time signature tells of, in ticks, by the rhythm of the notes.

    A file may begin with a pickup and not tell of it. Then most notes begin between its beats, at
    one and the same place. So it is where the first note is at tick 0, and half of the notes or
    more, and twice as many as on the beats, begin at that place.
    """
    starts = [note.start for note in midi.notes()]
    parts = 3 if one.beat == 3 * Fraction(4, one.denominator) else 4
    near = unit / 24
    shares = {
        k: sum(abs((s - k * unit / parts + unit / 2) % unit - unit / 2) <= near for s in starts)
        for k in range(parts)
    }
    best = max(shares, key=lambda k: shares[k])
    clear = shares[best] >= max(len(starts) / 2, 2 * shares[0])
    return round(best * unit / parts) if best and clear and starts[0] == 0 else 0


def named(text: str) -> Fraction:
    """A note value in quarter notes, named as in print: "4" a quarter, "8." a dotted eighth.

    Raises ValueError for what is none.
    """
    found = re.fullmatch(r"(1|2|4|8|16)(\.?)", text)
    if not found:
        raise ValueError(f"`beat` must be a note value: 2, 2., 4, 4., 8, 8. or 16; got {text!r}")
    return Fraction(4, int(found[1])) * (Fraction(3, 2) if found[2] else 1)
