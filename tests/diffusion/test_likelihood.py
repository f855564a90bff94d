"""The bound against enumeration: every path of a tiny chain, from Eq. 3 alone."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.diffusion import kernel, likelihood, schedules

SEEDS = st.integers(0, 10**6)
PRIORS = st.floats(0.05, 0.95)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def uniform(seed, *shape):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64)


def schedule(seed, T, end=0.0):
    """Any ᾱ that falls from 1 to `end`."""
    middle = uniform(seed, T - 1).sort(descending=True).values * (1 - end) + end
    return torch.cat([torch.ones(1).double(), middle, torch.tensor([end]).double()])


def states(n):
    """All rolls of n cells, (2^n, 1, 1, n)."""
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)
    return every[:, None, None]


def number(x):
    """The place of rolls (B, 1, 1, n) in `states`."""
    return (x.flatten(1) * 2 ** torch.arange(x[0].numel() - 1, -1, -1)).sum(1).long()


class Table:
    """A network without rhyme or reason: an arbitrary answer to each roll at each level."""

    def __init__(self, n, alpha_bar, seed):
        self.alpha_bar, self.n = alpha_bar, n
        self.answers = uniform(seed, len(alpha_bar), 2**n, n) * 0.98 + 0.01

    def __call__(self, x_t, alpha_bar_t, known=None):
        t = (self.alpha_bar.float() - alpha_bar_t[:, None]).abs().argmin(1)
        return self.answers[t, number(x_t)].view(x_t.shape)


class Knowing:
    """The exact P(x_0 | x_t), cell by cell, of any distribution over rolls of n cells."""

    def __init__(self, data, prior):
        self.data, self.prior, self.rolls = data, prior, states(int(math.log2(len(data))))

    def __call__(self, x_t, alpha_bar_t, known=None):
        p = kernel.forward_probability(self.rolls, 1, 0).flatten(1)[None]  # (1, S, n): the bits
        level = alpha_bar_t.double()[:, None, None]
        p = level * p + (1 - level) * self.prior
        bits = x_t.double().flatten(1)[:, None]
        joint = (bits * p + (1 - bits) * (1 - p)).prod(2) * self.data  # (B, S)
        posterior = joint / joint.sum(1, keepdim=True)
        return (posterior @ self.rolls.flatten(1)).view(x_t.shape)


def product(density, prior):
    """`Knowing` for cells that are independent, at any size."""

    def model(x_t, alpha_bar_t, known=None):
        one, zero = kernel.likelihood(x_t.double(), alpha_bar_t, prior)
        return one * density / (one * density + zero * (1 - density))

    return model


# --- the chain by brute force -------------------------------------------------------------------


def jump(alpha_bar, s, t, prior):
    """q(x_t | x_s) for a bit, [x_s, x_t], by multiplying steps."""
    whole = torch.eye(2, dtype=torch.float64)
    for b in schedules.beta(alpha_bar)[s:t].tolist():
        ones = torch.tensor([prior * b, 1 - b + prior * b], dtype=torch.float64)
        whole = whole @ torch.stack([1 - ones, ones], 1)
    return whole


def over_rolls(cell):
    """Chances [from, to] of rolls from the chances [from roll, cell] that each cell is lit."""
    n = cell.shape[1]
    bits = states(n).flatten(1)
    return (bits * cell[:, None] + (1 - bits) * (1 - cell[:, None])).prod(2)


def forward_matrix(n, alpha_bar, s, t, prior):
    return over_rolls(jump(alpha_bar, s, t, prior)[states(n).flatten(1).long(), 1])


def reverse_matrix(model, n, alpha_bar, t, prior):
    """p(x_{t-1} | x_t), [x_t, x_{t-1}]: Bayes' rule on the joint of (x_0, x_{t-1}, x_t)."""
    first, last = jump(alpha_bar, 0, t - 1, prior), jump(alpha_bar, t - 1, t, prior)
    joint = first[:, :, None] * last[None]  # [x_0, x_s, x_t]
    lit = joint[:, 1] / joint.sum(1)  # P(x_s = 1 | x_0, x_t), [x_0, x_t]
    rolls = states(n)
    h = model(rolls, alpha_bar[t].expand(len(rolls)).float()).double().flatten(1)
    now = rolls.flatten(1).long()
    return over_rolls(h * lit[1][now] + (1 - h) * lit[0][now])


