"""The bits that noise flips: a roll on a coarser grid, and whether a note is struck again.

At 24 ticks a beat a quarter note is 24 copies of one bit. Where the music moves in sixteenths, far
fewer bits are enough: for each *column* of the grid, whether a cell sounds, and whether it is
struck again there. The codec is a bijection on what the grid can hold.

* A cell *sounds* in a column when it is lit for half of the column's ticks or more.
* It is struck *again* where it sounds in this column and the one before, with a gap between: the
  one-tick gap of `rolls`.

A roll here has V planes, (B, V, P, L): one for all notes, or one for each voice or part, whose
union is what is heard. Its bits are (B, K, P, C), with C columns. On the finest grid (a column a
tick) they are the roll itself, K = V. On a coarser one K = 2 V: the sounding and the struck-again
bits of the first plane, then those of the next.

Chapter: 09 *Drawing bits*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from binolab.music import rolls


@dataclass(frozen=True)
class Codec:
    """Between rolls of `ticks` a beat and bits of `grid` columns a beat, a divisor of `ticks`."""

    ticks: int = rolls.TICKS
    grid: int = rolls.TICKS

    def __post_init__(self) -> None:
        if not 1 <= self.grid <= self.ticks or self.ticks % self.grid:
            fit = [n for n in range(1, self.ticks + 1) if self.ticks % n == 0]
            raise ValueError(
                f"a grid of {self.grid} columns a beat does not divide {self.ticks} ticks a beat; "
                f"choose one of {', '.join(map(str, fit))}"
            )

    @property
    def span(self) -> int:
        """Ticks of a column."""
        return self.ticks // self.grid

    @property
    def kinds(self) -> int:
        """Bits of a cell and column, for each plane: 1, or 2 with struck-again bits."""
        return 1 if self.span == 1 else 2

    def encode(self, roll: Tensor) -> Tensor:
        """The bits of a roll, rounded to the grid: (…, V, P, L) -> (…, K, P, C), its dtype."""
        if self.span == 1:
            return roll
        ticks = self._columns(roll > 0)
        sounds = ticks.float().mean(-1) >= 0.5
        half = (self.span + 1) // 2
        after, before = ~ticks[..., :half].all(-1), ~ticks[..., half:].all(-1)
        again = sounds & _later(sounds) & (after | _later(before))
        return torch.stack([sounds, again], -3).flatten(-4, -3).to(roll.dtype)

    def decode(self, bits: Tensor) -> Tensor:
        """The roll of some bits: (…, K, P, C) -> (…, V, P, L), their dtype.

        A cell that is struck again without sounding, here and before, is not.
        """
        if self.span == 1:
            return bits
        sounds, again = (bits > 0).unflatten(-3, (-1, 2)).unbind(-3)
        ticks = sounds[..., None].repeat_interleave(self.span, -1)
        gap = F.pad(again & sounds & _later(sounds), (-1, 1))  # where the column before ends
        ticks[..., -1] &= ~gap
        return ticks.flatten(-2).to(bits.dtype)

    def known(self, mask: Tensor) -> Tensor:
        """Which bits a mask over ticks tells of: bool (…, V, P, L) -> bool (…, K, P, C).

        A column is known when all its ticks are. Whether a note is struck again is known with its
        column and the one before; in the first column there is nothing to strike again.
        """
        return mask if self.span == 1 else self.spread(self._columns(mask).all(-1))

    def spread(self, mask: Tensor) -> Tensor:
        """As `known`, of a mask over columns: bool (…, V, P, C) -> bool (…, K, P, C)."""
        if self.span == 1:
            return mask
        again = mask & _later(mask)
        again[..., 0] = True
        return torch.stack([mask, again], -3).flatten(-4, -3)

    def sounding(self, bits: Tensor) -> Tensor:
        """Which cells sound in each column: (…, K, P, C) -> (…, V, P, C)."""
        return bits[..., :: self.kinds, :, :]

    def window(self, bits: Tensor) -> Tensor:
        """Bits cut from a longer piece, as if it began there: nothing is struck again at first."""
        if self.span > 1:
            bits[..., 1::2, :, 0] = 0
        return bits

    def holds(self, roll: Tensor) -> Tensor:
        """Whether the grid holds a roll to the letter: bool (…), without V, P and L."""
        return (self.decode(self.encode(roll)) == roll).flatten(-3).all(-1)

    def _columns(self, roll: Tensor) -> Tensor:
        """(…, P, L) -> (…, P, C, span)."""
        if roll.shape[-1] % self.span:
            raise ValueError(
                f"a roll of {roll.shape[-1]} ticks: a grid of {self.grid} columns a beat takes "
                f"multiples of {self.span}"
            )
        return roll.unflatten(-1, (-1, self.span))


def coarsest(pieces: Iterable[np.ndarray], ticks: int = rolls.TICKS, share: float = 0.995) -> int:
    """The least columns a beat that hold so large a share of all onsets and ends of notes.

    `pieces` are rolls (P, L) of `ticks` a beat. Of nothing it is 1. Chapter: 07.
    """
    fit = [grid for grid in range(1, ticks + 1) if ticks % grid == 0]
    held, total = np.zeros(len(fit)), 0
    for roll in pieces:
        edges = np.array([note[1:] for note in rolls.notes(roll)], dtype=int).ravel()
        held += [np.count_nonzero(edges % (ticks // grid) == 0) for grid in fit]
        total += len(edges)
    return next(grid for grid, n in zip(fit, held) if n >= share * total)


def _later(x: Tensor) -> Tensor:
    """Each column's value where the next one stands; the first gets none. (…, C)."""
    return F.pad(x, (1, -1))
