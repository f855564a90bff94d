"""The numbered equations on noise, each by its label: of chapters 01, 03, 04, 05, 14, 16 and 18.

Each is held against plain sums over all that may happen: every walk of a bit, every pattern of its
copies.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, entropy

from binolab.diffusion import kernel, likelihood, schedules

BITS = (0, 1)
RATES = st.lists(st.floats(0.01, 0.9), min_size=1, max_size=6)
CHANCES, LEVELS = st.floats(0.02, 0.98), st.floats(0.05, 0.95)
COPIES = st.integers(1, 6)


def close(value):
    return pytest.approx(value, abs=1e-12)


def tensor(x):
    return torch.as_tensor(x, dtype=torch.float64)


def law(p):
    return np.array([1 - p, p])


def step(beta, rho):
    """Keep the bit, or toss a coin: [bit before, bit after]."""
    return (1 - beta) * np.eye(2) + beta * np.array([law(rho)] * 2)


def walks(rates, rho):
    """Every walk of a bit, and its chance given where it begins."""
    for walk in itertools.product(BITS, repeat=len(rates) + 1):
        steps = zip(rates, itertools.pairwise(walk))
        yield walk, math.prod(step(beta, rho)[a, b] for beta, (a, b) in steps)


def ends(rates, rho):
    """q(x_t | x_0) by adding up the walks: [x_0, x_t]."""
    q = np.zeros((2, 2))
    for walk, chance in walks(rates, rho):
        q[walk[0], walk[-1]] += chance
    return q


def information(joint):
    """Of two things whose joint law is given, in nats."""
    return entropy(joint.ravel(), np.outer(joint.sum(1), joint.sum(0)).ravel())


def h(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def of_patterns(level, rho, n):
    """P(pattern | x_0) of n copies with noise of their own, and the lit ones: (2, 2^n), (2^n,)."""
    q = np.array([level * law(b) + (1 - level) * law(rho) for b in BITS])
    patterns = np.array(list(itertools.product(BITS, repeat=n)))
    return q[:, patterns].prod(-1), patterns


# --- probability ---------------------------------------------------------------------------------


@given(RATES, CHANCES, CHANCES)
def test_total_probability_is_the_average_over_its_cases(rates, rho, note):
    """eq-notation-total"""
    plain = sum(law(note)[walk[0]] * p for walk, p in walks(rates, rho) if walk[-1])
    rest, lit = kernel.forward_probability(tensor(BITS), math.prod(1 - b for b in rates), rho)
    assert (lit * note + rest * (1 - note)).item() == close(plain)


@given(RATES, CHANCES, CHANCES)
def test_what_is_seen_multiplies_the_odds(rates, rho, note):
    """eq-notation-odds"""
    joint = law(note)[:, None] * ends(rates, rho)
    told = kernel.evidence(tensor(BITS), math.prod(1 - b for b in rates), rho).exp().numpy()
    odds = note / (1 - note) * told
    assert odds == pytest.approx(joint[1] / joint[0])
    assert odds / (1 + odds) == pytest.approx(joint[1] / joint.sum(0))


@given(CHANCES, CHANCES)
def test_divergence_is_the_surprise_that_need_not_be(a, b):
    """eq-notation-kl"""
    believed, true = (float(law(a) @ -np.log(law(p))) for p in (b, a))
    found = likelihood.divergence(tensor(a), tensor(b)).item()
    assert found == close(believed - true)
    assert found > 0 if abs(a - b) > 1e-6 else found == pytest.approx(0, abs=1e-9)
    assert likelihood.divergence(tensor(a), tensor(a)).item() == close(0)


# --- one step ------------------------------------------------------------------------------------


@given(RATES, CHANCES, CHANCES)
def test_a_walk_is_a_product_of_steps_without_memory(rates, rho, note):
    """eq-kernel-transition, eq-kernel-joint: each step keeps the bit, or tosses a 0, or a 1"""
    told = dict.fromkeys(itertools.product(BITS, repeat=len(rates) + 1), 0.0)
    for x0, *coins in itertools.product(BITS, *[("kept", 0, 1)] * len(rates)):
        walk, chance = [x0], law(note)[x0]
        for beta, coin in zip(rates, coins):
            walk.append(walk[-1] if coin == "kept" else coin)
            chance *= 1 - beta if coin == "kept" else beta * law(rho)[coin]
        told[*walk] += chance
    assert sum(told.values()) == pytest.approx(1)
    for walk, chance in walks(rates, rho):
        assert told[walk] == close(law(note)[walk[0]] * chance)


@given(st.integers(0, 2**31), LEVELS, CHANCES)
def test_a_step_cuts_the_unit_interval_in_three(seed, beta, rho):
    """eq-kernel-printed, eq-kernel-step, eq-kernel-cuts: the same numbers give the same cells"""
    x = kernel.bernoulli(torch.full((50,), 0.5), torch.Generator().manual_seed(seed + 1))
    for prior, given_prior in ((rho, [rho]), (0.5, [])):
        drawn = kernel.step(x, beta, *given_prior, generator=torch.Generator().manual_seed(seed))
        u = torch.rand(50, generator=torch.Generator().manual_seed(seed)).double()
        cuts = torch.where(u < prior * beta, 1, torch.where(u < prior * beta + 1 - beta, x, 0))
        edge = (u - prior * beta).abs().minimum((u - prior * beta - 1 + beta).abs()) < 1e-6
        assert torch.equal(cuts[~edge], drawn[~edge])
    lengths = {1: rho * beta + 1 - beta, 0: rho * beta}  # of the part that gives a one
    assert all(lengths[b] == close(b * (1 - beta) + rho * beta) for b in BITS)


@given(RATES, CHANCES, CHANCES)
def test_moments_of_a_cell(rates, rho, note):
    """eq-kernel-mean, eq-kernel-variance, eq-kernel-entropy"""
    before, after = (law(note) @ ends(r, rho) for r in (rates[:-1], rates))
    beta, m, m_t = rates[-1], before[1], after[1]
    assert m_t == close((1 - beta) * m + beta * rho)
    assert m_t - rho == close((1 - beta) * (m - rho))
    assert m_t * (1 - m_t) == close(after @ (np.array(BITS) - m_t) ** 2)
    assert h(m_t) == pytest.approx(entropy(after, base=2)) and h(m_t) <= h(0.5) == 1
    far, near = (entropy(law(p), law(rho)) for p in (m, m_t))
    assert near <= (1 - beta) * far + 1e-12  # and so it falls in every step


@given(LEVELS, CHANCES)
def test_noise_looks_the_same_backwards(beta, rho):
    """eq-kernel-balance, and the reverse of the kernel is the kernel"""
    T, pi = step(beta, rho), law(rho)
    flow = pi[:, None] * T
    assert flow == close((1 - beta) * np.diag(pi) + beta * np.outer(pi, pi)) and flow == close(
        flow.T
    )
    assert (flow / flow.sum(0)).T == close(T)
    assert pi @ T == close(pi)


@given(LEVELS, CHANCES, CHANCES, CHANCES)
def test_two_laws_come_nearer_by_one_factor(beta, rho, m, other):
    """eq-kernel-forget"""
    after = [law(p) @ step(beta, rho) for p in (m, other)]
    apart = np.abs(after[0] - after[1]).sum() / 2  # the total variation
    assert apart == close((1 - beta) * abs(m - other))


@given(RATES, CHANCES)
def test_information_of_a_cell(rates, rho):
    """eq-kernel-information, eq-variations-information: entropies less what the joint law says"""
    q, level = ends(rates, rho), math.prod(1 - b for b in rates)
    joint = law(rho)[:, None] * q
    one, zero = level + (1 - level) * rho, (1 - level) * rho
    assert q[:, 1] == close([zero, one]) and joint.sum(0) == close(law(rho))
    found = h(rho) - rho * h(one) - (1 - rho) * h(zero)
    assert found == pytest.approx(information(joint) / math.log(2), abs=1e-9)


# --- many steps ----------------------------------------------------------------------------------


@given(RATES, CHANCES)
def test_equation_8_adds_up_all_walks(rates, rho):
    """eq-eq8-step, eq-eq8-rate, eq-eq8-product, eq-eq8-closed, eq-eq8-distance"""
    alphas = [1 - beta for beta in rates]
    level, q = math.prod(alphas), ends(rates, rho)
    assert kernel.forward_probability(tensor(BITS), alphas[0], rho).numpy() == close(
        [x * (1 - rates[0]) + rho * rates[0] for x in BITS]
    )
    assert kernel.forward_probability(tensor(BITS), level, rho).numpy() == close(q[:, 1])
    assert q[:, 1] == close([rho + level * (x - rho) for x in BITS])


@given(LEVELS, LEVELS, CHANCES)
def test_two_steps_unrolled_line_by_line(first, second, rho):
    """eq-eq8-two: Eq. 7 of the paper"""
    a, a_t = 1 - first, 1 - second
    for x in BITS:
        plain = ends([first, second], rho)[x, 1]
        once = [a * x + (1 - a) * rho, a_t, (1 - a_t) * rho]  # of x_{t-1}; slope; height
        assert sum(law(once[0])[b] * (a_t * b + once[2]) for b in BITS) == close(plain)
        assert once[1] * once[0] + once[2] == close(plain)
        assert a_t * a * x + (1 - a_t * a) * rho == close(plain)
        assert kernel.forward_probability(tensor(x), a_t * a, rho).item() == close(plain)


@given(RATES, CHANCES)
def test_each_step_shrinks_the_distance_to_the_prior(rates, rho):
    """eq-eq8-shrink"""
    for t in range(1, len(rates) + 1):
        before, after = (ends(rates[:n], rho)[:, 1] for n in (t - 1, t))
        assert after - rho == close((1 - rates[t - 1]) * (before - rho))


@given(RATES, st.floats(-2, 2))
def test_a_gaussian_has_a_second_thing_to_get_right(rates, x0):
    """eq-eq8-gaussian: from x_t ~ N(√α_t x_{t-1}, β_t), step by step"""
    mean, variance, level = x0, 0.0, math.prod(1 - beta for beta in rates)
    for beta in rates:
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    assert mean == close(math.sqrt(level) * x0) and variance == close(1 - level)


@given(LEVELS, LEVELS, CHANCES)
def test_steps_are_matrices_that_compose(a, a_t, rho):
    """eq-eq8-matrix, eq-eq8-compose"""
    eye, toss = np.eye(2), np.array([[1 - rho, rho]] * 2)
    q, q_t = (keep * eye + (1 - keep) * toss for keep in (a, a_t))
    assert q == close(ends([1 - a], rho)) and toss @ toss == close(toss)
    assert q @ q_t == close(a * a_t * eye + (a * (1 - a_t) + 1 - a) * toss)
    assert q @ q_t == close(ends([1 - a, 1 - a_t], rho)) and q @ q_t == close(q_t @ q)


@given(RATES, CHANCES)
def test_the_density_of_music_stays(rates, rho):
    """eq-eq8-density"""
    assert (law(rho) @ ends(rates, rho))[1] == close(rho)


@given(RATES)
def test_levels_and_rates_give_each_other(rates):
    """eq-eq8-rates"""
    levels = tensor([math.prod(1 - b for b in rates[:t]) for t in range(len(rates) + 1)])
    assert schedules.beta(levels).numpy() == pytest.approx(rates)


@pytest.mark.parametrize("T", [1, 2, 7, 100])
def test_even_noise_takes_as_many_bits_each_step(T):
    """eq-eq8-linear, in fractions; and schedules.linear is it"""
    level = Fraction(1)
    for t in range(1, T + 1):
        level *= 1 - Fraction(1, T - t + 1)
        assert 1 - level == Fraction(t, T)
        assert schedules.linear(T)[t].item() == close(float(level))


def test_one_claim_by_hand():
    """eq-reproduced-by-hand"""
    assert ends([0.5, 0.2, 0.1], 0.5)[1, 1] == close(0.68)
    assert kernel.forward_probability(tensor(1), 0.36, 0.5).item() == close(0.68)


@given(RATES, CHANCES)
def test_a_step_forward_turned_round_given_x0(rates, rho):
    """eq-quality-turn"""
    rates = [0.3, *rates]  # t ≥ 2
    to_s, to_t = ends(rates[:-1], rho), ends(rates, rho)
    level_s, level_t = (math.prod(1 - b for b in r) for r in (rates[:-1], rates))
    for x0, x_t in itertools.product(BITS, BITS):
        lit = kernel.posterior(tensor(x_t), tensor(x0), level_s, level_t, rho).item()
        for s in BITS:
            turned = law(lit)[s] * to_t[x0, x_t] / to_s[x0, s]
            assert turned == pytest.approx(step(rates[-1], rho)[s, x_t])


# --- copies of a bit -----------------------------------------------------------------------------


@given(LEVELS, CHANCES, COPIES)
def test_copies_vote_by_adding_up_what_each_says(level, rho, n):
    """eq-watching-copies, eq-watching-vote, eq-watching-share, eq-watching-error"""
    chance, patterns = of_patterns(level, rho, n)
    k = patterns.sum(1)
    p1, p0 = level + (1 - level) * rho, (1 - level) * rho
    assert kernel.forward_probability(tensor(BITS), level, rho).numpy() == close([p0, p1])
    votes = k * np.log(p1 / p0) + (n - k) * np.log((1 - p1) / (1 - p0))
    assert votes == pytest.approx(np.log(chance[1] / chance[0]), abs=1e-9)
    assert votes == pytest.approx(kernel.evidence(tensor(patterns), level, rho).sum(1).numpy())
    l1, l0 = np.log(p1 / p0), np.log((1 - p0) / (1 - p1))
    share = l0 / (l1 + l0)
    told = np.abs(votes) > 1e-9  # not a tie
    assert ((k > n * share) == (votes > 0))[told].all()
    least = np.minimum(*chance).sum() / 2  # no rule can lose less
    wrong = (binom.cdf(n * share, n, p1) + binom.sf(n * share, n, p0)) / 2
    assert wrong == pytest.approx(least, abs=1e-9)


@given(CHANCES, st.integers(1, 500))
def test_readability_in_deep_noise_grows_with_the_copies(rho, n):
    """eq-watching-snr: exact counts tend to it where little is left"""
    level = 1e-4 * min(rho, 1 - rho)
    counts = [binom(n, (1 - level) * rho + level * bit) for bit in BITS]
    apart = counts[1].mean() - counts[0].mean()
    assert apart == pytest.approx(n * level, rel=1e-6)
    for count in counts:
        assert apart**2 / count.var() == pytest.approx(n * level**2 / (rho * (1 - rho)), rel=1e-3)


@given(LEVELS, CHANCES, COPIES)
def test_what_copies_say_is_what_their_number_says(level, rho, n):
    """eq-watching-information in nats, eq-variations-copies in bits: by every pattern"""
    chance, patterns = of_patterns(level, rho, n)
    plain = information(law(rho)[:, None] * chance)
    p = np.array([(1 - level) * rho, level + (1 - level) * rho])
    of_count = binom.pmf(np.arange(n + 1), n, p[:, None])  # P(k | m^(b))
    mixed = law(rho) @ of_count
    assert sum(law(rho)[b] * entropy(of_count[b], mixed) for b in BITS) == pytest.approx(plain)
    told = entropy(mixed, base=2) - law(rho) @ [entropy(of_count[b], base=2) for b in BITS]
    assert told == pytest.approx(plain / math.log(2), abs=1e-9)


@given(LEVELS, CHANCES, st.integers(0, 7), st.integers(0, 7))
def test_near_stays_nearer_by_the_square_of_what_is_left(level, rho, x, y):
    """eq-variations-excess: expected distances of three cells, by all pairs of noisy rolls"""
    cells = lambda n: np.array([n >> i & 1 for i in range(3)])  # noqa: E731
    x, y = cells(x), cells(y)
    lit = lambda roll: level * roll + (1 - level) * rho  # noqa: E731

    def apart(a, b):
        rolls = np.array(list(itertools.product(BITS, repeat=3)))
        p, q = (np.where(rolls == 1, lit(r), 1 - lit(r)).prod(1) for r in (a, b))
        return p @ np.abs(rolls[:, None] - rolls).sum(-1) @ q

    excess = apart(x, y) - (apart(x, x) + apart(y, y)) / 2
    assert excess == close(level**2 * np.abs(x - y).sum())
