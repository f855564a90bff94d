"""Many files at once, MIDI or scores: read on all cores, and the pitch range that suits them.

A worker process imports this module and `rolls`, nothing heavier. joblib starts the workers.
Unlike the standard pools it needs no ``if __name__ == "__main__"`` in the script of the user, and
it works alike on Linux, macOS and Windows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from binolab import files
from binolab.datasets.pieces import Data, Music, Piece, hold_out
from binolab.music import meter, midi, musicxml, rolls
from binolab.music.midi import LONGEST, Midi
from binolab.music.parts import ALL, apart, choices

Span = tuple[int, int]  # lowest and highest MIDI pitch

ENDINGS = (".mid", ".midi", *musicxml.ENDINGS)
PIANO = (21, 108)  # A0 to C8
FEW = 1_000_000  # bytes that one process reads before others have started
SLOW = 30  # a score takes as long as a MIDI file of so many times its bytes
PARSER = 1  # raise it when `musicxml` changes: scores are then parsed anew
NAMED = 20  # skipped files, of a folder; a collection may have hundreds
PAUSE = 256  # beats, of a piece, in which no note begins: sixteen of the paper's windows


class Scan(NamedTuple):
    """What one file gave: why it could not be read, or its span and its notes.

    `notes` is an int array (n, 4) of pitch, first tick, one past the last, and the choice of parts
    (`parts.apart`). It is empty where the span leaves the range that was asked for.
    """

    reason: str | None = None
    span: Span | None = None
    notes: np.ndarray = np.zeros((0, 4), np.int32)

    def fault(self, low: int, pitches: int) -> str | None:
        """Why the file is left out of a pitch range, and what would help; None if it fits."""
        if self.span is None or inside(self.span, low, pitches):
            return self.reason
        lowest, highest = self.span
        return (
            f"notes outside MIDI {low}..{low + pitches - 1} (found {lowest}..{highest}); transpose "
            "the piece by octaves, or give a low and pitches that hold it"
        )


def read(file: str | Path) -> Midi:
    """A file as `midi.read` has it. A score is parsed once, and its MIDI kept in the cache folder.

    It is kept by what the file holds, whatever its name. `Midi.mended` is not kept.
    """
    path = Path(file)
    try:
        if path.suffix.lower() not in musicxml.ENDINGS or path.stat().st_size > musicxml.BYTES:
            return midi.read(file)
        held = sha256(path.read_bytes()).hexdigest()[:32]
    except OSError:
        return midi.read(file)  # which tells the fault
    kept = files.cache_folder() / "scores" / f"{held}-{PARSER}-music21-{version('music21')}.mid"
    with suppress(midi.MidiError):  # there is none yet, or it is damaged
        return midi.read(kept)
    piece = midi.read(file)
    with suppress(OSError):  # a full or read-only disk costs the next reader a second
        kept.parent.mkdir(parents=True, exist_ok=True)
        piece.write(kept)
    return piece


def scan(
    file: str | Path,
    low: int = 0,
    pitches: int = 128,
    pedal: bool = False,
    wanted: str = ALL,
) -> Scan:
    """Read the `wanted` parts of one file (`parts.apart`). Never raises for its own faults."""
    try:
        piece = read(file)
        planes = apart(piece, wanted, pedal)
    except midi.MidiError as error:
        return Scan(str(error).removeprefix(f"{file}: "))
    pitch = [n.pitch for notes in planes for n in notes]
    span = min(pitch), max(pitch)
    if not inside(span, low, pitches):
        return Scan(span=span)
    grid = meter.grid(piece)
    spans = [(*n, k) for k, notes in enumerate(planes) for n in rolls.spans(notes, grid)]
    if fault := unfit(spans):
        return Scan(fault)
    return Scan(span=span, notes=np.array(spans, np.int32))


def scan_all(
    files: Sequence[str | Path],
    *,
    low: int = 0,
    pitches: int = 128,
    pedal: bool = False,
    wanted: str = ALL,
    progress: bool = True,
    jobs: int | None = None,
) -> list[Scan]:
    """Read many files, in their order.

    Files with notes outside the pitch range give their span only. `jobs` are processes; by default
    all cores for more than a megabyte of MIDI, or a few scores, else this one.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    if jobs is None:
        size = sum(
            p.stat().st_size * (SLOW if p.suffix.lower() in musicxml.ENDINGS else 1)
            for p in map(Path, files)
            if p.is_file()
        )
        jobs = -1 if size > FEW else 1
    work = (delayed(scan)(file, low, pitches, pedal, wanted) for file in files)
    scans = Parallel(n_jobs=jobs, return_as="generator")(work)
    look = {"unit": "file", "disable": not progress, "delay": 1, "leave": False}
    return list(tqdm(scans, "reading", len(files), **look))


def unfit(notes: Sequence[Sequence[int]]) -> str | None:
    """Why a file's notes are no piece of music to learn from, or None.

    An endless file would fill the memory. A nearly empty one, a note and another an hour later,
    would teach silence: a model learns from every beat alike.
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


def inside(span: Span, low: int, pitches: int) -> bool:
    """Whether all pitches of a span lie in ``low .. low + pitches - 1``."""
    return low <= span[0] and span[1] < low + pitches


def draw(notes: np.ndarray, low: int, pitches: int, length: int | None = None) -> np.ndarray:
    """The roll of a `Scan`'s notes."""
    return rolls.from_notes([(p - low, s, e) for p, s, e, _ in notes.tolist()], pitches, length)


