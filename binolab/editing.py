"""MIDI files edited: notes outside a mask's free cells stay as they are, new ones are added.

Chapters: 10 *Completing and infilling*, 11 *Harmonizing a melody*.
"""

from __future__ import annotations

import copy

from binolab import rolls


def rewrite(given, roll, known, *, low=rolls.LOW, ticks=rolls.TICKS, pedal=False):
    """A copy of a MIDI file with the notes of its free cells replaced by those of a roll.

    A note that lies wholly in known cells is kept to the letter: its track, velocity and exact
    times, on the grid or off it. One that reaches into free cells is read from the roll.

    Parameters
    ----------
    given : pretty_midi.PrettyMIDI
        Keeps its tempo map, tracks, drums and controllers.
    roll, known : bool arrays (pitches, ticks)
        The whole piece after the change, and where it was not to change.
    low, ticks, pedal
        As in `rolls.from_midi`.

    Returns
    -------
    pretty_midi.PrettyMIDI
        New notes are on a track named "binolab", at the mean velocity of the given ones.
    """
    import pretty_midi

    kept, rest = set(), roll.copy()
    for pitch, start, end, note in rolls.tick_notes(given, ticks=ticks, pedal=pedal):
        if known[pitch - low, start:end].all():
            kept.add(id(note))
            rest[pitch - low, start:end] = False
    midi = copy.copy(given)
    midi.instruments, velocities = [], []
    for instrument in given.instruments:
        track = copy.copy(instrument)
        if not instrument.is_drum:
            track.notes = [n for n in instrument.notes if id(n) in kept]
            velocities += [n.velocity for n in instrument.notes]
        if track.notes:
            midi.instruments.append(track)
    new = pretty_midi.Instrument(program=0, name="binolab")
    velocity = round(sum(velocities) / len(velocities)) if velocities else 80
    seconds = rolls.grid_seconds(given, ticks)
    new.notes = [
        pretty_midi.Note(velocity, low + row, seconds(start), seconds(end))
        for row, start, end in rolls.notes(rest)
    ]
    midi.instruments.append(new)
    return midi


def play(midi):
    """The waveform of a MIDI file at its own tempo: its notes on a grid of milliseconds."""
    from binolab import audio

    found = []
    for instrument in midi.instruments:
        for note in [] if instrument.is_drum else instrument.notes:
            start = round(note.start * 1000)
            found.append((note.pitch, start, max(round(note.end * 1000), start + 1)))
    return audio.synthesize(found, low=0, ticks=1000, tempo=60.0)
