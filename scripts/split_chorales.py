"""Write binolab/chorales.json: which chorale lies in which split, families of melodies unbroken.

    python scripts/split_chorales.py

Two chorales are of one family when their sopranos share a run of RUN successive intervals
anywhere, and families join where they overlap: stricter than "the same tune", so that no phrase
of a held-out soprano is known from training. Families are dealt by the hash of their first name:
the split depends on nothing else.
"""

import hashlib
import json
from pathlib import Path

import music21
from music21 import corpus
from tqdm import tqdm

RUN = 12
HELD_OUT = 0.1  # of the families for test, as many for valid; the rest trains


def soprano_intervals(score):
    pitches = [
        note.pitches[-1].midi
        for note in score.parts[0].flatten().notes
        if note.tie is None or note.tie.type == "start"
    ]
    return [b - a for a, b in zip(pitches, pitches[1:])]


def main():
    found = {}
    for path in tqdm(sorted(corpus.getComposer("bach")), desc="parsing", unit="piece"):
        if Path(path).suffix in (".mxl", ".xml"):
            score = corpus.parse(str(path))
            if len(score.parts) == 4:
                found[Path(path).stem] = soprano_intervals(score)

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
    out = Path(__file__).parents[1] / "binolab" / "chorales.json"
    document = {"music21": music21.__version__, "run": RUN}
    document |= {split: sorted(names) for split, names in splits.items()}
    out.write_text(json.dumps(document, indent=1) + "\n")
    counts = {split: len(names) for split, names in splits.items()}
    print(f"{len(found)} chorales in {len(families)} families: {counts} -> {out}")


if __name__ == "__main__":
    main()
