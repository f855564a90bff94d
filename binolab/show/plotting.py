"""Pictures of piano rolls, and the few other figures of the book.

Conventions. Every plot takes ``ax=None`` and returns what it drew on. Data coordinates of a roll
are beats from left to right and MIDI pitches from bottom to top, so whatever is drawn over it is
in musical units. Blue was given (known), vermilion was made by the model: they stay apart for
colour-blind readers. Figures are opaque; the pages' dark theme turns ink and paper round.

Importing this module sets matplotlib's defaults to `STYLE`, so that all figures have one typeface
and one set of colours; update ``matplotlib.rcParams`` afterwards to have your own.

Chapter: 02, *From MIDI to a roll*; 05, *Watching the noise* (Fig. 1).
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
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


def plot_roll(
    roll, ax=None, *, low=LOW, ticks=TICKS, known=None, shade=True, beats_per_bar=4, begin=0,
    title=None
):
    """Draw a roll with note names, beats, and its bars numbered at the top.

    Parameters
    ----------
    roll : array of bits, (pitches, length)
    ax : Axes, optional
    low, ticks, beats_per_bar : int
        MIDI pitch of row 0; ticks a beat; beats a bar.
    known : array of bool, (pitches, length), optional
        True where the roll was given: notes there are blue, the others vermilion.
    shade : bool
        With `known`, tint the free region.
    begin : int
        The beat of the piece at which the roll begins, a bar's first.
    title : str, optional

    Returns
    -------
    Axes

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
        vmin=0, vmax=6, origin="lower", aspect="auto", interpolation="nearest",
        extent=(begin, end, low - 0.5, low + len(roll) - 0.5),
    )  # fmt: skip
    bars = np.arange(begin, end, beats_per_bar)
    every = 1 + len(bars) // 24  # long pieces: fewer numbers
    ax.vlines(bars[1:], low - 0.5, low + len(roll) - 0.5, color=LINE, lw=0.7)
    ax.xaxis.set_major_locator(MultipleLocator(beats_per_bar * every))
    ax.xaxis.set_minor_locator(MultipleLocator(every))
    octaves = pitch[pitch % 12 == 0]
    ax.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    ax.set(xlabel="beat", ylabel="pitch", xlim=(begin, end))
    top = ax.secondary_xaxis("top")
    names = [f" {bar // beats_per_bar + 1:g}" for bar in bars[::every]]
    top.set_xticks(bars[::every], names, ha="left", color=INK, fontsize=8)
    top.tick_params(length=9, color=LINE, pad=-7)  # the number beside its line
    top.spines["top"].set_visible(False)
    if title:
        ax.set_title(title, loc="left", fontsize=11, color=INK)
    return quiet(ax)


def plot_rows(roll, axes=None, *, beats_per_row=32, ticks=TICKS, known=None, **options):
    """Draw a long piece in rows, as a score is printed. Returns the axes, one a row.

    `known` and `options` are those of `plot_roll`; `axes` has one for each row.
    Chapter: 15.
    """
    roll, known = _checked(roll, known)
    row = beats_per_row * ticks
    starts = range(0, max(roll.shape[1], 1), row)
    if axes is None:
        size = (9, 0.3 + 1.9 * len(starts))
        axes = plt.subplots(len(starts), figsize=size, layout="constrained", facecolor=PAPER)[1]
    axes = np.ravel(axes)
    for start, ax in zip(starts, axes, strict=True):
        here = slice(start, start + row)
        part = None if known is None else known[:, here]
        begin = start // ticks
        plot_roll(roll[:, here], ax, ticks=ticks, known=part, begin=begin, **options)
        ax.set_xlim(begin, begin + beats_per_row if len(starts) > 1 else None)
        if ax is not axes[-1]:
            ax.set_xlabel("")
    return axes


def plot_path(rolls, labels, axes=None, **options):
    """Stack the rolls x_t along a sampling path, the first at the top (Fig. 1).

    Labels are strings, or steps: 100 reads "t = 100". `axes` has one for each roll, as has the
    array that is returned; `options` are those of `plot_roll`.
    Chapter: 05.
    """
    if axes is None:
        size = (9, 0.5 + 1.3 * len(rolls))
        _, axes = plt.subplots(len(rolls), figsize=size, layout="constrained", facecolor=PAPER)
    axes = np.ravel(axes)
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


