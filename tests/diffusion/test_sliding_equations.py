"""The numbered equations of chapter 17, each by its label: toy music, and the library's plan."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.card import Card
from binolab.diffusion import sliding
from binolab.model import Model

CARD = Card("UNet", {}, 0.2, ["power", 2], T=40, low=40, pitches=2, ticks=1, length=16)


@pytest.mark.parametrize("q", [2, 3, 5, 8])
def test_a_stroke_that_left_the_overlap_is_forgotten(q):
    """eq-longer-toy: all places of the stroke, and all ways to go on that fit the overlap"""
    for v in range(1, q):
        right = Fraction(0)
        for place in range(q):  # of the stroke, in the period in which the overlap begins
            overlap = [t % q == place for t in range(v)]
            fits = [p for p in range(q) if [t % q == p for t in range(v)] == overlap]
            right += Fraction(1, q) * Fraction(fits.count(place), len(fits))
        assert right == Fraction(v + 1, q)


def conditional(p, new, kept):
    """P(cells `new` | cells `kept`) for every piece, from the law p of all pieces of bits."""
    joint, seen = (
        p.sum(tuple(set(range(p.ndim)) - cells), keepdims=True) for cells in (new | kept, kept)
    )
    return joint / seen


@given(st.integers(0, 2**31))
def test_stretches_given_all_before_them_are_the_piece(seed):
    """eq-longer-chain: a window of three cells, then stretches of two and of one"""
    p = np.random.default_rng(seed).dirichlet(np.ones(64)).reshape([2] * 6)
    first, second = conditional(p, {3, 4}, {0, 1, 2}), conditional(p, {5}, {0, 1, 2, 3, 4})
    assert np.allclose(p.sum((3, 4, 5), keepdims=True) * first * second, p)


@given(st.integers(0, 2**31))
def test_sliding_is_a_chain_over_windows(seed):
    """eq-longer-markov: right for music that remembers no more than the overlap, a law for any"""
    random = np.random.default_rng(seed)
    start, step = random.dirichlet(np.ones(2)), random.dirichlet(np.ones(2), size=2)
    markov = np.zeros([2] * 6)
    for x in itertools.product((0, 1), repeat=6):
        markov[x] = start[x[0]] * math.prod(step[a, b] for a, b in itertools.pairwise(x))
    other = random.dirichlet(np.ones(64)).reshape([2] * 6)
    for p, same in ((markov, True), (other, False)):  # windows of three, overlap one
        chain = p.sum((3, 4, 5), keepdims=True)
        for new, kept in (({3, 4}, {2}), ({5}, {4})):
            chain = chain * conditional(p, new, kept)
        assert chain.sum() == pytest.approx(1)
        assert np.allclose(chain, p) == same


@given(st.integers(16, 200), st.integers(1, 15))
def test_windows_and_their_cost(length, overlap):
    """eq-longer-cost"""
    nothing = torch.zeros(1, 1, 2, length, dtype=torch.bool)
    windows = sliding.plan(Model(None, CARD), nothing, overlap=overlap)
    assert len(windows) == 1 + math.ceil((length - 16) / (16 - overlap))
