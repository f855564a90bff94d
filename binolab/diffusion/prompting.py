"""What is known and what is free: every prompt is a mask over the roll.

A mask is True where the roll is *known*. The model sees the known cells clean, the rest as noise,
and writes only the rest (paper §8): known cells come back untouched, always.

Chapters: 10 *Completing and infilling*, 11 *Harmonizing*, 12 *Variations*.
"""

from __future__ import annotations

import torch

from binolab import model as weights
from binolab.diffusion import kernel, sampling, schedules
from binolab.music import rolls, voices


def before(x0, tick):
    """Mask that knows every cell before `tick`. x0 (…, P, L) -> bool, same shape."""
    return (torch.arange(x0.shape[-1], device=x0.device) < tick).expand(x0.shape)


def outside(x0, start, end):
    """Mask that knows every cell but those of ticks `start` to `end - 1`."""
    tick = torch.arange(x0.shape[-1], device=x0.device)
    return ((tick < start) | (tick >= end)).expand(x0.shape)


def melody_line(x0):
    """The highest lit row of every tick, -1 in silence; across a one-tick gap the line goes on.

    x0 (…, P, L) of bits -> long (…, L).
    """
    P = x0.shape[-2]
    row = torch.arange(P, device=x0.device)[:, None]
    top = torch.where(x0 > 0, row, -1).amax(-2)
    before, after = torch.roll(top, 1, -1), torch.roll(top, -1, -1)
    gap = (before == after) & (top < before)  # a note struck again: see `rolls`
    gap[..., 0] = gap[..., -1] = False
    return torch.where(gap, before, top)


def above_melody(x0):
    """Mask that knows the melody and all above it, so that the harmony lies below (paper Fig. 8).

    Where the melody rests nothing is known. x0 (…, P, L) -> bool, same shape.
    """
    line = melody_line(x0)[..., None, :]
    row = torch.arange(x0.shape[-2], device=x0.device)[:, None]
    return (line >= 0) & (row >= line)


def whole_notes(x0, known):
    """A mask in which each note that is known for half of its ticks or more is known to its end.

    For what was played and not written: a legato melody's notes overlap, and the end of the lower
    of two is not its highest cell. x0 (P, L) of bits, known bool (P, L) -> bool (P, L).
    """
    known = known.clone()
    for row, start, end in rolls.notes(x0.cpu().numpy() > 0):
        if known[row, start:end].float().mean() >= 0.5:
            known[row, start:end] = True
    return known


