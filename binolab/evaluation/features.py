"""Musical statistics of piano rolls: what can be counted in one roll, and in a set of them.

`features` measures every roll by itself, so that two sets can be held beside each other as
distributions (`binolab.evaluation.distances`); `statistics` sums a set up in seven figures.

Chapters: 08 *Sampling*, 14 *How good is it?*.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from binolab.music import rolls

MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the tonic; natural minor is the same set
DISSONANT = (1, 2, 6, 10, 11)  # seconds, tritone, sevenths (semitones, modulo the octave)
VOICES = 4  # parallels and the voice count are those of four-part music
CROWD = 8  # the last bin of the polyphony histogram: as many notes at once, or more
BAR = 4  # beats, for the groove
# Note values in beats: a 32nd or shorter, then MGEval's twelve from the 16th to the whole note,
# triplets and dotted values among them.
LENGTHS = (1 / 8, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)

# MuseGAN: Dong et al. 2018, as in pypianoroll. MGEval: Yang & Lerch 2020. muspy: Dong et al. 2020.
SOURCES = {
    "density": "share of lit cells",
    "silence": "share of ticks with no note (MuseGAN's empty bars, tick by tick)",
    "four_voices": "share of ticks with exactly four notes",
    "polyphonic_rate": "share of ticks with more than two notes (MuseGAN; pypianoroll)",
    "polyphony": "histogram: share of ticks with 0, 1, ... 8 or more notes",
    "notes": "number of notes, the one-tick gap read as in `rolls.notes` (MGEval: note count)",
    "pitch_count": "number of different pitches (MGEval; muspy)",
    "pitch_range": "semitones from the lowest pitch to the highest (MGEval; muspy)",
    "pitch": "histogram of lit cells over the rows",
    "pitch_class": "histogram of lit cells over the 12 pitch classes (MGEval: PCH, by duration)",
    "pitch_class_entropy": "bits of the pitch-class histogram (muspy; Wu & Yang 2020)",
    "in_scale": "share of lit cells in the best of the 12 major scales "
    "(pypianoroll: in-scale rate; muspy: scale consistency)",
    "interval": "histogram of notes sounding together, by semitones modulo the octave",
    "dissonance": "share of these pairs a second, a tritone or a seventh apart",
    "note_length": "histogram of note lengths over the nearest of 13 values (MGEval: NLH, "
    "and a bin for a 32nd or shorter)",
    "qualified_notes": "share of notes no shorter than a 32nd (MuseGAN: qualified notes)",
    "fragmentation": "share of note beginnings that only mend a hole: the same pitch taken up off "
    "the 16th grid after less than a 32nd of rest (after MuseGAN, who read it off short notes)",
    "inter_onset": "mean beats from one onset to the next, a chord counting once (MGEval: IOI)",
    "onset_position": "histogram of notes begun after the first tick, by tick within the beat",
    "groove": "1 - mean Hamming distance of successive bars' onsets, bars of four beats "
    "(muspy: groove consistency; Wu & Yang 2020)",
    "parallel_fifths": "pairs of voices that move the same way from fifth to fifth (7 semitones "
    "modulo the octave), a change of chord; voices are the sorted rows of two successive "
    "different chords of four notes",
    "parallel_octaves": "the same from octave to octave",
}


def features(batch, *, low=rolls.LOW, ticks=rolls.TICKS):
    """Every feature of `SOURCES`, roll by roll.

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

    Chapter: 14.
    """
    batch = _set_of_rolls(batch)
    pitches = batch.shape[1]
    voices = batch.sum(1)
    crowd = np.eye(CROWD + 1)[np.minimum(voices, CROWD)].mean(1)
    used = batch.any(2)
    classes = _classes(batch, low)
    interval = _intervals(batch)
    pitch_class = _share(classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(pitch_class == 0, 0, pitch_class * np.log2(pitch_class)).sum(1)
    found = {
        "density": batch.mean((1, 2)),
        "silence": (voices == 0).mean(1),
        "four_voices": (voices == VOICES).mean(1),
        "polyphonic_rate": (voices > 2).mean(1),
        "polyphony": crowd,
        "pitch_count": used.sum(1, dtype=float),
        "pitch_range": np.where(
            used.any(1), pitches - 1.0 - used[:, ::-1].argmax(1) - used.argmax(1), np.nan
        ),
        "pitch": _share(batch.sum(2)),
        "pitch_class": pitch_class,
        "pitch_class_entropy": entropy,
        "in_scale": ratio(_best_scale(classes), classes.sum(1)),
        "interval": _share(interval),
        "dissonance": ratio(interval[:, DISSONANT].sum(1), interval.sum(1)),
    } | _rhythm(batch, ticks) | _parallels(batch)
    return {name: found[name] for name in SOURCES}


def _rhythm(batch, ticks):
    """The features of notes: how many, how long, and where in the beat they begin."""
    n, _, length = batch.shape
    of, _, start, end, rest = notes_of(batch)
    lengths = (end - start) / ticks
    middles = (np.array(LENGTHS[1:]) + LENGTHS[:-1]) / 2
    count = np.bincount(of, minlength=n)
    begun = start > 0  # what sounds at the first tick may have begun before it
    sixteenth = max(1, ticks // 4)
    hole = begun & (rest < ticks / 8) & (start % sixteenth != 0)

    onset = np.zeros((n, length), bool)
    onset[of, start] = True
    times = onset.sum(1)
    last = length - 1 - onset[:, ::-1].argmax(1)
    bar = BAR * ticks
    bars = onset[:, : length // bar * bar].reshape(n, -1, bar)
    unlike = (bars[:, 1:] != bars[:, :-1]).mean((1, 2)) if length >= 2 * bar else np.nan
    return {
        "notes": count.astype(float),
        "note_length": _share(_histogram(of, np.digitize(lengths, middles, True), n, len(LENGTHS))),
        "qualified_notes": ratio(np.bincount(of, lengths >= 1 / 8, n), count),
        "fragmentation": ratio(np.bincount(of, hole, n), count),
        "inter_onset": ratio((last - onset.argmax(1)) / ticks, np.maximum(times - 1, 0)),
        "onset_position": _share(_histogram(of[begun], start[begun] % ticks, n, ticks)),
        "groove": 1 - unlike * np.ones(n),
    }


def _parallels(batch):
    """Parallel fifths and octaves a change of four-part chord, (N,) each."""
    filled = _fill(batch)
    voices = filled.sum(1)
    changed = (filled[:, :, 1:] != filled[:, :, :-1]).any(1)
    of, at = np.nonzero(changed & (voices[:, 1:] == VOICES) & (voices[:, :-1] == VOICES))
    before = np.nonzero(filled[of, :, at])[1].reshape(-1, VOICES)
    after = np.nonzero(filled[of, :, at + 1])[1].reshape(-1, VOICES)
    move = np.sign(after - before)
    found = {7: np.zeros(len(of)), 0: np.zeros(len(of))}
    for i, j in combinations(range(VOICES), 2):
        together = (move[:, i] == move[:, j]) & (move[:, i] != 0)
        for interval, total in found.items():
            total += together & ((before[:, j] - before[:, i]) % 12 == interval) & (
                (after[:, j] - after[:, i]) % 12 == interval
            )
    changes = np.bincount(of, minlength=len(batch))
    fifths, octaves = (np.bincount(of, found[k], len(batch)) for k in (7, 0))
    return {
        "parallel_fifths": ratio(fifths, changes),
        "parallel_octaves": ratio(octaves, changes),
    }


def statistics(batch, *, low=rolls.LOW, ticks=rolls.TICKS):
    """Seven statistics of a set of rolls.

    Parameters
    ----------
    batch : array of bits (N, P, L)
    low, ticks : int
        MIDI note of row 0; ticks a beat.

    Returns
    -------
    dict of float
        ``density``: share of lit cells. ``silence``: share of ticks with no note.
        ``four_voices``: share of ticks with exactly four notes. ``onsets``: notes begun in a roll
        (cells that light up after the first tick). ``on_eighths``: share of these on an eighth.
        ``in_scale``: share of sounding cells inside the best of the twelve major scales, chosen
        roll by roll (pypianoroll's in-scale rate, best key). ``dissonance``: share of the
        simultaneous pairs of notes a second, a tritone or a seventh apart, modulo the octave.
        Figures about notes are nan where there are none.

    Chapter: 14.
    """
    batch = _set_of_rolls(batch)
    voices = batch.sum(1)  # (N, L)
    begun = (batch[:, :, 1:] & ~batch[:, :, :-1]).sum((0, 1))  # (L - 1,), from tick 1 on
    eighths = begun[ticks // 2 - 1 :: ticks // 2]
    classes = _classes(batch, low)
    best, sounding = _best_scale(classes), classes.sum(1)
    interval = _intervals(batch).sum(0)
    with np.errstate(invalid="ignore"):
        return {
            "density": float(batch.mean()),
            "silence": float((voices == 0).mean()),
            "four_voices": float((voices == VOICES).mean()),
            "onsets": float(begun.sum() / len(batch)),
            "on_eighths": float(eighths.sum() / np.float64(begun.sum())),
            "in_scale": float(np.mean((best / sounding)[sounding > 0]))
            if sounding.any() else float("nan"),
            "dissonance": float(interval[list(DISSONANT)].sum() / np.float64(interval.sum())),
        }


def _set_of_rolls(batch):
    batch = np.asarray(batch, bool)
    if batch.ndim != 3:
        raise ValueError(f"a set of rolls must be (N, pitches, ticks), got shape {batch.shape}")
    return batch


def _fill(batch):
    """Light the one-tick gaps: a note struck again where it ends sounds through."""
    filled = batch.copy()
    filled[:, :, 1:-1] |= batch[:, :, :-2] & batch[:, :, 2:]
    return filled


def notes_of(batch):
    """`rolls.notes` of a whole set: roll, row, start, end of each note, and the rest before it.

    Ordered by roll, row and time. A one-tick gap is given back to the note before it, so the rest
    is 1 there as it is for a hole of one tick; infinite before the first note of a row.
    """
    edges = np.diff(np.pad(batch, ((0, 0), (0, 0), (1, 1))).astype(np.int8), axis=2)
    of, row, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[2]
    again = np.zeros(len(of), bool)
    again[1:] = (of[1:] == of[:-1]) & (row[1:] == row[:-1])
    rest = np.where(again, start - np.roll(end, 1), np.inf)
    end = end + np.roll(rest == 1, -1)
    return of, row, start, end, rest


def _classes(batch, low):
    """Lit cells by pitch class, (N, 12)."""
    return batch.sum(2) @ np.eye(12)[(low + np.arange(batch.shape[1])) % 12]


def _best_scale(classes):
    """Lit cells inside the best major scale, (N,)."""
    return np.max([classes[:, [(k + m) % 12 for m in MAJOR]].sum(1) for k in range(12)], axis=0)


def _intervals(batch):
    """Pairs of notes that sound together, by semitones modulo the octave: (N, 12)."""
    cells = batch.astype(np.float32)
    together = (cells @ cells.transpose(0, 2, 1)).astype(float)  # ticks in which two rows sound
    i, j = np.triu_indices(batch.shape[1], 1)
    return together[:, i, j] @ np.eye(12)[(j - i) % 12]


def _histogram(of, value, n, bins):
    return np.bincount(of * bins + value, minlength=n * bins).reshape(n, bins)


def _share(counts):
    """Rows that sum to 1; nan where a row is empty."""
    return ratio(counts, counts.sum(1, keepdims=True))


def ratio(part, whole):
    """part / whole; nan where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(whole, 0), np.nan, np.asarray(part, float) / whole)
