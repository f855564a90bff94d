"""The paper's selection from MAESTRO by every reading of its rule: data/maestro-selection.json.

    python scripts/maestro_selection.py ROOT [ROOT ...]      one folder for each version, unpacked

Section 6 of the paper: MAESTRO has "just over 2,000 MIDI files"; one a title makes about 500; 78 of
these have all their pitches in 33..88; they give 2,044 segments of 384 ticks. Only counts are
written, no music. The table says what it was run on, because a part of the archive gives other
counts than the whole.
"""

import argparse
import itertools
import json
from collections import Counter
from pathlib import Path

from binolab import datasets, files
from binolab.datasets import archive, maestro
from binolab.music import rolls

OUT = Path(__file__).parents[1] / "data" / "maestro-selection.json"
PAPER = {"performances": 2000, "titles": 500, "in_range": 78, "windows": 2044}
OFFICIAL = {"maestro-v1.0.0": 1184, "maestro-v2.0.0": 1282, "maestro-v3.0.0": 1276}


def readings(root):
    """A row for each reading of the rule."""
    for pedal, by, copy, pad in itertools.product(
        (False, True), ("title", "work", None), ("first", "in range"), (True, False)
    ):
        if by is None and copy == "in range":
            continue  # the same as "first"
        found = maestro.selection(root, by=by, copy=copy, pad=pad, pedal=pedal)
        yield {
            "by": by,
            "copy": copy,
            "pad": pad,
            "pedal": pedal,
            **found.counts,
            "density": round(datasets.density(found.pieces), 4) if found.pieces else None,
        }


def told(root):
    """What a folder holds, in numbers and in words."""
    listed = archive.find(root)
    performances = archive.read(listed)
    splits = Counter(p.split for p in performances)
    whole = OFFICIAL.get(listed.stem)
    table = list(readings(root))
    in_range = next(row["in_range"] for row in table if row["by"] is None)
    words = f"{len(performances):,} performances, {in_range:,} of them in range"
    if len(performances) != whole:
        of = f"{whole:,}" if whole else "archive"
        words += f"; a part of the official {of}: {' and '.join(splits)} only"
    kept, dropped = archive.settle(performances)
    return {
        "version": listed.stem,
        "run_on": words,
        "complete": len(performances) == whole,
        "hours": round(sum(p.duration for p in performances) / 3600, 2),
        "splits": dict(splits),
        "works": len({p.works for p in performances}),
        "left_out_because_a_work_crosses_the_split": len(dropped),
        "readings": table,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="+", help="folder of an unpacked archive")
    options = parser.parse_args()
    document = {
        "paper": PAPER,
        "range": [rolls.LOW, rolls.LOW + rolls.PITCHES - 1],
        "length": rolls.LENGTH,
        "archives": [told(root) for root in options.root],
    }
    with files.replacing(OUT) as temporary:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
    for one in document["archives"]:
        print(f"{one['version']}: {one['run_on']}")
        for row in one["readings"]:
            print("  ", *(f"{value!s:>9}" for value in row.values()))


if __name__ == "__main__":
    main()
