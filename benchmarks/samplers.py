"""Is it music? Every sampler's rolls beside held-out chorales.

    python benchmarks/samplers.py [--model best] [--n 64] [--steps 100]

Seven statistics (`features.statistics`) of `--n` generated rolls a row, beside all whole windows of
the test chorales, with training against test as the floor. Rows of one table make as many calls of
the network, `--steps`: a polish and a corrector are paid for with steps. Writes
data/samplers-MODEL.json, which chapter 8 reads, and benchmarks/samplers-MODEL.md.
"""

import argparse
import json
import shlex
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab.datasets import chorales
from binolab.diffusion import prompting, sampling
from binolab.evaluation.features import off, statistics
from binolab.model import load
from binolab.music import rolls

ROOT = Path(__file__).parents[1]


class Nested:
    """Algorithm 1 with masks that truly shrink: a step that draws its numbers once, at t = T."""

    def __call__(self, t, x_t, x0_hat, x_T, alpha_bar, prior, generator):
        if t == len(alpha_bar) - 1:
            self.uniform = torch.rand(x_T.shape, generator=generator, device=x_T.device)
        return sampling.xor_mask(t, x_t, x0_hat, x_T, alpha_bar, prior, generator, self.uniform)


SAMPLERS = sampling.SAMPLERS | {"nested": sampling.named(Nested())}
ROWS = {
    "naive, draw": ("naive", {}),
    "naive, threshold": ("naive", {"bit": "threshold"}),
    "XOR mask (Alg. 1), draw": ("xor", {}),
    "XOR mask (Alg. 1), threshold": ("xor", {"bit": "threshold"}),
    "XOR nested masks, draw": ("nested", {}),
    "exact posterior, draw": ("posterior", {}),
    "exact posterior, threshold": ("posterior", {"bit": "threshold"}),
}


def chorale_windows(split):
    """All whole windows of a split, none of them overlapping: (N, 56, 384) bits."""
    return np.stack(
        [
            window
            for piece in chorales.load(split)
            for window in rolls.windows(piece.roll)[: piece.roll.shape[1] // rolls.LENGTH]
        ]
    )


def strict(value):
    """JSON has no nan: null says that there was nothing to measure."""
    if isinstance(value, dict):
        return {k: strict(v) for k, v in value.items()}
    return None if value != value else value


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--refresh",
        type=float,
        nargs="*",
        default=[0.1, 0.3],
        metavar="SHARE",
        help="rows of the posterior that refreshes this share (default: 0.1 0.3)",
    )
    options = parser.parse_args()
    model = load(options.model)
    real = {split: statistics(chorale_windows(split)) for split in ("test", "train")}
    rows = {name: (sampler, extra, options.steps) for name, (sampler, extra) in ROWS.items()}
    for share in options.refresh:
        rows[f"posterior, refresh {share:g}"] = (
            partial(sampling.posterior, refresh=share),
            {},
            options.steps,
        )
    polished = {"polishing": 2}
    rows["posterior, refresh 0.3 + polish"] = ("refreshed", polished, options.steps - 2)
    rows["posterior + Gibbs, draw"] = ("gibbs", {}, (options.steps + 1) // 2)
    table = {}
    with tqdm(total=len(rows) * options.n, unit="roll") as bar:
        for name, (sampler, extra, steps) in rows.items():
            generator = torch.Generator().manual_seed(0)
            made, begun = [], time.perf_counter()
            for _ in range(options.n // options.batch):
                made.append(
                    prompting.generate(
                        model,
                        options.batch,
                        sampler=SAMPLERS.get(sampler, sampler),
                        steps=steps,
                        generator=generator,
                        **extra,
                    )[:, 0].numpy()
                    > 0
                )
                bar.update(options.batch)
            table[name] = statistics(np.concatenate(made)) | {
                "seconds_a_roll": (time.perf_counter() - begun) / options.n
            }
            tqdm.write(f"{name}: " + ", ".join(f"{k} {v:.4f}" for k, v in table[name].items()))
    stem = Path(options.model).stem
    document = {
        "command": "python benchmarks/samplers.py " + shlex.join(sys.argv[1:]),
        "rolls": options.n,
        "steps": options.steps,
        "held_out": real["test"],
        "training": real["train"],
        "samplers": table,
    }
    keys = list(real["test"])
    lines = [
        "| | " + " | ".join(k.replace("_", " ") for k in keys) + " | worst |",
        "|---" * (len(keys) + 2) + "|",
    ]
    for name, row in {
        "held-out chorales (test)": real["test"],
        "training chorales": real["train"],
        **table,
    }.items():
        figures = " | ".join(f"{row[k]:.3f}" for k in keys)
        lines.append(f"| {name} | {figures} | {off(row, real['test']):.0%} |")
    text = (
        f"# Samplers, model `{stem}`\n\n{options.n} rolls a row, {options.steps} calls each, "
        f"made by `{document['command']}`.\n*worst* is the largest relative distance from the "
        "held-out figure; 5 % is added to both shares of silence, which is near zero in real "
        "music.\n\n" + "\n".join(lines) + "\n"
    )
    facts = json.dumps(strict(document), indent=1) + "\n"
    (ROOT / "data" / f"samplers-{stem}.json").write_text(facts)
    (ROOT / "benchmarks" / f"samplers-{stem}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
