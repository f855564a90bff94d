"""Scores of music21 as rolls, and MIDI written as a score. (`musicxml` reads scores as MIDI.)

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binolab.music import rolls
from binolab.music.meter import signatures
from binolab.music.midi import KEY, Midi
from binolab.music.musicxml import spans

if TYPE_CHECKING:
    from music21 import stream

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
        timed = (
            (round(float(one.offset) * ticks), round(float(one.offset + one.quarterLength) * ticks))
            + (one,)
            for one in part.flatten().notes
        )
        yield [(pitch - low, start, end) for pitch, start, end in spans(timed)]


def from_midi(midi: Midi) -> stream.Score:
    """A MIDI file as a music21 score: a part for each track that has notes.

    Times are rounded to a 24th of a quarter note, which holds sixteenths and triplets. The meter is
    the file's, and so are the tempi; the key is too, or else found from the notes. Drums have no
    pitch, and are left out.
    """
    from music21 import clef, instrument, key, meter, note, stream, tempo

    def quarters(tick: int) -> Fraction:
        return Fraction(round(24 * tick / midi.resolution), 24)

    score, keys = stream.Score(), midi.metas(KEY)
    for k in sorted({n.track for n in midi.notes()}):
        part, notes = stream.Part(), [n for n in midi.notes() if n.track == k]
        part.partName = midi.name(k) or f"Part {len(score.parts) + 1}"
        program = midi.programs(k).get(notes[0].channel, 0)
        sound = instrument.instrumentFromMidiProgram(program)
        sound.partName = part.partName
        part.insert(0, sound)
        middle = sum(n.pitch for n in notes) / len(notes)
        part.insert(0, clef.BassClef() if middle < 57 else clef.TrebleClef())
        for one in signatures(midi):
            written = meter.TimeSignature(f"{one.numerator}/{one.denominator}")
            part.insert(quarters(one.tick), written)
        for tick, held in keys:
            sharps = held[0] - 256 * (held[0] > 127)
            mode = "minor" if held[1] else "major"
            part.insert(quarters(tick), key.KeySignature(sharps).asKey(mode))
        for n in notes:
            start, end = quarters(n.start), quarters(n.end)
            sounding = note.Note(n.pitch, quarterLength=max(end - start, Fraction(1, 24)))
            sounding.volume.velocity = n.velocity
            part.insert(start, sounding)
        score.insert(0, part)
    if not score.parts:  # silence
        score.insert(0, stream.Part())
    elif not keys:
        found = score.analyze("key")
        for part in score.parts:
            part.insert(0, key.KeySignature(found.sharps).asKey(found.mode))
    for at, beat in {quarters(tick): beat for tick, beat in midi.tempi()}.items():
        speed = round(6e7 / beat, 2)  # a page says 120, and no 120.0
        mark = tempo.MetronomeMark(number=int(speed) if speed % 1 == 0 else speed)
        score.parts[0].insert(at, mark)
    return score


def write(midi: Midi, path: Path, ending: str) -> None:
    """Write a file as MusicXML, ``.musicxml`` or compressed, ``.mxl``."""
    from music21.musicxml.archiveTools import compressXML
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    text = GeneralObjectExporter(from_midi(midi)).parse()
    if ending != ".mxl":
        path.write_bytes(text)
        return
    plain = path.with_name(path.name + ".musicxml")
    plain.write_bytes(text)
    compressXML(plain, deleteOriginal=True, silent=True)
    plain.with_suffix(".mxl").replace(path)
