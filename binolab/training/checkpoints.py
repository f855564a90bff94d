"""Checkpoints: the files that a run goes on from.

A checkpoint is written beside the one before and takes its place only once it lies on the disk, so
there is a whole one at every moment. The one before stays as `checkpoint-previous.safetensors`. A
checkpoint carries a checksum: a damaged one is noticed, and the one before is read instead.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from binolab import files
from binolab.datasets.pieces import Piece
from binolab.training.config import Config, TrainingError

NAME, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"

Tensors = dict[str, Tensor]
Digest = list[list]  # of some lists of pieces: [name, CRC-32 of the roll] each


def digest(*parts: Sequence[Piece]) -> Digest:
    """What the music of a run is, in a few bytes a piece."""

    def crc(roll):
        return zlib.crc32(np.packbits(roll).tobytes(), zlib.crc32(repr(roll.shape).encode()))

    return [[[p.name, crc(p.roll)] for p in part] for part in parts]


def difference(before: Digest | None, now: Digest | None) -> str | None:
    """What changed between two digests, in words; None where nothing did, or one is not known."""
    if before is None or now is None or before == now:
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
        for what, names in changes.items()
        if names
    ]
    return ", ".join(said) or "the same pieces in another order, or others of them held out"


def checksum(tensors: Tensors) -> int:
    """CRC-32 over names and bytes, in the order of the names."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(name.encode(), crc)
        if tensors[name].numel():
            crc = zlib.crc32(tensors[name].contiguous().reshape(-1).numpy().data, crc)
    return crc


def seal(tensors: Tensors, facts: dict) -> dict[str, str]:
    """The metadata of a checkpoint: `facts` as JSON, and both checksums."""
    told = json.dumps(facts)
    return {
        "run": told, "crc32": str(checksum(tensors)), "crc32 of run": str(zlib.crc32(told.encode()))
    }  # fmt: skip


def write(folder: str | Path, tensors: Tensors, facts: dict) -> None:
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


def settle(path: Path) -> None:
    """Return once a file, or the names in a folder, lie on the disk (where it can be told)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # a folder on Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> tuple[Tensors, dict]:
    """The tensors and facts of a checkpoint. Raises ValueError if it is damaged."""
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
    sums = {"crc32 of run": told, "crc32": str(checksum(tensors))}
    if any(metadata.get(name, value) != value for name, value in sums.items()):  # old ones lack it
        raise ValueError("its checksum is wrong")
    return tensors, facts


def read(folder: str | Path) -> tuple[Tensors, dict, str | None]:
    """The newest checkpoint of a folder that is whole: its tensors, its facts, and a warning.

    Raises TrainingError when there is none, or none is whole.
    """
    folder, damage = Path(folder), []
    paths = [folder / NAME, folder / PREVIOUS]
    if not any(p.is_file() for p in paths):
        raise TrainingError(f"{paths[0]}: nothing to resume; start the run without `resume`")
    for path in filter(Path.is_file, paths):
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


def same_run(
    folder: Path, facts: dict, config: Config, prior: float | list, data: Digest | None
) -> Config:
    """The settings of a checkpoint, which may differ from `config` in the total alone.

    Raises TrainingError where other settings, or the data, are not the same.
    """
    given = asdict(Config()) | facts["config"]  # an older checkpoint knows fewer settings
    changed = difference(facts.get("data"), data)
    if changed and given["parts"] == config.parts:  # else the data are others for that reason
        raise TrainingError(
            f"{folder}: the data changed since the run began: {changed}; resume with the same, "
            f"or begin another run with `start` {folder}"
        )
    mine, theirs = (
        json.loads(json.dumps(settings | {"prior": rho}))  # tuples become lists
        for settings, rho in ((asdict(config), prior), (given, facts["prior"]))
    )
    totals = ("steps", "minutes")
    other = sorted(k for k in mine if k not in totals and mine[k] != theirs.get(k))
    if other:
        raise TrainingError(
            f"{folder / NAME}: was made with another {', '.join(other)}; "
            "resume with the same settings and data"
        )
    return replace(config, **{k: theirs[k] for k in totals})


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """TrainingError where what is done with a whole checkpoint shows that it does not fit."""
    try:
        yield
    except TrainingError:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{folder / NAME}: does not fit this program's network "
            f"({' '.join(str(error).split())[:200]}); start again"
        ) from None


def promote(folder: str | Path) -> None:
    """Let the checkpoint before take the place of a damaged one."""
    os.replace(Path(folder) / PREVIOUS, Path(folder) / NAME)
