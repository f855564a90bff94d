"""What every network of this library shares.

    probability = model(x_t, alpha_bar_t, known)        # shapes (B, 1, P, L), (B,), (B, 1, P, L)

answers P(x_0 = 1 | x_t) cell by cell. `logits` gives the same before the sigmoid. On a coarser grid
of bits (`music.codec`) the shapes are (B, K, P, C).

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Denoiser(nn.Module):
    """What every network shares: `logits` is its own, the call is a probability."""

    stride = 1  # a roll's ticks must be a multiple of stride (pitches too for the UNet)

    def logits(self, x_t, alpha_bar_t=None, known=None):
        raise NotImplementedError

    def forward(self, x_t, alpha_bar_t=None, known=None):
        """P(x_0 = 1 | x_t), shape of `x_t`, in (0, 1)."""
        return torch.sigmoid(self.logits(x_t, alpha_bar_t, known).float())


def conv(inputs, outputs, stride=1):
    """A 3×3 convolution, padded so that only its stride changes the size, then ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.ReLU())


class LevelEmbedding(nn.Module):
    """The noise level as a vector: sinusoids of the log-odds of ᾱ_t through a small MLP.

    alpha_bar_t (B,) in [0, 1] -> (B, width).
    """

    rates: Tensor

    def __init__(self, width, frequencies=16):
        super().__init__()
        self.register_buffer("rates", 2.0 ** torch.linspace(-3, 2, frequencies), persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, alpha_bar_t):
        angle = torch.logit(alpha_bar_t.float().clamp(1e-4, 1 - 1e-4))[:, None] * self.rates
        return self.mlp(torch.cat([angle.sin(), angle.cos()], dim=1))
