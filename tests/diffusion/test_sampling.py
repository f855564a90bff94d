"""Samplers against closed forms: what a perfect denoiser must give, and what it must not."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.diffusion import kernel, sampling, schedules

SAMPLERS = {
    "naive": (sampling.naive, {}),
    "xor fresh": (sampling.xor_mask, {}),
    "xor nested": (sampling.xor_mask, {"nested": True}),
    "posterior": (sampling.posterior, {}),
    "posterior refreshed": (sampling.posterior, {"refresh": 0.4}),
    "posterior all fresh": (sampling.posterior, {"refresh": 1.0}),
    "gibbs": (sampling.gibbs, {"corrections": 1, "share": 0.3}),
}
EACH = pytest.mark.parametrize("name", SAMPLERS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def run(name, model, x_T, alpha_bar, **options):
    sampler, own = SAMPLERS[name]
    return sampler(model, x_T, alpha_bar, **(own | options))


def certain(x0):
    """A denoiser that knows the answer."""
    return lambda x_t, alpha_bar_t, known=None: x0.expand_as(x_t).clone()


def unsure(p=0.3):
    return lambda x_t, alpha_bar_t, known=None: torch.full_like(x_t, p)


def contrary(x_t, alpha_bar_t, known=None):
    """A denoiser that reads x_t, and more often than not says the opposite."""
    return 0.8 - 0.6 * x_t


def path(sampler, model, x_T, alpha_bar, **options):
    """Every x_t and x̂_0 on the way: a roll's last step forgets how it came there."""
    seen = []
    sampler(model, x_T, alpha_bar, callback=lambda t, *both: seen.extend(both), **options)
    return torch.stack(seen)


# --- marginals: with x̂_0 = x_0 every sampler walks down Eq. 8 ------------------------------------


@EACH
@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_with_the_true_x0_every_level_has_the_marginal_of_equation_8(name, prior):
    n, alpha_bar = 30_000, schedules.power(6, 2)
    x0 = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n)
    seen = {}
    generator = seeded(5)
    x_T = sampling.noise(x0.shape, prior, generator)
    end = run(name, certain(x0), x_T, alpha_bar, prior=prior, generator=generator,
              callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}))
    assert sorted(seen) == list(range(7))
    for t, x_t in seen.items():
        for bit in (0, 1):
            p = alpha_bar[t].item() * bit + (1 - alpha_bar[t].item()) * prior
            bound = 4.5 * math.sqrt(p * (1 - p) / n)  # 1 in 150,000 would miss it
            assert abs(x_t[0, 0, bit].mean().item() - p) <= bound + 1e-7, (t, bit)
    assert torch.equal(end, x0)  # the last step leaves no noise


@EACH
def test_from_any_level_down_the_marginal_is_still_that_of_equation_8(name):
    """As `vary` begins: x_T is a roll with the noise of a middle level."""
    n, prior, alpha_bar = 30_000, 0.2, schedules.linear(8)[:6]
    x0 = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n)
    generator = seeded(6)
    x_T = kernel.forward(x0, alpha_bar[-1], prior, generator)
    seen = {}
    run(name, certain(x0), x_T, alpha_bar, prior=prior, generator=generator,
        callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}))
    for t, x_t in seen.items():
        for bit in (0, 1):
            p = alpha_bar[t].item() * bit + (1 - alpha_bar[t].item()) * prior
            bound = 4.5 * math.sqrt(p * (1 - p) / n)
            assert abs(x_t[0, 0, bit].mean().item() - p) <= bound + 1e-7, (t, bit)


def steps_of(name, seed=0):
    """The masks of Algorithm 1: where x_t differs from a true x_0 of zeros, for t = T … 0."""
    x0, seen, generator = torch.zeros(1, 1, 20, 50), [], seeded(seed)
    x_T = sampling.noise(x0.shape, 0.5, generator)
    run(name, certain(x0), x_T, schedules.linear(20), prior=0.5, generator=generator,
        callback=lambda t, x_t, x0_hat: seen.append(x_t > 0))
    return seen


def test_nested_masks_truly_shrink_and_fresh_ones_do_not():
    nested, fresh = steps_of("xor nested"), steps_of("xor fresh")
    assert all((b <= a).all() for a, b in zip(nested, nested[1:]))
    assert not all((b <= a).all() for a, b in zip(fresh, fresh[1:]))
    assert all((x <= fresh[0]).all() for x in fresh)  # yet only x_T's own noise ever returns


