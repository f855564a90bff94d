"""A piece composed as the command line asks: generate, complete, infill, harmonize, vary.

Only the free part of one window changes; every other note is copied as it was, on its own track,
and new notes come on a track of their own (`editing.rewrite`).

Chapters: 10 *Completing and infilling*, 11 *Harmonizing*, 12 *Variations*, 15 *Longer*.
"""

from __future__ import annotations

import math
import os
import secrets
from contextlib import ExitStack
from pathlib import Path

from binolab import files
from binolab.music import editing, rolls
from binolab.music.rolls import LONGEST

MOST = {"n": 10_000, "steps": 100_000}


def outputs(options):
    """The files to write, for each piece a dict of "mid", "png" and "mp3" to paths.

    Raises ValueError unless each can be written.
    """
    path = Path(options.out)
    if path.suffix.lower() not in (".mid", ".midi"):
        raise ValueError(f"{path}: the output must end in .mid")
    for name, most in MOST.items():
        if not 1 <= getattr(options, name) <= most:
            raise ValueError(f"--{name} must be 1 to {most:,}, got {getattr(options, name)}")
    if not 0 <= getattr(options, "strength", 1) <= 1:
        raise ValueError(f"--strength must be between 0 (as it is) and 1 (all new), got "
                         f"{options.strength:g}")
    if not 10 <= getattr(options, "tempo", 100) <= 1000:
        raise ValueError(f"--tempo must be between 10 and 1000, got {options.tempo:g}")
    digits = len(str(options.n))
    stems = [path.stem] if options.n == 1 else [
        f"{path.stem}-{i:0{digits}}" for i in range(1, options.n + 1)
    ]
    asked = {"mid": path.suffix, "png": options.plot and ".png", "mp3": options.audio and ".mp3"}
    found = [
        {kind: path.with_name(stem + ending) for kind, ending in asked.items() if ending}
        for stem in stems
    ]
    for paths in found:
        for file in paths.values():
            writable(file)
    return found


def writable(path):
    """ValueError unless a file can be written here."""
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder; make it first or choose another --out")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path.parent}: the folder is read-only; choose another --out")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is not a file; choose another --out")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{path}: is read-only; choose another --out")
    try:
        files.check_writable(path)
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror}); choose another --out"
        ) from None


def compose(options):
    """generate, complete, infill, harmonize, vary."""
    targets = outputs(options)
    given = None if options.command == "generate" else rolls.read_midi(options.piece)

    import torch  # only once the input is sound
    from tqdm import tqdm

    from binolab.diffusion import sliding as longer
    from binolab.model import load, pick_device

    device = pick_device(options.device)
    model = load(options.model, device)
    grid = model.axes
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed

    if given is None:
        given, start, stop = rolls.blank_midi(tempo=options.tempo), 0, whole_beats(options, model)
        whole = torch.zeros(model.pitches, stop)
        known = torch.zeros_like(whole, dtype=torch.bool)
    elif getattr(options, "beats", None) is not None:
        whole, known, stop = continued(options, given, model)
        start = 0
    else:
        whole, start = whole_piece(options, given, model)
        known = known_cells(options, whole, start, model)
        stop = start + model.length
    check_length(given, stop, model)
    if options.audio:
        check_sound(given, whole, known, start, stop, model)

    x, kept = (a[None, None, :, start:stop] for a in (whole, known))
    strength = getattr(options, "strength", 1.0)
    calls = round(options.steps * max(0, min(1, strength))) * len(longer.plan(model, kept))
    seeds = [(seed + i) % 2**63 for i in range(options.n)]
    with ExitStack() as stack, tqdm(
        total=calls * options.n, desc=options.command, unit="step", leave=False, disable=None,
        delay=1,
    ) as bar:
        for paths, seed in zip(targets, seeds):  # one at a time: alone, a seed makes the same again
            window = longer.paint(
                model, x, kept, sampler=options.sampler, steps=options.steps,
                bit=options.bit, strength=strength, device=device,
                generator=torch.Generator(device).manual_seed(seed),
                callback=lambda k, t, *_: t and bar.update(),
            )[0, 0]
            result = whole.clone()
            result[:, start:stop] = window
            midi = editing.rewrite(given, result.numpy() > 0, known.numpy(), **grid,
                                   pedal=getattr(options, "pedal", False))
            new = {k: stack.enter_context(files.replacing(file)) for k, file in paths.items()}
            midi.write(str(new["mid"]))
            if options.plot:
                from binolab.show import plotting

                plotting.picture(
                    window.numpy() > 0, known=known[:, start:stop].numpy(), **grid
                ).savefig(new["png"], format="png", dpi=plotting.DPI)
            if options.audio:
                from binolab.show import audio

                new["mp3"].write_bytes(audio.mp3(audio.play(midi)))
    for paths, seed in zip(targets, seeds):  # all files are there, or none
        print(files.printable(f"{paths['mid']}  (seed {seed})"))


