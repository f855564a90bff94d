"""What can be asked on the command line: the commands, their options and their help.

`binolab.cli.main` does what is asked.
"""

from __future__ import annotations

import argparse

from binolab import __version__
from binolab.files import printable
from binolab.training.config import PRESETS

DEFAULT_STEPS = 100


def number(text):
    """A number that can be counted with: argparse's own float takes nan and 1e308."""
    value = float(text)
    if not abs(value) <= 1e9:
        raise argparse.ArgumentTypeError(f"a number of a billion at most is wanted, got {text}")
    return value


def seed(text):
    """A seed that a generator takes."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"a seed is from 0 to 2^63 - 1, got {text}")
    return value


class Parser(argparse.ArgumentParser):
    """Shows a fault without what a terminal would obey."""

    def error(self, message):
        super().error(printable(message))


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default only where there is one to know."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def parser():
    top = Parser(
        prog="binolab",
        description="Binomial diffusion on binary piano rolls: writes piano music, completes it, "
        "fills a hole in it, harmonizes a melody, varies a piece.",
        epilog="Example: binolab harmonize melody.mid -o harmonized.mid --audio",
    )
    top.add_argument("--version", action="version", version=f"binolab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, text, example, piece=True):
        sub = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".",
            epilog=f"Example: {example}", formatter_class=Help,
        )
        if piece:
            sub.add_argument("piece", help="MIDI file; its own beats are the grid")
        sub.add_argument("-o", "--out", required=True, metavar="OUT.mid", help="MIDI file to write")
        if piece:
            sub.add_argument("--at", type=number, metavar="BEAT",
                             help="first beat of the window to work on, for a longer piece")
            sub.add_argument("--pedal", action="store_true", help="heed the sustain pedal")
        sub.add_argument("--n", type=int, default=1, help="how many; more than one are numbered")
        sub.add_argument("--seed", type=seed,
                         help="same seed, same music (default: a new one, told); with --n the "
                         "files take this seed and those that follow")
        sampling_options(sub)
        sub.add_argument("--plot", action="store_true", help="also write a PNG beside the MIDI")
        sub.add_argument("--audio", action="store_true", help="also write an MP3 beside the MIDI")
        return sub

    generate = command("generate", "write a piece from nothing",
                       "binolab generate -o new.mid --n 4", piece=False)
    generate.add_argument("--tempo", type=number, default=100.0, help="beats a minute")
    generate.add_argument("--beats", type=number, help="length of the piece (default: the model's "
                          "window); a longer one is written window by window")
    complete = command("complete", "keep the beginning of a piece and write the rest",
                       "binolab complete piece.mid -o out.mid --keep 8")
    complete.add_argument("--keep", type=number, metavar="BEATS",
                          help="beats to keep, counted from the window's first; with --beats the "
                          "default is the whole piece")
    complete.add_argument("--beats", type=number, help="write on, past the window, until the piece "
                          "has this length; what it held after --keep is replaced")
    infill = command("infill", "write the beats between two points of a piece",
                     "binolab infill piece.mid -o out.mid --from 4 --to 12")
    infill.add_argument("--from", dest="begin", type=number, required=True, metavar="BEAT",
                        help="first beat to write, counted from 0")
    infill.add_argument("--to", dest="end", type=number, required=True, metavar="BEAT",
                        help="beat to stop before")
    command("harmonize", "write what lies below a melody",
            "binolab harmonize melody.mid -o out.mid")
    vary = command("vary", "write a variation of a piece",
                   "binolab vary piece.mid -o out.mid --strength 0.75")
    vary.add_argument("--strength", type=number, default=0.75,
                      help="0 leaves it as it is, 1 is all new: the place on the noise schedule")

    train = commands.add_parser(
        "train", help="train a model on Bach's chorales, on MAESTRO or on a folder of MIDI files",
        description="Train a model, then sample it and measure it. Ctrl-C stops after the current "
        "step, leaving a checkpoint that --resume takes up and a model that --model RUN uses.",
        epilog="Example: binolab train --data my_midi/ --out runs/mine --minutes 30",
        formatter_class=Help,
    )
    train.add_argument("--data", required=True, metavar="FOLDER|chorales|maestro[:ROOT]",
                       help="of a folder, every tenth file is held out to measure on; a file of "
                       "more than 10,000 beats, or with 256 in which no note begins, is left out")
    train.add_argument("--out", required=True, metavar="RUN",
                       help="folder for weights, log, samples and report")
    train.add_argument("--preset", choices=list(PRESETS),
                       help="book (the default; with --start, that model's own network): minutes "
                       "on two cores; paper: the printed UNet at the author's size, for a GPU; "
                       "unet: the same, small; chorale: four voices in sixteenths, for "
                       "chorales and hours; first, bound, calibrate: the stages of the shipped "
                       "best")
    train.add_argument("--minutes", type=number,
                       help="stop after so long, of all sittings together, the learning rate "
                       "fitted to it; sampling and measuring take about a tenth more")
    train.add_argument("--steps", type=int,
                       help="batches to train on, of all sittings together (default: the preset's)")
    train.add_argument("--batch", type=int,
                       help="rolls a batch, of all devices together (default: the preset's)")
    train.add_argument("--rate", type=number, help="highest learning rate (default: the preset's)")
    train.add_argument("--seed", type=seed, default=0)
    train.add_argument("--low", type=int, metavar="MIDI",
                       help="lowest pitch (default: chosen from the data)")
    train.add_argument("--pitches", type=int,
                       help="rows of a roll (default: chosen from the data)")
    train.add_argument("--pedal", action="store_true", help="heed the sustain pedal")
    train.add_argument("--prior", type=number,
                       help="share of lit cells in noise (default: the data's density)")
    train.add_argument("--start", metavar="MODEL",
                       help="begin with the weights of a trained model: best, a file, a run")
    train.add_argument("--resume", action="store_true", help="go on with the run "
                       "in --out, with the same data and settings; with "
                       "more --minutes or --steps than it had, a finished one too: the learning "
                       "rate rises again, to what it would be there in a run so long from the "
                       "first, and falls to zero at the new end")
    train.add_argument("--every", type=number, metavar="SECONDS",
                       help="between validations (default: 300, or an eighth of --minutes)")
    train.add_argument("--no-evaluation", action="store_true",
                       help="leave out samples and report")
    train.add_argument("--device", default="auto",
                       help="auto, cpu, cuda; several GPUs by torchrun or accelerate launch")
    train.add_argument("--precision", choices=["auto", "bf16", "fp16", "fp32"],
                       help="auto: bf16 on GPUs that have it, fp16 on those before (T4)")
    train.add_argument("--compile", action=argparse.BooleanOptionalAction,
                       help="use torch.compile (default: in longer runs on a GPU)")

    evaluate = commands.add_parser(
        "evaluate", help="measure what a model writes beside held-out music",
        description="Sample, measure, bound and harmonize: writes REPORT.md (printed as well), "
        "REPORT.json and REPORT.png. The same seed gives the same report, but for the seconds.",
        epilog="Example: binolab evaluate --model best --n 32 --steps 20 -o best-quality",
        formatter_class=Help,
    )
    evaluate.add_argument("-o", "--out", required=True, metavar="REPORT",
                          help="path of the three files, without an ending")
    evaluate.add_argument("--data", default="chorales", metavar="chorales|FOLDER",
                          help="what to compare with; of a folder, every tenth file is held out")
    evaluate.add_argument("--split", default="valid", choices=["valid", "test"],
                          help="of the chorales: the held-out part; test is for final tables")
    evaluate.add_argument("--n", type=int, default=128,
                          help="rolls to make; held-out windows to bound and harmonize, at most")
    evaluate.add_argument("--seed", type=seed, default=0)
    sampling_options(evaluate)
    evaluate.add_argument("--no-likelihood", action="store_true", help="leave out all bounds")
    evaluate.add_argument("--no-harmonization", action="store_true",
                          help="leave out all that is given a melody or another mask")
    return top


def sampling_options(sub):
    """Which model, and how it writes."""
    sub.add_argument("--steps", type=int, default=DEFAULT_STEPS,
                     help="steps of the sampler, each a call of the network or two")
    sub.add_argument("--sampler", default="refreshed",
                     choices=["refreshed", "gibbs", "posterior", "naive", "xor"],
                     help="how noise is taken away")
    sub.add_argument("--bit", default="draw", choices=["draw", "threshold"],
                     help="how a probability becomes a bit")
    sub.add_argument("--model", default="best",
                     help="best, unet, a .safetensors file or the folder of a training run")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda")