def paint(model, card, x_known, known, *, sampler="refreshed", steps=100, generator=None,
          strength=1.0, **options):
    """Write the cells that a mask leaves free. All the other prompts are this one.

    Parameters
    ----------
    model, card
        From `weights.load`.
    x_known : float tensor (B, 1, P, L) of bits
        The given roll; what it holds in free cells matters only where `strength` < 1.
    known : bool tensor, same shape
    sampler : str or callable
        A name in `sampling.SAMPLERS`, or a sampler of your own with their signature.
    steps : int
        Steps at full strength, each a call of the network. `refreshed` adds two calls to polish,
        `gibbs` one to each step but the last.
    strength : float, 0 to 1
        Where on the schedule to begin, t = strength · T: 1 is pure noise, 0 leaves the roll as is.
    generator : torch.Generator
    options
        For the sampler: bit, polish, callback, refresh, nested, corrections, share. Where the
        model works on a coarser grid (`codec`) or by voices, so do sampler and callback.

    Returns
    -------
    x_0, float tensor of bits (B, 1, P, L), equal to `x_known` wherever `known`.

    Raises
    ------
    ValueError
        For a strength outside 0 … 1, fewer than one step, or an unknown sampler.

    Chapters: 10, 11, 12.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be between 0 (as it is) and 1 (all new), got {strength}")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    if not callable(sampler) and sampler not in sampling.SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(sampling.SAMPLERS)}, got {sampler!r}")
    sampler = sampling.SAMPLERS.get(sampler, sampler)
    alpha_bar = weights.schedule(card, T=max(1000, steps))
    alpha_bar = alpha_bar[: round(strength * (len(alpha_bar) - 1)) + 1]
    if len(alpha_bar) == 1:
        return x_known.clone()
    _, alpha_bar = schedules.respace(alpha_bar, max(1, round(steps * strength)))
    prior = weights.prior(card, x_known.device)
    bits, told = to_bits(card, x_known, known)
    x_T = kernel.forward(bits, alpha_bar[-1].item(), prior, generator)
    x_0 = sampler(
        model, x_T, alpha_bar, prior=prior, known=told, x_known=bits, generator=generator, **options
    )
    written = voices.merge(weights.codec(card).decode(x_0))
    return torch.where(known, x_known, written)  # to the letter, whatever the grid can hold


def to_bits(card, x0, known):
    """A roll and its mask as the bits that a model works on: (B, 1, P, L) -> (B, K, P, C) twice.

    `known` may be None, and is then None.
    """
    codec, planes = weights.codec(card), card.get("planes", 1)
    bits = codec.encode(voices.split(x0, planes, known, card.get("low", rolls.LOW)))
    return bits, None if known is None else codec.known(known.expand(-1, planes, -1, -1))


def generate(model, card, n=1, *, length=None, device="cpu", **options):
    """`n` rolls from nothing (paper Fig. 4). Returns (n, 1, P, L); `length` in ticks."""
    shape = (n, 1, card["pitches"], length or card["length"])
    nothing = torch.zeros(shape, device=device)
    return paint(model, card, nothing, nothing.bool(), **options)


def complete(model, card, x0, tick, **options):
    """Keep all before `tick`, write the rest (paper Fig. 5)."""
    return paint(model, card, x0, before(x0, tick), **options)


def infill(model, card, x0, start, end, **options):
    """Write ticks `start` to `end - 1`, keep the rest (paper Fig. 6)."""
    return paint(model, card, x0, outside(x0, start, end), **options)


def harmonize(model, card, melody, **options):
    """Write what lies below a melody (paper Fig. 8)."""
    return paint(model, card, melody, above_melody(melody), **options)


def vary(model, card, x0, strength, **options):
    """Noise a roll up to t = strength · T and bring it back (paper Fig. 7)."""
    nothing = torch.zeros_like(x0, dtype=torch.bool)
    return paint(model, card, x0, nothing, strength=strength, **options)


def random_prompts(x0, share, generator):
    """Masks to train with: a `share` of the batch gets a prompt, the rest none.

    Of these kinds, in equal parts: all but a span of time; all below a random row; random
    sixteenths of the window (beats, in the paper's); all but a rectangle in time and pitch; of a
    roll of one plane the melody and above, of one of several whole planes, or random sixteenths of
    each. x0 (B, V, P, L) -> bool, same shape.
    """
    B, V, P, L = x0.shape
    device = x0.device

    def uniform(*shape):
        return torch.rand(shape, generator=generator, device=device)

    def span(length, *shape):
        """A random stretch, True inside."""
        a, b = (uniform(2, B, 1, 1, 1) * (length + 1)).long().sort(0).values
        place = torch.arange(length, device=device).view(shape)
        return (place >= a) & (place < b)

    beat = max(L // 16, 1)

    def sixteenths(planes):
        some = uniform(B, planes, 1, -(-L // beat)) < uniform(B, 1, 1, 1)
        return some.repeat_interleave(beat, -1)[..., :L]

    kinds = [
        ~span(L, 1, 1, 1, L),
        torch.arange(P, device=device)[:, None] < (uniform(B, 1, 1, 1) * P),
        sixteenths(1),
        ~(span(L, 1, 1, 1, L) & span(P, 1, 1, P, 1)),
    ]
    if V == 1:
        kinds.append(above_melody(x0))
    else:
        kinds += [uniform(B, V, 1, 1) < uniform(B, 1, 1, 1), sixteenths(V)]
    kind = (uniform(B) * len(kinds)).long()
    chosen = torch.stack([k.expand(x0.shape) for k in kinds])[kind, torch.arange(B, device=device)]
    return chosen & (uniform(B, 1, 1, 1) < share)
