"""MIDI in, MIDI out: what the command line and a Python caller both call.

    binolab.harmonize("melody.mid", "out.mid", seed=1)

Only the free part of the piece changes; every other note is copied as it was, on its own track, and
new notes come on a track of their own (`music.editing`).

Chapters: 10 *Completing and infilling*, 11 *Harmonizing*, 12 *Variations*, 15 *Longer*.
"""

from __future__ import annotations

import math
import secrets
from contextlib import ExitStack
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

import torch
from pretty_midi import PrettyMIDI
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from binolab import files
from binolab.diffusion import prompting, sliding
from binolab.diffusion.sampling import Sampler, Step, named
from binolab.model import Model, load, pick_device
from binolab.music import editing, rolls
from binolab.music.midi import LONGEST, longest
from binolab.show import audio, plotting

MOST = {"n": 10_000, "steps": 100_000}


class How(TypedDict, total=False):
    """How a model writes: options that all commands share.

    model : a shipped name, a ``.safetensors`` file, a run's folder, or a `Model`; "best".
    n : how many; of more than one a list is returned, and files are numbered.
    seed : same seed, same music; of several, this one and those that follow.
    steps : of the sampler, each a call of the network or two; 100.
    sampler : a name in `sampling.SAMPLERS`, or a step of your own; "refreshed".
    bit : "draw" or "threshold".
    device : "auto", "cpu", "cuda"; a `Model` stays where it is.
    plot, audio : write a PNG, an MP3 beside the MIDI file.
    progress : show a bar; by default, on a terminal.
    """

    model: str | Path | Model
    n: int
    seed: int | None
    steps: int
    sampler: str | Step | Sampler
    bit: str
    device: str
    plot: bool
    audio: bool
    progress: bool | None


def generate(
    out: str | Path | None = None,
    *,
    tempo: float = 100.0,
    beats: int | None = None,
    **how: Unpack[How],
) -> PrettyMIDI | list[PrettyMIDI]:
    """Write a piece from nothing.

    Parameters
    ----------
    out : path of a MIDI file to write; by default nothing is written.
    tempo : beats a minute, 10 to 1000.
    beats : length; by default the model's window. A longer piece is written window by window.
    how : see `How`.

    Returns
    -------
    The piece, or a list of `n` where `n` is more than one.

    Raises
    ------
    ValueError
        In one line that names the fault and the remedy, before any work is done.

    Chapters: 09, 15.
    """
    job = _Job(out, **how)
    if not 10 <= tempo <= 1000:
        raise ValueError(f"`tempo` must be between 10 and 1000, got {tempo:g}")
    model = job.load()
    length = _ticks(beats, model)
    whole = torch.zeros(model.pitches, length)
    return job.write(model, rolls.blank_midi(tempo=tempo), whole, whole > 0, 0, length)


def complete(
    piece: str | Path | PrettyMIDI,
    out: str | Path | None = None,
    *,
    keep: float | None = None,
    beats: int | None = None,
    at: float | None = None,
    pedal: bool = False,
    **how: Unpack[How],
) -> PrettyMIDI | list[PrettyMIDI]:
    """Keep the beginning of a piece and write the rest.

    Parameters
    ----------
    piece : path of a MIDI file, or a `PrettyMIDI`; its own beats are the grid.
    out : path of a MIDI file to write; by default nothing is written.
    keep : beats to keep, counted from the window's first; with `beats` by default the whole piece.
    beats : write on, past the window, until the piece has this length; what it held after `keep`
        is replaced.
    at : first beat of the window to work on, for a longer piece.
    pedal : heed the sustain pedal.
    how : see `How`.

    Returns, raises: as `generate`. Chapter: 10.
    """
    job, given = _Job(out, **how), _given(piece)
    model = job.load()
    if beats is not None:
        if at is not None:
            raise ValueError("`at` names one window to write in; with `beats`, leave it out")
        stop, roll = _ticks(beats, model), _bits(piece, given, model, pedal)
        keep, whole_is_kept = _ends(roll, model) if keep is None else keep, keep is None
        if not 0 < keep < stop / model.ticks:
            raise ValueError(
                f"`keep` must be more than 0 and less than `beats` {beats:g}, got {keep:g}"
                + " (the whole piece)" * whole_is_kept
            )
        whole = _padded(roll, stop)
        known = prompting.before(whole, round(keep * model.ticks))
        return job.write(model, given, whole * known, known, 0, stop, pedal=pedal)
    whole, start = _window(piece, given, model, at, pedal)
    if keep is None:
        raise ValueError("`keep` is needed: how many beats of the window are to stay")
    if not 1 / model.ticks <= keep < model.length / model.ticks:
        raise ValueError(
            f"`keep` must be more than 0 and less than the window's "
            f"{model.length // model.ticks} beats, got {keep:g}"
        )
    free = ~prompting.before(whole, start + round(keep * model.ticks))
    return job.rewrite(model, given, whole, free, start, pedal=pedal)


