"""Draw the book's own pictures, every one from rolls that the shipped model wrote or that it reads.

    python scripts/cover.py

data/cover.png is for the README and for whoever links to the pages; book/_static gets the
wordmark, the icon and a picture for the card of each chapter. The piece is the landing page's. Run
it again when the shipped weights change.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image

from binolab import files
from binolab.datasets import chorales
from binolab.diffusion import kernel, prompting
from binolab.model import load
from binolab.music import notation, rolls
from binolab.show import plotting

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "book" / "_static"
SEED = 11  # the landing page's
NIGHT, MIST, GLOW, MOON = "#10151f", "#4d5c78", "#f19b5c", "#eef2f8"  # the pages' dark theme
GROUND, STAVE = "#eef1f6", "#e1e6ee"
# The colours of a card's picture: numbers in its array. Twelve shades from ground to ink follow.
COLOURS = (GROUND, STAVE, plotting.INK, plotting.GIVEN, plotting.MADE, "#a8b2c2")
PAPER, LINE, INK, GIVEN, MADE, GREY = range(6)
SHADES = 12
HEIGHT, WIDTH = 36, 96  # of a card's picture, in cells

VOICES = """
    G4 1  B4 1  D5 1   C5 .5  B4 .5
    G4 1  G4 1  A4 1   G4 1
    B3 1  D4 1  D4 1   E4 1
    G3 1  G3 1  F#3 1  C3 1"""


def bits(x):
    return x[0, 0].numpy() > 0


def batch(roll):
    return torch.from_numpy(roll)[None, None].float()


def seeded(seed=SEED):
    return torch.Generator().manual_seed(seed)


def emerging(path, piece, clean=0.3):
    """The path as one roll: the noisiest step at the left, the piece in the last `clean` part.

    Returns 0 where it is dark, 1 for a lit cell that the piece does not have, 2 for one it has.
    """
    times = np.array(sorted(path))
    P, L = piece.shape
    t = np.interp(np.arange(L), [0, L * (1 - clean)], [times[-1], 0])
    nearest = times[np.abs(times[:, None] - t).argmin(0)]
    seen = np.stack([path[t][:, i] for i, t in enumerate(nearest)], axis=1)
    return seen * (1 + piece.astype(int))


def cover(image, out):
    """The picture for the README and for links: 1280 by 640."""
    figure = Figure((12.8, 6.4), facecolor=NIGHT)
    ax = figure.add_axes((0, 0.345, 1, 0.655))
    ax.axis("off")
    cells = np.array([matplotlib.colors.to_rgb(c) for c in (NIGHT, MIST, GLOW)])[image]
    lit = np.flatnonzero((image == 2).any(1))
    ax.imshow(cells[max(lit[0] - 5, 0) : lit[-1] + 6], aspect="auto", origin="lower",
              interpolation="nearest")  # fmt: skip
    figure.text(0.05, 0.15, "binolab", color=MOON, size=58, weight="bold")
    figure.text(0.05, 0.072, "Music out of noise", color=GLOW, size=23)
    figure.text(0.95, 0.2, "A book that runs:", color="#9aa6b9", size=17, ha="right")
    figure.text(0.95, 0.14, "binomial diffusion on", color="#9aa6b9", size=17, ha="right")
    figure.text(0.95, 0.08, "binary piano rolls", color="#9aa6b9", size=17, ha="right")
    file = io.BytesIO()
    figure.savefig(file, dpi=100, facecolor=NIGHT)
    picture = Image.open(file).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    with files.replacing(out) as temporary:
        picture.save(temporary, "PNG", optimize=True)


def glyph(image, columns=11, rows=7):
    """A corner of the emerging piece that fits an icon: where noise has just become notes.

    A column is half a beat; of the rows only those that sound most.
    """
    ticks = rolls.TICKS // 2
    start = int(0.74 * image.shape[1]) // ticks - columns
    part = image[:, start * ticks : (start + columns) * ticks].reshape(len(image), columns, ticks)
    small = np.where((part == 2).mean(2) > 0.3, 2, ((part == 1).sum(2) > 1).astype(int))
    loudest = np.argsort(-(small == 2).sum(1), kind="stable")[:rows]
    return small[np.sort(loudest)]


def runs(cells):
    """(row, first column, length, colour) of each run of cells of one colour."""
    for y, line in enumerate(cells):
        edges = np.flatnonzero(np.diff(line, prepend=-1, append=-1))
        for a, b in zip(edges, edges[1:]):
            if line[a]:
                yield y, a, b - a, line[a]


def drawn(cells, colours, x=0.0, y=0.0, size=1.0):
    """Cells as SVG rectangles, the lowest row at the bottom."""
    return "".join(
        f'<rect x="{x + a * size:g}" y="{y + (len(cells) - 1 - row + 0.1) * size:g}" '
        f'width="{(n - 0.12) * size:g}" height="{0.8 * size:g}" fill="{colours[c]}"/>'
        for row, a, n, c in runs(cells)
    )


