"""The binomial kernel: how noise flips the bits of a roll, and Bayes' rule back.

    step         x_t ~ B(x_{t-1}(1 - β_t) + ρ β_t)                              Eq. 3
    forward      x_t ~ B(ᾱ_t x_0 + (1 - ᾱ_t) ρ)                                 Eq. 8
    posterior    q(x_s | x_t, x_0), Bayes' rule over Eq. 8: one step back

Eq. 1 and 2 say that noise comes step by step. Eq. 7 is `forward` from x_{t-2}, with α_t α_{t-1} in
place of ᾱ_t. Any jump from s to t is `forward` too, with ᾱ_t/ᾱ_s. Eq. 4 and 5 are in `schedules`.

`prior` is ρ, the chance that a noise bit is one: 0.5 in the printed equations, the data's density
in practice. It is a number, or a tensor that broadcasts (one ρ a pitch, say). Levels (`beta_t`,
`alpha_bar_t`) are numbers from 0 to 1, or tensors (B,), one for each roll of a batch.

Chapters: 03 *The binomial kernel*, 04 *Deriving Eq. 8*, 08 *Sampling*, 09 *Drawing bits*.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

Number = float | Tensor  # a level or a ρ
Network = Callable[..., Tensor]  # network(x_t, alpha_bar_t, known) -> P(x_0 = 1 | x_t)


def step(
    x: Tensor, beta_t: Number, prior: Number = 0.5, generator: Generator | None = None
) -> Tensor:
    """One step of noise, Eq. 3: x_t ~ B(x_{t-1}(1 - β_t) + ρ β_t).

    x (B, …) holds the bits of x_{t-1}. Returns x_t, same shape. Chapter: 03.
    """
    beta_t = _level(beta_t, x)
    return bernoulli(x * (1 - beta_t) + prior * beta_t, generator)


def forward(
    x0: Tensor, alpha_bar_t: Number, prior: Number = 0.5, generator: Generator | None = None
) -> Tensor:
    """All the noise up to t at once, Eq. 8: x_t ~ B(ᾱ_t x_0 + (1 - ᾱ_t) ρ).

    x0 (B, …) holds bits. Returns x_t, same shape. Chapter: 04.
    """
    return bernoulli(forward_probability(x0, alpha_bar_t, prior), generator)


def forward_probability(x0: Tensor, alpha_bar_t: Number, prior: Number = 0.5) -> Tensor:
    """P(x_t = 1 | x_0) of Eq. 8: ᾱ_t x_0 + (1 - ᾱ_t) ρ.

    `x0` may be a probability: the expression is linear in it, so it averages over x_0.
    """
    alpha_bar_t = _level(alpha_bar_t, x0)
    return alpha_bar_t * x0 + (1 - alpha_bar_t) * prior


def posterior(
    x_t: Tensor, x0: Tensor, alpha_bar_s: Number, alpha_bar_t: Number, prior: Number = 0.5
) -> Tensor:
    """P(x_s = 1 | x_t, x_0) for any jump back s < t: Bayes' rule over Eq. 8.

    With e_b = q(x_t | x_s = b) and u = P(x_s = 1 | x_0) it is e_1 u / (e_1 u + e_0 (1 - u)). Where
    x_0 is a probability ĥ = P(x_0 = 1 | x_t), the answer is the average
    ĥ · posterior(x_0 = 1) + (1 - ĥ) · posterior(x_0 = 0), exact as well.

    Parameters
    ----------
    x_t : (B, …) of bits
    x0 : (B, …) of bits or of probabilities
    alpha_bar_s, alpha_bar_t : ᾱ_s ≥ ᾱ_t, ᾱ_s > 0

    Returns
    -------
    Probability, shape of `x_t`.

    Chapter: 08.
    """
    alpha_bar_s, alpha_bar_t = _level(alpha_bar_s, x_t), _level(alpha_bar_t, x_t)
    one, zero = likelihood(x_t, alpha_bar_t / alpha_bar_s, prior)  # e_1, e_0

    def given(bit: float) -> Tensor:
        u = forward_probability(torch.full_like(x_t, bit), alpha_bar_s, prior)
        total = one * u + zero * (1 - u)  # = q(x_t | x_0)
        # An x_0 that x_t rules out (possible where alpha_bar_t = 1) has no posterior: any will do.
        return torch.where(total > 0, one * u / total, u)

    return x0 * given(1.0) + (1 - x0) * given(0.0)


def likelihood(x_t: Tensor, alpha_bar: Number, prior: Number = 0.5) -> tuple[Tensor, Tensor]:
    """q(x_t | x_s = 1) and q(x_t | x_s = 0), where a bit is kept with chance `alpha_bar`."""
    one = forward_probability(torch.ones_like(x_t), alpha_bar, prior)
    zero = forward_probability(torch.zeros_like(x_t), alpha_bar, prior)
    return x_t * one + (1 - x_t) * (1 - one), x_t * zero + (1 - x_t) * (1 - zero)


def evidence(x_t: Tensor, alpha_bar_t: Number, prior: Number = 0.5) -> Tensor:
    """What a noisy bit says of the clean one, in nats: ln q(x_t | x_0 = 1) - ln q(x_t | x_0 = 0).

    0 in pure noise, ±∞ on a clean bit. By Bayes' rule the log-odds of a cell are its log-odds
    given *every other* cell plus this. So a network need learn only the former.
    """
    one, zero = likelihood(x_t, alpha_bar_t, prior)
    return one.log() - zero.log()


def leave_one_out(h: Tensor, x_t: Tensor, alpha_bar_t: Number, prior: Number = 0.5) -> Tensor:
    """P(x_0 = 1 | every *other* cell of x_t), of h = P(x_0 = 1 | x_t): the odds less `evidence`.

    h, x_t (B, …), ᾱ_t < 1 -> probability, same shape. Chapter: 09.
    """
    return torch.sigmoid(torch.logit(h, eps=1e-6) - evidence(x_t, alpha_bar_t, prior))


def bernoulli(
    probability: Tensor, generator: Generator | None = None, uniform: Tensor | None = None
) -> Tensor:
    """Draw bits, B(p): 1 with the given probability, cell by cell. Same shape and dtype.

    The draw compares p with `uniform`, fresh numbers from 0 to 1 where none are given.
    """
    if uniform is None:
        shape, device = probability.shape, probability.device
        uniform = torch.rand(shape, generator=generator, device=device, dtype=torch.float32)
    return (uniform < probability).to(probability.dtype)


def _level(level: Number, like: Tensor) -> Tensor:
    """A level as a tensor that broadcasts over `like`: a scalar, or one for each batch item."""
    dtype = torch.promote_types(like.dtype, torch.float32)  # doubles stay doubles
    level = torch.as_tensor(level, dtype=dtype, device=like.device)
    return level.reshape(-1, *[1] * (like.dim() - 1)) if level.dim() else level
