"""Keys: which one a roll is in, and a roll moved to another.

Chapter: 16 *How good is it?*
"""

from __future__ import annotations

import numpy as np

from binolab.music.notation import ACCIDENTALS, LETTERS

# How well each note above the tonic fits, as listeners said: Krumhansl & Kessler, 1982.
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


def find(roll: np.ndarray, low: int) -> tuple[int, str]:
    """The key of a roll (P, L) whose row 0 is MIDI note `low`: its tonic, C is 0, and its mode.

    The key whose profile goes best with how long each pitch class sounds (Krumhansl, 1990).
    """
    lit = np.asarray(roll).sum(1) @ np.eye(12)[(low + np.arange(len(roll))) % 12]
    fits = {
        (tonic, mode): np.corrcoef(np.roll(lit, -tonic), profile)[0, 1] if lit.std() else 0.0
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=lambda k: fits[k])


def tonic(name: str) -> int:
    """The pitch class of a tonic's name: G, Bb, F#. ValueError for what is none."""
    letter, signs = name[:1].upper(), name[1:]
    if letter not in LETTERS or not set(signs) <= set(ACCIDENTALS):
        raise ValueError(f"`key` must be a tonic such as C, F# or Bb; got {name!r}")
    return (LETTERS[letter] + sum(ACCIDENTALS[sign] for sign in signs)) % 12


def moved(roll: np.ndarray, semitones: int) -> np.ndarray:
    """A roll moved up by so many semitones, or by an octave more or less where it fits only so."""
    lit = np.flatnonzero(roll.any(1))
    if not len(lit):
        return roll
    ways = (semitones, semitones - 12, semitones + 12)
    fit = (s for s in ways if lit[0] + s >= 0 and lit[-1] + s < len(roll))
    return np.roll(roll, next(fit, 0), axis=0)