def wordmark(cells, ink, mist, made):
    """The name beside the glyph, as outlines: an image cannot use a page's fonts."""
    font = FontProperties(family="Source Sans 3", weight="bold")
    name, height = TextPath((0, 0), "binolab", size=9.2, prop=font), len(cells)
    d, start = [], cells.shape[1] + 1.2
    for points, code in name.iter_segments(curves=True):
        xy = " ".join(f"{start + x:.2f} {height - 0.3 - y:.2f}" for x, y in points.reshape(-1, 2))
        d.append({1: "M", 2: "L", 3: "Q", 4: "C"}.get(code, "Z") + (xy if code != 79 else ""))
    width = start + name.get_extents().x1 + 0.5
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height}" '
        f'width="{10 * width:.0f}" height="{10 * height}">'
        f"{drawn(cells, [None, mist, made])}"
        f'<path d="{"".join(d)}" fill="{ink}"/></svg>\n'
    )


def icon(cells):
    side = cells.shape[1] + 3
    top = (side - len(cells)) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<rect width="{side}" height="{side}" rx="2" fill="{NIGHT}"/>'
        f"{drawn(cells, [None, '#8b97ab', GLOW], 1.5, top)}</svg>\n"
    )


def fit(cells, start=0, rows_of=None):
    """The part of a roll that a card has room for: 36 rows, those with the most notes in them."""
    part = cells[:, start : start + WIDTH]
    lit = (part > 0 if rows_of is None else rows_of[:, start : start + WIDTH]).sum(1)
    notes = np.array([lit[i : i + HEIGHT].sum() for i in range(len(part) - HEIGHT + 1)])
    best = np.flatnonzero(notes == notes.max())
    first = best[len(best) // 2]  # as many notes above as below, where there is a choice
    return part[first : first + HEIGHT].astype(int)


def card(cells, file, beats):
    """Write one card's picture; cells of PAPER show the lines of the beats."""
    cells = np.array(cells)
    if beats:
        line = np.zeros_like(cells, bool)
        line[:, rolls.TICKS :: rolls.TICKS] = True
        cells[line & (cells == PAPER)] = LINE
    ends = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (GROUND, plotting.INK)])
    shades = ends[0] + np.linspace(0, 1, SHADES)[:, None] * (ends[1] - ends[0])
    palette = b"".join(bytes.fromhex(c[1:]) for c in COLOURS) + shades.astype(np.uint8).tobytes()
    image = Image.fromarray(cells[::-1].astype(np.uint8))
    image.putpalette(palette)
    with files.replacing(file) as temporary:
        image.save(temporary, "PNG", optimize=True)


def noisy(roll, level, seed=0):
    """INK for the roll's own notes that are left, GREY for the notes of the noise.

    level (L,): how much noise each tick gets, from 0 to 1.
    """
    random = np.random.default_rng(seed)
    tossed = random.random(roll.shape) < level
    x_t = np.where(tossed, random.random(roll.shape) < 0.12, roll)
    return np.where(x_t, np.where(roll, INK, GREY), PAPER)


def walks(seed=SEED, beta=0.1):
    """Lit cells that walk from left to right, blue until their first toss, then lit by chance."""
    random, cells = np.random.default_rng(seed), np.zeros((HEIGHT, WIDTH), int)
    for y in range(3, HEIGHT - 3, 6):
        own, lit = True, True
        for x in range(2, WIDTH - 3, 6):
            colour = GIVEN if own else MADE if lit else LINE
            cells[y : y + 4, x : x + 4] = colour
            if random.random() < beta:
                own, lit = False, random.random() < 0.5
    return cells


