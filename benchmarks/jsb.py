"""The published yardstick: binomial diffusion on the JSB chorales, in nats a frame.

    python benchmarks/jsb.py FILE --weights W --minutes 46        trains (again: --resume)
    python benchmarks/jsb.py FILE --weights W --evaluate valid    bounds that split, or any other
    python benchmarks/jsb.py SIXTEENTHS --frames sixteenth --span 4 …      a beat is one token

FILE is JSON, {"train": [piece, …], "valid": …}: a piece is a list of frames, a frame the list of
its sounding MIDI pitches (github.com/czhuang/JSB-Chorales-dataset; quarter-note frames, transposed,
are the published benchmark). The network sees 88 keys and whole pieces. Its figure is an upper
bound on -ln p(piece | its number of frames): all nats over all frames, as in the literature.

The weights of the table, benchmarks/jsb-quarter.safetensors, were trained on that file: the music
is Bach's, and the file states no licence. Use one core (OMP_NUM_THREADS=1) where cores are shared.
Exit status 2: bad input; 0 after Ctrl-C.
"""

import argparse
import json
import math
import shlex
import sys
from pathlib import Path

import numpy as np
import torch
from jsb_network import SHIFTS, ChordTransformer
from jsb_training import KEYS, LOW, JsbError, evaluate, frequency, load, train
from torch.nn import functional as F

from binolab import files

PUBLISHED = [  # nats a frame of the *test* split
    ("RNN", 8.91, "", "Bai et al. (2018)"),
    ("GRU", 8.43, "", "Bai et al. (2018)"),
    ("TCN", 8.10, "", "Bai et al. (2018)"),
    ("NADE", 7.19, "", "Boulanger-Lewandowski et al. (2012)"),
    ("DMM", 6.926, "bound", "Krishnan et al. (2017), Table 3"),
    ("STORN", 6.91, "bound", "Bayer & Osendorfer (2014)"),
    ("DMM with flows", 6.80, "bound", "Bingham et al. (2019)"),
    ("DMM", 6.388, "importance sampling", "Krishnan et al. (2017), Table 3"),
    ("RNN-RBM", 6.27, "estimate", "Boulanger-Lewandowski et al. (2012)"),
    ("RNN-NADE", 5.56, "", "Boulanger-Lewandowski et al. (2012)"),
    ("DMM-Aug-NADE", 5.335, "bound", "Krishnan et al. (2017), Table 4"),
    ("RNN-NADE", 5.19, "", "same authors, as quoted by Krishnan et al. (2017), Table 4"),
    ("DMM-Aug-NADE", 5.118, "importance sampling", "Krishnan et al. (2017), Table 4"),
    (
        "LV-RNN",
        3.99,
        "sequential Monte Carlo",
        "Gu et al. (2015), as quoted by Krishnan et al. (2017), Table 3",
    ),
]

NOTES = {  # what stands below a table
    "quarter": "",
    "sixteenth": """
Sixteenths in the original keys, the split of Boulanger-Lewandowski; a held note is lit in each of
its frames, and whether a note is struck again is not told. A bound here counts 88 bits a frame,
with no voices. Published figures at sixteenths are not put beside it, because they measure other
things: Coconet (Huang et al., 2017) is told which voice is which and picks one pitch for each, so
it never spends nats on how many notes sound; its framewise figure depends on the order in which
cells are told. RNN-NADE reads from left to right, an exact likelihood and no bound.
""",
}


def read(path, split):
    """One split's pieces as float arrays (88, frames) of bits. Raises JsbError."""
    try:
        document = json.loads(Path(path).read_text())
    except OSError as error:
        raise JsbError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise JsbError(f"{path}: is not JSON ({error}); give a file of pieces by split") from None
    if not isinstance(document, dict) or not isinstance(document.get(split), list):
        has = ", ".join(document) if isinstance(document, dict) else "no splits"
        raise JsbError(f"{path}: no split {split!r} there; it has {has}")
    found = []
    for number, piece in enumerate(document[split]):
        try:
            roll = np.zeros((KEYS, len(piece)), np.float32)
            for i, frame in enumerate(piece):
                for pitch in frame:
                    if int(pitch) != pitch or not LOW <= pitch < LOW + KEYS:
                        raise ValueError(f"pitch {pitch} is not in {LOW}..{LOW + KEYS - 1}")
                    roll[int(pitch) - LOW, i] = 1
        except (TypeError, ValueError) as error:
            raise JsbError(f"{path}: {split} piece {number}: {error}") from None
        if len(piece):
            found.append(roll)
    if not found:
        raise JsbError(f"{path}: split {split!r} has no pieces")
    return found


