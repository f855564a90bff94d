"""Longer than the window: how does coherence change with length, and what does length cost?

    python benchmarks/longer.py [--model best] [--n 20] [--beats 128] [--steps 20]

Every way of writing a long piece makes `--n` of them, from the same seed. They are measured by
their place in the piece, bar against bar, and at the seams, beside the chorales of the training
and validation splits that have 64 beats or more (the test split is not used). The costs are
measured in a process of their own for each length. Rows that are there already, made with the same
settings, are kept. Writes data/longer.json and benchmarks/longer.md.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from binolab import files
from binolab.datasets import chorales
from binolab.diffusion import prompting, sliding
from binolab.evaluation import comparison
from binolab.evaluation.evaluate import cut
from binolab.evaluation.features import MAJOR, ratio, statistics
from binolab.model import load
from binolab.music import rolls

ROOT = Path(__file__).parents[1]
BATCH = 4
WAYS = {  # name: beats from one window to the next
    "apart": 16,
    "overlap 4": 12,
    "overlap 8": 8,
    "overlap 12": 4,
    "joint": 8,
    "one go": None,
}
SAYS = {
    "apart": "windows that know nothing of each other, put end to end",
    "overlap 4": "sliding, 4 beats known",
    "overlap 8": "sliding, 8 beats known",
    "overlap 12": "sliding, 12 beats known",
    "joint": "all windows at once, 8 beats in common",
    "one go": "one roll of the whole length",
    "chorales": "Bach",
}
LENGTHS = (16, 32, 64, 128, 256)  # beats, of the costs
COSTS = ("overlap 8", "joint", "one go")
FAR = 24  # bars: the greatest distance at which bars are compared


def write(way, model, n, beats, **options):
    """`n` pieces (n, 1, P, L) by a row of the table."""
    beat, window = model.ticks, model.length
    length = beats * beat
    if way == "apart":
        parts = [prompting.generate(model, n, **options) for _ in range(-(-length // window))]
        return torch.cat(parts, -1)[..., :length]
    if way == "one go":
        return prompting.generate(model, n, length=length, **options)
    hop = WAYS[way] * beat
    if way == "joint":
        together = sliding.joint(model, hop=hop)
        return prompting.generate(together, n, length=length, **options)
    return sliding.generate(model, n, length=length, overlap=window - hop, **options)


# --- coherence -----------------------------------------------------------------------------------


def keys(windows, low=rolls.LOW):
    """The best major scale of each window, 0 to 11; -1 in silence. windows (N, P, L)."""
    classes = windows.sum(2) @ np.eye(12)[(low + np.arange(windows.shape[1])) % 12]
    inside = [classes[:, [(k + m) % 12 for m in MAJOR]].sum(1) for k in range(12)]
    return np.where(classes.any(1), np.argmax(inside, 0), -1)


def fifths(a, b):
    """Steps on the circle of fifths from key to key, 0 to 6."""
    around = (7 * (np.asarray(a) - b)) % 12
    return np.minimum(around, 12 - around)


def in_key(windows, key, low=rolls.LOW):
    """Share of lit cells in each window's given key."""
    rows = (low + np.arange(windows.shape[1]) - np.asarray(key)[:, None]) % 12  # (N, P)
    inside = np.isin(rows, MAJOR)
    return ratio((windows.sum(2) * inside).sum(1), windows.sum((1, 2)))


