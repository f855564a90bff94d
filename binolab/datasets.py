"""Pieces to learn from: Bach's chorales, MAESTRO's performances, or any folder of MIDI files.

A piece is a name and a whole roll; `rolls.windows` cuts it. The chorales, from the installed
music21 package, and MAESTRO are parsed once and kept as packed bits under a cache folder: the
user's own, or `BINOLAB_CACHE` where that is set.

Chapters: 02 *From MIDI to a roll*, 07 *Training it*.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from binolab import folders, rolls
from binolab.maestro import maestro, maestro_selection
from binolab.pieces import Music, Piece, cache_folder, store, stored

SPLITS = ("train", "valid", "test")
PARSER = 3  # raise it when `score_parts` or `chorale_score` changes: old caches are then left alone

__all__ = [
    "Music", "Piece", "cache_folder", "chorales", "density", "hold_out", "maestro",
    "maestro_selection", "midi_folder",
]


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
    list of Piece, rolls of shape (56, ticks), sorted by name; `parts` are soprano, alto, tenor and
    bass.

    Raises
    ------
    ValueError
        For an unknown split.

    Chapter: 02.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    listed = json.loads(files("binolab").joinpath("chorales.json").read_text(encoding="utf-8"))
    names = sorted(n for s in SPLITS for n in listed[s] if split in (None, s))
    cache = cache_folder() / f"chorales-{listed['music21']}-{PARSER}.npz"
    every = sorted(n for s in SPLITS for n in listed[s])
    return stored(cache, names, lambda: store(cache, *_parse_chorales(every, progress)))


def _parse_chorales(names, progress):
    """The rolls of chorales, and their parts, by name."""
    from tqdm import tqdm

    bar = tqdm(names, desc="parsing chorales (once)", unit="piece", disable=not progress)
    whole, parts = {}, {}
    for name in bar:
        score = chorale_score(name)
        whole[name], parts[name] = score_roll(score), score_parts(score)
    return whole, parts


def chorale_score(name):
    """The music21 score of a chorale, by its file name without ending, e.g. ``bwv269``."""
    from music21 import corpus

    # Not corpus.parse(name): it takes a name for a beginning, and bwv190.7-inst for bwv190.7.
    paths = {p.stem: p for p in corpus.getComposer("bach") if p.suffix in (".xml", ".mxl")}
    return corpus.parse(str(paths[name]))


def score_roll(score, *, low=rolls.LOW, pitches=rolls.PITCHES, ticks=rolls.TICKS):
    """Bits of a music21 score: its parts merged, tied notes joined, voices that meet kept once."""
    found = [note for part in _score_notes(score, low, ticks) for note in part]
    return rolls.from_notes(found, pitches, round(float(score.highestTime) * ticks))


def score_parts(score, *, low=rolls.LOW, pitches=rolls.PITCHES, ticks=rolls.TICKS):
    """As `score_roll`, each part on a plane of its own: bits (parts, pitches, ticks)."""
    length = round(float(score.highestTime) * ticks)
    return np.stack(
        [rolls.from_notes(part, pitches, length) for part in _score_notes(score, low, ticks)])


def _score_notes(score, low, ticks):
    """(row, start, end) of the notes of each part, tied ones joined."""
    for part in score.parts:
        found, sounding = [], {}
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
        yield [n for n in found if n[2] > n[1]]


def midi_folder(path, *, low=None, pitches=None, pedal=False, progress=True):
    """Every readable MIDI file in a folder and the folders below it.

    The pitch range is chosen from the data unless it is given: the smallest that holds every note,
    in whole eights of rows, within the piano's keys; of eight files or more, a stray one may be
    left out (`folders.choose_range`). A file is skipped when it cannot be read, when its notes
    leave the range, or when it is no piece of music (`folders.unfit`: endless, or all but empty).
    The standard error stream names it, with the reason. Large folders are read on all cores.

    Parameters
    ----------
    path : str or Path
    low, pitches : int, optional
        Pitch range of the rolls.
    pedal : bool
        Heed the sustain pedal.
    progress : bool

    Returns
    -------
    Music
        A sequence of Piece, sorted by name (the path within the folder), with `low`, `pitches` and
        `skipped`.

    Raises
    ------
    ValueError
        When the folder does not exist or holds no usable file.
    """
    folder = Path(path)
    if not folder.is_dir():
        fault = "is a file; name the folder it is in" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {fault}")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    scans = folders.scan_all(found, pedal=pedal, progress=progress)
    low, pitches = folders.choose_range([s.span for s in scans if s.span], low, pitches)
    pieces, skipped = [], {}
    for file, scan in zip(found, scans):
        name = str(file.relative_to(folder))
        if scan.span and folders.inside(scan.span, low, pitches):
            pieces.append(Piece(name, folders.draw(scan.notes, low, pitches)))
        else:
            skipped[name] = scan.reason or folders.outside(scan.span, low, pitches)
            print(rolls.printable(f"skipped {file}: {skipped[name]}"), file=sys.stderr)
    if not pieces:
        raise ValueError(
            f"{folder}: no usable MIDI file ({len(found)} found, {len(skipped)} skipped); "
            + ("name a folder with .mid files inside the pitch range" if found
               else "there is no .mid or .midi file in it or below it")
        )
    return Music(pieces, low, pitches, skipped)


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
