"""The paper's Figures 1 and 4 to 8 by its own kind of network: pictures and sounds for chapter 18.

    python scripts/paper_figures.py

The network is the paper's UNet at the author's size, trained on MAESTRO for 4 % of the paper's
rolls (maestro/README.md). The sampler is Algorithm 1 with drawn bits, 100 calls. The given piece
is not in MAESTRO: Satie's first Gymnopédie, bars 5 to 10, written here as text. Seed 0, nothing is
chosen. What the weights write is shared as they are: the files go to maestro/figures.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from binolab import files
from binolab.diffusion import kernel, prompting
from binolab.model import load
from binolab.music import notation, rolls
from binolab.show import audio, plotting

ROOT = Path(__file__).parents[1] / "maestro"
OUT = ROOT / "figures"
CALLS, HALF, QUARTER = 100, 192, 96
STRENGTH = 0.5
BEATS_A_BAR, TEMPO = 3, 76

# Erik Satie, Gymnopédie no. 1 (1888), from the entry of the melody: a voice a line.
GYMNOPEDIE = """
    - 1 F#5 1 A5 1 | G5 1 F#5 1 C#5 1 | B4 1 C#5 1 D5 1 | A4 3 | F#4 3 | F#4 1
    - 1 F#4 2      | - 1 F#4 2        | - 1 F#4 2       | - 1 F#4 2 | - 1 D4 2 | - 1
    - 1 D4 2       | - 1 C#4 2        | - 1 D4 2        | - 1 C#4 2 | - 1 B3 2 | - 1
    - 1 B3 2       | - 1 A3 2         | - 1 B3 2        | - 1 A3 2  | - 1 G3 2 | - 1
    G2 3           | D2 3             | G2 3            | D2 3 | G2 3 | D2 1
"""


def figures(model):
    """(file name, title, roll, mask of what was given or None), one a picture."""
    piece = notation.read(GYMNOPEDIE)
    x0 = rolls.to_tensor(piece)

    def made(do, *arguments):
        generator = torch.Generator().manual_seed(0)
        sampler = {"sampler": "xor", "bit": "draw", "steps": CALLS, "generator": generator}
        return rolls.from_tensor(do(model, *arguments, **sampler))[0]

    def bits(mask):
        return rolls.from_tensor(mask)[0]

    nothing = np.zeros_like(piece)
    yield "given", "The given piece: Satie, Gymnopédie no. 1, bars 5 to 10", piece, None
    yield "fig4", "Fig. 4: from nothing", made(prompting.generate), nothing
    known = bits(prompting.before(x0, HALF))
    yield "fig5", "Fig. 5: the second half", made(prompting.complete, x0, HALF), known
    hole = (QUARTER, 384 - QUARTER)
    known = bits(prompting.outside(x0, *hole))
    yield "fig6", "Fig. 6: the middle", made(prompting.infill, x0, *hole), known
    title = f"Fig. 7: a variation, strength {STRENGTH}"
    yield "fig7", title, made(prompting.vary, x0, STRENGTH), nothing
    known = bits(prompting.above_melody(x0))
    yield "fig8", "Fig. 8: below the melody", made(prompting.harmonize, x0), known


def draw(name, title, roll, known):
    figure = Figure((9, 2.6), layout="constrained")
    ax = figure.add_subplot()
    plotting.plot_roll(roll, ax, known=known, shade=False, title=title, beats_per_bar=BEATS_A_BAR)
    with files.replacing(OUT / f"{name}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    audio.write_mp3(audio.synthesize(roll, tempo=TEMPO), OUT / f"{name}.mp3")


def main():
    OUT.mkdir(exist_ok=True)
    model = load(ROOT / "unet.safetensors")
    alpha_bar = model.alpha_bar(CALLS)
    x0 = rolls.to_tensor(notation.read(GYMNOPEDIE))
    noisy = Figure((9, 6.4), layout="constrained")
    for ax, t in zip(noisy.subplots(3), (25, 50, 75)):
        generator = torch.Generator().manual_seed(0)
        x_t = kernel.forward(x0, float(alpha_bar[t]), model.prior, generator)
        roll = rolls.from_tensor(x_t)[0]
        plotting.plot_roll(roll, ax, title=f"Fig. 1: t = {t}", beats_per_bar=BEATS_A_BAR)
        ax.label_outer()
    with files.replacing(OUT / "fig1.png") as temporary:
        noisy.savefig(temporary, format="png", dpi=110)
    for name, title, roll, known in tqdm(figures(model), "figures", 6):
        draw(name, title, roll, known)


if __name__ == "__main__":
    main()