def chain(model, n, alpha_bar, prior):
    """(reverse matrices t = 1…T, distribution of x_T) of the model."""
    matrices = [reverse_matrix(model, n, alpha_bar, t, prior) for t in range(1, len(alpha_bar))]
    return matrices, over_rolls(torch.full((1, n), prior, dtype=torch.float64))[0]


def surprise(model, n, alpha_bar, prior):
    """-ln p(x_0) of every roll, (2^n,): the sum over all paths."""
    matrices, p = chain(model, n, alpha_bar, prior)
    for matrix in reversed(matrices):
        p = p @ matrix
    return -p.log()


def path_bound(model, n, alpha_bar, prior):
    """E ln q(x_1 … x_T | x_0) / p(x_0 … x_T) of every x_0, over each path: no ELBO algebra."""
    reverse, last = chain(model, n, alpha_bar, prior)
    S, T = 2**n, len(alpha_bar) - 1
    log_q = torch.zeros([S] * (T + 1), dtype=torch.float64)
    log_p = last.log().view([1] * T + [S]).expand_as(log_q).clone()
    for t in range(1, T + 1):
        shape = [1] * (t - 1) + [S, S] + [1] * (T - t)
        log_q = log_q + forward_matrix(n, alpha_bar, t - 1, t, prior).log().view(shape)
        log_p = log_p + reverse[t - 1].T.log().view(shape)
    q = log_q.exp()
    gain = torch.where(q > 0, q * (log_q - log_p), 0)
    return gain.flatten(1).sum(1)


def terms(model, n, alpha_bar, prior):
    """The same from `prior_term` and `step_term`, over every x_t: what they come to for each x_0.

    And of one draw of them all, for each x_0, the variance and how far the dearest term may be off.
    """
    rolls = states(n)
    mean = likelihood.prior_term(rolls, alpha_bar[-1], prior).flatten(1).sum(1)
    variance, dearest = torch.zeros_like(mean), torch.zeros_like(mean)
    for t in range(1, len(alpha_bar)):
        q = forward_matrix(n, alpha_bar, 0, t, prior)
        h = model(rolls, alpha_bar[t].expand(len(rolls)).float())
        for i, x0 in enumerate(rolls):
            x0 = x0.expand_as(rolls)
            cells = likelihood.step_term(h, x0, rolls, alpha_bar[t - 1], alpha_bar[t], prior)
            cost = cells.flatten(1).sum(1)
            mean[i] += q[i] @ cost
            variance[i] += q[i] @ (cost - q[i] @ cost).square()
            dearest[i] = max(dearest[i], cost.max() - cost.min())
    return mean, variance, dearest


def term_bound(model, n, alpha_bar, prior):
    return terms(model, n, alpha_bar, prior)[0]


def slack(variance, dearest, draws):
    """How far a mean of draws may lie off, but once in 10⁹: Bernstein's inequality.

    Draws are skewed: what is rare costs much, and their own spread does not tell of it where none
    was seen. The true variance and the dearest term do.
    """
    log = math.log(2e9)
    most = dearest / draws * log / 3
    return most + (most**2 + 2 * variance / draws * log) ** 0.5


# --- terms --------------------------------------------------------------------------------------


@given(SEEDS, PRIORS, st.integers(1, 3), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.6]))
@settings(max_examples=10)
def test_terms_add_up_to_the_bound_over_all_paths(seed, prior, n, T, end):
    """eq-quality-jensen, eq-quality-bound"""
    alpha_bar = schedule(seed, T, end)
    model = Table(n, alpha_bar, seed)
    whole = path_bound(model, n, alpha_bar, prior)
    torch.testing.assert_close(term_bound(model, n, alpha_bar, prior), whole, rtol=1e-9, atol=1e-9)
    assert (whole >= surprise(model, n, alpha_bar, prior) - 1e-9).all()


