"""Many MIDI files at once: read on all cores, and the pitch range that suits them.

A worker process imports this module and `rolls`, nothing heavier. joblib starts the workers: unlike
the standard pools it needs no ``if __name__ == "__main__"`` in the script of the user, and works
alike on Linux, macOS and Windows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from binolab import files
from binolab.datasets.pieces import Data, Music, Piece, hold_out
from binolab.music import rolls
from binolab.music.midi import LONGEST

PIANO = (21, 108)  # A0 to C8
FEW = 1_000_000  # bytes that one process reads before others have started
PAUSE = 256  # beats, of a piece, in which no note begins: sixteen of the paper's windows


class Scan(NamedTuple):
    """What one file gave.

    `reason` says why it could not be read, else it is None. `span` is its lowest and highest MIDI
    pitch. `notes` is an int array (n, 3) of pitch, first tick, one past the last; None where the
    span leaves the range that was asked for.
    """

    reason: str | None = None
    span: tuple | None = None
    notes: np.ndarray | None = None


def scan(file, low=0, pitches=128, pedal=False):
    """Read one MIDI file: a `Scan`. Never raises for the file's own faults."""
    try:
        midi = rolls.read_midi(file)
    except rolls.MidiError as error:
        return Scan(str(error).removeprefix(f"{file}: "))
    struck = [n.pitch for i in midi.instruments if not i.is_drum for n in i.notes]
    span = (min(struck), max(struck))
    if not inside(span, low, pitches):
        return Scan(span=span)
    found = [n[:3] for n in rolls.tick_notes(midi, pedal=pedal)]
    if fault := unfit(found):
        return Scan(fault)
    return Scan(span=span, notes=np.array(found, np.int32))


def scan_all(files, *, low=0, pitches=128, pedal=False, progress=True, jobs=None):
    """Read many MIDI files, on all cores where there is much to read.

    Parameters
    ----------
    files : list of Path
    low, pitches : int
        Files with notes outside this range give their span only.
    pedal, progress : bool
    jobs : int, optional
        Processes; by default all cores for more than a megabyte of files, else this one.

    Returns
    -------
    list of Scan, in the order of `files`.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    if jobs is None:
        size = sum(Path(f).stat().st_size for f in files if Path(f).is_file())
        jobs = -1 if size > FEW else 1
    work = (delayed(scan)(file, low, pitches, pedal) for file in files)
    found = Parallel(n_jobs=jobs, return_as="generator")(work)
    bar = tqdm(
        found, "reading MIDI", len(files), unit="file", disable=not progress, delay=1, leave=False
    )
    return list(bar)


def unfit(notes):
    """Why a file's notes are no piece of music to learn from, or None.

    One file that is endless would fill the memory. One that is all but empty, a note and another
    an hour later, would teach silence: a model learns from every beat alike.
    """
    times = np.sort([0, *(n[1] for n in notes), max(n[2] for n in notes)]) / rolls.TICKS
    pauses = np.diff(times)
    if times[-1] > LONGEST:
        return f"{times[-1]:,.0f} beats long, and {LONGEST:,} are the most; cut it into pieces"
    if pauses.max() > PAUSE:
        return (
            f"no note begins for {pauses.max():,.0f} beats from beat {times[pauses.argmax()]:g}, "
            f"and {PAUSE} are the most; cut them out"
        )
    return None


def inside(span, low, pitches):
    """Whether all pitches of a span lie in ``low .. low + pitches - 1``."""
    return low <= span[0] and span[1] < low + pitches


def draw(notes, low, pitches):
    """The roll of a `Scan`'s notes."""
    return rolls.from_notes([(p - low, s, e) for p, s, e in notes.tolist()], pitches)


def outside(span, low, pitches):
    """Why a file of this span is left out, and what would help."""
    return (
        f"notes outside MIDI {low}..{low + pitches - 1} (found {span[0]}..{span[1]}); transpose "
        "the piece by octaves, or give a low and pitches that hold it"
    )


