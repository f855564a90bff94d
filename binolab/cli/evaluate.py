"""``binolab evaluate``: what a model writes beside held-out music.

Chapter: 14 *How good is it?*
"""

from __future__ import annotations

import shlex
import sys
import time
from argparse import Namespace
from pathlib import Path

from binolab import datasets, files
from binolab.compose import MOST
from binolab.evaluation import page, report
from binolab.model import load, pick_device

TOLD = ("model", "data", "split", "n", "steps", "sampler", "bit", "seed")


def carry_out(options: Namespace) -> None:
    """Write REPORT.md, .json and .png, and print the first."""
    path = Path(options.out)
    path = path.with_suffix("") if path.suffix in page.ENDINGS else path
    for file in (path, *page.paths(path)):
        files.check_writable(file)
    for name, least in (("n", 2), ("steps", 1)):
        value = getattr(options, name)
        if not least <= value <= MOST[name]:
            raise ValueError(f"`{name}` must be {least} to {MOST[name]:,}, got {value}")
    device = pick_device(options.device)
    model = load(options.model, device)
    music = datasets.load(options.data, split=options.split, low=model.low, pitches=model.pitches)
    if music.training is music.held_out:
        raise ValueError(f"{options.data}: one piece cannot be held out of itself; add another")
    real, _ = report.cut(music.held_out, model), report.cut(music.training, model)
    given = {name: getattr(options, name) for name in ("n", "steps", "sampler", "bit", "seed")}
    given |= {"batch": 2 if device.type == "cpu" else 64, "progress": sys.stderr.isatty()}
    started = time.perf_counter()
    made = report.sample(model, **given)
    seconds = (time.perf_counter() - started) / options.n
    parts = {"likelihood": not options.no_likelihood, "prompts": not options.no_harmonization}
    document = report.evaluate(model, music.held_out, music.training, made=made, **given, **parts)
    command = shlex.join(w for name in TOLD for w in (f"--{name}", str(getattr(options, name))))
    facts = {"model": options.model, "data": options.data, "seconds_a_roll": seconds}
    document["facts"] |= facts | {"command": f"binolab evaluate {command}"}
    print(page.write(path, document, made, real))
