"""What notes are to each other, in any key: chords, keys, and how voices move.

Music is nearly the same in all twelve keys, and octaves are nearly the same note. Both layers here
see *pitch classes* (a pitch's place in its octave), and do the same at each of the twelve. So they
learn from all keys at once, and need few weights.

Chapter: 09 *Drawing bits*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

OCTAVE = 12
SPANS = (1, 4, 16)  # tokens about a column in which `Tonality` counts, and then the whole roll


def classes(x: Tensor) -> Tensor:
    """Rows added up by pitch class, counted from row 0: (…, P, C) -> (…, 12, C)."""
    return F.pad(x, (0, 0, 0, -x.shape[-2] % OCTAVE)).unflatten(-2, (-1, OCTAVE)).sum(-3)


def pitches(x: Tensor, count: int) -> Tensor:
    """What is said of each pitch class, at each of `count` rows: (B, F, 12, C) -> (B, F, P, C)."""
    return x.repeat(1, 1, -(-count // OCTAVE), 1)[:, :, :count]


def beside(x: Tensor, way: int) -> Tensor:
    """The column before (`way` 1) or after (-1), 0 where there is none."""
    return F.pad(x, (way, -way))


class Tonality(nn.Module):
    """Which chord and which key, as far as noisy bits tell: an expectation over templates.

    In deep noise no bit tells the key, but many bits counted together do. The chances of notes are
    added up by pitch class, over so many tokens and over the whole roll. Each sum is scored against
    learned templates at all twelve roots, a softmax of the scores says how likely each
    template and root is, and what they say of each pitch class is averaged by that. A naive Bayes
    classifier of keys has this form.
    """

    turn: Tensor

    scales = len(SPANS) + 1

    def __init__(self, width: int, columns: int, templates: int = 12) -> None:
        super().__init__()
        self.spans = [n * columns | 1 for n in SPANS]  # odd: as far before as after
        self.read = nn.Parameter(torch.randn(self.scales, templates, OCTAVE))
        self.write = nn.Parameter(torch.randn(self.scales, templates, OCTAVE))
        self.gain = nn.Linear(width, self.scales)  # how much a count weighs, by the noise level
        root, place = torch.arange(OCTAVE)[:, None], torch.arange(OCTAVE)
        self.register_buffer("turn", (place - root) % OCTAVE, persistent=False)

    def forward(self, chance: Tensor, prior: Tensor, level: Tensor) -> Tensor:
        """What the counts say of each pitch, (B, scales, P, C).

        Parameters
        ----------
        chance : (B, K, P, C)
            P(x_0 = 1) of each bit by itself.
        prior : (K, P, 1)
            ρ, what `chance` is on average.
        level : (B, width)
        """
        counted = classes((chance - prior).sum(1))  # (B, 12, C)
        about = [s * F.avg_pool1d(counted, s, 1, s // 2) for s in self.spans]
        sums = torch.stack([*about, counted.sum(-1, keepdim=True).expand_as(counted)], 1)
        gain = F.softplus(self.gain(level))[:, :, None, None]
        read, write = (w[..., self.turn].flatten(1, 2) for w in (self.read, self.write))
        scores = torch.einsum("skq,bsqc->bskc", read, gain * sums)  # k: each template at each root
        said = torch.einsum("skq,bskc->bsqc", write, scores.softmax(2))
        return pitches(said, chance.shape[2])


class Motion(nn.Module):
    """A second look: what each note of a first belief would do to the other voices.

    Parallel fifths and octaves are relations of four notes: two voices stand in an interval, both
    move, and they stand in it again. For each voice and pitch this is added up over the other
    voices, by belief, with the column before and with the one after, for fifths and for octaves. A
    small convolution reads the sums, and adds to the log-odds. The first voice is the highest.
    """

    above: Tensor

    def __init__(self, voices: int, kinds: int, filters: int = 24) -> None:
        super().__init__()
        self.kinds = kinds  # of bit, in each voice
        self.read = nn.Conv2d(voices * (kinds + 4), filters, 3, padding=1)
        self.write = nn.Conv2d(filters, voices * kinds, (1, 3), padding=(0, 1))
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)  # type: ignore[arg-type]
        upper = torch.ones(voices, voices).triu(1)  # v before u: v is above
        self.register_buffer("above", torch.stack([upper, upper.T]), persistent=False)

    def forward(self, belief: Tensor) -> Tensor:
        """Beliefs (B, V · kinds, P, C) -> log-odds to add, same shape."""
        tone = classes(belief[:, :: self.kinds])  # (B, V, 12, C)
        found = [self.parallels(tone, i, way) for i in (7, 0) for way in (1, -1)]
        read = torch.cat([belief, pitches(torch.cat(found, 1), belief.shape[2])], 1)
        return self.write(F.relu(self.read(read))).float()

    def parallels(self, tone: Tensor, interval: int, way: int) -> Tensor:
        """How many voices each note would move in parallel with, by belief: (B, V, 12, C).

        The voices stand `interval` semitones apart, octaves aside, in this column and in the one on
        the `way`.
        """
        at = torch.stack([tone.roll(i, 2) for i in (interval, -interval)])  # above, below
        at = torch.einsum("avu,abuqc->bvuqc", self.above, at)  # where v stands so from u
        apart = torch.einsum("bvqc,bvuqc->bvuc", tone, at)
        stays = (tone * beside(tone, way)).sum(2)  # (B, V, C)
        moves = beside(apart, way) * (1 - stays)[:, None]
        return torch.einsum("bvuc,bvuqc->bvqc", moves, at)
