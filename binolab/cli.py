"""The command line: a MIDI file in, a MIDI file out.

Only the free part of one window changes; every other note is copied as it was, on its own track,
and new notes come on a track of their own. A fault is one line on the error stream and exit
status 2, before anything is written.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from binolab import __version__, editing, rolls

DEFAULT_STEPS = 100


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default only where there is one to know."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def parser():
    top = argparse.ArgumentParser(
        prog="binolab",
        description="Binomial diffusion on binary piano rolls: writes piano music, completes it, "
        "fills a hole in it, harmonizes a melody, varies a piece.",
        epilog="Example: binolab harmonize melody.mid -o harmonized.mid --audio",
    )
    top.add_argument("--version", action="version", version=f"binolab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, text, example, piece=True):
        sub = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"Example: {example}",
            formatter_class=Help,
        )
        if piece:
            sub.add_argument("piece", help="MIDI file; its own beats are the grid")
        sub.add_argument("-o", "--out", required=True, metavar="OUT.mid", help="MIDI file to write")
        if piece:
            sub.add_argument("--at", type=float, metavar="BEAT",
                             help="first beat of the window to work on, for a longer piece")
            sub.add_argument("--pedal", action="store_true", help="heed the sustain pedal")
        sub.add_argument("--n", type=int, default=1, help="how many; more than one are numbered")
        sub.add_argument("--seed", type=int, help="same seed, same music (default: a new one, told)")
        sub.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="calls of the network")
        sub.add_argument("--sampler", default="refreshed",
                         choices=["refreshed", "posterior", "naive", "xor"],
                         help="how noise is taken away")
        sub.add_argument("--bit", default="draw", choices=["draw", "threshold"],
                         help="how a probability becomes a bit")
        sub.add_argument("--model", default="best",
                         help="best, paper, a .safetensors file or the folder of a training run")
        sub.add_argument("--device", default="auto", help="auto, cpu, cuda")
        sub.add_argument("--plot", action="store_true", help="also write a PNG beside the MIDI")
        sub.add_argument("--audio", action="store_true", help="also write an MP3 beside the MIDI")
        sub.set_defaults(run=compose)
        return sub

    generate = command("generate", "write a piece from nothing", "binolab generate -o new.mid --n 4",
                       piece=False)
    generate.add_argument("--tempo", type=float, default=100.0, help="beats a minute")
    complete = command("complete", "keep the beginning of a piece and write the rest",
                       "binolab complete piece.mid -o out.mid --keep 8")
    complete.add_argument("--keep", type=float, required=True, metavar="BEATS",
                          help="beats to keep, counted from the window's first")
    infill = command("infill", "write the beats between two points of a piece",
                     "binolab infill piece.mid -o out.mid --from 4 --to 12")
    infill.add_argument("--from", dest="begin", type=float, required=True, metavar="BEAT",
                        help="first beat to write, counted from 0")
    infill.add_argument("--to", dest="end", type=float, required=True, metavar="BEAT",
                        help="beat to stop before")
    command("harmonize", "write what lies below a melody",
            "binolab harmonize melody.mid -o out.mid")
    vary = command("vary", "write a variation of a piece",
                   "binolab vary piece.mid -o out.mid --strength 0.75")
    vary.add_argument("--strength", type=float, default=0.75,
                      help="0 leaves it as it is, 1 is all new: the place on the noise schedule")

    train = commands.add_parser(
        "train", help="train a model on Bach's chorales or on a folder of MIDI files",
        description="Train a model. Ctrl-C stops after the current step, leaving a checkpoint "
        "that --resume takes up and a model that --model RUN uses.",
        epilog="Example: binolab train --data my_midi/ --out runs/mine --steps 5000",
        formatter_class=Help,
    )
    train.add_argument("--data", required=True, metavar="chorales|FOLDER")
    train.add_argument("--out", required=True, metavar="RUN", help="folder for weights and log")
    train.add_argument("--preset", default="best", choices=["best", "paper", "tiny"])
    train.add_argument("--steps", type=int, help="batches to train on (default: the preset's)")
    train.add_argument("--batch", type=int, help="rolls a batch (default: the preset's)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--resume", action="store_true", help="go on with the run in --out")
    train.add_argument("--every", type=float, default=300.0, metavar="SECONDS",
                       help="between checkpoints with validation")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda")
    train.set_defaults(run=train_model)
    return top


def main(arguments=None):
    """Run the command line. Returns the exit status: 0, or 2 after a one-line error."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"binolab: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("binolab: stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


def outputs(options):
    """The MIDI files to write; ValueError unless each can be."""
    path = Path(options.out)
    if path.suffix.lower() not in (".mid", ".midi"):
        raise ValueError(f"{path}: the output must end in .mid")
    if options.n < 1:
        raise ValueError(f"--n must be 1 or more, got {options.n}")
    if options.steps < 1:
        raise ValueError(f"--steps must be 1 or more, got {options.steps}")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder; make it first or choose another --out")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path.parent}: the folder is read-only; choose another --out")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    digits = len(str(options.n))
    return [path] if options.n == 1 else [
        path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}") for i in range(1, options.n + 1)
    ]


