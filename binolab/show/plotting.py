"""Pictures of piano rolls, and the style of all figures.

Conventions. Every plot takes ``ax=None`` and returns what it drew on. A roll's axes are in musical
units: beats from left to right, MIDI pitches from bottom to top. Blue was given (known), vermilion
was made by the model: colour-blind readers can tell the two apart. Figures are opaque; the pages'
dark theme turns ink and paper round.

Importing this module sets matplotlib's defaults to `STYLE`, so that all figures have one typeface
and one set of colours; update ``matplotlib.rcParams`` afterwards to have your own.

Chapter: 02, *From MIDI to a roll*; 05, *Watching the noise* (Fig. 1).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import MultipleLocator

from binolab.files import replacing
from binolab.music.rolls import LOW, TICKS, validate

INK, GIVEN, MADE = "#24324a", "#0072b2", "#d55e00"  # notes; known notes; the model's notes
PAPER, KEYS = "#ffffff", "#f1f3f6"  # the ground, and its rows of black keys
FREE, FREE_KEYS = "#fdf3e7", "#f9ebdb"  # the same where the model writes
LINE, FAINT = "#7d8798", "#dfe3ea"
HUES = (GIVEN, MADE, "#009e73", "#cc79a7", INK, "#e69f00")  # after Okabe and Ito
MARKS = "osD^vP"
BAND = "#e8ebf0"  # of ratios that are near enough to 1
DPI = 150  # of a PNG

STYLE: dict = {
    # the pages' own sans serif; what its Latin letters lack comes from matplotlib's
    "font.family": ["Source Sans 3", "DejaVu Sans"],
    "mathtext.fontset": "cm",  # as the pages' equations
    "axes.prop_cycle": plt.cycler(color=HUES),
    "axes.titlelocation": "left",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), LINE),
}
for _file in (Path(__file__).parent / "fonts").glob("*.ttf"):
    fontManager.addfont(_file)
plt.rcParams.update(STYLE)


def canvas(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """`ax`, or the axes of a new figure, (width, height) in inches."""
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _stack(axes, rows, height):
    """An array of axes, one a row: `axes`, or those of a new figure."""
    if axes is None:
        _, axes = plt.subplots(rows, figsize=(9, height), layout="constrained")
    return np.ravel(axes)


def quiet(ax: Axes, grid: str | None = None) -> Axes:
    """Ink on paper: no box, thin grey axes, and a faint grid along "x", "y" or "both"."""
    ax.set_facecolor(PAPER)
    ax.tick_params(which="both", color=LINE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LINE)
    if grid:
        ax.grid(axis=grid, color=FAINT, lw=0.6)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    return ax


def _checked(roll: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Both as bits, of one shape; without a mask, None."""
    roll = validate(roll)
    if known is None:
        return roll, None
    known = validate(known)
    if known.shape != roll.shape:
        raise ValueError(f"known must have the roll's shape {roll.shape}, got {known.shape}")
    return roll, known


