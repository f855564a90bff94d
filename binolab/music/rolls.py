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

import copy
import warnings
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from binolab import files

if TYPE_CHECKING:
    from torch import Tensor

LOW = 33  # A1, row 0 of the paper's roll
PITCHES = 56  # ... to E6, MIDI 88
TICKS = 24  # a beat
LENGTH = 384  # ticks in the paper's window: 16 beats
RESOLUTION = 480  # MIDI ticks a beat in the files that we write: 24 divides it


class MidiError(ValueError):
    """A MIDI file that cannot become a roll; the message names the fault and the remedy."""


def read_midi(path):
    """Read a MIDI file that holds at least one pitched note.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    pretty_midi.PrettyMIDI

    Raises
    ------
    MidiError
        In one line: no such file, a folder, not MIDI, empty, beyond the limits of `midi.read`, or
        without pitched notes.
    """
    from binolab.music.midi import TooMuch, read

    path = Path(path)
    if not path.exists():
        raise MidiError(f"{path}: no such file")
    if path.is_dir():
        raise MidiError(f"{path}: is a folder; name one MIDI file in it")
    if not path.is_file():
        raise MidiError(f"{path}: is not a file; name a MIDI file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # files with tempo changes in odd tracks are readable
            midi = read(path) if path.stat().st_size else None
    except TooMuch as error:
        raise MidiError(f"{path}: {error}") from None
    except PermissionError:
        raise MidiError(f"{path}: cannot be read; check its permissions") from None
    except Exception as error:  # mido raises a dozen kinds on bytes that are not MIDI
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "damaged"
        raise MidiError(
            f"{path}: not a readable MIDI file ({reason}); export it again as Standard MIDI"
        ) from None
    if midi is None:
        raise MidiError(f"{path}: the file is empty (0 bytes); export it again as Standard MIDI")
    if not any(i.notes for i in midi.instruments if not i.is_drum):
        raise MidiError(f"{path}: has no pitched notes (drums do not count); choose another file")
    return midi


def tick_notes(midi, *, ticks=TICKS, pedal=False):
    """The pitched notes of a MIDI file on the grid of its own beats.

    Several instruments are merged and drums left out; a note keeps at least one tick.

    Parameters
    ----------
    midi : pretty_midi.PrettyMIDI
    ticks : int
        Grid ticks a beat (quarter note).
    pedal : bool
        Hold notes while the sustain pedal (controller 64 at 64 or above) is down.

    Returns
    -------
    list of (pitch, start, end, note)
        MIDI pitch, first tick, one past the last tick, and the `pretty_midi.Note` it came from.
    """

    def to_tick(seconds):
        return int(np.floor(midi.time_to_tick(seconds) * ticks / midi.resolution + 0.5))

    found = []
    for instrument in midi.instruments:
        if instrument.is_drum:
            continue
        held = _sustained(instrument) if pedal else [n.end for n in instrument.notes]
        for note, end in zip(instrument.notes, held):
            start = to_tick(note.start)
            found.append((note.pitch, start, max(to_tick(end), start + 1), note))
    return sorted(found, key=lambda n: n[:3])


def _sustained(instrument):
    """Where each note of an instrument falls silent, in seconds, once the pedal is heeded."""
    changes = sorted((c.time, c.value >= 64) for c in instrument.control_changes if c.number == 64)
    times = [time for time, _ in changes]
    lifts = [i for i, (_, down) in enumerate(changes) if not down]
    onsets = {}
    for note in sorted(instrument.notes, key=lambda n: n.start):
        onsets.setdefault(note.pitch, []).append(note.start)
    last = max((n.end for n in instrument.notes), default=0.0)
    ends = []
    for note in instrument.notes:
        end = note.end
        i = bisect_right(times, note.end) - 1
        if i >= 0 and changes[i][1]:  # down when the key is let go: ring on until it is lifted
            lift = bisect_right(lifts, i)
            end = times[lifts[lift]] if lift < len(lifts) else max(last, end)
            struck = onsets[note.pitch]
            again = bisect_right(struck, note.start)
            if again < len(struck):  # the same key struck again stops it
                end = max(note.end, min(end, struck[again]))
        ends.append(end)
    return ends


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


def from_midi(midi, *, low=LOW, pitches=PITCHES, ticks=TICKS, length=None, pedal=False):
    """Bits of a whole MIDI file, from its first beat to its end, rests kept.

    Parameters
    ----------
    midi : pretty_midi.PrettyMIDI
    low, pitches : int
        The roll holds MIDI notes `low` to `low + pitches - 1`.
    ticks : int
        Ticks a beat.
    length : int, optional
        Pad with rests, or cut, to this many ticks. By default the whole file.
    pedal : bool
        Heed the sustain pedal.

    Returns
    -------
    ndarray of bool, (pitches, length)

    Raises
    ------
    MidiError
        When a note lies outside the pitch range.

    Chapter: 02.
    """
    found = tick_notes(midi, ticks=ticks, pedal=pedal)
    outside = sorted({p for p, *_ in found if not low <= p < low + pitches})
    if outside:
        raise MidiError(
            f"notes outside MIDI {low}..{low + pitches - 1} "
            f"(found {outside[0]}..{outside[-1]}); transpose the piece by octaves, "
            "or use a model with a wider range"
        )
    return from_notes([(p - low, s, e) for p, s, e, _ in found], pitches, length)


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


def to_midi(roll, *, low=LOW, ticks=TICKS, tempo=100.0, like=None, velocity=80):
    """A roll as a one-piano MIDI file.

    Parameters
    ----------
    roll : array of bits, (pitches, length)
    low, ticks : int
        As in `from_midi`.
    tempo : float
        Beats a minute, where `like` is not given.
    like : pretty_midi.PrettyMIDI, optional
        Keep this file's tempo map, time and key signatures.
    velocity : int
        1 to 127, one for all notes: a roll has no dynamics.

    Returns
    -------
    pretty_midi.PrettyMIDI

    Chapter: 02.
    """
    import pretty_midi

    midi = blank_midi(like, tempo)
    piano = pretty_midi.Instrument(program=0, name="Piano")
    seconds = grid_seconds(midi, ticks)
    for row, start, end in notes(roll):
        piano.notes.append(pretty_midi.Note(velocity, low + row, seconds(start), seconds(end)))
    midi.instruments.append(piano)
    return midi


def blank_midi(like=None, tempo=100.0):
    """A MIDI file with no notes: with the tempo map of `like`, or with one tempo."""
    from binolab.music.midi import Midi

    if like is None:
        return Midi(resolution=RESOLUTION, initial_tempo=float(tempo))
    midi = copy.deepcopy(like)
    midi.instruments = []
    midi.lyrics, midi.text_events = [], []
    return midi


def grid_seconds(midi, ticks=TICKS):
    """The function from grid ticks to seconds that a file's tempo map defines.

    Raises MidiError for a file whose own clock is too coarse to hold the grid.
    """
    if midi.resolution < ticks:
        raise MidiError(
            f"the file counts {midi.resolution} ticks a beat, fewer than the grid's {ticks}; "
            "export it again with 96 or more"
        )
    return lambda tick: midi.tick_to_time(int(np.floor(tick * midi.resolution / ticks + 0.5)))


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


def window(path, *, at=0, low=LOW, pitches=PITCHES, ticks=TICKS, length=LENGTH, pedal=False):
    """The bits of a MIDI file from beat `at`: one window, padded with rests past the end.

    Parameters
    ----------
    path : str or Path
        A MIDI file.
    at : float
        The beat that the window begins with, 0 or more; rounded to a tick.
    low, pitches, ticks, pedal
        As in `from_midi`.
    length : int
        Ticks of the window.

    Returns
    -------
    ndarray of bool, (pitches, length)

    Raises
    ------
    MidiError
        As `read_midi` and `from_midi`, with the file's name, or when the piece ends before `at`.
    ValueError
        When `at` is negative.

    Chapter: 02.
    """
    start = round(at * ticks)
    if start < 0:
        raise ValueError(f"at must be a beat of the piece, 0 or more, got {at}")
    midi = read_midi(path)
    try:
        roll = from_midi(midi, low=low, pitches=pitches, ticks=ticks, pedal=pedal)
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from None
    beats = roll.shape[1] / ticks
    if start >= roll.shape[1]:
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


def write_midi(midi, path):
    """Write a `PrettyMIDI`, whole or not at all."""
    with files.replacing(path) as temporary:
        midi.write(str(temporary))
