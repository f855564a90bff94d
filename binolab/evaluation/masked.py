"""Music under a mask: what the free cells cost in nats, and harmony beside its composer's.

With nothing known a mask frees the whole roll, so one function measures them all (`cost`), and the
same baselines stand beside the model: what a pitch does on the whole, and what it did a tick ago.

Chapters: 11 *Harmonizing*, 14 *How good is it?*.
"""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from binolab.diffusion import likelihood, prompting
from binolab.evaluation.features import features

HARMONY = (
    "density", "four_voices", "in_scale", "dissonance", "parallel_fifths", "parallel_octaves"
)
LEVELS = 1000  # steps of the chain whose bound is taken; more change it little


def middle_half(x0):
    """Mask that frees the middle half of a roll. x0 (…, P, L) -> bool, same shape."""
    quarter = x0.shape[-1] // 4
    return prompting.outside(x0, quarter, x0.shape[-1] - quarter)


def paint(model, x_known, known, *, batch=2, progress=False, label="sampling", steps=100,
          **options):
    """`prompting.paint`, a few rolls at a time and with a bar over the steps.

    x_known, known (N, 1, P, L) and `options` as there; `batch` rolls a call. Returns (N, 1, P, L).
    """
    jobs = list(zip(x_known.split(batch), known.split(batch)))
    with tqdm(total=len(jobs) * steps, desc=label, unit="step", disable=not progress) as bar:
        return torch.cat([
            prompting.paint(model, *job, steps=steps,
                            callback=lambda t, *_: bar.update(t > 0), **options)
            for job in jobs
        ])


def persistence(windows, cycle=1):
    """P(cell lit | the cell a tick before), counted for each pitch and place in a cycle of ticks.

    Half a count is added to either side (Krichevsky & Trofimov, 1981), so that what never
    happened costs much and not everything.

    windows : array of bits (N, P, L), each beginning where a cycle does
    Returns float64 (2, P, cycle): after silence, after sound; the place is that of the cell.
    """
    windows = np.asarray(windows, bool)
    before, now = windows[..., :-1], windows[..., 1:]
    place = np.eye(cycle)[np.arange(1, windows.shape[-1]) % cycle]
    return np.stack([
        ((((before == bit) & now).sum(0) @ place) + 0.5) / ((before == bit).sum(0) @ place + 1)
        for bit in (False, True)
    ])


def baselines(rolls, training, ticks):
    """What simple models say of each cell: P(cell lit | what they may see), float64 (N, P, L).

    ``marginal`` knows how often each pitch sounds in the training windows. ``copy`` knows the
    cell a tick before, and how often such a pitch goes on or begins; ``copy_in_beat`` counts this
    for each tick of the beat. Both are told the true cell before, as the chain rule wants, and so
    write a roll from left to right; neither looks ahead. Arrays of bits (N, P, L).
    """
    rolls, training = np.asarray(rolls, bool), np.asarray(training, bool)
    size = training.shape[0] * training.shape[2]
    marginal = ((training.sum((0, 2)) + 0.5) / (size + 1))[:, None]
    found = {"marginal": np.broadcast_to(marginal, rolls.shape)}
    for name, cycle in (("copy", 1), ("copy_in_beat", ticks)):
        after = persistence(training, cycle)[:, :, np.arange(rolls.shape[-1]) % cycle]
        chance = np.where(np.roll(rolls, 1, -1), after[1], after[0])
        chance[..., 0] = marginal[:, 0]
        found[name] = chance
    return found


def surprise(probability, bits):
    """-ln of the chance that was given to what came, cell by cell; finite (see `likelihood`)."""
    p = np.clip(probability, likelihood.SUREST, 1 - likelihood.SUREST)
    return -np.log(np.where(bits, p, 1 - p))


