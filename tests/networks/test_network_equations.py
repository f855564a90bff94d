"""The numbered equations of chapters 06 and 15, each by its label: layers against plain loops."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from binolab.networks import anatomy
from binolab.networks.beats import Block
from binolab.networks.denoiser import conv
from binolab.networks.tones import Motion, Tonality
from binolab.networks.transformer import Attention
from binolab.networks.unet import UNet

OCTAVE = 12


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


# --- convolutions --------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_a_filter_slides_along_both_axes(stride):
    """eq-unet-conv, padded with zeros"""
    layer, x = conv(2, 3, stride)[0], torch.randn(2, 6, 8, generator=seeded())
    found, padded = layer(x[None])[0], F.pad(x, (1, 1, 1, 1))
    assert found.shape == (3, 6 // stride, 8 // stride)
    for o, p, k in np.ndindex(*found.shape):
        plain = layer.bias[o].item()
        for c, i, j in np.ndindex(2, 3, 3):
            plain += (layer.weight[o, c, i, j] * padded[c, stride * p + i, stride * k + j]).item()
        assert found[o, p, k].item() == pytest.approx(plain, abs=1e-5)


def test_what_a_convolution_holds_and_costs():
    """eq-unet-cost"""
    rows = [row for row in anatomy.trace(UNet((2, 4, 8, 16)), (16, 32)) if row.kernel]
    assert len(rows) == 21
    for row in rows:
        places = math.prod(row.size)
        assert row.parameters == 9 * row.inputs * row.outputs + row.outputs
        assert row.macs == 9 * row.inputs * row.outputs * places


def test_the_field_grows_by_two_gaps_a_layer():
    """eq-unet-field, down to the bottom"""
    rows = anatomy.trace(UNet((2, 2, 2, 2)), (16, 512))
    side, gap, sides = 1, 1, []
    down = [i for i, row in enumerate(rows) if row.kernel][:11]  # two a level, and three strides
    for i in down:
        side, gap = side + 2 * gap, gap * rows[i].stride
        first, last = anatomy.receptive_field(rows, i, rows[i].size[-1] // 2)
        sides.append(last - first + 1)
        assert sides[-1] == side
    assert sides == [3, 5, 7, 11, 15, 19, 27, 35, 43, 59, 75]


@torch.no_grad()
def test_the_unet_moves_with_its_input_by_whole_strides():
    """eq-unet-shift, away from the edges"""
    torch.manual_seed(0)
    net = UNet((4, 8, 8, 8)).double()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.3)  # fresh weights say little
    x = torch.rand(1, 1, 8, 512, generator=seeded()).round().double()
    middle = slice(200, 312)
    for shift, same in ((8, True), (24, True), (1, False), (4, False)):
        moved = net.logits(x.roll(shift, -1)).roll(-shift, -1)
        apart = (moved - net.logits(x))[..., middle].abs().max()
        assert apart < 1e-12 if same else apart > 1e-6


@torch.no_grad()
def test_strides_can_keep_every_bit():
    """Of weights set by hand: a stride gives each corner of its squares a map of its own."""
    net, x = UNet((1, 4, 16)), torch.rand(1, 1, 8, 12, generator=seeded()).round()
    for p in net.parameters():
        p.zero_()
    for half in (half for contract in net.contract for half in contract):
        eye = torch.eye(*half[0].weight.shape[:2])
        half[0].weight[:, :, 1, 1] = eye  # pass it on
    for layer, _ in net.down:
        for c in range(layer.in_channels):
            for k, corner in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)]):
                layer.weight[4 * c + k, c, *corner] = 1
    h = x
    for contract, down in zip(net.contract, [torch.nn.Identity(), *net.down]):
        h = contract(down(h))
    assert h.shape == (1, 16, 2, 3)
    assert torch.equal(F.pixel_shuffle(F.pixel_shuffle(h, 2), 2), x)


# --- attention -----------------------------------------------------------------------------------


def turned(v, angles):
    """R: each pair of numbers, the k-th of either half, turned by its angle."""
    a, b = np.split(v, 2)
    c, s = np.cos(angles), np.sin(angles)
    return np.concatenate([a * c - b * s, a * s + b * c])


@torch.no_grad()
def test_attention_token_by_token():
    """eq-unet-attention, with one head; a block adds it to h"""
    torch.manual_seed(0)
    layer, h = Attention(8, 1, 0.0).double().eval(), torch.randn(5, 8, generator=seeded()).double()
    for bias in (layer.qkv.bias, layer.out.bias):
        bias.zero_()
    rates = np.array([1.0, 0.3, 0.1, 0.03])
    found = layer.attend(h[None], torch.arange(5)[:, None] * torch.tensor(rates))[0]
    W_Q, W_K, W_V = layer.qkv.weight.numpy().reshape(3, 8, 8)
    h = h.numpy()
    for i in range(5):
        query = turned(W_Q @ h[i], i * rates)
        a = softmax(np.array([query @ turned(W_K @ h[j], j * rates) for j in range(5)]) / 8**0.5)
        plain = layer.out.weight.numpy() @ sum(a[j] * (W_V @ h[j]) for j in range(5))
        assert found[i].numpy() == pytest.approx(plain)


@torch.no_grad()
def test_the_level_scales_and_shifts_what_a_block_reads_and_adds():
    """eq-unet-adaln, for the attention and then the MLP"""
    torch.manual_seed(0)
    block, h = Block(8, 2, 0.0).double().eval(), torch.randn(1, 5, 8, dtype=torch.float64)
    torch.nn.init.normal_(block.own)
    level, angle = torch.randn(1, 48).double(), torch.arange(5.0).double()[:, None].expand(-1, 2)
    found = block(h, angle, level)
    first, second = (level[0] + block.own).view(2, 3, 8)
    for (gamma, delta, eta), change in (
        (first, lambda x: block.attend(x, angle)),
        (second, lambda x: block.down(F.gelu(block.up(x), approximate="tanh"))),
    ):
        spread = (h.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        scaled = (h - h.mean(-1, keepdim=True)) / spread
        h = h + (1 + eta) * change((1 + gamma) * scaled + delta)
    torch.testing.assert_close(found, h)


# --- keys and voices -----------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.lists(st.integers(0, 2), max_size=6))
def test_naive_bayes_of_keys(seed, notes):
    """eq-unet-naive: two keys, three pitch classes, by the chances of the notes in a row"""
    random = np.random.default_rng(seed)
    before, theta = random.dirichlet(np.ones(2)), random.dirichlet(np.ones(3), size=2)
    joint = np.array([p * math.prod(of[q] for q in notes) for p, of in zip(before, theta)])
    counts = np.bincount(np.array(notes, int), minlength=3)
    key = softmax(np.log(before) + np.log(theta) @ counts)
    assert key == pytest.approx(joint / joint.sum())
    following = [sum(k * of[q] for k, of in zip(joint, theta)) / joint.sum() for q in range(3)]
    assert key @ theta == pytest.approx(following)


@torch.no_grad()
def test_tonality_counts_scores_and_averages():
    """eq-unet-tonality, on stretches of 3 columns and on the whole roll"""
    torch.manual_seed(0)
    layer = Tonality(8, 2, templates=2)
    chance, prior = torch.rand(1, 2, 14, 6, generator=seeded()), torch.full((2, 14, 1), 0.2)
    level = torch.randn(1, 8, generator=seeded())
    found = layer(chance, prior, level)[0].numpy()  # (scales, 14, 6)
    g = F.softplus(layer.gain(level))[0].numpy()
    more = (chance - prior)[0].numpy()
    assert layer.spans[0] == 3
    turns = list(itertools.product(range(2), range(OCTAVE)))  # (template, root)
    for scale, middle in itertools.product((0, layer.scales - 1), range(6)):
        near = range(max(middle - 1, 0), min(middle + 2, 6)) if scale == 0 else range(6)
        seen = more[:, :, near].sum((0, 2))
        c = [seen[q::OCTAVE].sum() for q in range(OCTAVE)]
        U, V = layer.read[scale].numpy(), layer.write[scale].numpy()
        scores = [sum(U[k, (q - r) % OCTAVE] * c[q] for q in range(OCTAVE)) for k, r in turns]
        w = softmax(g[scale] * np.array(scores))
        s = [sum(w * [V[k, (q - r) % OCTAVE] for k, r in turns]) for q in range(OCTAVE)]
        assert found[scale, :, middle] == pytest.approx(s + s[:2], abs=1e-4)


@torch.no_grad()
def test_parallel_motion_by_belief():
    """eq-unet-motion: a fifth, and an octave, of three unsure voices"""
    b = torch.rand(3, OCTAVE, 4, generator=seeded()).double()
    b = (b / b.sum(1, keepdim=True)).numpy()
    for interval in (7, 0):
        found = Motion(3, 1).double().parallels(torch.tensor(b)[None], interval, 1)[0]
        for v, q, c in itertools.product(range(3), range(OCTAVE), range(1, 4)):
            total = 0.0
            for u in {0, 1, 2} - {v}:
                way = -interval if v < u else interval  # the first voice is the highest
                other = [(x + way) % OCTAVE for x in range(OCTAVE)]
                apart = sum(b[v, x, c - 1] * b[u, other[x], c - 1] for x in range(OCTAVE))
                stays = sum(b[u, x, c] * b[u, x, c - 1] for x in range(OCTAVE))
                total += apart * (1 - stays) * b[u, other[q], c]
            assert found[v, q, c].item() == pytest.approx(total)


# --- what the bottom sees ------------------------------------------------------------------------


def test_a_picture_that_was_averaged_has_a_gradient_of_blocks():
    """eq-sees-blocks, of a network on squares of 8 × 8; and dots where one cell in 64 is read"""
    torch.manual_seed(0)
    bottom = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Tanh()).double()
    x = torch.rand(1, 1, 16, 32, generator=seeded()).double().requires_grad_()
    z = F.avg_pool2d(x, 8)
    of_x, of_z = torch.autograd.grad(bottom(z).mean(), (x, z))
    square = torch.ones(8, 8, dtype=torch.float64)
    torch.testing.assert_close(of_x, torch.kron(of_z[0, 0], square)[None, None] / 64)
    (of_x,) = torch.autograd.grad(bottom(x[..., ::8, ::8]).mean(), x)
    assert (of_x != 0).sum() == 2 * 4 and (of_x[..., ::8, ::8] != 0).all()


@given(st.integers(0, 2**31), st.floats(0.01, 10))
def test_ridge_is_least_squares_with_a_price_on_the_weights(seed, price):
    """eq-sees-ridge: against numpy's least squares on rows that charge each weight"""
    random = np.random.default_rng(seed)
    phi, y = random.normal(size=(20, 4)), random.normal(size=(20, 3))
    W = np.linalg.solve(phi.T @ phi + price * np.eye(4), phi.T @ y)
    charged = np.vstack([phi, np.sqrt(price) * np.eye(4)]), np.vstack([y, np.zeros((4, 3))])
    assert W == pytest.approx(np.linalg.lstsq(*charged)[0])

    def share(guess):
        return 1 - ((y - guess) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()

    assert share(y) == 1 and share(np.broadcast_to(y.mean(0), y.shape)) == pytest.approx(0)
    assert share(phi @ W) <= share(phi @ np.linalg.lstsq(phi, y)[0]) + 1e-12