@given(SEEDS, PRIORS)
def test_last_noise_costs_what_it_remembers(seed, prior):
    alpha_bar = float(uniform(seed, 1))
    for bit in (0.0, 1.0):
        q = alpha_bar * bit + (1 - alpha_bar) * prior
        kl = q * math.log(q / prior) + (1 - q) * math.log((1 - q) / (1 - prior))
        cell = likelihood.prior_term(torch.tensor([[bit]]), alpha_bar, prior)
        assert cell.item() == pytest.approx(kl, abs=1e-12)
        assert likelihood.prior_term(torch.tensor([[bit]]), 0, prior).item() == 0


@given(SEEDS)
def test_a_prior_in_single_precision_is_reckoned_with_in_double(seed):
    prior = uniform(seed, 1, 1, 4, 1).float()
    x0, x_t = uniform(seed, 2, 3, 1, 4, 5).round().float()
    assert (likelihood.prior_term(x0, 0.0, prior) == 0).all()
    for cost in (
        lambda p: likelihood.prior_term(x0, 0.4, p),
        lambda p: likelihood.step_term(0.1 + 0.8 * x_t, x0, x_t, 0.7, 0.4, p),
    ):
        torch.testing.assert_close(cost(prior), cost(prior.double()), rtol=1e-12, atol=1e-12)


@given(SEEDS, PRIORS)
def test_at_s_0_the_step_is_the_reconstruction(seed, prior):
    h, alpha_bar_t = uniform(seed, 5, 1, 2, 3), float(uniform(seed + 1, 1))
    x0, x_t = uniform(seed + 2, 2, 5, 1, 2, 3).round()
    cells = likelihood.step_term(h, x0, x_t, 1, alpha_bar_t, prior)
    entropy = torch.nn.functional.binary_cross_entropy(h, x0, reduction="none")
    torch.testing.assert_close(cells, entropy)


@given(SEEDS, PRIORS)
@settings(max_examples=5)
def test_gradient_of_a_step(seed, prior):
    h = (uniform(seed, 4, 1, 2, 3) * 0.98 + 0.01).requires_grad_()
    x0, x_t = uniform(seed + 1, 2, 4, 1, 2, 3).round()
    t = torch.tensor([0.0, 0.2, 0.5, 0.9], dtype=torch.float64)
    s = torch.tensor([0.1, 0.3, 0.6, 1.0], dtype=torch.float64)
    torch.autograd.gradcheck(lambda h: likelihood.step_term(h, x0, x_t, s, t, prior), h)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("s, t", [(0, 1), (1, 2), (500, 501), (999, 1000), (0, 1000), (7, 7)])
def test_sure_answers_are_finite_right_or_wrong(dtype, s, t):
    alpha_bar = schedules.cosine(1000)
    sure = [0.0, 1e-30, 1e-8, 0.5, 1 - 1e-7, 1.0]
    h, x0, x_t = torch.tensor(list(itertools.product(sure, (0, 1), (0, 1))), dtype=dtype).T
    h = h[:, None].requires_grad_()
    cells = likelihood.step_term(h, x0[:, None], x_t[:, None], alpha_bar[s], alpha_bar[t], 0.05)
    cells.sum().backward()
    assert cells.isfinite().all() and h.grad.isfinite().all()
    assert (cells >= -1e-12).all()
    right = (h == x0[:, None]) & (cells > 1e-12)
    assert not right.any()


# --- the estimate -------------------------------------------------------------------------------


