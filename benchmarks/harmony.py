"""What mends parallel fifths? Samplers, steps, polish and correctors, on held-out melodies.

    python benchmarks/harmony.py [--model best] [--n 32]

Harmonizes the same `--n` validation melodies in every row and counts, over all changes of a
four-part chord together, parallel fifths and octaves (`features.features` says what they are), with
the errors of 300 resamplings of the windows. Writes data/harmony.json, which chapter 13 reads.
"""

import argparse
import json
import shlex
import sys
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
    "refreshed, 50, revised once": {"sampler": "refreshed", "steps": 50, "rounds": 1},
    "refreshed, 50, revised": {"sampler": "refreshed", "steps": 50, "rounds": 4},
}


def written(model, x0, generator, rounds=0, **way):
    """Harmonies of some melodies, revised so often."""
    made = prompting.harmonize(model, x0, generator=generator, **way)
    known = prompting.above_melody(x0)
    return prompting.revise(model, made, known, rounds, generator=generator)


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
    x0 = datasets.held_out_windows(chorales.load("valid"), model.length, options.n)
    picks = np.random.default_rng(0).integers(0, len(x0), (300, len(x0)))

    table = {}
    for name, way in tqdm(ROWS.items(), unit="row"):
        generator = torch.Generator().manual_seed(0)
        made = torch.cat(
            [written(model, some, generator, **way) for some in x0.split(options.batch)]
        )
        table[name] = summary(made[:, 0].numpy() > 0, picks)
        tqdm.write(f"{name}: {table[name]}")
    document = {
        "command": " ".join(["python benchmarks/harmony.py", shlex.join(sys.argv[1:])]).strip(),
        "windows": len(x0),
        "rows": table,
        "held_out": summary(x0[:, 0].numpy() > 0, picks),
    }
    with files.replacing(ROOT / "data" / "harmony.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
