"""Fig. 2 of the paper, drawn from a table of layers.

This knows no network: it draws what the rows of `binolab.networks.anatomy.trace` say.

Chapter: 06 *The UNet*; Fig. 2 of the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from binolab.show import plotting

ARROWS = {
    "conv": ("convolution 3 × 3", "#009e73"),
    "down": ("the same, stride 2", "#d55e00"),
    "up": ("nearest upsampling", "#9b5fb0"),
    "copy": ("copy, stacked", "#a9b0bc"),
}
FILL, DROP = "#e8edf4", 1.75  # of a rectangle; from a level to the next


def draw_unet(rows: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw a UNet as in Fig. 2: a rectangle a feature map, its depth above, an arrow a layer.

    Green: convolution; red: convolution of stride 2; purple: nearest upsampling; grey: a copy.

    Parameters
    ----------
    rows : list of anatomy.Row
    ax : Axes, optional

    Raises
    ------
    ValueError
        If what becomes of the roll passes a layer of another kind.

    Chapter: 06; Fig. 2 of the paper.
    """
    for row in rows:
        if row.sources and row.kind not in ARROWS:
            raise ValueError(f"{row.name} is a {row.kind} layer: only a UNet can be drawn so")
    ax = plotting.canvas(ax, (9, 4.9))
    drawn = {i: row for i, row in enumerate(rows) if row.kind == "input" or row.sources}
    sizes = sorted({row.size for row in drawn.values()}, reverse=True)
    boxes, x = {}, 0.0
    for i, row in drawn.items():
        if row.kind in ("conv", "copy"):  # across; the others go straight down or up
            x += 1
        level = sizes.index(row.size)
        width, height = 0.15 + 0.06 * (row.outputs.bit_length() - 1), 1.25 * 0.72**level
        boxes[i] = x, -DROP * level, width, height
        _box(ax, *boxes[i], row)
        for j in row.sources:
            _arrow(ax, row.kind, boxes[j], boxes[i], past=row.kind == "copy" and j < i - 1)
    for level, (pitches, ticks) in enumerate(sizes):
        ax.text(-0.55, -DROP * level, f"{pitches} × {ticks}", ha="right", va="center", fontsize=11)
    for name, hue in ARROWS.values():
        ax.plot([], [], color=hue, lw=2.4, label=name)
    ax.legend(frameon=False, loc="lower right", fontsize=11)
    ax.set(xlim=(-3.1, x + 0.6), ylim=(-DROP * (len(sizes) - 1) - 0.75, 1.05))
    ax.axis("off")
    return ax


def _box(ax, x, y, width, height, row):
    """A rectangle with its depth above it; the left half of a stack was copied."""
    parts = [(x, width, FILL)]
    if row.kind == "copy":
        parts = [(x - width / 4, width / 2, ARROWS["copy"][1]), (x + width / 4, width / 2, FILL)]
    for middle, wide, hue in parts:
        ax.bar(middle, height, wide, y - height / 2, fc=hue, ec=plotting.INK, lw=0.9, zorder=2)
    ax.text(
        x,
        y + height / 2 + 0.06,
        row.outputs,
        ha="center",
        va="bottom",
        fontsize=11,
        bbox={"fc": plotting.PAPER, "ec": "none", "pad": 0.6},
    )


def _arrow(ax, kind, start, end, past):
    """From box to box; if it goes past other layers, then below them."""
    (x0, y0, w0, h0), (x1, y1, w1, h1) = start, end
    if kind == "down":
        tail, head = (x0, y0 - h0 / 2), (x1, y1 + h1 / 2 + 0.33)
    elif kind == "up":
        tail, head = (x0, y0 + h0 / 2 + 0.33), (x1, y1 - h1 / 2)
    else:
        below = 0.3 * h0 if past else 0.0
        tail, head = (x0 + w0 / 2, y0 - below), (x1 - w1 / 2, y1 - below)
    style = {"arrowstyle": "-|>", "lw": 1.7, "shrinkA": 1, "shrinkB": 1, "mutation_scale": 9}
    ax.annotate("", head, tail, arrowprops=style | {"color": ARROWS[kind][1]}, zorder=1)
