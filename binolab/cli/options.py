"""What can be asked on the command line: the commands, their options and their help.

`binolab.cli.main` does what is asked.
"""

from __future__ import annotations

import argparse
from typing import Any

from binolab import __version__
from binolab.files import printable
from binolab.training.config import PRESETS

DEFAULT_STEPS = 50  # more change little: benchmarks/steps.md


def number(text: str) -> float:
    """A number that can be counted with: argparse's own float takes nan and 1e308."""
    value = float(text)
    if not abs(value) <= 1e9:
        raise argparse.ArgumentTypeError(f"a number of a billion at most is wanted, got {text}")
    return value


def seed(text: str) -> int:
    """A seed that a generator takes."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"a seed is from 0 to 2^63 - 1, got {text}")
    return value


class Parser(argparse.ArgumentParser):
    """Shows a fault without what a terminal would obey, and refuses empty words.

    An unset variable in a script gives one. As a path it would mean the current folder.
    """

    def parse_known_args(self, args=None, namespace=None):
        options, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            if getattr(options, action.dest, None) == "":
                self.error(str(argparse.ArgumentError(action, "is empty")))
        return options, rest

    def error(self, message):
        super().error(printable(message))


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default only where there is one to know."""

    def _get_help_string(self, action):
        told = action.default is not None and action.default is not False
        return super()._get_help_string(action) if told else action.help


WHOLE: dict[str, Any] = {"type": int}
NUMBER: dict[str, Any] = {"type": number}
FLAG = {"action": "store_true"}

Table = list[tuple[str, dict[str, Any], str]]  # the flag, what argparse must know of it, its help

