"""Every choice that the paper leaves open, as a row: one thing changed, the budget the same.

    python benchmarks/ablations.py [--steps 800 | --minutes-each 3] [--rows ROW …] [--resume]
                                   [--name NAME]

A small network is trained from scratch on the training chorales for each row that changes the
training; rows that change the sampler only share the base row's. Each is then measured on the
*validation* chorales: the bound in nats a roll, and the music of `--n` rolls drawn in `--calls`
calls. Writes data/NAME.json and benchmarks/NAME.md after every row; Ctrl-C keeps what was done,
--resume goes on from there. The networks lie in runs/NAME. NAME is ablations, or that of --name.
"""

import argparse
import json
import math
import shlex
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from samplers import SAMPLERS, chorale_windows
from tqdm import tqdm

from binolab import datasets, files
from binolab.datasets import chorales
from binolab.diffusion import likelihood, prompting, schedules
from binolab.evaluation import comparison
from binolab.evaluation.features import statistics
from binolab.model import load
from binolab.networks import NETWORKS
from binolab.training.batches import Bank
from binolab.training.checkpoints import TrainingError
from binolab.training.config import Config
from binolab.training.loop import stopping
from binolab.training.step import Run

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
BATCH = 2  # rolls a call: the quickest on one core, whose cache then holds the activations
# ᾱ at 41 places with as many nats of the bound between each two, except for 15 % that is spread
# evenly over ᾱ^(1/3). A network of ticks measured it on validation
# chorales, as benchmarks/difficulty.py does.
DIFFICULTY = (
    1.0, 0.9304, 0.847, 0.7454, 0.6382, 0.5495, 0.4742, 0.4172, 0.3737, 0.3385, 0.3101, 0.2856,
    0.264, 0.2452, 0.2286, 0.2139, 0.2007, 0.1885, 0.1771, 0.1664, 0.1564, 0.1469, 0.1379, 0.1294,
    0.1214, 0.1136, 0.1062, 0.09899, 0.0919, 0.08487, 0.07793, 0.0711, 0.06432, 0.05742, 0.05032,
    0.04291, 0.035, 0.02624, 0.01604, 0.004142, 0.0,
)  # fmt: skip
SMALL = {"width": 128, "depth": 2, "heads": 4, "filters": 32}
BASE = Config(
    network="FrameTransformer",
    arguments=SMALL,
    loss="bce",
    schedule=("power", 3),
    prompts=0.0,
    batch=8,
    rate=2e-3,
    warmup=50,
    ema=0.99,
)
TRAININGS = {  # what is not as in BASE; ρ is the density where no `prior` stands
    "base": {},
    "seed": {"seed": 1},
    "l2": {"loss": "l2"},
    "l1": {"loss": "l1"},
    "bound": {"loss": "bound"},
    "untold": {"arguments": SMALL | {"time": False}},
    "half": {"prior": 0.5},
    "linear": {"schedule": ("linear",)},
    "cosine": {"schedule": ("cosine",)},
    "difficulty": {"schedule": ("spaced", DIFFICULTY)},
    "author": {"loss": "l1", "schedule": ("linear",)},
    "paper": {
        "loss": "l2",
        "schedule": ("linear",),
        "prior": 0.5,
        "arguments": SMALL | {"time": False},
    },
}


class Row(NamedTuple):
    """What a reader is told of it; its network's training; how it is sampled."""

    says: str
    training: str = "base"
    sampler: str = "posterior"
    options: dict = {}