def plot_roll(
    roll: np.ndarray,
    ax: Axes | None = None,
    *,
    low: int = LOW,
    ticks: int = TICKS,
    known: np.ndarray | None = None,
    shade: bool = True,
    beats_per_bar: int = 4,
    bars: dict[int, float] | None = None,
    begin: int = 0,
    title: str | None = None,
) -> Axes:
    """Draw a roll with note names, beats, and its bars numbered at the top.

    Parameters
    ----------
    roll : array of bits, (pitches, length)
    low, ticks : int
        MIDI pitch of row 0; ticks a beat.
    known : array of bool, (pitches, length), optional
        True where the roll was given: notes there are blue, the others vermilion.
    shade : bool
        With `known`, tint the free region.
    bars : dict, optional
        The number of each bar and the beat at which it begins, where they are not all alike.
    begin : int
        The beat of the piece at which the roll begins, a bar's first.

    Chapter: 02; Fig. 4-8 of the paper.
    """
    roll, known = _checked(roll, known)
    pitch = np.arange(low, low + len(roll))
    end = begin + roll.shape[1] / ticks
    black = np.isin(pitch % 12, (1, 3, 6, 8, 10))[:, None]
    ground = black + 2 * (~known if known is not None and shade else np.zeros_like(roll))
    ax = canvas(ax, (9, 2.9))
    ax.imshow(
        np.where(roll, 4 if known is None else 6 - known, ground),
        cmap=ListedColormap([PAPER, KEYS, FREE, FREE_KEYS, INK, GIVEN, MADE]),
        vmin=0,
        vmax=6,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(begin, end, low - 0.5, low + len(roll) - 0.5),
    )
    if bars is None:
        bars = {int(x) // beats_per_bar + 1: x for x in np.arange(begin, end, beats_per_bar)}
    bars = {k: x for k, x in bars.items() if begin <= x < end}
    every = 1 + len(bars) // 24  # long pieces: fewer numbers
    lines, names = list(bars.values()), [f" {k}" for k in bars]
    ax.vlines([x for x in lines if x > begin], low - 0.5, low + len(roll) - 0.5, color=LINE, lw=0.7)
    ax.set_xticks([*lines[::every], *([end] if every == 1 else [])])
    ax.xaxis.set_minor_locator(MultipleLocator(every))
    octaves = pitch[pitch % 12 == 0]
    ax.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    ax.set(xlabel="beat", ylabel="pitch", xlim=(begin, end))
    top = ax.secondary_xaxis("top")
    top.set_xticks(lines[::every], names[::every], ha="left", color=INK, fontsize=8)
    top.tick_params(length=9, color=LINE, pad=-7)  # the number beside its line
    top.spines["top"].set_visible(False)
    if title:
        ax.set_title(title, fontsize=11)
    return quiet(ax)


def plot_rows(
    roll: np.ndarray,
    axes: np.ndarray | None = None,
    *,
    beats_per_row: int = 32,
    ticks: int = TICKS,
    known: np.ndarray | None = None,
    **options,
) -> np.ndarray:
    """Draw a long piece in rows, as a score is printed. Returns the axes, one a row.

    `known` and `options` are those of `plot_roll`; `axes` has one for each row.
    Chapter: 17.
    """
    roll, known = _checked(roll, known)
    row = beats_per_row * ticks
    starts = range(0, max(roll.shape[1], 1), row)
    axes = _stack(axes, len(starts), 0.3 + 1.9 * len(starts))
    for start, ax in zip(starts, axes, strict=True):
        here = slice(start, start + row)
        part = None if known is None else known[:, here]
        begin = start // ticks
        plot_roll(roll[:, here], ax, ticks=ticks, known=part, begin=begin, **options)
        ax.set_xlim(begin, begin + beats_per_row if len(starts) > 1 else None)
        if ax is not axes[-1]:
            ax.set_xlabel("")
    return axes


def plot_path(
    rolls: Sequence[np.ndarray],
    labels: Sequence[str | int],
    axes: np.ndarray | None = None,
    **options,
) -> np.ndarray:
    """Stack the rolls x_t along a sampling path, the first at the top (Fig. 1).

    A label is a string, or a step: 100 reads "t = 100". `axes` has one for each roll, as has the
    array that is returned; `options` are those of `plot_roll`.
    Chapter: 05.
    """
    axes = _stack(axes, len(rolls), 0.5 + 1.3 * len(rolls))
    if not len(rolls) == len(labels) == len(axes):
        counts = f"{len(rolls)} rolls, {len(labels)} labels, {len(axes)} axes"
        raise ValueError(f"need a label and an axes for each roll, got {counts}")
    for roll, label, ax in zip(rolls, labels, axes):
        plot_roll(roll, ax, **options)
        text = label if isinstance(label, str) else f"t = {label}"
        ax.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=10)
        ax.label_outer()  # beats once, at the bottom
        ax.child_axes[0].set_visible(ax is axes[0])  # bars once, at the top
    return axes