def check_length(midi, stop, model):
    """ValueError unless a file with the ticks of this one can hold `stop` ticks of the grid."""
    from binolab.music.midi import longest

    last, beats = longest(midi.resolution), stop // model.ticks
    if beats > last:
        raise ValueError(
            f"beat {beats:,} would be written, but a file that counts {midi.resolution:,} ticks a "
            f"beat holds {last:,}; choose fewer beats"
        )


def check_sound(midi, whole, known, start, stop, model):
    """ValueError unless --audio can play the highest note and the length that there may be."""
    from binolab.show import audio

    heard = whole > 0
    heard[:, start:stop] |= ~known[:, start:stop]
    pitch = model.low + int(heard.any(1).nonzero()[-1])
    seconds = rolls.grid_seconds(midi, model.ticks)
    try:
        audio.check(pitch, seconds(int(heard.any(0).nonzero()[-1]) + 1))
    except ValueError as error:
        raise ValueError(f"--audio: {error}, or leave it out") from None


def read_roll(options, midi, model):
    """The piece as bits, as a tensor (P, L)."""
    grid = model.axes | {"pitches": model.pitches}
    try:
        rolls.grid_seconds(midi, model.ticks)  # new notes will need it
        roll = rolls.from_midi(midi, pedal=options.pedal, **grid)
    except rolls.MidiError as error:
        raise rolls.MidiError(f"{options.piece}: {error}") from None
    import torch

    return torch.from_numpy(roll).float()


def whole_beats(options, model):
    """The ticks that --beats asks for; the window's where it is not given."""
    if options.beats is None:
        return model.length
    if not 1 <= options.beats <= LONGEST or options.beats % 1:
        raise ValueError(
            f"--beats must be a whole number from 1 to {LONGEST:,}, got {options.beats:g}"
        )
    return int(options.beats) * model.ticks


def continued(options, midi, model):
    """complete --beats: the piece up to --keep, the mask that knows it, and the ticks to fill.

    What the piece holds beyond stays free, and is dropped.
    """
    import torch

    from binolab.diffusion import prompting

    if options.at is not None:
        raise ValueError("--at names one window to write in; with --beats, leave it out")
    stop, roll = whole_beats(options, model), read_roll(options, midi, model)
    ends = -(-roll.shape[1] // model.ticks)  # beats
    keep = ends if options.keep is None else options.keep
    if not 0 < keep < stop / model.ticks:
        raise ValueError(f"--keep must be more than 0 and less than --beats {options.beats:g}, "
                         f"got {keep:g}" + " (the whole piece)" * (options.keep is None))
    whole = torch.zeros(model.pitches, max(roll.shape[1], stop))
    known = prompting.before(whole, round(keep * model.ticks))
    whole[:, : roll.shape[1]] = roll
    return torch.where(known, whole, 0), known, stop


def whole_piece(options, midi, model):
    """The piece as bits, padded to hold its window, and the window's first tick."""
    import torch

    roll = read_roll(options, midi, model)
    length, ticks = model.length, model.ticks
    beats = roll.shape[1] / ticks
    at, last = options.at, math.ceil(beats) - length // ticks  # the last window's first beat
    if at is None and options.command == "infill":  # the hole says where
        at = min(max(0, math.floor((options.begin + options.end - length / ticks) / 2)), last)
    if at is None and roll.shape[1] >= length + ticks:  # less is a last note held a little long
        raise ValueError(
            f"{options.piece}: {beats:g} beats, but the model works on {length // ticks} at a "
            f"time; choose the window's first beat with --at (0 to {last})"
        )
    at = max(at or 0, 0) if options.at is None else at
    if at < 0 or at * ticks >= roll.shape[1] or at != int(at):
        raise ValueError(
            f"--at must be a whole beat of the piece, 0 to {math.ceil(beats) - 1}; got {at:g}"
        )
    start = int(at) * ticks
    padded = torch.zeros(model.pitches, max(roll.shape[1], start + length))
    padded[:, : roll.shape[1]] = roll
    return padded, start


def known_cells(options, whole, start, model):
    """The mask of a command over the whole piece: what lies outside the window is known."""

    from binolab.diffusion import prompting

    ticks, stop = model.ticks, start + model.length
    lit = whole.any(0).nonzero()
    end = -(-(int(lit[-1]) + 1) // ticks) * ticks  # the piece's last beat, whole
    if options.command == "complete":
        if options.keep is None:
            raise ValueError("--keep is needed: how many beats of the window are to stay")
        if not 1 / ticks <= options.keep < model.length / ticks:
            raise ValueError(
                f"--keep must be more than 0 and less than the window's "
                f"{model.length // ticks} beats, got {options.keep:g}"
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
        melody = prompting.whole_notes(whole, prompting.above_melody(whole))
        free = ~melody & prompting.before(whole, end)
    else:
        free = prompting.before(whole, end if options.strength else 0)
    return ~(free & ~prompting.outside(whole, start, stop))
