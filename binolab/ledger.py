"""A network as a ledger: what each layer takes, gives, holds and costs, and Fig. 2 drawn from it.

Nothing here knows how a network was written. `trace` runs it once on an empty roll, watches which
tensors enter and leave its convolutions, and enters a row for each; so a drawing cannot disagree
with the code. Costs are multiply-adds of one roll: of convolutions, matrices and attention, which
are all but a hundredth of the work. Additions of a bias and activations are not counted.

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import torch
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

GREEN, RED, PURPLE, GREY = "#009e73", "#d55e00", "#9b5fb0", "#a9b0bc"  # the arrows of Fig. 2
CONVOLUTIONS = ("conv", "down")


@dataclass(frozen=True)
class Row:
    """One entry. Sizes are those of what the layer gives.

    kind : "input", "conv", "down" (stride > 1), "up", "copy" (a concatenation), "linear",
    "attention" or "norm". sources : the rows that it reads, by index, a copied one first.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    size: tuple
    kernel: tuple = ()
    stride: int = 1
    parameters: int = 0
    macs: int = 0
    sources: tuple = field(default=(), repr=False)

    @property
    def numbers(self):
        """How many numbers the layer gives for one roll."""
        return self.outputs * prod(self.size)


class _Watch(TorchFunctionMode):
    """Enter a row for each call that counts, and remember which row made which tensor."""

    def __init__(self, x):
        super().__init__()
        self.rows, self.made, self.alive, self.name = [], {}, [], ""
        self._enter(x, Row("input", "input", 0, x.shape[1], tuple(x.shape[2:])))

    def _enter(self, tensor, row):
        self.rows.append(row)
        self._of(tensor, len(self.rows) - 1)

    def _of(self, tensor, index):
        self.made[id(tensor)] = index
        self.alive.append(tensor)  # or another tensor might be given the same id

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        first = args[0] if args else None
        given = first if isinstance(first, (tuple, list)) else args
        sources = [self.made[id(a)] for a in given if id(a) in self.made]
        kind = KINDS.get(getattr(function, "__name__", ""))
        if kind == "copy" and not ((kwargs or {}).get("dim") == 1 and len(sources) > 1):
            kind = None  # not one stack of feature maps upon another
        if kind:
            held = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, Parameter)]
            self._enter(result, self._row(kind, args, held, result, tuple(sources)))
        elif sources:  # an activation, a reshaping, a sum: still the work of the first row
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(tensor, torch.Tensor):
                    self._of(tensor, sources[0])
        return result

    def _row(self, kind, args, held, y, sources):
        x = args[0][0] if kind == "copy" else args[0]
        parameters = sum(p.numel() for p in held)
        if kind == "attention":  # each query with each key, then with each value
            heads, n, d = y.shape[1:]
            return Row(kind, kind, heads * d, heads * d, (n,), macs=2 * heads * n * n * d,
                       sources=sources[:1])
        if kind in ("linear", "norm"):  # features last; a weight once for each place
            size = tuple(y.shape[1:-1])
            macs = held[0].numel() * prod(size) if kind == "linear" else 0
            return Row(self.name, kind, x.shape[-1], y.shape[-1], size, parameters=parameters,
                       macs=macs, sources=sources)
        size = tuple(y.shape[2:])
        if kind == "conv":
            stride = max(args[3])
            return Row(self.name, "down" if stride > 1 else kind, x.shape[1], y.shape[1], size,
                       tuple(held[0].shape[2:]), stride, parameters, held[0].numel() * prod(size),
                       sources)
        return Row(kind, kind, y.shape[1], y.shape[1], size, sources=sources)


KINDS = {
    "conv2d": "conv", "interpolate": "up", "cat": "copy", "linear": "linear",
    "scaled_dot_product_attention": "attention", "layer_norm": "norm",
}  # fmt: skip


def trace(model, shape=(56, 384)):
    """Run a network once, and write down its layers in calling order.

    Parameters
    ----------
    model : Denoiser
        Any network of this library.
    shape : (int, int)
        Pitches and ticks of the roll.

    Returns
    -------
    list of Row
        The first is the input. `row.macs` of a convolution with a kernel (kh, kw) is
        kh · kw · inputs · outputs · height · width, over its groups.

    Raises
    ------
    ValueError
        From the network, when it cannot take that shape.

    Chapter: 06; Fig. 2 of the paper.
    """
    device = next(model.parameters()).device
    x = torch.zeros(1, 1, *shape, device=device)
    level = torch.full((1,), 0.5, device=device)
    watch, hooks = _Watch(x), []
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear, torch.nn.LayerNorm)):
            hooks.append(module.register_forward_pre_hook(
                lambda _, __, name=name: setattr(watch, "name", name)))
    try:
        with torch.no_grad(), watch:
            model.logits(x, level)
    finally:
        for hook in hooks:
            hook.remove()
    return watch.rows


