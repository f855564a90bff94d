"""MAESTRO: performances as rolls, the official split, and the paper's selection.

MAESTRO holds about 200 hours of piano playing, recorded at the International Piano-e-Competition by
pianos that note every key (Hawthorne et al., 2019, https://arxiv.org/abs/1810.12247). It is made
available by Google LLC under CC BY-NC-SA 4.0: it may not be used commercially, and what is made
from it must be shared alike. Nothing of it is part of this project.

`maestro.load` and `maestro.selection` are these functions.

Chapter: 02 *From MIDI to a roll*, where the paper's selection is told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from binolab.datasets import archive, folders
from binolab.datasets.pieces import Data, Music, Piece, recall, store, stored
from binolab.files import cache_folder, printable
from binolab.music import rolls

PARSER = 3  # raise it when `midi.Midi.notes`, `rolls.from_notes` or what is stored changes


class Selection(NamedTuple):
    """What `selection` chose: pieces, and the windows that they are cut into.

    `windows` are bits (N, pitches, length). `counts` says how many were left at each stage:
    "performances", "titles", "in_range", "windows".
    """

    pieces: list[Piece]
    windows: np.ndarray
    counts: dict[str, int]


def load(
    root: str | Path | None = None,
    download: bool = False,
    *,
    split: str | None = None,
    low: int = rolls.LOW,
    pitches: int = rolls.PITCHES,
    pedal: bool = False,
    progress: bool = True,
) -> Music:
    """The performances of MAESTRO (version 1, 2 or 3) whose pitches all lie inside a range.

    The official split is kept. A work never crosses it: what train shares with the other two, and
    validation with test, is left out (`archive.settle`). MAESTRO is by Google LLC under
    CC BY-NC-SA 4.0, not for commercial use, and no part of this project.

    Parameters
    ----------
    root
        The folder of ``maestro-v*.csv``, or the one above it. By default a folder of the cache.
    download
        Where `root` holds no MAESTRO, fetch version 3 there (57 MB, its MIDI alone).
    split : {"train", "valid", "test"}, optional
        All three when not given; "validation", the list's own word, is "valid".
    low, pitches
        Pitch range of the rolls, by default the paper's.
    pedal
        Heed the sustain pedal.
    progress
        Show a bar for the first parse, which takes all cores some minutes. Later the packed bits
        are read.

    Returns
    -------
    Pieces in the order of the list, named by their path in the archive, and why others are skipped.

    Raises
    ------
    ValueError
        For an unknown split, and when there is no MAESTRO or no performance in range.

    Chapter: 02.
    """
    split = "valid" if split == "validation" else split
    if split is not None and split not in archive.OURS.values():
        raise ValueError(f"split must be one of {', '.join(archive.OURS.values())}, got {split!r}")
    performances, faults, take = _parsed(root, download, low, pitches, pedal, progress)
    kept, dropped = archive.settle(performances)
    wanted = [p.file for p in kept if split in (None, archive.OURS[p.split])]
    skipped = {p.file: f"its work is in the {s} split too" for p, s in dropped.items()}
    skipped |= {file: fault for file in wanted if (fault := faults[file])}
    names = [file for file in wanted if not faults[file]]
    if not names:
        inside = f"MIDI {low}..{low + pitches - 1}"
        raise ValueError(f"MAESTRO: no performance inside {inside}; give a wider range")
    return Music(take(names), low, pitches, skipped)


def selection(
    root: str | Path | None = None,
    download: bool = False,
    *,
    by: str | None = "title",
    copy: str = "first",
    low: int = rolls.LOW,
    pitches: int = rolls.PITCHES,
    length: int = rolls.LENGTH,
    pad: bool = True,
    pedal: bool = False,
    progress: bool = True,
) -> Selection:
    """The paper's selection from MAESTRO, each choice that the paper leaves open a parameter.

    Section 6: one performance a title (about 500), of these all whose pitches lie in 33..88 (78),
    cut into windows of 384 ticks that do not overlap (2,044). Like the paper, it has no split.

    Parameters
    ----------
    root, download, low, pitches, pedal, progress
        As for `load`.
    by : {"title", "work", None}
        What is the same piece: the exact string of the title; the works that composer and title
        name (`binolab.datasets.titles`); nothing, every performance counts.
    copy : {"first", "in range"}
        Which performance is kept: the first of the list, or the first that lies in range.
    length
        Ticks of a window.
    pad
        Pad the last window of a piece with rests, or else drop it.

    Raises
    ------
    ValueError
        As for `load`, and for an unknown choice.

    Chapter: 02.
    """
    if by not in ("title", "work", None):
        raise ValueError(f'by must be "title", "work" or None, got {by!r}')
    if copy not in ("first", "in range"):
        raise ValueError(f'copy must be "first" or "in range", got {copy!r}')
    performances, faults, take = _parsed(root, download, low, pitches, pedal, progress)
    key = {"title": lambda p: p.title, "work": lambda p: p.works, None: lambda p: p.file}[by]
    groups, chosen = {}, []
    for p in performances:
        groups.setdefault(key(p), []).append(p.file)
    for files in groups.values():
        candidates = files[:1] if copy == "first" else files
        chosen += [file for file in candidates if not faults[file]][:1]
    pieces = take(chosen)
    cut = [
        rolls.windows(p.roll, length)[: None if pad else p.roll.shape[1] // length] for p in pieces
    ]
    windows = np.concatenate([np.zeros((0, pitches, length), bool), *cut])
    stages = {"performances": performances, "titles": groups, "in_range": pieces}
    counts = {stage: len(left) for stage, left in (stages | {"windows": windows}).items()}
    return Selection(pieces, windows, counts)


def _parsed(
    root: str | Path | None, download: bool, low: int, pitches: int, pedal: bool, progress: bool
) -> tuple[
    list[archive.Performance], dict[str, str | None], Callable[[Sequence[str]], list[Piece]]
]:
    """The list, why each file is left out (or None), and what reads the pieces of the others."""
    root = cache_folder() / "maestro" if root is None else Path(root)
    try:
        listed = archive.find(root)
    except archive.ArchiveError:
        if not download:
            raise
        listed = archive.download(root, progress=progress)
    performances = archive.read(listed)
    files = {p.file: listed.parent / p.file for p in performances}
    cache = cache_folder() / (
        f"{listed.stem}-{low}-{low + pitches - 1}-{'pedal' if pedal else 'keys'}-"
        f"{archive.digest(files)}-{PARSER}.npz"
    )

    def make():
        every = folders.scan_all(
            list(files.values()), low=low, pitches=pitches, pedal=pedal, progress=progress
        )
        drawn, faults = {}, {}
        for file, scan in zip(files, every):
            faults[file] = scan.fault(low, pitches)
            if scan.reason:
                print(printable(f"skipped {files[file]}: {scan.reason}"), file=sys.stderr)
            if not faults[file]:
                drawn[file] = folders.draw(scan.notes, low, pitches)
        store(cache, drawn, faults=np.array(json.dumps(faults)))

    def read(opened):
        told = json.loads(str(opened["faults"]))
        return {file: told[file] for file in files}

    return performances, recall(cache, make, read), lambda names: stored(cache, names, make)


def data(
    root: str | Path | None = None,
    *,
    split: str = "valid",
    low: int | None = None,
    pitches: int | None = None,
    pedal: bool = False,
    progress: bool = True,
) -> Data:
    """MAESTRO for ``--data``: train, and the `split` that is held out; beats are those of 120."""
    low = rolls.LOW if low is None else low
    pitches = rolls.PITCHES if pitches is None else pitches
    training, held_out = (
        load(root, split=part, low=low, pitches=pitches, pedal=pedal, progress=progress)
        for part in ("train", split)
    )
    return Data(training, held_out, low, pitches, tempo=120.0)
