"""What a finished run leaves beside its weights: samples, curve, report.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from binolab import files
from binolab.datasets import Data, Piece
from binolab.evaluation import report
from binolab.evaluation.evaluate import evaluate, sample
from binolab.model import Model, load
from binolab.music import rolls
from binolab.show import audio, curves, plotting
from binolab.training.folder import Log

SAMPLES, SAMPLE_STEPS = 4, (50, 20)  # rolls; steps of the sampler, or fewer for a slow network
STEPS = 20  # of the sampler, in the small report
WINDOWS = {"training": 300, "held_out": 100}  # at most so many are compared


def left(folder: Path) -> bool:
    """Whether a run's report is of its last weights."""
    report, model = folder / "report.json", folder / "model.safetensors"
    return report.exists() and report.stat().st_mtime >= model.stat().st_mtime


def leave(
    folder: Path,
    music: Data,
    *,
    name: str,
    command: str,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Iterator[str]:
    """Sample and measure a finished run: samples/, curve.png, report.md, .json and .png.

    The report is small, so that all this takes about a tenth of the time of training. It calls the
    data by `name`, and tells the `command` that made the run. Yields a line for each of
    samples, curve and report, as soon as it is there.
    """
    model = load(folder, device)
    taken = Log(folder).rows()[-1].get("elapsed", 0.0)
    batch = 2 if torch.device(device).type == "cpu" else 64
    budget = 0.1 * max(taken, 60.0)
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
    options: dict[str, Any] = {"n": n, "steps": STEPS, "seed": seed, "batch": batch}
    options |= {"likelihood": whole, "prompts": whole, "progress": progress}
    try:
        document, sets = evaluate(model, few["held_out"], few["training"], **options)
    except ValueError as error:  # too little music: the weights and the samples are there
        yield f"no report: {error}"
        return
    document["facts"] |= {"model": str(folder), "data": name, "command": command}
    report.write(folder / "report", document, sets["made"], sets["held_out"])
    yield f"{folder / 'report.md'}, .json, .png: {n} rolls beside held-out music"


def seconds_a_roll(model: Model, batch: int) -> float:
    """How long a call of the network takes, for each of a batch of rolls."""
    x, _ = model.encode(torch.zeros(batch, 1, model.pitches, model.length, device=model.device))
    level = torch.full((batch,), 0.5, device=model.device)
    for _ in range(2):  # the first call warms up
        begun = time.perf_counter()
        with torch.no_grad():
            model(x, level).sum().item()
    return (time.perf_counter() - begun) / batch


def sized(calls: float) -> tuple[int, bool]:
    """Rolls to make, and whether to bound and harmonize too, for so many calls on one roll."""
    whole = 2 * (STEPS + 2) + 3 * 17  # a roll made, one harmonized, one bounded under three masks
    if calls >= 4 * whole:
        return int(min(calls / whole, 64)), True
    return int(min(max(calls / (STEPS + 2), 4), 16)), False


def thin(pieces: Sequence[Piece], length: int, most: int) -> list[Piece]:
    """Pieces, evenly picked, with about `most` windows in all."""
    windows = sum(max(1, p.roll.shape[1] // length) for p in pieces)
    kept = max(1, round(len(pieces) * min(1.0, most / windows)))
    return [pieces[i * len(pieces) // kept] for i in range(kept)]


def write_samples(folder: Path, model: Model, tempo: float, **options) -> None:
    """A few pieces from nothing, as MIDI, MP3 and PNG; `options` as for `evaluate.sample`."""
    target = folder / "samples"
    target.mkdir(exist_ok=True)
    for i, roll in enumerate(sample(model, SAMPLES, **options), 1):
        midi = rolls.to_midi(roll, tempo=tempo, **model.axes)
        midi.write(target / f"{i}.mid")
        audio.write_mp3(audio.play(midi), target / f"{i}.mp3")
        plotting.save_png(roll, target / f"{i}.png", **model.axes)


def curve(folder: Path) -> None:
    """Draw the log of a run into its `curve.png`: the loss, and the bound on held-out music."""
    rows = Log(folder).rows()
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    curves.plot_loss([{k: v for k, v in r.items() if k != "valid"} for r in rows], ax=left)
    measured = [r for r in rows if "valid" in r]
    bounds = [r["valid"]["bound"] for r in measured]
    right.plot([r["step"] for r in measured], bounds, "o-", ms=3, lw=1.4, color=plotting.MADE)
    right.set(xlabel="step", ylabel="bound on held-out rolls, nats a roll")
    right.spines[["top", "right"]].set_visible(False)
    if bounds and np.min(bounds) > 0:
        right.set_yscale("log")
    with files.replacing(folder / "curve.png") as temporary:
        figure.savefig(temporary, format="png", dpi=110)
