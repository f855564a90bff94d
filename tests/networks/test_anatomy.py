"""The rows of a network against PyTorch's own counts, the closed forms, and gradients."""

from math import prod

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from binolab.networks import anatomy
from binolab.networks.beats import BeatTransformer
from binolab.networks.transformer import FrameTransformer
from binolab.networks.unet import Denoiser, UNet

NETS = {
    "UNet": UNet(widths=(4, 6, 8, 10)),
    "UNet, told": UNet(widths=(4, 8), time=True),
    "FrameTransformer": FrameTransformer(
        16, fold=8, width=16, depth=2, heads=2, filters=8, mixers=1
    ),
    "BeatTransformer": BeatTransformer(
        16, kinds=4, prior=0.03, columns=8, width=16, depth=2, heads=2, filters=8, voices=2
    ),
}


class Residual(Denoiser):
    """A sum of what a cell is and what a wider filter, then a matrix over ticks, make of it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.wide = nn.Conv2d(2, 2, 7, padding=3)
        self.last = nn.Conv2d(2, 1, 3, padding=1)

    def logits(self, x_t, alpha_bar_t=None, known=None):
        h = self.first(x_t)
        h = self.last(h + self.wide(h))
        return h @ torch.ones(h.shape[-1], h.shape[-1], dtype=h.dtype)


@pytest.mark.parametrize("net", [*NETS.values(), Residual()], ids=[*NETS, "Residual"])
def test_parameters_and_multiply_adds_are_those_of_pytorch(net):
    rows = anatomy.trace(net, (16, 32))
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in net.parameters())
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        net.logits(torch.zeros(1, net.kinds, 16, 32), torch.full((1,), 0.5))
    assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_each_row_costs_what_its_closed_form_says(net):
    for row in anatomy.trace(net, (16, 32)):
        if row.kernel or row.kind in ("linear", "norm"):
            held = [p.numel() for p in net.get_submodule(row.name).parameters()]
            assert row.parameters == sum(held)
            if held:  # a weight, and a bias for each output
                assert row.outputs == held[1]
            uses = prod(row.size) if row.kind != "norm" else 0  # of each weight
            assert row.macs == held[0] * uses if uses else not row.macs
        elif row.kind == "attention":  # each query with each key, then with each value
            (heads, frames), features = row.size, row.outputs
            assert (heads, frames, features) == (2, 4, 8)
            assert row.macs == 2 * heads * frames * frames * features
        else:
            holds, costs = row.kind in ("add", "__getitem__"), row.kind == "einsum"
            assert (row.parameters > 0, row.macs > 0) == (holds, costs)


def test_numbers_that_no_layer_holds_have_a_row_where_they_are_used():
    net = NETS["BeatTransformer"]
    rows = [(row.name, row.parameters) for row in anatomy.trace(net, (16, 32))]
    for i, block in enumerate(net.blocks):
        assert rows.count((f"blocks.{i}", block.own.numel())) == 1
    assert rows.count(("tonality", net.tonality.read.numel())) == 2  # of reading and of writing


def test_rows_of_a_unet():
    rows = anatomy.trace(NETS["UNet"], (16, 32))
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


def test_a_function_that_is_no_layer_has_a_row_if_it_costs():
    *_, last, product = anatomy.trace(Residual(), (8, 16))
    assert (last.name, product.sources) == ("last", (3,))
    assert product.kind == product.name and "matmul" in product.kind
    assert product.macs == 8 * 16 * 16 and product.numbers == 8 * 16


@pytest.mark.parametrize("dim, kinds", [(1, ["copy"]), (2, []), (-1, [])])
def test_only_features_that_are_stacked_are_a_copy(dim, kinds):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, x_t, alpha_bar_t):
            return torch.cat((self.left(x_t), self.right(x_t)), dim)

    rows = anatomy.trace(Two(), (8, 16))
    assert [row.kind for row in rows[3:]] == kinds
    assert all(row.sources == (1, 2) and row.outputs == 4 for row in rows[3:])


def test_what_the_level_alone_makes_does_not_see_the_roll():
    rows = anatomy.trace(NETS["UNet, told"], (16, 32))
    told = [i for i, row in enumerate(rows) if row.name.startswith("levels")]
    assert len(told) == 4 and not any(rows[i].sources for i in told)
    assert not any(i in row.sources for row in rows for i in told)


def positive(net):
    """The same network with weights and biases that cannot cancel or switch off a cell."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    return net.double()


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize(
    "net, indices",
    [(UNet(widths=(2, 2, 2, 2)), (1, 10, 15, -1)), (UNet(widths=(2, 4), time=True), (0, 4, -1)),
     (Residual(), (0, 1, 2))],
    ids=["UNet", "UNet, told", "Residual"],
)  # fmt: skip
def test_receptive_field_is_what_a_gradient_reaches(net, indices, axis):
    shape = (8, 512) if axis == -1 else (512, 8)
    rows = anatomy.trace(net.float(), shape)
    net = positive(net)
    convolutions = [i for i, row in enumerate(rows) if row.kernel]
    for index in (convolutions[i] for i in indices):
        x = torch.ones(1, 1, *shape, dtype=torch.double, requires_grad=True)
        seen = {}
        layer = net.get_submodule(rows[index].name)
        hook = layer.register_forward_hook(lambda _, __, y: seen.update(y=y))
        net.logits(x, torch.full((1,), 0.5))
        hook.remove()
        for at in (rows[index].size[axis] // 2, rows[index].size[axis] // 2 + 1):
            y = seen["y"].select(axis, at).sum()
            (gradient,) = torch.autograd.grad(y, x, retain_graph=True)
            reached = gradient.sum(dim=(0, 1, -1 if axis == -2 else -2)).nonzero()
            field = anatomy.receptive_field(rows, index, at, axis)
            assert (reached.min().item(), reached.max().item()) == field


@pytest.mark.parametrize("net", [NETS["FrameTransformer"], Residual()], ids=["frames", "matrix"])
def test_a_matrix_sees_all(net):
    rows = anatomy.trace(net, (16, 32))
    with pytest.raises(ValueError, match="sees all"):
        anatomy.receptive_field(rows, -1, 0)


def test_a_shape_that_the_network_cannot_take_is_refused_by_it():
    with pytest.raises(ValueError, match="multiples of 8"):
        anatomy.trace(NETS["UNet"], (15, 32))
    assert not nn.modules.module._global_forward_pre_hooks  # nothing goes on watching
