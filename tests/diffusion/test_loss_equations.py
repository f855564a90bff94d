"""The numbered equations of chapter 07 on losses, each by its label, against autograd."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.diffusion.loss import loss

CHANCES = st.floats(0.02, 0.98)


def mean_loss(kind, z, p):
    """Over x_0, which is 1 with the chance p, of the answer sigmoid(z)."""
    free = torch.ones_like(z, dtype=torch.bool)
    rest, note = (loss(z, torch.full_like(z, bit), free, kind) for bit in (0, 1))
    return (1 - p) * rest + p * note


@given(CHANCES, CHANCES)
def test_mean_losses_and_their_derivatives(p, h):
    """eq-training-losses in h, eq-training-gradient in z with h = σ(z)"""
    x = torch.full((1, 1, 1, 1), h, dtype=torch.float64)
    printed = {
        "l2": (p * (1 - x) ** 2 + (1 - p) * x**2, 2 * (x - p)),
        "bce": (-p * x.log() - (1 - p) * (1 - x).log(), (x - p) / (x * (1 - x))),
        "l1": (p * (1 - x) + (1 - p) * x, torch.full_like(x, 1 - 2 * p)),
    }
    through = {"l2": 2 * (h - p) * h * (1 - h), "bce": h - p}
    for kind, (value, slope) in printed.items():
        z = torch.logit(x).requires_grad_()
        found = mean_loss(kind, z, p)
        (by_z,) = torch.autograd.grad(found, z)
        assert found.item() == pytest.approx(value.item())
        assert by_z.item() / (h * (1 - h)) == pytest.approx(slope.item(), abs=1e-9)
        if kind in through:
            assert by_z.item() == pytest.approx(through[kind], abs=1e-12)
