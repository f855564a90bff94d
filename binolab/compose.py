"""MIDI in, MIDI out: what the command line and a Python caller both call.

    binolab.harmonize("melody.mid", "out.mid", seed=1)

The file is edited: every event of it stands in the result as it stood, but for the notes in the
cells that were to be written. New notes come on tracks of their own, one for each voice, or on the
piece's own tracks (`Job.placed` says when).

Chapters: 10 *Completing and infilling*, 11 *Harmonizing*, 12 *Variations*, 15 *Longer*.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import InitVar, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypedDict, Unpack

import numpy as np
import torch
from pretty_midi import PrettyMIDI
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from binolab import files
from binolab.diffusion import prompting, sliding
from binolab.diffusion.sampling import Sampler, Step, named
from binolab.model import Model, load, pick_device
from binolab.music import editing, meter, midi, rolls, voices
from binolab.music.editing import Given
from binolab.music.midi import LONGEST, Midi
from binolab.show import audio, plotting

MOST = {"n": 10_000, "steps": 100_000}
PIANO = range(21, 109)  # where new notes may be: A0 to C8
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
OCTAVES = (0, 12, -12, 24, -24, 36, -36, 48, -48)

Source = str | Path | bytes | PrettyMIDI
Target = str | Path | BinaryIO | None
Pieces = PrettyMIDI | list[PrettyMIDI]


class Remark(UserWarning):
    """What was done to a piece that its owner may not expect."""


class How(TypedDict, total=False):
    """How a model writes: options that all commands share.

    model : a shipped name, a ``.safetensors`` file, a run's folder, or a `Model`; "best".
    n : how many; of more than one a list is returned, and files are numbered.
    seed : same seed, same music; of several, this one and those that follow.
    steps : of the sampler, each a call of the network or two; 100.
    sampler : a name in `sampling.SAMPLERS`, or a step of your own; "refreshed".
    bit : "draw" or "threshold".
    device : "auto", "cpu", "cuda"; a `Model` stays where it is.
    program : the sound of new tracks, 0 to 127 (General MIDI); by default that of the given track.
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
    program: int | None
    plot: bool
    audio: bool
    progress: bool | None


class Where(How, total=False):
    """`How`, and which part of a given piece is worked on.

    at : where to begin: a beat, counted from 0, or "bar:9".
    beats : how many beats from there; by default, with `at`, the model's window, else all.
    beat : what a beat is, as a note value: "4" a quarter, "4." a dotted one, "2" a half, "8" an
        eighth; by default what the time signatures say.
    pickup : "auto", or how long before the first bar the piece begins, in quarter notes; auto goes
        by the time signatures, or hears it.
    transpose : "auto", or semitones by which the piece is moved for the model, and back; auto
        moves it by octaves where the model has no room for it.
    pedal : heed the sustain pedal.
    """

    at: float | str | None
    beats: float | None
    beat: str | None
    pickup: str | float
    transpose: str | int
    pedal: bool


