"""What is known and what is free: every prompt is a mask over the roll.

A mask is True where the roll is *known*. The model sees the known cells clean, the rest as noise,
and writes only the rest (paper §8): known cells come back untouched, always.

Chapters: 12 *Completing and infilling*, 13 *Harmonizing*, 14 *Variations*.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from binolab.diffusion import kernel, sampling, schedules
from binolab.diffusion.kernel import Network
from binolab.music import counterpoint, rolls

if TYPE_CHECKING:  # a model is given, and none is made here
    from binolab.model import Model

ROUNDS = 3  # of `revise`, where a model writes voices
DOUBT = 0.25  # ᾱ at which `polish` reads a finished roll: as if three bits in four were noise


def before(x0: Tensor, tick: int) -> Tensor:
    """Mask that knows every cell before `tick`. x0 (…, P, L) -> bool, same shape."""
    return (torch.arange(x0.shape[-1], device=x0.device) < tick).expand(x0.shape)


def outside(x0: Tensor, start: int, end: int) -> Tensor:
    """Mask that knows every cell except those of ticks `start` to `end - 1`."""
    return before(x0, start) | ~before(x0, end)


def melody_line(x0: Tensor) -> Tensor:
    """The highest lit row of every tick, -1 in silence; across a one-tick gap the line goes on.

    x0 (…, P, L) of bits -> long (…, L). A gap in the last tick is one too: what begins after a
    window is not seen in it.
    """
    row = torch.arange(x0.shape[-2], device=x0.device)[:, None]
    top = torch.where(x0 > 0, row, -1).amax(-2)
    last, following = F.pad(top, (1, -1), value=-1), F.pad(top, (-1, 1), value=-1)
    following[..., -1:] = last[..., -1:]
    gap = (last == following) & (top < last)  # a note struck again: see `rolls`
    return torch.where(gap, last, top)


def above_melody(x0: Tensor) -> Tensor:
    """Mask that knows the melody and all above it, so that the harmony lies below (paper Fig. 8).

    Where the melody rests nothing is known. x0 (…, P, L) -> bool, same shape.
    """
    line = melody_line(x0)[..., None, :]
    row = torch.arange(x0.shape[-2], device=x0.device)[:, None]
    return (line >= 0) & (row >= line)


def others(x0: Tensor) -> Tensor:
    """Mask that frees the first part of several. x0 (…, V, P, L) -> bool, same shape."""
    known = torch.ones_like(x0, dtype=torch.bool)
    known[..., 0, :, :] = False
    return known


def whole_notes(x0: Tensor, known: Tensor) -> Tensor:
    """A mask in which each note that is known for half of its ticks or more is known to its end.

    For what was played and not written: a legato melody's notes overlap, and the end of the lower
    of two is not its highest cell. x0 (P, L) of bits, known bool (P, L) -> bool (P, L).
    """
    known = known.clone()
    for row, start, end in rolls.notes(x0.cpu().numpy() > 0):
        if known[row, start:end].float().mean() >= 0.5:
            known[row, start:end] = True
    return known


def paint(
    model: Model,
    x_known: Tensor,
    known: Tensor,
    *,
    sampler: str | sampling.Step = "refreshed",
    steps: int = 100,
    strength: float = 1.0,
    bit: str = "draw",
    polishing: int | None = None,
    generator: Generator | None = None,
    callback: Callable | None = None,
) -> Tensor:
    """Write the cells that a mask leaves free. All the other prompts are this one.

    Parameters
    ----------
    x_known : (B, V, P, L) of bits
        The given roll: V = 1, or all parts of a model of several (`Model.encode`). What it holds in
        free cells matters only where `strength` < 1.
    known : bool, same shape
    sampler
        A name in `sampling.SAMPLERS`, or a step of your own; "refreshed" takes its share of fresh
        noise from the model's card.
    steps
        Steps at full strength, each a call of the network. `gibbs` makes two calls in each step
        except the last.
    strength : 0 to 1
        Where on the schedule to begin, t = strength · T: 1 is pure noise, 0 leaves the roll as is.
    bit : {"draw", "each", "threshold"}
        How a probability becomes a bit, as in `sampling.sample`.
    polishing
        Calls that mend the finished roll (`polish`); by default what the model's card says.
    callback : callable(t, x_t, x0_hat)
        As in `sampling.sample`, and at the end with (0, x_0, x_0): bits as the network sees them.

    Returns
    -------
    x_0, float tensor of bits (B, 1, P, L), equal to `x_known` wherever `known`.

    Raises
    ------
    ValueError
        For a strength outside 0 … 1, fewer than one step, or an unknown sampler.

    Chapters: 12, 13, 14.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be between 0 (as it is) and 1 (all new), got {strength}")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    step, corrector = sampling.named(sampler)
    if step is sampling.SAMPLERS["refreshed"].step:
        step = partial(sampling.posterior, refresh=model.card.refresh)
    polishing = model.card.polishing if polishing is None else polishing
    alpha_bar = model.alpha_bar(max(1000, steps))
    alpha_bar = alpha_bar[: round(strength * (len(alpha_bar) - 1)) + 1]
    if len(alpha_bar) == 1:
        return x_known.clone()
    _, alpha_bar = schedules.respace(alpha_bar, max(1, round(steps * strength)))
    bits, told = model.encode(x_known, known)
    prior = model.card.rho(x_known.device)  # a network that is a function is on no device
    x_T = kernel.forward(bits, alpha_bar[-1].item(), prior, generator)
    x = sampling.sample(
        model.network,
        x_T,
        alpha_bar,
        step,
        corrector=corrector,
        prior=prior,
        known=told,
        x_known=bits,
        bit="one" if bit == "draw" and model.exclusive else bit,
        generator=generator,
        callback=callback,
    )
    x = polish(model.network, x, told, bits, polishing)
    if callback:
        callback(0, x, x)
    made = model.decode(x)[:, : known.shape[1]]  # of several parts, those that were asked for
    return torch.where(known, x_known, made)  # to the letter, whatever the grid holds


