"""The likelihood bound: how many nats a piece costs the reverse chain, at most.

Eq. 8 and Bayes' rule make the binomial diffusion a latent-variable model, and so bound what it
thinks of a clean roll (Sohl-Dickstein et al., 2015; Ho et al., 2020, Eq. 5):

    -ln p(x_0) ≤ KL(q(x_T | x_0) ‖ B(ρ))                                   `prior_term`
                 + Σ_{t=2…T} E KL(q(x_{t-1} | x_t, x_0) ‖ p(x_{t-1} | x_t))   `step_term`
                 + E[-ln p(x_0 | x_1)]                                     `step_term` at t = 1

The first term is 0 where ᾱ_T = 0. Given x_t, q and p are products over cells, so each term is a
sum over cells. The expectations, over x_t ~ q(x_t | x_0), are drawn.

*Why it stays a bound.* The arithmetic is in double precision: at T = 1000 a step flips a cell
about once in a thousand. The reverse kernel is kept within [10⁻¹⁵, 1 - 10⁻¹⁵]. This changes the
model, and the bound is that of the model so changed.

*Cells that are given.* Known cells stay clean in every x_t and are not counted. The bound is then
on -ln p(other cells | known cells), because any function of x_t may serve as the network. Padding
is known silence. It tells only the length of a piece, so -ln p(piece | length) is bounded.

Chapter: 16 *How good is it?*
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from tqdm import tqdm

from binolab.diffusion import kernel
from binolab.diffusion.kernel import Network, Number

SUREST = 1e-15  # no closer to 0 or 1 does the reverse kernel come


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """KL(B(a) ‖ B(b)) in nats, with 0 · ln 0 = 0."""

    def half(a: Tensor, b: Tensor) -> Tensor:
        return torch.xlogy(a, a) - torch.xlogy(a, b)

    return half(a, b) + half(1 - a, 1 - b)


def prior_term(x0: Tensor, alpha_bar_T: Number, prior: Number) -> Tensor:
    """KL(q(x_T | x_0) ‖ B(ρ)), nats a cell: what the last noise remembers. As `step_term`."""
    prior = torch.as_tensor(prior, dtype=torch.float64, device=x0.device)
    return divergence(kernel.forward_probability(x0.double(), alpha_bar_T, prior), prior)


def step_term(
    h: Tensor, x0: Tensor, x_t: Tensor, alpha_bar_s: Number, alpha_bar_t: Number, prior: Number
) -> Tensor:
    """KL(q(x_s | x_t, x_0) ‖ p(x_s | x_t)): nats a cell, float64, differentiable in `h`.

    For s = 0 it is the reconstruction -ln p(x_0 | x_t): given x_0, the posterior is certain.

    Parameters
    ----------
    h : (B, …)
        P(x_0 = 1 | x_t), the network's. A sigmoid in single precision is flat beyond 17 nats:
        to learn from sure mistakes, give ``torch.sigmoid(logits.double())``.
    x0, x_t : (B, …) of bits
    alpha_bar_s, alpha_bar_t, prior : as for `kernel.posterior`

    Chapter: 16.
    """
    prior = torch.as_tensor(prior, dtype=torch.float64, device=x0.device)
    clean = torch.stack([x0.double(), h.double()])  # known, and believed
    q, p = kernel.posterior(x_t.double(), clean, alpha_bar_s, alpha_bar_t, prior)
    return divergence(q, p.clamp(SUREST, 1 - SUREST))


class Estimate(NamedTuple):
    """A figure and the standard error of its draws."""

    value: float
    error: float


@dataclass(frozen=True)
class Bound:
    """Upper bounds on -ln p of N pieces, in nats: float64 tensors (N,).

    `prior`, `steps` and `reconstruction` are the three terms, `nats` their sum. `error` is its
    standard error, from the draws of t and x_t. `ticks` are the lengths.
    """

    prior: Tensor
    steps: Tensor
    reconstruction: Tensor
    error: Tensor
    ticks: Tensor

    @property
    def nats(self) -> Tensor:
        return self.prior + self.steps + self.reconstruction

    @property
    def per_roll(self) -> Estimate:
        """The mean over pieces."""
        return self._over(len(self.ticks))

    @property
    def per_tick(self) -> Estimate:
        """The mean over all ticks of all pieces: a long piece weighs more."""
        return self._over(self.ticks.sum())

    def _over(self, count: Number) -> Estimate:
        return Estimate(float(self.nats.sum() / count), float(self.error.norm() / count))

    def whole(self) -> Bound:
        """Its parts as one piece, N = 1: the bound of a model that writes them independently."""
        total = {f.name: getattr(self, f.name).sum(0, keepdim=True) for f in fields(self)}
        return Bound(**total | {"error": self.error.norm(keepdim=True)})

    @staticmethod
    def join(bounds: Sequence[Bound]) -> Bound:
        """One bound of the pieces of several."""
        return Bound(*(torch.cat([getattr(b, f.name) for b in bounds]) for f in fields(Bound)))


def belief(
    network: Network, x_t: Tensor, alpha_bar_t: Tensor, known: Tensor | None = None
) -> Tensor:
    """The network's P(x_0 = 1 | x_t) in float64, from its logits where it has them."""
    if hasattr(network, "logits"):
        return torch.sigmoid(network.logits(x_t, alpha_bar_t, known).double())
    return network(x_t, alpha_bar_t, known).double()


