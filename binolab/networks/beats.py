"""A network for the bits of a grid: attention over beats, between convolutions over pitches.

It answers like every network here, P(x_0 = 1 | x_t) for each bit, and is built on four facts.

* *The place in the beat is known.* Windows begin on a beat. The columns of a token (a beat, or a
  half) and the kinds of bit become channels, so that no filter has to find the beat.
* *Harmony is not local in pitch.* All pitches of a token are read together, so an octave is as near
  as a semitone; tokens attend to each other over the whole roll. Intervals are the same in every
  key, so filters over an octave up and down see them too.
* *Bayes' rule is not learned.* The network reads each noisy bit as its evidence in nats at the
  level ᾱ_t, and as the chance of a one that the evidence leaves it. It adds the evidence to its
  answer, so it learns only what the *other* bits say of one. A known bit is overwhelming evidence.
* *How much to believe depends on the level.* ᾱ_t scales and shifts what each block sees and adds
  (adaLN: Peebles & Xie, 2023).

Chapter: 08 *Sampling*.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.denoiser import LevelEmbedding
from binolab.networks.transformer import CERTAIN, Attention, Transformer


class Block(Attention):
    """Attention over tokens, then an MLP on each; the level scales and shifts both (adaLN).

    What the level says is one map for all blocks, to which each adds its own constant (Chen et al.,
    2023, "adaLN-single").
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout, affine=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))

    def forward(self, h: Tensor, angle: Tensor, level: Tensor) -> Tensor:
        """h (B, n, width), angle (n, d / 2), level (B, 6 · width)."""
        scale1, shift1, gain1, scale2, shift2, gain2 = (level + self.own)[:, None].chunk(6, dim=-1)
        x = self.norm1(h) * (1 + scale1) + shift1
        h = h + self.attend(x, angle) * (1 + gain1)
        x = self.norm2(h) * (1 + scale2) + shift2
        return h + self.drop(self.down(F.gelu(self.up(x), approximate="tanh"))) * (1 + gain2)


class BeatTransformer(Transformer):
    """P(x_0 = 1 | x_t) for bits (B, K, P, C) of a `codec.Codec`.

    Parameters
    ----------
    pitches, kinds : int
        P and K.
    prior : float, or nested list (K, P) or (K, 1)
        ρ of the noise that it will see.
    columns : int
        Columns a token; C may be any multiple of it.
    width, depth, heads, filters, mixers : int
        As for `transformer.Transformer`.
    dropout : float
        On what each block adds, and what the tokens are read from and written to.
    """

    prior: Tensor
    level: nn.Module
    adapt: nn.Module

    def __init__(
        self,
        pitches: int = 56,
        kinds: int = 2,
        prior: float | list = 0.07,
        columns: int = 4,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        filters: int = 64,
        mixers: int = 1,
        dropout: float = 0.1,
    ) -> None:
        rho = torch.as_tensor(prior, dtype=torch.float32, device="cpu")  # numbers, on meta too
        if not ((rho > 0) & (rho < 1)).all():
            raise ValueError("prior must be between 0 and 1")
        level, adapt = LevelEmbedding(width), nn.Linear(width, 6 * width)
        block, size = partial(Block, width, heads, dropout), (width, depth, heads, filters, mixers)
        super().__init__(pitches, kinds, columns, 2 * kinds, *size, block, level, adapt, dropout)
        every = torch.as_tensor(prior, dtype=torch.float32).expand(kinds, pitches)
        self.register_buffer("prior", every[..., None].clone(), persistent=False)
        for zero in (*self.adapt.parameters(), *self.last.parameters()):
            nn.init.zeros_(zero)  # untrained, it answers with ρ and the evidence

    def logits(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        B, K, P, C = x_t.shape
        if (K, P) != (self.kinds, self.pitches) or C % self.stride:
            raise ValueError(
                f"bits are {(K, P, C)}, but this network takes {self.kinds} kinds of bit, "
                f"{self.pitches} pitches, and columns in multiples of {self.stride}"
            )
        alpha_bar_t = torch.as_tensor(alpha_bar_t, device=x_t.device).float().expand(B)
        evidence = kernel.evidence(x_t, alpha_bar_t.clamp(0, 1 - 1e-6), self.prior)
        if known is not None:
            evidence = torch.where(known, (2 * x_t - 1) * CERTAIN, evidence)
        rest = torch.logit(self.prior)
        read = [evidence.clamp(-CERTAIN, CERTAIN) / 3, 3 * torch.sigmoid(rest + evidence)]
        local, h = self.to_tokens(torch.cat(read, 1))
        level = self.adapt(F.silu(self.level(alpha_bar_t)))
        return rest + self.to_bits(local, h, level) + evidence
