"""How fast networks learn and write on this machine, beside what it could do at best.

    python benchmarks/training.py                  what suits the device, in less than ten minutes
    python benchmarks/training.py --rows paper book --seconds 20

A row is a preset with a precision and, on a GPU, with or without torch.compile. Measured are
rolls a second over whole steps; the arithmetic in them, counted by PyTorch, a second, as a share of
what one large matrix product reaches in the same precision; memory; and where a step's time goes,
each part waited for by itself. Random rolls serve: what is in them changes no time.

Writes data/training.json, in which every device keeps its rows, and benchmarks/training.md.
"""

import argparse
import dataclasses
import json
import os
import platform
import resource
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("data", "forward", "backward", "optimizer")
# preset, batch (None: its own), precision, compiled
GPU = {
    "paper": ("paper", None, "auto", False),
    "paper, compiled": ("paper", None, "auto", True),
    "paper, fp32": ("paper", None, "fp32", False),
    "book": ("book", 512, "auto", False),
    "book, compiled": ("book", 512, "auto", True),
    "best": ("best", 512, "auto", False),
    "best, compiled": ("best", 512, "auto", True),
}
CPU = {
    "book": ("book", None, "auto", False),
    "best": ("best", None, "auto", False),
    "unet": ("unet", None, "auto", False),
    "paper": ("paper", 2, "auto", False),
}
CALLS = 20  # of the network, for each roll that is written


def wait(device):
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceiling(device, dtype):
    """FLOP/s of one large matrix product, the best of a few seconds."""
    import torch

    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype or torch.float32) for _ in "ab")
    best, until = float("inf"), time.perf_counter() + 2
    while time.perf_counter() < until:
        begun = time.perf_counter()
        a @ b
        wait(device)
        best = min(best, time.perf_counter() - begun)
    return 2 * n**3 / best


