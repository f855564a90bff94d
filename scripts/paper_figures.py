"""The paper's Figures 4 to 8 by its own kind of network, as rolls that chapter 18 draws and plays.

    python scripts/paper_figures.py

The network is the paper's UNet at the author's size, trained on MAESTRO for 4 % of the paper's
rolls (maestro/README.md). The sampler is Algorithm 1 with drawn bits, 100 calls. The given piece
is not in MAESTRO: Satie's first Gymnopédie, bars 5 to 10, written here as text. Seed 0, nothing is
chosen. It writes maestro/figures.npz: for each figure a roll and, as `NAME-known`, what was given.
"""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab import files
from binolab.diffusion import prompting
from binolab.model import load
from binolab.music import notation, rolls

ROOT = Path(__file__).parents[1] / "maestro"
CALLS, HALF, QUARTER = 100, 192, 96
STRENGTH = 0.5

# Erik Satie, Gymnopédie no. 1 (1888), from the entry of the melody: a voice a line.
GYMNOPEDIE = """
    - 1 F#5 1 A5 1 | G5 1 F#5 1 C#5 1 | B4 1 C#5 1 D5 1 | A4 3 | F#4 3 | F#4 1
    - 1 F#4 2      | - 1 F#4 2        | - 1 F#4 2       | - 1 F#4 2 | - 1 D4 2 | - 1
    - 1 D4 2       | - 1 C#4 2        | - 1 D4 2        | - 1 C#4 2 | - 1 B3 2 | - 1
    - 1 B3 2       | - 1 A3 2         | - 1 B3 2        | - 1 A3 2  | - 3    | - 1
    G2 3           | D2 3             | G2 3            | D2 3 | G2 3 | D2 1
"""


def figures(model):
    """(name, roll, mask of what was given), one a figure, and the given piece itself first."""
    piece = notation.read(GYMNOPEDIE)
    x0 = rolls.to_tensor(piece)

    def made(do, *arguments):
        generator = torch.Generator().manual_seed(0)
        sampler = {"sampler": "xor", "bit": "draw", "steps": CALLS, "generator": generator}
        return rolls.from_tensor(do(model, *arguments, **sampler))[0]

    def bits(mask):
        return rolls.from_tensor(mask)[0]

    nothing, hole = np.zeros_like(piece), (QUARTER, 384 - QUARTER)
    yield "given", piece, ~nothing
    yield "fig4", made(prompting.generate), nothing
    yield "fig5", made(prompting.complete, x0, HALF), bits(prompting.before(x0, HALF))
    yield "fig6", made(prompting.infill, x0, *hole), bits(prompting.outside(x0, *hole))
    yield "fig7", made(prompting.vary, x0, STRENGTH), nothing
    yield "fig8", made(prompting.harmonize, x0), bits(prompting.above_melody(x0))


def main():
    kept = {}
    for name, roll, known in tqdm(figures(load(ROOT / "unet.safetensors")), "figures", 6):
        kept |= {name: np.packbits(roll), f"{name}-known": np.packbits(known)}
    with files.replacing(ROOT / "figures.npz") as temporary, open(temporary, "wb") as opened:
        np.savez_compressed(opened, **kept)


if __name__ == "__main__":
    main()
