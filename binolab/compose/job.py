"""What all commands share: how a model writes, and where the notes go that it writes."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import InitVar, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypedDict

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from binolab import files
from binolab.diffusion import prompting, sliding
from binolab.diffusion.sampling import Sampler, Step, named
from binolab.evaluation.features import features, statistics
from binolab.model import Model, load, pick_device
from binolab.music import editing, midi, rolls, scores, voices
from binolab.music.editing import Given
from binolab.music.midi import LONGEST, Midi
from binolab.show import audio

MOST = {"n": 10_000, "steps": 100_000, "candidates": 1_000}
MOST_ROUNDS = 100  # to `revise`
SEEDS = 1_000_003  # between the seeds of a piece's candidates
PIANO = range(21, 109)  # where new notes may be: A0 to C8
SCORES = (".musicxml", ".mxl")
VOICES = ("Soprano", "Alto", "Tenor", "Bass")


def _parallels(axes, roll):
    measured = features(roll[None], **axes)
    return float(np.nansum([measured[f"parallel_{kind}"][0] for kind in ("fifths", "octaves")]))


def _dissonance(axes, roll):
    return statistics(roll[None], **axes)["dissonance"]


def _off_scale(axes, roll):
    return -statistics(roll[None], **axes)["in_scale"]


JUDGES: dict[str, Callable] = {  # of a roll: the less the better
    "parallels": _parallels,
    "dissonance": _dissonance,
    "scale": _off_scale,
}

Target: TypeAlias = str | Path | BinaryIO | None
Pieces: TypeAlias = Any  # a `PrettyMIDI`, or a list of them where `n` is more than one


class How(TypedDict, total=False):
    """How a model writes: options that all commands share.

    Parameters
    ----------
    model
        A shipped name, a ``.safetensors`` file, a run's folder, or a `Model`; "best".
    n
        How many; of more than one a list is returned, and files are numbered.
    seed
        Same seed, same music; of several, this one and those that follow.
    steps
        Of the sampler, each a call of the network or two; 50.
    sampler
        A name in `sampling.SAMPLERS`, or a step of your own; "refreshed".
    bit
        "draw", "each" or "threshold": as in `sampling.sample`.
    revise
        How often at most the beats around parallel fifths and octaves are written anew, and kept
        if better (`prompting.revise`); 3 where the model writes four voices.
    device
        "auto", "cpu", "cuda"; a `Model` stays where it is.
    candidates, judge
        Write so many for each piece, and keep the best: that with the fewest "parallels", the
        least "dissonance", the most notes in one "scale"; or the least by a function of your own
        of the bits (P, L).
    program
        The sound of new tracks, 0 to 127 (General MIDI), on which all that is new comes then. By
        default that of the given track; in a piece of several, new notes come on these.
    plot, audio
        Write a PNG, an MP3 beside the MIDI file.
    progress
        Show a bar; by default, on a terminal.
    """

    model: str | Path | Model
    n: int
    seed: int | None
    steps: int
    sampler: str | Step | Sampler
    bit: str
    revise: int | None
    device: str
    candidates: int
    judge: str | Callable
    program: int | None
    plot: bool
    audio: bool
    progress: bool | None


@dataclass
class Job:
    """What is asked of every command, checked; and the writing itself."""

    out: InitVar[Target]
    model: str | Path | Model = "best"
    n: int = 1
    seed: int | None = None
    steps: int = 50
    sampler: str | Step | Sampler = "refreshed"
    bit: str = "draw"
    revise: int | None = None
    device: str = "auto"
    candidates: int = 1
    judge: str | Callable = "parallels"
    program: int | None = None
    plot: bool = False
    audio: bool = False
    progress: bool | None = None
    targets: list[dict] = field(init=False)  # of each piece, "mid", "png" and "mp3" to paths
    stream: BinaryIO | None = field(init=False, default=None)

    def __post_init__(self, out):
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` must be 1 to {most:,}, got {getattr(self, name)}")
        if self.revise is not None and not 0 <= self.revise <= MOST_ROUNDS:
            raise ValueError(f"`revise` must be 0 to {MOST_ROUNDS}, got {self.revise}")
        if self.program is not None and not 0 <= self.program <= 127:
            raise ValueError(f"`program` must be 0 to 127, got {self.program}")
        if not callable(self.judge) and self.judge not in JUDGES:
            raise ValueError(f"`judge` must be one of {', '.join(JUDGES)}, got {self.judge!r}")
        self.sampler = named(self.sampler)
        self.where = pick_device(self.device)
        self.first = secrets.randbelow(2**31) if self.seed is None else self.seed
        if out is None or hasattr(out, "write"):
            if self.plot or self.audio or out is not None and self.n > 1:
                raise ValueError(
                    "`plot`, `audio` and `n` write several files: name a MIDI file, `out`"
                )
            self.stream = out
            self.targets = [{} for _ in range(self.n)]
            return
        if Path(out).suffix.lower() not in (".mid", ".midi", *SCORES):
            raise ValueError(f"{out}: the output must end in .mid, .musicxml or .mxl")
        beside = [kind for kind, asked in (("png", self.plot), ("mp3", self.audio)) if asked]
        self.targets = [
            {"mid": path} | {kind: path.with_suffix(f".{kind}") for kind in beside}
            for path in numbered(out, self.n)
        ]
        for paths in self.targets:
            for path in paths.values():
                files.check_writable(path)

    @property
    def writes_scores(self) -> bool:
        """Whether a score is written, and no MIDI."""
        return any(path.suffix.lower() in SCORES for path in self.targets[0].values())

    def loaded(self) -> Model:
        """The model, on the device; one that is given stays on its own."""
        if isinstance(self.model, Model):
            self.where = self.model.device
            return self.model
        return load(self.model, self.where)

    def write(
        self,
        model: Model,
        given: Given,
        whole: Tensor,
        known: Tensor,
        start: int,
        stop: int,
        *,
        strength: float = 1.0,
        harmony: bool = False,
        beside: Tensor | None = None,
        track: str | None = None,
        move: Callable = lambda roll: (0, roll),
    ) -> Pieces:
        """Write the cells of ticks `start` to ``stop - 1`` that are not known; (P, L) both.

        `beside` are the other parts of a model of several, (V - 1, P, L): given, and not written.
        All new notes come on a `track` of that name, or where `placed` says.
        """
        _check_length(given, stop)
        if self.audio:
            _check_sound(given, known, start, stop)
        x, kept = (a[None, None, :, start:stop] for a in (whole, known))
        if beside is not None:
            others = beside[None, :, :, start:stop]
            x, kept = torch.cat([x, others], 1), torch.cat([kept, torch.ones_like(others) > 0], 1)
        calls = round(self.steps * strength) * len(sliding.plan(model, kept))
        if model.card.channels > 1:
            track = track or "Piano"  # what such a model writes; the others are given, or silent
        made = []

        def draw(seed):
            how: dict[str, Any] = {
                "sampler": self.sampler,
                "bit": self.bit,
                "strength": strength,
                "device": self.where,
                "generator": torch.Generator(self.where).manual_seed(seed % 2**63),
            }
            x0 = sliding.paint(
                model,
                x,
                kept,
                steps=self.steps,
                callback=lambda k, t, *_: t and bar.update(),
                **how,
            )
            x0 = prompting.revise(model, x0, kept, self.revise, paint=sliding.paint, **how)
            return x0[0, 0].numpy()

        with (
            ExitStack() as stack,
            tqdm(
                total=calls * self.n * self.candidates,
                desc="writing",
                unit="step",
                leave=False,
                delay=1,
                disable=None if self.progress is None else not self.progress,
            ) as bar,
        ):
            for i, paths in enumerate(self.targets):  # one at a time: alone, a seed makes the same
                result = whole.clone()
                result[:, start:stop] = torch.from_numpy(
                    self.best(draw, model, given, self.first + i, move)
                )
                piece = self.edited(given, result.numpy() > 0, known.numpy(), harmony, track)
                made.append(piece)
                new = {k: stack.enter_context(files.replacing(p)) for k, p in paths.items()}
                if self.writes_scores:
                    scores.write(piece, new["mid"], paths["mid"].suffix.lower())
                elif "mid" in new:
                    new["mid"].write_bytes(piece.bytes())
                if "png" in new:
                    from binolab.show import plotting  # a second, and few ask for it

                    shown, roll = (a[:, start:stop].numpy() > 0 for a in (known, result))
                    beats = given.grid.beats
                    at = np.interp(given.grid.bars, beats, range(len(beats))) - start / model.ticks
                    bars = dict(enumerate(at.tolist(), start=1))
                    plotting.picture(roll, known=shown, bars=bars, **model.axes).savefig(
                        new["png"], format="png", dpi=plotting.DPI
                    )
                if "mp3" in new:
                    new["mp3"].write_bytes(audio.mp3(audio.play(piece)))
        if self.stream:
            self.stream.write(made[0].bytes())
        pieces = [piece.pretty() for piece in made]  # all files are there now, or none
        return pieces[0] if self.n == 1 else pieces

    def best(self, draw, model, given, seed, move):
        """Of the candidates of a piece, the one that its judge likes best.

        move : callable
            Of a roll: how far it is from what is asked, and the roll brought to it.
        """
        judge = self.judge if callable(self.judge) else partial(JUDGES[self.judge], model.axes)
        ways = [move(draw(seed + SEEDS * k)) for k in range(self.candidates)]
        if len(ways) == 1:
            return ways[0][1]
        return min(ways, key=lambda way: (way[0], judge(way[1] > 0)))[1]

    def edited(
        self,
        given: Given,
        roll: np.ndarray,
        known: np.ndarray,
        harmony: bool = False,
        track: str | None = None,
    ) -> Midi:
        """The piece with the notes that a roll has in free cells."""
        removed, ended, added = editing.changes(given, roll, known)
        added = [new for new in added if new.pitch in PIANO]
        tracks, programs = self.placed(given, roll, known, added, harmony, track)
        return editing.edited(given.midi, removed, ended, tracks, programs)

    def placed(self, given, roll, known, added, harmony, track):
        """On which track each new note comes, with its channel and velocity; and new programs.

        A harmony comes on tracks of its own, and so does all that is new in a piece of one track:
        a track for each voice (`voices.split`; of more notes than voices, those left over go to
        the voice that is nearest). In a piece of several tracks, or channels in one, a new note
        comes on the one whose notes are nearest to it in pitch on the whole, unless a `program` is
        asked for.
        """
        notes, piece = given.notes, given.midi
        loud = _velocities(notes)
        homes = editing.parts(notes)
        if not added:
            return {}, {}
        if track is not None and len(homes) < 2:
            channel, program = _sound(piece, self.program or 0)
            all_new = [(note, channel, loud(note)) for note in added]
            return {track: all_new}, {track: (channel, program)}
        if not harmony and len(homes) > 1 and self.program is None:
            mean = {k: np.mean([n.pitch for n in part]) for k, part in homes.items()}
            tracks: dict = defaultdict(list)
            for new in added:
                home = homes[min(homes, key=lambda k: abs(mean[k] - new.pitch))][0]
                tracks[home.track].append((new, home.channel, loud(new)))
            return tracks, {}
        program = self.program
        if program is None:
            first = notes[0] if notes else None
            program = piece.programs(first.track).get(first.channel, 0) if first else 0
        channel, program = _sound(piece, program)
        told = rolls.to_tensor(known) > 0 if harmony else None
        planes = voices.split(rolls.to_tensor(roll), len(VOICES), told, given.low)[0].numpy() > 0
        names: dict = {name: [] for name in VOICES}
        for new in added:
            row = new.pitch + given.shift - given.low
            middle = given.grid.nearest((new.start + new.end) // 2)
            lit, rows = planes[:, :, min(middle, planes.shape[2] - 1)].nonzero()
            voice = int(lit[abs(rows - row).argmin()]) if len(lit) else len(VOICES) - 1
            voice = max(voice, int(harmony))  # the melody is the first
            names[VOICES[voice]].append((new, channel, loud(new)))
        names = {name: new for name, new in names.items() if new}
        return names, dict.fromkeys(names, (channel, program))


def numbered(out: str | Path, n: int) -> list[Path]:
    """The files of `n` pieces: `out` itself, or ``NAME-1.mid`` and so on."""
    path, digits = Path(out), len(str(n))
    if n == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i:0{digits}}") for i in range(1, n + 1)]


def whole_beats(beats, model) -> int:
    """The ticks of so many beats; the window's where none are asked for."""
    if beats is None:
        return model.length
    if not 1 <= beats <= LONGEST or beats % 1:
        raise ValueError(f"`beats` must be a whole number from 1 to {LONGEST:,}, got {beats:g}")
    return int(beats) * model.ticks


