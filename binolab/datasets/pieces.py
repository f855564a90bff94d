"""Pieces of music as rolls, and the folder where parsed ones are kept.

Here is what every source of `datasets` is made of.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from binolab import files
from binolab.music import rolls


@dataclass(frozen=True)
class Piece:
    """A whole piece of music: `name`, and `roll`, bits of shape (pitches, ticks).

    `parts`, where they are known, are the rolls of its voices or parts, (V, pitches, ticks).
    """

    name: str
    roll: np.ndarray
    parts: np.ndarray | None = None

    def in_planes(self, planes):
        """The piece as so many planes, (V, pitches, ticks): as a whole, or by its parts."""
        if planes == 1:
            return self.roll[None]
        if self.parts is None or len(self.parts) != planes:
            has = "no" if self.parts is None else len(self.parts)
            raise ValueError(
                f"{self.name}: has {has} parts, and {planes} are to be learned; learn it as one"
            )
        return self.parts


@dataclass(frozen=True)
class Music(Sequence):
    """Pieces of one pitch range: a sequence of `Piece`, and how it came about.

    `pieces` is a list; rows of their rolls are MIDI notes `low` to ``low + pitches - 1``;
    `skipped` maps the name of each file that was left out to the reason.
    """

    pieces: list
    low: int
    pitches: int
    skipped: dict

    def __getitem__(self, index):
        return self.pieces[index]

    def __len__(self):
        return len(self.pieces)


def store(cache, parsed, parts=None, **more):
    """Write rolls by name as packed bits, whole or not at all; `parts`, by name, too."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(cache) as temporary, open(temporary, "wb") as file:
        arrays = {n: np.packbits(r, axis=1) for n, r in parsed.items()} | more
        arrays |= {f"{n} ticks": np.array(r.shape[1]) for n, r in parsed.items()}
        arrays |= {f"{n} parts": np.packbits(r, axis=-1) for n, r in (parts or {}).items()}
        np.savez_compressed(file, **arrays)


def recall(cache, make, read):
    """What `read` takes from a cache, where `make` writes it if it is missing or damaged.

    Parameters
    ----------
    cache : Path
    make : callable()
        Parses, and calls `store`.
    read : callable(archive)
        Takes what it wants from the open file.
    """
    if cache.exists():
        try:
            with np.load(cache) as opened:
                return read(opened)
        except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds
            fault = str(error) or type(error).__name__
            print(f"{cache}: a damaged cache ({fault}), now made anew", file=sys.stderr)
    make()
    with np.load(cache) as opened:
        return read(opened)


def stored(cache, names, make):
    """The pieces of these names, from what `store` wrote (or `make` writes, as in `recall`)."""

    def read(opened):
        found = []
        for name in names:
            ticks, kept = int(opened[f"{name} ticks"]), f"{name} parts"
            parts = _unpack(opened[kept], ticks) if kept in opened else None
            found.append(Piece(name, _unpack(opened[name], ticks), parts))
        return found

    return recall(cache, make, read)


def _unpack(packed, ticks):
    if packed.ndim not in (2, 3) or packed.shape[-1] != -(-ticks // 8):
        raise ValueError(f"{packed.shape} bytes do not hold {ticks} ticks")
    return np.unpackbits(packed, axis=-1, count=ticks).astype(bool)


def density(pieces):
    """Share of lit cells over all pieces: the ρ that replaces 0.5 in Eq. 8. 0 to 1."""
    return sum(int(p.roll.sum()) for p in pieces) / sum(p.roll.size for p in pieces)


def hold_out(pieces, share=0.1):
    """Split pieces by file into (to learn from, to measure on): every k-th by name is held out.

    A lone piece serves as both: there is nothing else to measure on.
    """
    if len(pieces) == 1:
        return pieces, pieces
    every = max(2, round(1 / share))
    held = pieces[every - 1 :: every] or pieces[-1:]
    return [p for p in pieces if not any(p is h for h in held)], held


def held_out_windows(pieces, length, most, planes=1):
    """At most `most` whole windows of held-out pieces, evenly picked: (n, V, P, L) float bits."""
    import torch

    cut = []
    for piece in pieces:
        roll = piece.in_planes(planes)
        whole = [rolls.windows(plane, length)[: max(1, roll.shape[-1] // length)] for plane in roll]
        cut += list(np.stack(whole, 1))
    most = min(most, len(cut))
    picked = [cut[i * len(cut) // most] for i in range(most)]
    return torch.stack([torch.from_numpy(w) for w in picked]).float()


@dataclass(frozen=True)
class Data:
    """Pieces to learn from and to measure on, their pitch range, and a tempo to play them at."""

    training: list
    held_out: list
    low: int = rolls.LOW
    pitches: int = rolls.PITCHES
    tempo: float = 100.0
