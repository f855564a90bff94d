"""What each layer of a network takes, gives, holds and costs.

Nothing here knows how a network was written. `trace` runs it once on an empty roll, follows the
tensors through it, and enters a row for each layer. So a figure that is drawn from the rows
(`binolab.show.architecture`) cannot disagree with the code.

Costs are multiply-adds of one roll, by PyTorch's count, which takes each for two. They are those
of convolutions, matrices and attention: all but a hundredth of the work.

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakTensorKeyDictionary

MAPS = ("input", "conv", "up", "copy")  # give feature maps (B, depth, height, width)
KINDS = {F.conv2d: "conv", F.interpolate: "up", torch.cat: "copy", F.layer_norm: "norm",
         F.linear: "linear", F.scaled_dot_product_attention: "attention"}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes
    ----------
    name
        The module that it is, or is a part of.
    kind
        "input", "conv", "down" (a convolution of stride > 1), "up", "copy" (feature maps stacked on
        others), "linear", "norm", "attention", or the name of another function that costs or holds.
    inputs, outputs
        Features that it takes and gives at each place.
    size
        The places: pitches and ticks, tokens, or heads and tokens.
    parameters, macs
        How many numbers it holds, and its multiply-adds.
    sources
        The rows that it reads, by index, a copied one first. () if it does not see the roll.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    size: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    stride: int = 1
    parameters: int = 0
    macs: int = 0
    sources: tuple[int, ...] = field(default=(), repr=False)

    @property
    def numbers(self) -> int:
        """How many numbers the layer gives for one roll."""
        return self.outputs * prod(self.size)


class _Watch(TorchFunctionMode):
    """Enter a row for each layer that is called, and remember of which rows a tensor is made."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.counter = FlopCounterMode(display=False)
        self.rows = [Row("input", "input", 0, *_depth_and_size(x, "input"))]
        self.made_of = WeakTensorKeyDictionary({x: (0,)})

    def __torch_function__(self, func, types, args=(), kwargs=None):
        before = self.counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        macs = (self.counter.get_total_flops() - before) // 2
        taken, given = _tensors([*args, *(kwargs or {}).values()]), _tensors([result])
        sources = tuple(dict.fromkeys(i for x in taken for i in self.made_of.get(x, ())))
        holds = given and any(isinstance(x, Parameter) for x in taken)
        kind = KINDS.get(func) or (func.__name__ if macs or holds else None)
        if kind == "copy" and (len(sources) < 2 or taken[0].shape[1] == given[0].shape[1]):
            kind = None  # not one stack of feature maps upon another
        if kind:
            self.rows.append(self._row(kind, args, taken, given[0], macs, sources))
            sources = (len(self.rows) - 1,) if sources else ()
        if sources:  # what an activation or a sum gives is made of all that it takes
            self.made_of.update(dict.fromkeys(given, sources))
        return result

    def _row(self, kind, args, taken, y, macs, sources):
        inmost = max(self.counter.mod_tracker.parents, key=lambda name: name.count("."))
        name = inmost.partition(".")[2] or kind
        outputs, size = _depth_and_size(y, kind)
        inputs = outputs if kind == "copy" else _depth_and_size(taken[0], kind)[0]
        kernel, stride = (tuple(args[1].shape[2:]), max(args[3])) if kind == "conv" else ((), 1)
        kind = "down" if stride > 1 else kind
        held = sum(x.numel() for x in taken if isinstance(x, Parameter))
        return Row(name, kind, inputs, outputs, size, kernel, stride, held, macs, sources)


def _tensors(values: list) -> list[Tensor]:
    """The tensors among values, and in the lists among them."""
    lists = [v if isinstance(v, (tuple, list)) else [v] for v in values]
    return [v for some in lists for v in some if isinstance(v, Tensor)]


def _depth_and_size(x: Tensor, kind: str) -> tuple[int, tuple[int, ...]]:
    """How many features a tensor of one roll has at each place, and the places."""
    *size, depth = x.movedim(1 if kind in MAPS else -1, -1).shape[1:]
    return depth, tuple(size)


def trace(model: Module, shape: tuple[int, int] = (56, 384)) -> list[Row]:
    """Run a network once, and write down its layers in calling order, the input first.

    `shape` is the roll's pitches and ticks, or the pitches and columns of a network of bits, which
    takes (B, kinds, pitches, columns). The network raises ValueError if it cannot take that shape.

    Chapter: 06; Fig. 2 of the paper.
    """
    device = next(model.parameters()).device
    x = torch.zeros(1, getattr(model, "kinds", 1), *shape, device=device)
    level = torch.full((1,), 0.5, device=device)
    watch = _Watch(x)
    # Attention as plain matrices, for PyTorch does not count each of its fast forms.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), watch.counter, watch:
        model(x, level)
    return watch.rows


def receptive_field(rows: Sequence[Row], index: int, at: int, axis: int = -1) -> tuple[int, int]:
    """Which cells of the input can change one cell of a layer, along one axis: first and last.

    Both are included. They may lie outside of the roll, where there is only padding.

    Parameters
    ----------
    index
        The layer; negative counts from the end.
    at
        The place in that layer's own grid.
    axis
        -1 for ticks, -2 for pitches.

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
        if row.kernel:  # all convolutions are padded by half of their kernel
            half = row.kernel[axis] // 2
            first, last = first * row.stride - half, last * row.stride + half
        elif row.kind == "up":
            factor = row.size[axis] // rows[row.sources[0]].size[axis]
            first, last = first // factor, last // factor
        elif row.kind != "copy":
            raise ValueError(f"{row.name} is a {row.kind} layer: it sees all that there is")
        firsts, lasts = zip(*(back(j, first, last) for j in row.sources))
        return min(firsts), max(lasts)

    return back(index % len(rows), at, at)
