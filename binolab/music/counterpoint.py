"""Four-part writing: where chords change, and where two voices move in parallel.

Two voices that sing a fifth, or an octave, and move the same way to another one sound like a single
voice. Bach hardly ever writes it. The voices of a chord are its notes from the lowest up.

Chapters: 13 *Harmonizing*, 16 *How good is it?*.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

VOICES = 4
OCTAVE, FIFTH = 0, 7  # semitones, modulo the octave


class Changes(NamedTuple):
    """Changes from one chord of four notes to the next, in a set of rolls."""

    roll: np.ndarray  # (C,)
    tick: np.ndarray  # (C,), the first of the chord after
    before: np.ndarray  # (C, 4) rows of the chord before, the lowest first
    after: np.ndarray  # (C, 4)


def sounding(cells: ArrayLike) -> np.ndarray:
    """Rolls (N, P, L) in which a note struck again sounds through its one-tick gap."""
    filled = np.array(cells, bool)
    filled[:, :, 1:-1] |= filled[:, :, :-2] & filled[:, :, 2:]
    return filled


def full(cells: ArrayLike) -> np.ndarray:
    """In which ticks four notes sound: rolls (N, P, L) -> bool (N, L)."""
    return sounding(cells).sum(1) == VOICES


def changes(cells: ArrayLike) -> Changes:
    """The places where a chord of four notes becomes another. Rolls (N, P, L) of bits."""
    filled = sounding(cells)
    four = full(cells)
    changed = (filled[:, :, 1:] != filled[:, :, :-1]).any(1)
    roll, tick = np.nonzero(changed & four[:, 1:] & four[:, :-1])
    before, after = (np.nonzero(filled[roll, :, tick + k])[1].reshape(-1, VOICES) for k in (0, 1))
    return Changes(roll, tick + 1, before, after)


def pairs(found: Changes, interval: int) -> np.ndarray:
    """How many pairs of voices move the same way from one `interval` to the next, (C,)."""
    move = np.sign(found.after - found.before)
    i, j = np.triu_indices(VOICES, 1)
    parallel = (move[:, i] == move[:, j]) & (move[:, i] != 0)
    for chord in (found.before, found.after):
        parallel &= (chord[:, j] - chord[:, i]) % 12 == interval
    return parallel.sum(1)


def parallels(cells: ArrayLike) -> np.ndarray:
    """Parallel fifths and octaves by the tick to which they lead: rolls (N, P, L) -> int (N, L)."""
    cells = np.asarray(cells, bool)
    found, count = changes(cells), np.zeros(cells.shape[::2], int)
    count[found.roll, found.tick] = pairs(found, FIFTH) + pairs(found, OCTAVE)
    return count