def baselines(pieces, learned):
    """Nats a frame of two models that need no network, fitted to the pieces `learned`.

    Each key on its own: at random with its frequency; or, given whether it sounded in the frame
    before, with its frequency in that case (the first frame at random).
    """

    def cost(bits, p):
        return -np.where(bits > 0, np.log(p), np.log1p(-p)).sum()

    p, frames = frequency(learned)[:, None], sum(piece.shape[1] for piece in pieces)
    before = np.concatenate([x[:, :-1] for x in learned], axis=1)
    after = np.concatenate([x[:, 1:] for x in learned], axis=1)
    held, struck = (
        ((after * was).sum(1, keepdims=True) + p) / (was.sum(1, keepdims=True) + 1)
        for was in (before, 1 - before)
    )
    chain = sum(
        cost(x[:, :1], p) + cost(x[:, 1:], np.where(x[:, :-1] > 0, held, struck)) for x in pieces
    )
    return {
        "each key at random": float(sum(cost(x, p) for x in pieces) / frames),
        "each key given itself a frame before": float(chain / frames),
    }


class Mixture(torch.nn.Module):
    """Several answers as one: a mean of probabilities is a denoiser as well.

    They are those of several networks, each asked about the piece as it is and transposed by up to
    `shifts` semitones either way, which it is told.
    """

    def __init__(self, models, shifts=0):
        super().__init__()
        self.models, self.prior = torch.nn.ModuleList(models), models[0].prior
        self.shifts = range(-shifts, shifts + 1)

    def logits(self, x_t, alpha_bar_t=None, known=None):
        each = [self.ask(m, by, x_t, alpha_bar_t, known) for m in self.models for by in self.shifts]
        each = torch.stack(each)
        return F.logsigmoid(each).logsumexp(0) - F.logsigmoid(-each).logsumexp(0)

    def ask(self, model, by, x_t, alpha_bar_t, known):
        shift = torch.full((len(x_t),), by)
        prior = model.prior.roll(by, 2).expand(len(x_t), -1, -1, -1)
        return model.logits(x_t.roll(by, 2), alpha_bar_t, known, shift, prior).roll(-by, 2)


def network(paths, shifts=0):
    """(network, card) of a weights file; of several, or in several keys, their mean.

    The card is that of the last. Raises JsbError.
    """
    found = []
    for path in paths:
        card, tensors = load(path)
        try:
            model = ChordTransformer(**card["network"]).eval()
            model.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError):
            raise JsbError(
                f"{path}: holds no network of this script; name the --weights file "
                "of a run, not its checkpoint"
            ) from None
        found.append(model)
        if shifts > card["training"]["shift"]:
            raise JsbError(f"{path}: was transposed by {card['training']['shift']} at most")
    return (Mixture(found, shifts) if len(found) > 1 or shifts else found[0]), card


def table(document):
    """The results as markdown: ours beside the published, best last."""
    published = document["published_on_test"]
    rows = [(row["nats"], row["model"], row["kind"], "test", row["source"]) for row in published]
    for name, found in document["splits"].items():
        split, _, keys = name.partition(", ")
        rows += [
            (nats, baseline, "", split, "computed by `jsb.py`")
            for baseline, nats in ({} if keys else found["baselines"]).items()
        ]
        rows.append(
            (
                found["bound"],
                "**binomial diffusion**" + (keys and f", {keys}"),
                "bound",
                split,
                f"`jsb.py`, ± {found['standard_error']:.3f} (Monte Carlo)",
            )
        )
    lines = ["| model | nats a frame | | split | source |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {nats:.4g} | {kind} | {split} | {source} |"
        for nats, name, kind, split, source in sorted(rows, key=lambda row: -row[0])
    ]
    return "\n".join(lines) + "\n" + NOTES[document["frames"]]


