"""What can be counted in a piano roll, and in a set of rolls.

`features` counts everything in `FEATURES` roll by roll, so that two sets can be compared as
distributions (`binolab.evaluation.distances`). `statistics` describes a whole set in seven numbers,
and `off` says in one how far two such descriptions lie apart. A word means the same in all.

Chapters: 08 *Sampling*, 16 *How good is it?*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binolab.music import counterpoint, rolls
from binolab.music.counterpoint import VOICES

MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the tonic; natural minor is the same set
DISSONANT = (1, 2, 6, 10, 11)  # seconds, tritone, sevenths (semitones, modulo the octave)
CROWD = 8  # the last bin of the polyphony histogram: as many notes at once, or more
BAR = 4  # beats, for the groove
# Note values in beats: a 32nd or shorter, then MGEval's twelve from the 16th to the whole note,
# triplets and dotted values among them.
LENGTHS = (1 / 8, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
MIDDLES = (np.array(LENGTHS[1:]) + LENGTHS[:-1]) / 2  # between successive values


def ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """part / whole; nan where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(whole, 0), np.nan, np.asarray(part, float) / whole)


class Notes(NamedTuple):
    """The notes of a set of rolls, (M,) each, ordered by roll, row and time."""

    roll: np.ndarray
    row: np.ndarray
    start: np.ndarray
    end: np.ndarray
    rest: np.ndarray  # ticks of silence before it; infinite before the first note of a row


