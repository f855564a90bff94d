"""Samplers: from noise back to a roll. Flat functions with one signature.

    x_0 = sampler(model, x_T, alpha_bar, prior=ρ)

Common parameters
-----------------
model : callable
    ``model(x_t, alpha_bar_t, known)`` -> P(x_0 = 1 | x_t): see `unet`.
x_T : float tensor (B, 1, P, L) of bits
    Where to begin: pure noise, or a roll with the noise of the schedule's last level.
alpha_bar : tensor (steps + 1,)
    Levels to visit, last first; `alpha_bar[0]` = 1. Any sub-schedule will do.
prior : float or tensor, ρ
known, x_known : bool and float tensors, shape of `x_T`
    Cells that are given, and their bits; they are put back after each step (paper §8).
bit : {"draw", "threshold"}
    How a probability becomes x̂_0: a draw keeps rare notes possible; the threshold 0.5 (the
    author's code) keeps only what is more likely than not, which in deep noise is nothing.
polish : int
    Calls more, without noise, that set each cell to what all cells make likelier (`descend`).
generator : torch.Generator
callback : callable(t, x_t, x0_hat), optional
    Called in each step with x_t and the x̂_0 made of it, and at the end with (0, x_0, x_0).

Chapter: 08 *Sampling: naive, XOR mask, exact posterior*.
"""

from __future__ import annotations

from functools import partial

import torch

from binolab.diffusion import kernel

DOUBT = 0.25  # ᾱ at which `polish` reads a finished roll: as if three bits in four were noise


def noise(shape, prior=0.5, generator=None, device="cpu"):
    """x_T: a roll of pure noise, each cell lit with probability ρ. Shape (B, 1, P, L)."""
    probability = torch.as_tensor(prior, dtype=torch.float32, device=device).expand(shape)
    return kernel.bernoulli(probability, generator)


def to_bit(probability, rule="draw", generator=None):
    """x̂_0 as bits: drawn with the given probability, or 1 where it is at least a half."""
    if rule == "draw":
        return kernel.bernoulli(probability, generator)
    if rule == "threshold":
        return (probability >= 0.5).to(probability.dtype)
    raise ValueError(f"bit must be draw or threshold, got {rule!r}")


@torch.no_grad()
def descend(backward, model, x, alpha_bar, known=None, x_known=None, bit="draw", polish=0,
            generator=None, callback=None):
    """The loop of Algorithm 1, t = T … 1: x̂_0 from the network, x_{t-1} from `backward`.

    backward(t, x_t, x0_hat) -> x_{t-1} is all that the samplers differ in, and all that a new one
    has to be: the loop asks the network, makes bits, puts the given cells back, calls back.

    Then, if asked for, the roll is polished. Cells were drawn one by one, so single ticks stray.
    The network is told that the roll is deep in noise (ᾱ = `DOUBT`): each cell weighs little
    against the rest, and takes the likelier bit, which is an iterated conditional mode (Besag,
    1986). What a phrase needs stays, a speck goes.

    Parameters and result: see the module. Chapter: 08.
    """
    alpha_bar = alpha_bar.to(x.device, torch.float32)

    def put_back(x):
        return x if known is None else torch.where(known, x_known, x)

    x = put_back(x)
    for t in range(len(alpha_bar) - 1, 0, -1):
        x0_hat = to_bit(model(x, alpha_bar[t].expand(len(x)), known), bit, generator)
        if callback:
            callback(t, x, put_back(x0_hat))
        x = put_back(backward(t, x, x0_hat))
    for _ in range(polish if len(alpha_bar) > 1 else 0):
        doubt = alpha_bar.new_full((len(x),), DOUBT)
        x = put_back(to_bit(model(x, doubt, known), "threshold"))
    if callback:
        callback(0, x, x)
    return x


def naive(model, x_T, alpha_bar, *, prior=0.5, known=None, x_known=None, bit="draw",
          polish=0, generator=None, callback=None):
    """Guess x_0, then noise it afresh to level t - 1 with Eq. 8 (paper §4, "naive").

    Parameters and result: see the module. Chapter: 08.
    """

    def backward(t, x_t, x0_hat):
        return kernel.forward(x0_hat, alpha_bar[t - 1], prior, generator)

    return descend(
        backward, model, x_T, alpha_bar, known, x_known, bit, polish, generator, callback
    )