def infill(
    piece: str | Path | PrettyMIDI,
    out: str | Path | None = None,
    *,
    begin: float,
    end: float,
    at: float | None = None,
    pedal: bool = False,
    **how: Unpack[How],
) -> PrettyMIDI | list[PrettyMIDI]:
    """Write the beats from `begin` to `end` of a piece, counted from 0; the rest is kept.

    Other parameters as in `complete`; returns, raises: as `generate`. Chapter: 10.
    """
    job, given = _Job(out, **how), _given(piece)
    model = job.load()
    middle = (begin + end - model.length / model.ticks) / 2  # the hole says where
    whole, start = _window(piece, given, model, at, pedal, middle)
    ticks, stop = model.ticks, start + model.length
    first, last = round(begin * ticks), round(end * ticks)
    if not start <= first < last <= stop:
        raise ValueError(
            f"`begin` and `end` must be rising beats of the window, {start / ticks:g} to "
            f"{stop / ticks:g}; got {begin:g} and {end:g}"
        )
    free = prompting.before(whole, last) & ~prompting.before(whole, first)
    return job.rewrite(model, given, whole, free, start, pedal=pedal)


def harmonize(
    piece: str | Path | PrettyMIDI,
    out: str | Path | None = None,
    *,
    at: float | None = None,
    pedal: bool = False,
    **how: Unpack[How],
) -> PrettyMIDI | list[PrettyMIDI]:
    """Write what lies below a melody, the highest line of a piece.

    Parameters as in `complete`; returns, raises: as `generate`. Chapter: 11.
    """
    job, given = _Job(out, **how), _given(piece)
    model = job.load()
    whole, start = _window(piece, given, model, at, pedal)
    melody = prompting.whole_notes(whole, prompting.above_melody(whole))
    free = ~melody & prompting.before(whole, _ends(whole, model) * model.ticks)
    return job.rewrite(model, given, whole, free, start, pedal=pedal)


def vary(
    piece: str | Path | PrettyMIDI,
    out: str | Path | None = None,
    *,
    strength: float = 0.75,
    at: float | None = None,
    pedal: bool = False,
    **how: Unpack[How],
) -> PrettyMIDI | list[PrettyMIDI]:
    """Write a variation of a piece.

    `strength` is the place on the noise schedule, 0 to 1: 0 leaves the piece as it is, 1 is all
    new. Other parameters as in `complete`; returns, raises: as `generate`. Chapter: 12.
    """
    job = _Job(out, **how)
    if not 0 <= strength <= 1:
        raise ValueError(
            f"`strength` must be between 0 (as it is) and 1 (all new), got {strength:g}"
        )
    given = _given(piece)
    model = job.load()
    whole, start = _window(piece, given, model, at, pedal)
    free = prompting.before(whole, _ends(whole, model) * model.ticks if strength else 0)
    return job.rewrite(model, given, whole, free, start, pedal=pedal, strength=strength)


