"""The numbered equations of the chapters on sampling, each by its label.

Rolls have three cells, and every sum over them is written out: all 8 clean rolls, all 8 noisy ones,
any music, one rho a cell. What the library gives is held against the plain sums.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.diffusion import kernel, likelihood, sampling, schedules
from binolab.music import voices
from binolab.networks.beats import at_most_one

ROLLS = np.array(list(itertools.product((0, 1), repeat=3)))  # (8, 3)
CELLS = range(3)


def flips(rates, prior):
    """Steps of Eq. 3 for one cell, one after the other: [bit before, bit after]."""
    toss = np.array([[1 - prior, prior]] * 2)
    return np.linalg.multi_dot([np.eye(2)] + [(1 - b) * np.eye(2) + b * toss for b in rates])


def of_cells(each):
    """Rolls from cells that toss their own coins: matrices (3, 2, 2) -> (8, 8)."""
    factors = [each[i][ROLLS[:, None, i], ROLLS[None, :, i]] for i in CELLS]
    return np.prod(factors, 0)


@st.composite
def worlds(draw):
    """Music, a rho for each cell, and noise from 0 to s and from s to t by single steps."""
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    prior = random.uniform(0.05, 0.95, 3)
    first, second = random.uniform(0.05, 0.4, 3), random.uniform(0.05, 0.4, 2)
    to_s = np.stack([flips(first, p) for p in prior])  # q(x_s | x_0), cell by cell
    jump = np.stack([flips(second, p) for p in prior])  # q(x_t | x_s)
    return SimpleNamespace(
        music=random.dirichlet(np.ones(8)),
        prior=prior,
        to_s=to_s,
        jump=jump,
        to_t=to_s @ jump,
        a_s=np.prod(1 - first),
        a_t=np.prod(1 - first) * np.prod(1 - second),
    )


def tensor(x):
    return torch.as_tensor(np.asarray(x, dtype=float))


def odds(p):
    return p / (1 - p)


def believed(w):
    """P(x_0 = 1 | x_t) of each cell, for each noisy roll (8, 3): Bayes' rule over whole rolls."""
    joint = w.music[:, None] * of_cells(w.to_t)
    return joint.T @ ROLLS / joint.sum(0)[:, None]


def by_the_others(w, each):
    """P(x_0 = 1 | every other cell) (8, 3), the slow way: cell i is not looked at."""
    found = np.empty((8, 3))
    for i in CELLS:
        unseen = each.copy()
        unseen[i] = 0.5
        joint = w.music[:, None] * of_cells(unseen)
        found[:, i] = joint.T @ ROLLS[:, i] / joint.sum(0)
    return found


def step_of(name, x_t, x0_hat, x_T, w, **options):
    """One step of the library from a to a_s, along the levels 1, a_s, a_t."""
    levels = torch.tensor([1.0, w.a_s, w.a_t])
    generator = torch.Generator().manual_seed(0)
    return name(2, x_t, x0_hat, x_T, levels, 0.3, generator, **options)


# --- one step ------------------------------------------------------------------------------------


def test_the_naive_step_is_equation_8_of_the_guess_whatever_it_saw():
    """eq-sampling-naive"""
    n, w = 60_000, SimpleNamespace(a_s=0.7, a_t=0.2)
    for x_t, bit in itertools.product((0.0, 1.0), repeat=2):
        full = torch.full((1, 1, 1, n), bit)
        x = step_of(sampling.naive, torch.full_like(full, x_t), full, full, w)
        p = 0.7 * bit + 0.3 * 0.3
        assert abs(x.mean().item() - p) < 4.5 * math.sqrt(p * (1 - p) / n)


@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_algorithm_1_line_by_line_and_in_one_line(seed, a_s):
    """eq-sampling-xor, and without its delta eq-sampling-frozen"""
    random = np.random.default_rng(seed)
    x_T, x0_hat = (random.random((2, 1, 4, 6)) < 0.4 for _ in range(2))
    uniform = random.random(x_T.shape).astype(np.float32)
    beta = np.float32(1) - np.float32(a_s)
    delta = x_T ^ x0_hat
    mask = uniform < delta * beta
    printed = (x0_hat & ~mask) | (x_T & mask)
    bits, w = [tensor(x).float() for x in (x_T, x0_hat)], SimpleNamespace(a_s=a_s, a_t=0.0)
    found = step_of(sampling.xor_mask, bits[0], bits[1], bits[0], w, uniform=torch.tensor(uniform))
    assert (found.numpy() == printed).all()
    assert (printed == np.where(uniform < beta, x_T, x0_hat)).all()


@given(worlds())
def test_single_steps_from_s_to_t_are_one_jump(w):
    """eq-sampling-jump"""
    for i, x_s in itertools.product(CELLS, (0, 1)):
        p = kernel.forward_probability(tensor(x_s), w.a_t / w.a_s, w.prior[i])
        assert p.item() == pytest.approx(w.jump[i, x_s, 1], abs=1e-12)


