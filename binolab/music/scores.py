"""Scores, as music21 reads them (MusicXML and more), as rolls.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from binolab.music import rolls

Note = tuple[int, int, int]  # row, start, end


def score_roll(
    score: Any, *, low: int = rolls.LOW, pitches: int = rolls.PITCHES, ticks: int = rolls.TICKS
) -> np.ndarray:
    """Bits of a music21 score: its parts merged, tied notes joined, voices that meet kept once."""
    notes = [note for part in _part_notes(score, low, ticks) for note in part]
    return rolls.from_notes(notes, pitches, round(float(score.highestTime) * ticks))


def score_parts(
    score: Any, *, low: int = rolls.LOW, pitches: int = rolls.PITCHES, ticks: int = rolls.TICKS
) -> np.ndarray:
    """As `score_roll`, each part on a plane of its own: bits (parts, pitches, ticks)."""
    length = round(float(score.highestTime) * ticks)
    parts = _part_notes(score, low, ticks)
    return np.stack([rolls.from_notes(notes, pitches, length) for notes in parts])


def _part_notes(score: Any, low: int, ticks: int) -> Iterator[list[Note]]:
    """(row, start, end) of the notes of each part, tied ones joined."""
    for part in score.parts:
        notes: list[Note] = []
        sounding: dict[int, tuple[int, int]] = {}  # by pitch: a note that a tie may make longer
        for element in part.flatten().notes:
            start = round(float(element.offset) * ticks)
            end = round(float(element.offset + element.quarterLength) * ticks)
            tied = element.tie is not None and element.tie.type in ("continue", "stop")
            for pitch in element.pitches:
                begun = sounding.get(pitch.midi)
                if begun and tied and begun[1] == start:
                    sounding[pitch.midi] = (begun[0], end)
                    continue
                if begun:
                    notes.append((pitch.midi - low, *begun))
                sounding[pitch.midi] = (start, end)
        notes += [(midi - low, *span) for midi, span in sounding.items()]
        yield [note for note in notes if note[2] > note[1]]
