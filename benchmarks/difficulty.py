"""Where is denoising hard? Nats of the likelihood bound against the noise level.

    python benchmarks/difficulty.py [--model best]

Measures on validation chorales how fast the bound grows with ᾱ (`likelihood.difficulty`) and
places 41 levels evenly in it, but for 15 % that is spread evenly over ᾱ^(1/3), so that no level is
left out. Writes data/difficulty.json. Its `levels` are where a next model's schedule should lie.
"""

import argparse
import json
from pathlib import Path

import torch

from binolab import datasets
from binolab.datasets import chorales
from binolab.diffusion import likelihood
from binolab.model import load

ROOT = Path(__file__).parents[1]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=64)
    options = parser.parse_args()
    model = load(options.model)
    args = chorales.load("valid"), model.length, options.n, model.card.planes
    x0 = datasets.held_out_windows(*args)
    place, nats = likelihood.difficulty(
        model.network,
        model.encode(x0)[0],
        prior=model.card.rho(),
        progress=True,
        generator=torch.Generator().manual_seed(0),
    )
    document = {
        "command": f"python benchmarks/difficulty.py --model {options.model} --n {options.n}",
        "alpha_bar": (place**3).tolist(),
        "nats_a_roll": nats.tolist(),
        "levels": [float(f"{v:.4g}") for v in likelihood.spacing(place, nats)],
    }
    (ROOT / "data" / "difficulty.json").write_text(json.dumps(document, indent=1) + "\n")
    for level, nat in zip(document["alpha_bar"], nats.tolist()):
        print(f"{level:.4f} {nat:8.2f} " + "█" * round(4 * nat))


if __name__ == "__main__":
    main()