def compose(options):
    """generate, complete, infill, harmonize, vary."""
    paths = outputs(options)
    given = None if options.command == "generate" else rolls.read_midi(options.piece)

    from binolab import prompting, weights
    from binolab.training import pick_device  # torch is imported only once the input is sound

    import torch
    from tqdm import tqdm

    device = pick_device(options.device)
    model, card = weights.load(options.model, device)
    grid = {"low": card["low"], "ticks": card["ticks"]}
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    generator = torch.Generator(device).manual_seed(seed)

    if given is None:
        if not 10 <= options.tempo <= 1000:
            raise ValueError(f"--tempo must be between 10 and 1000, got {options.tempo}")
        given, start = rolls.blank_midi(tempo=options.tempo), 0
        whole = torch.zeros(card["pitches"], card["length"])
        known = torch.zeros_like(whole, dtype=torch.bool)
    else:
        whole, start = whole_piece(options, given, card)
        known = known_cells(options, whole, start, card)
    stop = start + card["length"]

    with tqdm(total=options.steps, desc=options.command, unit="step", leave=False,
              disable=None, delay=1) as bar:
        made = prompting.paint(
            model, card,
            *(a[None, None, :, start:stop].expand(options.n, -1, -1, -1).to(device)
              for a in (whole, known)),
            sampler=options.sampler, steps=options.steps, bit=options.bit, generator=generator,
            strength=getattr(options, "strength", 1.0), callback=lambda *_: bar.update(),
        )[:, 0].cpu()

    for path, window in zip(paths, made):
        result = whole.clone()
        result[:, start:stop] = window
        midi = editing.rewrite(given, result.numpy() > 0, known.numpy(), **grid,
                               pedal=getattr(options, "pedal", False))
        rolls.write_midi(midi, path)
        if options.plot:
            from binolab import plotting

            plotting.save_png(window.numpy() > 0, path.with_suffix(".png"),
                              known=known[:, start:stop].numpy(), **grid)
        if options.audio:
            from binolab import audio

            audio.write_mp3(editing.play(midi), path.with_suffix(".mp3"))
        print(f"{path}  (seed {seed})")


def whole_piece(options, midi, card):
    """The piece as bits, padded to hold its window, and the window's first tick."""
    grid = {"low": card["low"], "ticks": card["ticks"], "pitches": card["pitches"]}
    try:
        roll = rolls.from_midi(midi, pedal=options.pedal, **grid)
    except rolls.MidiError as error:
        raise rolls.MidiError(f"{options.piece}: {error}") from None
    import torch

    length, ticks = card["length"], card["ticks"]
    beats = roll.shape[1] / ticks
    if options.at is None and roll.shape[1] > length:
        raise ValueError(
            f"{options.piece}: {beats:g} beats, but the model works on {length // ticks} at a "
            f"time; choose the window's first beat with --at (0 to {beats - length / ticks:g})"
        )
    at = options.at or 0.0
    if at < 0 or at * ticks >= roll.shape[1] or at != int(at):
        raise ValueError(f"--at must be a whole beat of the piece, 0 to {beats:g}; got {at:g}")
    start = int(at) * ticks
    padded = torch.zeros(card["pitches"], max(roll.shape[1], start + length))
    padded[:, : roll.shape[1]] = torch.from_numpy(roll)
    return padded, start


def known_cells(options, whole, start, card):
    """The mask of a command over the whole piece: what lies outside the window is known."""

    from binolab import prompting

    ticks, stop = card["ticks"], start + card["length"]
    lit = whole.any(0).nonzero()
    end = -(-(int(lit[-1]) + 1) // ticks) * ticks  # the piece's last beat, whole
    if options.command == "complete":
        if not 0 < options.keep < card["length"] / ticks:
            raise ValueError(
                f"--keep must be more than 0 and less than the window's "
                f"{card['length'] // ticks} beats, got {options.keep:g}"
            )
        free = ~prompting.before(whole, start + round(options.keep * ticks))
    elif options.command == "infill":
        begin, until = round(options.begin * ticks), round(options.end * ticks)
        if not start <= begin < until <= stop:
            raise ValueError(
                f"--from and --to must be rising beats of the window, {start / ticks:g} to "
                f"{stop / ticks:g}; got {options.begin:g} and {options.end:g}"
            )
        free = ~prompting.outside(whole, begin, until)
    elif options.command == "harmonize":
        free = ~prompting.above_melody(whole) & prompting.before(whole, end)
    else:
        free = prompting.before(whole, end)
    return ~(free & ~prompting.outside(whole, start, stop))


def train_model(options):
    """train."""
    from dataclasses import replace

    from binolab import datasets, presets, training

    preset = presets.PRESETS[options.preset]
    for name in ("steps", "batch"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be 1 or more, got {value}")
    config = replace(
        preset, seed=options.seed,
        **{k: v for k in ("steps", "batch") if (v := getattr(options, k)) is not None},
    )
    if options.data == "chorales":
        pieces, valid = datasets.chorales("train"), datasets.chorales("valid")
    else:
        pieces, valid = datasets.hold_out(datasets.midi_folder(options.data))
    run = training.train(
        config, pieces, valid, options.out, prior=datasets.density(pieces),
        resume=options.resume, device=options.device, every=options.every,
    )
    done = "finished" if run.step >= config.steps else "stopped; go on with --resume"
    print(f"{options.out}: step {run.step} of {config.steps}, {done}")


if __name__ == "__main__":
    sys.exit(main())