def test_the_posterior_keeps_a_noise_bit_that_it_dropped_out():
    """With x_0 = 0 a lit cell can only go out: its posterior needs noise that x_t does not show."""
    first, *rest = steps_of("posterior")
    alive = [first, *rest]
    assert all(b.sum() <= a.sum() + 200 for a, b in zip(alive, alive[1:]))
    assert not alive[-1].any()


def test_refreshing_every_cell_is_the_naive_sampler():
    """Same distribution after one step, cell by cell, for any x_t and an unsure network."""
    n, prior, alpha_bar = 60_000, 0.3, schedules.linear(4)[:3]
    x_T = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n).contiguous()
    means = {}
    for name in ("naive", "posterior all fresh", "posterior"):
        seen = {}
        run(name, unsure(0.6), x_T, alpha_bar, prior=prior, generator=seeded(7),
            callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}))
        means[name] = seen[1][0, 0].mean(-1)
    exact = 0.75 * 0.6 + 0.25 * prior
    bound = 4.5 * math.sqrt(exact * (1 - exact) / n)
    assert (means["naive"] - exact).abs().max() < bound
    assert (means["posterior all fresh"] - exact).abs().max() < bound
    assert (means["posterior"] - exact).abs().max() > 10 * bound  # the posterior remembers x_t


# --- a perfect denoiser on a few templates, one of them silent ------------------------------------

TEMPLATES = 8  # so the true rate of silence is 1 / 8
SAMPLES = 4000


@pytest.fixture(scope="module")
def toy():
    """(templates (K, cells), ρ, model): P(x_0 = 1 | x_t) by Bayes' rule over the templates."""
    templates = (torch.rand(TEMPLATES, 96, generator=seeded()) < 0.1).float()
    templates[0] = 0
    prior = templates.mean().item()

    def model(x_t, alpha_bar_t, known=None):
        level, cells = alpha_bar_t[0].item(), x_t.flatten(1)
        lit = level * templates + (1 - level) * prior  # q(x_t = 1 | template)
        log_weight = cells @ lit.log().T + (1 - cells) @ (1 - lit).log().T
        return (log_weight.softmax(1) @ templates).view_as(x_t)

    return templates, prior, model


def histogram(toy, name, steps, **options):
    """Share of samples that are each template. (K,)"""
    templates, prior, model = toy
    generator = seeded(1)
    x_T = sampling.noise((SAMPLES, 1, 8, 12), prior, generator)
    x = run(name, model, x_T, schedules.linear(steps), prior=prior, generator=generator, **options)
    return (x.flatten(1)[:, None] == templates).all(-1).float().mean(0)


ERROR = 4.5 * math.sqrt(7 / 8 / 8 / SAMPLES)  # .0235 about .125


def test_the_exact_posterior_has_the_true_distribution(toy):
    found = histogram(toy, "posterior", 100)
    assert found.sum() > 0.999  # every sample is a template, whole
    assert (found - 1 / TEMPLATES).abs().max() < ERROR


def test_few_steps_cost_the_posterior_little(toy):
    found = histogram(toy, "posterior", 10)
    assert found.sum() > 0.98 and abs(found[0] - 1 / TEMPLATES) < 2 * ERROR


@pytest.mark.parametrize("name", ["naive", "xor fresh", "xor nested"])
def test_thresholding_goes_silent_too_often(toy, name):
    assert histogram(toy, name, 10, bit="threshold")[0] > 1 / TEMPLATES + 5 * ERROR


def test_more_steps_do_not_save_algorithm_1_with_a_threshold(toy):
    assert histogram(toy, "xor fresh", 60, bit="threshold")[0] > 1 / TEMPLATES + 5 * ERROR


@pytest.mark.parametrize("name", ["naive", "xor fresh", "xor nested"])
def test_drawing_without_the_posterior_is_silent_too_seldom(toy, name):
    found = histogram(toy, name, 60)
    assert found.sum() > 0.99 and found[0] < 1 / TEMPLATES - ERROR


# --- known cells, seeds, the callback, wrong words -----------------------------------------------