def by_place(pieces, window):
    """Statistics of the k-th window of all pieces that have one, k = 0, 1, …"""
    found = []
    for k in range(max(p.shape[1] for p in pieces) // window):
        here = [p for p in pieces if p.shape[1] >= (k + 1) * window]
        if len(here) < 3:
            break
        first = np.stack([p[:, :window] for p in here])
        now = np.stack([p[:, k * window : (k + 1) * window] for p in here])
        home, key = keys(first), keys(now)
        away = fifths(key, home)
        row = statistics(now) | {
            "pieces": len(here),
            "in_first_key": float(np.nanmean(in_key(now, home))),
            "same_key": float((away == 0).mean()),
            "near_key": float((away <= 1).mean()),
            "fifths_away": float(away.mean()),
        }
        found.append(row)
    return found


def bars_alike(pieces, bar, beat):
    """How alike are two bars d bars apart? Mean over all pairs, d = 1 … `FAR`.

    harmony: cosine of the pitch classes, beat by beat. cells: lit cells in common, of all lit ones.
    again: share of pairs of which nine cells in ten are in common, a bar come back to the letter.
    """
    harmony, cells = ([[] for _ in range(FAR)] for _ in range(2))
    for piece in pieces:
        n = piece.shape[1] // bar
        cut = piece[:, : n * bar].reshape(len(piece), n, bar).transpose(1, 0, 2)
        beats = cut.reshape(n, len(piece), bar // beat, beat).sum(3)  # (n, P, beats)
        folded = np.stack([beats[:, k::12].sum(1) for k in range(12)], 1).reshape(n, -1)
        unit = folded / np.maximum(np.linalg.norm(folded, axis=1, keepdims=True), 1e-9)
        flat = cut.reshape(n, -1).astype(np.float32)
        common = flat @ flat.T
        union = flat.sum(1)[:, None] + flat.sum(1) - common
        alike = np.where(union > 0, common / np.maximum(union, 1), 0)
        for d in range(1, min(FAR, n - 1) + 1):
            harmony[d - 1].extend(np.diagonal(unit @ unit.T, d).tolist())
            cells[d - 1].extend(np.diagonal(alike, d).tolist())
    enough = [d for d in range(FAR) if len(cells[d]) >= 10]
    return {
        "distance": [d + 1 for d in enough],
        "harmony": [float(np.mean(harmony[d])) for d in enough],
        "cells": [float(np.mean(cells[d])) for d in enough],
        "again": [float(np.mean(np.array(cells[d]) >= 0.9)) for d in enough],
    }


def at_seams(pieces, hop, beat):
    """Notes begun on the first beat of a new stretch, and on all other beats but the piece's first.

    hop : int, ticks from seam to seam; the first seam is at the end of the first window.
    """
    seams, others, held = [], [], {True: [], False: []}
    for piece in pieces:
        begun = (piece[:, 1:] & ~piece[:, :-1]).sum(0)
        through = (piece[:, 1:] & piece[:, :-1]).sum(0)
        for tick in range(beat, piece.shape[1], beat):
            seam = tick >= 384 and (tick - 384) % hop == 0
            (seams if seam else others).append(begun[tick - 1])
            held[seam].append(through[tick - 1])
    return {
        "begun_at_seams": float(np.mean(seams)),
        "begun_elsewhere": float(np.mean(others)),
        "error": float(np.std(seams) / len(seams) ** 0.5),
        "held_at_seams": float(np.mean(held[True])),
        "held_elsewhere": float(np.mean(held[False])),
    }


def summary(pieces, window, held_out, training):
    """All windows after the first: their key beside the first one's, and their music."""
    late = [
        p[:, s : s + window] for p in pieces for s in range(window, p.shape[1] - window + 1, window)
    ]
    of = [i for i, p in enumerate(pieces) for _ in range(window, p.shape[1] - window + 1, window)]
    home = keys(np.stack([p[:, :window] for p in pieces]))[of]
    same = (fifths(keys(np.stack(late)), home) == 0).astype(float)
    each = [same[np.array(of) == i].mean() for i in sorted(set(of))]
    features = comparison.compare(np.stack(late), held_out, training, bootstraps=2)["features"]
    return statistics(np.stack(late)) | {
        "same_key": float(np.mean(each)),
        "same_key_error": float(np.std(each) / len(each) ** 0.5),
        "overlap": float(np.mean([v["ratio"] or 0 for v in features.values()])),
    }


# --- cost ----------------------------------------------------------------------------------------


def cost(way, beats, steps, name):
    """Processor seconds and peak memory above the loaded model's, of one piece; in this process.

    The peak is Linux's own (VmHWM), set back to what is in use before the piece is begun.
    """

    def memory(what):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what))

    torch.set_num_threads(1)
    model = load(name)
    prompting.generate(model, length=model.ticks, steps=2)  # what torch sets up once
    ctypes.CDLL(None).malloc_trim(0)  # give back what loading left
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    begun = time.process_time()
    write(way, model, 1, beats, steps=steps, generator=torch.Generator().manual_seed(0))
    seconds = time.process_time() - begun
    return {"seconds": seconds, "megabytes": (memory("VmHWM") - before) / 1024}


# --- the report ----------------------------------------------------------------------------------