@given(SEEDS, PRIORS, st.integers(1, 3), st.integers(2, 4), st.sampled_from([0.0, 0.3]))
@settings(max_examples=10)
def test_draws_agree_with_all_paths(seed, prior, n, T, end):
    alpha_bar = schedule(seed, T, end)
    model, rolls = Table(n, alpha_bar, seed), states(n)
    b = likelihood.bound(
        model, rolls, alpha_bar, prior=prior, draws=300, generator=seeded(seed), batch=4096
    )
    exact = path_bound(model, n, alpha_bar, prior)
    _, variance, dearest = terms(model, n, alpha_bar, prior)
    off = slack(variance, dearest, 300) + 1e-9
    assert ((b.nats - exact).abs() < off).all()
    assert (b.nats > surprise(model, n, alpha_bar, prior) - off).all()
    assert (b.prior > 0).all() if end else (b.prior == 0).all()
    torch.testing.assert_close(b.nats, b.prior + b.steps + b.reconstruction)


@given(SEEDS, PRIORS, st.integers(1, 6))
@settings(max_examples=10)
def test_independent_cells_are_bounded_exactly(seed, prior, T):
    """The reverse chain of a perfect denoiser is then the truth: nothing is lost."""
    density = uniform(seed, 3) * 0.9 + 0.05
    bits = states(3).flatten(1)
    data = (bits * density + (1 - bits) * (1 - density)).prod(1)
    exact = term_bound(Knowing(data, prior), 3, schedule(seed, T), prior)
    torch.testing.assert_close(exact, -data.log(), rtol=1e-5, atol=1e-5)


def test_more_steps_tighten_the_bound_of_a_perfect_denoiser():
    """Cells that depend on each other: the loss is what a step draws at once."""
    data = torch.tensor([0.46, 0.02, 0.02, 0.5], dtype=torch.float64)
    entropy = -(data * data.log()).sum()
    model = Knowing(data, 0.5)
    means = [data @ term_bound(model, 2, schedules.linear(T), 0.5) for T in (1, 2, 4, 8, 16, 64)]
    gaps = torch.stack(means) - entropy
    assert (gaps.diff() < 0).all() and (gaps > 0).all() and gaps[-1] < 0.1 * gaps[0]
    alone = 2 * -(torch.tensor([0.48, 0.52]) * torch.tensor([0.48, 0.52]).log()).sum()
    assert means[0] == pytest.approx(float(alone), rel=1e-3)  # T = 1: each cell by itself


@pytest.mark.parametrize("make", [schedules.linear, schedules.cosine])
def test_a_thousand_steps_in_single_precision(make):
    density, prior = 0.07, 0.05
    x0 = torch.zeros(4, 1, 2, 20)
    x0[..., :3] = 1
    b = likelihood.bound(
        product(density, prior),
        x0,
        make(1000),
        prior=prior,
        draws=2,
        generator=seeded(0),
        batch=2000,
    )
    exact = -(6 * math.log(density) + 34 * math.log(1 - density))
    value, error = b.per_roll
    assert abs(value - exact) < 5 * error and 0 < error < 0.02 * exact


def test_a_subset_of_the_steps_is_unbiased_and_its_error_honest():
    n, copies, prior = 2, 400, 0.3
    alpha_bar = schedule(3, 3)
    alpha_bar = torch.lerp(alpha_bar.repeat_interleave(4)[3:], schedules.linear(12), 0.2)
    alpha_bar[-1] = 0
    assert len(alpha_bar) == 13
    model, x0 = Table(n, alpha_bar, 5), states(n)[1:2].expand(copies, 1, 1, n)
    exact = term_bound(model, n, alpha_bar, prior)[1]
    for steps in (2, 5, 11, 12):
        b = likelihood.bound(
            model,
            x0,
            alpha_bar,
            prior=prior,
            steps=steps,
            draws=6,
            generator=seeded(steps),
            batch=8192,
        )
        value, error = b.per_roll
        assert abs(value - exact) < 4.5 * error
        assert b.error.square().mean() == pytest.approx(float(b.nats.var()), rel=0.35)
        once = likelihood.bound(
            model, x0, alpha_bar, prior=prior, steps=steps, generator=seeded(steps), batch=8192
        )
        assert abs(once.per_roll.value - exact) < 4.5 * once.nats.std() / copies**0.5
        assert once.error.square().mean() > 0.8 * once.nats.var()


