"""The ledger against PyTorch's own counts, the closed forms, and gradients."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from binolab import ledger
from binolab.networks.transformer import FrameTransformer
from binolab.networks.unet import UNet

NETS = {
    "UNet": UNet(widths=(4, 6, 8, 10)),
    "UNet, told": UNet(widths=(4, 8), time=True),
    "FrameTransformer": FrameTransformer(16, fold=8, width=16, depth=2, heads=2, filters=8,
                                         mixers=1),
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_parameters_and_multiply_adds_are_those_of_pytorch(net):
    rows = ledger.trace(net, (16, 32))
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in net.parameters())
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        net.logits(torch.zeros(1, 1, 16, 32), torch.full((1,), 0.5))
    assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_rows_of_a_unet():
    rows = ledger.trace(NETS["UNet"], (16, 32))
    kinds = [row.kind for row in rows]
    assert [kinds.count(k) for k in ("input", "conv", "down", "up", "copy")] == [1, 18, 3, 3, 3]
    assert min(row.size for row in rows) == (2, 4) and rows[-1].size == (16, 32)
    for row in rows:
        if row.kernel:
            weights = 9 * row.inputs * row.outputs
            assert row.parameters == weights + row.outputs
            assert row.macs == weights * row.size[0] * row.size[1]
            assert row.inputs == rows[row.sources[0]].outputs
        if row.kind == "copy":  # from the left side, of the same size; together they are as deep
            left, below = (rows[i] for i in row.sources)
            assert left.size == below.size == row.size
            assert left.outputs + below.outputs == row.outputs and left.name.startswith("contract")


def positive(net):
    """The same network with weights and biases that cannot cancel or switch off a cell."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    return net.double()


@pytest.mark.parametrize("axis", [-1, -2])
def test_receptive_field_is_what_a_gradient_reaches(axis):
    net = positive(UNet(widths=(2, 2, 2, 2)))
    shape = (8, 512) if axis == -1 else (512, 8)
    rows = ledger.trace(net.float(), shape)
    net.double()
    convolutions = [i for i, row in enumerate(rows) if row.kernel]
    for index in (convolutions[1], convolutions[10], convolutions[15], convolutions[-1]):
        x = torch.ones(1, 1, *shape, dtype=torch.double, requires_grad=True)
        seen = {}
        layer = net.get_submodule(rows[index].name)
        hook = layer.register_forward_hook(lambda _, __, y: seen.update(y=y))
        net.logits(x)
        hook.remove()
        for at in (rows[index].size[axis] // 2, rows[index].size[axis] // 2 + 1):
            y = seen["y"].select(axis, at).sum()
            (gradient,) = torch.autograd.grad(y, x, retain_graph=True)
            reached = gradient.sum(dim=(0, 1, -1 if axis == -2 else -2)).nonzero()
            field = ledger.receptive_field(rows, index, at, axis)
            assert (reached.min().item(), reached.max().item()) == field


def test_only_a_unet_is_drawn():
    axes = ledger.draw(ledger.trace(NETS["UNet"], (16, 32)))
    depths = [text.get_text() for text in axes.texts]
    assert depths.count("10") == 4 and depths.count("20") == 0 and "2 × 4" in depths
    assert ledger.draw(ledger.trace(NETS["UNet, told"], (16, 32)), ax=axes) is axes
    rows = ledger.trace(NETS["FrameTransformer"], (16, 32))
    with pytest.raises(ValueError, match="only a UNet"):
        ledger.draw(rows)
    with pytest.raises(ValueError, match="sees all"):
        ledger.receptive_field(rows, -1, 0)


def test_a_shape_that_the_network_cannot_take_is_refused_by_it():
    with pytest.raises(ValueError, match="multiples of 8"):
        ledger.trace(NETS["UNet"], (15, 32))
    assert not any(module._forward_pre_hooks for module in NETS["UNet"].modules())
