"""A seed makes the same roll for ever: rolls of every sampler and prompt, by their checksums.

The network is a formula, so that no processor's way of adding changes a bit. Where a sampler is
meant to draw otherwise, its numbers here change in the same commit.
"""

import zlib
from functools import partial

import numpy as np
import pytest
import torch

from binolab.card import Card
from binolab.diffusion import prompting, sampling, schedules, sliding
from binolab.model import Model

CARD = Card("UNet", {}, 0.0625, ["power", 2], T=40, low=40, pitches=24, ticks=24, length=96)

SAMPLERS = {
    "naive": 906278278,
    "xor": 3304100868,
    "xor nested": 3410629464,
    "posterior": 1183662976,
    "posterior refresh": 266656652,
    "gibbs": 3587690324,
    "refreshed": 3363451884,
}
PROMPTS = {
    "generate": 707586200,
    "complete": 3282404195,
    "infill": 3777831036,
    "harmonize": 2306420437,
    "vary": 473207718,
    "extend": 2754790657,
}


def network(x_t, alpha_bar_t, known=None):
    """A bit is likely where its neighbours in time, and the octave below, sound."""
    near = (x_t.roll(1, -1) + x_t.roll(-1, -1)) / 4 + x_t.roll(12, -2) / 8
    return 0.03125 + 0.75 * (near + x_t / 4).clamp(max=1)


def seeded():
    return torch.Generator().manual_seed(7)


def crc(roll):
    return zlib.crc32(np.packbits(roll.numpy() > 0).tobytes())


def song():
    x = torch.zeros(2, 1, 24, 96)
    for row, start, end in [(3, 0, 48), (15, 0, 23), (15, 24, 48), (10, 48, 96), (20, 60, 90)]:
        x[..., row, start:end] = 1
    return x


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_what_it_drew(name):
    generator, x_T = seeded(), sampling.noise((2, 1, 24, 96), CARD.prior, seeded())
    step, corrector = sampling.named(
        {
            "xor nested": lambda *now: sampling.xor_mask(*now, uniform),
            "posterior refresh": partial(sampling.posterior, refresh=0.5),
        }.get(name, name)
    )
    if name == "xor nested":
        uniform = torch.rand(x_T.shape, generator=generator)
    x = sampling.sample(
        network,
        x_T,
        schedules.power(12, 2),
        step,
        corrector=corrector,
        prior=CARD.prior,
        generator=generator,
    )
    assert crc(x) == SAMPLERS[name], f"{name}: {crc(x)}"


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_draws_what_it_drew(name):
    model, x, how = Model(network, CARD), song(), {"steps": 6, "generator": seeded()}
    made = {
        "generate": lambda: prompting.generate(model, 2, **how),
        "complete": lambda: prompting.complete(model, x, 48, **how),
        "infill": lambda: prompting.infill(model, x, 24, 72, **how),
        "harmonize": lambda: prompting.harmonize(model, x, **how),
        "vary": lambda: prompting.vary(model, x, 0.5, **how),
        "extend": lambda: sliding.extend(model, x, 240, **how),
    }[name]()
    assert crc(made) == PROMPTS[name], f"{name}: {crc(made)}"
