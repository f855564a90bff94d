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
* *Chord and key are in the sum.* In deep noise no bit tells the key, but the pitch classes of a
  bar, or of the whole roll, counted together do (`Tonality`).
* *A voice sings one note at a time.* In a plane for a voice each column is lit once at most: the
  chances of its rows are one softmax, which is Bayes' rule over the rows and none. What a note
  would do to the other voices is looked at once more, in the light of a first answer (`Motion`).

Chapter: 09 *Drawing bits*.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.denoiser import LevelEmbedding
from binolab.networks.tones import Motion, Tonality
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

    def forward(
        self, h: Tensor, angle: Tensor, level: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """h (B, n, width), angle (n, d / 2), level (B, 6 · width), seen as in `attend`."""
        scale1, shift1, gain1, scale2, shift2, gain2 = (level + self.own)[:, None].chunk(6, dim=-1)
        x = self.norm1(h) * (1 + scale1) + shift1
        h = h + self.attend(x, angle, seen) * (1 + gain1)
        x = self.norm2(h) * (1 + scale2) + shift2
        return h + self.drop(self.down(F.gelu(self.up(x), approximate="tanh"))) * (1 + gain2)


SURE = 40.0  # nats: what a known bit is worth where rows of a column exclude each other


def at_most_one(logits: Tensor) -> Tensor:
    """Log-odds of each row, from its log-odds against *no* row: a softmax over rows and none.

    (…, P, C) -> same shape. The chances of a column's rows sum to 1 at most.
    """
    none = torch.zeros_like(logits[..., :1, :])
    chance = torch.cat([logits, none], -2).log_softmax(-2)[..., :-1, :]
    return chance - torch.log1p(-chance.exp().clamp(max=1 - 1e-6))


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
    voices : int
        How many planes the bits are of, if each of them is lit in one row of a column at most, as
        in a plane for a voice. 0 where they are not.
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
        voices: int = 0,
    ) -> None:
        if voices < 0 or (voices and kinds % voices):
            raise ValueError(f"{kinds} kinds of bit do not make {voices} voices")
        rho = torch.as_tensor(prior, dtype=torch.float32, device="cpu")  # numbers, on meta too
        if not ((rho > 0) & (rho < 1)).all():
            raise ValueError("prior must be between 0 and 1")
        level, adapt = LevelEmbedding(width), nn.Linear(width, 6 * width)
        block, size = partial(Block, width, heads, dropout), (width, depth, heads, filters, mixers)
        read = 2 * kinds + Tonality.scales
        super().__init__(pitches, kinds, columns, read, *size, block, level, adapt, dropout)
        every = torch.as_tensor(prior, dtype=torch.float32).expand(kinds, pitches)
        self.register_buffer("prior", every[..., None].clone(), persistent=False)
        self.exclusive = voices > 0
        self.tonality = Tonality(width, columns)
        self.motion = Motion(voices, kinds // voices) if voices > 1 else None
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
        evidence = kernel.evidence(x_t, alpha_bar_t.clamp(0.0, 1 - 1e-6), self.prior)
        if known is not None:
            evidence = torch.where(known, (2 * x_t - 1) * CERTAIN, evidence)
        rest = torch.logit(self.prior)
        chance = torch.sigmoid(rest + evidence)
        level = self.level(alpha_bar_t)
        tones = self.tonality(chance, self.prior, level)
        read = [evidence.clamp(-CERTAIN, CERTAIN) / 3, 3 * chance, tones]
        local, h = self.to_tokens(torch.cat(read, 1))
        learned = self.to_bits(local, h, self.adapt(F.silu(level)))
        if not self.exclusive:
            return rest + learned + evidence
        none = torch.log((1 - self.prior.sum(1, keepdim=True)).clamp(min=1e-3))
        if known is not None:  # a column with a known note has no other
            evidence = torch.where(known, (2 * x_t - 1) * SURE, evidence)
        against_none = self.prior.log() - none + evidence
        if self.motion is not None:
            first = torch.sigmoid(at_most_one(against_none + learned))
            learned = learned + self.motion(first)
        return at_most_one(against_none + learned)
