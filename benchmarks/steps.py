"""Which sampler, with how many calls? Quality against calls of the network, for every sampler.

    python benchmarks/steps.py [--model best] [--n 48] [--calls 5 10 20 50 100]

Each row is a sampler, a bit rule and a schedule; each point `--n` rolls, held beside *validation*
chorales: the mean over all features of the overlap's share of its floor (`comparison.compare`),
and `features.statistics`. Points that are there already, made with the same settings, are kept, so
it can be stopped and run again. Writes data/steps.json, benchmarks/steps.md, benchmarks/steps.svg.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from samplers import SAMPLERS
from tqdm import tqdm

from binolab import files
from binolab.datasets import chorales
from binolab.diffusion import prompting
from binolab.evaluation import comparison
from binolab.evaluation.evaluate import cut
from binolab.evaluation.features import statistics
from binolab.model import load
from binolab.show import plotting

ROOT = Path(__file__).parents[1]
THRESHOLD = {"bit": "threshold"}
ROWS = {  # name: sampler, its options, the schedule if not the model's own
    "naive": ("naive", {}, None),
    "XOR mask (Alg. 1)": ("xor", {}, None),
    "XOR nested masks": ("nested", {}, None),
    "exact posterior": ("posterior", {}, None),
    "refreshed": ("refreshed", {}, None),
    "refreshed + polish": ("refreshed", {"polishing": 2}, None),
    "exact posterior + polish": ("posterior", {"polishing": 2}, None),
    "posterior + Gibbs": ("gibbs", {}, None),
    "naive, threshold": ("naive", THRESHOLD, None),
    "XOR mask (Alg. 1), threshold": ("xor", THRESHOLD, None),
    "XOR nested masks, threshold": ("nested", THRESHOLD, None),
    "exact posterior, threshold": ("posterior", THRESHOLD, None),
    "refreshed, threshold": ("refreshed", THRESHOLD, None),
    "posterior + Gibbs, threshold": ("gibbs", THRESHOLD, None),
    "refreshed, linear schedule": ("refreshed", {}, ["linear"]),
    "refreshed, cubic schedule": ("refreshed", {}, ["power", 3]),
}
FEW = 16  # rolls of a row that thresholds: it is nearly silent, and enough to show it


def make(model, row, calls, n):
    """`n` rolls by a row of the table with at most so many calls of the network each."""
    sampler, options, schedule = ROWS[row]
    sampler = SAMPLERS[sampler]
    steps = calls - options.get("polishing", 0)
    steps = (steps + 1) // 2 if sampler.corrector else steps  # every step but the last has two
    if schedule is not None:
        model = replace(model, card=replace(model.card, schedule=schedule))
    generator = torch.Generator().manual_seed(0)
    made = [
        prompting.generate(model, 2, sampler=sampler, steps=steps, generator=generator, **options)
        for _ in range(n // 2)
    ]
    return torch.cat(made)[:, 0].numpy() > 0


def measure(made, held_out, training):
    """What is kept of a point: the seven statistics, and how much of the floor it overlaps."""
    features = comparison.compare(made, held_out, training, bootstraps=2)["features"]
    ratios = {k: v["ratio"] for k, v in features.items()}
    direct = [v["direct_ratio"] for v in features.values()]
    worst = min(ratios, key=lambda k: -1 if ratios[k] is None else ratios[k])
    return statistics(made) | {
        "overlap": float(np.mean([r or 0 for r in ratios.values()])),
        "direct_overlap": float(np.mean([r or 0 for r in direct])),
        "worst": worst,
        "worst_overlap": ratios[worst] or 0.0,
    }


def picture(document, path):
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
    panels = {
        "overlap": "overlap, share of the floor",
        "four_voices": "share of ticks with four voices",
        "dissonance": "share of dissonant pairs",
    }
    drawn = [name for name in document["rows"] if "threshold" not in name and "sched" not in name]
    for ax, (figure_name, label) in zip(axes, panels.items()):
        for colour, name in enumerate(drawn):
            both = figure_name != "dissonance"
            styles = {name: "-"} | ({f"{name}, threshold": ":"} if both else {})
            for row, style in styles.items():
                points = document["rows"].get(row, {})
                ax.plot(
                    [int(c) for c in points],
                    [p[figure_name] for p in points.values()],
                    style,
                    marker="o",
                    markersize=3,
                    color=f"C{colour}",
                    label=row if style == "-" else None,
                )
        held_out = document["held_out"].get(figure_name, 1.0)
        ax.axhline(held_out, color=plotting.INK, linewidth=0.8)
        ax.set(
            xscale="log",
            xlabel="calls of the network",
            ylabel=label,
            xticks=document["calls"],
            xticklabels=document["calls"],
        )
        ax.minorticks_off()
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=9,
        title="lines: draw; dots: threshold; black: validation chorales",
    )
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def table(document):
    keys = [
        "overlap",
        "direct_overlap",
        "worst_overlap",
        "worst",
        "four_voices",
        "density",
        "silence",
        "onsets",
        "on_eighths",
        "in_scale",
        "dissonance",
        "seconds_a_roll",
    ]
    lines = [
        "| sampler | calls | " + " | ".join(k.replace("_", " ") for k in keys) + " |",
        "|---" * (len(keys) + 2) + "|",
    ]
    held = {k: document["held_out"].get(k) for k in keys} | {"overlap": 1.0}
    for name, calls, point in [("validation chorales", "", held)] + [
        (name, calls, point)
        for name, row in document["rows"].items()
        for calls, point in row.items()
    ]:
        cells = [
            "" if (v := point[k]) is None else v if isinstance(v, str) else f"{v:.3f}" for k in keys
        ]
        lines.append(f"| {name} | {calls} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=48)
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 10, 20, 50, 100])
    options = parser.parse_args()
    model = load(options.model)
    held_out, training = (cut(chorales.load(split), model) for split in ("valid", "train"))
    settings = {
        "model": options.model,
        "trained": model.card.trained,
        "rolls": options.n,
        "rolls_threshold": min(FEW, options.n),
    }
    settings = json.loads(json.dumps(settings))
    path = ROOT / "data" / "steps.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    if document.get("settings") != settings:
        document = {"settings": settings, "rows": {}}
    document |= {
        "command": "python benchmarks/steps.py " + " ".join(sys.argv[1:]),
        "calls": options.calls,
        "held_out": statistics(held_out),
    }
    amount = {name: min(FEW, options.n) if "threshold" in name else options.n for name in ROWS}
    points = [(calls, name) for calls in options.calls for name in ROWS]
    work = sum(amount[name] * calls for calls, name in points)
    with tqdm(total=work, unit="call") as bar:
        for calls, name in points:
            row = document["rows"].setdefault(name, {})
            if str(calls) not in row:
                begun = time.perf_counter()
                made = make(model, name, calls, amount[name])
                seconds = (time.perf_counter() - begun) / amount[name]
                row[str(calls)] = {
                    k: None if v != v else v for k, v in measure(made, held_out, training).items()
                } | {"seconds_a_roll": seconds}
                with files.replacing(path) as temporary:
                    temporary.write_text(json.dumps(document, indent=1) + "\n")
            bar.update(amount[name] * calls)
    picture(document, ROOT / "benchmarks" / "steps.svg")
    text = (
        f"# Calls of the network, model `{options.model}`\n\n{options.n} rolls a row ({FEW} where "
        "the network's answer is thresholded), beside validation chorales. *overlap*: MGEval's "
        "overlap area, mean over all features of its share of the floor; *worst*: the least of "
        "them.\nMade by `"
        + document["command"].strip()
        + "`.\n\n![](steps.svg)\n\n"
        + table(document)
    )
    (ROOT / "benchmarks" / "steps.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
