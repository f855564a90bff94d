"""What a run leaves on disk so that it can go on: checkpoints, and the log of its curve.

A checkpoint is written beside the one before and takes its place only once it lies on the disk, so
there is a whole one at every moment; the one before stays as `checkpoint-previous.safetensors`. It
carries a checksum: one that has rotted is noticed, and the one before is taken up instead.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import functools
import json
import os
import zlib
from pathlib import Path

from binolab import rolls

NAME, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"


class TrainingError(ValueError):
    """A run that cannot start or go on; the message names the remedy."""


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
    from safetensors.torch import save_file

    folder = Path(folder)
    metadata = seal(tensors, facts)
    path = folder / NAME
    with rolls.replacing(path) as temporary:
        save_file(tensors, str(temporary), metadata=metadata)
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
        raise TrainingError(f"{paths[0]}: nothing to resume; start the run without --resume")
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
    """Remove what a killed process left half-written in a run's folder."""
    for pattern in (".*.tmp.*", ".tmp??????"):  # ours, and those of safetensors
        for file in Path(folder).glob(pattern):
            file.unlink(missing_ok=True)


class Log:
    """The rows of a run, a line of JSON each; a row is appended whole or not at all."""

    def __init__(self, folder):
        self.path = Path(folder) / "log.jsonl"

    def append(self, row):
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, (json.dumps(row) + "\n").encode())
        finally:
            os.close(handle)

    def rows(self):
        """Every row that is whole, in order."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # the last one, where the disk was full
                continue
        return found

    def cut(self, step):
        """Forget what came after a step: a run that goes on from there draws the curve anew."""
        kept = [row for row in self.rows() if row["step"] <= step]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        if self.path.is_file() and self.path.read_text() != text:
            with rolls.replacing(self.path) as temporary:
                temporary.write_text(text)
