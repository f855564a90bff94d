"""The network of `jsb.py`: attention over frames, between convolutions over frames and keys.

A frame, or a beat of `span` frames, is one token, so a chord a phrase away is as near as the next
one; the convolutions, alike at every key, know what a held note and a step are. As in
`networks.transformer`, evidence goes in and is added to what comes out, so that only what the
*other* cells say of a cell is learned.
"""

import torch
from torch import nn
from torch.nn import functional as F

from binolab.diffusion import kernel
from binolab.networks.beats import Block
from binolab.networks.denoiser import Denoiser, LevelEmbedding
from binolab.networks.tones import Tonality
from binolab.networks.transformer import CERTAIN

NEAR = 8  # tokens from either end of a piece that are told apart by their distance to it
SHIFTS = 12  # semitones, up or down, at most


class ChordTransformer(Denoiser):
    """P(x_0 | x_t) of whole pieces of any length.

    Parameters
    ----------
    prior : sequence of float
        ρ of each key, the noise that it will see.
    keys : (int, int)
        First key, and one past the last, that the network reasons about; of the others it knows
        ρ and the evidence.
    width, depth, heads : int
        Of the transformer.
    filters, reach : int
        Of the convolutions, which see `reach` keys (odd) of three frames; 0 filters for none.
    dropout : float
    span : int
        Frames a token.
    """

    def __init__(
        self,
        prior,
        keys,
        width=256,
        depth=5,
        heads=4,
        filters=16,
        reach=13,
        dropout=0.1,
        span=1,
    ):
        super().__init__()
        self.span = span
        self.low, self.high = keys
        self.filters, n = filters, self.high - self.low
        self.register_buffer("prior", torch.tensor(prior).view(1, 1, -1, 1), persistent=False)
        self.level = LevelEmbedding(width)
        self.begin, self.end = nn.Embedding(NEAR + 1, width), nn.Embedding(NEAR + 1, width)
        self.shift = nn.Embedding(2 * SHIFTS + 1, width)
        for table in (self.begin, self.end, self.shift):
            nn.init.normal_(table.weight, std=0.02)

        self.tonality, read = Tonality(width, 1), 2 + Tonality.scales

        def conv(inputs):
            return nn.Conv2d(inputs, filters, (reach, 3), padding="same")

        if filters:
            self.stem1, self.stem2, self.head = conv(read), conv(filters), conv(2 * filters)
            self.last = nn.Conv2d(filters, 1, 1)
            nn.init.zeros_(self.last.weight)
        self.read = nn.Linear((read + filters) * n * span, width)
        self.write = nn.Linear(width, (1 + filters) * n * span)
        with torch.no_grad():  # an untrained network answers with the prior and the evidence
            for table in (self.write.weight, self.write.bias):
                table.view(span, 1 + filters, n, -1)[:, 0] = 0
        self.adapt = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.adapt.weight)
        nn.init.zeros_(self.adapt.bias)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(depth)])
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        half = width // heads // 2
        self.register_buffer("rates", 100.0 ** -(torch.arange(half) / half), persistent=False)

    def logits(self, x_t, alpha_bar_t=None, known=None, shift=None, prior=None):
        """Log-odds of x_0, shape of `x_t` (B, 1, keys, L).

        `known` marks padding: frames of it are passed over. `shift`, long (B,), says by how many
        semitones a piece was transposed and `prior` (B, 1, keys, 1) what ρ became by it.
        """
        frames = x_t.shape[3]
        if frames % self.span:  # the last token is filled up with padding
            more = (0, -frames % self.span)
            known = torch.zeros_like(x_t, dtype=torch.bool) if known is None else known
            x_t, known = F.pad(x_t, more), F.pad(known, more, value=True)
        B, _, _, L = x_t.shape
        tokens = L // self.span
        prior = self.prior if prior is None else prior
        alpha_bar_t = torch.as_tensor(alpha_bar_t).float().expand(B).clamp(0, 1 - 1e-6)
        evidence = kernel.evidence(x_t, alpha_bar_t, prior)
        rest = torch.logit(prior).expand_as(x_t)
        real = x_t.new_ones(B, L) if known is None else (~known.all(2)[:, 0]).float()
        beats = real.view(B, tokens, self.span).amax(2)  # tokens with a frame that is not padding
        mask = None if known is None else beats[:, None, None].bool()
        level = self.level(alpha_bar_t)
        chance = torch.sigmoid(rest + evidence)
        said = self.tonality(torch.lerp(prior, chance, real[:, None, None]), prior, level)
        x = torch.cat([evidence.clamp(-CERTAIN, CERTAIN) / 3, 3 * chance, said], dim=1)
        x = x[:, :, self.low : self.high] * real[:, None, None]
        if self.filters:
            x = x.contiguous(memory_format=torch.channels_last)
            local = F.gelu(self.stem1(x)) * real[:, None, None]
            local = local + F.gelu(self.stem2(local)) * real[:, None, None]
            x = torch.cat([x, local], dim=1)
        h = self.read(self.drop(x.permute(0, 3, 2, 1).reshape(B, tokens, -1)))
        beat = torch.arange(tokens, device=h.device)
        left = beats.sum(1, keepdim=True).long() - 1 - beat
        h = h + self.begin(beat.clamp(max=NEAR)) + self.end(left.clamp(0, NEAR))
        shift = torch.zeros(B, dtype=torch.long, device=h.device) if shift is None else shift
        level = self.adapt(F.silu(level + self.shift(shift + SHIFTS)))
        angle = beat[:, None] * self.rates
        for block in self.blocks:
            h = block(h, angle, level, mask)
        n = self.high - self.low
        wide = self.write(self.drop(self.norm(h))).view(B, L, 1 + self.filters, n)
        wide = wide.permute(0, 2, 3, 1)
        others = wide[:, :1]
        if self.filters:
            both = torch.cat([local, wide[:, 1:] * real[:, None, None]], dim=1)
            others = others + self.last(F.gelu(self.head(both)))
        edges = (0, 0, self.low, x_t.shape[2] - self.high)
        return (rest + F.pad(others, edges) + evidence)[..., :frames]


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal before a step (Jordan et al., 2024).

    Newton–Schulz iterations bring all singular values of the update near 1, so that rare
    directions learn as fast as common ones. For matrices within a network; AdamW has the rest.
    """

    def __init__(self, parameters, lr=0.02, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                x = p.grad.lerp(mean, group["momentum"])  # Nesterov's look ahead
                x = x.T if len(x) > x.shape[1] else x
                x = x / (x.norm() + 1e-7)
                for a, b, c in COEFFICIENTS:
                    square = x @ x.T
                    x = torch.addmm(
                        x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a
                    )
                x = x.T if len(p) > p.shape[1] else x
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x, alpha=-group["lr"] * max(1, len(p) / p.shape[1]) ** 0.5)


COEFFICIENTS = [(3.4445, -4.7750, 2.0315)] * 5