@torch.no_grad()
def polish(network: Network, x: Tensor, known: Tensor, x_known: Tensor, calls: int) -> Tensor:
    """Mend a finished roll: each cell takes the bit that all others make likelier.

    Cells were drawn one by one, so single ticks stray. The network is told that the roll is deep in
    noise (ᾱ = `DOUBT`), so that each cell weighs little against the rest: an iterated conditional
    mode (Besag, 1986). What a phrase needs stays, a speck goes.
    """
    doubt = torch.full((len(x),), DOUBT, device=x.device)
    for _ in range(calls):
        x = torch.where(known, x_known, sampling.to_bit(network(x, doubt, known), "threshold"))
    return x


def usual_rounds(model: Model) -> int:
    """How often `revise` goes over what a model wrote, unless it is told."""
    return ROUNDS if model.exclusive else 0


@torch.no_grad()
def revise(
    model: Model,
    x0: Tensor,
    known: Tensor,
    rounds: int | None = None,
    *,
    rule: Callable = counterpoint.parallels,
    paint: Callable = paint,
    steps: int = 10,
    **options: Any,
) -> Tensor:
    """Write anew the beats around the faults of a finished roll, and keep what has fewer.

    What a model has learned only in part can still be checked, as a student checks an exercise. A
    rule finds the places. The beat before each and the beat after are freed, and the model fills
    them in, given all the rest. Each stretch of new beats is kept if it has fewer faults and four
    notes sound in at least as many of its ticks: three have no parallels, so to leave one out would
    pay. All notes are the model's own, but their law is not: of two draws the rule chooses.

    Parameters
    ----------
    x0 : (B, 1, P, L) of bits
    known : bool, same shape
        Cells that stay, as in `paint`.
    rounds
        How often at most; each costs `steps` steps for the rolls that have a fault near a free
        cell. By default `ROUNDS` where the model writes voices, and else none.
    rule : callable
        Of rolls, an array (B, P, L) of bits: the faults by tick, int (B, L). Those of a tick may
        depend on the two ticks before it, on itself and on the next.
    paint
        `paint`, or `sliding.paint` for rolls of any length; `options` are for it.

    Returns
    -------
    x_0, as `paint`; equal to `x0` wherever `known`.

    Chapter: 13.
    """

    def by_tick(of: Callable, x: Tensor) -> Tensor:
        return torch.as_tensor(of(x[:, 0].cpu().numpy() > 0), device=x.device).long()

    rounds = usual_rounds(model) if rounds is None else rounds
    x0, beat = x0.clone(), model.ticks
    for _ in range(rounds):
        found = by_tick(rule, x0)
        free = _spread(found > 0, beat, beat - 1)[:, None, None] & ~known  # a beat on either side
        some = free.flatten(1).any(1)
        if not some.any():
            break
        old, free, found = x0[some], free[some], found[some]
        new = paint(model, old, ~free, steps=steps, **options)
        full, full_now = by_tick(counterpoint.full, old), by_tick(counterpoint.full, new)
        stretch = _stretches(_spread(free.any(2).any(1), 1, 2))  # all ticks that can have changed
        better = _totals(found - by_tick(rule, new), stretch) > 0
        better &= _totals(full_now - full, stretch) >= 0
        kept = better.gather(1, stretch)[:, None, None]
        x0[some] = torch.where(kept, new, old)
    return x0