THRESHOLD = {"bit": "threshold"}
ROWS = {
    "base": Row(
        "**base**: BCE, draw, exact posterior, told the level, ρ = density, ᾱ = (1 - t/T)³"
    ),
    "seed": Row("base with another seed", "seed"),
    "posterior-threshold": Row("exact posterior, threshold", options=THRESHOLD),
    "alg1": Row("Algorithm 1 as printed, draw", sampler="xor"),
    "alg1-threshold": Row("Algorithm 1 as printed, threshold", sampler="xor", options=THRESHOLD),
    "nested": Row("Algorithm 1, nested masks, draw", "base", "nested"),
    "nested-threshold": Row("Algorithm 1, nested masks, threshold", "base", "nested", THRESHOLD),
    "naive": Row("naive, draw", sampler="naive"),
    "naive-threshold": Row("naive, threshold", sampler="naive", options=THRESHOLD),
    "refreshed": Row("posterior, refresh 0.3, draw", sampler="refreshed"),
    "l2": Row("L2", "l2"),
    "l2-threshold": Row("L2, exact posterior, threshold", "l2", options=THRESHOLD),
    "l1": Row("L1, draw", "l1"),
    "l1-threshold": Row("L1, exact posterior, threshold", "l1", options=THRESHOLD),
    "bound": Row("the bound itself as the loss", "bound"),
    "untold": Row("not told the level", "untold"),
    "half": Row("ρ = 0.5", "half"),
    "linear": Row("linear schedule, ᾱ = 1 - t/T", "linear"),
    "cosine": Row("cosine schedule", "cosine"),
    "difficulty": Row("difficulty-spaced schedule", "difficulty"),
    # Whose doing is it that thresholding falls silent?
    "half-alg1-threshold": Row("ρ = 0.5, Algorithm 1, threshold", "half", "xor", THRESHOLD),
    "untold-alg1-threshold": Row(
        "not told the level, Algorithm 1, threshold", "untold", "xor", THRESHOLD
    ),
    "linear-alg1-threshold": Row("linear, Algorithm 1, threshold", "linear", "xor", THRESHOLD),
    "author": Row("author's code: L1, threshold, Algorithm 1, linear", "author", "xor", THRESHOLD),
    "author-draw": Row("author's network, exact posterior, draw", "author"),
    "paper": Row(
        "paper's letter: L2, threshold, Algorithm 1, linear, not told the level, ρ = 0.5",
        "paper",
        "xor",
        THRESHOLD,
    ),
    "paper-draw": Row("paper's network, exact posterior, draw", "paper"),
}


def trained(name, options, pieces, resume):
    """The network of a row's training, with `resume` from its checkpoint: (model, seconds).

    Raises KeyboardInterrupt when Ctrl-C ended it early, leaving a checkpoint.
    """
    folder = options.out / "runs" / options.name / name
    changes, density = dict(TRAININGS[name]), datasets.density(pieces)
    prior = changes.pop("prior", density)
    config = replace(BASE, steps=options.steps, **changes)
    run = Run(config, prior, pieces[0].roll.shape[0], CPU)
    for network in (run.model, run.ema):  # all begin with the right density, whatever their ρ
        torch.nn.init.constant_(network.last.bias, math.log(density / (1 - density)))
    if resume:
        with suppress(TrainingError):  # none, or of other settings
            run.restore(folder)
    bank, begun = Bank(pieces, config, CPU), time.process_time()
    if run.step < config.steps:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            stopping() as stop,
            tqdm(
                total=config.steps,
                initial=run.step,
                desc=f"training {name}",
                unit="step",
                leave=False,
                disable=options.quiet,
            ) as bar,
        ):
            while run.step < config.steps and not stop.is_set():
                run.advance(bank)
                bar.update()
            run.save(folder)
    if run.step < config.steps:
        raise KeyboardInterrupt
    return load(folder), time.process_time() - begun


def bounds(model, x0, options):
    """The bound of the chain that the row samples from, in `calls` steps, and at T = 1000.

    Nats a roll, with their Monte Carlo errors: the same rolls and seeds for every row.
    """
    fine = model.alpha_bar(max(1000, options.calls))
    _, coarse = schedules.respace(fine, options.calls)
    found = {}
    for name, alpha_bar in (("nats", fine), ("chain", coarse)):
        value, error = likelihood.bound(
            model.network,
            x0,
            alpha_bar,
            prior=model.prior,
            steps=options.calls,
            batch=8,
            generator=torch.Generator().manual_seed(0),
            progress=not options.quiet,
        ).per_roll
        found |= {name: value, f"{name}_error": error}
    return found


