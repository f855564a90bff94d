"""Binary piano rolls: MIDI to bits and back.

Conventions. A roll is a ``(pitches, ticks)`` array of bits, pitch first: row 0 is MIDI note `LOW`
(33, A1), row 55 is 88 (E6). Time runs in ticks, 24 to a quarter-note beat of the file's own tempo
map, so a roll knows beats and not seconds. Every size is a parameter; the constants are the
paper's.

One bit cannot tell a note struck twice from one held, so a note that is struck again where the
last one ends gives up its last tick: the *one-tick gap*. Reading a roll gives the tick back.

Chapter: 02, *From MIDI to a roll*.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pretty_midi import PrettyMIDI

from binolab.music import meter, midi
from binolab.music.midi import Event, Midi, MidiError, Note

if TYPE_CHECKING:
    from torch import Tensor

LOW = 33  # A1, row 0 of the paper's roll
PITCHES = 56  # ... to E6, MIDI 88
TICKS = 24  # a beat
LENGTH = 384  # ticks in the paper's window: 16 beats


def spans(notes: Iterable[Note], grid: meter.Grid, low: int = 0) -> list[tuple[int, int, int]]:
    """(row, first tick, one past the last) of the notes of a file, on a grid; a tick at least."""
    found = []
    for note in notes:
        start = grid.nearest(note.start)
        found.append((note.pitch - low, start, max(grid.nearest(note.end), start + 1)))
    return found


def from_notes(notes, pitches=PITCHES, length=None):
    """Draw notes as bits, with a one-tick gap before a note that is struck again.

    Parameters
    ----------
    notes : iterable of (row, start, end)
        Row of the roll, first tick, one past the last tick.
    pitches, length : int
        Shape of the roll; `length` defaults to the end of the last note. Longer notes are cut.

    Returns
    -------
    ndarray of bool, (pitches, length)
    """
    notes = list(notes)
    length = max((n[2] for n in notes), default=0) if length is None else length
    roll = np.zeros((pitches, length), bool)
    for row, start, end in notes:
        roll[row, start:end] = True
    onsets = {(row, start) for row, start, _ in notes}
    for row, start in onsets:  # a second pass, so that no later note paints a gap over
        if 0 < start < length and (row, start - 1) not in onsets:  # a one-tick note has none
            roll[row, start - 1] = False
    return roll


def from_midi(
    source: str | Path | PrettyMIDI | Midi,
    *,
    low: int = LOW,
    pitches: int = PITCHES,
    ticks: int = TICKS,
    length: int | None = None,
    pedal: bool = False,
    beat: Fraction | None = None,
) -> np.ndarray:
    """Bits of a whole MIDI file or score, from its first beat to its end, rests kept.

    Several tracks are merged and drums left out. Beats are those of the meter (`music.meter`).

    Parameters
    ----------
    source
        A path, a `PrettyMIDI`, or what `midi.read` gave.
    low, pitches : int
        The roll holds MIDI notes `low` to ``low + pitches - 1``.
    ticks : int
        Ticks a beat.
    length : int, optional
        Pad with rests, or cut, to this many ticks. By default to the end of the last note.
    pedal : bool
        Heed the sustain pedal.
    beat : Fraction, optional
        The beat in quarter notes, in place of what the time signatures say.

    Returns
    -------
    ndarray of bool, (pitches, length)

    Raises
    ------
    MidiError
        As `midi.read`, and where a note lies outside the pitch range.

    Chapter: 02.
    """
    piece = midi.read(source)
    notes = piece.notes(pedal)
    outside = sorted({n.pitch for n in notes if not low <= n.pitch < low + pitches})
    if outside:
        raise MidiError(
            f"{piece.source}: notes outside MIDI {low}..{low + pitches - 1} "
            f"(found {outside[0]}..{outside[-1]}); transpose the piece by octaves, "
            "or use a model with a wider range"
        )
    return from_notes(spans(notes, meter.grid(piece, ticks, beat=beat), low), pitches, length)


def notes(roll):
    """Read a roll as notes; a one-tick gap before the same pitch joins what it parted.

    Parameters
    ----------
    roll : array of bits, (pitches, length)

    Returns
    -------
    list of (row, start, end)
        Sorted by row, then time; ends are one past the last tick, in ticks.

    Chapter: 02.
    """
    padded = np.pad(validate(roll).astype(np.int8), ((0, 0), (1, 1)))
    edges = np.diff(padded, axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    ends[:-1] += (rows[:-1] == rows[1:]) & (starts[1:] == ends[:-1] + 1)
    return list(zip(rows.tolist(), starts.tolist(), ends.tolist()))


def to_midi(
    roll: np.ndarray,
    *,
    low: int = LOW,
    ticks: int = TICKS,
    tempo: float = 100.0,
    velocity: int = 80,
) -> Midi:
    """A roll as a MIDI file of one piano.

    Parameters
    ----------
    roll : array of bits, (pitches, length)
    low, ticks : int
        As in `from_midi`.
    tempo : float
        Beats a minute.
    velocity : int
        1 to 127, one for all notes: a roll has no dynamics.

    Chapter: 02.
    """
    made = midi.blank(tempo)
    events = []
    for row, *ends in notes(roll):
        start, end = (round(place * made.resolution / ticks) for place in ends)
        events += [
            Event(start, bytes([0x90, low + row, velocity])),
            Event(end, bytes([0x80, low + row, 64])),
        ]
    events.sort(key=lambda e: (e.tick, e.data[0]))  # what ends comes before what begins
    last = max((e.tick for e in events), default=0)
    made.tracks.append(
        [
            midi.meta(0, midi.NAME, b"Piano"),
            Event(0, bytes([0xC0, 0])),
            *events,
            Event(last, midi.END_OF_TRACK),
        ]
    )
    return made


def windows(roll, length=LENGTH, hop=None):
    """Cut a roll into windows of one length; the last is padded with rests, never dropped.

    Parameters
    ----------
    roll : array of bits, (pitches, n)
    length, hop : int
        Ticks; `hop` defaults to `length` (no overlap).

    Returns
    -------
    ndarray of bool, (N, pitches, length)
    """
    roll = validate(roll)
    hop = hop or length
    count = max(1, -(-(roll.shape[1] - length) // hop) + 1)
    padded = np.pad(roll, ((0, 0), (0, (count - 1) * hop + length - roll.shape[1])))
    return np.stack([padded[:, i * hop : i * hop + length] for i in range(count)])


def window(
    path: str | Path,
    *,
    at: float = 0,
    length: int = LENGTH,
    low: int = LOW,
    pitches: int = PITCHES,
    ticks: int = TICKS,
    pedal: bool = False,
) -> np.ndarray:
    """The bits of a MIDI file from beat `at`: one window, padded with rests past the end.

    Parameters as in `from_midi`, which raises the faults of the file too.

    Raises
    ------
    ValueError
        When `at` is negative, or the piece ends before it.

    Chapter: 02.
    """
    start = round(at * ticks)
    if start < 0:
        raise ValueError(f"at must be a beat of the piece, 0 or more, got {at}")
    roll = from_midi(path, low=low, pitches=pitches, ticks=ticks, pedal=pedal)
    if start >= roll.shape[1]:
        beats = roll.shape[1] / ticks
        raise MidiError(f"{path}: ends at beat {beats:g}; choose at below that, got {at}")
    roll = roll[:, start : start + length]
    return np.pad(roll, ((0, 0), (0, length - roll.shape[1])))


def to_tensor(roll) -> Tensor:
    """Rolls as a batch for the networks: bits (P, L) or (N, P, L) -> float (1 or N, 1, P, L)."""
    import torch

    batch = np.asarray(roll, np.float32)
    return torch.from_numpy(batch.reshape(-1, 1, *batch.shape[-2:]))


def from_tensor(x: Tensor) -> np.ndarray:
    """A batch of the networks as rolls: (N, 1, P, L), above 0 is lit -> bool (N, P, L)."""
    return x[:, 0].cpu().numpy() > 0


def validate(roll):
    """Return `roll` as a bool array; ValueError unless it is a matrix of bits."""
    roll = np.asarray(roll)
    if roll.ndim != 2:
        raise ValueError(f"roll must be (pitches, ticks) bits, got shape {roll.shape}")
    if roll.dtype != bool:
        if not np.isin(roll, (0, 1)).all():
            raise ValueError("roll must hold only 0 and 1: turn probabilities into bits first")
        roll = roll.astype(bool)
    return roll
