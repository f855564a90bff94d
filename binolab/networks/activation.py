"""Activation maximization (Erhan et al., 2009): the roll that a filter would most like to see.

Chapter: 15 *What the network sees*.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from binolab.networks.denoiser import Denoiser


class _Reached(Exception):
    """Raised at the layer in question: the layers behind it need not run."""


def layers(model: nn.Module) -> dict[str, int]:
    """The layers whose filters can be maximized: {name: number of filters}, in calling order."""
    modules = model.named_modules()
    return {name: m.out_channels for name, m in modules if isinstance(m, nn.Conv2d)}


def maximize(
    model: Denoiser,
    layer: str,
    filter: int,
    *,
    shape: tuple[int, int] = (56, 384),
    prior: float = 0.07,
    alpha_bar_t: float = 0.5,
    steps: int = 200,
    rate: float = 0.05,
    start: Tensor | None = None,
    generator: Generator | None = None,
    callback: Callable | None = None,
) -> tuple[Tensor, list[float]]:
    """Gradient ascent on a roll, from noise, of one filter's mean output (paper §7, Fig. 3).

    The mean is taken before the ReLU, which could have no gradient. Two things are not in the
    paper, which says "vanilla". The roll is kept between 0 and 1, the range of the probabilities
    that it stands for: else the mean has no maximum. And the step is `rate` times the gradient over
    its largest entry, so every filter moves alike.

    Parameters
    ----------
    layer, filter
        A name from `layers`, and which of its filters.
    shape
        Pitches and ticks of the input.
    prior
        ρ, the density of the noise to begin with.
    alpha_bar_t
        The noise level that a network is told, if it wants one.
    steps
        The paper sees little change after about 200.
    start : (P, L), 0 to 1
        The roll to begin with, in place of noise; `shape` and `prior` then do not matter.
    callback : callable(step, x, activation)

    Returns
    -------
    x : float tensor (1, 1, P, L), 0 to 1
    activations : list of float, one for each step

    Raises
    ------
    ValueError
        For a layer or filter that the model does not have.

    Chapter: 15.
    """
    filters = layers(model)
    if layer not in filters:
        raise ValueError(f"no layer {layer!r}; choose one of {', '.join(filters)}")
    if not 0 <= filter < filters[layer]:
        raise ValueError(f"{layer} has filters 0 to {filters[layer] - 1}, got {filter}")
    device = next(model.parameters()).device
    if start is None:
        x = (torch.rand(1, 1, *shape, generator=generator, device=device) < prior).float()
    else:
        x = start.to(device).float()[None, None].clone()
    x.requires_grad_()
    level = torch.full((1,), float(alpha_bar_t), device=device)

    def stop(_, __, output):
        raise _Reached(output[:, filter].mean())

    hook = model.get_submodule(layer).register_forward_hook(stop)
    activations = []
    try:
        for i in range(steps):
            try:
                model.logits(x, level)
            except _Reached as reached:
                activation = reached.args[0]
            (gradient,) = torch.autograd.grad(activation, x)
            activations.append(activation.item())
            with torch.no_grad():
                x += rate * gradient / gradient.abs().max().clamp(min=1e-12)
                x.clamp_(0, 1)
            if callback:
                callback(i, x.detach(), activations[-1])
    finally:
        hook.remove()
    return x.detach(), activations