def generate(
    out: Target = None, *, tempo: float = 100.0, beats: int | None = None, **how: Unpack[How]
) -> Pieces:
    """Write a piece from nothing.

    Parameters
    ----------
    out
        A MIDI file to write, or a binary file that is open; by default nothing is written.
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
    job = Job(out, **how)
    if not 10 <= tempo <= 1000:
        raise ValueError(f"`tempo` must be between 10 and 1000, got {tempo:g}")
    model = job.loaded()
    length = _whole(beats, model)
    nothing = midi.blank(tempo)
    given = Given(
        nothing, meter.grid(nothing, model.ticks, least=length // model.ticks), [], model.low
    )
    whole = torch.zeros(model.pitches, length)
    return job.write(model, given, whole, whole > 0, 0, length)


def complete(
    piece: Source, out: Target = None, *, keep: float | None = None, **where: Unpack[Where]
) -> Pieces:
    """Keep the beginning of a piece and write the rest.

    Parameters
    ----------
    piece
        A MIDI file, its bytes, or a `PrettyMIDI`.
    out
        A MIDI file to write, or a binary file that is open; by default nothing is written.
    keep : beats to keep, counted from `at`; by default, where `beats` is given, all of them.
    where : see `Where`. The piece is written until it has `beats`; what it held after `keep` is
        replaced. By default it keeps its length.

    Returns, raises: as `generate`. Chapter: 10.
    """
    task = Task(piece, out, **where)
    start, stop, model = task.start, task.stop, task.model
    ticks = model.ticks
    kept = keep
    if keep is None:
        if task.beats is None:
            raise ValueError("`keep` is needed: how many beats are to stay")
        kept = (task.end - start) / ticks
    if not 1 / ticks <= kept < (stop - start) / ticks:
        raise ValueError(
            f"`keep` must be more than 0 and less than the {(stop - start) / ticks:g} beats that "
            f"the piece is to have, got {kept:g}" + " (the whole piece)" * (keep is None)
        )
    first = start + round(kept * ticks)
    free = task.columns(first, stop)
    if task.beats is not None and task.options["at"] is None:  # nothing is left behind the end
        free |= task.columns(stop, None)
    return task.write(free)


def infill(
    piece: Source,
    out: Target = None,
    *,
    begin: float | str,
    end: float | str,
    **where: Unpack[Where],
) -> Pieces:
    """Write the beats from `begin` to `end` of a piece; the rest is kept.

    begin, end : a beat, counted from 0, or "bar:9". Other parameters as in `complete`.

    Returns, raises: as `generate`. Chapter: 10.
    """
    task = Task(piece, out, **where)
    first, last = task.place(begin, "begin"), task.place(end, "end")
    if not task.start <= first < last <= task.stop:
        ticks = task.model.ticks
        raise ValueError(
            f"`begin` and `end` must be rising beats of the piece, {task.start / ticks:g} to "
            f"{task.stop / ticks:g}; got {begin} and {end}"
        )
    return task.write(task.columns(first, last))


def harmonize(
    piece: Source,
    out: Target = None,
    *,
    melody: str | int | None = None,
    replace: bool = False,
    rests: str = "lead",
    **where: Unpack[Where],
) -> Pieces:
    """Write what lies below a melody.

    Parameters
    ----------
    melody : the track that has it, by name or by number, from 1, among those with notes; by default
        the highest line of all tracks.
    replace : write all that lies below the melody anew; by default other notes are kept, and the
        harmony is written around them.
    rests : "lead" leaves the silence before the melody; "keep" also its rests of a beat or more;
        "fill" writes everywhere.
    Other parameters as in `complete`.

    Returns, raises: as `generate`. Chapter: 11.
    """
    if rests not in ("lead", "keep", "fill"):
        raise ValueError(f"`rests` must be lead, keep or fill, got {rests!r}")
    task = Task(piece, out, melody=melody, harmony=True, **where)
    free = task.columns(task.start, min(task.end, task.stop))
    line = task.line()
    known = prompting.whole_notes(line, prompting.above_melody(line))
    sung = (line > 0).any(0)
    first, last = _ends(sung)
    if rests != "fill":
        known[:, :first] = True
    if rests == "keep":
        for begin, end in _runs(~sung):
            if end - begin >= task.model.ticks:
                known[:, begin:end] = True
    free &= ~known
    if not replace:
        free &= ~task.covered()
    if not free[:, first : last + 1].any():
        raise ValueError(
            f"{task.name}: there is no room to write below the melody; move it up, "
            "with `transpose` 12 say, or name another `melody`"
        )
    return task.write(free, harmony=True)


def vary(
    piece: Source, out: Target = None, *, strength: float = 0.75, **where: Unpack[Where]
) -> Pieces:
    """Write a variation of a piece.

    `strength` is the place on the noise schedule, 0 to 1: 0 leaves the piece as it is, 1 is all
    new. Other parameters as in `complete`; returns, raises: as `generate`. Chapter: 12.
    """
    if not 0 <= strength <= 1:
        raise ValueError(
            f"`strength` must be between 0 (as it is) and 1 (all new), got {strength:g}"
        )
    task = Task(piece, out, **where)
    stop = min(task.end, task.stop) if strength else task.start
    return task.write(task.columns(task.start, stop), strength=strength)


@dataclass
class Job:
    """What is asked of every command, checked; and the writing itself."""

    out: InitVar[Target]
    model: str | Path | Model = "best"
    n: int = 1
    seed: int | None = None
    steps: int = 100
    sampler: str | Step | Sampler = "refreshed"
    bit: str = "draw"
    device: str = "auto"
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
        if self.program is not None and not 0 <= self.program <= 127:
            raise ValueError(f"`program` must be 0 to 127, got {self.program}")
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
    ) -> Pieces:
        """Write the cells of ticks `start` to ``stop - 1`` that are not known; (P, L) both."""
        _check_length(given, stop)
        if self.audio:
            _check_sound(given, whole, known, start, stop)
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
                result = whole.clone()
                result[:, start:stop] = sliding.paint(
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
                piece = self.edited(given, result.numpy() > 0, known.numpy(), harmony)
                made.append(piece)
                new = {k: stack.enter_context(files.replacing(p)) for k, p in paths.items()}
                if "mid" in new:
                    new["mid"].write_bytes(piece.bytes())
                if "png" in new:
                    shown, roll = (a[:, start:stop].numpy() > 0 for a in (known, result))
                    plotting.picture(roll, known=shown, **model.axes).savefig(
                        new["png"], format="png", dpi=plotting.DPI
                    )
                if "mp3" in new:
                    new["mp3"].write_bytes(audio.mp3(audio.play(piece)))
        if self.stream:
            self.stream.write(made[0].bytes())
        pieces = [piece.pretty() for piece in made]  # all files are there now, or none
        return pieces[0] if self.n == 1 else pieces

    def edited(self, given: Given, roll: np.ndarray, known: np.ndarray, harmony: bool) -> Midi:
        """The piece with the notes that a roll has in free cells."""
        removed, ended, added = editing.changes(given, roll, known)
        added = [new for new in added if new.pitch in PIANO]
        tracks, programs = self.placed(given, roll, known, added, harmony)
        return editing.edited(given.midi, removed, ended, tracks, programs)

    def placed(self, given, roll, known, added, harmony):
        """On which track each new note comes, with its channel and velocity; and new programs.

        A harmony comes on tracks of its own, and so does all that is new in a piece of one track:
        a track for each voice (`voices.split`). In a piece of several tracks, a new note comes on
        the one whose notes are nearest to it in pitch on the whole.
        """
        notes, piece = given.notes, given.midi
        loud = _velocities(notes)
        homes = sorted({n.track for n in notes})
        if not harmony and len(homes) > 1:
            mean = {k: np.mean([n.pitch for n in notes if n.track == k]) for k in homes}
            channel = {k: next(n.channel for n in notes if n.track == k) for k in homes}
            tracks: dict = {k: [] for k in homes}
            for new in added:
                home = min(homes, key=lambda k: abs(mean[k] - new.pitch))
                tracks[home].append((new, channel[home], loud(new)))
            return tracks, {}
        used = {e.data[0] & 0x0F for track in piece.tracks for e in track if e.kind < 0xF0}
        free = [c for c in range(16) if c != midi.DRUMS and c not in used] or [0]
        program = self.program
        if program is None:
            first = notes[0] if notes else None
            program = piece.programs(first.track).get(first.channel, 0) if first else 0
        told = rolls.to_tensor(known) > 0 if harmony else None
        planes = voices.split(rolls.to_tensor(roll), len(VOICES), told, given.low)[0].numpy() > 0
        names: dict = {name: [] for name in VOICES}
        for new in added:
            row, at = new.pitch + given.shift - given.low, given.grid.nearest(new.start)
            own = planes[:, row, min(at, planes.shape[2] - 1)]
            voice = int(own.argmax()) if own.any() else len(VOICES) - 1
            names[VOICES[voice]].append((new, free[0], loud(new)))
        names = {name: new for name, new in names.items() if new}
        return names, dict.fromkeys(names, (free[0], program))


class Task:
    """A given piece, opened: its grid, what the model is shown, and the part to work on."""

    def __init__(
        self,
        piece,
        out,
        *,
        melody=None,
        harmony=False,
        at=None,
        beats=None,
        beat=None,
        pickup="auto",
        transpose="auto",
        pedal=False,
        **how,
    ):
        self.job = Job(out, **how)
        unit = None if beat is None else meter.named(beat)
        if pickup != "auto":
            try:
                pickup = Fraction(pickup)
            except (ValueError, ZeroDivisionError):
                raise ValueError(f"`pickup` must be auto or quarter notes, got {pickup}") from None
        self.name = str(piece) if isinstance(piece, (str, Path)) else "the piece"
        self.options = {"at": at}
        self.midi = midi.read(piece)
        for line in self.midi.mended:
            self._remark(line)
        self.model = model = self.job.loaded()
        self.beats = None if beats is None else _whole(beats, model)
        self.midi = midi.finer(self.midi, model.ticks)
        told = {"beat": unit, "pickup": pickup}
        self.grid = meter.grid(self.midi, model.ticks, **told)
        notes = self.midi.notes(pedal)
        self.end = -(-max(self.grid.nearest(n.end) for n in notes) // model.ticks) * model.ticks
        self.start = 0 if at is None else self.place(at, "at")
        if not 0 <= self.start < self.end:
            raise ValueError(
                f"`at` must be a beat of the piece, 0 to {self.end // model.ticks - 1}, or bar:1 "
                f"to bar:{len(self.grid.bars)}; got {at}"
            )
        if self.beats is not None:
            self.stop = self.start + self.beats
        elif at is not None:
            self.stop = self.start + model.length
        else:
            self.stop = max(self.end, model.length)
        self.length = max(self.end, self.stop)
        if self.length > len(self.grid):
            beats_ = -(-self.length // model.ticks)
            self.grid = meter.grid(self.midi, model.ticks, least=beats_, **told)
        self.sung = self._track(melody, notes)
        first, last = self.grid.tick(self.start), self.grid.tick(self.stop)
        near = [n for n in self.sung if first <= n.start < last] or self.sung
        self.shift = self._shift(transpose, highest(near) if harmony else near, 12 * harmony)
        rows = range(model.low - self.shift, model.low - self.shift + model.pitches)
        self.given = Given(
            self.midi, self.grid, [n for n in notes if n.pitch in rows], model.low, self.shift
        )
        self.rows = torch.tensor([pitch in PIANO for pitch in rows])[:, None]
        if self.shift:
            self._remark(f"moved by {self.shift:+} semitones for the model, and back")
        if hidden := len(notes) - len(self.given.notes):
            self._remark(
                f"{hidden} notes outside MIDI {rows[0]} to {rows[-1]} are kept, and not "
                "shown to the model"
            )

    def _remark(self, text):
        warnings.warn(f"{self.name}: {text}", Remark, stacklevel=5)

    def place(self, where: float | str, name: str) -> int:
        """A beat, or "bar:9", as a place on the grid."""
        text = str(where)
        if text.startswith("bar:"):
            number = text.removeprefix("bar:")
            if not number.isdecimal() or not 1 <= int(number) <= len(self.grid.bars):
                raise ValueError(
                    f"`{name}`: the piece has bars 1 to {len(self.grid.bars)}, got {text}"
                )
            return self.grid.nearest(self.grid.bars[int(number) - 1])
        try:
            return round(float(Fraction(text)) * self.model.ticks)
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ValueError(f"`{name}` must be a beat, or a bar as bar:9; got {text}") from None

    def columns(self, first: int, last: int | None) -> Tensor:
        """Mask of the cells from one tick to another, where notes may be written."""
        free = torch.zeros(self.model.pitches, self.length, dtype=torch.bool)
        free[:, first:last] = True
        return free & self.rows

    def covered(self) -> Tensor:
        """Mask of the cells of all notes that the model is shown."""
        mask = torch.zeros(self.model.pitches, self.length, dtype=torch.bool)
        for row, start, end in self.given.spans():
            mask[row, start:end] = True
        return mask

    def line(self) -> Tensor:
        """The melody's own notes as bits, (P, L)."""
        shown = set(self.given.notes)
        own = Given(
            self.midi, self.grid, [n for n in self.sung if n in shown], self.model.low, self.shift
        )
        return torch.from_numpy(own.roll(self.model.pitches, self.length)).float()

    def write(self, free: Tensor, **options) -> Pieces:
        """Write the free cells of the part to work on."""
        whole = torch.from_numpy(self.given.roll(self.model.pitches, self.length)).float()
        ticks = self.model.ticks
        start, stop = self.start, self.start + -(-(self.stop - self.start) // ticks) * ticks
        if stop > self.length:
            whole, free = (F.pad(a, (0, stop - self.length)) for a in (whole, free))
        return self.job.write(
            self.model,
            self.given,
            whole * ~free if options.get("strength", 1) == 1 else whole,
            ~free,
            start,
            stop,
            **options,
        )

    def _track(self, melody, notes):
        """The notes of the track that is named, or all."""
        if melody is None:
            return notes
        homes = sorted({n.track for n in notes})
        names = [self.midi.name(k) for k in homes]
        if str(melody) in names:
            home = homes[names.index(str(melody))]
        elif str(melody).isdecimal() and 1 <= int(melody) <= len(homes):
            home = homes[int(melody) - 1]
        else:
            told = ", ".join(f"{i} {name}".strip() for i, name in enumerate(names, 1))
            raise ValueError(f"`melody` must be a track that has notes ({told}), got {melody}")
        return [n for n in notes if n.track == home]

    def _shift(self, transpose, notes, room):
        """By how many semitones the piece is moved for the model: octaves, the fewest that do.

        Nine notes in ten shall lie in the model's range, with so many semitones of `room` below.
        """
        if transpose != "auto":
            try:
                return int(transpose)
            except ValueError:
                raise ValueError(
                    f"`transpose` must be auto or semitones, got {transpose}"
                ) from None
        low, high = self.model.low + room, self.model.low + self.model.pitches
        share = {k: np.mean([low <= n.pitch + k < high for n in notes]) for k in OCTAVES}
        return next((k for k in OCTAVES if share[k] >= 0.9), max(share, key=lambda k: share[k]))


def highest(notes: list[midi.Note]) -> list[midi.Note]:
    """Those of some notes, in order of time, above which none sounds when they begin."""
    found, sounding = [], []
    for note in notes:
        sounding = [n for n in sounding if n.end > note.start] + [note]
        if note.pitch == max(n.pitch for n in sounding):
            found = [n for n in found if n.start < note.start] + [note]
    return found


def numbered(out: str | Path, n: int) -> list[Path]:
    """The files of `n` pieces: `out` itself, or ``NAME-1.mid`` and so on."""
    path, digits = Path(out), len(str(n))
    if n == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i:0{digits}}") for i in range(1, n + 1)]