def arithmetic(run, bank):
    """FLOPs of a step, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run.differentiate(run.cost(run.draw(bank)))
    return counter.get_total_flops()


def measure(name, preset, batch, precision, compiled, device, seconds, pieces):
    """One row."""
    import torch

    from binolab.diffusion import prompting
    from binolab.model import Model
    from binolab.training.batches import Bank
    from binolab.training.config import PRESETS
    from binolab.training.step import Run

    config = dataclasses.replace(PRESETS[preset], precision=precision)
    config = dataclasses.replace(config, batch=batch or config.batch, steps=10**9)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    config = config.fitted(pieces)
    plain = Run(config, 0.07, 56, device)
    bank = Bank(pieces, config, device)
    flops = arithmetic(plain, bank)
    run = Run(config, 0.07, 56, device, compiled=True) if compiled else plain
    begun = time.perf_counter()
    for _ in range(3 if device.type == "cuda" else 1):  # compile, choose algorithms
        run.advance(bank)
    wait(device)
    first = time.perf_counter() - begun

    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < 0.6 * seconds or steps < 2:
        run.advance(bank)
        steps += 1
        if steps % 10 == 0:
            wait(device)
    wait(device)
    pace = (time.perf_counter() - begun) / steps

    spent, begun, parted = dict.fromkeys(PARTS, 0.0), time.perf_counter(), 0
    while time.perf_counter() - begun < 0.2 * seconds or parted < 1:
        last = time.perf_counter()

        def lap(part):
            nonlocal last
            wait(device)
            now = time.perf_counter()
            spent[part] += now - last
            last = now

        drawn = run.draw(bank)
        lap("data")
        value = run.cost(drawn)
        lap("forward")
        run.differentiate(value)
        lap("backward")
        run.descend(value)
        lap("optimizer")
        parted += 1
    memory = (
        torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )

    model, many = Model(run.ema.eval(), run.card), 256 if device.type == "cuda" else 2
    begun, made = time.perf_counter(), 0
    while time.perf_counter() - begun < 0.2 * seconds or not made:
        with run.autocast():
            generator = torch.Generator(device).manual_seed(0)
            prompting.generate(
                model, many, device=device, steps=CALLS, sampler="posterior", generator=generator
            )
        wait(device)
        made += many
    return {
        "preset": preset,
        "batch": config.batch,
        "compiled": compiled,
        "precision": str(run.precision or torch.float32).removeprefix("torch."),
        "parameters": sum(p.numel() for p in run.ema.parameters()),
        "samples_per_second": config.batch / pace,
        "flops_per_sample": flops / config.batch,
        "flops_per_second": flops / pace,
        "first_steps_seconds": first,
        "memory": memory,
        "parts": {k: v / sum(spent.values()) for k, v in spent.items()},
        "rolls_per_second": made / (time.perf_counter() - begun),
        "calls": CALLS,
    }


def table(document):
    lines = [
        "# Speed of training",
        "",
        "`python benchmarks/training.py`. Of the ceiling: FLOP/s beside those of one large matrix "
        "product in the same precision, which convolutions of another library may beat. Written: "
        f"rolls a second at {CALLS} calls of the network each (exact posterior).",
        "",
    ]
    for device, found in document.items():
        lines += [
            f"## {device}",
            "",
            f"{found['date']}, torch {found['torch']}, {found['threads']} threads, load "
            f"{found['load']}.",
            "",
            "| row | precision | batch | learned, rolls/s | FLOP/s | of the ceiling | memory | "
            + " | ".join(PARTS)
            + " | written, rolls/s |",
            "|---|---|---|---|---|---|---|" + "---|" * (len(PARTS) + 1),
        ]
        for name, row in found["rows"].items():
            share = row["flops_per_second"] / found["ceiling"][row["precision"]]
            parts = " | ".join(f"{row['parts'][p]:.0%}" for p in PARTS)
            lines.append(
                f"| {name} | {row['precision']} | {row['batch']} "
                f"| {row['samples_per_second']:,.1f} | {row['flops_per_second']:.2e} | {share:.0%} "
                f"| {row['memory'] / 1e9:.1f} GB | {parts} | {row['rolls_per_second']:,.1f} |"
            )
        lines.append("")
    if not any("cuda" in found["kind"] for found in document.values()):
        lines += ["No GPU has been measured yet: run it on one, and its rows will stand here.", ""]
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", metavar="ROW")
    parser.add_argument("--seconds", type=float, default=25.0, help="for each row")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=ROOT)
    options = parser.parse_args(arguments)
    import numpy as np
    import torch

    from binolab.datasets import Piece
    from binolab.model import pick_device

    device = pick_device(options.device)
    known = GPU if device.type == "cuda" else CPU
    wrong = sorted(set(options.rows or ()) - set(known))
    if wrong:
        parser.error(f"no row {wrong[0]!r} on this device; there are {', '.join(known)}")
    random = np.random.default_rng(0)
    pieces = [Piece(str(i), random.random((56, 1536)) < 0.07) for i in range(100)]
    rows, ceilings = {}, {}
    for name in options.rows or known:
        try:
            rows[name] = row = measure(name, *known[name], device, options.seconds, pieces)
        except Exception as error:  # no memory, no compiler: the other rows are worth having
            print(f"{name}: {' '.join(str(error).split())[:200]}", file=sys.stderr)
            continue
        kind = row["precision"]
        if kind not in ceilings:
            ceilings[kind] = ceiling(device, getattr(torch, kind))
        print(
            f"{name}: {row['samples_per_second']:.1f} rolls/s learned, "
            f"{row['flops_per_second'] / ceilings[kind]:.0%} of the ceiling, "
            f"{row['rolls_per_second']:.1f} rolls/s written",
            flush=True,
        )
    title = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else (f"CPU, {torch.get_num_threads()} of {os.cpu_count()} cores ({platform.machine()})")
    )
    path = options.out / "data" / "training.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    before = document.get(title, {})
    document[title] = {
        "kind": device.type,
        "date": str(date.today()),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "ceiling": before.get("ceiling", {}) | ceilings,
        "rows": before.get("rows", {}) | rows,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    said = options.out / "benchmarks" / "training.md"
    said.parent.mkdir(exist_ok=True)
    said.write_text(table(document))
    print(table(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
