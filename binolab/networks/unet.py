"""The paper's network (§5, Fig. 2): a plain convolutional UNet that guesses the clean roll.

The UNet as printed sees `x_t` alone: nobody tells it the noise level or which cells are known.

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.networks.denoiser import Denoiser, LevelEmbedding, conv

SILENCE = -2.6  # the log-odds of a density of 7 %: where an untrained network begins


class UNet(Denoiser):
    """The UNet of Fig. 2: stride-2 convolutions down, nearest upsampling, concatenated skips.

    Parameters
    ----------
    widths : sequence of int
        Filters at each level, top first. The printed depths are not legible in our copy of the
        paper; the default is a small network with the paper's three downsamplings.
    time : bool
        Tell it the noise level. The author's code does, the paper does not.

    A roll's pitches and ticks must be multiples of 2^(len(widths) - 1).

    Chapter: 06.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128), time: bool = False) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.down, self.contract = nn.ModuleList(), nn.ModuleList()
        self.join, self.expand = nn.ModuleList(), nn.ModuleList()
        for above, width in zip([None, *widths], widths):
            if above:
                self.down.append(conv(above, width, stride=2))  # red arrows
            first = conv(width if above else 1, width)
            self.contract.append(nn.Sequential(first, conv(width, width)))
        for shallow, deep in zip(widths[-2::-1], widths[:0:-1]):
            self.join.append(conv(deep, shallow))
            self.expand.append(nn.Sequential(conv(2 * shallow, shallow), conv(shallow, shallow)))
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)  # a single filter: the roll
        self.last.bias.data.fill_(SILENCE)  # type: ignore[union-attr]
        levels = [LevelEmbedding(width) for width in widths] if time else None
        self.levels = nn.ModuleList(levels) if levels else None

    def logits(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        if x_t.shape[-1] % self.stride or x_t.shape[-2] % self.stride:
            raise ValueError(
                f"roll is {tuple(x_t.shape[-2:])}, but pitches and ticks must be multiples of "
                f"{self.stride}: the network halves them {len(self.down)} times"
            )
        h, skips = x_t, []
        for i, contract in enumerate(self.contract):
            h = self.down[i - 1](h) if i else h  # (B, width, P / 2^i, L / 2^i)
            h = contract(h)
            if self.levels is not None:
                h = h + self.levels[i](alpha_bar_t)[:, :, None, None].to(h.dtype)
            skips.append(h)
        skips.pop()  # the bottom level is not copied across
        for join, expand in zip(self.join, self.expand):
            h = join(F.interpolate(h, scale_factor=2, mode="nearest"))  # purple arrows
            h = expand(torch.cat([skips.pop(), h], dim=1))  # grey arrows: twice the depth
        return self.last(h)  # (B, 1, P, L)
