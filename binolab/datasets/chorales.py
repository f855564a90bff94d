"""Bach's four-part chorales, as music21 has them: parsed once, kept as packed bits.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import json
from pathlib import Path

from binolab.datasets.pieces import Data, store, stored
from binolab.files import cache_folder
from binolab.music import scores
from binolab.music.rolls import LOW, PITCHES

LISTED = Path(__file__).with_name("chorales.json")

SPLITS = ("train", "valid", "test")
PARSER = 3  # raise it when `scores` or `score` changes: old caches are then left alone

def load(split=None, *, progress=True):
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
    listed = json.loads(LISTED.read_text(encoding="utf-8"))
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
        music = score(name)
        whole[name], parts[name] = scores.score_roll(music), scores.score_parts(music)
    return whole, parts


def score(name):
    """The music21 score of a chorale, by its file name without ending, e.g. ``bwv269``."""
    from music21 import corpus

    # Not corpus.parse(name): it takes a name for a beginning, and bwv190.7-inst for bwv190.7.
    paths = {p.stem: p for p in corpus.getComposer("bach") if p.suffix in (".xml", ".mxl")}
    return corpus.parse(str(paths[name]))


def data(root=None, *, split="valid", low=None, pitches=None, pedal=False, progress=True) -> Data:
    """The chorales for ``--data``: train, and the `split` that is held out."""
    own = low in (None, LOW) and pitches in (None, PITCHES) and not pedal
    if root is not None or not own:
        raise ValueError("low, pitches, pedal: for folders; the chorales have their own")
    return Data(*(load(part, progress=progress) for part in ("train", split)))
