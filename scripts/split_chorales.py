"""Write binolab/chorales.json: which chorale lies in which split, families of melodies unbroken.

    python scripts/split_chorales.py

Two chorales are of one family when their sopranos share a run of RUN successive intervals
anywhere, and families join where they overlap: stricter than "the same tune", so that no phrase
of a held-out soprano is known from training. Families are dealt by the hash of their first name:
the split depends on nothing else.

A tune that was changed in a note or two can hide a chorale that is in all else another one in
another key. So a held-out piece, any window of which is nearer than NEAR to a training piece
(`distances.nearest`), joins the training split with its family.
"""

import hashlib
import json
from pathlib import Path

import music21
from music21 import corpus
from tqdm import tqdm

from binolab.evaluation import distances
from binolab.music import rolls, scores

RUN = 12
NEAR = 0.2  # copies are below 0.04, the nearest of other pieces are above 0.4
HELD_OUT = 0.1  # of the families for test, as many for valid; the rest trains


def soprano_intervals(score):
    pitches = [
        note.pitches[-1].midi
        for note in score.parts[0].flatten().notes
        if note.tie is None or note.tie.type == "start"
    ]
    return [b - a for a, b in zip(pitches, pitches[1:])]


def copies(found, splits):
    """The held-out pieces that are near copies of training pieces, by name."""
    training = [found[name] for name in splits["train"]]
    held = [name for split in ("valid", "test") for name in splits[split]]
    return {
        name
        for name in tqdm(held, desc="looking for copies", unit="piece")
        if distances.nearest(rolls.windows(found[name], hop=rolls.LENGTH), training).min() < NEAR
    }


def main():
    found, sounding = {}, {}
    for path in tqdm(sorted(corpus.getComposer("bach")), desc="parsing", unit="piece"):
        if Path(path).suffix in (".mxl", ".xml"):
            score = corpus.parse(str(path))
            if len(score.parts) == 4:
                found[Path(path).stem] = soprano_intervals(score)
                sounding[Path(path).stem] = scores.score_roll(score)

    family = {name: name for name in found}

    def head(name):
        while family[name] != name:
            name = family[name]
        return name

    first_with = {}
    for name, steps in sorted(found.items()):
        for i in range(len(steps) - RUN + 1):
            run = tuple(steps[i : i + RUN])
            a, b = sorted((head(name), head(first_with.setdefault(run, name))))
            family[b] = a

    families = {}
    for name in found:
        families.setdefault(head(name), []).append(name)
    splits = {"train": [], "valid": [], "test": []}
    for first, members in families.items():
        u = int(hashlib.sha256(first.encode()).hexdigest(), 16) / 2**256
        split = "test" if u < HELD_OUT else "valid" if u < 2 * HELD_OUT else "train"
        splits[split] += members
    for first in {head(name) for name in copies(sounding, splits)}:
        for split in ("valid", "test"):
            splits[split] = [n for n in splits[split] if head(n) != first]
        splits["train"] += families[first]
    out = Path(__file__).parents[1] / "binolab" / "datasets" / "chorales.json"
    document = {"music21": music21.__version__, "run": RUN}
    document |= {split: sorted(names) for split, names in splits.items()}
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    counts = {split: len(names) for split, names in splits.items()}
    print(f"{len(found)} chorales in {len(families)} families: {counts} -> {out}")


if __name__ == "__main__":
    main()