class RollSet:
    """A set of rolls, (N, P, L) bits, and what several features need to know of it."""

    def __init__(self, batch: ArrayLike, low: int = rolls.LOW, ticks: int = rolls.TICKS):
        self.cells = np.asarray(batch, bool)
        if self.cells.ndim != 3:
            shape = self.cells.shape
            raise ValueError(f"a set of rolls must be (N, pitches, ticks), got shape {shape}")
        self.n, self.pitches, self.length = self.cells.shape
        self.low, self.ticks = low, ticks

    def histogram(self, roll: np.ndarray, value: np.ndarray, bins: int) -> np.ndarray:
        """How often each value from 0 to bins - 1 comes in each roll, as shares: (N, bins)."""
        counts = np.bincount(roll * bins + value, minlength=self.n * bins)
        return _shares(counts.reshape(self.n, bins))

    @cached_property
    def voices(self) -> np.ndarray:
        """Notes that sound at once, (N, L)."""
        return self.cells.sum(1)

    @cached_property
    def used(self) -> np.ndarray:
        """Whether a pitch sounds at all, (N, P)."""
        return np.any(self.cells, axis=2)

    @cached_property
    def classes(self) -> np.ndarray:
        """Lit cells by pitch class, (N, 12)."""
        return self.cells.sum(2) @ np.eye(12)[(self.low + np.arange(self.pitches)) % 12]

    @cached_property
    def intervals(self) -> np.ndarray:
        """Pairs of notes that sound together, by semitones modulo the octave, (N, 12)."""
        cells = self.cells.astype(np.float32)
        together = (cells @ cells.transpose(0, 2, 1)).astype(float)  # ticks in which both sound
        i, j = np.triu_indices(self.pitches, 1)
        return together[:, i, j] @ np.eye(12)[(j - i) % 12]

    @cached_property
    def notes(self) -> Notes:
        """`rolls.notes` of the whole set. A one-tick gap is given back to the note before it."""
        edges = np.diff(np.pad(self.cells, ((0, 0), (0, 0), (1, 1))).astype(np.int8), axis=2)
        roll, row, start = np.nonzero(edges == 1)
        end = np.nonzero(edges == -1)[2]
        again = np.zeros(len(roll), bool)
        again[1:] = (roll[1:] == roll[:-1]) & (row[1:] == row[:-1])
        rest = np.where(again, start - np.roll(end, 1), np.inf)
        return Notes(roll, row, start, end + np.roll(rest == 1, -1), rest)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Beats that each note lasts, (M,)."""
        return (self.notes.end - self.notes.start) / self.ticks

    @cached_property
    def begun(self) -> np.ndarray:
        """Notes that begin after the first tick, (M,): the others may have begun before."""
        return self.notes.start > 0

    @cached_property
    def onsets(self) -> np.ndarray:
        """Whether a note begins at a tick, (N, L)."""
        onsets = np.zeros((self.n, self.length), bool)
        onsets[self.notes.roll, self.notes.start] = True
        return onsets

    @cached_property
    def changes(self) -> counterpoint.Changes:
        """Changes of four-part chord."""
        return counterpoint.changes(self.cells)


def _shares(counts: np.ndarray) -> np.ndarray:
    """Rows that sum to 1; nan where a row is empty."""
    return ratio(counts, counts.sum(1, keepdims=True))


def _pitch_range(x):
    span = x.pitches - 1.0 - x.used[:, ::-1].argmax(1) - x.used.argmax(1)
    return np.where(x.used.any(1), span, np.nan)


def _pitch_class_entropy(x):
    share = _shares(x.classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(share == 0, 0, share * np.log2(share)).sum(1)


def _in_scale(x):
    scales = [[(tonic + degree) % 12 for degree in MAJOR] for tonic in range(12)]
    best = np.max([x.classes[:, scale].sum(1) for scale in scales], axis=0)
    return ratio(best, x.classes.sum(1))


def _share_of_notes(x, which):
    return ratio(np.bincount(x.notes.roll, which, x.n), np.bincount(x.notes.roll, minlength=x.n))


def _fragmentation(x):
    off_grid = x.notes.start % max(1, x.ticks // 4) != 0
    return _share_of_notes(x, x.begun & (x.notes.rest < x.ticks / 8) & off_grid)


def _inter_onset(x):
    last = x.length - 1 - x.onsets[:, ::-1].argmax(1)
    beats = (last - x.onsets.argmax(1)) / x.ticks
    return ratio(beats, np.maximum(x.onsets.sum(1) - 1, 0))


def _groove(x):
    bar = BAR * x.ticks
    if x.length < 2 * bar:
        return np.full(x.n, np.nan)
    bars = x.onsets[:, : x.length // bar * bar].reshape(x.n, -1, bar)
    return 1 - (bars[:, 1:] != bars[:, :-1]).mean((1, 2))


def _parallels(x, interval):
    found = np.bincount(x.changes.roll, counterpoint.pairs(x.changes, interval), x.n)
    return ratio(found, np.bincount(x.changes.roll, minlength=x.n))


class Feature(NamedTuple):
    """What a feature is and who defined it; its function from a set to (N,) or (N, K)."""

    what: str
    of: Callable[[RollSet], np.ndarray]


# MuseGAN: Dong et al. 2018, as in pypianoroll. MGEval: Yang & Lerch 2020. muspy: Dong et al. 2020.
# fmt: off
FEATURES = {name: Feature(what, of) for name, what, of in (
    ("density", "share of lit cells",
     lambda x: x.cells.mean((1, 2))),
    ("silence", "share of ticks with no note (MuseGAN's empty bars, tick by tick)",
     lambda x: (x.voices == 0).mean(1)),
    ("four_voices", "share of ticks with exactly four notes",
     lambda x: (x.voices == VOICES).mean(1)),
    ("polyphonic_rate", "share of ticks with more than two notes (MuseGAN; pypianoroll)",
     lambda x: (x.voices > 2).mean(1)),
    ("polyphony", "histogram: share of ticks with 0, 1, ... 8 or more notes",
     lambda x: np.eye(CROWD + 1)[np.minimum(x.voices, CROWD)].mean(1)),
    ("notes", "number of notes, the one-tick gap read as in `rolls.notes` (MGEval: note count)",
     lambda x: np.bincount(x.notes.roll, minlength=x.n).astype(float)),
    ("pitch_count", "number of different pitches (MGEval; muspy)",
     lambda x: x.used.sum(1, dtype=float)),
    ("pitch_range", "semitones from the lowest pitch to the highest (MGEval; muspy)",
     _pitch_range),
    ("pitch", "histogram of lit cells over the rows",
     lambda x: _shares(x.cells.sum(2))),
    ("pitch_class", "histogram of lit cells over the 12 pitch classes (MGEval: PCH, by duration)",
     lambda x: _shares(x.classes)),
    ("pitch_class_entropy", "bits of the pitch-class histogram (muspy; Wu & Yang 2020)",
     _pitch_class_entropy),
    ("in_scale", "share of lit cells in the best of the 12 major scales "
     "(pypianoroll: in-scale rate; muspy: scale consistency)",
     _in_scale),
    ("interval", "histogram of notes sounding together, by semitones modulo the octave",
     lambda x: _shares(x.intervals)),
    ("dissonance", "share of these pairs a second, a tritone or a seventh apart",
     lambda x: ratio(x.intervals[:, DISSONANT].sum(1), x.intervals.sum(1))),
    ("note_length", "histogram of note lengths over the nearest of 13 values (MGEval: NLH, "
     "and a bin for a 32nd or shorter)",
     lambda x: x.histogram(x.notes.roll, np.digitize(x.lengths, MIDDLES, True), len(LENGTHS))),
    ("qualified_notes", "share of notes no shorter than a 32nd (MuseGAN: qualified notes)",
     lambda x: _share_of_notes(x, x.lengths >= 1 / 8)),
    ("fragmentation", "share of note beginnings that only mend a hole: the same pitch taken up off "
     "the 16th grid after less than a 32nd of rest (after MuseGAN, who read it off short notes)",
     _fragmentation),
    ("inter_onset", "mean beats from one onset to the next, a chord counting once (MGEval: IOI)",
     _inter_onset),
    ("onset_position", "histogram of notes begun after the first tick, by tick within the beat",
     lambda x: x.histogram(x.notes.roll[x.begun], x.notes.start[x.begun] % x.ticks, x.ticks)),
    ("groove", "1 - mean Hamming distance of successive bars' onsets, bars of four beats "
     "(muspy: groove consistency; Wu & Yang 2020)",
     _groove),
    ("parallel_fifths", "pairs of voices that move the same way from fifth to fifth (7 semitones "
     "modulo the octave), a change of chord; voices are the sorted rows of two successive "
     "different chords of four notes",
     partial(_parallels, interval=counterpoint.FIFTH)),
    ("parallel_octaves", "the same from octave to octave",
     partial(_parallels, interval=counterpoint.OCTAVE)),
)}
# fmt: on


def features(
    batch: ArrayLike, *, low: int = rolls.LOW, ticks: int = rolls.TICKS
) -> dict[str, np.ndarray]:
    """Every feature of `FEATURES`, roll by roll.

    Parameters
    ----------
    batch : array of bits (N, P, L)
    low, ticks : int
        MIDI note of row 0; ticks a beat.

    Returns
    -------
    dict of ndarray of float
        A number a roll, (N,), or a histogram a roll, (N, K), each row summing to 1. nan where a
        roll has nothing to measure: no notes, no two notes at once, no change of four-part chord.

    Chapter: 16.
    """
    x = RollSet(batch, low, ticks)
    return {name: feature.of(x) for name, feature in FEATURES.items()}


def statistics(
    batch: ArrayLike, *, low: int = rolls.LOW, ticks: int = rolls.TICKS
) -> dict[str, float]:
    """Seven numbers that describe a set of rolls.

    ``density``, ``silence``, ``four_voices`` and ``in_scale`` are the means over the rolls of these
    `FEATURES`; ``in_scale`` leaves out silent rolls. The others are pooled: they are counted as if
    the set were one long roll. So a roll of many notes weighs more, and ``dissonance`` differs a
    little from the mean of the feature. ``onsets`` are the cells of a roll that light up after its
    first tick. ``on_eighths`` is the share of these on an eighth.

    The arguments are those of `features`. Numbers about notes are nan where there are none.
    Chapter: 16.
    """
    x = RollSet(batch, low, ticks)
    onsets = (x.cells[:, :, 1:] & ~x.cells[:, :, :-1]).sum((0, 1))  # (L - 1,), from tick 1 on
    in_scale = _in_scale(x)
    in_scale = in_scale[~np.isnan(in_scale)]
    return {
        "density": float(x.cells.mean()),
        "silence": float((x.voices == 0).mean()),
        "four_voices": float((x.voices == VOICES).mean()),
        "onsets": float(ratio(onsets.sum(), x.n)),
        "on_eighths": float(ratio(onsets[ticks // 2 - 1 :: ticks // 2].sum(), onsets.sum())),
        "in_scale": float(in_scale.mean()) if len(in_scale) else float("nan"),
        "dissonance": float(ratio(x.intervals[:, DISSONANT].sum(), x.intervals.sum())),
    }


def off(made: Mapping[str, float | None], held_out: Mapping[str, float]) -> float:
    """How far the `statistics` of made rolls lie from held-out ones: the largest relative distance.

    0.05 is added to both shares of ``silence``, since that of music is near zero. Infinite where
    a number of the made rolls is missing, nan or None.

    Chapter: 8.
    """
    distances = []
    for name, real in held_out.items():
        floor = 0.05 if name == "silence" else 0.0
        ours = made[name]
        ours = np.nan if ours is None else ours
        distances.append(abs((ours + floor) / (real + floor) - 1))
    return float("inf") if np.isnan(distances).any() else max(distances)