@EACH
@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**31), share=st.floats(0, 1), bit=st.sampled_from(["draw", "threshold"])
)
def test_known_cells_come_back_untouched_and_are_seen_clean(name, seed, share, bit):
    generator = seeded(seed)
    known = torch.rand(2, 1, 5, 12, generator=generator) < share
    x_known = sampling.noise(known.shape, 0.5, generator)
    x_T = sampling.noise(known.shape, 0.5, generator)

    def model(x_t, alpha_bar_t, mask):
        assert torch.equal(x_t[known], x_known[known]) and torch.equal(mask, known)
        return 1 - x_known.clamp(0.1, 0.9)  # contradicts every known cell

    def callback(t, x_t, x0_hat):
        assert torch.equal(x_t[known], x_known[known])
        assert torch.equal(x0_hat[known], x_known[known])

    found = run(name, model, x_T, schedules.linear(4), prior=0.3, known=known, x_known=x_known,
                bit=bit, generator=generator, callback=callback)
    assert torch.equal(found[known], x_known[known])
    assert set(found.unique().tolist()) <= {0.0, 1.0}


@EACH
def test_the_seed_decides_the_roll(name):
    def once(seed):
        generator = seeded(seed)
        x_T = sampling.noise((2, 1, 8, 24), 0.3, generator)
        return run(name, contrary, x_T, schedules.linear(5), prior=0.3, generator=generator)

    torch.manual_seed(0)
    first = once(1)
    torch.manual_seed(99)  # the global state plays no part
    assert torch.equal(first, once(1)) and not torch.equal(first, once(2))


@EACH
def test_the_callback_sees_each_step_and_changes_nothing(name):
    alpha_bar, calls, levels = schedules.cosine(7), [], []

    def model(x_t, alpha_bar_t, known=None):
        assert alpha_bar_t.shape == (3,) and known is None and not torch.is_grad_enabled()
        levels.append(alpha_bar_t[0].item())
        return torch.full_like(x_t, 0.4)

    def once(callback):
        generator = seeded(4)
        x_T = sampling.noise((3, 1, 4, 6), 0.3, generator)
        x = run(name, model, x_T, alpha_bar, prior=0.3, generator=generator, callback=callback)
        return x_T, x

    x_T, x = once(lambda *seen: calls.append(seen))
    assert [t for t, _, _ in calls] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert torch.equal(calls[0][1], x_T)
    assert torch.equal(calls[-1][1], x) and torch.equal(calls[-1][2], x)
    assert all(set(c.unique().tolist()) <= {0.0, 1.0} for _, *both in calls for c in both)
    visited = list(dict.fromkeys(levels))  # a correction asks again at the level it is on
    torch.testing.assert_close(visited, alpha_bar.flip(0)[:-1].tolist(), rtol=1e-6, atol=1e-7)
    assert torch.equal(once(None)[1], x)


@EACH
def test_one_step_is_enough_to_end_in_bits(name):
    x_T = sampling.noise((1, 1, 4, 6), 0.3, seeded())
    x0 = sampling.noise((1, 1, 4, 6), 0.5, seeded(1))
    assert torch.equal(run(name, certain(x0), x_T, schedules.linear(1), prior=0.3), x0)


@EACH
@pytest.mark.parametrize("bit", ["round", "", "thresholds"])
def test_an_unknown_rule_for_bits_is_refused(name, bit):
    with pytest.raises(ValueError, match="draw or threshold"):
        run(name, unsure(), torch.zeros(1, 1, 4, 6), schedules.linear(2), bit=bit)


def test_a_probability_becomes_a_bit_by_either_rule():
    p = torch.tensor([0.0, 0.49, 0.5, 1.0])
    assert sampling.to_bit(p, "threshold").tolist() == [0, 0, 1, 1]
    drawn = sampling.to_bit(p.expand(20_000, 4), "draw", seeded()).mean(0)
    assert drawn[0] == 0 and drawn[3] == 1
    assert (drawn[1:3] - p[1:3]).abs().max() < 4.5 * 0.5 / math.sqrt(20_000)


def test_noise_has_a_density_for_each_pitch():
    prior = torch.tensor([0.1, 0.5, 0.9])[:, None]
    x = sampling.noise((4, 1, 3, 5000), prior, seeded())
    error = 4.5 * 0.5 / math.sqrt(20_000)
    assert (x.mean((0, 1, 3)) - prior[:, 0]).abs().max() < error
    end = sampling.posterior(unsure(), x, schedules.linear(3), prior=prior, generator=seeded())
    assert end.shape == x.shape


PAPER = {"prior": 0.5, "known": None, "x_known": None, "bit": "draw", "polish": 0}


