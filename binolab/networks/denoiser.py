"""What every network of this library shares.

    probability = network(x_t, alpha_bar_t, known)      # shapes (B, 1, P, L), (B,), (B, 1, P, L)

answers P(x_0 = 1 | x_t), cell by cell. `logits` gives the same before the sigmoid. On a coarser
grid of bits (`music.codec`) the shapes are (B, K, P, C).

Chapter: 06 *The UNet*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Denoiser(nn.Module):
    """A network of one's own derives from this class and defines `logits`.

    Attributes
    ----------
    stride : int
        A roll's length must be a multiple of it.
    pitches : int or None
        The pitches that it takes. None is any multiple of `stride`.
    kinds : int
        The kinds of bit that it takes, K.
    exclusive : bool
        Whether at most one row of a column is lit, for each kind of bit: the chances of a column
        then sum to 1 at most, and x̂_0 is drawn as `sampling.draw_one`.
    """

    stride: int = 1
    pitches: int | None = None
    kinds: int = 1
    exclusive: bool = False

    def logits(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """Log-odds of x_0 = 1, shape of `x_t`.

        Parameters
        ----------
        x_t : float tensor (B, K, P, C) of bits
        alpha_bar_t : (B,), the noise level
        known : bool tensor, shape of `x_t`, True where x_t is x_0
        """
        raise NotImplementedError

    def forward(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """P(x_0 = 1 | x_t), shape of `x_t`, in (0, 1)."""
        return torch.sigmoid(self.logits(x_t, alpha_bar_t, known).float())


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution, padded so that only its stride changes the size, then ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.ReLU())


class LevelEmbedding(nn.Module):
    """The noise level as a vector: sinusoids of the log-odds of ᾱ_t, then a small MLP.

    alpha_bar_t (B,) in [0, 1] -> (B, width).
    """

    rates: Tensor

    def __init__(self, width: int, frequencies: int = 16) -> None:
        super().__init__()
        self.register_buffer("rates", 2.0 ** torch.linspace(-3, 2, frequencies), persistent=False)
        first = nn.Linear(2 * frequencies, width)
        self.mlp = nn.Sequential(first, nn.SiLU(), nn.Linear(width, width))

    def forward(self, alpha_bar_t: Tensor) -> Tensor:
        angle = torch.logit(alpha_bar_t.float().clamp(1e-4, 1 - 1e-4))[:, None] * self.rates
        return self.mlp(torch.cat([angle.sin(), angle.cos()], dim=1))