def boxes(
    axes: Axes | np.ndarray, beats: tuple[float, float] | None = None
) -> list[tuple[float, float, float, float]]:
    """Where the rolls of a figure lie in its picture, so that a playhead can move over them.

    Parameters
    ----------
    axes : one or several, of one figure, as `plot_roll`, `plot_rows` and `plot_path` return them
    beats : (first, last), optional
        The part that is heard; all of it otherwise.

    Returns
    -------
    list of (left, top, width, height)
        Shares of the picture as a notebook shows it, cut to what is drawn: see `audio.player`.
    """
    axes = np.ravel(np.asarray(axes, object))
    figure = axes[0].figure
    figure.draw_without_rendering()  # now the layout is settled
    whole = figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])
    found = []
    for ax in axes:
        box = ax.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        low, high = ax.get_xlim()
        first, last = beats or (low, high)
        inch = box.width / (high - low)  # of a beat
        left = (box.x0 + inch * (first - low) - whole.x0) / whole.width
        top = (whole.y1 - box.y1) / whole.height
        found.append((left, top, inch * (last - first) / whole.width, box.height / whole.height))
    return found


def picture(roll: np.ndarray, *, ticks: int = TICKS, **options) -> Figure:
    """A roll as a figure without a window; `options` are those of `plot_roll`.

    More than 32 beats are drawn in rows of 32, in at most 16 rows of more.
    """
    beats = -(-validate(roll).shape[1] // ticks)
    per_row = max(32, 16 * -(-beats // 256))
    rows = max(1, -(-beats // per_row))
    size = (9, 2.9 if rows == 1 else 0.3 + 1.9 * rows)
    figure = Figure(size, layout="constrained")
    if rows == 1:
        plot_roll(roll, figure.add_subplot(), ticks=ticks, **options)
    else:
        plot_rows(roll, figure.subplots(rows), beats_per_row=per_row, ticks=ticks, **options)
    return figure


def save_png(roll: np.ndarray, path: str | Path, *, dpi: int = DPI, **options) -> None:
    """Write `picture(roll, **options)` as PNG, whole or not at all; the folder must exist."""
    with replacing(path) as temporary:
        picture(roll, **options).savefig(temporary, format="png", dpi=dpi)


def roll_image(
    roll: np.ndarray,
    *,
    scale: int = 1,
    known: np.ndarray | None = None,
    colours: Sequence[str] = (PAPER, INK, FREE, MADE, PAPER, GIVEN),
) -> bytes:
    """A roll as a small PNG, one pixel a bit, high pitches at the top.

    A pixel's palette index is its bit, plus 2 where `known`. `colours` are six "#rrggbb": ground
    and note; with `known`, free ground and note, known ground and note. `scale` is pixels a bit
    each way. A page can enlarge the picture at no cost (`image-rendering: pixelated`).
    Chapter: 05.
    """
    roll, known = _checked(roll, known)
    index = roll.astype(np.uint8) if known is None else roll + 2 * known
    used = colours[:2] if known is None else colours[2:]
    palette = np.array([_rgb(colour) for colour in used])
    return _png(index.repeat(scale, axis=0).repeat(scale, axis=1), palette)


def grey_image(values: np.ndarray, *, shades: int = 16) -> bytes:
    """Numbers from 0 to 1 as a small PNG, one pixel each, high pitches at the top.

    0 is paper and 1 is ink, with `shades` in all: a roll of probabilities, or what a filter makes
    of a roll. values (pitches, length); raises ValueError beyond 0 and 1, or for another shape.
    Chapter: 06, 15.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"values must be (pitches, length) from 0 to 1, got {values.shape}: clip or scale them"
        )
    share = np.linspace(0, 1, shades)[:, None]
    palette = (1 - share) * _rgb(PAPER) + share * _rgb(INK)
    return _png((values * (shades - 1)).round(), palette)


def _rgb(colour):
    return np.array(list(bytes.fromhex(colour[1:])))


def _png(index, palette):
    """A PNG of places in a palette, (colours, 3) from 0 to 255; row 0 is at the bottom."""
    from PIL import Image

    image = Image.fromarray(index[::-1].astype(np.uint8))
    image.putpalette(palette.round().astype(np.uint8).tobytes())
    bits = next(b for b in (1, 2, 4, 8) if len(palette) <= 2**b)
    file = io.BytesIO()
    image.save(file, "PNG", bits=bits, optimize=True)
    return file.getvalue()