def test_all_samplers_have_one_signature():
    assert set(sampling.SAMPLERS) == {"naive", "xor", "posterior", "gibbs", "refreshed"}
    common = PAPER | {"generator": None, "callback": None}
    for sampler in sampling.SAMPLERS.values():
        parameters = list(inspect.signature(sampler).parameters.values())
        first, rest = parameters[:3], parameters[3:]
        assert [p.name for p in first] == ["model", "x_T", "alpha_bar"]
        assert {p.kind for p in first} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
        assert {p.kind for p in rest} == {inspect.Parameter.KEYWORD_ONLY}
        defaults = [(p.name, p.default) for p in rest][: len(common)]
        assert defaults == list((common | getattr(sampler, "keywords", {})).items())[: len(common)]


def same_path(sampler, *options):
    """Do all these options lead the same way? From the same noise, with the same seed."""
    x_T = sampling.noise((4, 1, 8, 24), 0.5, seeded())
    one, *rest = (path(sampler, contrary, x_T, schedules.linear(6), generator=seeded(1), **o)
                  for o in options)
    return all(torch.equal(one, other) for other in rest)


@EACH
def test_what_is_not_said_is_the_paper_s(name):
    """Noise of a half, no prompt, bits that are drawn, no polish."""
    sampler, own = SAMPLERS[name]
    assert same_path(sampler, own, own | PAPER)
    for other in ({"bit": "threshold"}, {"polish": 1}):
        assert not same_path(sampler, own, own | other)


@pytest.mark.parametrize("plain, said, others", [
    (sampling.xor_mask, {"nested": False}, {"nested": True}),
    (sampling.posterior, {"refresh": 0.0}, {"refresh": 0.5}),
    (sampling.gibbs, {"corrections": 1, "share": 0.5}, {"corrections": 2, "share": 0.25}),
    (sampling.SAMPLERS["refreshed"], {"refresh": 0.3, "polish": 2}, {"refresh": 0.1, "polish": 1}),
])
def test_what_a_sampler_does_of_itself(plain, said, others):
    assert same_path(plain, {}, said)
    for word, value in others.items():
        assert not same_path(plain, {}, {word: value})


def test_the_loop_by_itself_does_as_the_samplers():
    """For a new sampler, which may leave out all but its step."""

    def once(model, x_T, alpha_bar, prior=0.5, **options):
        return sampling.descend(lambda t, x_t, x0_hat: 1 - x0_hat, model, x_T, alpha_bar, **options)

    assert same_path(once, {}, PAPER)


def test_noise_is_a_half_where_no_prior_is_given():
    one, two = (sampling.noise((4, 1, 8, 24), *p, generator=seeded()) for p in ((), (0.5,)))
    assert torch.equal(one, two)


def test_noise_is_in_single_precision_whatever_the_prior_is_in():
    assert sampling.noise((1, 1, 4, 6), torch.tensor(0.5).double()).dtype == torch.float32


@EACH
def test_the_work_is_done_where_the_roll_is(name):
    """On a device that holds shapes and no numbers, so that this needs no accelerator."""
    x_T = sampling.noise((3, 1, 4, 6), 0.2, device="meta")
    asked = []

    def model(x_t, alpha_bar_t, known=None):
        asked.append(alpha_bar_t.device.type)
        return torch.full_like(x_t, 0.3)

    made = run(name, model, x_T, schedules.linear(4), prior=0.2, polish=1)
    assert made.device.type == "meta" and made.shape == x_T.shape and set(asked) == {"meta"}


def test_the_default_sampler_refreshes_some_cells_and_polishes_in_doubt():
    assert 0 < sampling.SAMPLERS["refreshed"].keywords["refresh"] < 1
    assert 0 < sampling.DOUBT < 1


# --- correctors and polish ----------------------------------------------------------------------


def exact(weights):
    """P(x_0 = 1 | x_t) of a distribution over rolls of n cells, `weights` (2^n,), enumerated."""
    n = int(math.log2(len(weights)))
    rolls = torch.tensor([[i >> k & 1 for k in range(n)] for i in range(2**n)]).double()

    def model(x_t, alpha_bar_t, known=None, prior=0.3):
        level = alpha_bar_t.double().view(-1, 1, 1)
        one = level * rolls + (1 - level) * prior  # (B, 2^n, n)
        x = x_t.reshape(len(x_t), 1, n).double()
        joint = (x * one + (1 - x) * (1 - one)).prod(-1) * weights
        joint = joint / joint.sum(-1, keepdim=True)
        return (joint @ rolls).view_as(x_t).float()

    return model, rolls


