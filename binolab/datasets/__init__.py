"""Music to learn from and to measure on: one meaning of ``--data``, in one place.

    chorales   Bach's four-part chorales, from the music21 package
    maestro    recorded performances of piano music
    archive    MAESTRO's files and its list, fetched and read
    titles     which work a title names
    folders    any folder of MIDI files and scores
    pieces     what all of these are made of, and where parsed ones are kept

A data set of your own is a module with a function ``data``, as these have, and a line in `NAMED`.

Chapters: 02 *From MIDI to a roll*, 07 *Training it*.
"""

from __future__ import annotations

from pathlib import Path

from binolab.datasets import chorales, folders, maestro
from binolab.datasets.pieces import (
    Data,
    Music,
    Piece,
    density,
    held_out_windows,
    hold_out,
    in_voices,
)
from binolab.music.parts import ALL

__all__ = ["NAMED", "Data", "Music", "Piece", "chorales", "density", "folders", "load", "maestro"]
__all__ += ["held_out_windows", "hold_out", "in_voices"]

# All else is a folder.
NAMED = {
    "chorales": chorales.data,
    "maestro": maestro.data,
}


def has_parts(name: str | Path) -> bool:
    """Whether parts can be chosen: of the files of a folder, and not of a data set."""
    return str(name).partition(":")[0] not in NAMED or Path(name).is_dir()


def load(name: str | Path, *, parts: str = ALL, **options) -> Data:
    """The music that a name means: a data set, or a folder of MIDI files and scores.

    Parameters
    ----------
    name
        ``chorales``, ``maestro``, ``maestro:ROOT``, or a folder of files. A folder that is
        there is meant before a data set of its name.
    parts
        Which parts of the files of a folder: "all", a name as "piano", or programs as "0-7"
        (`music.parts.chosen`).
    options
        split : "valid" or "test", the part that is held out, where the data set has both.
        low, pitches : int, the pitch range of the rolls. pedal : bool, heed the sustain pedal.
        progress : bool, show bars.

    Raises
    ------
    ValueError
        Where there is nothing to learn from, or an option does not fit the data set.

    Chapter: 07.
    """
    kind, _, root = str(name).partition(":")
    if not has_parts(name):
        if parts != ALL:
            raise ValueError(f"`parts`: for folders; {kind} is learned whole, so leave it out")
        return NAMED[kind](root or None, **options)
    if not Path(name).exists():
        raise ValueError(f"{name}: no such folder, and no data set ({', '.join(NAMED)})")
    return folders.data(name, parts=parts, **options)
