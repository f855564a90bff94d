"""Curves and dots: schedules of noise, the log of a training, samplers beside music.

Chapters: 05 *Watching the noise*, 07 *Training it*, 16 *How good is it?*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from binolab.show.plotting import BAND, GIVEN, HUES, INK, LINE, MARKS, PAPER, canvas, quiet


def plot_schedule(alpha_bars: Mapping[str, ArrayLike], ax: Axes | None = None) -> Axes:
    """Draw schedules, a dict of name to alpha_bar (T + 1,), on new axes or on `ax`.

    The right axis is how often a bit has flipped, (1 - alpha_bar_t) / 2: Eq. 8, prior 1/2.
    Chapter: 05.
    """
    ax = canvas(ax, (6, 3.4))
    for i, (name, alpha_bar) in enumerate(alpha_bars.items()):
        ax.plot(np.asarray(alpha_bar), color=HUES[i % len(HUES)], lw=1.8, label=name)
    ax.set(xlabel="step $t$", ylabel=r"what is left of $x_0$:  $\bar\alpha_t$", ylim=(-0.02, 1.02))
    ax.margins(x=0)
    right = ax.secondary_yaxis(
        "right", functions=(lambda a: np.subtract(1, a) / 2, lambda p: 1 - np.multiply(2, p))
    )
    right.set_ylabel(r"chance of a flipped bit:  $(1 - \bar\alpha_t)\,/\,2$")
    right.spines["right"].set_visible(False)
    ax.legend(frameon=False)
    return quiet(ax, grid="both")


def plot_loss(log_rows: Sequence[dict], ax: Axes | None = None) -> Axes:
    """Draw a training log, dicts of `step`, `loss` and, where known, `samples_per_second`.

    Chapter: 07.
    """
    if not log_rows:
        raise ValueError("the training log is empty: train for at least one logged step")
    ax = canvas(ax, (6, 3.4))
    loss = np.array([row["loss"] for row in log_rows])
    ax.plot([row["step"] for row in log_rows], loss, color=GIVEN, lw=1.4, label="training")
    if np.nanmin(loss) > 0:
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    speed = [row["samples_per_second"] for row in log_rows if row.get("samples_per_second")]
    if speed:
        ax.set_title(f"{np.median(speed):.0f} samples/s", loc="right", fontsize=9, color=LINE)
    ax.legend(frameon=False)
    return quiet(ax, grid="both")


def plot_ratios(
    table: Mapping[str, Mapping[str, ArrayLike]],
    reference: Mapping[str, float],
    ax: Axes | None = None,
    *,
    band: float = 0.15,
) -> Axes:
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

    Chapter: 16.
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
