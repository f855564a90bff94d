"""The parts of a MIDI file: which instrument plays what, and those that are asked for.

A part is what one channel of one track plays. It has the track's name, and the General MIDI
instrument of its program. Drums are no part.

Chapter: 02 *From MIDI to a roll*.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pretty_midi import program_to_instrument_class, program_to_instrument_name

from binolab.music.midi import Midi, MidiError, Note

ALL = "all"
OTHERS = "others"
SAME = {"piano": ("piano", "klavier")}  # a name, and all words that mean it


class Part(NamedTuple):
    """What one channel of one track plays; `name` is "", `program` None, where none is told."""

    track: int
    channel: int
    name: str = ""
    program: int | None = None

    def __str__(self) -> str:
        sound = "no program" if self.program is None else program_to_instrument_name(self.program)
        return f"{self.name} ({sound})".strip()


def parts(midi: Midi) -> list[Part]:
    """The parts of a file that have notes, in order of track and channel."""
    anywhere: dict[int, int] = {}  # some files tell all programs on a track of their own
    for track in range(len(midi.tracks)):
        anywhere = midi.programs(track) | anywhere
    return [
        Part(
            track,
            channel,
            midi.name(track) if midi.kind else "",  # of a lone track it is the piece's title
            midi.programs(track).get(channel, anywhere.get(channel)),
        )
        for track, channel in sorted({(n.track, n.channel) for n in midi.notes()})
    ]


def chosen(midi: Midi, wanted: str = ALL, pedal: bool = False) -> list[Note]:
    """The notes of the parts that are wanted, in order of start and pitch.

    Parameters
    ----------
    midi : Midi
    wanted
        "all"; or a name; or a General MIDI program from 0 to 127, "0", or several, "0-7". A name is
        looked for in the names of the track, of its instrument and of the instrument's family,
        whatever the case. "piano" finds programs 0 to 7, and what is called Klavier too.
    pedal : bool
        As in `Midi.notes`.

    Raises
    ------
    ValueError
        Where `wanted` is none of these.
    MidiError
        Where there is no such part. A part that tells no program is a piano, as for every player,
        but only where no other part is found.

    Chapter: 02.
    """
    fits, notes = matcher(wanted), midi.notes(pedal)
    if wanted == ALL:
        return notes
    every = parts(midi)
    found = [part for part in every if fits(part)]
    found = found or [p for p in every if p.program is None and fits(p._replace(program=0))]
    if not found:
        said = ", ".join(dict.fromkeys(map(str, every[:8])))
        raise MidiError(f"no part is {wanted} (found {said}); ask for another part, or for all")
    kept = {(part.track, part.channel) for part in found}
    return [note for note in notes if (note.track, note.channel) in kept]


def apart(midi: Midi, wanted: str = ALL, pedal: bool = False) -> list[list[Note]]:
    """The notes of several choices, each for itself: "piano,others" parts a song's piano from all
    else.

    The choices are as in `chosen`, with commas between them. A note belongs to the first that fits
    it, and "others", the last, takes what is left. The first must have notes; what goes with it may
    be silent.

    Raises ValueError and MidiError as `chosen` does.
    """
    first, *rest = choices(wanted)
    taken = chosen(midi, first, pedal)
    planes, left = [taken], set(midi.notes(pedal)) - set(taken)
    for choice in rest:
        fits = matcher(choice)
        kept = {(part.track, part.channel) for part in parts(midi) if fits(part)}
        planes.append(sorted(n for n in left if (n.track, n.channel) in kept))
        left -= set(planes[-1])
    return planes


def choices(wanted: str) -> list[str]:
    """The choices of `apart`, each sound; ValueError where one is none."""
    first, *rest = wanted.split(",")
    for choice in (first, *rest):
        matcher(choice)
    if first == OTHERS or OTHERS in rest[:-1] or (rest and ALL in (first, *rest)):
        raise ValueError(
            f"`parts` {wanted!r}: `others` takes what the parts before it leave, so it comes last; "
            "`all` stands alone"
        )
    return [first, *rest]


def matcher(wanted: str) -> Callable[[Part], bool]:
    """What tells whether a `Part` is wanted; ValueError where `wanted` is no choice."""
    if wanted in (ALL, OTHERS):
        return lambda part: True
    if programs := re.fullmatch(r"(\d+)(?:-(\d+))?", wanted):
        first, last = int(programs[1]), int(programs[2] or programs[1])
        if first <= last <= 127:
            return lambda part: part.program in range(first, last + 1)
    elif words := SAME.get(wanted.casefold(), (wanted.casefold().strip(),)):
        if all(words):
            return lambda part: any(word in text for word in words for text in _names(part))
    raise ValueError(
        "`parts` must be all, a name as piano, or General MIDI programs from 0 to 127, as 0 or "
        f"0-7; or several of these, as piano,others; got {wanted!r}"
    )


def _names(part: Part) -> list[str]:
    """All that a part may be called."""
    told = [part.name]
    if part.program is not None:
        told += [program_to_instrument_name(part.program)]
        told += [program_to_instrument_class(part.program)]
    return [text.casefold() for text in told]