def music(model, row, real, options):
    """Statistics of the row's rolls, and their overlap with validation music over the floor's."""
    generator, made = torch.Generator().manual_seed(0), []
    for first in tqdm(
        range(0, options.n, BATCH),
        desc=f"sampling, {row.says}",
        unit="call",
        leave=False,
        disable=options.quiet,
    ):
        made.append(
            prompting.generate(
                model,
                min(BATCH, options.n - first),
                sampler=SAMPLERS[row.sampler],
                steps=options.calls,
                generator=generator,
                **row.options,
            )[:, 0].numpy()
            > 0
        )
    made = np.concatenate(made)
    found = comparison.compare(made, real["valid"], real["train"], bootstraps=0)["features"]
    ratios = {  # a roll in which a feature cannot be measured overlaps with no music
        name: (feature["ratio"] or 0.0) * feature["measured"] for name, feature in found.items()
    }
    return {
        "statistics": statistics(made),
        "overlap": {
            "mean": np.mean(list(ratios.values())).item(),
            "min": min(ratios.values()),
            "least": min(ratios, key=ratios.get),
            "ratios": ratios,
        },
    }


def strict(value):
    """JSON has no nan and no infinity: null says that there was nothing to measure."""
    if isinstance(value, dict):
        return {k: strict(v) for k, v in value.items()}
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value