def test_the_error_of_one_draw_is_close_where_neighbours_are_alike():
    """All terms cost nearly the same, on every path: only their spread is left to measure."""
    b = likelihood.bound(
        product(0.3, 0.5),
        torch.zeros(2000, 1, 1, 3),
        schedules.linear(60),
        prior=0.5,
        steps=30,
        generator=seeded(0),
        batch=60000,
    )
    assert 0.8 < b.error.square().mean() / b.nats.var() < 1.6


def test_a_seed_settles_everything():
    alpha_bar = schedules.linear(6)
    model, x0 = Table(3, alpha_bar, 0), states(3)
    one, two, other = (
        likelihood.bound(model, x0, alpha_bar, prior=0.4, steps=4, generator=seeded(s)).nats
        for s in (1, 1, 2)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_each_pitch_may_have_its_own_noise():
    density = torch.tensor([0.1, 0.5, 0.8])[:, None]
    prior = density[None, None]
    x0 = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, 1, 0]])[None, None]
    exact = -(x0 * density.log() + (1 - x0) * (1 - density).log()).sum()
    b = likelihood.bound(
        product(density.double(), prior.double()),
        x0,
        schedules.linear(30),
        prior=prior,
        draws=50,
        generator=seeded(0),
        batch=500,
    )
    assert abs(b.per_roll.value - exact) < 5 * b.per_roll.error


def test_logits_are_read_where_there_are_any():
    """A sigmoid in single precision would be 1 here, and a mistake endless."""
    far = SimpleNamespace(logits=lambda x_t, level, known: torch.full_like(x_t, 25.0))
    x0 = torch.zeros(1, 1, 1, 4)
    b = likelihood.bound(far, x0, schedules.linear(1), prior=0.5, draws=2)
    assert b.nats.item() == pytest.approx(100, rel=1e-4)
    assert b.error.item() == 0


# --- cells that are given, and pieces of any length ---------------------------------------------


class Around:
    """A network on the free cells alone, out of one on all cells and the given bits."""

    def __init__(self, model, given):  # given: {cell: bit}
        self.model, self.given = model, given
        self.free = [i for i in range(model.n) if i not in given]

    def __call__(self, x_t, alpha_bar_t, known=None):
        full = torch.zeros(len(x_t), 1, 1, self.model.n, dtype=x_t.dtype)
        full[..., self.free] = x_t
        for cell, bit in self.given.items():
            full[..., cell] = bit
        return self.model(full, alpha_bar_t)[..., self.free]


@pytest.mark.parametrize("bit", [0.0, 1.0])
@pytest.mark.parametrize("word", ["known", "valid"])
def test_given_cells_condition_the_chain(bit, word):
    alpha_bar, prior = schedule(8, 3), 0.35
    model = Table(3, alpha_bar, 8)
    mask = torch.tensor([False, True, False])[None, None, None]
    told = []

    def watch(x_t, alpha_bar_t, known):
        told.append((x_t[..., 1], known[..., 1].all() and not known[..., [0, 2]].any()))
        return model(x_t, alpha_bar_t)

    x0 = states(2)
    full = torch.stack([x0[..., 0], torch.full_like(x0[..., 0], bit), x0[..., 1]], -1)
    cells = {"known": mask} if word == "known" else {"valid": ~mask}
    b = likelihood.bound(
        watch, full, alpha_bar, prior=prior, draws=400, generator=seeded(1), batch=4096, **cells
    )
    seen = bit if word == "known" else 0.0  # padding is silence, whatever stood there
    assert all((bits == seen).all() and right for bits, right in told)
    exact = path_bound(Around(model, {1: seen}), 2, alpha_bar, prior)
    assert ((b.nats - exact).abs() < 5 * b.error).all()
    assert (b.ticks == (3 if word == "known" else 2)).all()


