"""A given piece, opened: its grid, what the model is shown of it, and the part to work on."""

from __future__ import annotations

import warnings
from fractions import Fraction
from heapq import heappop, heappush
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from pretty_midi import PrettyMIDI
from torch import Tensor
from torch.nn import functional as F

from binolab.compose.job import PIANO, How, Job, Pieces, whole_beats
from binolab.music import editing, meter, midi, rolls
from binolab.music.editing import Given
from binolab.music.midi import Midi, Note

OCTAVES = (0, 12, -12, 24, -24, 36, -36, 48, -48)

Source: TypeAlias = str | Path | bytes | PrettyMIDI | Midi


class Remark(UserWarning):
    """What was done to a piece that its owner may not expect."""


class Where(How, total=False):
    """`How`, and which part of a given piece is worked on.

    Parameters
    ----------
    at
        Where to begin: a beat, counted from 0, or "bar:9".
    beats
        How many beats from there; by default, with `at`, the model's window, else all.
    beat
        What a beat is, as a note value: "4" a quarter, "4." a dotted one, "2" a half, "8" an
        eighth; by default what the time signatures say.
    pickup
        "auto", or how long before the first bar the piece begins, in quarter notes; auto goes by
        the time signatures, or hears it.
    transpose
        "auto", or semitones by which the piece is moved for the model, and back; auto moves it by
        octaves where the model has no room for it.
    pedal
        Heed the sustain pedal.
    """

    at: float | str | None
    beats: float | None
    beat: str | None
    pickup: str | float
    transpose: str | int
    pedal: bool


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
                quarters = quantity(pickup)
            except (ValueError, ArithmeticError):
                quarters = Fraction(-1)
            if not 0 <= quarters <= 100:
                raise ValueError(f"`pickup` must be auto, or 0 to 100 quarter notes, got {pickup}")
            pickup = quarters
        self.options = {"at": at}
        self.midi = midi.read(piece)
        self.name = self.midi.source
        self.remarks = list(self.midi.mended)
        self.model = model = self.job.loaded()
        self.beats = None if beats is None else whole_beats(beats, model)
        self.midi = midi.finer(self.midi, model.ticks)
        told = {"beat": unit, "pickup": pickup}
        self.grid = meter.grid(self.midi, model.ticks, **told)
        notes = self.midi.notes(pedal)
        last = max(end for *_, end in rolls.spans(notes, self.grid))
        self.end = -(-last // model.ticks) * model.ticks
        self.start = 0 if at is None else self.place(at, "at")
        if not 0 <= self.start < self.end:
            raise ValueError(
                f"`at` must be a beat of the piece, 0 to {self.end // model.ticks - 1}, or bar:1 "
                f"to bar:{len(self.grid.bars)}; got {at}"
            )
        if self.beats is not None:
            self.stop = self.start + self.beats
        elif at is not None:
            self.stop = self.start // model.ticks * model.ticks + model.length
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
        if not self.rows.any():
            raise ValueError(
                f"`transpose` {self.shift:+} leaves the model no key of a piano to write; choose "
                "fewer semitones"
            )
        if self.midi.drums and self.job.writes_scores:
            self.remarks.append("its drums are left out: a score is written of what has a pitch")
        if self.shift:
            self.remarks.append(f"moved by {self.shift:+} semitones for the model, and back")
        if hidden := len(notes) - len(self.given.notes):
            self.remarks.append(
                f"{hidden} notes outside MIDI {rows[0]} to {rows[-1]} are kept, and not "
                "shown to the model"
            )

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
            return round(quantity(text) * self.model.ticks)
        except (ValueError, ArithmeticError):
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

    def write(self, free: Tensor, beside: Tensor | None = None, **options) -> Pieces:
        """Write the free cells of the part to work on, `beside` other parts."""
        whole = torch.from_numpy(self.given.roll(self.model.pitches, self.length)).float()
        ticks = self.model.ticks
        start, stop = self.start // ticks * ticks, -(-self.stop // ticks) * ticks  # on beats
        if stop > self.length:
            more = (0, stop - self.length)
            whole, free = F.pad(whole, more), F.pad(free, more)
            beside = None if beside is None else F.pad(beside, more)
        made = self.job.write(
            self.model,
            self.given,
            whole * ~free if options.get("strength", 1) == 1 else whole,
            ~free,
            start,
            stop,
            beside=beside,
            **options,
        )
        for line in self.remarks:  # at the end: a fault is told alone
            warnings.warn(f"{self.name}: {line}", Remark, stacklevel=3)
        return made

    def _track(self, melody, notes):
        """The notes of the track that is named, or all."""
        if melody is None:
            return notes
        own = list(editing.parts(notes).values())
        names = [self.midi.name(part[0].track) for part in own]
        if str(melody) in names:
            return own[names.index(str(melody))]
        if str(melody).isdecimal() and 1 <= int(melody) <= len(own):
            return own[int(melody) - 1]
        told = ", ".join(f"{i} {name}".strip() for i, name in enumerate(names, 1))
        raise ValueError(f"`melody` must be a track that has notes ({told}), got {melody}")

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


def quantity(told: float | str | Fraction) -> Fraction:
    """A number as it is typed, "1.5" or "3/2"; an ArithmeticError or ValueError for what is none.

    `Fraction` alone would fill the memory for "1e999999999".
    """
    text = str(told)
    return Fraction(text) if "/" in text else Fraction(float(text)).limit_denominator(10**6)


def highest(notes: list[Note]) -> list[Note]:
    """Those of some notes, in order of time, above which none sounds when they begin."""
    found: list[Note] = []
    sounding: list[tuple[int, int]] = []  # a heap: the highest pitch, and its end, first
    for note in notes:
        while sounding and sounding[0][1] <= note.start:
            heappop(sounding)
        if not sounding or note.pitch >= -sounding[0][0]:
            while found and found[-1].start == note.start:
                found.pop()
            found.append(note)
        heappush(sounding, (-note.pitch, note.end))
    return found