def table(document):
    """The document as Markdown."""
    budget, keys = document["budget"], list(document["held_out"])

    def cells(figures):
        return [
            "–"
            if figures[k] is None
            else f"{figures[k]:.1f}"
            if k == "onsets"
            else f"{figures[k]:.3f}"
            for k in keys
        ]

    def nats(bound, name):
        if bound is None or bound[name] is None:
            return "–"
        return f"{bound[name]:,.0f} ± {bound[f'{name}_error']:.0f}"

    lines = []
    for title, name in (("validation chorales", "held_out"), ("training chorales", "training")):
        lines.append([title, "", "", *cells(document[name]), "", ""])
    for name in ROWS:
        if row := document["rows"].get(name):
            least = row["overlap"]
            lines.append(
                [
                    row["says"],
                    nats(row["bound"], "nats"),
                    nats(row["bound"], "chain"),
                    *cells(row["statistics"]),
                    f"{least['mean']:.3f}",
                    f"{least['min']:.2f} ({least['least'].replace('_', ' ')})",
                ]
            )
    head = [
        "",
        "nats a roll, T = 1000",
        f"in {budget['calls']} calls",
        *(k.replace("_", " ") for k in keys),
        "mean overlap",
        "least overlap",
    ]
    return (
        "# Ablations: one thing changed a row\n\n"
        f"Made by `{document['command']}`: each network has {budget['parameters']:,} parameters "
        f"and saw {budget['steps']:,} batches of {budget['batch']} rolls; {budget['n']} rolls a "
        f"row, {budget['calls']} calls each; bounds over {budget['windows']} rolls. A row differs "
        "from the base in what it names and nothing else.\n\n"
        "*Nats a roll* bounds -ln p of validation rolls, for drawn bits and the exact posterior, "
        "the chain that has a bound; ± is its Monte Carlo error. *Mean overlap* is that of all "
        "features' MGEval overlaps with validation music, each over the floor that training music "
        "reaches; a roll in which a feature cannot be measured counts as no overlap. The base with "
        "another seed says how much of a difference is luck.\n\n"
        + "".join(
            "| " + " | ".join(line) + " |\n" + ("|---" * len(head) + "|\n") * (i == 0)
            for i, line in enumerate([head, *lines])
        )
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        temporary.write_text(text)


def pace(pieces, minutes):
    """How many steps take so many minutes here and now, rounded to hundreds."""
    run = Run(BASE, datasets.density(pieces), pieces[0].roll.shape[0], CPU)
    bank = Bank(pieces, BASE, CPU)
    run.advance(bank)
    begun = time.perf_counter()
    for _ in range(10):
        run.advance(bank)
    return max(100, round(600 * minutes / (time.perf_counter() - begun), -2))


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    long = parser.add_mutually_exclusive_group()
    long.add_argument("--steps", type=int, default=800, help="of each training (default: 800)")
    long.add_argument("--minutes-each", type=float, help="as many steps as take so long here")
    add("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    add("--resume", action="store_true", help="keep rows and networks made with the same settings")
    add("--n", type=int, default=32, help="rolls a row (default: 32)")
    add("--calls", type=int, default=50, help="network calls a roll (default: 50)")
    add("--windows", type=int, default=32, help="validation rolls to bound (default: 32)")
    add("--name", default="ablations", help="of the files and of the folder of networks")
    add("--out", type=Path, default=ROOT, help="folder of data/, benchmarks/ and runs/")
    add("--quiet", action="store_true", help="no progress bars")
    return parser.parse_args(arguments)


def opened(options, command, real):
    """A document without rows; with --resume those of the file at hand that it would make again."""
    network = NETWORKS[BASE.network](**BASE.arguments)
    budget = asdict(replace(BASE, steps=options.steps)) | {
        "n": options.n,
        "calls": options.calls,
        "windows": options.windows,
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    document = json.loads(
        json.dumps(
            {
                "command": f"python benchmarks/ablations.py {shlex.join(command)}",
                "budget": budget,
                "trainings": TRAININGS,
                "held_out": strict(statistics(real["valid"])),
                "training": strict(statistics(real["train"])),
                "rows": {},
            }
        )
    )
    path = options.out / "data" / f"{options.name}.json"
    before = json.loads(path.read_text()) if options.resume and path.exists() else document
    if before["budget"] == document["budget"]:
        document["rows"] = {
            name: row | {"says": ROWS[name].says}
            for name, row in before["rows"].items()
            if name in ROWS
            and all(row[k] == getattr(ROWS[name], k) for k in ("training", "sampler", "options"))
            and before["trainings"][row["training"]] == document["trainings"][row["training"]]
        }
    return document


def main(arguments=None):
    command = sys.argv[1:] if arguments is None else arguments
    options = parse(command)
    pieces, held_out = chorales.load("train"), chorales.load("valid")
    if options.minutes_each:
        options.steps = pace(pieces, options.minutes_each)
    real = {split: chorale_windows(split) for split in ("train", "valid")}
    x0 = datasets.held_out_windows(held_out, BASE.length, options.windows)
    document, ready = opened(options, command, real), set()
    try:
        for name in options.rows:
            row, begun = ROWS[name], time.process_time()
            if name in document["rows"]:
                continue
            model, seconds = trained(
                row.training, options, pieces, options.resume or row.training in ready
            )
            ready.add(row.training)  # further rows of this run share it
            exact = row.sampler == "posterior" and not row.options
            document["rows"][name] = strict(
                {
                    **row._asdict(),
                    "bound": bounds(model, x0, options) if exact else None,
                    **music(model, row, real, options),
                    "core_seconds": {"training": seconds, "all": time.process_time() - begun},
                }
            )
            text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
            write(options.out / "data" / f"{options.name}.json", text)
            write(options.out / "benchmarks" / f"{options.name}.md", table(document))
            tqdm.write(f"{name}: {json.dumps(document['rows'][name]['statistics'])}")
    except KeyboardInterrupt:
        print(f"stopped; --resume goes on from the {len(document['rows'])} rows that are made")
        return 130
    print(table(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
