"""``binolab train``: a model from chorales, MAESTRO or a folder of MIDI files and scores.

`training.loop.train` makes the weights, `results` what lies beside them.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

from binolab import datasets
from binolab.cli import results
from binolab.files import printable
from binolab.model import load
from binolab.training import batches, checkpoints, devices, loop
from binolab.training.config import PRESETS, Config
from binolab.training.folder import claimed


def carry_out(options: Namespace) -> None:
    """Train, sample and measure; say what was done, and what to do next."""
    for name in ("steps", "batch", "minutes", "rate"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be more than 0, got {value}")
    if options.steps is not None and options.minutes is not None:
        raise ValueError("`steps` and `minutes` both say when to stop; give one of them")
    team = devices.team(options.device)
    with claimed(options.out, team, options.resume):
        _carry_out(options, team)


def _carry_out(options: Namespace, team: devices.Team) -> None:
    config, pitch_range = settings(options)
    bars = team.first and sys.stderr.isatty()
    asked = {"pedal": options.pedal, "parts": config.parts, "progress": bars} | pitch_range
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        with redirect_stderr(sys.stderr if team.first else nowhere):  # the others would repeat it
            music = team.in_turn(lambda: datasets.load(options.data, **asked))
    lit, left = datasets.density(music.training), ""
    if (count := config.planes or 1) > 1:  # those of the model that it starts from
        music = replace(
            music,
            training=datasets.in_voices(music.training, count, music.low),
            held_out=datasets.in_voices(music.held_out, count, music.low),
        )
        whole, lit = lit, datasets.density(music.training)
        left = f"; {lit / whole:.1%} of what sounds has room in {count} voices" * (lit < whole)
    config = config.fitted(music.training)
    share = lit if options.prior is None else options.prior
    if not 0 < share < 1:
        raise ValueError(f"the share of lit cells must lie between 0 and 1, got {share:g}: `prior`")
    prior: float | list = share
    if options.prior is None and config.rho != "all":
        prior = batches.frequency(batches.Bank(music.training, config, "cpu"), config.rho)
    if team.first:
        print(
            f"{len(music.training)} pieces to learn from, {len(music.held_out)} held out; MIDI "
            f"{music.low} to {music.low + music.pitches - 1}, density {lit:.4f}; "
            f"{config.grid} columns a beat, {config.planes} plane{'s' * (config.planes != 1)}"
            f"{left}",
            flush=True,
        )
    config = replace(config, low=music.low)
    how = {name: getattr(options, name) for name in ("start", "resume", "device", "every")}
    how |= {"prior": prior, "compiled": options.compile, "progress": bars}
    run = loop.train(config, music.training, music.held_out, options.out, **how)
    if not team.first:
        return
    folder = Path(options.out)
    said = f"{folder}: step {run.step}"
    said += f", {config.minutes:g} minutes" if config.minutes else f" of {config.steps}"
    command = f"binolab {shlex.join(str(a) for a in options.given if a != '--resume')}"
    if not run.finished:
        print(printable(f"{said}; stopped. What it is by now: --model {folder}. Go on with"))
        print(printable(f"{command} --resume"))
        return
    print(printable(f"{said}; finished"), flush=True)
    if not (options.no_evaluation or results.left(folder)):
        facts = {"name": options.data, "command": command, "seed": options.seed}
        missing = ["samples", "curve", "report"]
        try:
            for line in results.leave(folder, music, device=team.device, progress=bars, **facts):
                print(printable(line), flush=True)
                missing.pop(0)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{folder} holds the finished run, but not yet its {', '.join(missing)}: the same "
                "command with --resume makes them"
            ) from None
    print(printable(f"binolab generate --model {folder} -o new.mid"))


def settings(options: Namespace) -> tuple[Config, dict]:
    """The settings of a run, and the `low` and `pitches` to ask of the data.

    With ``--resume`` a run keeps its total, of steps or minutes, unless another is given.
    With ``--start`` and no preset the run goes on with that model's network and schedule, gently.
    """
    config = PRESETS[options.preset or "book"]
    grid = {"low": options.low, "pitches": options.pitches}
    if options.start is not None:
        card = load(options.start).card
        if options.preset is None:
            told = {
                name: getattr(card, name) for name in ("network", "T", "grid", "planes", "parts")
            }
            made = ("pitches", "prior", "kinds")  # by `Run`, of the data
            config = replace(
                config,
                arguments={k: v for k, v in card.arguments.items() if k not in made},
                schedule=tuple(card.schedule),
                rate=3e-4,
                rho="pitch" if isinstance(card.prior, list) else "all",
                **told,
            )
        if grid["pitches"] not in (None, card.pitches):
            raise ValueError(
                f"{options.start} writes {card.pitches} pitches from MIDI {card.low}, so "
                f"`pitches` {grid['pitches']} cannot begin with it: leave out `pitches` or `start`"
            )
        if options.data != "chorales":  # its range, unless told otherwise
            grid = {k: getattr(card, k) if v is None else v for k, v in grid.items()}
    asked = ("steps", "batch", "minutes", "rate", "precision", "grid", "parts")
    given = {k: v for k in asked if (v := getattr(options, k)) is not None}
    if not datasets.has_parts(options.data):
        config = replace(config, parts=datasets.ALL)
    if options.resume and not given.keys() & {"steps", "minutes"}:  # the run's own total
        stored = checkpoints.read(options.out)[1]["config"]
        given |= {k: stored[k] for k in ("steps", "minutes") if k in stored}
    return replace(config, seed=options.seed, **given), grid
