"""Activation maximization (Erhan et al., 2009): the roll that a filter would most like to see.

Chapter: 13 *What the network sees*.
"""

from __future__ import annotations

import torch


class _Reached(Exception):
    """Raised at the layer in question: the layers behind it need not run."""


def layers(model):
    """The layers whose filters can be maximized: {name: number of filters}, in calling order."""
    return {
        name: layer.out_channels
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Conv2d)
    }


def maximize(model, layer, filter, *, shape=(56, 384), prior=0.07, alpha_bar_t=0.5, steps=200,
             rate=0.05, start=None, generator=None, callback=None):
    """Gradient ascent on a roll, from noise, of one filter's mean output (paper §7, Fig. 3).

    The mean is of the convolution before its ReLU, which could have no gradient. Two things are
    not in the paper, which says "vanilla": the roll is kept between 0 and 1, the range of the
    probabilities that it stands for (else the mean has no maximum), and the step is `rate` times
    the gradient over its largest entry, so that every filter moves alike.

    Parameters
    ----------
    model : Denoiser
    layer : str
        A name from `layers`.
    filter : int
        Which filter of it.
    shape : (int, int)
        Pitches and ticks of the input.
    prior : float, ρ
        Density of the noise to begin with.
    alpha_bar_t : float
        Noise level told to a network that wants one.
    steps : int
        The paper sees little change after about 200.
    start : tensor (P, L), 0 to 1, optional
        The roll to begin with, in place of noise; `shape` and `prior` then do not matter.
    generator : torch.Generator
    callback : callable(step, x, activation), optional

    Returns
    -------
    x : float tensor (1, 1, P, L), 0 to 1
    activations : list of float, one for each step

    Raises
    ------
    ValueError
        For a layer or filter that the model does not have.

    Chapter: 13.
    """
    found = layers(model)
    if layer not in found:
        raise ValueError(f"no layer {layer!r}; choose one of {', '.join(found)}")
    if not 0 <= filter < found[layer]:
        raise ValueError(f"{layer} has filters 0 to {found[layer] - 1}, got {filter}")
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