@torch.no_grad()
def cost(model, x0, known, training, *, steps=16, generator=None, batch=2, progress=False):
    """Nats of a roll's free cells given its known ones, for the model and for `baselines`.

    ``bound`` is `likelihood.bound`, the chain's. ``single_call`` is what the network says of pure
    noise in the free cells, read as independent bits: a bound too, and what the chain improves on.

    Parameters
    ----------
    model : Model
    x0 : float tensor (N, 1, P, L) of bits
    known : bool tensor, same shape
    training : array of bits (M, P, L)
        What the baselines count.
    steps : int
        Levels at which each roll is looked at.
    generator, batch, progress : as for `likelihood.bound`

    Returns
    -------
    dict, for JSON: ``windows``; ``cells``, free ones a roll; ``nats``, model to nats by unit
    (``roll``, ``beat``, ``tick``, ``cell``); ``error``, the bound's standard error by unit. A
    beat's and a tick's are those of the whole window.

    Chapter: 14.
    """
    some = {"generator": generator, "batch": batch}
    prior, (bits, told) = model.card.rho(x0.device), model.encode(x0, known)
    bound = likelihood.bound(
        model.network, bits, model.alpha_bar(LEVELS), prior=prior, steps=steps, **some,
        known=told if known.any() else None, progress=progress,
    ).per_roll
    noise = torch.zeros_like(bits).add(prior).bernoulli(generator=generator)
    chances = torch.cat([
        likelihood.belief(model.network, torch.where(k, x, z), x.new_zeros(len(x)), k)
        for x, z, k in zip(bits.split(batch), noise.split(batch), told.split(batch))
    ])
    single = surprise(chances.cpu().numpy(), bits.cpu().numpy() > 0)[~told.cpu().numpy()]
    rolls, free = (t[:, 0].cpu().numpy() > 0 for t in (x0, ~known))
    guesses = baselines(rolls, training, model.ticks)
    units = {"roll": 1, "beat": rolls.shape[2] / model.ticks, "tick": rolls.shape[2],
             "cell": max(free.sum() / len(free), 1)}  # fmt: skip

    def by_unit(nats):
        return {unit: float(nats / count) for unit, count in units.items()}

    nats = {"single_call": single.sum() / len(free)}
    nats |= {name: surprise(p, rolls)[free].sum() / len(free) for name, p in guesses.items()}
    return {
        "windows": len(rolls), "cells": float(free.sum() / len(free)),
        "nats": {name: by_unit(value) for name, value in ({"bound": bound.value} | nats).items()},
        "error": by_unit(bound.error),
    }


def harmonize(model, x0, **options):
    """Harmonize the top lines of rolls (N, 1, P, L) (`prompting.above_melody`) and compare.

    Returns
    -------
    made : float tensor (N, 1, P, L)
    report : dict, for JSON
        ``windows``; ``melody_kept``, share of the melody's ticks in which neither it nor anything
        above it was changed; ``features``: means of `HARMONY` over the rolls, ``made``,
        ``held_out``, their ``ratio`` and, from 200 resamplings of the rolls, its ``ratio_ci``.

    Chapter: 11.
    """
    known = prompting.above_melody(x0)
    made = paint(model, x0, known, label="harmonizing", **options)
    same = ((made == x0) | ~known).all(-2)
    sung = prompting.melody_line(x0) >= 0
    kept = float(same[sung].double().mean()) if sung.any() else None
    own, truth = (
        features(t[:, 0].cpu().numpy() > 0, **model.axes)
        for t in (made, x0)
    )
    picks = np.random.default_rng(0).integers(0, len(x0), (200, len(x0)))
    return made, {
        "windows": len(x0), "melody_kept": kept,
        "features": {name: _beside(own[name], truth[name], picks) for name in HARMONY},
    }


def _beside(own, truth, picks):
    """Two features, (N,) each with nan where undefined: means, their ratio and its interval."""

    def mean(values):
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            return np.where(known, values, 0).sum(-1) / known.sum(-1)

    report = {"made": mean(own), "held_out": mean(truth), "ratio": None, "ratio_ci": None}
    if report["made"] >= 0 and report["held_out"] > 0:
        again = [mean(values[picks]) for values in (own, truth)]
        sound = again[1] > 0
        report["ratio"] = report["made"] / report["held_out"]
        report["ratio_ci"] = np.nanpercentile(again[0][sound] / again[1][sound], (2.5, 97.5))
    return {k: None if np.isnan(v).any() else np.asarray(v).tolist()
            for k, v in ((k, np.nan if v is None else v) for k, v in report.items())}
