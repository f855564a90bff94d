"""Noise schedules: how fast the bits of a roll are lost.

A *schedule* is a float64 tensor `alpha_bar` of shape (T + 1,): `alpha_bar[t]` is the chance that a
cell still carries its own bit after t steps,

    α_t = 1 - β_t                                                               Eq. 4
    ᾱ_t = ∏_{s=1…t} α_s                                                         Eq. 5

It begins at `alpha_bar[0] = 1` (a clean roll) and never rises. The paper leaves β_t open. A name of
`SCHEDULES` gives ᾱ_t directly, and `beta` is the β_t that belongs to it.

Chapters: 04 *Deriving Eq. 8*, 05 *Watching the noise*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def beta(alpha_bar: Tensor) -> Tensor:
    """β_t = 1 - ᾱ_t/ᾱ_{t-1} for t = 1…T (Eq. 4, 5 read backwards). Shape (T,): β_t is [t - 1]."""
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


def linear(T: int = 100) -> Tensor:
    """ᾱ_t = 1 - t/T: the noise level 1 - ᾱ_t grows evenly (the author's code).

    Its step rate is β_t = 1/(T - t + 1), the schedule of Sohl-Dickstein et al. (2015, §2.4.1):
    each step erases the same share of the original bits.
    """
    return power(T, 1)


def power(T: int = 100, p: float = 2) -> Tensor:
    """ᾱ_t = (1 - t/T)^p: `p` > 1 lingers where the notes are nearly lost in noise."""
    return (1 - torch.arange(_steps(T) + 1, dtype=torch.float64) / T) ** p


def cosine(T: int = 100) -> Tensor:
    """ᾱ_t = cos²(πt / 2T), after Nichol & Dhariwal (2021), with ᾱ_T = 0 exactly."""
    alpha_bar = torch.cos(math.pi / 2 * torch.arange(_steps(T) + 1, dtype=torch.float64) / T) ** 2
    alpha_bar[-1] = 0
    return alpha_bar


def spaced(T: int = 100, levels: Sequence[float] | Tensor = (1.0, 0.0)) -> Tensor:
    """A schedule through measured `levels`: ᾱ between them by straight lines, evenly in t.

    `levels` fall from 1 to 0. If they are even in *difficulty*, the nats of the bound between them
    (`likelihood.spacing`), a part of the way gets as many steps as it is hard. Chapter: 08.
    """
    levels = torch.as_tensor(levels, dtype=torch.float64)
    if len(levels) < 2 or levels[0] != 1 or levels[-1] != 0 or not (levels.diff() < 0).all():
        raise ValueError("levels must fall from 1 to 0")
    place = torch.linspace(0, len(levels) - 1, _steps(T) + 1, dtype=torch.float64)
    left = place.long().clamp(max=len(levels) - 2)
    return torch.lerp(levels[left], levels[left + 1], place - left)


SCHEDULES: dict[str, Callable[..., Tensor]] = {
    "linear": linear,
    "cosine": cosine,
    "power": power,
    "spaced": spaced,
}


def respace(alpha_bar: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Keep `steps` of a schedule's T steps, evenly in t, with both ends.

    Returns (indices, levels): the kept t's as a long tensor (steps + 1,), 0 first and T last, and
    `alpha_bar` at them. Eq. 8 and the posterior hold between any two levels, so a sub-schedule is
    a schedule.
    """
    T = len(alpha_bar) - 1
    if not 1 <= _steps(steps) <= T:
        raise ValueError(f"steps must be between 1 and T = {T}, got {steps}")
    kept = torch.linspace(0, T, steps + 1, dtype=torch.float64).round().long()
    return kept, alpha_bar[kept]


def _steps(T: int) -> int:
    if int(T) != T or T < 1:
        raise ValueError(f"a schedule needs a whole number of steps, 1 or more; got {T}")
    return int(T)