@given(worlds())
def test_the_way_back_is_bayes_rule_over_the_steps(w):
    """eq-sampling-bayes, and filled in eq-sampling-posterior"""
    for i, x_0, x_t in itertools.product(CELLS, (0, 1), (0, 1)):
        joint = w.to_s[i, x_0] * w.jump[i, :, x_t]  # q(x_s, x_t | x_0) for x_s = 0, 1
        assert joint.sum() == pytest.approx(w.to_t[i, x_0, x_t])
        slow = joint[1] / joint.sum()
        found = kernel.posterior(tensor(x_t), tensor(x_0), w.a_s, w.a_t, w.prior[i])
        assert found.item() == pytest.approx(slow, abs=1e-12)


@given(worlds())
def test_a_step_back_from_the_belief_is_that_of_whole_rolls(w):
    """eq-sampling-average: bit by bit, whatever the music"""
    joint = np.einsum("c,cs,st->st", w.music, of_cells(w.to_s), of_cells(w.jump))
    slow = joint.T @ ROLLS / joint.sum(0)[:, None]  # P(x_s = 1 | x_t), each cell
    found = kernel.posterior(tensor(ROLLS), tensor(believed(w)), w.a_s, w.a_t, tensor(w.prior))
    assert np.allclose(found, slow, atol=1e-12)


@given(worlds(), st.floats(0, 1))
def test_the_posterior_and_fresh_noise_carry_equation_8_back(w, share):
    """eq-sampling-marginal, eq-sampling-right: and so does any mixture of the two"""
    for i, x_0 in itertools.product(CELLS, (0, 1)):
        seen = tensor([0, 1])
        back = kernel.posterior(seen, tensor([x_0] * 2), w.a_s, w.a_t, w.prior[i])
        mixed = (1 - share) * back + share * w.to_s[i, x_0, 1]
        for law in (back, mixed):
            assert law.numpy() @ w.to_t[i, x_0] == pytest.approx(w.to_s[i, x_0, 1], abs=1e-12)


# --- one cell and the others ---------------------------------------------------------------------


@given(worlds())
def test_a_noisy_bit_depends_on_the_others_through_its_clean_one_alone(w):
    """eq-sampling-alone: the factor of a cell comes out of the sum over clean rolls"""
    joint = w.music[:, None] * of_cells(w.to_t)
    for i, bit in itertools.product(CELLS, (0, 1)):
        whole = joint[ROLLS[:, i] == bit].sum(0)  # P(x_{0,i} = bit, x_t)
        rest = [
            whole[(np.delete(ROLLS, i, 1) == np.delete(roll, i)).all(1)].sum() for roll in ROLLS
        ]  # P(x_{0,i} = bit, the other cells of x_t): the noisy bit summed out
        assert np.allclose(whole, w.to_t[i, bit, ROLLS[:, i]] * rest, atol=1e-12)


@given(worlds())
def test_odds_are_those_of_the_others_times_the_cells_own_evidence(w):
    """eq-sampling-evidence"""
    own = kernel.evidence(tensor(ROLLS), w.a_t, tensor(w.prior)).exp().numpy()
    slow = np.stack([w.to_t[i, 1, ROLLS[:, i]] / w.to_t[i, 0, ROLLS[:, i]] for i in CELLS], 1)
    assert np.allclose(own, slow)
    assert np.allclose(odds(believed(w)), odds(by_the_others(w, w.to_t)) * own)


@given(worlds())
def test_leaving_one_out_is_what_the_others_say(w):
    """eq-sampling-leave"""
    found = kernel.leave_one_out(tensor(believed(w)), tensor(ROLLS), w.a_t, tensor(w.prior))
    assert np.allclose(found, by_the_others(w, w.to_t), atol=1e-5)


@given(worlds())
def test_a_cell_drawn_from_the_others_leaves_the_law_of_its_level(w):
    """eq-sampling-gibbs"""
    law = w.music @ of_cells(w.to_s)  # of x_s
    fresh = kernel.forward_probability(
        tensor(by_the_others(w, w.to_s)), w.a_s, tensor(w.prior)
    ).numpy()
    for i in CELLS:
        other = [int(np.flatnonzero((ROLLS == flipped(roll, i)).all(1))[0]) for roll in ROLLS]
        lit = np.where(ROLLS[:, i] == 1, law, law[other])
        assert np.allclose(fresh[:, i], lit / (law + law[other]))  # P(x_{s,i} = 1 | the others)
        chance = np.where(ROLLS[:, i] == 1, fresh[:, i], 1 - fresh[:, i])
        assert np.allclose((law + law[other]) * chance, law)  # the law after is the law before


def flipped(roll, i):
    return np.where(np.arange(3) == i, 1 - roll, roll)


