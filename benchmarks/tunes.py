"""Twelve tunes in all common meters, harmonized from first to last bar: is the harmony on the pulse?

    python benchmarks/tunes.py

Tunes in the manner of folk songs, written for this: 2/4, 3/4, 4/4, 6/8, 9/8 and 2/2, major and
minor, with and without a pickup, told by a short first bar or not, 16 to 64 bars. Each is harmonized
with the defaults of `binolab harmonize`. Of the new notes, how many begin on a beat of the meter
(`music.meter`), how many before the tune; beside them, of the tune's own notes. Then the parallel
fifths and octaves, of the same draw before it was revised and of what was written. Writes tunes.md.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import binolab
from binolab.music import counterpoint, meter, midi, notation, rolls
from binolab.music.midi import Event

OUT = Path(__file__).with_suffix(".md")

# name: meter, pickup in quarter notes, whether its bar is told, phrases in quarter notes, their order
TUNES = {
    "The Mill Road": (
        "4/4",
        0,
        True,
        {
            "a": "G4 1 A4 1 B4 1 D5 1 | B4 1 A4 1 G4 2 | A4 1 B4 1 C5 1 A4 1 | B4 2 A4 2",
            "b": "G4 1 A4 1 B4 1 D5 1 | E5 1 D5 1 B4 2 | C5 1 B4 1 A4 1 F#4 1 | G4 4",
            "c": "D5 1 D5 1 E5 1 D5 1 | C5 1 B4 1 A4 2 | B4 1 B4 1 C5 1 B4 1 | A4 3 D4 1",
        },
        "abcb",
    ),
    "Grey Water": (
        "4/4",
        1,
        True,
        {
            "a": "A4 1 C5 1 B4 1 A4 1 | E5 2 D5 1 C5 1 | B4 1 C5 1 D5 1 B4 1 | C5 2 A4 1 E4 1",
            "b": "A4 1 C5 1 B4 1 A4 1 | E5 2 D5 1 C5 1 | B4 1 A4 1 G#4 1 B4 1 | A4 3 E4 1",
            "c": "C5 1 C5 1 D5 1 E5 1 | F5 2 E5 1 D5 1 | C5 1 E5 1 D5 1 B4 1 | C5 3 E4 1",
        },
        "abcbabcb",
    ),
    "Seven Gates": (
        "4/4",
        0.5,
        True,
        {
            "a": "F4 1 A4 .5 G4 .5 F4 1 C5 1 | A4 1 F4 1 G4 2 | A4 1 Bb4 1 C5 1 A4 1 | G4 3 F4 .5 G4 .5",
            "b": "F4 1 A4 .5 G4 .5 F4 1 C5 1 | D5 1 C5 1 A4 2 | Bb4 1 A4 1 G4 1 E4 1 | F4 3.5 C4 .5",
        },
        "abababab",
    ),
    "Late Hay": (
        "4/4",
        0.5,
        False,
        {
            "a": "D5 1 B4 1 G4 1 A4 1 | B4 2 G4 1 D4 1 | E4 1 G4 1 A4 1 B4 1 | A4 3.5 D4 .5",
            "b": "D5 1 B4 1 G4 1 A4 1 | B4 2 C5 1 D5 1 | C5 1 A4 1 F#4 1 D4 1 | G4 3.5 D4 .5",
        },
        "abab",
    ),
    "The Ferry": (
        "3/4",
        0,
        True,
        {
            "a": "D4 1 F#4 1 A4 1 | B4 2 A4 1 | G4 1 F#4 1 E4 1 | F#4 2 D4 1",
            "b": "D4 1 F#4 1 A4 1 | D5 2 C#5 1 | B4 1 A4 1 C#4 1 | D4 3",
            "c": "A4 1 A4 1 B4 1 | G4 2 G4 1 | F#4 1 F#4 1 G4 1 | E4 2 A4 1",
        },
        "abcbabcb",
    ),
    "Long Shadows": (
        "3/4",
        1,
        True,
        {
            "a": "E4 1.5 F#4 .5 G4 1 | B4 2 A4 1 | G4 1 A4 1 F#4 1 | E4 2 B4 1",
            "b": "E5 1.5 D5 .5 B4 1 | C5 2 B4 1 | A4 1 F#4 1 D#4 1 | E4 2 B3 1",
        },
        "aabbaabb",
    ),
    "Market Polka": (
        "2/4",
        0,
        True,
        {
            "a": "C5 .5 E5 .5 G5 .5 E5 .5 | D5 .5 F5 .5 A4 1 | B4 .5 D5 .5 F5 .5 D5 .5 | C5 .5 E5 .5 C5 1",
            "b": "E5 1 D5 .5 C5 .5 | B4 .5 C5 .5 D5 1 | G4 .5 A4 .5 B4 .5 G4 .5 | C5 1 C5 1",
        },
        "aabbaabb",
    ),
    "Candle Dance": (
        "2/4",
        0.5,
        True,
        {
            "a": "D4 .5 F4 .5 A4 .5 F4 .5 | G4 .5 Bb4 .5 A4 1 | F4 .5 E4 .5 D4 .5 C#4 .5 | D4 1.5 A4 .5",
            "b": "D5 .5 A4 .5 Bb4 .5 G4 .5 | A4 .5 F4 .5 G4 1 | F4 .5 D4 .5 E4 .5 C#4 .5 | D4 1.5 A3 .5",
        },
        "aabbaabb",
    ),
    "Jig of the Weir": (
        "6/8",
        0,
        True,
        {
            "a": "G4 .5 B4 .5 D5 .5 D5 1 B4 .5 | C5 .5 A4 .5 F#4 .5 A4 1.5 | "
            "G4 .5 B4 .5 D5 .5 E5 1 D5 .5 | B4 1 A4 .5 G4 1.5",
            "b": "E5 1 E5 .5 D5 1 B4 .5 | C5 1 A4 .5 B4 1 G4 .5 | "
            "A4 .5 B4 .5 C5 .5 D5 .5 C5 .5 A4 .5 | G4 1.5 G4 1.5",
        },
        "aabbaabb",
    ),
    "The Low Field": (
        "6/8",
        0.5,
        True,
        {
            "a": "A4 1 E5 .5 D5 1 C5 .5 | B4 1 G4 .5 E4 1 E4 .5 | A4 1 B4 .5 C5 1 D5 .5 | E5 1.5 E5 1 E4 .5",
            "b": "A4 1 C5 .5 E5 1 D5 .5 | C5 1 B4 .5 A4 1 G#4 .5 | A4 1 C5 .5 B4 1 G#4 .5 | "
            "A4 1.5 A4 1 E4 .5",
        },
        "abababab",
    ),
    "Three Brothers": (
        "9/8",
        0,
        True,
        {
            "a": "D5 1 B4 .5 G4 1 B4 .5 D5 1.5 | E5 1 C5 .5 A4 1 C5 .5 E5 1.5 | "
            "D5 1 B4 .5 C5 1 A4 .5 B4 1 G4 .5 | A4 1.5 F#4 1.5 D4 1.5",
            "b": "D5 1 B4 .5 G4 1 B4 .5 D5 1.5 | E5 1 C5 .5 A4 1 C5 .5 E5 1.5 | "
            "D5 1 C5 .5 B4 1 A4 .5 F#4 1 A4 .5 | G4 3 G4 1.5",
        },
        "abab",
    ),
    "Slow Alders": (
        "2/2",
        2,
        True,
        {
            "a": "C5 2 A4 2 | F4 2 G4 2 | A4 2 Bb4 2 | C5 2 C5 2",
            "b": "D5 2 C5 2 | Bb4 2 A4 2 | G4 2 E4 2 | F4 2 C4 2",
            "c": "A4 2 G4 2 | F4 2 E4 2 | D4 2 G4 2 | E4 2 C4 2",
        },
        "abcbabcb",
    ),
}


def tune(signature, pickup, told, phrases, form):
    """A `Midi` of one track."""
    words = " | ".join(phrases[name] for name in form)
    last = words.split()[-2:]  # the last note of a tune with a pickup is the next one's
    before = f"{last[0]} {pickup:g} " if pickup else ""
    roll = notation.read(before + words, low=48, pitches=36, length=None)
    n, d = map(int, signature.split("/"))
    made, events = midi.blank(110), []
    if pickup and told:  # the first bar is told to be as short as it is
        whole = int(pickup * 8)  # in 32nds
        events.append(midi.meta(0, midi.SIGNATURE, bytes([whole, 5, 24, 8])))
        events.append(
            midi.meta(int(480 * pickup), midi.SIGNATURE, bytes([n, d.bit_length() - 1, 24, 8]))
        )
    else:
        events.append(midi.meta(0, midi.SIGNATURE, bytes([n, d.bit_length() - 1, 24, 8])))
    for row, start, end in rolls.notes(roll):
        events += [
            Event(20 * start, bytes([0x90, 48 + row, 84])),
            Event(20 * end, bytes([0x80, 48 + row, 0])),
        ]
    events.sort(key=lambda e: (e.tick, e.data[0] & 0xF0 == 0x90))
    made.tracks.append(
        [midi.meta(0, midi.NAME, b"Tune"), *events, Event(events[-1].tick, midi.END_OF_TRACK)]
    )
    return made


def on_the_beat(notes, grid):
    """Share of notes that begin on a beat."""
    return np.mean([grid.nearest(n.start) % grid.ticks == 0 for n in notes])


def parallels(piece):
    """Parallel fifths and octaves of a `Midi`."""
    return int(counterpoint.parallels(rolls.from_midi(piece)[None]).sum())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="best")
    parser.add_argument("--only", help="one tune")
    parser.add_argument("--folder", type=Path, help="where to write the MIDI files")
    options = parser.parse_args()
    model = binolab.load(options.model)
    lines = []
    for name, words in TUNES.items():
        if options.only not in (None, name):
            continue
        given = tune(*words)
        begun = time.perf_counter()
        how = {"seed": 1, "model": model, "progress": False}
        written = binolab.harmonize(given.bytes(), **how)
        seconds = time.perf_counter() - begun
        made, drawn = map(midi.read, (written, binolab.harmonize(given.bytes(), revise=0, **how)))
        if options.folder:
            made.write(options.folder / f"{name}.mid")
        grid = meter.grid(given, pickup="auto")
        notes = made.notes()
        own = [n for n in notes if made.name(n.track) == "Tune"]
        new = [n for n in notes if made.name(n.track) != "Tune"]
        bars = len(grid.bars)
        covered = np.mean(
            [
                any(a <= n.start < b for n in new)
                for a, b in zip(grid.bars, [*grid.bars[1:], int(grid.beats[-1])])
            ]
        )
        early = sum(n.start < given.notes()[0].start for n in new)
        lines.append(
            [
                name,
                words[0],
                f"{words[1]:g}" + " (not told)" * (not words[2]),
                str(bars),
                str(len(new)),
                f"{on_the_beat(new, grid):.0%}",
                f"{on_the_beat(own, grid):.0%}",
                f"{covered:.0%}",
                str(early),
                str(parallels(drawn)),
                str(parallels(made)),
                f"{seconds:.1f}",
            ]
        )
        print(*lines[-1], sep="  ", flush=True)
    if options.only is None:
        heads = [
            "tune",
            "meter",
            "pickup",
            "bars",
            "new notes",
            "on a beat",
            "the tune's own",
            "bars with new notes",
            "before the tune",
            "parallels as drawn",
            "revised",
            "seconds",
        ]
        command = f"python benchmarks/tunes.py --model {options.model}"
        table = ["| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *lines]]
        OUT.write_text(
            f"# Tunes harmonized\n\nMade by `{command}`, seed 1.\n\n" + "\n".join(table) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