@given(SEEDS, st.integers(1, 23), st.sampled_from([None, 4, 5]))
@settings(max_examples=10)
def test_pieces_of_any_length_in_windows_or_whole(seed, length, window):
    """Independent cells cost the same however they are cut and filled up."""
    density, prior = 0.3, 0.2
    model = product(density, prior)
    model.stride = 3
    rolls = [uniform(seed, 2, n) < density for n in (length, 7)]
    b = likelihood.pieces(
        model,
        rolls,
        schedules.linear(10),
        prior=prior,
        window=window,
        draws=400,
        generator=seeded(seed),
        batch=2**14,
    )
    lit = torch.tensor([r.sum() for r in rolls], dtype=torch.float64)
    cells = torch.tensor([r.numel() for r in rolls])
    exact = -(lit * math.log(density) + (cells - lit) * math.log(1 - density))
    _, (dark, bright), dearest = terms(model, 1, schedules.linear(10), prior)  # of a cell
    variance = lit * bright + (cells - lit) * dark
    assert ((b.nats - exact).abs() < slack(variance, dearest.max(), 400)).all()
    assert b.ticks.tolist() == [length, 7]


def test_pieces_give_the_network_lengths_it_can_take():
    lengths = []

    def model(x_t, alpha_bar_t, known):
        lengths.append(x_t.shape[-1])
        assert (known is None) == (x_t.shape[-1] == 6)  # nothing is filled up: nothing is given
        return torch.full_like(x_t, 0.5)

    model.stride = 6
    rolls = [torch.zeros(2, n) for n in (1, 6, 7)]
    likelihood.pieces(model, rolls[1:2], schedules.linear(2), prior=0.5)
    assert set(lengths) == {6}
    lengths.clear()
    likelihood.pieces(model, rolls[2:], schedules.linear(2), prior=0.5)
    assert set(lengths) == {12}
    lengths.clear()
    likelihood.pieces(model, rolls[:1], schedules.linear(2), prior=0.5, window=24)
    assert set(lengths) == {24}


def test_a_network_that_takes_any_length_sees_the_piece_alone(capsys):
    lengths = []

    def model(x_t, alpha_bar_t, known):
        assert x_t.dtype == torch.float32  # whatever the bits are in
        lengths.append((x_t.shape[-1], known))
        return torch.full_like(x_t, 0.5)

    rolls = [torch.zeros(2, 5, dtype=torch.bool), torch.zeros(2, 7, dtype=torch.float64)]
    b = likelihood.pieces(model, rolls, schedules.linear(2), prior=0.5)
    assert lengths == [(5, None), (7, None)] and b.ticks.tolist() == [5, 7]
    assert capsys.readouterr().err == ""
    likelihood.pieces(model, rolls, schedules.linear(2), prior=0.5, progress=True)
    said = capsys.readouterr().err
    assert "bounding" in said and "piece" in said and "2/2" in said


def test_a_window_is_a_roll_of_its_own():
    shapes = set()

    def model(x_t, alpha_bar_t, known):
        shapes.add(x_t.shape)
        return torch.full_like(x_t, 0.5)

    likelihood.pieces(model, [torch.zeros(2, 7)], schedules.linear(3), prior=0.5, window=3)
    assert shapes == {(9, 1, 2, 3)}  # three windows at each of three levels


def test_the_work_is_done_where_the_rolls_are(monkeypatch):
    """On a device that holds shapes and no numbers, so that this needs no accelerator."""
    monkeypatch.setattr(torch.Tensor, "cpu", lambda t: torch.zeros(t.shape, dtype=t.dtype))
    asked = []

    def model(x_t, alpha_bar_t, known=None):
        asked.extend(a.device.type for a in (x_t, alpha_bar_t, known) if a is not None)
        return torch.full_like(x_t, 0.3)

    x0 = torch.zeros(2, 1, 4, 5, device="meta")
    likelihood.bound(model, x0, schedules.linear(3), prior=0.2, known=x0 > 0)
    likelihood.pieces(
        model, [torch.zeros(4, 5)], schedules.linear(3), prior=0.2, window=8, device="meta"
    )
    likelihood.difficulty(model, x0, prior=0.2, places=2)
    assert len(asked) == 3 + 3 + 2 * 2 and set(asked) == {"meta"}


