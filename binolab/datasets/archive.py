"""The MAESTRO archive: fetched, its list read, its split kept, and the paper's choice from it."""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from binolab.datasets import fetching, folders, works
from binolab.datasets.fetching import ArchiveError

BASE = "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/"
ARCHIVE = "maestro-v3.0.0-midi.zip"
LARGEST = 100_000_000  # bytes: the archive has 57 MB, what it holds 81
LONGEST = 10_000_000  # characters of a list; MAESTRO's have 250,000
SHA256 = "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"  # as published
LICENCE = (
    "MAESTRO v3.0.0 is made available by Google LLC under CC BY-NC-SA 4.0 "
    "(https://creativecommons.org/licenses/by-nc-sa/4.0/): no commercial use, share alike; "
    "cite Hawthorne et al., ICLR 2019"
)
OURS = {"train": "train", "validation": "valid", "test": "test"}  # the list's splits and ours
MIDI = (".mid", ".midi")
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "duration")


@dataclass(frozen=True)
class Performance:
    """One line of the list: `file` is its path within the archive, `duration` in seconds."""

    composer: str
    title: str
    split: str  # train, validation or test
    year: int
    file: str
    duration: float

    @property
    def works(self):
        """The works that it is of: see `binolab.datasets.works`."""
        return works.works(self.composer, self.title)


def find(root):
    """The list ``maestro-v*.csv`` in a folder or in the folder that unpacking makes in it.

    The newest, where there are several; ArchiveError when there is none.
    """
    root = Path(root)
    found = sorted([*root.glob("maestro-v*.csv"), *root.glob("maestro-v*/maestro-v*.csv")],
                   key=lambda path: path.name)
    if not found:
        raise ArchiveError(
            f"{root}: holds no MAESTRO (no maestro-v*.csv); fetch {BASE}{ARCHIVE} "
            "and unzip it there, or call binolab.datasets.maestro.load(root, download=True)"
        )
    return found[-1]


def read(listed):
    """Read the list of any version (1, 2 or 3).

    Parameters
    ----------
    listed : Path
        The file ``maestro-v*.csv``.

    Returns
    -------
    list of Performance, in the order of the list.

    Raises
    ------
    ArchiveError
        When it cannot be read, a column or a value is missing, a split is unknown, a path leaves
        the archive or is no MIDI file's.
    """
    remedy, performances = "unzip the official archive anew", []
    try:
        with open(listed, encoding="utf-8-sig", newline="") as opened:
            text = opened.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise ValueError(f"more than {LONGEST:,} characters")
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{listed}: cannot be read ({error}); {remedy}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ArchiveError(f"{listed}: no column {', '.join(missing)}; {remedy}")
        for row in rows:
            composer, title, split, year, file, seconds = (row[name] or "" for name in COLUMNS)
            if split not in OURS or not fetching.stays_inside(file) or not file.endswith(MIDI):
                raise ValueError(f"split {split!r}, file {file!r}")
            performances.append(
                Performance(composer, title, split, int(year), file, float(seconds))
            )
    except ArchiveError:
        raise
    except (ValueError, csv.Error) as error:
        raise ArchiveError(
            f"{listed}: line {rows.line_num} is not MAESTRO's ({error}); {remedy}"
        ) from None
    return performances


def settle(performances):
    """Keep the official split, and let no work cross it.

    The official split already keeps compositions apart, by title. Where a work (`works`) still
    occurs on both sides, say "12 Etudes, Op. 25" here and "Etude Op. 25 No. 5" there, the
    side that is learned from gives way: train loses what touches a work of validation or test,
    and validation loses what touches one of test. Nothing is moved.

    Returns
    -------
    kept : list of Performance
    dropped : dict of Performance to str
        Which split holds the work too.
    """
    keys = {p: p.works for p in performances}
    held = {
        split: works.Held(key for p in performances if p.split == split for key in keys[p])
        for split in ("validation", "test")
    }
    stronger = {"train": ("test", "validation"), "validation": ("test",), "test": ()}
    kept, dropped = [], {}
    for one in performances:
        other = next((s for s in stronger[one.split] if held[s].touch(keys[one])), None)
        if other:
            dropped[one] = other
        else:
            kept.append(one)
    return kept, dropped


def choose(performances, spans, low, pitches, by="title", copy="first"):
    """The paper's first two steps: one performance a title, all its pitches inside a range.

    Parameters
    ----------
    performances : list of Performance
    spans : dict of str to (int, int)
        Lowest and highest pitch by file; a file that is missing here was not readable.
    low, pitches : int
    by : {"title", "work", None}
        What counts as the same: the title's exact string, its works, or nothing.
    copy : {"first", "in range"}
        Which performance stands for a title: the first of the list, or the first inside the range.

    Returns
    -------
    titles : int
        How many titles (works, performances) there are.
    chosen : list of Performance
    """
    if by not in ("title", "work", None):
        raise ValueError(f'by must be "title", "work" or None, got {by!r}')
    if copy not in ("first", "in range"):
        raise ValueError(f'copy must be "first" or "in range", got {copy!r}')
    key = {"title": lambda p: p.title, "work": lambda p: p.works, None: lambda p: p.file}[by]
    groups = {}
    for one in performances:
        groups.setdefault(key(one), []).append(one)

    def fits(one):
        span = spans.get(one.file)
        return span is not None and folders.inside(span, low, pitches)

    candidates = ((group[:1] if copy == "first" else group) for group in groups.values())
    chosen = [next(filter(fits, group), None) for group in candidates]
    return len(groups), [one for one in chosen if one is not None]


def digest(listed, performances):
    """A short name for the very files that are there: their names and sizes."""
    told = hashlib.sha256()
    for one in performances:
        path = listed.parent / one.file
        told.update(f"{one.file} {path.stat().st_size if path.is_file() else -1}\n".encode())
    return told.hexdigest()[:12]


def download(root, *, progress=True, base=BASE, sha256=SHA256):
    """Fetch the archive of version 3 (57 MB), test its checksum and unpack it.

    The licence is shown first. A zip that lies in `root` already, fetched by hand, is tested and
    used. The zip is removed once it is unpacked.

    Parameters
    ----------
    root : str or Path
        A folder, made when it is missing.
    progress : bool
    base, sha256 : str
        Where the archive lies, and what its checksum must be.

    Returns
    -------
    Path
        The list ``maestro-v3.0.0.csv``.

    Raises
    ------
    ArchiveError
        In one line: no network, a broken transfer, a wrong checksum, an unsound archive.
    """
    print(LICENCE, file=sys.stderr)
    archive = fetching.fetch(base, ARCHIVE, sha256, root, most=LARGEST, progress=progress)
    fetching.unpack(archive, root, most=LARGEST)
    archive.unlink()
    return find(root)
