"""The paper's Figures 1 and 4 to 8 by two networks trained on MAESTRO, for chapter 18.

    python scripts/paper_figures.py [--only unet|beats]

One network is the paper's UNet at the author's size (maestro-weights/README.md), its sampler
Algorithm 1 with drawn bits. The other is the book's own kind, with its own sampler. Both make 100
steps at full strength, each a call; the second polishes with one more. The given piece is not in
MAESTRO: Satie's first Gymnopédie, bars 5 to 10, written here as text. The seeds are 0, 1 and 2, and
nothing is chosen. It writes maestro-weights/figures.npz: for each figure of each network a roll
`NETWORK/NAME`, and of the given piece what was known, as `NAME-known`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab import files
from binolab.diffusion import prompting
from binolab.model import load
from binolab.music import notation, rolls

OUT = Path(__file__).parents[1] / "maestro-weights" / "figures.npz"
CALLS, HALF, QUARTER = 100, 192, 96
PATH = (100, 75, 50, 25, 1)  # t of the paper's Fig. 1
STARTS = (25, 75, 95)  # t of 100 from which its Fig. 7 begins
NETWORKS = {  # weights in maestro-weights/, and how they are drawn
    "unet": {"sampler": "xor", "bit": "draw"},
    "beats": {},
}

# Erik Satie, Gymnopédie no. 1 (1888), from the entry of the melody: a voice a line.
GYMNOPEDIE = """
    - 1 F#5 1 A5 1 | G5 1 F#5 1 C#5 1 | B4 1 C#5 1 D5 1 | A4 3 | F#4 3 | F#4 1
    - 1 F#4 2      | - 1 F#4 2        | - 1 F#4 2       | - 1 F#4 2 | - 1 D4 2 | - 1
    - 1 D4 2       | - 1 C#4 2        | - 1 D4 2        | - 1 C#4 2 | - 1 B3 2 | - 1
    - 1 B3 2       | - 1 A3 2         | - 1 B3 2        | - 1 A3 2  | - 3    | - 1
    G2 3           | D2 3             | G2 3            | D2 3 | G2 3 | D2 1
"""


def known():
    """The given piece, and by the figure's name what of it was given."""
    x0 = rolls.to_tensor(notation.read(GYMNOPEDIE))
    masks = {
        "given": torch.ones_like(x0, dtype=torch.bool),
        "fig5": prompting.before(x0, HALF),
        "fig6": prompting.outside(x0, QUARTER, 384 - QUARTER),
        "fig8": prompting.above_melody(x0),
    }
    return x0, masks


def figures(model, x0, masks, **way):
    """(name, roll): the five noisy rolls of Fig. 1, and what comes of them and of the prompts."""

    def options(seed):
        generator = torch.Generator().manual_seed(seed)
        return way | {"steps": CALLS, "generator": generator}

    path = {}

    def look(t, x_t, x0_hat):
        if t in PATH:
            path[f"fig1-{t}"] = model.decode(x_t)

    for seed in (0, 1, 2):
        callback = None if seed else look
        yield f"fig4-{seed + 1}", prompting.generate(model, **options(seed), callback=callback)
    yield from path.items()
    for name in ("fig5", "fig6", "fig8"):
        yield name, prompting.paint(model, x0, masks[name], **options(0))
    for t in STARTS:
        yield f"fig7-{t}", prompting.vary(model, x0, t / 100, **options(0))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(NETWORKS), help="keep the other's rolls as they are")
    only = parser.parse_args().only
    x0, masks = known()
    kept = {"given": x0} | {f"{name}-known": mask for name, mask in masks.items()}
    packed = {name: pack(x) for name, x in kept.items()}
    if only:
        old = np.load(OUT)
        packed |= {name: old[name] for name in old.files if "/" in name}
    chosen = [only] if only else list(NETWORKS)
    with tqdm(total=14 * len(chosen), unit="roll") as bar:
        for network in chosen:
            model = load(OUT.parent / f"{network}.safetensors")
            for name, roll in figures(model, x0, masks, **NETWORKS[network]):
                packed[f"{network}/{name}"] = pack(roll)
                bar.update()
    with files.replacing(OUT) as temporary, open(temporary, "wb") as opened:
        np.savez_compressed(opened, **packed)


def pack(x):
    """The bits of one roll, or of a mask."""
    return np.packbits(rolls.from_tensor(x)[0])


if __name__ == "__main__":
    main()
