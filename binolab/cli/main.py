"""The command line: a MIDI file in, a MIDI file out. A fault is one line on the error stream and
exit status 2, before anything is written.

`options` is what can be asked; `composing`, `runs` and `evaluation` do it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from binolab import files
from binolab.cli.options import parser
from binolab.compose import MOST, compose, writable


def main(arguments=None):
    """Run the command line. Returns the exit status: 0, or 2 after a one-line error."""
    for stream in (sys.stdout, sys.stderr):  # of a locale that lacks a letter: a sign for it
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        COMMANDS.get(options.command, compose)(options)
    except (ValueError, OSError) as error:
        if speaks(options):
            said = files.printable(" ".join(str(error).split()))
            print(f"binolab: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"binolab: stopped; {str(stop) or 'nothing was written'}", file=sys.stderr)
        return 130
    return 0


def speaks(options):
    """Whether this process tells a fault: of several that train together, the first."""
    if options.command != "train" or "WORLD_SIZE" not in os.environ:
        return True
    from binolab.training.devices import launched

    return launched()[0] == 0


def train_model(options):
    """train."""
    for name in ("steps", "batch", "minutes", "rate"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise ValueError(f"--{name} must be more than 0, got {value}")
    if options.steps is not None and options.minutes is not None:
        raise ValueError("--steps and --minutes both say when to stop; give one of them")

    from binolab.cli import train as runs

    runs.carry_out(options)


def evaluate_model(options):
    """evaluate."""
    path = Path(options.out)
    path = path.with_suffix("") if path.suffix in (".json", ".md", ".png") else path
    targets = [path.with_name(path.name + ending) for ending in (".json", ".md", ".png")]
    for file in (path, *targets):
        writable(file)
    for name, least in (("n", 2), ("steps", 1)):
        if not least <= getattr(options, name) <= MOST[name]:
            raise ValueError(
                f"--{name} must be {least} to {MOST[name]:,}, got {getattr(options, name)}"
            )

    from binolab import datasets
    from binolab.evaluation import report as evaluation
    from binolab.model import load, pick_device

    device = pick_device(options.device)
    model = load(options.model, device)
    grid = {"low": model.low, "pitches": model.pitches}
    music = datasets.load(options.data, split=options.split, **grid)
    training, held_out = music.training, music.held_out
    if training is held_out:
        raise ValueError(f"{options.data}: one piece cannot be held out of itself; add another")
    real = evaluation.cut(held_out, model)
    given = {name: getattr(options, name) for name in ("steps", "sampler", "bit", "seed")}
    given |= {"batch": 2 if device.type == "cpu" else 64, "progress": sys.stderr.isatty()}
    evaluation.cut(training, model)
    started = time.perf_counter()
    made = evaluation.sample(model, options.n, **given)
    seconds = (time.perf_counter() - started) / options.n
    document = evaluation.evaluate(
        model, held_out, training, n=options.n, made=made, **given,
        likelihood=not options.no_likelihood, prompts=not options.no_harmonization,
    )
    told = ("model", "data", "split", "n", "steps", "sampler", "bit", "seed")
    command = shlex.join(
        word for name in told for word in (f"--{name}", str(getattr(options, name)))
    )
    document["facts"] |= {"model": options.model, "command": f"binolab evaluate {command}",
                          "data": options.data, "seconds_a_roll": seconds}
    said = evaluation.report(document)
    with ExitStack() as stack:  # all three or none
        new = [stack.enter_context(files.replacing(file)) for file in targets]
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        new[0].write_text(text, encoding="utf-8")
        new[1].write_text(said, encoding="utf-8")
        evaluation.page(document, made, real).savefig(new[2], format="png", dpi=110)
    print(said)


COMMANDS = {"train": train_model, "evaluate": evaluate_model}  # all others compose


if __name__ == "__main__":
    sys.exit(main())