GENERATE: Table = [
    ("--tempo", NUMBER | {"default": 100.0}, "beats a minute"),
    ("--key", {"metavar": "TONIC"}, "move the piece to this tonic: G, Bb, F#"),
    ("--mode", {"choices": ["major", "minor"]}, "keep one of this mode, of the --candidates (8 "
     "where none are given)"),
    ("--beats", NUMBER, "length of the piece (default: the model's window); a longer one is "
     "written window by window"),
]  # fmt: skip
COMPLETE: Table = [
    ("--keep", NUMBER | {"metavar": "BEATS"}, "beats to keep, counted from --at; with --beats the "
     "default is the whole piece"),
]  # fmt: skip
PLACE = {"metavar": "BEAT", "required": True}
INFILL: Table = [
    ("--from", PLACE | {"dest": "begin"}, "first beat to write, from 0, or a bar as bar:9"),
    ("--to", PLACE | {"dest": "end"}, "beat, or bar, to stop before"),
]
HARMONIZE: Table = [
    ("--melody", {"metavar": "TRACK"}, "the track that has the melody, by name, or by number among "
     "those with notes (default: the highest line of all)"),
    ("--replace", FLAG, "write all that lies below the melody anew (default: keep the other "
     "notes, and write around them)"),
    ("--rests", {"default": "lead", "choices": ["lead", "keep", "fill"]}, "where nothing is "
     "written: before the melody and after it; in its rests of a beat or more too; nowhere"),
]  # fmt: skip
ACCOMPANY: Table = [
    ("--melody", {"metavar": "TRACK"}, "the track that has the voice, by name, or by number among "
     "those with notes (default: all notes are the voice)"),
]  # fmt: skip
VARY: Table = [
    ("--strength", NUMBER | {"default": 0.75}, "0 leaves it as it is, 1 is all new: the place on "
     "the noise schedule"),
]  # fmt: skip
PEDAL = ("--pedal", FLAG, "heed the sustain pedal")
PIECE: Table = [
    ("piece", {}, "MIDI file, or score (.musicxml, .mxl), or - for standard input; all in a MIDI "
     "file that is no note to be written is kept as it is; of a score, its notes, names, meters, "
     "keys and tempi"),
    ("--at", {"metavar": "BEAT"}, "where to begin: a beat, from 0, or a bar as bar:9; then the "
     "model's window is worked on, or --beats (default: the whole piece)"),
    ("--beats", NUMBER, "how many beats from there; complete writes on until there are so many"),
    ("--beat", {"metavar": "VALUE"}, "what a beat is: 4 a quarter note, 4. a dotted one, 2 a half "
     "(default: by the time signatures)"),
    ("--pickup", {"default": "auto", "metavar": "QUARTERS"}, "how long before the first bar the "
     "piece begins, in quarter notes; auto: as the file says, or by its rhythm"),
    ("--transpose", {"default": "auto", "metavar": "SEMITONES"}, "move the piece for the model, "
     "and back; auto: by octaves, where it does not fit"),
    PEDAL,
]  # fmt: skip
MIDI_OUT: Table = [
    ("-o --out", {"required": True, "metavar": "OUT.mid"}, "file to write: .mid, or .musicxml or "
     ".mxl as a score; - for standard output"),
    ("--n", WHOLE | {"default": 1}, "how many; more than one are numbered"),
    ("--seed", {"type": seed}, "same seed, same music (default: a new one, told); with --n the "
     "files take this seed and those that follow"),
    ("--candidates", WHOLE | {"default": None}, "write so many for each piece and keep the best"),
    ("--judge", {"default": "parallels", "choices": ["parallels", "dissonance", "scale"]},
     "what is best: the fewest parallels, the least dissonance, the most notes of one scale"),
    ("--program", WHOLE, "General MIDI program of the new notes, 0 to 127; they come on tracks of "
     "their own (default: that of the given track; in a piece of several tracks, no new tracks)"),
    ("--quiet", FLAG, "say nothing"),
    ("--plot", FLAG, "also write a PNG beside the MIDI"),
    ("--audio", FLAG, "also write an MP3 beside the MIDI"),
]  # fmt: skip
SAMPLERS = ["refreshed", "gibbs", "posterior", "naive", "xor"]
BITS = ["draw", "each", "threshold"]
SAMPLING: Table = [
    ("--steps", WHOLE | {"default": DEFAULT_STEPS}, "steps of the sampler, each a call of the "
     "network or two"),
    ("--sampler", {"default": "refreshed", "choices": SAMPLERS}, "how noise is taken away"),
    ("--bit", {"default": "draw", "choices": BITS}, "how a probability becomes a bit: drawn, at "
     "most one note a voice; each drawn by itself; lit from a half on"),
    ("--revise", WHOLE | {"metavar": "ROUNDS"}, "how often at most the beats around parallel "
     "fifths and octaves are written anew, ten steps each, and kept if better (default: 3 where "
     "the model writes four voices)"),
    ("--model", {"default": "best"}, "best, piano, unet, a .safetensors file or the folder of a "
     "training run"),
    ("--device", {"default": "auto"}, "auto, cpu, cuda"),
]  # fmt: skip
SEED = ("--seed", {"type": seed, "default": 0}, "same seed, same draws")
DATA = {"metavar": "chorales|maestro[:ROOT]|FOLDER"}
DATA_HELP = (
    "Bach's chorales; MAESTRO, from the folder ROOT of its archive or else from the cache; or a "
    "folder of MIDI files and scores (.musicxml, .xml, .mxl), of which every tenth is held out, "
    "or what its folder valid holds beside its folder train: a file of more than 10,000 beats, or "
    "with 256 in which no note begins, is left out"
)
PRESET_HELP = (
    "book (the default; with --start, that model's own network): minutes on two cores; best: the "
    "shipped network, hours of one core; calibrate: a last stage of it, not transposed; piano: a "
    "piano and what it goes with, parts piano,others; paper: the printed UNet at the author's "
    "size, for a GPU; unet: the same, small"
)
PARTS = ("--parts", {"metavar": "PARTS"}, "which parts of a folder's "
         "files: a name, looked for in those of the track and its instrument (piano finds all "
         "kinds of piano), or General MIDI programs, as 0 or 0-7; a file with no such part is left "
         "out. Several with commas are kept apart, piano,others (default: what the preset, or the "
         "model, was made for; else all)")  # fmt: skip
