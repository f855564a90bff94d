"""A model measured in every way: what it writes beside held-out music, costs, and harmony.

Rolls from nothing (`sample`) are compared with music by `comparison.compare`. The bound and its
baselines come from `masked.cost`, harmony beside its composer's from `masked.harmony`.
`report.write` puts the result in words and pictures.

Chapter: 16 *How good is it?*.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, nn

from binolab import datasets
from binolab.diffusion import prompting
from binolab.evaluation import comparison, masked
from binolab.evaluation.features import statistics
from binolab.model import Model

MASKS = {  # which cells are known; the nats of the others are counted
    "nothing": lambda x0: torch.zeros_like(x0, dtype=torch.bool),
    "melody": prompting.above_melody,
    "outer_quarters": masked.middle_half,
}


def cut(pieces: Sequence[datasets.Piece], model: Model) -> np.ndarray:
    """Whole pieces as windows of a model's length, bool (N, P, L).

    Raises ValueError for fewer than two windows, or another number of pitches than the model's.
    """
    pitches, length = model.pitches, model.length
    for piece in pieces:
        if len(piece.roll) != pitches:
            raise ValueError(f"{piece.name}: {len(piece.roll)} pitches; the model has {pitches}")
    windows = np.zeros((0, pitches, length), bool)
    if pieces:
        parts = model.card.channels
        windows = datasets.held_out_windows(pieces, length, 10**9, parts)[:, 0].numpy() > 0
    if len(windows) < 2:
        raise ValueError(
            f"too little music: {len(windows)} window of {length // model.ticks} beats where at "
            "least two to learn from and two held out are needed; name a folder with more"
        )
    return windows


def sample(model: Model, n: int = 128, *, seed: int = 0, **options) -> np.ndarray:
    """`n` rolls from nothing, bool (n, P, L). `options` are those of `masked.write`."""
    nothing = torch.zeros(n, 1, model.pitches, model.length, device=model.device)
    generator = Generator(model.device).manual_seed(seed)
    made = masked.write(model, nothing, nothing.bool(), generator=generator, **options)
    return made[:, 0].cpu().numpy() > 0


def evaluate(
    model: Model,
    held_out: Sequence[datasets.Piece],
    training: Sequence[datasets.Piece],
    *,
    n: int = 128,
    steps: int = 100,
    sampler: str = "refreshed",
    bit: str = "draw",
    revise: int | None = None,
    seed: int = 0,
    likelihood: bool = True,
    prompts: bool = True,
    levels: int = 16,
    bootstraps: int = 200,
    batch: int = 2,
    progress: bool = True,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Sample, compare, bound and harmonize.

    Parameters
    ----------
    model : Model
    held_out, training : list of datasets.Piece
        Everything is compared with held-out music. Training music gives the floor, the nearest
        neighbours and the baselines.
    n : int
        Rolls to make, 2 or more. At most as many held-out windows, evenly picked, are bounded and
        harmonized.
    steps, sampler, bit
        As for `prompting.paint`.
    revise
        The `rounds` of `prompting.revise`.
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

    Returns
    -------
    document : dict
        For JSON: ``facts``; ``summary`` (`summary`); ``statistics`` of each set
        (`features.statistics`); ``comparison`` (`comparison.compare`); ``harmonization``
        (`masked.harmony`); ``costs``, `masked.cost` by `MASKS`. What was not asked for is absent.
        The same seed gives the same, except for the seconds.
    sets : dict of arrays of bits (N, P, L)
        The rolls: ``made``, ``held_out``, ``training``.

    Raises
    ------
    ValueError
        Before any work: too little music, of other pitches than the model's, or n < 2.

    Chapter: 16.
    """
    windows = {"held_out": cut(held_out, model), "training": cut(training, model)}
    if n < 2:
        raise ValueError(f"at least two rolls must be made to compare them, got {n}")
    begun, device, axes = time.perf_counter(), model.device, model.axes
    running: dict[str, Any] = {"batch": batch, "progress": progress}
    revise = prompting.usual_rounds(model) if revise is None else revise
    writing = running | {"steps": steps, "sampler": sampler, "bit": bit, "revise": revise}

    def seeded():
        return Generator(device).manual_seed(seed)

    sets = {"made": sample(model, n, seed=seed, **writing)} | windows
    seconds = (time.perf_counter() - begun) / n
    whole = [piece.roll for piece in training]
    weights = model.network.parameters() if isinstance(model.network, nn.Module) else ()
    compared = comparison.compare(
        *sets.values(), **axes, seed=seed, bootstraps=bootstraps, pieces=whole
    )
    document = {
        "facts": {
            "network": model.card.network,
            "parameters": sum(p.numel() for p in weights),
            "n": n,
            "steps": steps,
            "sampler": sampler,
            "bit": bit,
            "revise": revise,
            "seed": seed,
            "pieces": {"held_out": len(held_out), "training": len(training)},
            **axes,
            "device": device.type,
            "torch": torch.__version__,
            "seconds_a_roll": seconds,
        },
        "summary": summary(compared),
        "statistics": {k: comparison.plain(statistics(s, **axes)) for k, s in sets.items()},
        "comparison": compared,
    }
    parts = datasets.held_out_windows(held_out, model.length, n, model.card.channels)
    x0 = parts[:, :1].to(device)
    if prompts:
        document["harmonization"] = masked.harmony(model, x0, generator=seeded(), **writing)[1]
    if likelihood:
        options = running | {"steps": levels}
        planes = x0  # better the voices themselves, where they are told
        if all(p.parts is not None and len(p.parts) == model.card.planes for p in held_out):
            args = held_out, model.length, n, model.card.planes
            planes = datasets.held_out_windows(*args).to(device)
        alone = x0 if model.card.channels > 1 else planes
        masks = {name: (alone, mask(x0)) for name, mask in MASKS.items()}
        if model.card.channels > 1:
            masks["others"] = planes, prompting.others(planes)
        document["costs"] = {
            name: masked.cost(model, *given, sets["training"], generator=seeded(), **options)
            for name, given in masks.items()
            if prompts or name in ("nothing", "others")
        }
    document["facts"]["seconds"] = time.perf_counter() - begun
    return document, sets


def summary(compared: dict[str, Any]) -> dict[str, Any]:
    """A comparison in few figures: what a model is aimed at.

    ``ratios``: how many features have an overlap / floor; ``reached``: how many of them at least
    0.95; ``least``: the lowest, by name. The same with ``direct_``, of the features' own
    distributions. ``density`` and ``silence``: made / held out. ``nearer``: share of the made rolls
    nearer to training than 5 % of the held-out ones are.
    """
    features = compared["features"]
    figures: dict[str, Any] = {}
    for prefix in ("", "direct_"):
        ratios = {name: row[f"{prefix}ratio"] for name, row in features.items()}
        ratios = {name: value for name, value in ratios.items() if value is not None}
        figures |= {
            f"{prefix}ratios": len(ratios),
            f"{prefix}reached": sum(value >= 0.95 for value in ratios.values()),
            f"{prefix}least": dict(sorted(ratios.items(), key=lambda item: item[1])[:1]),
        }
    for name in ("density", "silence"):
        row = features[name]
        figures[name] = row["mean"] / row["held_out"] if row["held_out"] else None
    return figures | {"nearer": compared["memorization"]["nearer"]}