def _whole(beats, model) -> int:
    """The ticks of so many beats; the window's where none are asked for."""
    if beats is None:
        return model.length
    if not 1 <= beats <= LONGEST or beats % 1:
        raise ValueError(f"`beats` must be a whole number from 1 to {LONGEST:,}, got {beats:g}")
    return int(beats) * model.ticks


def _ends(lit) -> tuple[int, int]:
    """The first and the last place that is True, of a mask that has one."""
    places = lit.nonzero()
    return int(places[0]), int(places[-1])


def _runs(mask: Tensor) -> list[tuple[int, int]]:
    """(first, one past the last) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.pad(mask.numpy().astype(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _velocities(notes) -> Callable:
    """How loud a new note is: as the given notes that sound when it begins, or began last."""
    if not notes:
        return lambda new: 80
    starts = np.array([n.start for n in notes])
    ends = np.array([n.end for n in notes])
    loud = np.array([n.velocity for n in notes])

    def velocity(new):
        now = (starts <= new.start) & (new.start < ends)
        if now.any():
            return round(float(loud[now].mean()))
        before = np.flatnonzero(starts <= new.start)
        return int(loud[before[-1] if len(before) else 0])

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


def _check_sound(given: Given, whole, known, start, stop) -> None:
    """ValueError unless the highest note and the length that there may be can be played."""
    heard = whole > 0
    heard[:, start:stop] |= ~known[:, start:stop]
    pitch = given.low - given.shift + int(heard.any(1).nonzero()[-1])
    seconds = given.midi.clock()[given.grid.tick(int(heard.any(0).nonzero()[-1]) + 1)]
    try:
        audio.check(pitch, seconds)
    except ValueError as error:
        raise ValueError(f"`audio`: {error}, or leave it out") from None