def test_a_correction_of_one_cell_leaves_the_distribution_of_its_level_as_it_is():
    """Gibbs sampling: the conditional of a cell of x_t, from leave-one-out odds, is the true."""
    prior, level = 0.3, torch.tensor(0.6)
    weights = torch.tensor([0.3, 0.05, 0.05, 0.1, 0.1, 0.05, 0.05, 0.3]).double()
    model, rolls = exact(weights)
    one = level.double() * rolls + (1 - level.double()) * prior
    # q(x_t) of every x_t, by enumeration
    q = (rolls[:, None] * one + (1 - rolls[:, None]) * (1 - one)).prod(-1) @ weights
    x = rolls.float().view(8, 1, 3, 1)
    h = kernel.leave_one_out(model(x, level.expand(8)), x, level, prior)
    found = kernel.forward_probability(h, level, prior).view(8, 3)
    for i in range(8):
        for cell in range(3):
            on, off = q[i | 1 << cell], q[i & ~(1 << cell)]
            assert found[i, cell].item() == pytest.approx((on / (on + off)).item(), abs=1e-4)


@pytest.mark.parametrize("said", [{}, {"corrections": 2}, {"share": 0.2}, {"share": 1.0},
                                  {"corrections": 3, "share": 0.2}])
def test_a_correction_draws_a_share_of_the_cells_anew(said):
    """Cells that know nothing of each other: what is drawn anew has forgotten x_t."""
    n, prior, density, alpha_bar = 100_000, 0.2, 0.6, schedules.linear(4)[:3]
    x_T = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n).contiguous()

    def model(x_t, alpha_bar_t, known=None):
        one, zero = kernel.likelihood(x_t, alpha_bar_t, prior)
        return density * one / (density * one + (1 - density) * zero)

    seen = {}
    sampling.gibbs(model, x_T, alpha_bar, prior=prior, generator=seeded(), **said,
                   callback=lambda t, x_t, x0_hat: seen.update({t: x_t}))
    x_t = x_T[..., :1]
    kept = (1 - said.get("share", 0.5)) ** said.get("corrections", 1)
    remembers = kernel.posterior(x_t, model(x_t, alpha_bar[2:]), *alpha_bar[1:], prior)
    p = kept * remembers + (1 - kept) * (0.75 * density + 0.25 * prior)
    assert (seen[1].mean(-1, keepdim=True) - p).abs().max() < 4.5 * 0.5 / math.sqrt(n)


def test_corrections_cost_one_call_each_but_after_the_last_step():
    calls = []

    def model(x_t, alpha_bar_t, known=None):
        calls.append(float(alpha_bar_t[0]))
        return torch.full_like(x_t, 0.3)

    alpha_bar = schedules.linear(4)
    x_T = sampling.noise((1, 1, 4, 6), 0.2, seeded())
    sampling.gibbs(model, x_T, alpha_bar, prior=0.2, corrections=2, generator=seeded())
    expected = [0.0, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75]
    assert calls == pytest.approx(expected)


def test_correcting_no_cell_is_the_posterior():
    x_T, options = sampling.noise((2, 1, 4, 6), 0.2, seeded()), {"prior": 0.2}
    a = sampling.gibbs(unsure(), x_T, schedules.linear(5), corrections=0, generator=seeded(),
                       **options)
    b = sampling.posterior(unsure(), x_T, schedules.linear(5), generator=seeded(), **options)
    assert torch.equal(a, b)


@EACH
def test_polish_asks_again_in_doubt_and_keeps_known_cells(name):
    levels = []
    wanted = (torch.rand(2, 1, 4, 6, generator=seeded(3)) < 0.5).float()

    def model(x_t, alpha_bar_t, known=None):
        levels.append(round(float(alpha_bar_t[0]), 6))
        return 0.1 + 0.8 * wanted

    x_T = sampling.noise(wanted.shape, 0.2, seeded())
    known = torch.rand(wanted.shape, generator=seeded(4)) < 0.3
    made = run(name, model, x_T, schedules.linear(3), prior=0.2, known=known, x_known=1 - wanted,
               polish=2, generator=seeded())
    assert levels[-2:] == [sampling.DOUBT] * 2
    assert torch.equal(made, torch.where(known, 1 - wanted, wanted))


def test_polish_leaves_a_roll_alone_that_was_not_sampled():
    roll = sampling.noise((1, 1, 4, 6), 0.5, seeded())
    assert torch.equal(sampling.posterior(unsure(), roll, torch.ones(1), polish=2), roll)
