"""A whole run: the music to learn from, and what a finished run leaves beside its weights.

`training.loop.train` makes the weights; here is what `binolab train` does before and after it.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from binolab import datasets, files
from binolab.evaluation import page, report
from binolab.model import load
from binolab.music import rolls
from binolab.show import audio, plotting
from binolab.training import batches, checkpoints, devices, loop
from binolab.training.config import PRESETS
from binolab.training.folder import Log, claimed

SAMPLES, SAMPLE_STEPS = 4, (50, 20)  # rolls; steps of the sampler, or fewer for a slow network
STEPS = 20  # of the sampler, in the small report
WINDOWS = {"training": 300, "held_out": 100}  # at most so many are compared


def carry_out(options):
    """`binolab train`: its options, from `cli.options`."""
    for name in ("steps", "batch", "minutes", "rate"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be more than 0, got {value}")
    if options.steps is not None and options.minutes is not None:
        raise ValueError("`steps` and `minutes` both say when to stop; give one of them")

    team = devices.team(options.device)
    with claimed(options.out, team, options.resume):
        _carry_out(options, team)


def _carry_out(options, team):

    config, grid = settings(options)
    bars = team.first and sys.stderr.isatty()
    with quiet(not team.first):
        music = team.in_turn(lambda: datasets.load(
            options.data, **grid, pedal=options.pedal, progress=bars))
    lit = datasets.density(music.training)
    prior = lit if options.prior is None else options.prior
    if not 0 < prior < 1:
        raise ValueError(f"the share of lit cells must lie between 0 and 1, got {prior:g}: `prior`")
    if options.prior is None and config.rho != "all":
        prior = batches.frequency(batches.Bank(music.training, config, "cpu"), config.rho)
    if team.first:
        print(f"{len(music.training)} pieces to learn from, {len(music.held_out)} held out; MIDI "
              f"{music.low} to {music.low + music.pitches - 1}, density {lit:.4f}", flush=True)
    run = loop.train(
        replace(config, low=music.low), music.training, music.held_out, options.out, prior=prior,
        start=options.start, resume=options.resume, device=options.device, every=options.every,
        compiled=options.compile, progress=bars,
    )
    if not team.first:
        return
    folder = Path(options.out)
    said = f"{folder}: step {run.step}"
    said += f", {config.minutes:g} minutes" if config.minutes else f" of {config.steps}"
    command = f"binolab {shlex.join(str(a) for a in options.given if a != '--resume')}"
    if not run.finished:
        print(files.printable(f"{said}; stopped. What it is by now: --model {folder}. Go on with"))
        print(files.printable(f"{command} --resume"))
        return
    print(files.printable(f"{said}; finished"), flush=True)
    if not (options.no_evaluation or left(folder)):
        missing = ["samples", "curve", "report"]
        try:
            for line in leave(folder, music, name=options.data, command=command,
                              seed=options.seed, device=team.device, progress=bars):
                print(files.printable(line), flush=True)
                missing.pop(0)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{folder} holds the finished run, but not yet its {', '.join(missing)}: the same "
                "command with --resume makes them"
            ) from None
    print(files.printable(f"binolab generate --model {folder} -o new.mid"))


def settings(options):
    """(Config, pitch range to ask for) of `binolab train`'s options.

    With ``--resume`` a run keeps its total, of steps or minutes, unless another is given.
    With ``--start`` and no preset the run goes on with that model's network and schedule, gently.
    """
    config = PRESETS[options.preset or "book"]
    grid = {"low": options.low, "pitches": options.pitches}
    if options.start is not None:
        card = load(options.start).card
        if options.preset is None:
            own = {k: v for k, v in card.arguments.items()
                   if k not in ("pitches", "prior", "kinds")}
            config = replace(
                config, network=card.network, arguments=own, schedule=tuple(card.schedule),
                T=card.T, rate=3e-4, grid=card.grid, planes=card.planes,
                rho="pitch" if isinstance(card.prior, list) else "all",
            )
        if grid["pitches"] not in (None, card.pitches):
            raise ValueError(
                f"{options.start} writes {card.pitches} pitches from MIDI {card.low}, so "
                f"`pitches` {grid['pitches']} cannot begin with it: leave out `pitches` or `start`"
            )
        if options.data != "chorales":  # its range, unless told otherwise
            grid = {k: getattr(card, k) if v is None else v for k, v in grid.items()}
    asked = ("steps", "batch", "minutes", "rate", "precision")
    given = {k: v for k in asked if (v := getattr(options, k)) is not None}
    if options.resume and not given.keys() & {"steps", "minutes"}:  # the run's own total
        stored = checkpoints.read(options.out)[1]["config"]
        given |= {k: stored[k] for k in ("steps", "minutes") if k in stored}
    return replace(config, seed=options.seed, **given), grid


@contextmanager
def quiet(really):
    """Say nothing: the other processes of a team would only repeat the first."""
    with ExitStack() as stack:
        if really:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stderr(nowhere))
        yield


def left(folder):
    """Whether a run's report is of its last weights."""
    report, model = folder / "report.json", folder / "model.safetensors"
    return report.exists() and report.stat().st_mtime >= model.stat().st_mtime


