"""A network made for rolls: attention over beats, told the noise level and the prompt.

The printed UNet slides small filters over a picture. This network uses three facts about rolls.

* *Ticks are copies, and notes begin on beats.* The `fold` ticks of a beat (24) become the channels
  of one frame, so a roll has 16 frames instead of 384 columns. Small convolutions, the same for all
  pitches, do what is local: whether the noisy ticks of a beat hold a note, where it begins, where
  it ends. Windows begin on a beat, so the place in the beat is known.
* *Harmony is not local in pitch.* All pitches of a frame become one token, so an octave is as
  near as a semitone. The tokens attend to each other over the whole roll. As in a UNet, what is
  local is carried across and joined to what is global.
* *Bayes' rule is not learned.* The network reads each noisy bit as its evidence (in nats) at the
  level ᾱ_t, and adds this evidence to its answer: it learns only what the *other* cells say of
  one. A known cell is a bit with overwhelming evidence, so prompts need no channel of their own.

`Transformer` is what this network shares with that of `beats`.

Chapter: 08 *Sampling* compares it with the paper's UNet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.denoiser import Denoiser, LevelEmbedding, conv

CERTAIN = 8.0  # nats: evidence is clipped here, where the odds are 3,000 to 1


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Rotary positions (Su et al., 2021): turn pairs of features by an angle that grows with time.

    x (B, heads, n, d), angle (n, d / 2).
    """
    a, b = x.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def nearly_nothing(*layers: nn.Module) -> None:
    """Let what is added to a path begin small, so that a deep network begins as a shallow one."""
    for layer in layers:
        nn.init.normal_(layer.weight, std=1e-3)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


class Attention(nn.Module):
    """The half of a block in which tokens attend to each other; a block adds its own MLP.

    `affine` gives the two norms of the block a learned scale and shift.
    """

    def __init__(self, width: int, heads: int, dropout: float, affine: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=affine)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=affine)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def attend(self, x: Tensor, angle: Tensor, seen: Tensor | None = None) -> Tensor:
        """x (B, n, width), angle (n, d / 2); `seen` (B, 1, 1, n), False for tokens of padding."""
        B, n, width = x.shape
        q, k, v = self.qkv(x).view(B, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotate(q, angle), rotate(k, angle), v, seen)
        return self.drop(self.out(mixed.transpose(1, 2).reshape(B, n, width)))