@torch.no_grad()
def bound(
    network: Network,
    x0: Tensor,
    alpha_bar: Tensor,
    *,
    prior: Number,
    known: Tensor | None = None,
    valid: Tensor | None = None,
    steps: int | None = None,
    draws: int = 1,
    generator: Generator | None = None,
    progress: bool = False,
    batch: int = 32,
) -> Bound:
    """The bound on -ln p(x_0), roll by roll, estimated without bias.

    Parameters
    ----------
    network
        As for the samplers. Where it has `logits`, these are read.
    x0 : (N, K, P, C) of bits
    alpha_bar : (T + 1,), a schedule
    known, valid : bool tensors that broadcast to `x0`
        Cells whose bits in `x0` are given; cells that are not padding. The network is told of
        both as `known`; padding is silence, whatever `x0` says there.
    steps
        Evaluate so many t: t = 1, and one drawn from each of ``steps - 1`` equal parts of 2…T,
        weighted by the part's size. None is every t.
    draws
        Independent repetitions. The standard error comes from their spread. With one draw it comes
        from the differences of neighbouring terms, which errs on the large side (nan if T = 1).
    generator : on the device of `x0`
    batch
        Rolls a network call.

    Raises
    ------
    ValueError
        For a wrong shape, schedule or number of steps.

    Chapter: 16.
    """
    T, device = len(alpha_bar) - 1, x0.device
    steps = T if steps is None else steps
    if x0.dim() != 4 or alpha_bar[0] != 1 or draws < 1 or not min(T, 2) <= steps <= T:
        raise ValueError(
            f"a bound needs rolls (N, 1, P, L), a schedule that begins at 1, draws ≥ 1 and {T} ≥ "
            f"steps ≥ {min(T, 2)}; got {(*x0.shape,)}, {float(alpha_bar[0])}, {draws} and {steps}"
        )
    alpha_bar = alpha_bar.to(device, torch.float64)
    real = torch.ones_like(x0, dtype=torch.bool) if valid is None else valid.expand_as(x0)
    x0, free = x0 * real, real if known is None else real & ~known
    told = None if known is None and valid is None else ~free

    # 1…T in `steps` parts: each ends at its `last` t, and its own t is uniform among `size`.
    last = torch.linspace(1, T, steps, dtype=torch.float64, device=device).round()
    size = last.diff(prepend=last.new_zeros(1))
    u = torch.rand(len(x0), draws, steps, generator=generator, device=device, dtype=last.dtype)
    t = (last - (u * size).floor()).long().flatten()

    terms = torch.zeros_like(t, dtype=torch.float64)
    jobs = torch.arange(len(t), device=device).split(batch)
    for job in tqdm(jobs, desc="bounding", unit="call", disable=not progress):
        i, level, below = job // (draws * steps), alpha_bar[t[job]], alpha_bar[t[job] - 1]
        x_t = torch.where(free[i], kernel.forward(x0[i], level, prior, generator), x0[i])
        h = belief(network, x_t, level.float(), None if told is None else told[i])
        cells = step_term(h, x0[i], x_t, below, level, prior)
        terms[job] = torch.where(free[i], cells, 0).sum((1, 2, 3))
    terms = terms.view(len(x0), draws, steps) * size

    ring = (terms - terms.roll(1, dims=2))[:, 0].square() / 2  # of mean var + (gap of means)² / 2
    error = ((ring if draws == 1 < T else terms.var(1)).sum(1) / draws).sqrt()
    left = torch.where(free, prior_term(x0, alpha_bar[-1], prior), 0).sum((1, 2, 3))
    first, *rest = terms.mean(1).unbind(1)
    ticks = real.any(2).any(1).sum(1).double()
    return Bound(*(v.cpu() for v in (left, sum(rest, 0 * first), first, error, ticks)))


