"""The numbered equations of chapters 12 to 14 on prompts and variations, each by its label.

Rolls have three cells and any music; of a prompt the first is known. Every sum over rolls is
written out.
"""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.card import Card
from binolab.diffusion import kernel, prompting
from binolab.model import Model

ROLLS = np.array(list(itertools.product((0, 1), repeat=3)))  # (8, 3)
FREE = ROLLS[:4, 1:]  # (4, 2): what the two free cells may be
CARD = Card("UNet", {}, 0.3, ["power", 2], T=40, low=40, pitches=3, ticks=1, length=4)


def tensor(x):
    return torch.as_tensor(np.asarray(x, dtype=float))


def lit(p, rolls):
    """Chances of rolls whose cells are lit with chances p, each on its own."""
    return np.where(rolls == 1, p, 1 - p).prod(-1)


def q(x0, level, rho, rolls):
    """Eq. 8 of whole rolls: the chance of each of `rolls`, given x_0."""
    return lit(kernel.forward_probability(tensor(x0), level, rho).numpy(), rolls)


@st.composite
def worlds(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    a_s, share = random.uniform(0.3, 0.95), random.uniform(0.1, 0.9)
    known = int(random.integers(2))
    music = random.dirichlet(np.ones(8))
    prompted = music[ROLLS[:, 0] == known]  # p(x_0^f | x_0^k), of FREE
    return SimpleNamespace(
        music=music,
        known=known,
        prompted=prompted / prompted.sum(),
        rho=random.uniform(0.1, 0.9),
        a_s=a_s,
        share=share,
        a_t=a_s * share,
    )


def prompted_walk(w):
    """p(x_0^f, x_s^f, x_t^f | x_0^k): noise falls on the free cells alone. [x_0, x_s, x_t]"""
    to_s = np.stack([q(x0, w.a_s, w.rho, FREE) for x0 in FREE])
    jump = np.stack([q(x_s, w.share, w.rho, FREE) for x_s in FREE])
    return w.prompted[:, None, None] * to_s[:, :, None] * jump


@given(worlds())
def test_a_prompt_acts_through_the_belief_alone(w):
    """eq-completing-right: the step back is Bayes' rule of the free cells, averaged over what the
    prompt and the noisy ones say of them"""
    walk = prompted_walk(w)
    back = (walk.sum(0) / walk.sum((0, 1))).T  # p(x_s^f | x_t^f, x_0^k), [x_t, x_s]
    belief = (walk.sum(1) / walk.sum((0, 1))).T  # p(x_0^f | x_t^f, x_0^k), [x_t, x_0]
    for i, x_t in enumerate(FREE):
        seen = tensor(np.tile(x_t, (4, 1)))
        given_x0 = kernel.posterior(seen, tensor(FREE), w.a_s, w.a_t, w.rho).numpy()
        steps = lit(given_x0[:, None], FREE)  # [x_0, x_s]
        assert np.allclose(belief[i] @ steps, back[i], atol=1e-12)


@given(worlds())
def test_bit_by_bit_the_belief_is_all_that_a_step_asks(w):
    """eq-completing-belief, eq-harmonizing-question: put into the posterior"""
    walk = prompted_walk(w)
    h = (walk.sum(1) / walk.sum((0, 1))).T @ FREE  # P(x_{0,i} = 1 | x_t^f, x_0^k), [x_t, i]
    slow = (walk.sum(0) / walk.sum((0, 1))).T @ FREE  # the same of x_s
    found = kernel.posterior(tensor(FREE), tensor(h), w.a_s, w.a_t, w.rho)
    assert np.allclose(found, slow, atol=1e-12)


@given(worlds())
def test_harmonies_of_a_melody_are_the_music_of_a_diffusion(w):
    """eq-harmonizing-bayes: against the joint law of all cells, the known one clean"""
    joint = w.music[:, None] * np.stack([q(x0[1:], w.a_t, w.rho, FREE) for x0 in ROLLS])
    agree = joint[ROLLS[:, 0] == w.known]
    slow = agree / agree.sum(0)  # p(x_0^F | x_t^F, x_0^K)
    noise = np.stack([q(x0, w.a_t, w.rho, FREE) for x0 in FREE])
    assert np.allclose(noise * w.prompted[:, None] / (w.prompted @ noise), slow, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_network_sees_what_is_given_clean_and_is_told_so(share):
    """eq-completing-clean, at every level and at the end"""
    seeded = torch.Generator().manual_seed(0)
    x0, known = (torch.rand(2, 1, 3, 4, generator=seeded) < p for p in (0.4, share))
    seen = []

    def contrary(x_t, alpha_bar_t, told=None):
        seen.append(x_t[known])
        assert torch.equal(told, known)
        return 0.9 - 0.8 * x_t

    given_roll = x0.float()
    made = prompting.paint(Model(contrary, CARD), given_roll, known, steps=6, generator=seeded)
    assert len(seen) >= 6
    assert all(torch.equal(x, given_roll[known]) for x in [*seen, made[known]])


@given(worlds())
def test_a_noised_prompt_looks_like_training(w):
    """eq-completing-noised"""
    of_known = q([w.known], w.a_t, w.rho, np.array([[0], [1]]))
    of_free = np.stack([q(x0, w.a_t, w.rho, FREE) for x0 in FREE])
    both = np.einsum("k,xf->xkf", of_known, of_free).reshape(4, 8)
    whole = np.stack([q([w.known, *x0], w.a_t, w.rho, ROLLS) for x0 in FREE])
    assert np.allclose(both, whole)  # a noisy roll, as the network was trained on


@given(worlds())
def test_the_original_is_a_variation_of_its_variation(w):
    """eq-variations-symmetric, and a variation is music"""
    noise = np.stack([q(x0, w.a_t, w.rho, ROLLS) for x0 in ROLLS])
    marginal = w.music @ noise
    back = (w.music[:, None] * noise / marginal).T  # p(x_0 | x_t), [x_t, x_0]
    varied = noise @ back  # K(x_0, x_0')
    pair = w.music[:, None] * varied
    assert np.allclose(pair, np.einsum("t,ta,tb->ab", marginal, back, back), atol=1e-12)
    assert np.allclose(pair, pair.T, atol=1e-12) and np.allclose(pair.sum(0), w.music)


@given(st.lists(st.integers(1, 9), min_size=8, max_size=8), st.integers(1, 254))
def test_a_second_draw_leaves_the_law_of_what_is_right(weights, faulty):
    """eq-harmonizing-revise: every pair of draws, as often as their chances say"""
    bad = np.array([faulty >> k & 1 for k in range(8)], bool)
    pairs = [
        (i, j)
        for i, j in itertools.product(range(8), repeat=2)
        for _ in range(weights[i] * weights[j])
    ]
    first, second = (tensor(ROLLS[list(k)]).float()[:, None, :, None] for k in zip(*pairs))

    def rule(cells):
        return bad[(cells[:, :, 0] * [4, 2, 1]).sum(1)][:, None].astype(int)

    def paint(model, x0, known, steps):
        assert not known.any()
        return second[rule(first[:, 0].numpy() > 0)[:, 0] > 0]

    made = prompting.revise(Model(None, CARD), first, first > 1, 1, rule=rule, paint=paint)
    names = (made[:, 0, :, 0].numpy() * [4, 2, 1]).sum(1).astype(int)
    found = np.bincount(names, minlength=8) / len(names)
    p = np.array(weights) / sum(weights)
    a = p[bad].sum()
    assert found == pytest.approx(np.where(bad, a * p, (1 + a) * p))
    assert found[bad].sum() == pytest.approx(a**2)