def choose_range(spans, low=None, pitches=None):
    """The pitch range that suits some files.

    The smallest range that holds every note, rounded up to a multiple of 8 rows, because networks
    halve it three times, and within the 88 keys of the piano (MIDI 21 to 108). A file with notes
    beyond those keys does not count. Nor does a stray: of eight files or more one, of more than
    forty one in twenty, may be left out where that narrows the range by an octave or more, so that
    one odd file does not make every roll taller. Both are for the caller to name and skip.

    Parameters
    ----------
    spans : list of (lowest, highest)
        MIDI pitches of each file.
    low, pitches : int, optional
        Keep this choice, and choose only the other.

    Returns
    -------
    low, pitches : int
        The paper's 33 and 56 where there is nothing to choose from.
    """
    if low is not None and pitches is not None:
        return low, pitches
    spans = [s for s in spans if inside(s, PIANO[0], PIANO[1] - PIANO[0] + 1)]
    if low is not None:
        spans = [s for s in spans if low <= s[0]]
    if not spans:
        pitches = rolls.PITCHES if pitches is None else pitches
        return min(rolls.LOW, 128 - pitches) if low is None else low, pitches
    lowest, highest = _without_strays(spans)
    if pitches is None:
        pitches = -(-(highest - (lowest if low is None else low) + 1) // 8) * 8
    if low is None:  # the place that holds most files, the spare rows shared between both ends
        first, last = (PIANO[0], PIANO[1] + 1 - pitches) if pitches <= 88 else (0, 128 - pitches)
        low = max(
            range(first, last + 1),
            key=lambda low: (
                sum(inside(s, low, pitches) for s in spans),
                -abs(2 * low + pitches - 1 - lowest - highest),
            ),
        )
    return low, pitches


def _without_strays(spans):
    """Lowest and highest pitch of all files but the strays that `choose_range` tells of."""
    whole = min(s[0] for s in spans), max(s[1] for s in spans)
    narrow, strays = whole, max(len(spans) // 20, len(spans) >= 8)
    for lowest in sorted({s[0] for s in spans}):
        tops = sorted(s[1] for s in spans if s[0] >= lowest)
        spare = strays - (len(spans) - len(tops))  # that may yet be left out at the top
        if spare < 0:
            break
        found = (lowest, tops[-1 - spare])
        if found[1] - found[0] < narrow[1] - narrow[0]:
            narrow = found
    saved = (whole[1] - whole[0]) - (narrow[1] - narrow[0])
    return narrow if saved >= 12 else whole


def load(path, *, low=None, pitches=None, pedal=False, progress=True):
    """Every readable MIDI file in a folder and the folders below it.

    The pitch range is chosen from the data unless it is given: the smallest that holds every note,
    in whole eights of rows, within the piano's keys; of eight files or more, a stray one may be
    left out (`choose_range`). A file is skipped when it cannot be read, when its notes
    leave the range, or when it is no piece of music (`unfit`: endless, or all but empty).
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
    scans = scan_all(found, pedal=pedal, progress=progress)
    low, pitches = choose_range([s.span for s in scans if s.span], low, pitches)
    pieces, skipped = [], {}
    for file, scan in zip(found, scans):
        name = str(file.relative_to(folder))
        if scan.span and inside(scan.span, low, pitches):
            pieces.append(Piece(name, draw(scan.notes, low, pitches)))
        else:
            skipped[name] = scan.reason or outside(scan.span, low, pitches)
            print(files.printable(f"skipped {file}: {skipped[name]}"), file=sys.stderr)
    if not pieces:
        raise ValueError(
            f"{folder}: no usable MIDI file ({len(found)} found, {len(skipped)} skipped); "
            + ("name a folder with .mid files inside the pitch range" if found
               else "there is no .mid or .midi file in it or below it")
        )
    return Music(pieces, low, pitches, skipped)


def data(root, *, split="valid", low=None, pitches=None, pedal=False, progress=True) -> Data:
    """A folder for ``--data``: every tenth file is held out."""
    if split != "valid":
        raise ValueError(f"{root}: a folder has no {split} split; every tenth file is held out")
    music = load(root, low=low, pitches=pitches, pedal=pedal, progress=progress)
    training, held_out = hold_out(music)
    return Data(training, held_out, music.low, music.pitches)
