"""Draw data/generated.png, the picture of the README: rolls that the shipped model wrote.

    python scripts/picture.py

Three rolls from nothing, seeds 0, 1 and 2, none of them chosen.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from binolab import files
from binolab.diffusion import prompting
from binolab.model import load
from binolab.show import plotting


def main():
    model = load("best")
    figure, axes = plt.subplots(3, 1, figsize=(10, 7.5), sharex=True, layout="constrained")
    for seed, ax in enumerate(axes):
        generator = torch.Generator().manual_seed(seed)
        roll = prompting.generate(model, generator=generator)[0, 0].numpy() > 0
        plotting.plot_roll(roll, ax, title=f"seed {seed}")
    out = Path(__file__).parents[1] / "data" / "generated.png"
    with files.replacing(out) as temporary:
        figure.savefig(temporary, format="png", dpi=110, facecolor="white")
    print(out)


if __name__ == "__main__":
    main()