@dataclass
class _Job:
    """What is asked of every command, checked; and the writing itself."""

    out: InitVar[str | Path | None]
    model: str | Path | Model = "best"
    n: int = 1
    seed: int | None = None
    steps: int = 100
    sampler: str | Step | Sampler = "refreshed"
    bit: str = "draw"
    device: str = "auto"
    plot: bool = False
    audio: bool = False
    progress: bool | None = None
    targets: list[dict] = field(init=False)  # of each piece, "mid", "png" and "mp3" to paths

    def __post_init__(self, out):
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` must be 1 to {most:,}, got {getattr(self, name)}")
        self.sampler = named(self.sampler)
        self.where = pick_device(self.device)
        self.first = secrets.randbelow(2**31) if self.seed is None else self.seed
        if out is None:
            if self.plot or self.audio:
                raise ValueError("`plot` and `audio` write beside a MIDI file: name one, `out`")
            self.targets = [{} for _ in range(self.n)]
            return
        if Path(out).suffix.lower() not in (".mid", ".midi"):
            raise ValueError(f"{out}: the output must end in .mid")
        beside = [kind for kind, asked in (("png", self.plot), ("mp3", self.audio)) if asked]
        self.targets = [
            {"mid": path} | {kind: path.with_suffix(f".{kind}") for kind in beside}
            for path in numbered(out, self.n)
        ]
        for paths in self.targets:
            for path in paths.values():
                files.check_writable(path)

    def load(self) -> Model:
        """The model, on the device; one that is given stays on its own."""
        if isinstance(self.model, Model):
            self.where = self.model.device
            return self.model
        return load(self.model, self.where)

    def rewrite(self, model, given, whole, free, start, **options):
        """Write the free cells of the window that begins at tick `start`."""
        stop = start + model.length
        known = ~free | prompting.before(whole, start) | ~prompting.before(whole, stop)
        return self.write(model, given, whole, known, start, stop, **options)

    def write(self, model, given, whole, known, start, stop, *, strength=1.0, pedal=False):
        """Write the cells of ticks `start` to ``stop - 1`` that are not known; (P, L) both."""
        _check_length(given, stop, model)
        if self.audio:
            _check_sound(given, whole, known, start, stop, model)
        x, kept = (a[None, None, :, start:stop] for a in (whole, known))
        calls = round(self.steps * strength) * len(sliding.plan(model, kept))
        made = []
        with (
            ExitStack() as stack,
            tqdm(
                total=calls * self.n,
                desc="writing",
                unit="step",
                leave=False,
                delay=1,
                disable=None if self.progress is None else not self.progress,
            ) as bar,
        ):
            for i, paths in enumerate(self.targets):  # one at a time: alone, a seed makes the same
                generator = torch.Generator(self.where).manual_seed((self.first + i) % 2**63)
                window = sliding.paint(
                    model,
                    x,
                    kept,
                    sampler=self.sampler,
                    steps=self.steps,
                    bit=self.bit,
                    strength=strength,
                    device=self.where,
                    generator=generator,
                    callback=lambda k, t, *_: t and bar.update(),
                )[0, 0]
                result = whole.clone()
                result[:, start:stop] = window
                midi = editing.rewrite(
                    given, result.numpy() > 0, known.numpy(), pedal=pedal, **model.axes
                )
                made.append(midi)
                new = {k: stack.enter_context(files.replacing(p)) for k, p in paths.items()}
                if "mid" in new:
                    midi.write(str(new["mid"]))
                if "png" in new:
                    shown = known[:, start:stop].numpy()
                    plotting.picture(window.numpy() > 0, known=shown, **model.axes).savefig(
                        new["png"], format="png", dpi=plotting.DPI
                    )
                if "mp3" in new:
                    new["mp3"].write_bytes(audio.mp3(audio.play(midi)))
        return made[0] if self.n == 1 else made  # all files are there now, or none


def numbered(out: str | Path, n: int) -> list[Path]:
    """The files of `n` pieces: `out` itself, or ``NAME-1.mid`` and so on."""
    path, digits = Path(out), len(str(n))
    if n == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i:0{digits}}") for i in range(1, n + 1)]


def _given(piece) -> PrettyMIDI:
    """The piece, read where it is a path."""
    return piece if isinstance(piece, PrettyMIDI) else rolls.read_midi(piece)


def _name(piece) -> str:
    return "the piece" if isinstance(piece, PrettyMIDI) else str(piece)


def _bits(piece, given, model, pedal) -> Tensor:
    """The piece as bits, (P, L)."""
    try:
        rolls.grid_seconds(given, model.ticks)  # new notes will need it
        roll = rolls.from_midi(given, pitches=model.pitches, pedal=pedal, **model.axes)
    except rolls.MidiError as error:
        raise rolls.MidiError(f"{_name(piece)}: {error}") from None
    return torch.from_numpy(roll).float()


def _ticks(beats, model) -> int:
    """The ticks of so many beats; the window's where none are asked for."""
    if beats is None:
        return model.length
    if not 1 <= beats <= LONGEST or beats % 1:
        raise ValueError(f"`beats` must be a whole number from 1 to {LONGEST:,}, got {beats:g}")
    return int(beats) * model.ticks


def _window(piece, given, model, at, pedal, best=None) -> tuple[Tensor, int]:
    """The piece as bits, padded to hold its window, and the window's first tick."""
    roll = _bits(piece, given, model, pedal)
    length, ticks = model.length, model.ticks
    beats = roll.shape[1] / ticks
    last = math.ceil(beats) - length // ticks  # the last window's first beat
    if at is None and best is not None:
        at = max(min(max(0, math.floor(best)), last), 0)
    elif at is None:
        if roll.shape[1] >= length + ticks:  # less is a last note held a little long
            raise ValueError(
                f"{_name(piece)}: {beats:g} beats, but the model works on {length // ticks} at a "
                f"time; choose the window's first beat with `at` (0 to {last})"
            )
        at = 0
    if at < 0 or at * ticks >= roll.shape[1] or at != int(at):
        raise ValueError(
            f"`at` must be a whole beat of the piece, 0 to {math.ceil(beats) - 1}; got {at:g}"
        )
    start = int(at) * ticks
    return _padded(roll, start + length), start


def _padded(roll, length) -> Tensor:
    """A roll with rests at its end, where it is shorter than so many ticks."""
    return F.pad(roll, (0, max(0, length - roll.shape[1])))


def _ends(roll, model) -> int:
    """The beats that a piece has, the last one whole."""
    return -(-(int(roll.any(0).nonzero()[-1]) + 1) // model.ticks)


def _check_length(midi, stop, model) -> None:
    """ValueError unless a file with the ticks of this one can hold `stop` ticks of the grid."""
    last, beats = longest(midi.resolution), stop // model.ticks
    if beats > last:
        raise ValueError(
            f"beat {beats:,} would be written, but a file that counts {midi.resolution:,} ticks a "
            f"beat holds {last:,}; choose fewer `beats`"
        )


def _check_sound(midi, whole, known, start, stop, model) -> None:
    """ValueError unless the highest note and the length that there may be can be played."""
    heard = whole > 0
    heard[:, start:stop] |= ~known[:, start:stop]
    pitch = model.low + int(heard.any(1).nonzero()[-1])
    seconds = rolls.grid_seconds(midi, model.ticks)
    try:
        audio.check(pitch, seconds(int(heard.any(0).nonzero()[-1]) + 1))
    except ValueError as error:
        raise ValueError(f"`audio`: {error}, or leave it out") from None