# --- a voice, and what a roll costs --------------------------------------------------------------


@given(st.integers(0, 2**31))
def test_a_roll_is_as_likely_as_all_its_planes_together(seed):
    """eq-sampling-names"""
    random = np.random.default_rng(seed)
    planes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4))).view(16, 2, 2, 1)
    p = random.dirichlet(np.ones(16))
    heard = voices.merge(planes).flatten(1)
    for one, chance in zip(heard, p):
        same = p[(heard == one).all(1).numpy()]
        assert same.sum() >= chance and -math.log(same.sum()) <= -math.log(chance)
    assert len(heard.unique(dim=0)) == 4  # of sixteen sets of planes


@st.composite
def columns(draw):
    """A voice of three rows: music over rows and none, a rho a row, and two levels."""
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return SimpleNamespace(
        music=random.dirichlet(np.ones(4)),  # the last is none
        clean=np.vstack([np.eye(3), np.zeros(3)]),
        prior=random.uniform(0.1, 0.5, 3),
        a_s=0.6,
        a_t=0.25,
    )


def noised(v, level):
    """Eq. 8 of whole columns: [clean, noisy]."""
    p = level * v.clean + (1 - level) * v.prior
    return np.where(ROLLS == 1, p[:, None], 1 - p[:, None]).prod(-1)


@given(columns())
def test_rows_and_none_compete_by_a_softmax(v):
    """eq-sampling-softmax"""
    joint = v.music[:, None] * noised(v, v.a_t)
    slow = (joint / joint.sum(0)).T[:, :3]
    before = tensor(np.log(v.music[:3] / v.music[3]))
    against_none = before + kernel.evidence(tensor(ROLLS), v.a_t, tensor(v.prior))
    found = at_most_one(against_none[..., None]).sigmoid()[..., 0]
    assert np.allclose(found, slow, atol=1e-5)


@given(columns())
def test_one_row_or_none_is_drawn_as_often_as_believed(v):
    """eq-sampling-one"""
    n, h = 40_000, torch.tensor(v.music[:3]).view(1, 1, 3, 1)
    drawn = sampling.draw_one(h.expand(n, -1, -1, -1), torch.Generator().manual_seed(0))
    assert drawn.sum(2).max() <= 1
    often = [*drawn.mean(0).flatten().tolist(), (drawn.sum(2) == 0).double().mean().item()]
    for found, p in zip(often, v.music):
        assert abs(found - p) < 5.5 * math.sqrt(p * (1 - p) / n) + 1e-3


@given(columns())
def test_a_joint_draw_carries_whole_columns_back(v):
    """eq-sampling-column"""
    joint = v.music[:, None] * noised(v, v.a_t)
    belief = (joint / joint.sum(0)).T  # p(x_0 | x_t)
    x_t = tensor(ROLLS)
    back = np.stack([
        kernel.posterior(x_t, tensor(c).expand_as(x_t), v.a_s, v.a_t, tensor(v.prior)).numpy()
        for c in v.clean
    ])  # fmt: skip  # [clean, x_t, row]
    steps = np.where(ROLLS == 1, back[:, :, None], 1 - back[:, :, None]).prod(-1)
    came = np.einsum("t,tc,cts->s", joint.sum(0), belief, steps)
    assert np.allclose(came, v.music @ noised(v, v.a_s), atol=1e-10)


@given(st.integers(0, 2**31), st.integers(1, 5))
def test_the_bound_is_never_less_than_what_the_chain_pays(seed, T):
    """eq-sampling-bound: all paths of a chain whose beliefs are anything"""
    random = np.random.default_rng(seed)
    levels, prior = schedules.cosine(T).tolist(), random.uniform(0.1, 0.6)
    beliefs = {t: random.uniform(0.05, 0.95, (8, 3)) for t in range(1, T + 1)}
    x = tensor(ROLLS)

    def lit(p):
        """Chances of the eight rolls, from those of their cells (…, 3)."""
        return np.where(ROLLS == 1, p[..., None, :], 1 - p[..., None, :]).prod(-1)

    model = lit(np.full(3, prior))  # p(x_T)
    for t in range(T, 0, -1):
        model = model @ lit(
            kernel.posterior(x, tensor(beliefs[t]), levels[t - 1], levels[t], prior).numpy()
        )
    for roll, paid in zip(ROLLS, -np.log(model)):
        x0 = tensor(roll).expand(8, 3)
        cost = likelihood.prior_term(x0[:1], levels[-1], prior).sum().item()
        for t in range(1, T + 1):
            q = lit(np.asarray(kernel.forward_probability(tensor(roll), levels[t], prior)))
            term = likelihood.step_term(
                tensor(beliefs[t]), x0, x, levels[t - 1], levels[t], prior
            ).sum(-1)
            cost += float(q @ term.numpy())
        assert cost >= paid - 1e-9
