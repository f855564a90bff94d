"""What mends parallel fifths? Samplers, steps, polish, correctors and a rule, on validation music.

    python benchmarks/harmony.py [--model best] [--n 32]

Harmonizes the same `--n` validation melodies in every row and counts, over all changes of a
four-part chord together, parallel fifths and octaves (`features.features` says what they are), with
the errors of 300 resamplings of the windows. Then twice as many melodies, harmonized, and as many
rolls from nothing go through `prompting.revise` round by round. Writes data/harmony.json, which
chapter 13 reads.
"""

import argparse
import json
import shlex
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab import datasets, files
from binolab.datasets import chorales
from binolab.diffusion import prompting
from binolab.evaluation.features import RollSet, features, statistics
from binolab.model import load

ROOT = Path(__file__).parents[1]
ROWS = {  # calls of the network: steps, two to polish, one for each correction
    "exact posterior, 10": {"sampler": "posterior", "steps": 10},
    "exact posterior, 20": {"sampler": "posterior", "steps": 20},
    "exact posterior, 50": {"sampler": "posterior", "steps": 50},
    "refreshed, 20": {"sampler": "refreshed", "steps": 20},
    "refreshed, 50": {"sampler": "refreshed", "steps": 50},
    "refreshed and polish, 48 + 2": {"sampler": "refreshed", "steps": 48, "polishing": 2},
    "posterior + Gibbs, 10 + 9": {"sampler": "gibbs", "steps": 10},
    "posterior + Gibbs, 25 + 24": {"sampler": "gibbs", "steps": 25},
}
ROUNDS = 5  # of revising: more than the library makes


def by_round(model, x, known, generator, batch):
    """The rolls as drawn, and after each round of revising."""
    yield x
    for _ in range(ROUNDS):
        parts = zip(x.split(batch), known.split(batch), strict=True)
        x = torch.cat([prompting.revise(model, *part, 1, generator=generator) for part in parts])
        yield x


def counts(windows):
    """Changes of four-part chord, parallel fifths and parallel octaves, (N, 3)."""
    changes = np.bincount(RollSet(windows).changes[0], minlength=len(windows))
    found = features(windows)
    each = [np.nan_to_num(found[f"parallel_{name}"]) * changes for name in ("fifths", "octaves")]
    return np.stack([changes, *each], 1)


def summary(windows, picks):
    """What a row says, and the errors of its parallels."""
    counted, found = counts(windows), statistics(windows)

    def rates(chosen):
        changes, fifths, octaves = chosen.sum(0)
        return np.array([fifths, octaves, fifths + octaves]) / changes

    again = np.array([rates(counted[pick]) for pick in picks])
    return {
        "changes": int(counted[:, 0].sum()),
        **dict(zip(("fifths", "octaves", "parallels"), rates(counted).tolist())),
        "error": float(again[:, 2].std()),
        "four_voices": found["four_voices"],
        "dissonance": found["dissonance"],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=32, help="melodies a row")
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    model = load(options.model)
    valid = chorales.load("valid")
    x0, more = (
        datasets.held_out_windows(valid, model.length, n) for n in (options.n, 2 * options.n)
    )

    def counted(x):
        picks = np.random.default_rng(0).integers(0, len(x), (300, len(x)))
        return summary(x[:, 0].numpy() > 0, picks)

    table = {}
    for name, way in tqdm(ROWS.items(), unit="row"):
        generator = torch.Generator().manual_seed(0)
        harmonize = partial(prompting.harmonize, model, generator=generator, **way)
        table[name] = counted(torch.cat([harmonize(some) for some in x0.split(options.batch)]))
        tqdm.write(f"{name}: {table[name]}")

    generator = torch.Generator().manual_seed(0)
    way = {"steps": 50, "generator": generator}
    parts = more.split(options.batch)
    melodies = torch.cat([prompting.harmonize(model, some, **way) for some in parts])
    nothing = torch.cat([prompting.generate(model, len(some), **way) for some in parts])
    drawn = {
        "below a melody": (melodies, prompting.above_melody(more)),
        "from nothing": (nothing, torch.zeros_like(nothing, dtype=torch.bool)),
    }
    rounds = {
        name: [counted(x) for x in by_round(model, *each, generator, options.batch)]
        for name, each in drawn.items()
    }
    document = {
        "command": " ".join(["python benchmarks/harmony.py", shlex.join(sys.argv[1:])]).strip(),
        "windows": len(x0),
        "rows": table,
        "held_out": counted(x0),
        "rounds": {"windows": len(more), **rounds, "held_out": counted(more)},
    }
    with files.replacing(ROOT / "data" / "harmony.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