class Block(Attention):
    """Pre-norm attention over frames, then an MLP on each frame; at first nearly the identity."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout)
        up, down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(up, nn.GELU(approximate="tanh"), down)
        nearly_nothing(self.out, down)

    def forward(self, h: Tensor, angle: Tensor) -> Tensor:
        h = h + self.attend(self.norm1(h), angle)
        return h + self.drop(self.mlp(self.norm2(h)))


class Mixer(nn.Module):
    """Filters over an octave up and down, feature by feature, then mixed and added.

    Intervals are the same in every key, and so are these filters. At first a mixer is nearly the
    identity, so a trained network can be given one.
    """

    def __init__(self, filters: int, reach: int = 12) -> None:
        super().__init__()
        size, padding = (2 * reach + 1, 3), (reach, 1)
        self.across = nn.Conv2d(filters, filters, size, padding=padding, groups=filters)
        self.mix, self.out = nn.Conv2d(filters, filters, 1), nn.Conv2d(filters, filters, 1)
        nearly_nothing(self.out)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.out(F.relu(self.mix(self.across(h))))


class Transformer(Denoiser):
    """Convolutions shared by all pitches at both ends, blocks over tokens between.

    Parameters
    ----------
    pitches, kinds : int
        P and K of the bits (B, K, P, C).
    fold : int
        Columns a token; C may be any multiple of it.
    features : int
        What is read of each bit's column, all kinds together.
    width, depth, heads : int
        Of the blocks.
    filters, mixers : int
        Of the convolutions; how many `Mixer`s come before the tokens, and after.
    block : callable
        Makes a block, ``block(h, angle, *level)``.
    level, adapt : modules, optional
        They say the noise level.
    dropout : float
        On what the tokens are read from and written to.
    """

    rates: Tensor

    def __init__(
        self,
        pitches: int,
        kinds: int,
        fold: int,
        features: int,
        width: int,
        depth: int,
        heads: int,
        filters: int,
        mixers: int,
        block: Callable[[], nn.Module],
        level: nn.Module | None = None,
        adapt: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if heads < 1 or width % (2 * heads):
            raise ValueError(f"heads must divide half the width of {width}, got {heads}")
        self.stride, self.pitches, self.kinds = fold, pitches, kinds
        self.level, self.adapt, self.drop = level, adapt, nn.Dropout(dropout)
        narrow = max(filters // 4, 1)  # features of a pitch that pass through the tokens
        self.stem = nn.Sequential(conv(features * fold, filters), conv(filters, filters))
        self.before = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.squeeze = nn.Conv2d(filters, narrow, 1)
        self.read = nn.Linear(pitches * narrow, width)
        self.blocks = nn.ModuleList([block() for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.write = nn.Linear(width, pitches * narrow)
        self.head = nn.Sequential(conv(filters + narrow, filters), conv(filters, filters))
        self.after = nn.Sequential(*(Mixer(filters) for _ in range(mixers)))
        self.last = nn.Conv2d(filters, kinds * fold, 1)
        half = width // heads // 2
        self.register_buffer("rates", 100.0 ** -(torch.arange(half) / half), persistent=False)

    def to_tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, features, P, C) -> what is local (B, filters, P, n), and the tokens (B, n, width)."""
        B, _, P, C = x.shape
        n = C // self.stride
        x = x.view(B, -1, P, n, self.stride).permute(0, 1, 4, 2, 3).reshape(B, -1, P, n)
        local = self.before(self.stem(x.contiguous(memory_format=torch.channels_last)))
        tokens = self.squeeze(local).permute(0, 3, 1, 2).reshape(B, n, -1)
        return local, self.read(self.drop(tokens))

    def to_bits(self, local: Tensor, h: Tensor, *level: Tensor) -> Tensor:
        """Tokens through the blocks, and joined to what is local: a number a bit (B, K, P, C)."""
        B, n, _ = h.shape
        angle = torch.arange(n, device=h.device)[:, None] * self.rates
        for block in self.blocks:
            h = block(h, angle, *level)
        wide = self.write(self.drop(self.norm(h))).view(B, n, -1, local.shape[2])
        y = torch.cat([local, wide.permute(0, 2, 3, 1)], dim=1)
        y = self.last(self.after(self.head(y)))  # (B, K · fold, P, n)
        y = y.unflatten(1, (self.kinds, self.stride)).permute(0, 1, 3, 4, 2)
        return y.flatten(-2).float()


class FrameTransformer(Transformer):
    """P(x_0 = 1 | x_t) for rolls (B, 1, P, L): a token is a frame.

    Parameters
    ----------
    pitches : int
        Rows of the roll; its length may be any multiple of `fold`.
    prior : float
        ρ of the noise that it will see.
    fold : int
        Ticks a frame.
    width, depth, heads, filters, mixers : int
        As for `Transformer`.
    dropout : float
        On what each block adds.
    time : bool
        False for a network that is not told the noise level (paper §5): it reads bits, not
        evidence, and has nothing to add to its answer.
    """

    def __init__(
        self,
        pitches: int = 56,
        prior: float = 0.07,
        fold: int = 24,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        filters: int = 64,
        mixers: int = 0,
        dropout: float = 0.0,
        time: bool = True,
    ) -> None:
        if not 0 < prior < 1:
            raise ValueError(f"prior must be between 0 and 1, got {prior}")
        level = LevelEmbedding(width) if time else None
        block = partial(Block, width, heads, dropout)
        super().__init__(pitches, 1, fold, 1, width, depth, heads, filters, mixers, block, level)
        self.prior = prior
        rest = torch.logit(torch.tensor(float(prior), device="cpu")).item()
        nn.init.constant_(self.last.bias, rest)  # type: ignore[arg-type]

    def logits(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        if x_t.shape[-2] != self.pitches or x_t.shape[-1] % self.stride:
            raise ValueError(
                f"roll is {tuple(x_t.shape[-2:])}, but this network takes {self.pitches} pitches "
                f"and a length that is a multiple of {self.stride} ticks"
            )
        evidence = 2 * x_t - 1
        if self.level is not None:
            evidence = kernel.evidence(x_t, torch.as_tensor(alpha_bar_t), self.prior)
            evidence = evidence.clamp(-CERTAIN, CERTAIN)
        if known is not None:
            evidence = torch.where(known, (2 * x_t - 1) * CERTAIN, evidence)
        local, h = self.to_tokens(evidence)
        if self.level is None:
            return self.to_bits(local, h)
        return self.to_bits(local, h + self.level(alpha_bar_t)[:, None]) + evidence
