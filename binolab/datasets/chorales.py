"""Bach's four-part chorales, as music21 has them: parsed once, kept as packed bits.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from binolab.datasets.pieces import Data, Piece, store, stored
from binolab.files import cache_folder
from binolab.music import scores
from binolab.music.rolls import LOW, PITCHES

if TYPE_CHECKING:
    from music21.stream import Score

LISTED = Path(__file__).with_name("chorales.json")

SPLITS = ("train", "valid", "test")
PARSER = 3  # raise it when `scores` or `score` changes: old caches are then left alone


def load(split: str | None = None, *, progress: bool = True) -> list[Piece]:
    """Bach's four-part chorales from the music21 package, as rolls of the paper's size.

    The `split` is "train", "valid" or "test", or else all 365 pieces. It goes by melody, never by
    file: two chorales whose sopranos share a run of twelve successive intervals are one family, and
    a family lies in one split (`chorales.json`, made by `scripts/split_chorales.py`). The encodings
    are music21's and are not copied into this project.

    Pieces are sorted by name. Rolls are (56, ticks); `parts` are soprano, alto, tenor and bass. The
    first parse takes about a minute on one core.

    Chapter: 02.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    listed = json.loads(LISTED.read_text(encoding="utf-8"))
    names = sorted(n for s in SPLITS for n in listed[s] if split in (None, s))
    cache = cache_folder() / f"chorales-{listed['music21']}-{PARSER}.npz"
    every = sorted(n for s in SPLITS for n in listed[s])
    return stored(cache, names, lambda: store(cache, *_parse_chorales(every, progress)))


Rolls = dict[str, np.ndarray]


def _parse_chorales(names: Sequence[str], progress: bool) -> tuple[Rolls, Rolls]:
    """The rolls of chorales, and their parts, by name."""
    from tqdm import tqdm

    bar = tqdm(names, desc="parsing chorales (once)", unit="piece", disable=not progress)
    whole, parts = {}, {}
    for name in bar:
        music = score(name)
        whole[name], parts[name] = scores.score_roll(music), scores.score_parts(music)
    return whole, parts


def score(name: str) -> Score:
    """The music21 score of a chorale, by its file name without ending: ``bwv269``."""
    from music21 import corpus

    # Not corpus.parse(name): it takes a name for a beginning, and bwv190.7-inst for bwv190.7.
    paths = {p.stem: p for p in corpus.getComposer("bach") if p.suffix in (".xml", ".mxl")}
    return corpus.parse(str(paths[name]))


def data(
    root: str | None = None,
    *,
    split: str = "valid",
    low: int | None = None,
    pitches: int | None = None,
    pedal: bool = False,
    progress: bool = True,
) -> Data:
    """The chorales for ``--data``: train, and the `split` that is held out."""
    own = low in (None, LOW) and pitches in (None, PITCHES) and not pedal
    if root is not None or not own:
        raise ValueError("low, pitches, pedal: for folders; the chorales have their own")
    return Data(load("train", progress=progress), load(split, progress=progress))
