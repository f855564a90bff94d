"""Music under a mask: what the free cells cost in nats, and harmony beside its composer's.

A mask that knows nothing frees the whole roll, so one function, `cost`, measures every case. The
same baselines stand beside the model: how often a pitch sounds, and what it did a tick ago.

Chapters: 13 *Harmonizing*, 16 *How good is it?*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Generator, Tensor
from tqdm import tqdm

from binolab.diffusion import likelihood, prompting
from binolab.evaluation.comparison import interval, plain
from binolab.evaluation.features import features, ratio
from binolab.model import Model
from binolab.music import voices

HARMONY = (
    "density", "four_voices", "in_scale", "dissonance", "parallel_fifths", "parallel_octaves"
)  # fmt: skip
LEVELS = 1000  # steps of the chain whose bound is taken; more change it little


def middle_half(x0: Tensor) -> Tensor:
    """Mask that frees the middle half of a roll. x0 (…, P, L) -> bool, same shape."""
    quarter = x0.shape[-1] // 4
    return prompting.outside(x0, quarter, x0.shape[-1] - quarter)


def write(
    model: Model,
    x_known: Tensor,
    known: Tensor,
    *,
    batch: int = 2,
    progress: bool = False,
    label: str = "sampling",
    steps: int = 100,
    revise: int | None = None,
    **options,
) -> Tensor:
    """`prompting.paint` for many rolls: `batch` at a time, with a bar over the steps.

    x_known, known and the result (N, 1, P, L); `options` are those of `prompting.paint`, and
    `revise` is the `rounds` of `prompting.revise`.
    """
    jobs, made = list(zip(x_known.split(batch), known.split(batch))), []
    with tqdm(total=len(jobs) * steps, desc=label, unit="step", disable=not progress) as bar:
        tell: dict[str, Any] = {"steps": steps, "callback": lambda t, *_: bar.update(t > 0)}
        for given, kept in jobs:
            x0 = prompting.paint(model, given, kept, **tell, **options)
            made.append(prompting.revise(model, x0, kept, revise, **options))
    return torch.cat(made)


def persistence(windows: ArrayLike, cycle: int = 1) -> np.ndarray:
    """P(cell lit | the cell a tick before), counted for each pitch and place in a cycle of ticks.

    Half a count is added to either side (Krichevsky & Trofimov, 1981). So what never happened costs
    much, but not infinitely much.

    windows : array of bits (N, P, L), each beginning where a cycle does
    Returns float64 (2, P, cycle): after silence, after sound; the place is that of the cell.
    """
    windows = np.asarray(windows, bool)
    before, now = windows[..., :-1], windows[..., 1:]
    place = np.eye(cycle)[np.arange(1, windows.shape[-1]) % cycle]
    return np.stack(
        [
            ((((before == bit) & now).sum(0) @ place) + 0.5) / ((before == bit).sum(0) @ place + 1)
            for bit in (False, True)
        ]
    )


def baselines(rolls: ArrayLike, training: ArrayLike, ticks: int) -> dict[str, np.ndarray]:
    """What simple models say of each cell: P(cell lit | what they may see), float64 (N, P, L).

    ``marginal`` knows how often each pitch sounds in the training windows. ``copy`` knows the cell
    a tick before, and how often such a pitch goes on or begins. ``copy_in_beat`` counts this for
    each tick of the beat. Both are told the true cell before, by the chain rule: they write a roll
    from left to right and never look ahead. Arrays of bits (N, P, L).
    """
    rolls, training = np.asarray(rolls, bool), np.asarray(training, bool)
    size = training.shape[0] * training.shape[2]
    marginal = ((training.sum((0, 2)) + 0.5) / (size + 1))[:, None]
    chances = {"marginal": np.broadcast_to(marginal, rolls.shape)}
    for name, cycle in (("copy", 1), ("copy_in_beat", ticks)):
        after = persistence(training, cycle)[:, :, np.arange(rolls.shape[-1]) % cycle]
        chances[name] = np.where(np.roll(rolls, 1, -1), after[1], after[0])
        chances[name][..., 0] = marginal[:, 0]
    return chances


def surprise(probability: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """-ln of the probability that was given to what came, cell by cell; finite (`likelihood`)."""
    p = np.clip(probability, likelihood.SUREST, 1 - likelihood.SUREST)
    return -np.log(np.where(bits, p, 1 - p))


@torch.no_grad()
def cost(
    model: Model,
    x0: Tensor,
    known: Tensor,
    training: ArrayLike,
    *,
    steps: int = 16,
    generator: Generator | None = None,
    batch: int = 2,
    progress: bool = False,
) -> dict[str, Any]:
    """Nats of a roll's free cells given its known ones, for the model and for `baselines`.

    ``bound`` is `likelihood.bound`, that of the whole chain. ``single_call`` is what the network
    says of pure noise in the free cells, read as independent bits. It is a bound too, and the chain
    improves on it.

    Parameters
    ----------
    model : Model
    x0 : Tensor (N, V, P, L) of bits
        Rolls, V = 1; or better their voices in the model's planes, where they are known: the chance
        of a roll is at least that of its planes. Or several parts (`Model.encode`): the first is
        measured, and the others must be known.
    known : Tensor of bool, same shape, or (N, 1, P, L)
    training : array of bits (M, P, L)
        What the baselines count.
    steps : int
        Levels at which each roll is looked at.
    generator, batch, progress
        As for `likelihood.bound`.

    Returns
    -------
    dict
        For JSON: ``windows``; ``cells``, free ones a roll; ``nats``, by model and then by unit
        (``roll``, ``beat``, ``tick``, ``cell``); ``error``, the bound's standard error by unit. A
        beat's and a tick's nats are those of the whole window.

    Chapter: 16.
    """
    prior, (bits, told) = model.card.rho(x0.device), model.encode(x0, known)
    assert told is not None  # as `known` is
    bound = likelihood.bound(
        model.network,
        bits,
        model.alpha_bar(LEVELS),
        prior=prior,
        known=told if known.any() or model.card.channels > 1 else None,
        steps=steps,
        generator=generator,
        batch=batch,
        progress=progress,
    ).per_roll
    noise = torch.zeros_like(bits).add(prior).bernoulli(generator=generator)
    jobs = zip(bits.split(batch), noise.split(batch), told.split(batch))
    said = torch.cat(
        [
            likelihood.belief(model.network, torch.where(k, x, z), x.new_zeros(len(x)), k)
            for x, z, k in jobs
        ]
    )
    heard = x0 if model.card.channels > 1 else voices.merge(x0)
    rolls, free = (t[:, 0].cpu().numpy() > 0 for t in (heard, ~known))
    single = surprise(said.cpu().numpy(), bits.cpu().numpy() > 0)[~told.cpu().numpy()]
    nats = {"bound": bound.value, "single_call": single.sum() / len(rolls)}
    for name, chances in baselines(rolls, training, model.ticks).items():
        nats[name] = surprise(chances, rolls)[free].sum() / len(rolls)
    cells, length = float(free.sum() / len(free)), rolls.shape[2]
    units = {"roll": 1, "beat": length / model.ticks, "tick": length, "cell": max(cells, 1)}

    def by_unit(value):
        return {unit: float(value / count) for unit, count in units.items()}

    return {
        "windows": len(rolls),
        "cells": cells,
        "nats": {name: by_unit(value) for name, value in nats.items()},
        "error": by_unit(bound.error),
    }


def harmony(model: Model, x0: Tensor, **options) -> tuple[Tensor, dict[str, Any]]:
    """Harmonize the top lines of rolls (`prompting.above_melody`), and compare with the originals.

    Parameters
    ----------
    model : Model
    x0 : Tensor (N, 1, P, L) of bits
    **options
        Those of `write`.

    Returns
    -------
    made : Tensor (N, 1, P, L)
    report : dict
        For JSON: ``windows``; ``melody_kept``, share of the melody's ticks in which neither the
        melody nor anything above it was changed; ``features``: means of `HARMONY` over the rolls,
        ``made``, ``held_out``, their ``ratio`` and, from 200 resamplings of the rolls, its
        ``ratio_ci``.

    Chapter: 13.
    """
    known = prompting.above_melody(x0)
    made = write(model, x0, known, label="harmonizing", **options)
    same = ((made == x0) | ~known).all(-2)
    sung = prompting.melody_line(x0) >= 0
    kept = float(same[sung].double().mean()) if sung.any() else None
    own, truth = (features(t[:, 0].cpu().numpy() > 0, **model.axes) for t in (made, x0))
    picks = np.random.default_rng(0).integers(0, len(x0), (200, len(x0)))
    return made, {
        "windows": len(x0),
        "melody_kept": kept,
        "features": {name: plain(_beside(own[name], truth[name], picks)) for name in HARMONY},
    }


def _beside(made, held_out, picks):
    """Two features, (N,) each with nan where undefined: means, their ratio and its interval."""

    def mean(values):
        known = ~np.isnan(values)
        return ratio(np.where(known, values, 0).sum(-1), known.sum(-1))

    own, truth = mean(made), mean(held_out)
    report = {"made": own, "held_out": truth, "ratio": None, "ratio_ci": None}
    if own >= 0 and truth > 0:
        report["ratio"] = own / truth
        report["ratio_ci"] = interval(ratio(mean(made[picks]), mean(held_out[picks])))
    return report