def xor_mask(model, x_T, alpha_bar, *, prior=0.5, known=None, x_known=None, bit="draw",
             polish=0, generator=None, callback=None, nested=False):
    """Algorithm 1: put part of the first noise x_T back where it differs from x̂_0.

    δ = x_T ⊕ x̂_0,  mask ~ B(δ · level),  x_{t-1} = x̂_0 ⊙ (1 - mask) + x_T ⊙ mask.

    The printed β_t is read as the *cumulative* level 1 - ᾱ_{t-1}, as in the author's code, save
    that the last step ends at level 0 and so leaves no stray noise. Where x_T is not pure noise
    (a variation), the level is relative to its own. As printed the mask is drawn afresh in each
    step; `nested` keeps one uniform number a cell, so that the masks truly shrink.

    Parameters and result: see the module. Chapter: 08.
    """
    fixed = torch.rand(x_T.shape, generator=generator, device=x_T.device) if nested else None

    def backward(t, x_t, x0_hat):
        delta = (x_T != x0_hat).to(x_T.dtype)
        level = (1 - alpha_bar[t - 1]) / (1 - alpha_bar[-1])
        if nested:
            mask = delta * (fixed < level)
        else:
            mask = kernel.bernoulli(delta * level.to(delta), generator)
        return x0_hat * (1 - mask) + x_T * mask

    return descend(
        backward, model, x_T, alpha_bar, known, x_known, bit, polish, generator, callback
    )


def posterior(model, x_T, alpha_bar, *, prior=0.5, known=None, x_known=None, bit="draw",
              polish=0, generator=None, callback=None, refresh=0.0):
    """Draw x_{t-1} from q(x_{t-1} | x_t, x̂_0), Bayes' rule over Eq. 8.

    With ``bit="draw"`` this is the exact reverse kernel averaged over the network's belief.
    `refresh` is the chance that a cell forgets x_t and is noised afresh from x̂_0, as in `naive`:
    both kernels have the marginals of Eq. 8, so any mixture does. 0 keeps what was once drawn,
    1 is `naive`; between them fresh noise corrects the errors of drawing cells independently.

    Parameters and result: see the module. Chapter: 08.
    """

    def backward(t, x_t, x0_hat):
        p = kernel.posterior(x_t, x0_hat, alpha_bar[t - 1], alpha_bar[t], prior)
        if refresh:
            p = (1 - refresh) * p + refresh * kernel.forward_probability(
                x0_hat, alpha_bar[t - 1], prior
            )
        return kernel.bernoulli(p, generator)

    return descend(
        backward, model, x_T, alpha_bar, known, x_known, bit, polish, generator, callback
    )


def gibbs(model, x_T, alpha_bar, *, prior=0.5, known=None, x_known=None, bit="draw",
          polish=0, generator=None, callback=None, corrections=1, share=0.5):
    """The exact posterior, and after each step `corrections` calls that mend what it drew.

    A correction draws a `share` of the cells anew from what all others say of them,

        x_s ~ B(ᾱ_s h₋ + (1 - ᾱ_s) ρ),    h₋ = P(x_0 = 1 | every other cell of x_s),

    with h₋ of `kernel.leave_one_out`. One cell at a time this is Gibbs sampling, which leaves the
    distribution of Eq. 8 at level s as it is (Campbell et al., 2022, have such correctors for any
    discrete diffusion); many at once are a guess at it, better the smaller the share.
    Calls of the network: ``(1 + corrections) · steps - corrections``.

    Parameters and result: see the module. Chapter: 08.
    """

    def backward(t, x_t, x0_hat):
        level = alpha_bar[t - 1]
        x = kernel.bernoulli(kernel.posterior(x_t, x0_hat, level, alpha_bar[t], prior), generator)
        for _ in range(corrections if t > 1 else 0):
            if known is not None:
                x = torch.where(known, x_known, x)
            h = model(x, level.to(x).expand(len(x)), known)
            others = kernel.leave_one_out(h, x, level, prior)
            chosen = torch.rand(x.shape, generator=generator, device=x.device) < share
            x = torch.where(chosen, kernel.forward(others, level, prior, generator), x)
        return x

    return descend(
        backward, model, x_T, alpha_bar, known, x_known, bit, polish, generator, callback
    )


# By name, for the command line; "refreshed" is the default (chapter 08 says why). `prompting` takes
# any function of the same signature.
SAMPLERS = {
    "naive": naive,
    "xor": xor_mask,
    "posterior": posterior,
    "gibbs": gibbs,
    "refreshed": partial(posterior, refresh=0.3, polish=2),
}
