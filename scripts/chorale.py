"""Write the chorale that the page Play begins with: seed 0 of the shipped model, not chosen.

    python scripts/chorale.py

It fills book/play/ui/chorale.js. Run it again when the shipped weights change, and then
`make bundle`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from binolab.diffusion import kernel, sampling, schedules
from binolab.model import load
from binolab.music import rolls

FILE = Path(__file__).parents[1] / "book" / "play" / "ui" / "chorale.js"
STEPS = 100


def voices(model, seed=0):
    """(MIDI note, first column, end) of each voice of a piece from nothing."""
    generator = torch.Generator().manual_seed(seed)
    levels = schedules.respace(model.alpha_bar(1000), STEPS)[1]
    bits, told = model.encode(torch.zeros(1, 1, model.pitches, model.length))
    x_T = kernel.forward(bits, levels[-1].item(), model.prior, generator)
    step = sampling.SAMPLERS["refreshed"].step
    asked = {"prior": model.prior, "known": told, "x_known": bits, "bit": "one"}
    x = sampling.sample(model.network, x_T, levels, step, generator=generator, **asked)
    for plane in model.codec.decode(x)[0].numpy() > 0:
        span = model.codec.span
        yield [
            [int(row) + model.low, start // span, -(-end // span)]
            for row, start, end in sorted(rolls.notes(plane), key=lambda note: note[1])
        ]


def main():
    lines = []
    for voice in voices(load("best")):
        rows = [", ".join(map(str, voice[i : i + 5])) for i in range(0, len(voice), 5)]
        lines.append("  [\n" + "".join(f"    {row},\n" for row in rows) + "  ],\n")
    FILE.write_text(
        "/** A chorale of the model's: scripts/chorale.py wrote it, with seed 0 and 100 steps. */\n"
        "\n"
        "/** [MIDI note, first column, end] of each voice, the highest first. */\n"
        "// prettier-ignore\n"
        "export const VOICES = [\n" + "".join(lines) + "];\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