def test_all_but_what_is_measured_is_named():
    x0, model, alpha_bar = torch.zeros(1, 1, 2, 3), product(0.5, 0.5), schedules.linear(2)
    for call in (
        lambda: likelihood.bound(model, x0, alpha_bar, 0.5),
        lambda: likelihood.pieces(model, x0[0], alpha_bar, 0.5),
        lambda: likelihood.difficulty(model, x0, 0.5),
    ):
        with pytest.raises(TypeError, match="positional"):
            call()


def test_figures_of_a_bound():
    def of(*values):
        return torch.tensor(values, dtype=torch.float64)

    b = likelihood.Bound(of(1, 0), of(2, 10), of(3, 4), of(0.3, 0.4), of(12, 48))
    assert b.nats.tolist() == [6, 14]
    assert b.per_roll == pytest.approx((10, 0.25))
    assert b.per_tick == pytest.approx((20 / 60, 0.5 / 60))
    whole = b.whole()
    assert whole.nats.tolist() == [20] and whole.error.tolist() == [0.5]
    assert whole.ticks.tolist() == [60]
    twice = likelihood.Bound.join([b, whole])
    assert twice.nats.tolist() == [6, 14, 20]


def test_one_line_for_what_is_wrong():
    x0, model = torch.zeros(1, 1, 2, 3), product(0.5, 0.5)
    for bad in (
        {"x0": x0[0]},
        {"alpha_bar": schedules.linear(4)[1:]},
        {"alpha_bar": schedules.linear(4) * 1.1},
        {"steps": 1},
        {"steps": 5},
        {"draws": 0},
    ):
        call = {"x0": x0, "alpha_bar": schedules.linear(4), "prior": 0.5} | bad
        with pytest.raises(ValueError, match=r"a bound needs .* \d ≥ steps ≥ 2; got") as error:
            likelihood.bound(model, **call)
        assert "\n" not in str(error.value)
        assert f"{(*call['x0'].shape,)}, {float(call['alpha_bar'][0])}, " in str(error.value)


@pytest.mark.parametrize("seed", range(8))
def test_difficulty_adds_up_to_the_bound_and_spaces_falling_levels(seed):
    """For independent cells the truth is known: the parts add up to the entropy, T → ∞."""
    density, x0 = 0.3, (torch.rand(400, 1, 4, 6, generator=torch.Generator().manual_seed(1)) < 0.3)

    def model(x_t, alpha_bar_t, known=None):
        one, zero = kernel.likelihood(x_t.double(), alpha_bar_t, 0.2)
        return density * one / (density * one + (1 - density) * zero)

    place, nats = likelihood.difficulty(
        model, x0.float(), prior=0.2, places=24, generator=torch.Generator().manual_seed(seed)
    )
    assert nats.isfinite().all() and (nats >= 0).all()
    p = x0.double().mean().item()
    cost = -24 * (p * math.log(density) + (1 - p) * math.log(1 - density))
    assert nats.sum().item() == pytest.approx(cost, rel=0.1)
    levels = likelihood.spacing(place, nats)
    assert levels[0] == 1 and levels[-1] == 0 and (levels.diff() < 0).all()


def told(level, density, prior):
    """I(x_0; x_t) of a cell in nats, by summing over the four cases."""
    nats = 0.0
    for x_t in (0, 1):
        like = [level * (x_t == x0) + (1 - level) * (prior if x_t else 1 - prior) for x0 in (0, 1)]
        seen = density * like[1] + (1 - density) * like[0]
        nats += sum(p * q * math.log(q / seen) for p, q in zip((1 - density, density), like) if q)
    return nats


