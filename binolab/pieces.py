"""Pieces of music as rolls, and the folder where parsed ones are kept.

Here is what every source of `datasets` is made of.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from binolab import rolls


@dataclass(frozen=True)
class Piece:
    """A whole piece of music: `name`, and `roll`, bits of shape (pitches, ticks)."""

    name: str
    roll: np.ndarray


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


def cache_folder():
    """Where parsed data are kept: `$BINOLAB_CACHE`, else the platform's user cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("BINOLAB_CACHE") or user_cache_path("binolab", appauthor=False))


def store(cache, parsed, **more):
    """Write rolls by name as packed bits, whole or not at all."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with rolls.replacing(cache) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            **{n: np.packbits(r, axis=1) for n, r in parsed.items()},
            **{f"{n} ticks": r.shape[1] for n, r in parsed.items()},
            **more,
        )


def stored(cache, names):
    """The pieces of these names, from what `store` wrote."""
    with np.load(cache) as stored:
        return [
            Piece(n, np.unpackbits(stored[n], axis=1, count=int(stored[f"{n} ticks"])).astype(bool))
            for n in names
        ]
