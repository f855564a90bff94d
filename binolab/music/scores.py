"""Scores, as music21 reads them (MusicXML and more), as rolls.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import numpy as np

from binolab.music import rolls


def score_roll(score, *, low=rolls.LOW, pitches=rolls.PITCHES, ticks=rolls.TICKS):
    """Bits of a music21 score: its parts merged, tied notes joined, voices that meet kept once."""
    found = [note for part in _score_notes(score, low, ticks) for note in part]
    return rolls.from_notes(found, pitches, round(float(score.highestTime) * ticks))


def score_parts(score, *, low=rolls.LOW, pitches=rolls.PITCHES, ticks=rolls.TICKS):
    """As `score_roll`, each part on a plane of its own: bits (parts, pitches, ticks)."""
    length = round(float(score.highestTime) * ticks)
    return np.stack(
        [rolls.from_notes(part, pitches, length) for part in _score_notes(score, low, ticks)])


def _score_notes(score, low, ticks):
    """(row, start, end) of the notes of each part, tied ones joined."""
    for part in score.parts:
        found, sounding = [], {}
        for element in part.flatten().notes:
            start = round(float(element.offset) * ticks)
            end = round(float(element.offset + element.quarterLength) * ticks)
            for pitch in element.pitches:
                joined = element.tie is not None and element.tie.type in ("continue", "stop")
                if joined and sounding.get(pitch.midi, (0, -1))[1] == start:
                    sounding[pitch.midi] = (sounding[pitch.midi][0], end)
                else:
                    if pitch.midi in sounding:
                        found.append((pitch.midi - low, *sounding[pitch.midi]))
                    sounding[pitch.midi] = (start, end)
        found += [(midi - low, *span) for midi, span in sounding.items()]
        yield [n for n in found if n[2] > n[1]]
