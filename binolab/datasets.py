"""Pieces to learn from: Bach's chorales, or any folder of MIDI files.

A piece is a name and a whole roll; `windows` cuts it. The chorales are parsed once from the
installed music21 package and kept as packed bits under a cache folder: the user's own, or
`BINOLAB_CACHE` where that is set.

Chapters: 02 *From MIDI to a roll*, 07 *Training it*.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from binolab import rolls

SPLITS = ("train", "valid", "test")
PARSER = 2  # raise it when `score_roll` or `chorale_score` changes: old caches are then left alone


@dataclass(frozen=True)
class Piece:
    """A whole piece of music: `name`, and `roll`, bits of shape (pitches, ticks)."""

    name: str
    roll: np.ndarray


def cache_folder():
    """Where parsed data are kept: `$BINOLAB_CACHE`, else the platform's user cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("BINOLAB_CACHE") or user_cache_path("binolab", appauthor=False))


def chorales(split=None, *, progress=True):
    """Bach's four-part chorales from the music21 package, as rolls of the paper's size.

    Split by melody, never by file: two chorales whose sopranos share a run of twelve successive
    intervals are one family, and a family lies in one split (`chorales.json`, made by
    `scripts/split_chorales.py`). The encodings are music21's and are not copied into this project.

    Parameters
    ----------
    split : {"train", "valid", "test"}, optional
        All 365 pieces when not given.
    progress : bool
        Show a bar for the first parse (about a minute on one core).

    Returns
    -------
    list of Piece, rolls of shape (56, ticks), sorted by name.

    Raises
    ------
    ValueError
        For an unknown split.

    Chapter: 02.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    listed = json.loads(files("binolab").joinpath("chorales.json").read_text())
    names = sorted(n for s in SPLITS for n in listed[s] if split in (None, s))
    cache = cache_folder() / f"chorales-{listed['music21']}-{PARSER}.npz"
    if not cache.exists():
        parsed = _parse_chorales(sorted(n for s in SPLITS for n in listed[s]), progress)
        cache.parent.mkdir(parents=True, exist_ok=True)
        with rolls.replacing(cache) as temporary:
            np.savez_compressed(
                temporary,
                **{n: np.packbits(r, axis=1) for n, r in parsed.items()},
                **{f"{n} ticks": r.shape[1] for n, r in parsed.items()},
            )
    with np.load(cache) as stored:
        return [
            Piece(n, np.unpackbits(stored[n], axis=1, count=int(stored[f"{n} ticks"])).astype(bool))
            for n in names
        ]


def _parse_chorales(names, progress):
    from tqdm import tqdm

    bar = tqdm(names, desc="parsing chorales (once)", unit="piece", disable=not progress)
    return {name: score_roll(chorale_score(name)) for name in bar}


def chorale_score(name):
    """The music21 score of a chorale, by its file name without ending, e.g. ``bwv269``."""
    from music21 import corpus

    # Not corpus.parse(name): it takes a name for a beginning, and bwv190.7-inst for bwv190.7.
    paths = {p.stem: p for p in corpus.getComposer("bach") if p.suffix in (".xml", ".mxl")}
    return corpus.parse(str(paths[name]))


def score_roll(score, *, low=rolls.LOW, pitches=rolls.PITCHES, ticks=rolls.TICKS):
    """Bits of a music21 score: its parts merged, tied notes joined, voices that meet kept once."""
    found = []
    for part in score.parts:
        sounding = {}
        for element in part.flatten().notes:
            start = round(float(element.offset) * ticks)
            end = round(float(element.offset + element.quarterLength) * ticks)
            for pitch in element.pitches:
                joined = element.tie is not None and element.tie.type in ("continue", "stop")
                if joined and sounding.get(pitch.midi, (0, -1))[1] == start:
                    sounding[pitch.midi] = (sounding[pitch.midi][0], end)
                else:
                    if pitch.midi in sounding:
                        found.append((pitch.midi - low, *sounding[pitch.midi]))
                    sounding[pitch.midi] = (start, end)
        found += [(midi - low, *span) for midi, span in sounding.items()]
    length = round(float(score.highestTime) * ticks)
    return rolls.from_notes([n for n in found if n[2] > n[1]], pitches, length)


def midi_folder(path, *, low=rolls.LOW, pitches=rolls.PITCHES, pedal=False, progress=True):
    """Every readable MIDI file in a folder and the folders below it.

    A file that cannot be read, or whose notes leave the pitch range, is skipped and named with
    the reason on the standard error stream.

    Parameters
    ----------
    path : str or Path
    low, pitches : int
        Pitch range of the rolls.
    pedal : bool
        Heed the sustain pedal.
    progress : bool

    Returns
    -------
    list of Piece, sorted by name (the path within the folder).

    Raises
    ------
    ValueError
        When the folder does not exist or holds no usable file.
    """
    from tqdm import tqdm

    folder = Path(path)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of MIDI files")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    pieces, skipped = [], 0
    for file in tqdm(found, desc="reading MIDI", unit="file", disable=not progress, delay=1):
        try:
            roll = rolls.from_midi(rolls.read_midi(file), low=low, pitches=pitches, pedal=pedal)
            pieces.append(Piece(str(file.relative_to(folder)), roll))
        except rolls.MidiError as error:
            skipped += 1
            reason = str(error).removeprefix(f"{file}: ")
            tqdm.write(f"skipped {file}: {reason}", file=sys.stderr)
    if not pieces:
        raise ValueError(
            f"{folder}: no usable MIDI file ({len(found)} found, {skipped} skipped); "
            "name a folder with .mid files inside the pitch range"
        )
    return pieces


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