def drawn(name: str, notes: np.ndarray, low: int, pitches: int, parts: int) -> Piece:
    """The piece of a `Scan`'s notes; of several parts each is drawn for itself, too."""
    roll = draw(notes, low, pitches)
    if parts == 1:
        return Piece(name, roll)
    each = [draw(notes[notes[:, 3] == k], low, pitches, roll.shape[1]) for k in range(parts)]
    return Piece(name, roll, np.stack(each))


def choose_range(
    spans: Sequence[Span], low: int | None = None, pitches: int | None = None
) -> tuple[int, int]:
    """`low` and `pitches` that suit some files. One that is given is kept.

    The range is the smallest that holds every note, within the 88 keys of the piano (MIDI 21 to
    108). Its rows are a multiple of 8, because networks halve them three times. A file with notes
    beyond those keys does not count. Nor does a stray, where the range is narrower by an octave or
    more without it: one odd file shall not make every roll taller. Of eight files or more one may
    be a stray, of more than forty one in twenty. The caller names and skips both.

    The range is the paper's 33 and 56 where there is nothing to choose from.
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

        def fit(low):
            aside = abs(2 * low + pitches - 1 - lowest - highest)
            return sum(inside(s, low, pitches) for s in spans), -aside

        low = max(range(first, last + 1), key=fit)
    return low, pitches


def _without_strays(spans: Sequence[Span]) -> Span:
    """Lowest and highest pitch of all files without the strays of `choose_range`."""

    def width(span):
        return span[1] - span[0]

    whole = min(s[0] for s in spans), max(s[1] for s in spans)
    narrow, strays = whole, max(len(spans) // 20, len(spans) >= 8)
    for lowest in sorted({s[0] for s in spans}):
        tops = sorted(s[1] for s in spans if s[0] >= lowest)
        spare = strays - (len(spans) - len(tops))  # that may yet be left out at the top
        if spare < 0:
            break
        narrow = min(narrow, (lowest, tops[-1 - spare]), key=width)
    return narrow if width(whole) - width(narrow) >= 12 else whole


def load(
    path: str | Path,
    *,
    low: int | None = None,
    pitches: int | None = None,
    pedal: bool = False,
    parts: str = ALL,
    progress: bool = True,
) -> Music:
    """Every readable MIDI file and score in a folder and those below it, sorted by path.

    The pitch range is chosen from the data unless it is given (`choose_range`). With `pedal` the
    sustain pedal is heeded. `parts` are those to read: "all", "piano" or another name, or programs
    as "0-7"; "piano,others" keeps the piano and all else apart (`music.parts`). A file is skipped
    when it cannot be read, when it has no such part, when its notes leave the range, or when it is
    no piece of music (`unfit`: endless, or nearly empty). So is a score beside a file of its own
    name, which is taken for the same piece. `Music.skipped` has each with its reason; the standard
    error stream names the first twenty.
    Large folders are read on all cores, and scores are parsed once (`read`).

    Raises ValueError when the folder does not exist or holds no usable file.
    """
    folder = Path(path)
    if not folder.is_dir():
        fault = "is a file; name the folder it is in" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {fault}")
    planes = len(choices(parts))  # a slip is told before the work
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    scans = scan_all(paths, pedal=pedal, wanted=parts, progress=progress)
    low, pitches = choose_range([s.span for s in scans if s.span], low, pitches)
    pieces, skipped, taken = [], {}, {}
    for file, scan in zip(paths, scans):
        name, piece = str(file.relative_to(folder)), file.with_suffix("")
        why = scan.fault(low, pitches)
        if not why and piece in taken and file.suffix.lower() in musicxml.ENDINGS:
            why = f"is the same piece as {taken[piece]}, by its name; rename it if it is not"
        if why:
            skipped[name] = why
            if len(skipped) <= NAMED:
                print(files.printable(f"skipped {file}: {why}"), file=sys.stderr)
        else:
            pieces.append(drawn(name, scan.notes, low, pitches, planes))
            taken[piece] = file.name
    if len(skipped) > NAMED:
        print(f"skipped {len(skipped) - NAMED} more of {len(paths)} files", file=sys.stderr)
    if not pieces:
        remedy = "name a folder with files inside the pitch range"
        if not paths:
            remedy = f"there is no {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} in it or below it"
        counts = f"{len(paths)} found, {len(skipped)} skipped"
        raise ValueError(f"{folder}: no usable MIDI file or score ({counts}); {remedy}")
    return Music(pieces, low, pitches, skipped)


def data(
    root: str | Path,
    *,
    split: str = "valid",
    low: int | None = None,
    pitches: int | None = None,
    pedal: bool = False,
    parts: str = ALL,
    progress: bool = True,
) -> Data:
    """A folder for ``--data``: every tenth file is held out, or what its folder `valid` holds.

    Where a folder has folders `train` and `valid`, or `test` for that split, these are the sides.
    """
    sides = ("train", split)
    own = all((Path(root) / side).is_dir() for side in sides)
    if split != "valid" and not own:
        raise ValueError(
            f"{root}: a folder has no {split} split without folders train and {split} in it; every "
            "tenth file is held out"
        )
    music = load(root, low=low, pitches=pitches, pedal=pedal, parts=parts, progress=progress)
    training, held_out = hold_out(music)
    if own:
        training, held_out = (
            [piece for piece in music if Path(piece.name).parts[0] == side] for side in sides
        )
        for side, pieces in zip(sides, (training, held_out)):
            if not pieces:
                raise ValueError(f"{Path(root) / side}: no usable file; the other folder has some")
    return Data(training, held_out, music.low, music.pitches)
