"""``binolab evaluate``: what a model writes beside held-out music.

Chapter: 16 *How good is it?*
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from binolab import datasets, files
from binolab.compose.job import MOST
from binolab.evaluation import report
from binolab.evaluation.evaluate import evaluate
from binolab.model import load, pick_device

TOLD = ("model", "data", "split", "n", "steps", "sampler", "bit", "seed")
GIVEN = ("n", "steps", "sampler", "bit", "revise", "seed")


def carry_out(options: Namespace) -> None:
    """Write REPORT.md, .json and .png, and print the first."""
    path = Path(options.out)
    path = path.with_suffix("") if path.suffix in report.ENDINGS else path
    for file in (path, *report.paths(path)):
        files.check_writable(file)
    for name, least in (("n", 2), ("steps", 1)):
        value = getattr(options, name)
        if not least <= value <= MOST[name]:
            raise ValueError(f"`{name}` must be {least} to {MOST[name]:,}, got {value}")
    device = pick_device(options.device)
    model = load(options.model, device)
    asked = {"split": options.split, "low": model.low, "pitches": model.pitches}
    music = datasets.load(options.data, parts=options.parts or model.card.parts, **asked)
    if music.training is music.held_out:
        raise ValueError(f"{options.data}: one piece cannot be held out of itself; add another")
    given = {name: getattr(options, name) for name in GIVEN}
    given |= {"likelihood": not options.no_likelihood, "prompts": not options.no_harmonization}
    given |= {"batch": 2 if device.type == "cpu" else 64, "progress": sys.stderr.isatty()}
    document, sets = evaluate(model, music.held_out, music.training, **given)
    told = [*TOLD, *(name for name in ("revise", "parts") if getattr(options, name) is not None)]
    command = shlex.join(w for name in told for w in (f"--{name}", str(getattr(options, name))))
    facts = {"model": options.model, "command": f"binolab evaluate {command}", "data": options.data}
    document["facts"] |= facts
    print(report.write(path, document, sets["made"], sets["held_out"]))
