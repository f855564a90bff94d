"""Activation maximization against a filter whose best input is known."""

import pytest
import torch

from binolab.networks import activation
from binolab.networks.transformer import FrameTransformer
from binolab.networks.unet import UNet


def generator():
    return torch.Generator().manual_seed(0)


def test_linear_filter_is_maximized_by_the_cells_that_it_weighs_positively():
    net = UNet(widths=(2, 4))
    first = net.contract[0][0][0]
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0] = -1.0  # wants silence everywhere
        first.weight[1, 0, 1, 1] = 1.0  # wants every cell lit
    silent, _ = activation.maximize(
        net, "contract.0.0.0", 0, shape=(16, 16), steps=60, generator=generator()
    )
    lit, seen = activation.maximize(
        net, "contract.0.0.0", 1, shape=(16, 16), steps=60, generator=generator()
    )
    assert silent.max() == 0 and lit.min() == 1
    assert seen == sorted(seen) and len(seen) == 60


@pytest.mark.parametrize(
    "net",
    [
        UNet(widths=(4, 8, 8, 8)),
        UNet((4, 8), time=True),
        FrameTransformer(16, fold=8, width=16, depth=1, heads=2, filters=8),
    ],
)
def test_every_filter_of_every_layer_can_be_maximized(net):
    torch.manual_seed(0)
    names = activation.layers(net)
    assert names
    before = {name: parameter.clone() for name, parameter in net.named_parameters()}
    for name, filters in names.items():
        x, seen = activation.maximize(
            net, name, filters - 1, shape=(16, 16), prior=0.3, steps=8, generator=generator()
        )
        assert x.shape == (1, 1, 16, 16) and 0 <= x.min() and x.max() <= 1
        assert seen[-1] >= seen[0]
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name]) and parameter.grad is None
    assert not any(module._forward_hooks for module in net.modules())


def test_the_loop_is_gradient_ascent():
    """eq-sees-activation, eq-sees-step"""
    net = UNet(widths=(4, 8)).eval()
    x = (torch.rand(1, 1, 16, 16, generator=generator()) < 0.3).float()
    for _ in range(10):
        x.requires_grad_()
        h = net.contract[1][0](net.down[0](net.contract[0](x)))
        net.contract[1][1][0](h)[0, 5].mean().backward()
        x = (x.detach() + 0.05 * x.grad / x.grad.abs().max()).clamp(0, 1)
    ours, _ = activation.maximize(
        net, "contract.1.1.0", 5, shape=(16, 16), prior=0.3, steps=10, generator=generator()
    )
    assert torch.allclose(ours, x, atol=1e-5)


def test_begins_where_it_is_told_and_leaves_that_alone():
    net, start = UNet(widths=(4, 8)), torch.full((16, 24), 0.5)
    x, _ = activation.maximize(net, "last", 0, start=start, steps=1, rate=0.1)
    assert x.shape == (1, 1, 16, 24) and (x - 0.5).abs().max() <= 0.1 + 1e-6
    assert (start == 0.5).all() and not torch.equal(x[0, 0], start)


def test_callback_sees_each_iteration_and_seeds_repeat():
    net, seen = UNet(widths=(4, 8)), []
    args = {"shape": (16, 16), "steps": 5}
    a, _ = activation.maximize(
        net,
        "last",
        0,
        generator=generator(),
        **args,
        callback=lambda i, x, value: seen.append((i, x.shape)),
    )
    b, _ = activation.maximize(net, "last", 0, generator=generator(), **args)
    assert torch.equal(a, b) and [i for i, _ in seen] == list(range(5))


def test_names_the_layers_and_filters_that_there_are():
    net = UNet(widths=(4, 8))
    with pytest.raises(ValueError, match="contract.0.0.0"):
        activation.maximize(net, "nowhere", 0)
    with pytest.raises(ValueError, match="filters 0 to 0, got 1"):
        activation.maximize(net, "last", 1)