def leave(folder, music, *, name, command=None, seed=0, share=0.1, device="cpu", progress=True):
    """Sample and measure a finished run: samples/, report.md, .json and .png, curve.png.

    The report is small, so that all this takes about a `share` of the time of training.

    Parameters
    ----------
    folder : Path
        Of the run.
    music : Data
    name : str
        What the report calls the data.
    command : str, optional
        How the run was made, for the report.

    Yields
    ------
    str
        What was left, a line each, as soon as it is: samples, curve, report.
    """
    folder = Path(folder)
    model = load(folder, device)
    taken = Log(folder).rows()[-1].get("elapsed", 0.0)
    batch = 2 if torch.device(device).type == "cpu" else 64
    budget = share * max(taken, 60.0)
    slow = SAMPLES * SAMPLE_STEPS[0] * seconds_a_roll(model, batch) > budget / 3
    begun = time.perf_counter()
    steps = SAMPLE_STEPS[slow]
    write_samples(folder, model, music.tempo, steps=steps, seed=seed, batch=batch)
    spent = time.perf_counter() - begun
    yield f"{folder / 'samples'}: {SAMPLES} pieces as MIDI, MP3 and PNG"
    curve(folder)
    yield f"{folder / 'curve.png'}: the curve"
    n, whole = sized((budget - spent) / spent * SAMPLES * steps)
    few = {k: thin(getattr(music, k), model.length, most) for k, most in WINDOWS.items()}
    options = {"n": n, "steps": STEPS, "seed": seed, "batch": batch, "progress": progress}
    try:
        begun = time.perf_counter()
        made = report.sample(model, **options)
        seconds = (time.perf_counter() - begun) / n
        document = report.evaluate(
            model, few["held_out"], few["training"], made=made, likelihood=whole,
            prompts=whole, **options,
        )
    except ValueError as error:  # too little music: the weights and the samples are there
        yield f"no report: {error}"
        return
    document["facts"] |= {
        "model": str(folder), "data": str(name), "seconds_a_roll": seconds,
    } | ({"command": command} if command else {})
    page.write(folder / "report", document, made, report.cut(few["held_out"], model))
    yield f"{folder / 'report.md'}, .json, .png: {n} rolls beside held-out music"


def seconds_a_roll(model, batch):
    """How long a call of the network takes, for each of a batch of rolls."""
    x, _ = model.encode(torch.zeros(batch, 1, model.pitches, model.length, device=model.device))
    level = torch.full((batch,), 0.5, device=model.device)
    for _ in range(2):  # the first call warms up
        begun = time.perf_counter()
        with torch.no_grad():
            model(x, level).sum().item()
    return (time.perf_counter() - begun) / batch


def sized(calls):
    """(rolls to make, whether to bound and harmonize too) for so many calls on one roll."""
    whole = 2 * (STEPS + 2) + 3 * 17  # a roll made, one harmonized, one bounded under three masks
    if calls >= 4 * whole:
        return int(min(calls / whole, 64)), True
    return int(min(max(calls / (STEPS + 2), 4), 16)), False


def thin(pieces, length, most):
    """Pieces, evenly picked, with about as many windows as may be."""
    windows = sum(max(1, p.roll.shape[1] // length) for p in pieces)
    kept = max(1, round(len(pieces) * min(1.0, most / windows)))
    return [pieces[i * len(pieces) // kept] for i in range(kept)]


def write_samples(folder, model, tempo, **options):
    """A few pieces from nothing, as MIDI, MP3 and PNG; `options` as for `report.sample`."""
    target = Path(folder) / "samples"
    target.mkdir(exist_ok=True)
    made = report.sample(model, SAMPLES, **options)
    grid = model.axes
    for i, roll in enumerate(made, 1):
        midi = rolls.to_midi(roll, tempo=tempo, **grid)
        rolls.write_midi(midi, target / f"{i}.mid")
        audio.write_mp3(audio.play(midi), target / f"{i}.mp3")
        plotting.save_png(roll, target / f"{i}.png", **grid)


def curve(folder):
    """Draw the log of a run into its `curve.png`: the loss, and the bound on held-out music."""


    rows = Log(folder).rows()
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plotting.plot_loss([{k: v for k, v in r.items() if k != "valid"} for r in rows], ax=left)
    measured = [r for r in rows if "valid" in r]
    bounds = [r["valid"]["bound"] for r in measured]
    right.plot([r["step"] for r in measured], bounds, "o-", ms=3, lw=1.4, color=plotting.MADE)
    right.set(xlabel="step", ylabel="bound on held-out rolls, nats a roll")
    right.spines[["top", "right"]].set_visible(False)
    if bounds and np.min(bounds) > 0:
        right.set_yscale("log")
    with files.replacing(Path(folder) / "curve.png") as temporary:
        figure.savefig(temporary, format="png", dpi=110)
