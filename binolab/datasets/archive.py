"""The MAESTRO archive: fetched, its list read, and its split kept."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from binolab.datasets import titles

BASE = "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/"
ARCHIVE, FOLDER = "maestro-v3.0.0-midi.zip", "maestro-v3.0.0"  # the one folder that it holds
LONGEST = 10_000_000  # characters of a list; MAESTRO's have 250,000
SHA256 = "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"  # as published
LICENCE = (
    "MAESTRO v3.0.0 is made available by Google LLC under CC BY-NC-SA 4.0 "
    "(https://creativecommons.org/licenses/by-nc-sa/4.0/): no commercial use, share alike; "
    "cite Hawthorne et al., ICLR 2019"
)
OURS = {"train": "train", "validation": "valid", "test": "test"}  # the list's splits and ours
FILE = re.compile(r"(\w+/)*[^/\\:\0]+\.midi?")  # no path of this form leaves the archive
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "duration")


class ArchiveError(ValueError):
    """An archive that is missing or unsound; the message names the remedy."""


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
    def works(self) -> frozenset[titles.Work]:
        """The works that it is of: see `binolab.datasets.titles`."""
        return titles.works(self.composer, self.title)


def find(root: str | Path) -> Path:
    """The list ``maestro-v*.csv`` in a folder or in the folder that unpacking makes in it.

    The newest, where there are several; ArchiveError when there is none.
    """
    root = Path(root)
    lists = [*root.glob("maestro-v*.csv"), *root.glob("maestro-v*/maestro-v*.csv")]
    if not lists:
        raise ArchiveError(
            f"{root}: holds no MAESTRO (no maestro-v*.csv); fetch {BASE}{ARCHIVE} "
            "and unzip it there, or call binolab.datasets.maestro.load(root, download=True)"
        )
    return sorted(lists, key=lambda path: path.name)[-1]


def read(listed: Path) -> list[Performance]:
    """Read the list of any version (1, 2 or 3), in its order.

    Raises ArchiveError when it cannot be read, a column or a value is missing, a split is unknown,
    a path leaves the archive or is no MIDI file's.
    """
    performances: list[Performance] = []
    try:
        with open(listed, encoding="utf-8-sig", newline="") as opened:
            text = opened.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise ValueError(f"more than {LONGEST:,} characters")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        for row in rows:
            composer, title, split, year, file, seconds = (row[name] or "" for name in COLUMNS)
            if split not in OURS or not FILE.fullmatch(file):
                raise ValueError(f"split {split!r}, file {file!r}")
            line = composer, title, split, int(year), file, float(seconds)
            performances.append(Performance(*line))
    except (OSError, ValueError, csv.Error) as error:
        raise ArchiveError(
            f"{listed}: cannot be read after performance {len(performances)} ({error}); "
            "unzip the official archive anew"
        ) from None
    return performances


def settle(
    performances: Sequence[Performance],
) -> tuple[list[Performance], dict[Performance, str]]:
    """Keep the official split, and let no work cross it.

    The official split already keeps compositions apart, by title. A work (`titles`) may still occur
    on both sides: "12 Etudes, Op. 25" here and "Etude Op. 25 No. 5" there. Then the side that is
    learned from gives way: train loses what touches a work of validation or test, and validation
    loses what touches one of test. Nothing is moved.

    Returns what is kept, and for what is dropped the split that holds the work too.
    """
    keys = {p: p.works for p in performances}
    held = {
        split: titles.Held(key for p in keys if p.split == split for key in keys[p])
        for split in ("validation", "test")
    }
    stronger = {"train": ("test", "validation"), "validation": ("test",), "test": ()}
    dropped = {}
    for p in keys:
        if split := next((s for s in stronger[p.split] if held[s].touch(keys[p])), None):
            dropped[p] = split
    return [p for p in performances if p not in dropped], dropped


def digest(files: Mapping[str, Path]) -> str:
    """A short name for the very files that are there: their names and sizes; `files` by name."""
    sizes = ((file, path.stat().st_size if path.is_file() else -1) for file, path in files.items())
    return hashlib.sha256(repr(list(sizes)).encode()).hexdigest()[:12]


def download(
    root: str | Path, *, progress: bool = True, base: str = BASE, sha256: str = SHA256
) -> Path:
    """Fetch the archive of version 3 (57 MB) with pooch, test its checksum and unpack it.

    The licence is shown first. A transfer that breaks is begun anew, twice. A zip that lies in
    `root` already, fetched by hand, is tested and used. Of what is unpacked only the archive's own
    folder is kept. It appears whole or not at all; then the zip is removed.

    `root` is made when it is missing. `base` ends with a slash. Returns the list
    ``maestro-v3.0.0.csv``.

    Raises ArchiveError: no network, a broken transfer, a wrong checksum (what came is removed), a
    folder that cannot be written.
    """
    import pooch
    import requests

    print(LICENCE, file=sys.stderr)
    root = Path(root).absolute()
    fetcher = pooch.create(root, base, registry={ARCHIVE: f"sha256:{sha256}"}, retry_if_failed=2)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as made:
            fetcher.fetch(ARCHIVE, pooch.Unzip(extract_dir=made), progressbar=progress)
            Path(made, FOLDER).rename(root / FOLDER)
        (root / ARCHIVE).unlink()
    except requests.RequestException as error:
        fault = type(error).__name__ if error.response is None else error
        raise ArchiveError(
            f"{base}{ARCHIVE}: the transfer failed ({fault}); try again, or fetch it by hand and "
            f"unzip it in {root}"
        ) from None
    except OSError as error:
        raise ArchiveError(
            f"{root}: cannot be written ({error}); make room there or name another folder"
        ) from None
    except ValueError:
        raise ArchiveError(
            f"{base}{ARCHIVE}: what came has another checksum than SHA-256 {sha256} and was "
            "removed; try again, or from another network"
        ) from None
    return find(root)
