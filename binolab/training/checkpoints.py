"""What a run leaves on disk so that it can go on: checkpoints, and the log of its curve.

A checkpoint is written beside the one before and takes its place only once it lies on the disk, so
there is a whole one at every moment; the one before stays as `checkpoint-previous.safetensors`. It
carries a checksum: one that has rotted is noticed, and the one before is taken up instead.

One training at a time works in a folder. It replaces and removes files of its own names alone.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import functools
import json
import os
import re
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from binolab import files

NAME, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"
OWN = (NAME, PREVIOUS, "model.safetensors", "config.json", "log.jsonl", "samples", "curve.png",
       "report.json", "report.md", "report.png")  # all that a run leaves
LOCK = ".training.lock"


class TrainingError(ValueError):
    """A run that cannot start or go on; the message names the remedy."""


@contextmanager
def lock(folder):
    """Keep a run's folder, made where there is none, for one training alone.

    The system's own lock on a file: it ends with the process, however that ends. The thread that
    has it may take it again. A folder that was made, and stayed empty, is removed.

    Raises TrainingError where another training has it, or the folder cannot be written.
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


def unwritable(folder, error):
    """The TrainingError for an OSError in a run's folder."""
    return TrainingError(f"{folder}: cannot be written ({error.strerror}); choose another")


def foreign(folder):
    """The first of the names that a run would write over, in a folder that holds no run; or None.

    A run that ended before its first checkpoint has left its `config.json`.
    """
    folder = Path(folder)
    try:
        if {"network", "steps", "prior"} <= set(json.loads((folder / "config.json").read_bytes())):
            return None
    except (OSError, ValueError, TypeError):
        pass
    return next((name for name in OWN if (folder / name).exists()), None)


def digest(*parts):
    """Some lists of pieces as lists of [name, CRC-32 of the roll]."""
    def crc(roll):
        return zlib.crc32(np.packbits(roll).tobytes(), zlib.crc32(repr(roll.shape).encode()))

    return [[[p.name, crc(p.roll)] for p in part] for part in parts]


def difference(before, now):
    """What changed between two digests, in words; None where nothing did, or one is not known."""
    if None in (before, now) or before == now:
        return None
    old, new = ({name: crc for part in parts for name, crc in part} for parts in (before, now))
    changes = {
        "added": [n for n in new if n not in old],
        "removed": [n for n in old if n not in new],
        "altered": [n for n in new if n in old and new[n] != old[n]],
    }
    said = [
        f"{len(names)} {'piece' if len(names) == 1 else 'pieces'} {what} "
        f"({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for what, names in changes.items() if names
    ]
    return ", ".join(said) or "the same pieces in another order, or others of them held out"


def checksum(tensors):
    """CRC-32 over names and bytes, in the order of the names."""
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(name.encode(), found)
        if tensors[name].numel():
            found = zlib.crc32(tensors[name].contiguous().reshape(-1).numpy().data, found)
    return found


def seal(tensors, facts):
    """What a checkpoint's file tells beside its tensors: `facts` as JSON, and both checksums."""
    told = json.dumps(facts)
    return {"run": told, "crc32": str(checksum(tensors)),
            "crc32 of run": str(zlib.crc32(told.encode()))}


def write(folder, tensors, facts):
    """Write a checkpoint: CPU tensors by name, and `facts` for JSON.

    Where it cannot be written, what was there is as it was.
    """
    from safetensors.torch import save

    folder = Path(folder)
    metadata = seal(tensors, facts)
    path = folder / NAME
    with files.replacing(path) as temporary:
        # not save_file: its temporary names cannot be told from a user's, its mode is 0600
        temporary.write_bytes(save(tensors, metadata))
        settle(temporary)
        if path.exists():
            os.replace(path, folder / PREVIOUS)
    settle(folder)


def settle(path):
    """Return once a file, or the names in a folder, lie on the disk (where it can be told)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # a folder on Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path):
    """(tensors, facts) of a checkpoint. Raises ValueError if it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata()
            told = str(zlib.crc32(metadata["run"].encode()))
            facts = json.loads(metadata["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        facts["step"], facts["config"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
    if metadata.get("crc32 of run", told) != told:  # an older checkpoint has none
        raise ValueError("its checksum is wrong")
    if metadata.get("crc32", str(checksum(tensors))) != str(checksum(tensors)):
        raise ValueError("its checksum is wrong")
    return tensors, facts


def read(folder):
    """The newest checkpoint of a folder that is whole: (tensors, facts, warning or None).

    Raises TrainingError when there is none, or none is whole.
    """
    folder, damage = Path(folder), []
    paths = [folder / NAME, folder / PREVIOUS]
    if not any(p.is_file() for p in paths):
        raise TrainingError(f"{paths[0]}: nothing to resume; start the run without `resume`")
    for path in paths:
        if not path.is_file():
            continue
        try:
            tensors, facts = _read(path)
        except ValueError as error:
            damage.append(f"{path}: damaged checkpoint ({error})")
            continue
        if path is paths[0]:
            return tensors, facts, None
        said = damage[0] if damage else f"{paths[0]}: missing"
        return tensors, facts, f"{said}; going on from the one before, step {facts['step']}"
    raise TrainingError(f"{'; '.join(damage)}; nothing is left to resume: start again")


def fitting(restore):
    """Let ``restore(run, folder)`` raise TrainingError where a whole checkpoint does not fit."""

    @functools.wraps(restore)
    def restored(run, folder):
        try:
            return restore(run, folder)
        except TrainingError:
            raise
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{Path(folder) / NAME}: does not fit this program's network "
                f"({' '.join(str(error).split())[:200]}); start again"
            ) from None

    return restored


def promote(folder):
    """Let the checkpoint before take the place of a damaged one."""
    os.replace(Path(folder) / PREVIOUS, Path(folder) / NAME)


def sweep(folder):
    """Remove what a killed process left half-written of a run's own files (`files.replacing`)."""
    names = "|".join(  # with the process's number, or with eight random digits
        rf"\.{re.escape(path.stem)}\.\d+\.tmp{re.escape(path.suffix)}"
        rf"|\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.binolab-tmp" for path in map(Path, OWN)
    )
    for file in Path(folder).iterdir():
        if re.fullmatch(names, file.name) and file.is_file():
            file.unlink(missing_ok=True)


class Log:
    """The rows of a run, a line of JSON each; a row is appended whole or not at all."""

    def __init__(self, folder):
        self.path = Path(folder) / "log.jsonl"

    def append(self, row):
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, (json.dumps(row) + "\n").encode())
        finally:
            os.close(handle)

    def rows(self):
        """Every row that is whole, in order."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # the last one, where the disk was full
                continue
        return found

    def cut(self, step):
        """Forget what came after a step: a run that goes on from there draws the curve anew."""
        kept = [row for row in self.rows() if row["step"] <= step]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        if self.path.is_file() and self.path.read_text(encoding="utf-8") != text:
            with files.replacing(self.path) as temporary:
                temporary.write_text(text, encoding="utf-8")
