"""Run the six command lines of the README, and keep what they write in data/readme.

    python scripts/readme.py

The lines are read from README.md and run as they stand there, with seed 0, on two pieces of our
own: the melody of chapter 13 and a little piece in three phrases. Of the four pieces of `generate`
the first is kept. Run it again when the lines or the shipped weights change.
"""

import io
import os
import shutil
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure
from PIL import Image

from binolab import files
from binolab.cli.main import main as run
from binolab.music import meter, midi, notation, rolls
from binolab.show import plotting

ROOT = Path(__file__).parents[1]
OUT = ROOT / "data" / "readme"
SECTION = "## Your MIDI in, MIDI out"

MELODY = """
    E5 1 D5 .5 C5 .5 B4 1 C5 1 | A4 1 B4 1 C5 1 D5 1
    | E5 1 F5 .5 E5 .5 D5 1 C5 1 | B4 1 C5 .5 B4 .5 A4 2"""

# A phrase, its answer, and the phrase again with another end: four bars each, a voice a line.
PHRASES = (
    """
    G4 1 A4 1 B4 1 G4 1 | C5 1 B4 .5 A4 .5 B4 1 D5 1 | E5 1 D5 1 C5 1 B4 1 | A4 1 G4 1 F#4 2
    D4 1 D4 1 D4 1 E4 1 | E4 1 F#4 1 D4 1 G4 1       | G4 2 E4 2           | E4 2 D4 2
    B3 1 A3 1 B3 2      | A3 2 G3 2                  | G3 2 A3 1 G3 1      | A3 4
    G3 1 F#3 1 G3 1 E3 1 | A2 1 D3 1 G2 1 B2 1       | C3 1 B2 1 A2 1 E3 1 | C#3 2 D3 2
    """,
    """
    G4 1 F#4 .5 G4 .5 A4 1 B4 1 | C5 2 B4 1 A4 1       | B4 1 C5 .5 B4 .5 A4 1 G4 1 | F#4 3 - 1
    E4 1 D#4 1 E4 2             | E4 1 F#4 1 G4 1 E4 1 | E4 2 F#4 1 E4 1            | D#4 2 D4 1 - 1
    B3 2 C4 1 B3 1              | A3 2 B3 1 C4 1       | B3 1 A3 1 D4 1 B3 1        | B3 2 C4 1 - 1
    E3 1 B2 1 A2 1 G2 1         | A2 1 D3 1 G2 1 A2 1  | G2 1 A2 1 D3 1 E3 1        | B2 2 D3 1 - 1
    """,
    """
    G4 1 A4 1 B4 1 G4 1 | C5 1 B4 .5 A4 .5 B4 1 D5 1 | E5 1 D5 1 C5 1 B4 1 | A4 1 F#4 1 G4 2
    D4 1 D4 1 D4 1 E4 1 | E4 1 F#4 1 D4 1 G4 1       | G4 2 E4 2           | E4 1 C4 1 B3 2
    B3 1 A3 1 B3 2      | A3 2 G3 2                  | G3 2 A3 1 G3 1      | A3 2 G3 2
    G3 1 F#3 1 G3 1 E3 1 | A2 1 D3 1 G2 1 B2 1       | C3 1 B2 1 A2 1 E3 1 | C3 1 D3 1 G2 2
    """,
)
TEMPO = {"melody.mid": 100, "piece.mid": 132}


def written():
    """The two pieces, by the names that they have in the README."""
    voices = zip(*(phrase.strip().splitlines() for phrase in PHRASES), strict=True)
    texts = {"melody.mid": " ".join(MELODY.split()), "piece.mid": "\n".join(map(" ".join, voices))}
    for name, text in texts.items():
        roll = notation.read(text, length=None)
        yield name, rolls.to_midi(roll, tempo=TEMPO[name])


def lines():
    """The command lines of the section, without the blanks that align them."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(SECTION)[1]
    return [" ".join(line.split()) for line in section.strip().split("\n\n")[0].splitlines()]


def draw(path, tracks, title, out):
    """The notes of a MIDI file: those on its first `tracks` tracks as given, the others as made."""
    piece = midi.read(path)
    notes, grid = piece.notes(), meter.grid(piece, rolls.TICKS)
    spans = rolls.spans(notes, grid, rolls.LOW)
    given = [span for note, span in zip(notes, spans) if note.track < tracks]
    roll = rolls.from_notes(spans)
    known = rolls.from_notes(given, length=roll.shape[1])
    figure = Figure((9, 2.2), layout="constrained")
    ax = plotting.plot_roll(roll, figure.add_subplot(), known=known, shade=False)
    pitches = [note.pitch for note in notes]
    ax.set(ylim=(min(pitches) - 2.5, max(pitches) + 2.5), xlabel="", ylabel="")
    figure.suptitle(title, x=0.01, ha="left", family="monospace", size=10)
    file = io.BytesIO()
    figure.savefig(file, dpi=plotting.DPI)
    picture = Image.open(file).convert("RGB").quantize(32, dither=Image.Dither.NONE)
    with files.replacing(out) as temporary:
        picture.save(temporary, "PNG", optimize=True)


def main():
    OUT.mkdir(exist_ok=True)
    os.chdir(OUT)
    for name, piece in written():
        piece.write(name)
    for line in lines():
        _, command, *options = line.split()
        given = Path(options[0])  # or -o, of a line that reads no file
        tracks = len(midi.read(given).tracks) if given.exists() else 0
        place = options.index("-o") + 1
        with tempfile.TemporaryDirectory() as folder:
            options[place] = str(Path(folder, options[place]))
            if run([command, *options, "--seed", "0", "--audio", "--quiet"]):
                raise SystemExit(f"failed: {line}")
            first = min(Path(folder).glob("*.mid"))
            for kind in ".mid", ".mp3":
                shutil.copyfile(first.with_suffix(kind), command + kind)
        draw(f"{command}.mid", tracks, line, f"{command}.png")
        print(line)


if __name__ == "__main__":
    main()
