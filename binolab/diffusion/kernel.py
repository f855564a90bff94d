"""The binomial diffusion kernel: how noise flips the bits of a roll, and how it is undone.

A *schedule* is a float64 tensor `alpha_bar` of shape (T + 1,): `alpha_bar[t]` is the paper's
ᾱ_t, the chance that a cell still carries its own bit after t steps. `alpha_bar[0] = 1` (a clean
roll) and it never rises. `prior` is ρ, the chance that a noise bit is one: 0.5 in Eq. 3 and 8, the
data's density in practice; a number, or a tensor that broadcasts (one ρ a pitch, say).

Levels handed to functions (`beta_t`, `alpha_bar_t`) are numbers, or tensors of shape (B,) that
apply along the batch.

Chapters: 03 *The binomial kernel*, 04 *Deriving Eq. 8*, 08 *Sampling*.
"""

from __future__ import annotations

import torch


def _level(level, like):
    """A level as a tensor that broadcasts over `like`: a scalar, or one for each batch item."""
    dtype = torch.promote_types(like.dtype, torch.float32)  # doubles stay doubles
    level = torch.as_tensor(level, dtype=dtype, device=like.device)
    return level.reshape(-1, *[1] * (like.dim() - 1)) if level.dim() else level


def bernoulli(probability, generator=None):
    """Draw bits: 1 with the given probability, cell by cell. Same shape and dtype, 0.0 or 1.0."""
    uniform = torch.rand(
        probability.shape, generator=generator, device=probability.device, dtype=torch.float32
    )
    return (uniform < probability).to(probability.dtype)


def step(x, beta_t, prior=0.5, generator=None):
    """One step of noise, Eq. 3: x_t ~ B(x_{t-1}(1 - β_t) + ρ β_t).

    Parameters
    ----------
    x : float tensor (B, …) of bits, x_{t-1}
    beta_t : float or (B,), 0 to 1
    prior : float or tensor, ρ

    Returns
    -------
    x_t, shape of `x`.

    Chapter: 03.
    """
    beta_t = _level(beta_t, x)
    return bernoulli(x * (1 - beta_t) + prior * beta_t, generator)


def forward_probability(x0, alpha_bar_t, prior=0.5):
    """P(x_t = 1 | x_0) of Eq. 8: ᾱ_t x_0 + (1 - ᾱ_t) ρ.

    `x0` may be a probability: the expression is linear in it, so it averages over x_0.
    """
    alpha_bar_t = _level(alpha_bar_t, x0)
    return alpha_bar_t * x0 + (1 - alpha_bar_t) * prior


def forward(x0, alpha_bar_t, prior=0.5, generator=None):
    """All the noise up to step t at once, Eq. 8: x_t ~ B(ᾱ_t x_0 + (1 - ᾱ_t) ρ).

    Parameters
    ----------
    x0 : float tensor (B, …) of bits
    alpha_bar_t : float or (B,), 0 to 1
    prior : float or tensor, ρ

    Returns
    -------
    x_t, shape of `x0`.

    Chapter: 04.
    """
    return bernoulli(forward_probability(x0, alpha_bar_t, prior), generator)


def likelihood(x_t, alpha_bar, prior=0.5):
    """(q(x_t | x_s = 1), q(x_t | x_s = 0)) for a jump that keeps a bit with chance `alpha_bar`."""
    one = forward_probability(torch.ones_like(x_t), alpha_bar, prior)
    zero = forward_probability(torch.zeros_like(x_t), alpha_bar, prior)
    return x_t * one + (1 - x_t) * (1 - one), x_t * zero + (1 - x_t) * (1 - zero)


def evidence(x_t, alpha_bar_t, prior=0.5):
    """What a noisy bit says of the clean one, in nats: ln q(x_t | x_0 = 1) - ln q(x_t | x_0 = 0).

    0 in pure noise, ±∞ on a clean bit. By Bayes' rule the log-odds of a cell are its log-odds
    given *every other* cell plus this; a network need only learn the former.
    """
    one, zero = likelihood(x_t, alpha_bar_t, prior)
    return one.log() - zero.log()


def leave_one_out(h, x_t, alpha_bar_t, prior=0.5):
    """P(x_0 = 1 | every *other* cell of x_t), of h = P(x_0 = 1 | x_t): the odds less `evidence`.

    h, x_t float tensors (B, …), ᾱ_t < 1 -> probability, same shape. Chapter: 08.
    """
    return torch.sigmoid(torch.logit(h, eps=1e-6) - evidence(x_t, alpha_bar_t, prior))


def posterior(x_t, x0, alpha_bar_s, alpha_bar_t, prior=0.5):
    """P(x_s = 1 | x_t, x_0) for any jump back s < t: Bayes' rule over Eq. 8.

    With α = ᾱ_t/ᾱ_s, e_b = q(x_t | x_s = b) and u = P(x_s = 1 | x_0), it is
    e_1 u / (e_1 u + e_0 (1 - u)). Where x_0 is a probability ĥ = P(x_0 = 1 | x_t), the answer is
    the average ĥ · posterior(x_0 = 1) + (1 - ĥ) · posterior(x_0 = 0), exact as well.

    Parameters
    ----------
    x_t : float tensor (B, …) of bits
    x0 : float tensor (B, …) of bits or of probabilities
    alpha_bar_s, alpha_bar_t : float or (B,), ᾱ_s ≥ ᾱ_t, ᾱ_s > 0
    prior : float or tensor, ρ

    Returns
    -------
    Probability, shape of `x_t`.

    Chapter: 08.
    """
    alpha_bar_s, alpha_bar_t = _level(alpha_bar_s, x_t), _level(alpha_bar_t, x_t)
    one, zero = likelihood(x_t, alpha_bar_t / alpha_bar_s, prior)

    def given(bit):
        u = forward_probability(torch.full_like(x_t, bit), alpha_bar_s, prior)
        evidence = one * u + zero * (1 - u)  # = q(x_t | x_0)
        # An x_0 that x_t rules out (possible where alpha_bar_t = 1) has no posterior: any will do.
        return torch.where(evidence > 0, one * u / evidence, u)

    return x0 * given(1.0) + (1 - x0) * given(0.0)
