"""Is it music? Every sampler's rolls beside held-out chorales.

    python benchmarks/samplers.py [--model best] [--n 64] [--steps 100]

Seven statistics (`metrics.statistics`) of `--n` generated rolls a row, beside all whole windows of
the test chorales, with training against test as the floor. Writes data/samplers-MODEL.json, which
chapter 8 reads, and benchmarks/samplers-MODEL.md.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab import datasets, metrics, prompting, rolls, weights

ROOT = Path(__file__).parents[1]
ROWS = {
    "naive, draw": ("naive", {}),
    "naive, threshold": ("naive", {"bit": "threshold"}),
    "XOR mask (Alg. 1), draw": ("xor", {}),
    "XOR mask (Alg. 1), threshold": ("xor", {"bit": "threshold"}),
    "XOR nested masks, draw": ("xor", {"nested": True}),
    "exact posterior, draw": ("posterior", {"refresh": 0.0}),
    "exact posterior, threshold": ("posterior", {"refresh": 0.0, "bit": "threshold"}),
}
for share in (0.02, 0.05, 0.1, 0.3):
    ROWS[f"posterior, refresh {share}"] = ("posterior", {"refresh": share})


def chorale_windows(split):
    """All whole windows of a split, none of them overlapping: (N, 56, 384) bits."""
    return np.stack([
        window
        for piece in datasets.chorales(split)
        for window in rolls.windows(piece.roll)[: piece.roll.shape[1] // rolls.LENGTH]
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rows", help="only the rows whose name contains this")
    options = parser.parse_args()
    model, card = weights.load(options.model)
    real = {split: metrics.statistics(chorale_windows(split)) for split in ("test", "train")}
    table = {}
    names = [name for name in ROWS if options.rows is None or options.rows in name]
    with tqdm(total=len(names) * options.n, unit="roll") as bar:
        for name in names:
            sampler, extra = ROWS[name]
            generator = torch.Generator().manual_seed(0)
            made, begun = [], time.perf_counter()
            for _ in range(options.n // options.batch):
                made.append(prompting.generate(
                    model, card, options.batch, sampler=sampler, steps=options.steps,
                    generator=generator, **extra,
                )[:, 0].numpy() > 0)
                bar.update(options.batch)
            table[name] = metrics.statistics(np.concatenate(made)) | {
                "seconds_a_roll": (time.perf_counter() - begun) / options.n
            }
            tqdm.write(f"{name}: " + ", ".join(f"{k} {v:.4f}" for k, v in table[name].items()))
    stem = Path(options.model).stem
    document = {
        "command": f"python benchmarks/samplers.py --model {stem} --n {options.n} "
        f"--steps {options.steps}",
        "rolls": options.n, "steps": options.steps, "held_out": real["test"],
        "training": real["train"], "samplers": table,
    }
    keys = list(real["test"])
    lines = ["| | " + " | ".join(k.replace("_", " ") for k in keys) + " | worst |",
             "|---" * (len(keys) + 2) + "|"]
    for name, row in {"held-out chorales (test)": real["test"],
                      "training chorales": real["train"], **table}.items():
        off = max(abs(row[k] / real["test"][k] - 1) for k in keys if k != "silent")
        lines.append(f"| {name} | " + " | ".join(f"{row[k]:.3f}" for k in keys) + f" | {off:.0%} |")
    text = (
        f"# Samplers, model `{stem}`\n\n{options.n} rolls a row, {options.steps} calls each, made by "
        f"`{document['command']}`.\n*worst* is the largest relative distance from held-out over all "
        "figures but silence, whose share is near zero.\n\n" + "\n".join(lines) + "\n"
    )
    (ROOT / "data" / f"samplers-{stem}.json").write_text(json.dumps(document, indent=1) + "\n")
    (ROOT / "benchmarks" / f"samplers-{stem}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
