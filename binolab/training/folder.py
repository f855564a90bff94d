"""The folder of a run: one training at a time works in it, and writes over its own files alone.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from binolab import files
from binolab.training.checkpoints import NAME, PREVIOUS
from binolab.training.config import TrainingError
from binolab.training.devices import Team

OWN = (  # all that a run leaves
    *(NAME, PREVIOUS, "model.safetensors", "config.json", "log.jsonl", "samples", "curve.png"),
    *("report.json", "report.md", "report.png"),
)
LOCK = ".training.lock"


@contextmanager
def claimed(folder: str | Path, team: Team, resume: bool = False) -> Iterator[None]:
    """Keep a folder for this team alone. TrainingError unless a run may begin, or go on, there."""
    with ExitStack() as stack:
        fault = None
        if team.first:
            try:
                stack.enter_context(lock(folder))
                _check(Path(folder), resume)
            except TrainingError as error:
                fault = error
        if fault := team.agree(fault):
            raise fault
        yield


@contextmanager
def lock(folder: str | Path) -> Iterator[None]:
    """Keep a folder, made where there is none, for one training alone.

    This is the system's own lock on a file. It ends with the process, however that ends. The thread
    that holds it may take it again. A folder that was made, and stayed empty, is removed.

    Raises TrainingError where another training holds it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    if folder.is_file():
        raise TrainingError(f"{folder}: is a file; name a folder")
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / LOCK, timeout=0, is_singleton=True)
        again = held.is_locked
        held.acquire()
    except Timeout:
        raise TrainingError(
            f"{folder}: another training is at work in it; wait until it ends, or name another "
            "folder"
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from None
    try:
        yield
    finally:
        if not again:
            with suppress(OSError):  # Windows removes it at its release
                (folder / LOCK).unlink()
        held.release()
        with suppress(OSError):  # not empty
            for path in new:
                path.rmdir()


def _check(folder: Path, resume: bool) -> None:
    """Raise TrainingError unless a run may begin, or go on, in a folder."""
    taken = begun(folder)
    if taken and not resume:
        raise TrainingError(f"{folder}: already holds a run; add `resume` or name another folder")
    if resume and not taken:
        raise TrainingError(f"{folder}: nothing to resume; start the run without `resume`")
    if not taken and (name := foreign(folder)):
        raise TrainingError(
            f"{folder}: holds no run, but a {name} that a run would write over; name another folder"
        )


def begun(folder: Path) -> bool:
    """Whether a folder has a checkpoint, the last or the one before."""
    return any((folder / name).exists() for name in (NAME, PREVIOUS))


def foreign(folder: str | Path) -> str | None:
    """The first file that a run would write over, in a folder that holds no run.

    A run that ended before its first checkpoint has left its `config.json`.
    """
    folder = Path(folder)
    with suppress(OSError, ValueError, TypeError):
        if {"network", "steps", "prior"} <= set(json.loads((folder / "config.json").read_bytes())):
            return None
    return next((name for name in OWN if (folder / name).exists()), None)


def unwritable(folder: Path, error: OSError) -> TrainingError:
    """What to raise for a fault of the system in a run's folder."""
    return TrainingError(f"{folder}: cannot be written ({error.strerror}); choose another")


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written of a run's own files (`files.replacing`)."""
    names = "|".join(  # with the process's number, or with eight random digits
        rf"\.{re.escape(path.stem)}\.\d+\.tmp{re.escape(path.suffix)}"
        rf"|\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.binolab-tmp"
        for path in map(Path, OWN)
    )
    for file in folder.iterdir():
        if re.fullmatch(names, file.name) and file.is_file():
            file.unlink(missing_ok=True)


class Log:
    """The rows of a run, a line of JSON each. A row is appended whole or not at all."""

    def __init__(self, folder: str | Path):
        self.path = Path(folder) / "log.jsonl"

    def append(self, row: dict) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, (json.dumps(row) + "\n").encode())
        finally:
            os.close(handle)

    def rows(self) -> list[dict]:
        """Every row that is whole, in order."""
        rows = []
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # the last one, where the disk was full
                    rows.append(json.loads(line))
        return rows

    def cut(self, step: int) -> None:
        """Forget what came after a step: a run that goes on from there draws the curve anew."""
        text = "".join(json.dumps(row) + "\n" for row in self.rows() if row["step"] <= step)
        if self.path.is_file() and self.path.read_text(encoding="utf-8") != text:
            with files.replacing(self.path) as temporary:
                temporary.write_text(text, encoding="utf-8")
