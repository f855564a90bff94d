"""MIDI files edited: notes outside a mask's free cells stay as they are, new ones are added.

Chapters: 10 *Completing and infilling*, 11 *Harmonizing a melody*.
"""

from __future__ import annotations

import copy

from binolab.music import rolls


def rewrite(given, roll, known, *, low=rolls.LOW, ticks=rolls.TICKS, pedal=False):
    """A copy of a MIDI file with the notes of its free cells replaced by those of a roll.

    A note that lies wholly in known cells is kept to the letter: its track, velocity and exact
    times, on the grid or off it. Of one that reaches into free cells the roll decides what is
    left. Where its beginning was known it stays on its track, with its velocity and the exact
    times of the ends that it keeps; where only its end was, that end is heard only if the roll
    leads up to it. A kept note that ends between sixteenths, as legato playing does, is not struck
    again there: what the roll goes on with begins on the next beat.

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
        New notes, if any, are on a track named "binolab", at the mean velocity of the given ones.
    """
    import pretty_midi

    kept, ends, begun, rest = set(), set(), {}, roll.copy()
    for pitch, start, end, note in rolls.tick_notes(given, ticks=ticks, pedal=pedal):
        row = pitch - low
        if known[row, start:end].all():
            kept.add(id(note))
            ends.add((row, end))
            rest[row, start:end] = False
        elif known[row, start]:
            begun[row, start] = note, end
        elif known[row, end - 1]:
            tail = start + int((~known[row, start:end]).nonzero()[0][-1]) + 1
            if not roll[row, tail - 1]:
                rest[row, tail:end] = False
    seconds = rolls.grid_seconds(given, ticks)
    found, changed = [], {}
    for row, start, end in rolls.notes(rest):
        if (row, start) in begun:
            note, was = begun[row, start]
            until = note.end if end == was else seconds(end)
            changed[id(note)] = pretty_midi.Note(note.velocity, note.pitch, note.start, until)
            continue
        if (row, start) in ends and start % (ticks // 4 or 1):
            start = -(-start // ticks) * ticks
        if start < end:
            found.append((row, start, end))

    midi = copy.copy(given)
    midi.instruments, velocities = [], []
    for instrument in given.instruments:
        track = copy.copy(instrument)
        if not instrument.is_drum:
            track.notes = [
                n if id(n) in kept else changed[id(n)]
                for n in instrument.notes
                if id(n) in kept or id(n) in changed
            ]
            velocities += [n.velocity for n in instrument.notes]
        if track.notes:
            midi.instruments.append(track)
    new = pretty_midi.Instrument(program=0, name="binolab")
    velocity = round(sum(velocities) / len(velocities)) if velocities else 80
    new.notes = [
        pretty_midi.Note(velocity, low + row, seconds(start), seconds(end))
        for row, start, end in found
    ]
    if new.notes or not midi.instruments:
        midi.instruments.append(new)
    return midi