def plot_schedule(alpha_bars, ax=None):
    """Draw schedules, a dict of name to alpha_bar (T + 1,), on new axes or on `ax`.

    The right axis is how often a bit has flipped, (1 - alpha_bar_t) / 2: Eq. 8, prior 1/2.
    Chapter: 05.
    """
    ax = canvas(ax)
    for i, (name, alpha_bar) in enumerate(alpha_bars.items()):
        ax.plot(np.asarray(alpha_bar), color=HUES[i % len(HUES)], lw=1.8, label=name)
    ax.set(xlabel="step $t$", ylabel=r"what is left of $x_0$:  $\bar\alpha_t$", ylim=(-0.02, 1.02))
    ax.margins(x=0)
    right = ax.secondary_yaxis("right", functions=(lambda a: (1 - a) / 2, lambda p: 1 - 2 * p))
    right.set_ylabel(r"chance of a flipped bit:  $(1 - \bar\alpha_t)\,/\,2$")
    right.spines["right"].set_visible(False)
    ax.legend(frameon=False)
    return quiet(ax, grid="both")


def plot_loss(log_rows, ax=None):
    """Draw a training log, dicts of `step`, `loss`, and where known `valid`, `samples_per_second`.

    Chapter: 07.
    """
    if not log_rows:
        raise ValueError("the training log is empty: train for at least one logged step")
    ax = canvas(ax)
    step, loss, valid, speed = (
        np.array([np.nan if row.get(key) in (None, "") else row[key] for row in log_rows], float)
        for key in ("step", "loss", "valid", "samples_per_second")
    )
    for y, label, style in (loss, "training", "-"), (valid, "validation", "o-"):
        seen = np.isfinite(y)
        if seen.any():
            hue = GIVEN if y is loss else MADE
            ax.plot(step[seen], y[seen], style, color=hue, ms=3, lw=1.4, label=label)
    if np.nanmin(np.r_[loss, valid]) > 0:
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    if np.isfinite(speed).any():
        ax.set_title(f"{np.nanmedian(speed):.0f} samples/s", loc="right", fontsize=9, color=LINE)
    ax.legend(frameon=False)
    return quiet(ax, grid="both")


def plot_ratios(table, reference, ax=None, *, band=0.15):
    """Compare samplers' statistics with held-out music: a dot is a ratio, and 1 is right.

    Parameters
    ----------
    table : dict of sampler to dict of statistic to value
        A value may be a sequence (one a seed): a dot at the median, a line over the range. What
        is absent or NaN is left out; a zero, which has no logarithm, is a 0 at the left edge.
    reference : dict of statistic to value
        Of the held-out set, all positive, in the order of the rows.
    band : float
        Half-width of the grey band about 1: 0.15 is within 15 %.

    Chapter: 14.
    """
    rows = [(row, name, sampler) for row, name in enumerate(reference) for sampler in table]
    ratios = {}
    for row, name, sampler in rows:
        values = np.asarray(table[sampler].get(name, np.nan), float).ravel()
        if not reference[name] > 0 or (values < 0).any():
            raise ValueError(f"{name!r} must be positive to be compared by ratio")
        if len(values) and np.isfinite(values).all():
            ratios[row, sampler] = values / reference[name]
    every = np.concatenate([[1 - 2 * band, 1 + 2 * band], *ratios.values()])
    left, right = every[every > 0].min() / 1.25, every.max() * 1.25
    ax = canvas(ax, (7, 1.1 + 0.45 * len(reference)))
    ax.axvspan(1 - band, 1 + band, color=BAND, lw=0, zorder=0)
    ax.axvline(1, color=INK, lw=1, zorder=1)
    for i, sampler in enumerate(table):
        hue, mark = HUES[i % len(HUES)], MARKS[i % len(MARKS)]
        ax.plot([], [], mark, color=hue, label=sampler)
        shift = (i + 0.5) / len(table) / 2 - 0.25  # samplers side by side within a row
        for y, r in [(row + shift, r) for (row, name), r in ratios.items() if name == sampler]:
            ax.plot(np.maximum([r.min(), r.max()], left), [y, y], color=hue, lw=1.4)
            if np.median(r) > 0:
                ax.plot(np.median(r), y, mark, color=hue, ms=6.5, mec=PAPER, mew=0.7)
            else:
                ax.text(left, y, " 0", color=hue, va="center", weight="bold")
    ax.set(xscale="log", xlim=(left, right), ylim=(len(reference) - 0.5, -0.5))
    ticks = [t for t in (0.01, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 10, 100) if left < t < right]
    ax.set_xticks(ticks, [f"{t:g}×" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(reference)), [f"{n}  ({v:.3g})" for n, v in reference.items()])
    ax.set_xlabel(f"ratio to held-out music, whose value is in brackets; band: ±{band:.0%}")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return quiet(ax, grid="x")


