"""Musical statistics of a set of rolls: seven plain figures to hold beside real music.

Chapters: 08 *Sampling*, 14 *How good is it?*.
"""

from __future__ import annotations

import numpy as np

from binolab import rolls

MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the tonic; natural minor is the same set
DISSONANT = (1, 2, 6, 10, 11)  # seconds, tritone, sevenths (semitones, modulo the octave)


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
        ``density``: share of lit cells. ``silent``: share of ticks with no note.
        ``four_voices``: share of ticks with exactly four notes. ``changes``: notes begun in a roll
        (cells that light up after the first tick). ``on_grid``: share of these on an eighth note.
        ``in_scale``: share of sounding cells inside the best of the twelve major scales, chosen
        roll by roll (pypianoroll's in-scale rate, best key). ``dissonant``: share of the
        simultaneous pairs of notes a second, a tritone or a seventh apart, modulo the octave.
        Figures about notes are nan where there are none.

    Chapter: 14.
    """
    batch = np.asarray(batch, bool)
    if batch.ndim != 3:
        raise ValueError(f"a set of rolls must be (N, pitches, ticks), got shape {batch.shape}")
    voices = batch.sum(1)  # (N, L)
    begun = (batch[:, :, 1:] & ~batch[:, :, :-1]).sum((0, 1))  # (L - 1,), from tick 1 on
    eighths = begun[ticks // 2 - 1 :: ticks // 2]

    classes = np.zeros((len(batch), 12))
    for row in range(batch.shape[1]):
        classes[:, (low + row) % 12] += batch[:, row].sum(1)
    best = np.max([classes[:, [(k + m) % 12 for m in MAJOR]].sum(1) for k in range(12)], axis=0)
    sounding = classes.sum(1)

    cells = batch.transpose(0, 2, 1).reshape(-1, batch.shape[1]).astype(np.float32)
    together = cells.T @ cells  # ticks in which two rows sound at once
    interval = np.abs(np.subtract.outer(np.arange(len(together)), np.arange(len(together)))) % 12
    pairs = np.triu(np.ones_like(together, dtype=bool), 1)
    with np.errstate(invalid="ignore"):
        return {
            "density": float(batch.mean()),
            "silent": float((voices == 0).mean()),
            "four_voices": float((voices == 4).mean()),
            "changes": float(begun.sum() / len(batch)),
            "on_grid": float(eighths.sum() / np.float64(begun.sum())),
            "in_scale": float(np.mean((best / sounding)[sounding > 0]))
            if sounding.any() else float("nan"),
            "dissonant": float(
                together[pairs & np.isin(interval, DISSONANT)].sum()
                / np.float64(together[pairs].sum())
            ),
        }
