"""The document of `evaluate.evaluate` as one page of figures.

Held-out music is ink and what a model made is vermilion, as everywhere.

Chapter: 16 *How good is it?*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from binolab.files import printable
from binolab.show import plotting
from binolab.show.plotting import HUES, INK, LINE, MADE, MARKS

MUSIC = "#c3cad6"  # bars of held-out music, to be drawn upon
CLASSES = "C C♯ D E♭ E F F♯ G A♭ A B♭ B".split()
VALUES = "≤⅛ ¼ ⅓ ⅜ ½ ⅔ ¾ 1 1⅓ 1½ 2 3 4".split()  # of `features.LENGTHS`
KNOWN = {
    "nothing": "nothing known",
    "melody": "melody known",
    "outer_quarters": "outer quarters known",
    "others": "other parts known",
}
MODELS = {
    "bound": "the chain (bound)",
    "single_call": "a single call",
    "copy_in_beat": "copy, told the beat",
    "copy": "copy the last tick",
    "marginal": "share of each pitch",
}


def legible(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with names of files as text: under an ASCII locale Python keeps their bytes."""
    return {
        key: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for key, value in facts.items()
    }


def figure(
    document: dict[str, Any], made: np.ndarray, held_out: np.ndarray, *, rolls: int = 3
) -> Figure:
    """A document as one page, with a few of its rolls.

    made, held_out : arrays of bits (N, P, L); `rolls` of each are drawn, evenly picked.
    """
    facts, compared = legible(document["facts"]), document["comparison"]
    features, ticks = compared["features"], facts["ticks"]
    rolls = min(rolls, len(made), len(held_out))
    heights = [3.3, 8.6, 0.6 + 1.9 * rolls]
    page = Figure((13, 13.2 + 1.9 * rolls), layout="constrained")
    top, middle, bottom = page.subfigures(3, 1, height_ratios=heights)  # type: ignore[misc]
    page.suptitle(
        f"{printable(facts.get('model', facts['network']))}: {facts['n']} rolls, "
        f"{facts['steps']} steps, {facts['sampler']}, {facts['bit']}, seed {facts['seed']}, "
        f"beside {compared['n']['held_out']} held-out windows",
        fontsize=13,
        parse_math=False,
    )
    crowd = len(features["polyphony"]["held_out"]) - 1
    histograms: dict[str, tuple[str, dict]] = {
        "pitch_class": ("pitch class", dict(enumerate(CLASSES))),
        "polyphony": ("notes at once", {i: f"{i}" + "+" * (i == crowd) for i in range(crowd + 1)}),
        "note_length": ("note length, beats", dict(enumerate(VALUES))),
        "onset_position": (
            "onset within the beat",
            {0: "0", ticks // 4: "¼", ticks // 2: "½", 3 * ticks // 4: "¾"},
        ),
    }
    axes = top.subplots(1, len(histograms))
    for ax, (name, look) in zip(axes, histograms.items()):
        _histogram(ax, features[name], *look)
    axes[-1].legend(frameon=False, loc="upper right")

    left, right = middle.subfigures(1, 2, width_ratios=[1.85, 1.3])
    axes = left.subplots(1, 2, sharey=True)
    keys = "overlap", "floor_overlap", "shuffled_overlap"
    _overlaps(axes[0], features, "overlap of distances (MGEval)", *keys)
    keys = "direct", "direct_floor", "direct_shuffled"
    _overlaps(axes[1], features, "overlap of the feature itself", *keys)
    handles = axes[0].get_legend_handles_labels()
    left.legend(*handles, loc="outside upper left", ncols=3, frameon=False)
    kinds = {"comparison": _neighbours, "costs": _costs, "harmonization": _harmony}
    panels = [(draw, document[key]) for key, draw in kinds.items() if document.get(key)]
    heights = [1, 1.7, 1.8][: len(panels)]
    axes = right.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for ax, (draw, part) in zip(axes, panels):
        draw(ax, part)

    axes = bottom.subplots(rolls, 2, squeeze=False)
    for column, (name, batch) in enumerate({"made": made, "held out": held_out}.items()):
        for k, ax in enumerate(axes[:, column]):
            roll, title = batch[k * len(batch) // rolls], None if k else name
            plotting.plot_roll(roll, ax, low=facts["low"], ticks=ticks, title=title)
            ax.label_outer()
    return page


def _finish(ax, title, grid):
    ax.set_title(title, fontsize=11)
    plotting.quiet(ax, grid)


def _histogram(ax, row, title, marks):
    """Held-out bars under made dots with their intervals."""
    place = np.arange(len(row["held_out"]))
    ax.bar(place, row["held_out"], 0.8, color=MUSIC, label="held out")
    if row["mean"] is not None:
        ax.plot(place, row["mean"], "o", color=MADE, ms=4, label="made")
    if row["mean_ci"] is not None:
        ax.vlines(place, *row["mean_ci"], color=MADE, lw=1.4)
    ax.set_xticks(list(marks), list(marks.values()), fontsize=7.5)
    ax.set_ylim(bottom=0)
    _finish(ax, title, "y")


def _overlaps(ax, features, title, key, floor, control):
    """A row a feature: made (dot, interval), training music (bar), shuffled cells (cross)."""
    looks = {
        floor: {
            "marker": "|",
            "ms": 13,
            "mew": 2.5,
            "color": INK,
            "label": "training music (floor)",
        },
        control: {"marker": "x", "ms": 5, "color": LINE, "label": "shuffled cells (control)"},
        key: {"marker": "o", "ms": 6, "color": MADE, "label": "made, 95 %"},
    }
    ax.axvline(1, color=LINE, lw=1)
    for name, look in looks.items():
        known = [(row[name], y) for y, row in enumerate(features.values()) if row[name] is not None]
        if known:
            ax.plot(*zip(*known), ls="", **look)
    for y, row in enumerate(features.values()):
        if row[f"{key}_ci"] is not None:
            ax.plot(row[f"{key}_ci"], [y, y], color=MADE, lw=1.6)
    ax.set_yticks(range(len(features)), [name.replace("_", " ") for name in features])
    ax.set(xlim=(-0.03, 1.05), ylim=(len(features) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    _finish(ax, title, "both")


def _neighbours(ax, compared):
    """Least, 5 % and median distance from training music."""
    for y, (name, hue) in enumerate({"made": MADE, "held_out": INK}.items()):
        row = compared["memorization"][name]
        ax.plot([row["min"], row["median"]], [y, y], color=hue, lw=1.4)
        for key, mark, size in (("min", "|", 9), ("p5", "D", 6), ("median", "o", 6)):
            ax.plot(row[key], y, mark, color=hue, ms=size)
    ax.set_yticks([0, 1], ["made", "held out"])
    ax.set(xlim=(0, 1), ylim=(1.6, -0.6))
    ax.set_xlabel("distance, 0 is a copy: least (|), 5 % (◆), median (●)", fontsize=8.5)
    _finish(ax, "nearest training music", "x")


def _costs(ax, costs):
    """Nats a free cell: a row a mask, a mark a model."""
    looks = zip(MODELS.items(), MARKS, (*HUES[1:], HUES[0]))
    for (name, label), mark, hue in looks:
        nats = [row["nats"][name]["cell"] for row in costs.values()]
        ax.plot(nats, range(len(costs)), ls="", marker=mark, color=hue, ms=7, label=label)
    ax.set_yticks(range(len(costs)), [KNOWN[name].replace(" known", "\nknown") for name in costs])
    ax.set(xscale="log", ylim=(len(costs) - 0.4, -0.6))
    ax.set_xlabel("nats a free cell, less is better", fontsize=8.5)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1), "ncols": 2, "alignment": "left"}
    title = {"title": "what held-out music costs", "title_fontsize": 11}
    ax.legend(frameon=False, fontsize=8.5, **place, **title)
    plotting.quiet(ax, "x")


def _harmony(ax, harmony):
    """Ratios of harmonized to held-out figures; a grey band, ±10 %, is what is aimed at."""
    rows = {k: row for k, row in harmony["features"].items() if row["ratio"] is not None}
    ax.axvspan(0.9, 1.1, color=plotting.BAND, lw=0)
    ax.axvline(1, color=INK, lw=1)
    for y, row in enumerate(rows.values()):
        low, high = row["ratio_ci"]
        ax.plot([max(low, 0.05), high], [y, y], color=MADE, lw=1.6)
        ax.plot(max(row["ratio"], 0.05), y, "o", color=MADE, ms=6)
    labels = [f"{name.replace('_', ' ')}  ({row['held_out']:.3g})" for name, row in rows.items()]
    ax.set_yticks(range(len(rows)), labels)
    ax.set(xscale="log", ylim=(len(rows) - 0.5, -0.5))
    left, right = min(ax.get_xlim()[0], 0.29), max(ax.get_xlim()[1], 3.1)
    marks = [m for m in (0.1, 0.3, 1, 3, 10, 30, 100) if left <= m <= right]
    ax.set_xlim(left, right)
    ax.set_xticks(marks, [f"{m:g}×" for m in marks])
    ax.minorticks_off()
    ax.set_xlabel("made / held out, whose value is in brackets; band: ±10 %", fontsize=8.5)
    _finish(ax, "harmonizing held-out melodies", "x")