def roll_image(roll, *, scale=1, known=None, colours=(PAPER, INK, FREE, MADE, PAPER, GIVEN)):
    """A roll as the bytes of a small PNG, one pixel a bit, high pitches at the top.

    A pixel's palette index is its bit, plus 2 where `known`. `colours` are six "#rrggbb": ground
    and note; with `known`, free ground and note, known ground and note. `scale` is pixels a bit
    each way; a page enlarges for nothing (`image-rendering: pixelated`).
    Chapter: 05.
    """
    from PIL import Image

    roll, known = _checked(roll, known)
    index = (roll + 2 * (known if known is not None else np.zeros_like(roll))).astype(np.uint8)
    image = Image.fromarray(index[::-1].repeat(scale, axis=0).repeat(scale, axis=1))
    used = colours[:2] if known is None else colours[2:]
    image.putpalette(b"".join(bytes.fromhex(c[1:]) for c in used))
    file = io.BytesIO()
    image.save(file, "PNG", bits=1 if known is None else 2, optimize=True)
    return file.getvalue()


def grey_image(values, *, shades=16):
    """Numbers from 0 to 1 as the bytes of a small PNG, one pixel each, high pitches at the top.

    0 is paper and 1 is ink, with `shades` in all: a roll of probabilities, or what a filter makes
    of a roll. values (pitches, length); raises ValueError beyond 0 and 1, or for another shape.
    Chapter: 06, 13.
    """
    from PIL import Image

    values = np.asarray(values, float)
    if values.ndim != 2 or not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"values must be (pitches, length) from 0 to 1, got {values.shape}: clip or scale them"
        )
    ends = np.array([list(bytes.fromhex(c[1:])) for c in (PAPER, INK)])
    share = np.linspace(0, 1, shades)[:, None]
    image = Image.fromarray((values[::-1] * (shades - 1)).round().astype(np.uint8))
    image.putpalette(((1 - share) * ends[0] + share * ends[1]).round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", bits=4 if shades <= 16 else 8, optimize=True)
    return file.getvalue()


def save_png(roll, path, *, dpi=DPI, **options):
    """Write `picture(roll, **options)` as PNG, whole or not at all; the folder must exist."""
    with replacing(path) as temporary:
        picture(roll, **options).savefig(temporary, format="png", dpi=dpi)


def picture(roll, *, ticks=TICKS, **options):
    """The figure of `plot_roll` that a picture is made of.

    More than 32 beats are drawn in rows of 32, in at most 16 rows of more.
    """
    beats = -(-validate(roll).shape[1] // ticks)
    per_row = max(32, 16 * -(-beats // 256))
    rows = max(1, -(-beats // per_row))
    size = (9, 2.9 if rows == 1 else 0.3 + 1.9 * rows)
    figure = Figure(size, layout="constrained", facecolor=PAPER)  # no window
    if rows == 1:
        plot_roll(roll, figure.add_subplot(), ticks=ticks, **options)
    else:
        plot_rows(roll, figure.subplots(rows), beats_per_row=per_row, ticks=ticks, **options)
    return figure


def _checked(roll, known):
    roll, known = validate(roll), None if known is None else validate(known)
    if known is not None and known.shape != roll.shape:
        raise ValueError(f"known must have the roll's shape {roll.shape}, got {known.shape}")
    return roll, known


def canvas(ax, size=(6, 3.4)):
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained", facecolor=PAPER)
    return ax


def quiet(ax, grid=None):
    """Ink on paper: no box, thin grey axes, and where asked a faint grid."""
    ax.set_facecolor(PAPER)
    ax.tick_params(which="both", color=LINE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LINE)
    if grid:
        ax.grid(axis=grid, color=FAINT, lw=0.6)
        ax.set_axisbelow(True)
    return ax