def _sound(piece: Midi, program: int) -> tuple[int, int | None]:
    """A channel for new tracks, and the program that it is to be given.

    Where the piece uses all channels, it is one that has the program, or else that of the first
    note. None: what is given on it keeps its sound.
    """
    used = {e.data[0] & 0x0F for track in piece.tracks for e in track if e.kind < 0xF0}
    pitched = [channel for channel in range(16) if channel != midi.DRUMS]
    if free := [channel for channel in pitched if channel not in used]:
        return free[0], program
    begins: dict[int, int] = {}
    for k in range(len(piece.tracks)):
        begins = piece.programs(k) | begins
    alike = [channel for channel in pitched if begins.get(channel, 0) == program]
    return (alike or [note.channel for note in piece.notes()])[0], None


def _velocities(notes) -> Callable:
    """How loud a new note is: as the given notes that sound when it begins, or began last."""
    if not notes:
        return lambda new: 80
    starts, ends, loud = np.array([(n.start, n.end, n.velocity) for n in notes]).T
    longest = (ends - starts).max()

    def velocity(new):
        first, last = np.searchsorted(starts, (new.start - longest, new.start + 1))
        now = new.start < ends[first:last]
        if now.any():
            return round(float(loud[first:last][now].mean()))
        return int(loud[max(last - 1, 0)])

    return velocity


def _check_length(given: Given, stop: int) -> None:
    """ValueError unless a file with the ticks of this one can hold so much of its grid."""
    resolution = given.midi.resolution
    last, quarters = midi.longest(resolution), given.grid.tick(stop) // resolution
    if quarters > last:
        raise ValueError(
            f"beat {quarters:,} would be written, but a file that counts {resolution:,} ticks a "
            f"beat holds {last:,}; choose fewer `beats`"
        )


def _check_sound(given: Given, known, start, stop) -> None:
    """ValueError unless the highest note and the length that there may be can be played."""
    rows, ticks = ((~known[:, start:stop]).any(i).nonzero()[:, 0].tolist() for i in (1, 0))
    notes = given.midi.notes()
    pitch = max([n.pitch for n in notes] + [given.low - given.shift + row for row in rows[-1:]])
    last = [given.grid.tick(start + tick + 1) for tick in ticks[-1:]]
    seconds = given.midi.clock()[max([n.end for n in notes] + last)]
    try:
        audio.check(pitch, seconds)
    except ValueError as error:
        raise ValueError(f"`audio`: {error}, or leave it out") from None