def unet(roll):
    """The roll at three resolutions and back: the shape of the paper's network."""
    cells, x = np.zeros((HEIGHT, WIDTH), int), 1
    for fold, width in (1, 28), (2, 14), (4, 7), (2, 14), (1, 28):
        part = roll[:, : width * fold]
        small = part.reshape(HEIGHT // fold, fold, width, fold).max((1, 3))
        bottom = (HEIGHT - len(small)) // 2
        colour = MADE if x > WIDTH / 2 else INK
        cells[bottom : bottom + len(small), x : x + width] = np.where(small, colour, LINE)
        x += width + 1
    return cells


def curve(log):
    """The loss of a training log, high at the left, as a line of cells."""
    loss = np.log([row["loss"] for row in log if row.get("loss")])
    loss = np.interp(np.linspace(0, len(loss) - 1, WIDTH), np.arange(len(loss)), loss)
    height = (2 + (HEIGHT - 6) * (loss - loss.min()) / np.ptp(loss)).astype(int)
    y = np.arange(HEIGHT)[:, None]
    return np.where(np.abs(y - height) <= 1, MADE, np.where(y < height, LINE, PAPER))


def scales(real, made):
    """How often each pitch class sounds: in the chorale upwards, in the piece downwards."""
    cells = np.zeros((HEIGHT, WIDTH), int)
    for roll, colour in (real, GIVEN), (made, MADE):
        pitch = (rolls.LOW + np.arange(len(roll))) % 12
        share = np.bincount(pitch, weights=roll.sum(1), minlength=12)
        for i, n in enumerate((share / share.max() * 16).astype(int)):
            rows = slice(18, 18 + n) if colour == GIVEN else slice(17 - n, 17)
            cells[rows, 8 * i + 2 : 8 * i + 7] = colour
    return cells


def cards(model, path, piece, bach):
    """A picture a chapter, by the name of its page."""
    ramp = np.linspace(0, 1, WIDTH)
    L, half = rolls.LENGTH, rolls.LENGTH // 2
    short = fit(bach) > 0
    yield "01-notation", fit(notation.read(VOICES) * INK)
    yield "02-rolls", fit(bach * INK)
    yield "03-kernel", noisy(short, np.where(ramp < 0.5, 0, 0.5))
    yield "04-deriving-eq8", walks()
    yield "05-watching", noisy(short, ramp)
    yield "06-unet", unet(short)
    log = (ROOT / "data" / "chorale-log.jsonl").read_text(encoding="utf-8").splitlines()
    yield "07-training", curve([json.loads(line) for line in log])
    colours = np.array([PAPER, GREY, MADE])
    seen = colours[emerging(path, piece)]
    yield "08-sampling", fit(seen[:, :: L // WIDTH], rows_of=piece[:, :: L // WIDTH])
    planes = model.codec.decode(model.encode(batch(piece))[0])[0].numpy() > 0
    voices = np.max(planes * np.array([MADE, GIVEN, INK, GREY])[:, None, None], 0)
    yield "09-drawing-bits", fit(voices)
    turns = np.where(np.arange(L) // rolls.TICKS % 2, GIVEN, MADE)  # beat by beat
    yield "10-your-own", fit(piece * turns)
    yield "11-pieces", fit(piece * MADE)
    x0 = batch(bach)
    roll = bits(prompting.complete(model, x0, half, generator=seeded()))
    known = np.arange(L) < half
    yield "12-completing", fit(roll * np.where(known, GIVEN, MADE), half - WIDTH // 2)
    roll = bits(prompting.harmonize(model, x0, generator=seeded()))
    yield "13-harmonizing", fit(roll * np.where(bits(prompting.above_melody(x0)), GIVEN, MADE))
    roll = bits(prompting.vary(model, x0, 0.4, generator=seeded()))
    yield "14-variations", fit(np.where(roll, np.where(bach, GIVEN, MADE), bach * LINE))
    level = torch.tensor([0.15])
    x_t = kernel.forward(model.encode(x0)[0], level.item(), model.prior, seeded())
    with torch.no_grad():
        sounds = model.codec.sounding(model(x_t, level))[0]
    guess = 1 - (1 - sounds).prod(0).numpy()  # in some voice
    guess = guess.repeat(model.codec.span, -1)
    shade = len(COLOURS) + np.rint(guess * (SHADES - 1)).astype(int)
    yield "15-what-it-sees", fit(shade, rows_of=guess)
    yield "16-how-good", scales(bach, piece)
    long = bits(prompting.generate(model, length=2 * L, generator=seeded(), steps=50))
    yield "17-longer", fit(long[:, :: 2 * L // WIDTH] * MADE)
    paper = bits(prompting.generate(load("unet"), generator=seeded(), steps=50))
    both = np.where(np.arange(L) < WIDTH // 2, paper * GREY, piece * MADE)
    yield "18-reproduced", fit(both, rows_of=piece)


def main():
    model = load("best")
    path = {}
    prompting.generate(
        model, steps=100, generator=seeded(),
        callback=lambda t, x_t, _: path.__setitem__(t, bits(model.decode(x_t))),
    )  # fmt: skip
    piece = path[0]
    image = emerging(path, piece)
    cover(image, ROOT / "data" / "cover.png")
    cells = glyph(image)
    pictures = {
        "logo.svg": wordmark(cells, plotting.INK, "#a8b2c2", plotting.MADE),
        "logo-dark.svg": wordmark(cells, MOON, MIST, GLOW),
        "favicon.svg": icon(cells),
    }
    for name, text in pictures.items():
        (STATIC / name).write_text(text, encoding="utf-8")
    (STATIC / "cards").mkdir(exist_ok=True)
    bach = chorales.load("test", progress=False)[0].roll[:, : rolls.LENGTH]
    for name, picture in cards(model, path, piece, bach):
        beats = name[:2] not in ("04", "06", "07", "16")  # these are no rolls
        card(picture, STATIC / "cards" / f"{name}.png", beats)
        print(name, flush=True)


if __name__ == "__main__":
    main()