def test_each_part_of_the_way_costs_what_it_tells():
    """For independent cells a jump from t to s costs I(x_0; x_s) - I(x_0; x_t), at any place."""
    density, prior, places = 0.25, 0.4, 5
    x0 = (torch.arange(20 * 400) % 4 == 0).float().view(20, 1, 4, 100)
    seen = []

    def model(x_t, alpha_bar_t, known=None):
        seen.append(len(x_t))
        return product(density, prior)(x_t, alpha_bar_t)

    place, nats = likelihood.difficulty(model, x0, prior=prior, places=places, generator=seeded(0))
    assert place.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1]) and nats.shape == (places,)
    found = [told(p**3, density, prior) for p in place.tolist()]
    exact = [400 * (b - a) for a, b in zip(found, found[1:])]
    assert nats.tolist() == pytest.approx(exact, rel=0.25, abs=0.5)
    assert nats.sum().item() == pytest.approx(sum(exact), rel=0.05)
    assert seen == [8, 8, 4] * places  # so many rolls a call, whatever the length of a piece


def test_the_way_is_cut_in_48_parts_where_nothing_else_is_said(capsys):
    place, nats = likelihood.difficulty(product(0.3, 0.2), torch.zeros(1, 1, 2, 3), prior=0.2)
    assert place.shape == (49,) and nats.shape == (48,) and capsys.readouterr().err == ""
    assert place.dtype == nats.dtype == torch.float64
    likelihood.difficulty(product(0.3, 0.2), torch.zeros(1, 1, 2, 3), prior=0.2, progress=True)
    said = capsys.readouterr().err
    assert "measuring" in said and "48/48" in said and "level" in said


@given(
    st.lists(st.floats(0, 9), min_size=1, max_size=20),
    st.integers(2, 60),
    st.sampled_from([None, 0.05, 0.5, 1.0]),
)
def test_spaced_levels_have_as_many_nats_between_each_two(nats, count, even):
    nats = torch.tensor(nats, dtype=torch.float64) + 1e-3
    place = torch.linspace(0, 1, len(nats) + 1, dtype=torch.float64)
    levels = likelihood.spacing(place, nats, count, **({} if even is None else {"even": even}))
    even = 0.15 if even is None else even
    assert levels.shape == (count,) and levels.dtype == torch.float64
    assert levels[0] == 1 and levels[-1] == 0 and (levels.diff() < 0).all()
    for level, left in zip(levels.tolist(), torch.linspace(1, 0, count).tolist()):
        p, below = level ** (1 / 3), 0.0
        for part, cost in enumerate(nats.tolist()):  # the share of all nats that lies below p
            covered = min(max(p * len(nats) - part, 0), 1)
            below += covered * ((1 - even) * cost / nats.sum().item() + even / len(nats))
        assert below == pytest.approx(left, abs=1e-6)


def test_forty_levels_and_the_clean_one_are_the_default():
    assert likelihood.spacing(torch.tensor([0.0, 1.0]).double(), torch.ones(1)).shape == (41,)


def test_how_many_rolls_a_call_and_how_often(capsys):
    seen = []

    def model(x_t, alpha_bar_t, known):
        assert known is None and alpha_bar_t.dtype == torch.float32
        assert not torch.is_grad_enabled()
        seen.append(len(x_t))
        return torch.full_like(x_t, 0.5)

    x0 = torch.zeros(9, 1, 2, 3)
    likelihood.bound(model, x0, schedules.linear(5), prior=0.5)  # every t once, in calls of 32
    assert seen == [32, 13] and capsys.readouterr().err == ""
    seen.clear()
    likelihood.bound(
        model, x0, schedules.linear(5), prior=0.5, steps=2, draws=3, batch=20, progress=True
    )
    said = capsys.readouterr().err
    assert seen == [20, 20, 14] and "bounding" in said and "3/3" in said and "call" in said


@pytest.mark.filterwarnings("ignore:var")  # of one draw
def test_a_chain_of_one_step_has_one_term_and_with_one_draw_no_error():
    b = likelihood.bound(product(0.3, 0.5), torch.zeros(4, 1, 1, 3), schedules.linear(1), prior=0.5)
    assert b.nats.tolist() == pytest.approx([-3 * math.log(0.7)] * 4)
    assert (b.steps == 0).all() and b.error.isnan().all()