def report(document):
    s = document["settings"]
    keys_ = [
        "overlap",
        "same_key",
        "density",
        "silence",
        "four_voices",
        "in_scale",
        "dissonance",
        "onsets",
    ]
    lines = [
        "# Longer than the window",
        "",
        f"Model `{s['model']}`, {s['n']} pieces of {s['beats']} beats a row, {s['steps']} steps a "
        f"window; the figures are of all windows of 16 beats after the first. *overlap*: mean "
        "over the features of the overlap's share of its floor, beside validation chorales. "
        "*same key*: share of windows whose best scale is that of the first 16 beats, ± one "
        "standard error over pieces. Bach: training and validation chorales of 64 beats or more.",
        f"Made by `{document['command'].strip()}`.",
        "",
        "| way | " + " | ".join(k.replace("_", " ") for k in keys_) + " | seconds a piece |",
        "|---" * (len(keys_) + 2) + "|",
    ]
    for way, row in document["rows"].items():
        late = row["late"]
        cells = [f"{late[k]:.3f}" if late.get(k) is not None else "" for k in keys_]
        cells[1] += f" ± {late['same_key_error']:.3f}"
        seconds = f"{row['seconds']:.1f}" if "seconds" in row else ""
        lines.append(f"| {SAYS[way]} | " + " | ".join(cells) + f" | {seconds} |")
    lines += [
        "",
        "## By place: share of windows in the key of the first",
        "",
        "| way | " + " | ".join(f"{16 * k}–{16 * k + 16}" for k in range(8)) + " |",
        "|---" * 9 + "|",
    ]
    for way, row in document["rows"].items():
        shares = [f"{w['same_key']:.2f}" for w in row["places"][:8]]
        lines.append(f"| {SAYS[way]} | " + " | ".join(shares + [""] * (8 - len(shares))) + " |")
    lines += [
        "",
        "## Seams: notes begun on a beat",
        "",
        "| way | at seams | elsewhere |",
        "|---|---|---|",
    ]
    for way, row in document["rows"].items():
        if "seams" in row:
            seam = row["seams"]
            lines.append(
                f"| {SAYS[way]} | {seam['begun_at_seams']:.2f} ± {seam['error']:.2f} | "
                f"{seam['begun_elsewhere']:.2f} |"
            )
    lines += [
        "",
        f"## Cost of one piece, {s['steps']} steps: processor seconds (peak MB)",
        "",
        "| way | " + " | ".join(f"{b} beats" for b in LENGTHS) + " |",
        "|---" * (len(LENGTHS) + 1) + "|",
    ]
    for way, row in document["costs"].items():
        cells = [
            f"{row[str(b)]['seconds']:.1f} ({row[str(b)]['megabytes']:.0f})"
            if str(b) in row
            else ""
            for b in LENGTHS
        ]
        lines.append(f"| {SAYS[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--beats", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cost", nargs=2, metavar=("WAY", "BEATS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cost:
        way, beats = options.cost
        print(json.dumps(cost(way, int(beats), options.steps, options.model)))
        return
    model = load(options.model)
    window, beat = model.length, model.ticks
    pieces = {split: chorales.load(split) for split in ("valid", "train")}
    held_out, training = (cut(pieces[split], model) for split in ("valid", "train"))
    settings = {
        "model": options.model,
        "trained": model.card.trained,
        "n": options.n,
        "beats": options.beats,
        "steps": options.steps,
    }
    settings = json.loads(json.dumps(settings))
    path = ROOT / "data" / "longer.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    if document.get("settings") != settings:
        document = {"settings": settings, "rows": {}, "costs": {}}
    document["command"] = "python benchmarks/longer.py " + " ".join(sys.argv[1:])

    def keep():
        with files.replacing(path) as temporary:
            temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
        (ROOT / "benchmarks" / "longer.md").write_text(report(document))

    def measured(made):
        return {
            "late": summary(made, window, held_out, training),
            "places": by_place(made, window),
            "bars": bars_alike(made, 4 * beat, beat),
        }

    if "chorales" not in document["rows"]:
        real = [p.roll for split in pieces.values() for p in split]
        real = [r[:, : options.beats * beat] for r in real if r.shape[1] >= 4 * window]
        document["rows"]["chorales"] = measured(real) | {"pieces": len(real)}
    for way in tqdm([w for w in WAYS if w not in document["rows"]], unit="way"):
        generator = torch.Generator().manual_seed(0)
        begun = time.process_time()
        made = (
            torch.cat(
                [
                    write(
                        way,
                        model,
                        min(BATCH, options.n - i),
                        options.beats,
                        steps=options.steps,
                        generator=generator,
                    )
                    for i in range(0, options.n, BATCH)
                ]
            )[:, 0].numpy()
            > 0
        )
        row = {"seconds": (time.process_time() - begun) / options.n} | measured(list(made))
        if WAYS[way]:
            row["seams"] = at_seams(made, WAYS[way] * beat, beat)
        document["rows"][way] = row
        keep()
    for way in COSTS:
        row = document["costs"].setdefault(way, {})
        for beats in LENGTHS:
            if str(beats) not in row:
                said = subprocess.run(
                    [
                        sys.executable,
                        __file__,
                        "--model",
                        options.model,
                        "--steps",
                        str(options.steps),
                        "--cost",
                        way,
                        str(beats),
                    ],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
                row[str(beats)] = json.loads(said)
                keep()
    keep()
    print(report(document))


if __name__ == "__main__":
    main()
