"""Pieces of music as rolls, and how parsed ones are kept: what every data set is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from binolab import files
from binolab.music import rolls

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Archive = Mapping[str, np.ndarray]  # an open .npz file


@dataclass(frozen=True)
class Piece:
    """A whole piece of music: `name`, and `roll`, bits of shape (pitches, ticks).

    `parts`, where they are known, are the rolls of its voices or parts, (V, pitches, ticks).
    """

    name: str
    roll: np.ndarray
    parts: np.ndarray | None = None

    def in_planes(self, planes: int) -> np.ndarray:
        """The piece as `planes` planes, (V, pitches, ticks): as a whole, or by its parts."""
        if planes == 1:
            return self.roll[None]
        if self.parts is None or len(self.parts) != planes:
            has = "no" if self.parts is None else len(self.parts)
            raise ValueError(
                f"{self.name}: has {has} parts, and {planes} are to be learned; learn it as one, "
                "or part it by `datasets.in_voices`"
            )
        return self.parts


def in_voices(pieces: Sequence[Piece], count: int, low: int) -> list[Piece]:
    """Pieces that know no parts, with their notes given to so many voices (`music.voices.split`).

    For a model of four voices that is to learn from files that do not tell them apart. A note that
    finds no voice free is left out. `low` is the MIDI note of row 0.
    """
    import torch

    from binolab.music import voices

    made = []
    for piece in pieces:
        if piece.parts is None:
            roll = torch.from_numpy(piece.roll)[None, None]
            parts = voices.split(roll, count, low=low)
            piece = Piece(piece.name, voices.merge(parts)[0, 0].numpy(), parts[0].numpy())
        made.append(piece)
    return made


@dataclass(frozen=True)
class Music(Sequence):
    """Pieces of one pitch range: a sequence of `Piece`, and how it was made.

    Rows of their rolls are MIDI notes `low` to ``low + pitches - 1``. `skipped` maps the name of
    each file that was left out to the reason.
    """

    pieces: list[Piece]
    low: int
    pitches: int
    skipped: dict[str, str]

    def __getitem__(self, index):
        return self.pieces[index]

    def __len__(self) -> int:
        return len(self.pieces)


def store(
    cache: Path,
    parsed: Mapping[str, np.ndarray],
    parts: Mapping[str, np.ndarray] | None = None,
    **more: np.ndarray,
) -> None:
    """Write rolls by name, and their `parts`, as packed bits, whole or not at all."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(cache) as temporary, open(temporary, "wb") as file:
        arrays = {n: np.packbits(r, axis=1) for n, r in parsed.items()} | more
        arrays |= {f"{n} ticks": np.array(r.shape[1]) for n, r in parsed.items()}
        arrays |= {f"{n} parts": np.packbits(r, axis=-1) for n, r in (parts or {}).items()}
        np.savez_compressed(file, **arrays)


def recall(cache: Path, make: Callable[[], object], read: Callable[[Archive], T]) -> T:
    """What `read` takes from a cache. If it is missing or damaged, `make` parses and `store`s."""
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


def stored(cache: Path, names: Sequence[str], make: Callable[[], object]) -> list[Piece]:
    """The pieces of these names, from what `store` wrote (or `make` writes, as in `recall`)."""

    def read(opened: Archive) -> list[Piece]:
        pieces = []
        for name in names:
            ticks, kept = int(opened[f"{name} ticks"]), f"{name} parts"
            parts = _unpack(opened[kept], ticks) if kept in opened else None
            pieces.append(Piece(name, _unpack(opened[name], ticks), parts))
        return pieces

    return recall(cache, make, read)


def _unpack(packed: np.ndarray, ticks: int) -> np.ndarray:
    if packed.ndim not in (2, 3) or packed.shape[-1] != -(-ticks // 8):
        raise ValueError(f"{packed.shape} bytes do not hold {ticks} ticks")
    return np.unpackbits(packed, axis=-1, count=ticks).astype(bool)


def density(pieces: Sequence[Piece]) -> float:
    """Share of lit cells over all pieces, 0 to 1: the ρ that replaces 0.5 in Eq. 8."""
    return sum(int(p.roll.sum()) for p in pieces) / sum(p.roll.size for p in pieces)


def hold_out(pieces: Sequence[Piece]) -> tuple[Sequence[Piece], Sequence[Piece]]:
    """Split pieces by file: those to learn from, and every tenth by name to measure on.

    Of fewer than ten the last is held out. A lone piece serves as both: there is nothing else.
    """
    if len(pieces) == 1:
        return pieces, pieces
    held = pieces[9::10] or pieces[-1:]
    return [p for p in pieces if not any(p is h for h in held)], held


def held_out_windows(pieces: Sequence[Piece], length: int, most: int, planes: int = 1) -> Tensor:
    """At most `most` whole windows of held-out pieces, evenly picked: float bits (n, V, P, L)."""
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

    training: Sequence[Piece]
    held_out: Sequence[Piece]
    low: int = rolls.LOW
    pitches: int = rolls.PITCHES
    tempo: float = 100.0
