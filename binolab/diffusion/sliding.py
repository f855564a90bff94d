"""Longer than the window: pieces of any length from a model that writes 16 beats at a time.

A window slides along the piece. Its first `overlap` ticks are known, because the window before
wrote them, and the rest is completed as in `prompting`:

    p(x) = p(x¹) ∏_k p(new beats of window k + 1 | last `overlap` ticks of window k),

a Markov chain over windows: what left the overlap is forgotten. Every window costs the same and
only one at a time is on the device, so the cost grows linearly and the memory does not.

Two other ways can be compared with it. A network that takes any length can write all at once
(`prompting.generate(..., length=...)`), and `joint` denoises all windows together.

Conventions: lengths and overlaps in ticks, whole beats; masks are True where the roll is known.

Chapter: 17 *Longer than the window*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from binolab.diffusion import prompting

if TYPE_CHECKING:
    from binolab.model import Model


def plan(
    model: Model, known: Tensor, *, overlap: int | None = None, window: int | None = None
) -> list[tuple[int, int, int]]:
    """The windows that write a roll's free cells, from left to right.

    `known` is a mask (B, 1, P, L); `overlap` and `window` are those of `paint`.

    Returns
    -------
    list of (start, fresh, stop)
        Ticks. A window covers `start` to `stop - 1` and writes what is free from `fresh` on. All
        begin on a beat, keep `overlap` ticks where the piece has as many, and are `window` long
        unless the piece is shorter. The last moves back to end with the piece, and keeps more. The
        last window of a hole is centred on it, to whole beats, so that it sees as much known music
        after as before. It sees a beat before in any case.
    """
    beat, window, overlap = _sizes(model, window, overlap)
    length = known.shape[-1]
    if length % beat or not length:
        raise ValueError(
            f"length must be whole beats of {beat} ticks, 1 or more; got {length} ticks"
        )
    free = (~known).any(-2).flatten(0, -2).any(0)  # (L,): is there anything to write in a tick?
    windows, fresh = [], 0
    while free[fresh:].any():
        fresh += int(free[fresh:].float().argmax()) // beat * beat
        kept = (~free[fresh + beat :]).float()
        end = fresh + beat + int(kept.argmax()) if kept.any() else length
        hole, back = -(-(end - fresh) // beat) * beat, overlap
        if end < length and hole <= window - overlap:
            back = max((window - hole) // 2 // beat * beat, beat)
        start = max(0, min(fresh - back, length - window))
        stop = min(start + window, length)
        windows.append((start, fresh, stop))
        fresh = stop
    return windows


def paint(
    model: Model,
    x_known: Tensor,
    known: Tensor,
    *,
    overlap: int | None = None,
    window: int | None = None,
    device: str | torch.device | None = None,
    callback: Callable | None = None,
    **options: Any,
) -> Tensor:
    """`prompting.paint` for a roll of any length: the free cells, window by window.

    Parameters
    ----------
    x_known : (B, 1, P, L) of bits
        The given roll, B pieces at once, L whole beats.
    known : bool, same shape
    overlap
        Ticks that a window keeps of the one before, whole beats, from one beat to one less than
        the window; half a window by default.
    window
        Ticks, whole beats; by default what the model was trained on.
    device
        Where a window is written; by default where `x_known` is. `generator` must be there too.
    callback : callable(k, t, x_t, x0_hat)
        As the samplers', with the number of the window first.
    options
        For `prompting.paint`: sampler, steps, strength, generator, ...

    Returns
    -------
    x_0, float tensor of bits (B, 1, P, L), equal to `x_known` wherever `known`.

    Raises
    ------
    ValueError
        For a length or an overlap that is not whole beats, or an overlap that leaves no new beat.

    Chapter: 17.
    """
    device = x_known.device if device is None else device
    x = x_known.clone()
    tick = torch.arange(x.shape[-1], device=known.device)
    windows = plan(model, known, overlap=overlap, window=window)
    for k, (start, fresh, stop) in enumerate(windows):
        given, kept = (a[..., start:stop] for a in (x, known))
        kept = kept | (tick[start:stop] < fresh)
        tell = callback and (lambda *state, k=k: callback(k, *state))
        given, kept = given.to(device), kept.to(device)
        x[..., start:stop] = prompting.paint(model, given, kept, callback=tell, **options)
    return x


def generate(model: Model, n: int = 1, *, length: int, **options: Any) -> Tensor:
    """`n` pieces of `length` ticks from nothing. Returns (n, 1, P, length), as `paint`.

    The first window is `prompting.generate`, seed by seed. Chapter: 17.
    """
    nothing = torch.zeros(n, 1, model.pitches, length)
    return paint(model, nothing, nothing.bool(), **options)


def extend(model: Model, x0: Tensor, length: int, **options: Any) -> Tensor:
    """Keep all of x0 (B, 1, P, L) and write on until the piece has `length` ticks, as `paint`."""
    more = length - x0.shape[-1]
    if more < 0:
        raise ValueError(f"length must be at least the {x0.shape[-1]} ticks given, got {length}")
    padded = F.pad(x0, (0, more))
    return paint(model, padded, prompting.before(padded, x0.shape[-1]), **options)


def stream(
    model: Model,
    n: int = 1,
    *,
    overlap: int | None = None,
    window: int | None = None,
    **options: Any,
) -> Iterator[Tensor]:
    """A piece without end: yields finished stretches (n, 1, P, ·), and keeps one window.

    The first stretch is a whole window, each further one `window - overlap` ticks. Put together
    they are `generate` of that length, seed by seed. `options` as for `prompting.generate`.
    Chapter: 17.
    """
    beat, window, overlap = _sizes(model, window, overlap)
    x = prompting.generate(model, n, length=window, **options)
    options.pop("device", None)
    yield x
    while True:
        x = F.pad(x[..., -overlap:], (0, window - overlap))
        x = prompting.complete(model, x, overlap, **options)
        yield x[..., overlap:]


def joint(model: Model, *, hop: int | None = None, window: int | None = None) -> Model:
    """A model for rolls of any length: its network reads them in windows, and these vote.

    Every `hop` ticks a window begins. Where windows overlap, the answer is the mean of what they
    say, weighted towards a window's middle, where it sees most. A sampler that is given this
    network denoises all windows at once, and each step ties every window to its neighbours
    (MultiDiffusion: Bar-Tal et al., 2023). The network reads one window at a time.

    `hop` and `window` are ticks, whole beats; by default half of what the model was trained on, and
    all of it.

    Chapter: 17.
    """
    window = model.length if window is None else window
    _, window, overlap = _sizes(model, window, None if hop is None else window - hop)
    size, hop = window, window - overlap

    def denoise(x_t: Tensor, alpha_bar_t: Tensor, known: Tensor | None = None) -> Tensor:
        length = x_t.shape[-1]
        last = max(0, length - size)
        tick = torch.arange(min(size, length), device=x_t.device)
        weight = torch.minimum(tick + 1, len(tick) - tick).to(x_t)  # a triangle
        total, votes = torch.zeros_like(x_t), x_t.new_zeros(length)
        for start in [*range(0, last, hop), last]:
            here = slice(start, start + size)
            kept = None if known is None else known[..., here]
            total[..., here] += weight * model.network(x_t[..., here], alpha_bar_t, kept)
            votes[here] += weight
        return total / votes

    return replace(model, network=denoise)


def _sizes(model: Model, window: int | None, overlap: int | None) -> tuple[int, int, int]:
    """Ticks of a beat, a window and its overlap; ValueError unless all are whole beats."""
    beat = model.ticks
    window = model.length if window is None else window
    overlap = window // beat // 2 * beat if overlap is None else overlap
    if window % beat or window < beat:
        raise ValueError(
            f"window must be whole beats of {beat} ticks, from {beat}; got {window} ticks"
        )
    most = window - beat
    if overlap % beat or not beat <= overlap <= most:
        raise ValueError(
            f"overlap must be whole beats of {beat} ticks, from {beat} to {most} (a beat less than "
            f"the window); got {overlap} ticks"
        )
    return beat, window, overlap
