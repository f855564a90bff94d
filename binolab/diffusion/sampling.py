"""Algorithm 1 and its relatives: from noise back to a roll.

One loop, `sample`, asks the network and takes a *step* t -> t - 1. Samplers differ only in the
step, and a new sampler is a new step:

    step(t, x_t, x0_hat, x_T, alpha_bar, prior, generator) -> x_{t-1}

with x_t, x̂_0 and x_T float tensors (B, K, P, C) of bits, `alpha_bar` the levels (steps + 1,) and ρ
a number or a tensor that broadcasts. `xor_mask` is the printed one. `prompting.paint`, every prompt
and every command take a name of `SAMPLERS` or such a function.

Chapters: 08 *Sampling*, 09 *Drawing bits*, 10 *A sampler of your own*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from binolab.diffusion import kernel
from binolab.diffusion.kernel import Network, Number

Step = Callable[..., Tensor]  # see above
Corrector = Callable[..., Tensor]  # see `gibbs`


@torch.no_grad()
def sample(
    network: Network,
    x_T: Tensor,
    alpha_bar: Tensor,
    step: Step,
    *,
    corrector: Corrector | None = None,
    prior: Number = 0.5,
    known: Tensor | None = None,
    x_known: Tensor | None = None,
    bit: str = "draw",
    generator: Generator | None = None,
    callback: Callable | None = None,
) -> Tensor:
    """Algorithm 1: for t = T … 1, x̂_0 from the network, then x_{t-1} from the step.

    Parameters
    ----------
    network
        ``network(x_t, alpha_bar_t, known)`` -> P(x_0 = 1 | x_t): see `networks.denoiser`.
    x_T : (B, K, P, C) of bits
        Where to begin: pure noise, or a roll with the noise of the schedule's last level.
    alpha_bar : (steps + 1,)
        Levels to visit, last first; `alpha_bar[0]` = 1. Any sub-schedule will do.
    step
        A sampler: see the module.
    corrector
        As `gibbs`. It is called after each step except the last, with one more network call.
    known, x_known : bool and float, shape of `x_T`
        Cells that are given, and their bits; they are put back after each step (paper §8).
    bit : {"draw", "one", "each", "threshold"}
        How a belief becomes bits (`to_bit`). "draw" is "one" where the network is `exclusive`, and
        else "each".
    callback : callable(t, x_t, x0_hat)
        Called in each step, with x_t and the x̂_0 made of it.

    Returns
    -------
    x_0, shape of `x_T`. Chapter: 08.
    """
    rule = "one" if bit == "draw" and getattr(network, "exclusive", False) else bit
    levels = alpha_bar.to(x_T.device, torch.float32)

    def put_back(x: Tensor) -> Tensor:
        return x if known is None or x_known is None else torch.where(known, x_known, x)

    x = put_back(x_T)
    for t in range(len(alpha_bar) - 1, 0, -1):
        h = network(x, levels[t].expand(len(x)), known)
        x0_hat = to_bit(h, rule, generator)
        if callback:
            callback(t, x, put_back(x0_hat))
        x = step(t, x, x0_hat, x_T, alpha_bar, prior, generator)
        if t == len(alpha_bar) - 1:
            check_bits(x, x_T)
        x = put_back(x)
        if corrector and t > 1:
            belief = network(x, levels[t - 1].expand(len(x)), known)
            x = put_back(corrector(x, belief, alpha_bar[t - 1], prior, generator))
    return x


def xor_mask(
    t: int,
    x_t: Tensor,
    x0_hat: Tensor,
    x_T: Tensor,
    alpha_bar: Tensor,
    prior: Number,
    generator: Generator | None,
    uniform: Tensor | None = None,
) -> Tensor:
    """Algorithm 1's step: put part of the first noise x_T back where it differs from x̂_0.

    The printed β_t is read as the *cumulative* level 1 - ᾱ_{t-1}, as in the author's code. The last
    step ends at level 0 and so leaves no stray noise. Where x_T is not pure noise (a variation),
    the level is relative to its own.

    As printed the mask is drawn afresh in each step. With `uniform`, numbers of the shape of x_T
    that stay the same, the masks truly shrink.
    """
    beta_t = ((1 - alpha_bar[t - 1]) / (1 - alpha_bar[-1])).to(x_T)
    delta = (x_T != x0_hat).to(x_T.dtype)  # δ = x_T ⊕ x̂_0
    mask = kernel.bernoulli(delta * beta_t, generator, uniform)  # mask ~ B(δ β_t)
    return x0_hat * (1 - mask) + x_T * mask  # x̂_0 ⊙ (1 - mask) + x_T ⊙ mask


def naive(
    t: int,
    x_t: Tensor,
    x0_hat: Tensor,
    x_T: Tensor,
    alpha_bar: Tensor,
    prior: Number,
    generator: Generator | None,
) -> Tensor:
    """Noise x̂_0 afresh to level t - 1 with Eq. 8 (paper §4, "naive")."""
    return kernel.forward(x0_hat, alpha_bar[t - 1], prior, generator)


def posterior(
    t: int,
    x_t: Tensor,
    x0_hat: Tensor,
    x_T: Tensor,
    alpha_bar: Tensor,
    prior: Number,
    generator: Generator | None,
    refresh: float = 0.0,
) -> Tensor:
    """Draw x_{t-1} from q(x_{t-1} | x_t, x̂_0), Bayes' rule over Eq. 8.

    Where x̂_0 is drawn this is the exact reverse kernel, averaged over the network's belief.
    `refresh` is the chance that a cell forgets x_t and is noised afresh from x̂_0, as in `naive`.
    Both kernels have the marginals of Eq. 8, so any mixture of them has. 0 keeps what was once
    drawn, 1 is `naive`. Between them, fresh noise corrects the errors of drawing cells
    independently.
    """
    p = kernel.posterior(x_t, x0_hat, alpha_bar[t - 1], alpha_bar[t], prior)
    if refresh:
        fresh = kernel.forward_probability(x0_hat, alpha_bar[t - 1], prior)
        p = (1 - refresh) * p + refresh * fresh
    return kernel.bernoulli(p, generator)


def gibbs(
    x: Tensor,
    belief: Tensor,
    alpha_bar_s: Number,
    prior: Number,
    generator: Generator | None,
    share: float = 0.5,
) -> Tensor:
    """A corrector: draw a `share` of the cells of x_s anew, given all other cells,

        x_s ~ B(ᾱ_s h₋ + (1 - ᾱ_s) ρ),    h₋ = P(x_0 = 1 | every other cell of x_s),

    with h₋ of `kernel.leave_one_out`. One cell at a time this is Gibbs sampling, which leaves the
    distribution of Eq. 8 at level s as it is (Campbell et al., 2022, have such correctors for any
    discrete diffusion). Many cells at once approximate it, better the smaller the share.

    Chapter: 09.
    """
    others = kernel.leave_one_out(belief, x, alpha_bar_s, prior)
    chosen = torch.rand(x.shape, generator=generator, device=x.device) < share
    return torch.where(chosen, kernel.forward(others, alpha_bar_s, prior, generator), x)


def check_bits(x: Tensor, like: Tensor) -> None:
    """ValueError unless a step of one's own returned bits of the right shape."""
    if x.shape != like.shape:
        shapes = f"{(*like.shape,)}; {(*x.shape,)} came"
        raise ValueError(f"a step returns bits of the shape of x_t, {shapes}")
    if not x.is_meta and not ((x == 0) | (x == 1)).all():
        raise ValueError("a step returns bits, 0 and 1: draw them with kernel.bernoulli")


