"""A network made for rolls: attention over beats, told the noise level and the prompt.

Where the printed UNet slides small filters over a picture, this one takes the roll for what it is.

* *Ticks are copies, and notes begin on beats.* The `fold` ticks of a beat (24) become the channels
  of one frame, and a roll 16 frames instead of 384 columns. Small convolutions, the same for all
  pitches, do what is local: whether the noisy ticks of a beat hold a note, where it begins, where
  it ends. The place in the beat is known by construction, for windows begin on a beat.
* *Harmony is not local in pitch.* All pitches of a frame become one token, so an octave is as
  near as a semitone; the tokens attend to each other over the whole roll. As in a UNet, what is
  local is carried across and joined to what is global.
* *Bayes' rule is not learned.* The network reads each noisy bit as its evidence (in nats) at the
  level ᾱ_t, and adds this evidence to its answer: it learns only what the *other* cells say of
  one. A known cell is a bit with overwhelming evidence, so prompts need no channel of their own.

Chapter: 08 *Sampling* compares it with the paper's UNet.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from binolab import kernel
from binolab.unet import Denoiser, LevelEmbedding, conv

CERTAIN = 8.0  # nats: evidence is clipped here, where the odds are 3,000 to 1


def rotate(x, angle):
    """Rotary positions (Su et al., 2021): turn pairs of features by an angle that grows with time.

    x (B, heads, n, d), angle (n, d / 2).
    """
    a, b = x.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Block(nn.Module):
    """Pre-norm attention over frames, then an MLP on each frame."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, h, angle):
        B, n, width = h.shape
        q, k, v = self.qkv(self.norm1(h)).view(B, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotate(q, angle), rotate(k, angle), v)
        h = h + self.drop(self.out(mixed.transpose(1, 2).reshape(B, n, width)))
        return h + self.drop(self.mlp(self.norm2(h)))


class FrameTransformer(Denoiser):
    """Convolutions shared by all pitches at both ends, a transformer over beats between.

    Parameters
    ----------
    pitches : int
        Rows of the roll; its length may be any multiple of `fold`.
    prior : float
        ρ of the noise that it will see.
    fold : int
        Ticks a frame; a frame is one token.
    width, depth, heads : int
        Of the transformer.
    filters : int
        Of the convolutions.
    dropout : float
    """

    def __init__(
        self, pitches=56, prior=0.07, fold=24, width=256, depth=4, heads=4, filters=64, dropout=0.0
    ):
        super().__init__()
        self.stride, self.pitches, self.prior = fold, pitches, prior
        self.narrow = narrow = max(filters // 4, 1)  # features a cell that pass through the tokens
        self.level = LevelEmbedding(width)
        self.stem = nn.Sequential(conv(fold, filters), conv(filters, filters))
        self.squeeze = nn.Conv2d(filters, narrow, 1)
        self.read = nn.Linear(pitches * narrow, width)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.write = nn.Linear(width, pitches * narrow)
        self.head = nn.Sequential(conv(filters + narrow, filters), conv(filters, filters))
        self.last = nn.Conv2d(filters, fold, 1)
        nn.init.constant_(self.last.bias, torch.logit(torch.tensor(float(prior))).item())
        half = width // heads // 2
        self.register_buffer("rates", 100.0 ** -(torch.arange(half) / half), persistent=False)

    def logits(self, x_t, alpha_bar_t=None, known=None):
        B, _, P, L = x_t.shape
        if P != self.pitches or L % self.stride:
            raise ValueError(
                f"roll is {(P, L)}, but this network takes {self.pitches} pitches and a length "
                f"that is a multiple of {self.stride} ticks"
            )
        evidence = kernel.evidence(x_t, alpha_bar_t, self.prior).clamp(-CERTAIN, CERTAIN)
        if known is not None:
            evidence = torch.where(known, (2 * x_t - 1) * CERTAIN, evidence)
        n = L // self.stride
        cells = evidence.view(B, P, n, self.stride).permute(0, 3, 1, 2)  # (B, fold, P, n)
        local = self.stem(cells.contiguous(memory_format=torch.channels_last))  # (B, filters, P, n)
        tokens = self.squeeze(local).permute(0, 3, 1, 2).reshape(B, n, -1)
        h = self.read(tokens) + self.level(alpha_bar_t)[:, None]  # (B, n, width)
        angle = torch.arange(n, device=h.device)[:, None] * self.rates
        for block in self.blocks:
            h = block(h, angle)
        wide = self.write(self.norm(h)).view(B, n, self.narrow, P).permute(0, 2, 3, 1)
        others = self.last(self.head(torch.cat([local, wide], dim=1)))  # (B, fold, P, n)
        return others.permute(0, 2, 3, 1).reshape(B, 1, P, L).float() + evidence