def _spread(marked: Tensor, before: int, after: int) -> Tensor:
    """The marked ticks, and so many before and after each. Bool (B, L) -> bool (B, L)."""
    wide = F.pad(marked[:, None].float(), (after, before))
    return F.max_pool1d(wide, before + 1 + after, 1)[:, 0] > 0


def _stretches(marked: Tensor) -> Tensor:
    """The run of marked ticks that a tick is in: 1, 2, …, or 0. Bool (B, L) -> long (B, L)."""
    begins = marked & ~F.pad(marked, (1, -1))
    return begins.cumsum(1) * marked


def _totals(counts: Tensor, stretch: Tensor) -> Tensor:
    """The sum of `counts` (B, L) over each stretch, by its number; 0 for none: (B, L + 1)."""
    counts = torch.where(stretch > 0, counts, 0)
    return F.pad(torch.zeros_like(counts), (0, 1)).scatter_add(1, stretch, counts)


def generate(
    model: Model,
    n: int = 1,
    *,
    length: int | None = None,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Tensor:
    """`n` rolls from nothing (paper Fig. 4). Returns (n, 1, P, L); `length` in ticks."""
    nothing = torch.zeros(n, 1, model.pitches, length or model.length, device=device)
    return paint(model, nothing, nothing.bool(), **options)


def complete(model: Model, x0: Tensor, tick: int, **options: Any) -> Tensor:
    """Keep all before `tick`, write the rest (paper Fig. 5)."""
    return paint(model, x0, before(x0, tick), **options)


def infill(model: Model, x0: Tensor, start: int, end: int, **options: Any) -> Tensor:
    """Write ticks `start` to `end - 1`, keep the rest (paper Fig. 6)."""
    return paint(model, x0, outside(x0, start, end), **options)


def harmonize(model: Model, melody: Tensor, **options: Any) -> Tensor:
    """Write what lies below a melody (paper Fig. 8)."""
    return paint(model, melody, above_melody(melody), **options)


def vary(model: Model, x0: Tensor, strength: float, **options: Any) -> Tensor:
    """Noise a roll up to t = strength · T and bring it back (paper Fig. 7)."""
    nothing = torch.zeros_like(x0, dtype=torch.bool)
    return paint(model, x0, nothing, strength=strength, **options)


def company(x0: Tensor, kinds: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """What the first part is written with: the others are given, or silent, or free as it is.

    Each in a third of the batch. To be silent is to be known empty: so a model of piano and voice
    learns the piano alone as well. x0 (B, K, P, C), of which the first `kinds` are the first
    part's -> x0 with what is silent, and bool, what is given.
    """
    way = torch.rand(len(x0), 1, 1, 1, generator=generator, device=x0.device) * 3
    others = (torch.arange(x0.shape[1], device=x0.device) >= kinds)[:, None, None].expand(x0.shape)
    return x0 * ~(others & (way < 1)), others & (way < 2)


def random_prompts(x0: Tensor, share: float, generator: Generator | None) -> Tensor:
    """Masks to train with: a `share` of the batch gets a prompt, the rest none.

    Of these kinds, in equal parts: all except a span of time; all below a random row; random
    sixteenths of the window (beats, in the paper's); all except a rectangle in time and pitch. A
    roll of one plane also gets the melody and above, a roll of several gets whole planes, or random
    sixteenths of each. x0 (B, V, P, L) -> bool, same shape.
    """
    B, V, P, L = x0.shape
    device = x0.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    def span(length: int, *shape: int) -> Tensor:
        """A random stretch, True inside."""
        a, b = (uniform(2, B, 1, 1, 1) * (length + 1)).long().sort(0).values
        place = torch.arange(length, device=device).view(shape)
        return (place >= a) & (place < b)

    beat = max(L // 16, 1)

    def sixteenths(planes: int) -> Tensor:
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