class Sampler(NamedTuple):
    """A step, and the corrector that goes with it."""

    step: Step
    corrector: Corrector | None = None


SAMPLERS = {  # "refreshed" is the default: chapter 09 says why
    "naive": Sampler(naive),
    "xor": Sampler(xor_mask),
    "posterior": Sampler(posterior),
    "gibbs": Sampler(posterior, gibbs),
    "refreshed": Sampler(partial(posterior, refresh=0.3)),
}


def named(sampler: str | Step | Sampler) -> Sampler:
    """The `Sampler` of a name, or of a step of one's own. ValueError for an unknown name."""
    if isinstance(sampler, Sampler):
        return sampler
    if callable(sampler):
        return Sampler(sampler)
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    return SAMPLERS[sampler]


def noise(
    shape: Sequence[int],
    prior: Number = 0.5,
    generator: Generator | None = None,
    device: str | torch.device = "cpu",
) -> Tensor:
    """x_T: a roll of pure noise, each cell lit with probability ρ. Shape (B, K, P, C)."""
    probability = torch.as_tensor(prior, dtype=torch.float32, device=device).expand(shape)
    return kernel.bernoulli(probability, generator)


def to_bit(probability: Tensor, rule: str = "draw", generator: Generator | None = None) -> Tensor:
    """x̂_0 as bits: drawn with the given probability, or 1 where it is at least a half.

    A draw keeps rare notes possible. The threshold (the author's code) keeps only what is more
    likely than not, which in deep noise is nothing. "draw" and "each" draw each bit by itself,
    "one" is `draw_one`.
    """
    if rule in ("draw", "each"):
        return kernel.bernoulli(probability, generator)
    if rule == "one":
        return draw_one(probability, generator)
    if rule == "threshold":
        return (probability >= 0.5).to(probability.dtype)
    raise ValueError(f"bit must be draw, each or threshold, got {rule!r}")


def draw_one(h: Tensor, generator: Generator | None = None) -> Tensor:
    """x̂_0 of a voice, which sings one note at a time: a row of each column, or none.

        x̂_0 = row r alone with chance h_r,    no row with chance 1 - Σ_r h_r

    h (B, K, P, C), of which a column sums to 1 at most -> bits, same shape. Each bit is lit as
    often as in independent draws, so x_{t-1} keeps its marginals; but a voice never has two notes.
    One uniform number falls into one of the intervals that the h_r make end to end.

    Chapter: 09.
    """
    below = h.cumsum(-2) - h
    shape = (*h.shape[:-2], 1, h.shape[-1])
    uniform = torch.rand(shape, generator=generator, device=h.device)
    return ((below <= uniform) & (uniform < below + h)).to(h.dtype)
