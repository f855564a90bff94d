"""A key that is asked for: does it hold, to a judge that did not choose it?

    python benchmarks/keys.py

`binolab generate --key K --mode M` writes, finds the key by the profiles of Krumhansl and Kessler,
keeps a roll of the mode, and moves it to the tonic. Here each of 24 keys is asked for once, and
others judge: music21 with the profiles of Aarden and Essen and of Temperley, how much of the sound
lies in the scale (a minor scale has both sevenths), and whether the last bass note is the tonic.
Beside it, rolls for which nothing was asked, by the key that was found. Writes keys.md.
"""

import argparse
from pathlib import Path

import music21
import numpy as np

import binolab
from binolab.music import keys, midi

OUT = Path(__file__).with_suffix(".md")
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = {"major": {0, 2, 4, 5, 7, 9, 11}, "minor": {0, 2, 3, 5, 7, 8, 10, 11}}
JUDGES = {
    "Aarden-Essen": music21.analysis.discrete.AardenEssen,
    "Temperley": music21.analysis.discrete.TemperleyKostkaPayne,
}


def judged(made, tonic, mode):
    """What the others say of one piece: the judges' yes or no, the share in the scale, the end."""
    notes = midi.read(made).notes()
    stream = music21.stream.Stream()
    for note in notes:
        sound = music21.note.Note(note.pitch, quarterLength=(note.end - note.start) / 480)
        stream.insert(note.start / 480, sound)
    says = []
    for judge in JUDGES.values():
        found = judge(stream).getSolution(stream)
        says.append((found.tonic.pitchClass, found.mode) == (tonic, mode))
    inside = [(n.pitch - tonic) % 12 in SCALES[mode] for n in notes]
    last = max(n.end for n in notes)
    bass = min(n.pitch for n in notes if n.end == last)
    lengths = [n.end - n.start for n in notes]
    return [*says, np.average(inside, weights=lengths), bass % 12 == tonic]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="best", help="a shipped model or a file")
    options = parser.parse_args()
    model, rows = binolab.load(options.model), {}
    for mode in SCALES:
        rows[mode, "asked"] = [
            judged(
                binolab.generate(seed=seed, key=name, mode=mode, model=model, progress=False),
                tonic,
                mode,
            )
            for seed, (tonic, name) in enumerate(zip(range(12), NAMES))
        ]
    for made in binolab.generate(seed=100, n=24, model=model, progress=False):
        lit = np.zeros((128, 1))
        for note in midi.read(made).notes():
            lit[note.pitch] += note.end - note.start
        tonic, mode = keys.find(lit, 0)
        rows.setdefault((mode, "not asked"), []).append(judged(made, tonic, mode))
    heads = ["mode", "key", "rolls", *JUDGES, "sound in the scale", "ends on the tonic"]
    lines = [heads, ["---"] * len(heads)]
    for (mode, asked), values in rows.items():
        shares = [f"{share:.0%}" for share in np.mean(values, 0)]
        lines.append([mode, asked, str(len(values)), *shares])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    print(table)
    OUT.write_text(
        "# Keys that are asked for\n\nMade by "
        f"`python benchmarks/keys.py --model {options.model}`. "
        "Seeds 0 to 11 for each mode, 100 to 123 where nothing was asked; the judges' columns: "
        f"how often they name the same key.\n\n{table}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
