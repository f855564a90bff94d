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
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.denoiser import Denoiser, LevelEmbedding, conv

CERTAIN = 8.0  # nats: evidence is clipped here, where the odds are 3,000 to 1


def rotate(x, angle):
    """Rotary positions (Su et al., 2021): turn pairs of features by an angle that grows with time.

    x (B, heads, n, d), angle (n, d / 2).
    """
    a, b = x.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def nearly_nothing(*layers):
    """Let what is added to a path begin small, so that a deep network begins as a shallow one."""
    for layer in layers:
        nn.init.normal_(layer.weight, std=1e-3)
        nn.init.zeros_(layer.bias)


class Block(nn.Module):
    """Pre-norm attention over frames, then an MLP on each frame; at first nearly the identity."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)
        nearly_nothing(self.out, self.mlp[-1])

    def forward(self, h, angle):
        B, n, width = h.shape
        q, k, v = self.qkv(self.norm1(h)).view(B, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotate(q, angle), rotate(k, angle), v)
        h = h + self.drop(self.out(mixed.transpose(1, 2).reshape(B, n, width)))
        return h + self.drop(self.mlp(self.norm2(h)))


class Mixer(nn.Module):
    """What intervals say: each feature filtered over an octave up and down, then mixed; added.

    At first it is nearly the identity, so that a trained network can be given one.
    """

    def __init__(self, filters, reach=12):
        super().__init__()
        self.across = nn.Conv2d(
            filters, filters, (2 * reach + 1, 3), padding=(reach, 1), groups=filters
        )
        self.mix, self.out = nn.Conv2d(filters, filters, 1), nn.Conv2d(filters, filters, 1)
        nearly_nothing(self.out)

    def forward(self, h):
        return h + self.out(F.relu(self.mix(self.across(h))))


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
    mixers : int
        `Mixer`s before the tokens, and as many after.
    dropout : float
    time : bool
        False for a network that is not told the noise level (paper §5): it reads bits, not
        evidence, and has nothing to add to its answer.
    """

    rates: Tensor

    def __init__(
        self, pitches=56, prior=0.07, fold=24, width=256, depth=4, heads=4, filters=64, mixers=0,
        dropout=0.0, time=True,
    ):
        super().__init__()
        if heads < 1 or width % (2 * heads):
            raise ValueError(f"heads must divide half the width of {width}, got {heads}")
        if not 0 < prior < 1:
            raise ValueError(f"prior must be between 0 and 1, got {prior}")
        self.stride, self.pitches, self.prior = fold, pitches, prior
        self.narrow = narrow = max(filters // 4, 1)  # features a cell that pass through the tokens
        self.level = LevelEmbedding(width) if time else None
        self.stem = nn.Sequential(conv(fold, filters), conv(filters, filters))
        self.before = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.squeeze = nn.Conv2d(filters, narrow, 1)
        self.read = nn.Linear(pitches * narrow, width)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.write = nn.Linear(width, pitches * narrow)
        self.head = nn.Sequential(conv(filters + narrow, filters), conv(filters, filters))
        self.after = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.last = nn.Conv2d(filters, fold, 1)
        rest = torch.logit(torch.tensor(float(prior), device="cpu")).item()
        nn.init.constant_(self.last.bias, rest)  # type: ignore[arg-type]
        half = width // heads // 2
        self.register_buffer("rates", 100.0 ** -(torch.arange(half) / half), persistent=False)

    def logits(self, x_t, alpha_bar_t=None, known=None):
        B, _, P, L = x_t.shape
        if P != self.pitches or L % self.stride:
            raise ValueError(
                f"roll is {(P, L)}, but this network takes {self.pitches} pitches and a length "
                f"that is a multiple of {self.stride} ticks"
            )
        if self.level is None:
            evidence = 2 * x_t - 1
        else:
            evidence = kernel.evidence(x_t, alpha_bar_t, self.prior).clamp(-CERTAIN, CERTAIN)
        if known is not None:
            evidence = torch.where(known, (2 * x_t - 1) * CERTAIN, evidence)
        n = L // self.stride
        cells = evidence.view(B, P, n, self.stride).permute(0, 3, 1, 2)  # (B, fold, P, n)
        cells = cells.contiguous(memory_format=torch.channels_last)
        local = self.before(self.stem(cells))  # (B, filters, P, n)
        tokens = self.squeeze(local).permute(0, 3, 1, 2).reshape(B, n, -1)
        h = self.read(tokens)  # (B, n, width)
        if self.level is not None:
            h = h + self.level(alpha_bar_t)[:, None]
        angle = torch.arange(n, device=h.device)[:, None] * self.rates
        for block in self.blocks:
            h = block(h, angle)
        wide = self.write(self.norm(h)).view(B, n, self.narrow, P).permute(0, 2, 3, 1)
        both = torch.cat([local, wide], dim=1)
        others = self.last(self.after(self.head(both)))  # (B, fold, P, n)
        others = others.permute(0, 2, 3, 1).reshape(B, 1, P, L).float()
        return others if self.level is None else others + evidence