def pieces(
    network: Network,
    rolls: Iterable,
    alpha_bar: Tensor,
    *,
    prior: Number,
    window: int | None = None,
    device: str | torch.device = "cpu",
    progress: bool = False,
    **options: Any,
) -> Bound:
    """The bound of whole pieces of any length, from bit arrays (P, L): a `Bound`, N pieces.

    A network that takes any length sees each piece at once. With a `window` of so many ticks the
    piece is cut, and the windows' bounds are added: a bound for the model that writes the windows
    independently. The end is filled up with known silence, to the window or to the network's
    `stride`, and not counted. `options` are those of `bound`.

    Chapter: 16.
    """
    bounds = []
    for roll in tqdm(rolls, desc="bounding", unit="piece", disable=not progress):
        roll = torch.as_tensor(roll, dtype=torch.float32, device=device)[None]
        unit = getattr(network, "stride", 1) if window is None else window
        padding = -roll.shape[-1] % unit
        cells = F.pad(torch.stack([roll, torch.ones_like(roll)]), (0, padding))
        x0, real = torch.stack(cells.split(window or cells.shape[-1], dim=-1), dim=1)
        valid = real.bool() if padding else None
        each = bound(network, x0, alpha_bar, prior=prior, valid=valid, **options)
        bounds.append(each.whole())
    return Bound.join(bounds)


@torch.no_grad()
def difficulty(
    network: Network,
    x0: Tensor,
    *,
    prior: Number,
    places: int = 48,
    generator: Generator | None = None,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Where on the way from noise to music the nats of the bound lie.

    The way is measured by p = ᾱ^(1/3), from 0 (noise) to 1 (clean), and cut in `places` equal
    parts. Each part's share of the bound is that of one small jump at a random place within it.
    x0 (N, K, P, C); all else as for `bound`.

    Returns
    -------
    place : float64 (places + 1,)
        The ends of the parts, from 0 to 1.
    nats : float64 (places,)
        Mean nats a roll within each part; their sum is the bound for T → ∞.

    Chapter: 08.
    """
    place = torch.linspace(0, 1, places + 1, dtype=torch.float64)
    nats = torch.zeros(places, dtype=torch.float64)
    jump = 0.02 / places
    for i in tqdm(range(places), desc="measuring", unit="level", disable=not progress):
        for batch in x0.split(8):
            u = torch.rand(len(batch), generator=generator, device=x0.device, dtype=torch.float64)
            p = place[i].item() + u * (1 / places - jump)
            level, below = (p**3).clamp(min=1e-12), (p + jump) ** 3
            x_t = kernel.forward(batch, level, prior, generator)
            h = belief(network, x_t, level.float())
            nats[i] += step_term(h, batch, x_t, below, level, prior).sum().cpu()
    return place, nats / (len(x0) * places * jump)


def spacing(place: Tensor, nats: Tensor, count: int = 41, even: float = 0.15) -> Tensor:
    """Levels ᾱ, from 1 down to 0, with as many nats between each two: for `schedules.spaced`.

    A share `even` of them is spread evenly in `place` (see `difficulty`), so that steps stay
    small where nothing is hard. float64 (count,). Chapter: 08.
    """
    share = (1 - even) * nats / nats.sum() + even / len(nats)
    total = F.pad(share.cumsum(0), (1, 0)).numpy()
    wanted = torch.linspace(float(total[-1]), 0, count, dtype=torch.float64).numpy()
    levels = torch.from_numpy(np.interp(wanted, total, place.numpy())) ** 3
    levels[0], levels[-1] = 1, 0
    return levels
