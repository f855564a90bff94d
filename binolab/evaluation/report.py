"""A model's whole report: what it writes beside held-out music, in figures, words and a picture.

Everything is made of documented parts: rolls from nothing (`sample`) are held beside music by
`comparison.compare`, the bound and its baselines come from `masked.cost`, harmony beside its
composer's from `masked.harmonize`; `report` and `page` put the document in words and pictures.

Chapter: 14 *How good is it?*.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from binolab import datasets
from binolab.diffusion import prompting
from binolab.evaluation import comparison, masked
from binolab.evaluation.features import statistics

MASKS = {  # what is known of the rolls whose other cells are paid for
    "nothing": lambda x0: torch.zeros_like(x0, dtype=torch.bool),
    "melody": prompting.above_melody,
    "outer_quarters": masked.middle_half,
}


def cut(pieces, model):
    """Windows of whole pieces as a model sees them, bool (N, P, L); ValueError if fewer than 2."""
    pitches, length = model.pitches, model.length
    wrong = next((p for p in pieces if p.roll.shape[0] != pitches), None)
    if wrong:
        raise ValueError(f"{wrong.name}: {wrong.roll.shape[0]} pitches; the model has {pitches}")
    found = datasets.held_out_windows(pieces, length, 10**9)[:, 0].numpy() > 0 if pieces else ()
    if len(found) < 2:
        raise ValueError(
            f"too little music: {len(found)} window of {length // model.ticks} beats where at "
            "least two to learn from and two held out are needed; name a folder with more"
        )
    return found


def sample(model, n=128, *, seed=0, **options):
    """`n` rolls from nothing, bool (n, P, L). `options` as for `masked.paint`."""
    device = model.device
    nothing = torch.zeros(n, 1, model.pitches, model.length, device=device)
    generator = torch.Generator(device).manual_seed(seed)
    made = masked.paint(model, nothing, nothing.bool(), generator=generator, **options)
    return made[:, 0].cpu().numpy() > 0


def evaluate(model, held_out, training, *, n=128, steps=100, sampler="refreshed", bit="draw",
             seed=0, likelihood=True, prompts=True, levels=16, bootstraps=200, batch=2,
             progress=True, made=None):
    """Sample, compare, bound and harmonize.

    Parameters
    ----------
    model : Model
    held_out, training : list of datasets.Piece
        Held-out music is what all is compared with; training music gives the floor, the nearest
        neighbours and the baselines.
    n : int
        Rolls to make, 2 or more; also how many held-out windows, at most, are bounded and
        harmonized, evenly picked.
    steps, sampler, bit
        As for `prompting.paint`.
    seed : int
        Each part draws from a generator of its own: to leave one out changes no other.
    likelihood, prompts : bool
        Bound the held-out windows; harmonize them. With both, bound them under the other `MASKS`.
    levels : int
        Levels of noise at which each window is looked at for a bound.
    bootstraps : int
        Resamplings, for the comparison's intervals.
    batch : int
        Rolls a call; 2 is fastest on a CPU.
    progress : bool
        Show bars.
    made : array of bits (n, P, L), optional
        Rolls made elsewhere, to be measured in place of new ones.

    Returns
    -------
    dict
        For JSON: ``facts``; ``statistics`` of the made, held-out and training windows
        (`features.statistics`); ``comparison`` (`comparison.compare`); ``summary`` (`summary`);
        ``harmonization`` (`masked.harmonize`); ``costs``, `masked.cost` by `MASKS`.
        What was not asked for is absent. The same seed gives the same, but for the seconds.

    Raises
    ------
    ValueError
        Before any work: too little music, of other pitches than the model's, or n < 2.

    Chapter: 14.
    """
    windows = {"held_out": cut(held_out, model), "training": cut(training, model)}
    if n < 2:
        raise ValueError(f"at least two rolls must be made to compare them, got {n}")
    device, begun, seconds = model.device, time.perf_counter(), None
    writing = {"steps": steps, "sampler": sampler, "bit": bit, "batch": batch,
               "progress": progress}  # fmt: skip

    def generator():
        return torch.Generator(device).manual_seed(seed)

    if made is None:
        made = sample(model, n, seed=seed, **writing)
        seconds = (time.perf_counter() - begun) / n
    sets = {"made": np.asarray(made, bool)} | windows
    grid = model.axes
    compared = comparison.compare(
        *sets.values(), **grid, seed=seed, bootstraps=bootstraps,
        pieces=[p.roll for p in training],
    )
    document = {
        "facts": {
            "network": model.card.network,
            "parameters": sum(p.numel() for p in model.network.parameters()),
            "n": len(made), "steps": steps, "sampler": sampler, "bit": bit, "seed": seed,
            "pieces": {"held_out": len(held_out), "training": len(training)}, **grid,
            "device": device.type, "torch": torch.__version__, "seconds_a_roll": seconds,
        },
        "summary": summary(compared),
        "statistics": {name: _finite(statistics(s, **grid)) for name, s in sets.items()},
        "comparison": compared,
    }
    few = datasets.held_out_windows(held_out, model.length, n).to(device)
    if prompts:
        _, document["harmonization"] = masked.harmonize(
            model, few, generator=generator(), **writing
        )
    if likelihood:
        document["costs"] = {
            name: masked.cost(
                model, few, mask(few), windows["training"], steps=levels,
                generator=generator(), batch=batch, progress=progress,
            )
            for name, mask in MASKS.items() if prompts or name == "nothing"
        }
    document["facts"]["seconds"] = time.perf_counter() - begun
    return document


def summary(compared):
    """A comparison in few figures: what a model is aimed at.

    ``ratios``: how many features have an overlap / floor, ``reached``: how many of them at least
    0.95, ``least``: the lowest, by name; the same of the features' own distributions with
    ``direct_``; ``density`` and ``silence``: made / held out; ``nearer``: share of the made rolls
    nearer to training than 5 % of the held-out ones are.
    """
    features = compared["features"]
    found = {}
    for prefix in ("", "direct_"):
        ratios = {k: v[f"{prefix}ratio"] for k, v in features.items()}
        ratios = {k: r for k, r in ratios.items() if r is not None}
        least = min(ratios, key=lambda k: ratios[k], default=None)
        found |= {
            f"{prefix}ratios": len(ratios),
            f"{prefix}reached": sum(r >= 0.95 for r in ratios.values()),
            f"{prefix}least": {least: ratios[least]} if ratios else {},
        }
    for name in ("density", "silence"):
        row = features[name]
        found[name] = row["mean"] / row["held_out"] if row["held_out"] else None
    return found | {"nearer": compared["memorization"]["nearer"]}


def _finite(figures):
    return {k: v if np.isfinite(v) else None for k, v in figures.items()}
