"""The paper's network (§5, Fig. 2): a plain convolutional UNet that guesses the clean roll.

Every network of this library is called the same way,

    probability = model(x_t, alpha_bar_t, known)        # shapes (B, 1, P, L), (B,), (B, 1, P, L)

and answers P(x_0 = 1 | x_t) cell by cell. `logits` gives the same before the sigmoid. The UNet as
printed looks at `x_t` alone: it is not told the noise level or which cells are known.

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from binolab.networks.denoiser import Denoiser, LevelEmbedding, conv


class UNet(Denoiser):
    """The UNet of Fig. 2: three stride-2 convolutions down, nearest upsampling, concatenated skips.

    Parameters
    ----------
    widths : tuple of int
        Filters at each level, top first; one stride-2 convolution lies between two levels. The
        printed depths are not legible in our copy of the paper; the default is a small net.
    time : bool
        Tell it the noise level (the author's code does, the paper does not).

    A roll's pitches and ticks must be multiples of 2^(len(widths) - 1): 8 for three downsamplings.

    Chapter: 06.
    """

    def __init__(self, widths=(16, 32, 64, 128), time=False):
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.down = nn.ModuleList()
        self.contract = nn.ModuleList()
        self.join = nn.ModuleList()
        self.expand = nn.ModuleList()
        inputs = 1
        for i, width in enumerate(widths):
            if i:
                self.down.append(conv(inputs, width, stride=2))  # red arrows
            self.contract.append(nn.Sequential(conv(width if i else 1, width), conv(width, width)))
            inputs = width
        for shallow, deep in zip(widths[-2::-1], widths[:0:-1]):
            self.join.append(conv(deep, shallow))
            self.expand.append(nn.Sequential(conv(2 * shallow, shallow), conv(shallow, shallow)))
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)  # a single filter: the roll
        nn.init.constant_(self.last.bias, -2.6)  # type: ignore[arg-type]  # the log-odds of a density of 7 %
        self.levels = (
            nn.ModuleList([LevelEmbedding(width) for width in widths]) if time else None
        )

    def logits(self, x_t, alpha_bar_t=None, known=None):
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
