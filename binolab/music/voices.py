"""Voices: a roll as planes, one for each voice, and the planes as one roll.

A model may write four voices on four planes, so that it knows which note follows which. What is
heard is their union.

Chapter: 09 *Drawing bits*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from binolab.music import rolls

CHORALE = (67, 62, 55, 48)  # MIDI, about the middle of Bach's sopranos, altos, tenors and basses
CROSSED = 100  # semitones: what it costs a note to sound above a voice that is above its own
COUNTED = 50  # ... and each voice off, where it is known how many notes sound on one side of it

Note = tuple[int, int, int]  # row, start, end


def merge(planes: Tensor) -> Tensor:
    """The roll of some planes: their union, with a gap where any voice strikes a note again.

    Bits (…, V, P, L) -> (…, 1, P, L), the same dtype. What `rolls.from_notes` draws of all notes.
    """
    if planes.shape[-3] == 1:
        return planes
    lit = planes > 0
    onset = (lit & ~F.pad(lit, (1, -1))).any(-3, keepdim=True)
    gap = F.pad(onset, (-1, 1)) & ~onset
    return (lit.any(-3, keepdim=True) & ~gap).to(planes.dtype)


def split(roll: Tensor, voices: int, known: Tensor | None = None, low: int = rolls.LOW) -> Tensor:
    """The notes of a roll, each in the plane of one voice, the highest voice first.

    Notes are taken as they begin, the highest first. Those that begin together go to the voices
    that are free, in order, so that the voices move least. A voice that has not sung begins from
    the middle of its range. No note sounds above a voice that is above its own, if possible. Where
    `known` tells what sounds above a note and not what sounds below, the notes above it are
    counted: a melody is the first voice. A note that finds no voice free is left out.

    Parameters
    ----------
    roll : (B, 1, P, L) of bits
    voices
        V; of one the roll is returned as it is.
    known : bool, shape of `roll`
        Which cells of the roll are given.
    low
        The MIDI note of row 0.

    Returns
    -------
    Tensor (B, V, P, L), the dtype of `roll`.
    """
    if voices == 1:
        return roll
    P, L = roll.shape[-2:]
    ends = CHORALE[0] - low, CHORALE[-1] - low
    middle = [m - low for m in CHORALE] if voices == 4 else np.linspace(*ends, voices).tolist()
    told = torch.zeros_like(roll, dtype=torch.bool) if known is None else known
    planes = []
    for one, given in zip(roll[:, 0].cpu().numpy() > 0, told[:, 0].cpu().numpy()):
        sung: list[list[Note]] = [[] for _ in range(voices)]
        for voice, note in _assigned(rolls.notes(one), given, list(middle)):
            sung[voice].append(note)
        planes.append(np.stack([rolls.from_notes(notes, P, L) for notes in sung]))
    return torch.from_numpy(np.stack(planes)).to(roll.device, roll.dtype)


def _assigned(
    notes: Sequence[Note], given: np.ndarray, last: list[float]
) -> Iterator[tuple[int, Note]]:
    """(voice, note) for the notes of a roll; `last` holds the row that each voice is at."""
    voices, until = range(len(last)), [0] * len(last)
    for start, begun in groupby(sorted(notes, key=lambda n: n[1]), key=lambda n: n[1]):
        new = sorted(begun, reverse=True)
        held = [v for v in voices if until[v] > start]
        free = [v for v in voices if v not in held]
        rows = [last[v] for v in held]
        counted = [_counted(row, start, given, new, rows, len(last)) for row, *_ in new]

        def cost(i: int, v: int) -> float:
            row, place = new[i][0], counted[i]
            crossed = sum((row > last[h]) != (v < h) for h in held if row != last[h])
            off = 0 if place is None else abs(v - place)
            return abs(row - last[v]) + CROSSED * crossed + COUNTED * off

        @cache
        def best(i: int, j: int) -> tuple[float, tuple[int, ...], tuple[int, ...]]:
            """What it costs to give notes from i on to free voices from j on; which go to which."""
            notes_left, voices_left = len(new) - i, len(free) - j
            if not notes_left or not voices_left:
                return 0.0, (), ()
            then = best(i + 1, j + 1)
            ways = [(cost(i, free[j]) + then[0], (i, *then[1]), (free[j], *then[2]))]
            if notes_left > voices_left:
                ways.append(best(i + 1, j))
            if voices_left > notes_left:
                ways.append(best(i, j + 1))
            return min(ways)

        for i, v in list(zip(*best(0, 0)[1:])):
            last[v], until[v] = new[i][0], new[i][2]
            yield v, new[i]


def _counted(
    row: int, start: int, given: np.ndarray, new: list[Note], held: list[float], voices: int
) -> int | None:
    """Which voice a note is by the notes that sound on the side of it where all is known."""
    above, below = given[row + 1 :, start].all(), given[:row, start].all()
    sounding: list[float] = [r for r, *_ in new if r != row] + held
    if above and not below:
        return sum(r > row for r in sounding)
    if below and not above:
        return voices - 1 - sum(r < row for r in sounding)
    return None