def record(options, found, card):
    """Add a split's result to the JSON of --results, and write --table from all of them."""
    document = {"splits": {}}
    if options.results and options.results.exists():
        document = json.loads(options.results.read_text())
    document |= {"benchmark": "JSB chorales, 88 keys, nats a frame", "frames": options.frames}
    document |= {k: card[k] for k in ("training", "parameters", "steps", "seconds", "curve")}
    keys = f", read in {2 * options.shifts + 1} keys" if options.shifts else ""
    document["splits"][options.evaluate + keys] = found
    document["published_on_test"] = [
        dict(zip(("model", "nats", "kind", "source"), row, strict=True))
        for row in PUBLISHED
        if options.frames == "quarter"
    ]
    text = {options.results: json.dumps(document, indent=1) + "\n", options.table: table(document)}
    for path, content in text.items():
        if path:
            with files.replacing(path) as temporary:
                temporary.write_text(content)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("file", help="JSON of pieces by split")
    add("--weights", required=True, nargs="+", help="file to write; or files to evaluate, as one")
    add("--evaluate", metavar="SPLIT", help="do not train; bound this split")
    add("--resume", action="store_true", help="go on with the run that was interrupted")
    add(
        "--frames",
        choices=list(NOTES),
        default="quarter",
        help="of FILE, for the table (default: quarter)",
    )
    add("--quiet", action="store_true", help="no progress bar")
    add("--results", type=Path, help="JSON to write, or to add the split to")
    add("--table", type=Path, help="markdown to write")
    for name, kind, default, what in (
        ("minutes", float, 46, "of training"),
        ("settle", float, 0, "the last minutes, in which nothing is transposed"),
        ("every", float, 6, "minutes between checkpoints"),
        ("seed", int, 0, "of training or evaluation"),
        ("width", int, 256, "of the network"),
        ("depth", int, 5, "of the network"),
        ("dropout", float, 0.15, ""),
        ("shift", int, 0, "semitones of transposition, which the network is told"),
        ("batch", int, 16, "pieces a step"),
        ("rate", float, 1e-3, "of AdamW; Muon: 20 times it"),
        ("decay", float, 0.05, "of weights"),
        ("ema", float, 0.995, ""),
        ("span", int, 1, "frames a token of the network"),
        ("shifts", int, 0, "semitones either way in which pieces are also read, for --evaluate"),
        ("T", int, 1000, "steps of the diffusion that is bounded"),
        ("levels", int, 64, "steps drawn of them"),
        ("draws", int, 2, "of each"),
    ):
        add(f"--{name}", type=kind, default=default, help=f"{what} (default: {default})".strip())
    options = parser.parse_args(arguments)
    if (
        not math.isfinite(options.minutes)
        or min(
            options.minutes,
            options.every,
            options.batch,
            options.width,
            options.depth,
            options.draws,
            options.span,
        )
        <= 0
        or not 0 <= options.shift <= SHIFTS
    ):
        parser.error(f"minutes, sizes and draws must be above 0, shift between 0 and {SHIFTS}")
    if options.shifts < 0 or (options.shifts and options.evaluate is None):
        parser.error("--shifts must be 0 or more, and goes with --evaluate")
    if not 2 <= options.levels <= options.T:
        parser.error("--levels must be between 2 and T")
    return options


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    try:
        if options.evaluate is None:
            run = train(options, read(options.file, "train"), read(options.file, "valid"))
            print(json.dumps(run.curve[-1] if run.curve else {}))
            return 0
        pieces = read(options.file, options.evaluate)
        model, card = network(options.weights, options.shifts)
        found = evaluate(
            model,
            pieces,
            T=options.T,
            steps=options.levels,
            draws=options.draws,
            seed=options.seed,
            progress=not options.quiet,
        )
        try:
            found["baselines"] = baselines(pieces, read(options.file, "train"))
        except JsbError:  # a file of this split alone has nothing to fit them to
            found["baselines"] = {}
        words = [Path(word).name if Path(word).is_absolute() else word for word in arguments]
        found["command"] = shlex.join(["python", "benchmarks/jsb.py", *words])
        record(options, found, card)
        print(json.dumps(found))
    except (JsbError, OSError) as error:
        print(f"jsb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jsb: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
