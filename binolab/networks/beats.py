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

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.denoiser import Denoiser, LevelEmbedding, conv
from binolab.networks.transformer import CERTAIN, Mixer, rotate


class Block(nn.Module):
    """Attention over tokens, then an MLP on each; the level scales and shifts both (adaLN).

    What the level says comes from outside, one map for all blocks, to which each adds its own
    constant (Chen et al., 2023, "adaLN-single").
    """

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))
        self.drop = nn.Dropout(dropout)

    def forward(self, h, angle, level):
        """h (B, n, width), angle (n, d / 2), level (B, 6 · width)."""
        B, n, width = h.shape
        scale1, shift1, gain1, scale2, shift2, gain2 = (level + self.own)[:, None].chunk(6, dim=-1)
        x = self.norm1(h) * (1 + scale1) + shift1
        q, k, v = self.qkv(x).view(B, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotate(q, angle), rotate(k, angle), v)
        h = h + self.drop(self.out(mixed.transpose(1, 2).reshape(B, n, width))) * (1 + gain1)
        x = self.norm2(h) * (1 + scale2) + shift2
        return h + self.drop(self.down(F.gelu(self.up(x), approximate="tanh"))) * (1 + gain2)


class BeatTransformer(Denoiser):
    """P(x_0 | x_t) for bits (B, K, P, C) of a `codec.Codec`.

    Parameters
    ----------
    pitches, kinds : int
        P and K.
    prior : float, or nested list (K, P)
        ρ of the noise that it will see.
    columns : int
        Columns a token; C may be any multiple of it.
    width, depth, heads : int
        Of the transformer.
    filters, mixers : int
        Of the convolutions; how many `transformer.Mixer`s come before the tokens, and after.
    dropout : float
        On what each block adds.
    """

    prior: Tensor
    rates: Tensor

    def __init__(
        self, pitches=56, kinds=2, prior=0.07, columns=4, width=256, depth=4, heads=4, filters=64,
        mixers=1, dropout=0.1,
    ):
        super().__init__()
        if heads < 1 or width % (2 * heads):
            raise ValueError(f"heads must divide half the width of {width}, got {heads}")
        self.stride, self.pitches, self.kinds = columns, pitches, kinds
        rho = torch.as_tensor(prior, dtype=torch.float32, device="cpu")  # numbers, on meta too
        if not ((rho > 0) & (rho < 1)).all():
            raise ValueError("prior must be between 0 and 1")
        prior = torch.as_tensor(prior, dtype=torch.float32)
        prior = prior.expand(kinds, pitches)[..., None].clone()
        self.register_buffer("prior", prior, persistent=False)
        self.narrow = narrow = max(filters // 4, 1)  # features a cell that pass through the tokens
        self.level, self.adapt = LevelEmbedding(width), nn.Linear(width, 6 * width)
        nn.init.zeros_(self.adapt.weight)
        self.adapt.bias.data.zero_()
        self.stem = nn.Sequential(conv(2 * kinds * columns, filters), conv(filters, filters))
        self.before = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.squeeze = nn.Conv2d(filters, narrow, 1)
        self.read = nn.Linear(pitches * narrow, width)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(depth)])
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.write = nn.Linear(width, pitches * narrow)
        self.head = nn.Sequential(conv(filters + narrow, filters), conv(filters, filters))
        self.after = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.last = nn.Conv2d(filters, kinds * columns, 1)
        nn.init.zeros_(self.last.weight)  # untrained, it answers with ρ and the evidence
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        half = width // heads // 2
        self.register_buffer("rates", 100.0 ** -(torch.arange(half) / half), persistent=False)

    def logits(self, x_t, alpha_bar_t=None, known=None):
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
        n = C // self.stride
        cells = torch.cat(read, 1).view(B, 2 * K, P, n, self.stride).permute(0, 1, 4, 2, 3)
        cells = cells.reshape(B, -1, P, n).contiguous(memory_format=torch.channels_last)
        local = self.before(self.stem(cells))  # (B, filters, P, n)
        tokens = self.squeeze(local).permute(0, 3, 1, 2).reshape(B, n, -1)
        h = self.read(self.drop(tokens))  # (B, n, width)
        level = self.adapt(F.silu(self.level(alpha_bar_t)))
        angle = torch.arange(n, device=h.device)[:, None] * self.rates
        for block in self.blocks:
            h = block(h, angle, level)
        wide = self.write(self.drop(self.norm(h))).view(B, n, self.narrow, P).permute(0, 2, 3, 1)
        others = self.last(self.after(self.head(torch.cat([local, wide], dim=1))))
        others = others.view(B, K, self.stride, P, n).permute(0, 1, 3, 4, 2).reshape(B, K, P, C)
        return rest + others.float() + evidence
