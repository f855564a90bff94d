"""The kernel against brute force: every identity is recomputed from Eq. 3 alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.diffusion import kernel, schedules

SCHEDULES = st.sampled_from(
    [schedules.linear(7), schedules.linear(100), schedules.cosine(10), schedules.power(12, 3)]
)
PRIORS = st.floats(0.01, 0.99)


@st.composite
def any_schedule(draw):
    """ᾱ from arbitrary step rates: 1 = ᾱ_0 ≥ ᾱ_1 ≥ … > 0."""
    rates = draw(st.lists(st.floats(0, 0.9), min_size=1, max_size=12))
    kept = torch.cumprod(1 - torch.tensor(rates, dtype=torch.float64), 0)
    return torch.cat([torch.ones(1, dtype=torch.float64), kept])


def matrix(beta, prior):
    """Eq. 3 as a 2×2 matrix: [x_{t-1}, x_t] -> probability."""
    one = [x * (1 - beta) + prior * beta for x in (0, 1)]
    return torch.tensor([[1 - p, p] for p in one], dtype=torch.float64)


def jump(alpha_bar, s, t, prior):
    """q(x_t | x_s) by multiplying the steps between, never by Eq. 8."""
    whole = torch.eye(2, dtype=torch.float64)
    for beta in schedules.beta(alpha_bar)[s:t].tolist():
        whole = whole @ matrix(beta, prior)
    return whole


def bits(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 10, 100, 1000])
@pytest.mark.parametrize("make", [schedules.linear, schedules.cosine, schedules.power])
def test_schedules_fall_from_one_to_zero(make, T):
    alpha_bar = make(T)
    assert alpha_bar.shape == (T + 1,) and alpha_bar.dtype == torch.float64
    assert alpha_bar[0] == 1 and alpha_bar[-1] == 0
    assert (alpha_bar[1:] < alpha_bar[:-1]).all()


@pytest.mark.parametrize("T", [1, 2, 10, 100, 1000])
def test_the_linear_schedule_is_that_of_sohl_dickstein(T):
    t = torch.arange(1, T + 1, dtype=torch.float64)
    beta = schedules.beta(schedules.linear(T))
    torch.testing.assert_close(beta, 1 / (T - t + 1), rtol=1e-9, atol=0)
    torch.testing.assert_close(1 - schedules.linear(T)[1:], t / T, rtol=1e-12, atol=0)


def test_schedules_by_hand():
    assert schedules.power(4, 2).tolist() == [1, 9 / 16, 1 / 4, 1 / 16, 0]
    torch.testing.assert_close(schedules.cosine(4)[2].item(), 0.5)
    assert torch.equal(schedules.power(9, 1), schedules.linear(9))


def test_the_paper_s_hundred_steps_are_the_default():
    assert torch.equal(schedules.linear(), schedules.linear(100))
    assert torch.equal(schedules.power(), schedules.power(100, 2))
    assert torch.equal(schedules.cosine(), schedules.cosine(100))
    torch.testing.assert_close(schedules.spaced(), schedules.linear(100), rtol=0, atol=1e-15)


EVERY = schedules.linear, schedules.cosine, schedules.power, schedules.spaced


@pytest.mark.parametrize("make", EVERY)
def test_a_whole_number_of_steps_may_be_written_as_a_float(make):
    assert torch.equal(make(4.0), make(4)) and make(4.0).dtype == torch.float64


@pytest.mark.parametrize("T", [0, -3, 2.5])
def test_a_schedule_needs_whole_steps(T):
    for make in (schedules.linear, schedules.cosine, schedules.power):
        with pytest.raises(ValueError, match="whole number of steps"):
            make(T)


@given(st.integers(1, 200), st.data())
def test_respaced_steps_keep_both_ends_and_never_repeat(T, data):
    steps = data.draw(st.integers(1, T))
    alpha_bar = schedules.cosine(T)
    kept, levels = schedules.respace(alpha_bar, steps)
    assert len(kept) == steps + 1 and kept[0] == 0 and kept[-1] == T
    gaps = kept.diff()
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1  # as even as whole numbers can be
    for i, t in enumerate(kept.tolist()):  # each is the whole number next to its even place
        assert abs(2 * steps * t - 2 * i * T) <= steps
    assert torch.equal(levels, alpha_bar[kept])
    if steps == T:
        assert torch.equal(levels, alpha_bar)


@pytest.mark.parametrize("steps", [0, -1, 11, 2.5])
def test_respacing_to_no_or_too_many_steps_is_refused(steps):
    with pytest.raises(ValueError, match="steps"):
        schedules.respace(schedules.linear(10), steps)


# --- Eq. 8 is Eq. 3, composed --------------------------------------------------------------------


@given(any_schedule(), PRIORS)
def test_equation_8_is_the_product_of_the_steps(alpha_bar, prior):
    for t in range(len(alpha_bar)):
        whole = jump(alpha_bar, 0, t, prior)
        found = kernel.forward_probability(bits(0, 1), alpha_bar[t], prior)
        torch.testing.assert_close(found, whole[:, 1], rtol=0, atol=1e-12)


@given(SCHEDULES, PRIORS)
def test_equation_8_holds_on_the_schedules_that_ship(alpha_bar, prior):
    t = len(alpha_bar) - 1
    for t in (1, t // 2, t):
        found = kernel.forward_probability(bits(0, 1), alpha_bar[t], prior)
        whole = jump(alpha_bar, 0, t, prior)
        torch.testing.assert_close(found, whole[:, 1], rtol=0, atol=1e-12)


@given(any_schedule(), PRIORS, st.floats(0, 1))
def test_equation_8_averages_over_an_uncertain_x0(alpha_bar, prior, h):
    zero, one, mean = kernel.forward_probability(bits(0, 1, h), alpha_bar[-1], prior)
    torch.testing.assert_close(mean, h * one + (1 - h) * zero)


@pytest.mark.parametrize("prior", [0.5, 0.07])
def test_equation_8_by_monte_carlo(prior):
    """n chains of Eq. 3; each mean lies within 4.5 standard errors, as 1 in 150,000 would not."""
    n, generator = 40_000, torch.Generator().manual_seed(3)
    alpha_bar = schedules.linear(10)
    x0 = bits(0, 1).float()[:, None].expand(2, n)
    x = x0
    for t, rate in enumerate(schedules.beta(alpha_bar).tolist(), start=1):
        x = kernel.step(x, rate, prior, generator)
        at_once = kernel.forward(x0, alpha_bar[t], prior, generator)
        for start in (0, 1):
            p = jump(alpha_bar, 0, t, prior)[start, 1].item()
            bound = 4.5 * math.sqrt(p * (1 - p) / n)
            assert abs(x[start].mean().item() - p) <= bound, (t, start)
            assert abs(at_once[start].mean().item() - p) <= bound, (t, start)


def test_levels_may_differ_along_the_batch():
    x = torch.ones(3, 1, 4, 5)
    p = kernel.forward_probability(x, torch.tensor([1.0, 0.5, 0.0]), 0.2)
    assert p.shape == x.shape
    torch.testing.assert_close(p[:, 0, 0, 0], torch.tensor([1.0, 0.6, 0.2]))
    assert (p == p[:, :, :1, :1]).all()


def test_level_one_changes_nothing_and_level_zero_forgets_all():
    generator = torch.Generator().manual_seed(0)
    x = kernel.bernoulli(torch.full((2, 1, 30, 40), 0.3), generator)
    assert torch.equal(kernel.forward(x, 1.0, 0.5, generator), x)
    assert torch.equal(kernel.step(x, 0.0, 0.5, generator), x)
    assert kernel.forward(x, 0.0, 0.0, generator).sum() == 0
    assert kernel.step(x, 1.0, 1.0, generator).mean() == 1


def test_draws_follow_the_seed():
    p = torch.full((20, 20), 0.5)
    a, b, c = (kernel.bernoulli(p, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert set(a.unique().tolist()) == {0.0, 1.0}


def test_a_chance_of_nought_is_never_and_of_one_always(monkeypatch):
    """Even where the uniform number is the least that can be drawn, or the greatest."""
    for uniform in (0.0, 1 - 2**-24):
        monkeypatch.setattr(torch, "rand", lambda *shape, u=uniform, **_: torch.full(*shape, u))
        assert kernel.bernoulli(torch.tensor([0.0, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_keep_their_precision(dtype):
    x = torch.ones(2, 1, 3, 4, dtype=dtype)
    level = torch.tensor([0.1, 0.9], dtype=torch.float64)
    for made in (
        kernel.step(x, level),
        kernel.forward(x, level),
        kernel.forward_probability(x, level),
        kernel.posterior(x, x, level + 0.05, level),
        kernel.evidence(x, level),
        kernel.leave_one_out(x / 2, x, level),
        kernel.bernoulli(x),
    ):
        assert made.dtype == dtype and made.shape == x.shape
    exact = kernel.forward_probability(x.double(), level)[:, 0, 0, 0].tolist()
    assert exact == [0.1 + 0.9 * 0.5, 0.9 + (1 - 0.9) * 0.5]


@pytest.mark.parametrize("level", [0.4, torch.tensor([0.2, 0.4, 0.6])])
def test_the_work_is_done_where_the_bits_are(level):
    """On a device that holds shapes and no numbers, so that this needs no accelerator."""
    x = torch.ones(3, 1, 4, 5, device="meta")
    for made in (
        kernel.step(x, level),
        kernel.forward(x, level),
        kernel.bernoulli(x),
        kernel.posterior(x, x, 0.9, level),
        kernel.leave_one_out(x, x, level),
    ):
        assert made.device.type == "meta" and made.shape == x.shape


def test_half_noise_is_the_default():
    x = bits(0, 1)
    for found, same in (
        (kernel.forward_probability(x, 0.3), kernel.forward_probability(x, 0.3, 0.5)),
        (kernel.posterior(x, 1 - x, 0.6, 0.3), kernel.posterior(x, 1 - x, 0.6, 0.3, 0.5)),
        (kernel.evidence(x, 0.3), kernel.evidence(x, 0.3, 0.5)),
        (kernel.leave_one_out(x / 3, x, 0.3), kernel.leave_one_out(x / 3, x, 0.3, 0.5)),
        (torch.stack(kernel.likelihood(x, 0.3)), torch.stack(kernel.likelihood(x, 0.3, 0.5))),
    ):
        assert torch.equal(found, same)
    nothing = torch.zeros(1000)
    for draw in (kernel.step, kernel.forward):
        one, two = (
            draw(nothing, 0.3, *prior, generator=torch.Generator().manual_seed(0))
            for prior in ((), (0.5,))
        )
        assert torch.equal(one, two)


# --- the posterior, enumerated -------------------------------------------------------------------


def enumerated(alpha_bar, s, t, prior, x0, x_t):
    """q(x_s = 1 | x_t, x_0) from the joint over x_s, with products of Eq. 3 only."""
    joint = [
        jump(alpha_bar, 0, s, prior)[x0, x_s] * jump(alpha_bar, s, t, prior)[x_s, x_t]
        for x_s in (0, 1)
    ]
    return (joint[1] / (joint[0] + joint[1])).item()


@given(any_schedule(), PRIORS, st.data())
def test_the_posterior_is_bayes_rule_for_any_jump(alpha_bar, prior, data):
    t = data.draw(st.integers(1, len(alpha_bar) - 1))
    s = data.draw(st.integers(0, t - 1))
    for x0, x_t in itertools.product((0, 1), repeat=2):
        if jump(alpha_bar, 0, t, prior)[x0, x_t] == 0:
            continue  # cannot happen, so there is nothing to compare
        found = kernel.posterior(bits(x_t), bits(x0), alpha_bar[s], alpha_bar[t], prior)
        expected = enumerated(alpha_bar, s, t, prior, x0, x_t)
        assert abs(found.item() - expected) < 1e-9


@pytest.mark.parametrize("make", [schedules.linear, schedules.cosine, schedules.power])
def test_the_posterior_on_every_pair_of_steps(make):
    alpha_bar, prior = make(6), 0.07
    for s, t in itertools.combinations(range(7), 2):
        for x0, x_t in itertools.product((0, 1), repeat=2):
            found = kernel.posterior(bits(x_t), bits(x0), alpha_bar[s], alpha_bar[t], prior)
            expected = enumerated(alpha_bar, s, t, prior, x0, x_t)
            assert abs(found.item() - expected) < 1e-12, (s, t, x0, x_t)


@given(any_schedule(), st.lists(PRIORS, min_size=3, max_size=3), st.integers(0, 2**12 - 1))
def test_the_posterior_takes_a_prior_for_each_pitch(alpha_bar, priors, pattern):
    cells = torch.tensor([pattern >> i & 1 for i in range(12)], dtype=torch.float64)
    x_t, x0 = cells.view(2, 1, 1, 3, 2).unbind(0)
    s, t = (len(alpha_bar) - 1) // 2, len(alpha_bar) - 1
    if s == t or (alpha_bar[t] == 1):
        return
    found = kernel.posterior(x_t, x0, alpha_bar[s], alpha_bar[t], bits(*priors)[:, None])
    for row, tick in itertools.product(range(3), range(2)):
        at = (0, 0, row, tick)
        expected = enumerated(alpha_bar, s, t, priors[row], int(x0[at]), int(x_t[at]))
        assert abs(found[at].item() - expected) < 1e-9


@given(any_schedule(), PRIORS, st.floats(0, 1), st.sampled_from([0.0, 1.0]))
def test_a_probable_x0_gives_the_average_of_the_two_posteriors(alpha_bar, prior, h, x_t):
    s, t = len(alpha_bar) // 2 - 1, len(alpha_bar) - 1
    levels = (alpha_bar[max(s, 0)], alpha_bar[t], prior)
    zero, one, mean = kernel.posterior(bits(x_t, x_t, x_t), bits(0, 1, h), *levels)
    torch.testing.assert_close(mean, h * one + (1 - h) * zero)


@given(SCHEDULES, PRIORS)
def test_the_posterior_carries_the_marginals_of_equation_8_back(alpha_bar, prior):
    """Σ over x_t of q(x_t | x_0) q(x_s | x_t, x_0) = q(x_s | x_0)."""
    T = len(alpha_bar) - 1
    for s, t in ((0, T), (T // 2, T), (T // 2, T // 2 + 1)):
        for x0 in (0.0, 1.0):
            at_t = kernel.forward_probability(bits(x0), alpha_bar[t], prior)
            back = sum(
                weight * kernel.posterior(bits(x_t), bits(x0), alpha_bar[s], alpha_bar[t], prior)
                for x_t, weight in ((1.0, at_t), (0.0, 1 - at_t))
            )
            expected = kernel.forward_probability(bits(x0), alpha_bar[s], prior)
            torch.testing.assert_close(back, expected, rtol=0, atol=1e-12)


def test_the_posterior_of_a_clean_roll_is_the_roll_and_never_nan():
    for x_t, x0 in itertools.product((0.0, 1.0), repeat=2):
        assert kernel.posterior(bits(x_t), bits(x0), 1.0, 0.3, 0.2).item() == x0
        impossible = kernel.posterior(bits(x_t), bits(x0), 1.0, 1.0, 0.2)
        assert torch.isfinite(impossible).all()


# --- evidence ------------------------------------------------------------------------------------


@given(any_schedule(), PRIORS)
def test_likelihood_is_a_column_of_the_product_of_the_steps(alpha_bar, prior):
    one, zero = kernel.likelihood(bits(0, 1), alpha_bar[-1], prior)
    whole = jump(alpha_bar, 0, len(alpha_bar) - 1, prior)
    torch.testing.assert_close(torch.stack([zero, one]), whole, rtol=0, atol=1e-12)


def test_evidence_is_zero_in_noise_and_boundless_on_clean_bits():
    assert torch.equal(kernel.evidence(bits(0, 1), 0.0, 0.3), bits(0, 0))
    assert kernel.evidence(bits(0, 1), 1.0, 0.3).tolist() == [-math.inf, math.inf]


@given(st.lists(st.floats(0.01, 1), min_size=8, max_size=8), st.floats(0.02, 0.98), PRIORS)
def test_leaving_one_out_and_adding_its_evidence_is_bayes_rule(weights, level, prior):
    """On every joint distribution over three cells, and for every x_t."""
    joint = torch.tensor(weights, dtype=torch.float64).view(2, 2, 2)
    joint /= joint.sum()
    for x_t in itertools.product((0.0, 1.0), repeat=3):
        one, zero = kernel.likelihood(bits(*x_t), level, prior)
        seen = torch.stack([zero, one])  # [x_0 of a cell, cell]

        def odds(cell, cells):
            """Log-odds of a clean cell given the noisy `cells`, by summing over all of x_0."""
            weight = joint.clone()
            for other in cells:
                shape = [1, 1, 1]
                shape[other] = 2
                weight = weight * seen[:, other].view(shape)
            dark, lit = weight.sum([d for d in range(3) if d != cell])
            return (lit / dark).log()

        for cell in range(3):
            others = [c for c in range(3) if c != cell]
            evidence = kernel.evidence(bits(x_t[cell]), level, prior)[0]
            torch.testing.assert_close(
                odds(cell, range(3)), odds(cell, others) + evidence, rtol=0, atol=1e-9
            )


# --- measured schedules and leave-one-out --------------------------------------------------------


# Thousandths: between two levels one rounding apart there is no room for steps that still fall.
@given(st.lists(st.integers(1, 999), max_size=8, unique=True), st.integers(1, 60))
def test_a_spaced_schedule_passes_through_its_levels(inner, T):
    levels = [1.0, *(thousandths / 1000 for thousandths in sorted(inner, reverse=True)), 0.0]
    alpha_bar = schedules.spaced(T, levels)
    assert alpha_bar.shape == (T + 1,) and alpha_bar[0] == 1 and alpha_bar[-1] == 0
    assert (alpha_bar.diff() < 0).all()
    places = np.linspace(0, len(levels) - 1, T + 1)
    plain = np.interp(places, np.arange(len(levels)), levels)
    np.testing.assert_allclose(alpha_bar.numpy(), plain, atol=1e-12)


@pytest.mark.parametrize("levels", [[1.0], [1.0, 0.5], [0.9, 0.0], [1.0, 0.5, 0.5, 0.0]])
def test_levels_that_do_not_fall_from_one_to_zero_are_refused(levels):
    with pytest.raises(ValueError, match="fall from 1 to 0"):
        schedules.spaced(4, levels)


@given(st.floats(0.02, 0.98), st.floats(0.05, 0.95), PRIORS, st.sampled_from([0.0, 1.0]))
def test_leaving_a_cell_out_divides_its_own_evidence_away(h, level, prior, x_t):
    others = kernel.leave_one_out(torch.tensor([h]), torch.tensor([x_t]), level, prior).item()
    one, zero = (e.item() for e in kernel.likelihood(torch.tensor([x_t]), level, prior))
    back = others * one / (others * one + (1 - others) * zero)
    assert back == pytest.approx(h, abs=1e-4)