def receptive_field(rows, index, at, axis=-1):
    """Which cells of the input can change one cell of a layer, along one axis.

    Parameters
    ----------
    rows : list of Row
    index : int
        The layer; negative counts from the end.
    at : int
        The place in that layer's own grid.
    axis : int
        -1 for ticks, -2 for pitches.

    Returns
    -------
    first, last : int
        Both are included, and may lie outside of the roll, where there is only padding.

    Raises
    ------
    ValueError
        For a layer behind a matrix or attention, which see the whole of an axis.

    Chapter: 06.
    """

    def back(i, first, last):
        row = rows[i]
        if row.kind == "input":
            return first, last
        if row.kind in CONVOLUTIONS:  # all are padded by half of their kernel
            half = row.kernel[axis] // 2
            first, last = first * row.stride - half, last * row.stride + half
        elif row.kind == "up":
            factor = row.size[axis] // rows[row.sources[0]].size[axis]
            first, last = first // factor, last // factor
        elif row.kind != "copy":
            raise ValueError(f"{row.name} is a {row.kind} layer: it sees all that there is")
        spans = [back(j, first, last) for j in row.sources]
        return min(span[0] for span in spans), max(span[1] for span in spans)

    return back(index % len(rows), at, at)


def draw(rows, ax=None):
    """Draw a UNet as in Fig. 2: a rectangle a feature map, its depth above, an arrow a layer.

    Green: convolution; red: convolution of stride 2; purple: nearest upsampling; grey: a copy.
    Returns the Axes. Raises ValueError for a network with layers of other kinds.

    Chapter: 06; Fig. 2 of the paper.
    """
    from matplotlib.patches import Rectangle

    from binolab.show import plotting

    rows, new = _of_maps(rows)
    if ax is None:
        ax = plotting.plt.subplots(figsize=(9, 4.9), layout="constrained",
                                   facecolor=plotting.PAPER)[1]
    top = rows[0].size[-1]
    levels = sorted({row.size[-1] for row in rows}, reverse=True)
    place, x = {}, 0.0
    for i, row in enumerate(rows):  # across for each layer, but straight down and up
        x += 1.0 if i and row.kind not in ("down", "up") else 0
        level = levels.index(row.size[-1])
        height = 1.25 * 0.72**level
        width = 0.15 + 0.06 * max(row.outputs.bit_length() - 1, 0)
        place[new[i]] = x, -1.75 * level, width, height
        halves = [(x - width / 2, width, "#e8edf4")]
        if row.kind == "copy":  # what was copied is half of it
            halves = [(x - width / 2, width / 2, GREY), (x, width / 2, "#e8edf4")]
        for left, w, hue in halves:
            ax.add_patch(Rectangle((left, place[new[i]][1] - height / 2), w, height, fc=hue,
                                   ec=plotting.INK, lw=0.9, zorder=2))
        ax.text(x, place[new[i]][1] + height / 2 + 0.06, str(row.outputs), ha="center",
                va="bottom", fontsize=11, color=plotting.INK, zorder=4,
                bbox={"fc": plotting.PAPER, "ec": "none", "pad": 0.6})
    for i, row in zip(new, rows):
        for j in row.sources:
            _arrow(ax, row.kind, place[j], place[i], copied=row.kind == "copy" and j != i - 1)
    for level, length in enumerate(levels):
        pitches = rows[0].size[0] * length // top
        ax.text(-0.55, -1.75 * level, f"{pitches} × {length}", ha="right", va="center",
                fontsize=11, color=plotting.INK)
    names = ("convolution 3 × 3", GREEN), ("the same, stride 2", RED), \
        ("nearest upsampling", PURPLE), ("copy, stacked", GREY)
    for name, hue in names:
        ax.plot([], [], color=hue, lw=2.4, label=name)
    ax.legend(frameon=False, loc="lower right", fontsize=11)
    ax.set(xlim=(-3.1, x + 0.6), ylim=(-1.75 * (len(levels) - 1) - 0.75, 1.05))
    ax.axis("off")
    return ax


def _of_maps(rows):
    """The rows that are feature maps, and their indices; refuses what Fig. 2 has no arrow for."""
    kept = [(i, row) for i, row in enumerate(rows) if len(row.size) == 2]
    for _, row in kept:
        if row.kind not in ("input", "up", "copy", *CONVOLUTIONS):
            raise ValueError(f"{row.name} is a {row.kind} layer: only a UNet can be drawn so")
    if any(row.kind == "attention" for row in rows):
        raise ValueError("the network has attention: only a UNet can be drawn so")
    return [row for _, row in kept], [i for i, _ in kept]


def _arrow(ax, kind, start, end, copied):
    (x0, y0, w0, h0), (x1, y1, w1, h1) = start, end
    hue = {"conv": GREEN, "down": RED, "up": PURPLE, "copy": GREY}[kind]
    if kind == "down":
        points = (x0, y0 - h0 / 2), (x1, y1 + h1 / 2 + 0.33)
    elif kind == "up":
        points = (x0, y0 + h0 / 2 + 0.33), (x1, y1 - h1 / 2)
    else:
        drop = 0.3 * h0 if copied else 0.0  # below the convolutions that it passes
        points = (x0 + w0 / 2, y0 - drop), (x1 - w1 / 2, y1 - drop)
    ax.annotate("", points[1], points[0], zorder=1,
                arrowprops={"arrowstyle": "-|>", "color": hue, "lw": 1.7, "shrinkA": 1,
                            "shrinkB": 1, "mutation_scale": 9})