TRAIN: Table = [
    ("--data", DATA | {"required": True}, DATA_HELP),
    PARTS,
    ("--out", {"required": True, "metavar": "RUN"}, "folder for weights, log, samples and report"),
    ("--preset", {"choices": PRESETS}, PRESET_HELP),
    ("--minutes", NUMBER, "stop after so long, of all sittings together, the learning rate fitted "
     "to it; sampling and measuring take about a tenth more"),
    ("--steps", WHOLE, "batches to train on, of all sittings together (default: the preset's)"),
    ("--batch", WHOLE, "rolls a batch, of all devices together (default: the preset's)"),
    ("--rate", NUMBER, "highest learning rate (default: the preset's)"),
    SEED,
    ("--low", WHOLE | {"metavar": "MIDI"}, "lowest pitch (default: chosen from the data)"),
    ("--pitches", WHOLE, "rows of a roll (default: chosen from the data)"),
    ("--grid", WHOLE, "columns a beat of the bits that noise flips (default: the fewest that hold "
     "99.5 %% of all onsets and ends; triplets want 12)"),
    PEDAL,
    ("--prior", NUMBER, "share of lit cells in noise (default: the data's density)"),
    ("--start", {"metavar": "MODEL"}, "begin with the weights of a trained model: best, a file, a "
     "run"),
    ("--resume", FLAG, "go on with the run in --out, with the same data and settings; with more "
     "--minutes or --steps than it had, a finished one too: the learning rate rises again, to what "
     "it would be there in a run so long from the first, and falls to zero at the new end"),
    ("--every", NUMBER | {"metavar": "SECONDS"}, "between validations (default: 300, or an eighth "
     "of --minutes)"),
    ("--no-evaluation", FLAG, "leave out samples and report"),
    ("--device", {"default": "auto"}, "auto, cpu, cuda; several GPUs by torchrun or accelerate "
     "launch"),
    ("--precision", {"choices": ["auto", "bf16", "fp16", "fp32"]}, "auto: bf16 on GPUs that have "
     "it, fp16 on those before (T4)"),
    ("--compile", {"action": argparse.BooleanOptionalAction}, "use torch.compile (default: in "
     "longer runs on a GPU)"),
]  # fmt: skip
EVALUATE: Table = [
    ("-o --out", {"required": True, "metavar": "REPORT"}, "path of the three files, without an "
     "ending"),
    ("--data", DATA | {"default": "chorales"}, DATA_HELP),
    PARTS,
    ("--split", {"default": "valid", "choices": ["valid", "test"]}, "of chorales and MAESTRO: the "
     "held-out part; test is for final tables"),
    ("--n", WHOLE | {"default": 128}, "rolls to make; held-out windows to bound and harmonize, at "
     "most"),
    SEED,
    *SAMPLING,
    ("--no-likelihood", FLAG, "leave out all bounds"),
    ("--no-harmonization", FLAG, "leave out all that is given a melody or another mask"),
]  # fmt: skip
WRITES = [*MIDI_OUT, *SAMPLING]
FOR_SONGS = [  # the same, and another model
    (name, more | {"default": "piano"} if name == "--model" else more, text)
    for name, more, text in WRITES
]
COMMANDS: list[tuple[str, Table, str, str]] = [  # name, options, help, an example
    ("generate", GENERATE + WRITES, "write a piece from nothing", "-o new.mid --n 4"),
    ("complete", PIECE + COMPLETE + WRITES, "keep the beginning of a piece and write the rest",
     "piece.mid -o out.mid --keep 8"),
    ("infill", PIECE + INFILL + WRITES, "write the beats between two points of a piece",
     "piece.mid -o out.mid --from 4 --to 12"),
    ("harmonize", PIECE + HARMONIZE + WRITES, "write what lies below a melody",
     "melody.mid -o out.mid"),
    ("accompany", PIECE + ACCOMPANY + FOR_SONGS, "write a piano for a voice",
     "song.mid -o out.mid --melody Voice"),
    ("vary", PIECE + VARY + WRITES, "write a variation of a piece",
     "piece.mid -o out.mid --strength 0.75"),
    ("train", TRAIN, "train a model on Bach's chorales, on MAESTRO or on a folder of files",
     "--data my_midi/ --out runs/mine --minutes 30"),
    ("evaluate", EVALUATE, "measure what a model writes beside held-out music",
     "--model best --n 32 --steps 20 -o best-quality"),
]  # fmt: skip
MORE = {  # that the commands' own pages say
    "train": "Train a model, then sample it and measure it. Ctrl-C stops after the current step, "
    "leaving a checkpoint that --resume takes up and a model that --model RUN uses.",
    "evaluate": "Sample, measure, bound and harmonize: writes REPORT.md (printed as well), "
    "REPORT.json and REPORT.png. The same seed gives the same report, except for the seconds.",
}


def parser() -> Parser:
    """The parser of all commands."""
    top = Parser(
        prog="binolab",
        description="Binomial diffusion on binary piano rolls: writes piano music, completes it, "
        "fills a hole in it, harmonizes a melody, varies a piece.",
        epilog="Example: binolab harmonize melody.mid -o harmonized.mid --audio",
    )
    top.add_argument("--version", action="version", version=f"binolab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, options, text, example in COMMANDS:
        command = commands.add_parser(
            name,
            help=text,
            description=MORE.get(name, f"{text[0].upper()}{text[1:]}."),
            epilog=f"Example: binolab {name} {example}",
            formatter_class=Help,
        )
        for flags, how, told in options:
            command.add_argument(*flags.split(), help=told, **how)
    return top
