"""Notes written as text, for examples that fit on a page.

A line is a voice: note names and lengths in beats, in turn. ``-`` is a rest, ``|`` is for the eye.

    G4 1  B4 1/3 A4 1/3 G4 1/3 | Bb4 .5 - 1.5
    G3 2                       | F#3 2

Chapter: 01, *Notation and how to run this book*.
"""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from binolab.music.midi import LONGEST
from binolab.music.rolls import LENGTH, LOW, PITCHES, TICKS, from_notes

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
LENGTHS = re.compile(r"[-+]?[\d./]{1,20}")  # no exponent: 1e999999999 would be worked out
NOTE = re.compile(r"([A-Ga-g])([#♯b♭]*)(-?\d+)")


def read(
    text: str,
    *,
    low: int = LOW,
    pitches: int = PITCHES,
    ticks: int = TICKS,
    length: int | None = LENGTH,
) -> np.ndarray:
    """Read notes and beats as a roll.

    Parameters
    ----------
    text
        One line a voice, as above; empty lines are skipped. A length is a whole number, a decimal
        or a fraction of beats. A note ends on the tick nearest to where it should.
    low, pitches
        The roll holds MIDI notes `low` to `low + pitches - 1`.
    length
        Ticks of the roll, rests after the last note; None ends it with the longest voice.

    Returns
    -------
    bool (pitches, length)

    Raises
    ------
    ValueError
        In one line, with the line of the text: what is not a note name, a note without a length,
        a length that is not one or is under half a tick, a note outside the range, or a voice
        that is longer than the roll, or than any may be.

    Chapter: 01.
    """
    notes, end = [], 0
    last = LONGEST * ticks if length is None else length
    for number, line in enumerate(text.splitlines(), start=1):
        words, beat = line.replace("|", " ").split(), Fraction(0)
        for i in range(0, len(words), 2):
            try:
                pitch = _pitch(words[i])
                beats = _beats(words[i], words[i + 1] if i + 1 < len(words) else None)
                if pitch is not None and not low <= pitch < low + pitches:
                    raise ValueError(
                        f"{words[i]} is MIDI {pitch}, outside the roll's {low} to "
                        f"{low + pitches - 1}; write it an octave or more nearer the middle"
                    )
                start, beat = round(beat * ticks), beat + beats
                end = max(end, round(beat * ticks))
                if round(beat * ticks) == start:
                    raise ValueError(
                        f"{words[i]} {words[i + 1]} is shorter than a tick, 1/{ticks} of a beat"
                    )
                if end > last:
                    raise ValueError(
                        f"{words[i]} ends at beat {float(beat):g}, after the roll's "
                        f"{last / ticks:g}; shorten the voice"
                        + ", or give length=None"
                        * (length is not None)
                    )
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if pitch is not None:
                notes.append((pitch - low, start, round(beat * ticks)))
    return from_notes(notes, pitches, end if length is None else length).astype(bool)


def _pitch(name: str) -> int | None:
    """The MIDI pitch of a note name, None of a rest: C4 is 60."""
    if name == "-":
        return None
    note = NOTE.fullmatch(name)
    if not note:
        raise ValueError(
            f"{name!r} is not a note: write a letter from A to G, # or b if need be, and the "
            "octave (C4, F#3, Bb2), or - for a rest"
        )
    letter, accidentals, octave = note.groups()
    shift = sum(ACCIDENTALS[sign] for sign in accidentals)
    return 12 * (int(octave) + 1) + LETTERS[letter.upper()] + shift


def _beats(name: str, word: str | None) -> Fraction:
    """A length in beats as an exact fraction."""
    if word is None or word == "-" or NOTE.fullmatch(word):
        follows = "" if word is None else f", {word!r} follows"
        raise ValueError(f"{name!r} has no length in beats{follows}: write {name} 1, say")
    try:
        beats = Fraction(word if LENGTHS.fullmatch(word) else "")
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f"{word!r} is not a length in beats: write 1, .5 or 1/3 after {name}"
        ) from None
    if beats <= 0:
        raise ValueError(f"{name} lasts {word} beats: a length must be more than 0")
    return beats
