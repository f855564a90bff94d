"""Samplers against closed forms: what a perfect denoiser must give, and what it must not."""

import inspect
import math
import re
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.diffusion import kernel, sampling, schedules

SAMPLERS = {
    "naive": sampling.naive,
    "xor fresh": sampling.xor_mask,
    "xor nested": sampling.xor_mask,  # with the `uniform` that `run` draws
    "posterior": sampling.posterior,
    "posterior refreshed": partial(sampling.posterior, refresh=0.4),
    "posterior all fresh": partial(sampling.posterior, refresh=1.0),
    "gibbs": sampling.Sampler(sampling.posterior, partial(sampling.gibbs, share=0.3)),
}
EACH = pytest.mark.parametrize("name", SAMPLERS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def run(name, network, x_T, alpha_bar, generator=None, **options):
    """`sampling.sample` by a name of `SAMPLERS`, or by a step or a `Sampler` itself."""
    step, corrector = sampling.named(SAMPLERS.get(name, name))
    if name == "xor nested":
        uniform = torch.rand(x_T.shape, generator=generator, device=x_T.device)
        step = partial(step, uniform=uniform)
    return sampling.sample(
        network, x_T, alpha_bar, step, corrector=corrector, generator=generator, **options
    )


def certain(x0):
    """A denoiser that knows the answer."""
    return lambda x_t, alpha_bar_t, known=None: x0.expand_as(x_t).clone()


def unsure(p=0.3):
    return lambda x_t, alpha_bar_t, known=None: torch.full_like(x_t, p)


def contrary(x_t, alpha_bar_t, known=None):
    """A denoiser that reads x_t, and more often than not says the opposite."""
    return 0.8 - 0.6 * x_t


def path(sampler, **options):
    """Every x_t and x̂_0 on the way: a roll's last step forgets how it came there."""
    x_T, seen = sampling.noise((4, 1, 8, 24), 0.5, seeded()), []
    run(
        sampler,
        contrary,
        x_T,
        schedules.linear(6),
        generator=seeded(1),
        callback=lambda t, *both: seen.extend(both),
        **options,
    )
    return torch.stack(seen)


# --- marginals: with x̂_0 = x_0 every sampler walks down Eq. 8 ------------------------------------


@EACH
@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_with_the_true_x0_every_level_has_the_marginal_of_equation_8(name, prior):
    """eq-sampling-right, for every sampler"""
    n, alpha_bar = 30_000, schedules.power(6, 2)
    x0 = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n)
    seen = {}
    generator = seeded(5)
    x_T = sampling.noise(x0.shape, prior, generator)
    end = run(
        name,
        certain(x0),
        x_T,
        alpha_bar,
        prior=prior,
        generator=generator,
        callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}),
    )
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
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
    run(
        name,
        certain(x0),
        x_T,
        alpha_bar,
        prior=prior,
        generator=generator,
        callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}),
    )
    for t, x_t in seen.items():
        for bit in (0, 1):
            p = alpha_bar[t].item() * bit + (1 - alpha_bar[t].item()) * prior
            bound = 4.5 * math.sqrt(p * (1 - p) / n)
            assert abs(x_t[0, 0, bit].mean().item() - p) <= bound + 1e-7, (t, bit)


def steps_of(name, seed=0):
    """The masks of Algorithm 1: where x_t differs from a true x_0 of zeros, for t = T … 0."""
    x0, seen, generator = torch.zeros(1, 1, 20, 50), [], seeded(seed)
    x_T = sampling.noise(x0.shape, 0.5, generator)
    end = run(
        name,
        certain(x0),
        x_T,
        schedules.linear(20),
        prior=0.5,
        generator=generator,
        callback=lambda t, x_t, x0_hat: seen.append(x_t > 0),
    )
    return [*seen, end > 0]


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
        run(
            name,
            unsure(0.6),
            x_T,
            alpha_bar,
            prior=prior,
            generator=seeded(7),
            callback=lambda t, x_t, x0_hat: seen.update({t: x_t.clone()}),
        )
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
    """(templates (K, cells), ρ, network): P(x_0 = 1 | x_t) by Bayes' rule over the templates."""
    templates = (torch.rand(TEMPLATES, 96, generator=seeded()) < 0.1).float()
    templates[0] = 0
    prior = templates.mean().item()

    def network(x_t, alpha_bar_t, known=None):
        level, cells = alpha_bar_t[0].item(), x_t.flatten(1)
        lit = level * templates + (1 - level) * prior  # q(x_t = 1 | template)
        log_weight = cells @ lit.log().T + (1 - cells) @ (1 - lit).log().T
        return (log_weight.softmax(1) @ templates).view_as(x_t)

    return templates, prior, network


def histogram(toy, name, steps, **options):
    """Share of samples that are each template. (K,)"""
    templates, prior, network = toy
    generator = seeded(1)
    x_T = sampling.noise((SAMPLES, 1, 8, 12), prior, generator)
    x = run(
        name, network, x_T, schedules.linear(steps), prior=prior, generator=generator, **options
    )
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

    def network(x_t, alpha_bar_t, mask):
        assert torch.equal(x_t[known], x_known[known]) and torch.equal(mask, known)
        return 1 - x_known.clamp(0.1, 0.9)  # contradicts every known cell

    def callback(t, x_t, x0_hat):
        assert torch.equal(x_t[known], x_known[known])
        assert torch.equal(x0_hat[known], x_known[known])

    found = run(
        name,
        network,
        x_T,
        schedules.linear(4),
        prior=0.3,
        known=known,
        x_known=x_known,
        bit=bit,
        generator=generator,
        callback=callback,
    )
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

    def network(x_t, alpha_bar_t, known=None):
        assert alpha_bar_t.shape == (3,) and known is None and not torch.is_grad_enabled()
        levels.append(alpha_bar_t[0].item())
        return torch.full_like(x_t, 0.4)

    def once(callback):
        generator = seeded(4)
        x_T = sampling.noise((3, 1, 4, 6), 0.3, generator)
        x = run(name, network, x_T, alpha_bar, prior=0.3, generator=generator, callback=callback)
        return x_T, x

    x_T, x = once(lambda *seen: calls.append(seen))
    assert [t for t, _, _ in calls] == [7, 6, 5, 4, 3, 2, 1]
    assert torch.equal(calls[0][1], x_T)
    assert torch.equal(calls[-1][2], x)  # the last step leaves x̂_0 as it is
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
    with pytest.raises(ValueError, match="draw, each or threshold"):
        run(name, unsure(), torch.zeros(1, 1, 4, 6), schedules.linear(2), bit=bit)


def test_a_probability_becomes_a_bit_by_either_rule():
    p = torch.tensor([0.0, 0.49, 0.5, 1.0])
    assert sampling.to_bit(p, "threshold").tolist() == [0, 0, 1, 1]
    drawn = sampling.to_bit(p.expand(20_000, 4), "draw", seeded()).mean(0)
    assert drawn[0] == 0 and drawn[3] == 1
    assert (drawn[1:3] - p[1:3]).abs().max() < 4.5 * 0.5 / math.sqrt(20_000)


@given(seed=st.integers(0, 2**31), rows=st.integers(1, 5))
def test_one_row_of_a_column_is_drawn_at_most_each_as_often_as_told(seed, rows):
    n = 4000
    h = torch.rand(1, 2, rows, 3, generator=seeded(seed))
    h = h / (h.sum(2, keepdim=True) + torch.rand(1, 2, 1, 3, generator=seeded(seed + 1)))
    drawn = sampling.draw_one(h.expand(n, -1, -1, -1), seeded(seed + 2))
    assert set(drawn.unique().tolist()) <= {0, 1} and drawn.sum(2).max() <= 1
    assert ((drawn.mean(0) - h[0]).abs() < 5.5 * (h[0] * (1 - h[0]) / n).sqrt() + 1e-3).all()


@pytest.mark.parametrize("told", [True, False])
def test_a_network_of_single_notes_is_drawn_so(told):
    """One note in each column, its row unknown: two never sound in x̂_0, nor at the end."""

    class Single:
        exclusive = told

        def __call__(self, x_t, alpha_bar_t, known):
            return torch.full_like(x_t, 1 / x_t.shape[2])

    shape, found = (200, 1, 4, 6), []
    x_T = sampling.noise(shape, 0.25, seeded())
    made = run(
        "posterior", Single(), x_T, schedules.linear(3), prior=0.25, generator=seeded(1),
        callback=lambda t, x, x0: found.append(x0.sum(2)),
    )  # fmt: skip
    counts = torch.stack(found)
    assert ((counts == 1).all() and (made.sum(2) == 1).all()) == told
    each = run(
        "posterior", Single(), x_T, schedules.linear(3), prior=0.25, generator=seeded(1), bit="each"
    )
    assert (each.sum(2) > 1).any()


def test_noise_has_a_density_for_each_pitch():
    prior = torch.tensor([0.1, 0.5, 0.9])[:, None]
    x = sampling.noise((4, 1, 3, 5000), prior, seeded())
    error = 4.5 * 0.5 / math.sqrt(20_000)
    assert (x.mean((0, 1, 3)) - prior[:, 0]).abs().max() < error
    end = run("posterior", unsure(), x, schedules.linear(3), prior=prior, generator=seeded())
    assert end.shape == x.shape


# --- one signature, and what is not said -------------------------------------------------------


def said(step):
    """What a step must be given, by name, and what it may be."""
    parameters = inspect.signature(step).parameters.values()
    must = [p.name for p in parameters if p.default is p.empty]
    return must, [p.name for p in parameters if p.default is not p.empty]


def test_every_step_has_the_signature_of_the_module():
    (words,) = re.findall(r"^    step\((.*)\) -> x_\{t-1\}$", sampling.__doc__, re.M)
    words = words.split(", ")
    assert words == ["t", "x_t", "x0_hat", "x_T", "alpha_bar", "prior", "generator"]
    assert set(sampling.SAMPLERS) >= {"naive", "xor", "posterior", "gibbs", "refreshed"}
    for step, corrector in sampling.SAMPLERS.values():
        assert said(step)[0] == words
        assert corrector in (None, sampling.gibbs)
    assert said(sampling.gibbs) == (["x", "belief", "alpha_bar_s", "prior", "generator"], ["share"])


def test_a_step_is_told_where_it_stands():
    """What the module says that it gets, in each step, and its answer is the next x_t."""
    alpha_bar, prior, generator = schedules.cosine(5), torch.tensor([[0.1], [0.6]]), seeded(3)
    x_T = sampling.noise((3, 1, 2, 6), prior, seeded())
    seen, told, answers = [], [], []

    def step(t, *now):
        told.append((t, *now[:2]))
        assert all(a is b for a, b in zip(now[2:], (x_T, alpha_bar, prior, generator)))
        answers.append(1 - now[1])
        return answers[-1]

    end = run(
        step,
        contrary,
        x_T,
        alpha_bar,
        prior=prior,
        generator=generator,
        callback=lambda *now: seen.append(now),
    )
    assert [t for t, *_ in told] == [5, 4, 3, 2, 1] == [t for t, *_ in seen]
    for (_, x_t, x0_hat), before, (_, *shown) in zip(told, [x_T, *answers], seen):
        assert torch.equal(x_t, before) and torch.equal(x_t, shown[0])
        assert torch.equal(x0_hat, shown[1])
    assert torch.equal(end, answers[-1])


def test_a_sampler_is_a_name_a_step_or_both_with_what_goes_with_it():
    own = lambda *now: now[2]  # noqa: E731
    assert sampling.named(own) == (own, None)
    both = sampling.Sampler(own, sampling.gibbs)
    assert sampling.named(both) is both and sampling.named("xor") == (sampling.xor_mask, None)
    for wrong in "ddim", "", None:
        with pytest.raises(ValueError, match=f"one of {', '.join(sampling.SAMPLERS)}, got"):
            sampling.named(wrong)


def same_path(one, *others):
    """Do all lead the same way? From the same noise, with the same seed. (sampler, options)"""
    first, *rest = (path(sampler, **options) for sampler, options in (one, *others))
    return all(torch.equal(first, other) for other in rest)


@pytest.mark.parametrize("sampler", [*SAMPLERS, lambda t, x_t, x0_hat, *rest: 1 - x0_hat])
def test_what_is_not_said_is_the_paper_s(sampler):
    """Noise of a half, no prompt, bits that are drawn."""
    paper = {"prior": 0.5, "known": None, "x_known": None, "bit": "draw"}
    assert same_path((sampler, {}), (sampler, paper))
    assert not same_path((sampler, {}), (sampler, {"bit": "threshold"}))


def gibbs(**options):
    return sampling.Sampler(sampling.posterior, partial(sampling.gibbs, **options))


@pytest.mark.parametrize(
    "plain, same, other",
    [
        (sampling.xor_mask, partial(sampling.xor_mask, uniform=None), "xor nested"),
        (sampling.SAMPLERS["xor"], sampling.xor_mask, sampling.naive),
        (
            sampling.posterior,
            partial(sampling.posterior, refresh=0.0),
            partial(sampling.posterior, refresh=0.5),
        ),
        (gibbs(), gibbs(share=0.5), gibbs(share=0.25)),
        (sampling.SAMPLERS["gibbs"], gibbs(), sampling.posterior),
        (
            sampling.SAMPLERS["refreshed"],
            partial(sampling.posterior, refresh=0.3),
            partial(sampling.posterior, refresh=0.1),
        ),
    ],
)
def test_what_a_sampler_does_of_itself(plain, same, other):
    assert same_path((plain, {}), (same, {})) and not same_path((plain, {}), (other, {}))


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

    def network(x_t, alpha_bar_t, known=None):
        asked.append(alpha_bar_t.device.type)
        return torch.full_like(x_t, 0.3)

    for prior in 0.2, torch.full((4, 1), 0.2, device="meta"):
        made = run(name, network, x_T, schedules.linear(4), prior=prior)
        assert made.device.type == "meta" and made.shape == x_T.shape
    assert set(asked) == {"meta"}


def test_the_default_sampler_refreshes_some_cells():
    step, corrector = sampling.SAMPLERS["refreshed"]
    assert step.func is sampling.posterior and 0 < step.keywords["refresh"] < 1
    assert corrector is None


# --- correctors ---------------------------------------------------------------------------------


def exact(weights):
    """P(x_0 = 1 | x_t) of a distribution over rolls of n cells, `weights` (2^n,), enumerated."""
    n = int(math.log2(len(weights)))
    rolls = torch.tensor([[i >> k & 1 for k in range(n)] for i in range(2**n)]).double()

    def network(x_t, alpha_bar_t, known=None, prior=0.3):
        level = alpha_bar_t.double().view(-1, 1, 1)
        one = level * rolls + (1 - level) * prior  # (B, 2^n, n)
        x = x_t.reshape(len(x_t), 1, n).double()
        joint = (x * one + (1 - x) * (1 - one)).prod(-1) * weights
        joint = joint / joint.sum(-1, keepdim=True)
        return (joint @ rolls).view_as(x_t).float()

    return network, rolls


def test_a_correction_of_one_cell_leaves_the_distribution_of_its_level_as_it_is():
    """Gibbs sampling: the conditional of a cell of x_t, from leave-one-out odds, is the true."""
    prior, level = 0.3, torch.tensor(0.6)
    weights = torch.tensor([0.3, 0.05, 0.05, 0.1, 0.1, 0.05, 0.05, 0.3]).double()
    network, rolls = exact(weights)
    one = level.double() * rolls + (1 - level.double()) * prior
    # q(x_t) of every x_t, by enumeration
    q = (rolls[:, None] * one + (1 - rolls[:, None]) * (1 - one)).prod(-1) @ weights
    x = rolls.float().view(8, 1, 3, 1)
    h = kernel.leave_one_out(network(x, level.expand(8)), x, level, prior)
    found = kernel.forward_probability(h, level, prior).view(8, 3)
    for i in range(8):
        for cell in range(3):
            on, off = q[i | 1 << cell], q[i & ~(1 << cell)]
            assert found[i, cell].item() == pytest.approx((on / (on + off)).item(), abs=1e-4)


@pytest.mark.parametrize("said", [{}, {"share": 0.2}, {"share": 0.9}, {"share": 1.0}])
def test_a_correction_draws_a_share_of_the_cells_anew(said):
    """Cells that know nothing of each other: what is drawn anew has forgotten x_t."""
    n, prior, density, alpha_bar = 100_000, 0.2, 0.6, schedules.linear(4)[:3]
    x_T = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, n).contiguous()

    def network(x_t, alpha_bar_t, known=None):
        one, zero = kernel.likelihood(x_t, alpha_bar_t, prior)
        return density * one / (density * one + (1 - density) * zero)

    seen = {}
    run(
        gibbs(**said),
        network,
        x_T,
        alpha_bar,
        prior=prior,
        generator=seeded(),
        callback=lambda t, x_t, x0_hat: seen.update({t: x_t}),
    )
    x_t = x_T[..., :1]
    kept = 1 - said.get("share", 0.5)
    remembers = kernel.posterior(x_t, network(x_t, alpha_bar[2:]), *alpha_bar[1:], prior)
    p = kept * remembers + (1 - kept) * (0.75 * density + 0.25 * prior)
    assert (seen[1].mean(-1, keepdim=True) - p).abs().max() < 4.5 * 0.5 / math.sqrt(n)


@torch.no_grad()
def test_a_correction_changes_no_cell_that_it_does_not_choose():
    x, belief = sampling.noise((2, 1, 4, 6), 0.2, seeded()), torch.full((2, 1, 4, 6), 0.4)
    correct = partial(sampling.gibbs, x, belief, torch.tensor(0.6), 0.2)
    assert torch.equal(correct(seeded(1), share=0.0), x)
    assert not torch.equal(correct(seeded(1), share=1.0), x)


def test_corrections_cost_one_call_each_but_after_the_last_step():
    calls = []

    def network(x_t, alpha_bar_t, known=None):
        calls.append(float(alpha_bar_t[0]))
        return torch.full_like(x_t, 0.3)

    x_T = sampling.noise((1, 1, 4, 6), 0.2, seeded())
    run(gibbs(), network, x_T, schedules.linear(4), prior=0.2, generator=seeded())
    assert calls == pytest.approx([0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75])


def test_a_corrector_is_told_what_the_network_says_of_the_new_roll():
    x_T, alpha_bar = sampling.noise((2, 1, 4, 6), 0.2, seeded()), schedules.linear(4)
    generator, levels, seen = seeded(1), [], []

    def correct(x, belief, *rest):
        levels.append(rest[0].item())
        assert torch.equal(belief, contrary(x, None)) and rest[1:] == (0.2, generator)
        return 1 - x

    def step(t, x_t, x0_hat, *rest):
        seen.append(x_t)
        return x0_hat * 0 + t % 2

    run(sampling.Sampler(step, correct), contrary, x_T, alpha_bar, prior=0.2, generator=generator)
    assert levels == alpha_bar[1:].flip(0)[1:].tolist()  # of t - 1, but not of the clean roll
    assert [x.unique().tolist() for x in seen[1:]] == [[1.0], [0.0], [1.0]]  # 1 - t % 2


def test_a_corrector_that_changes_nothing_leaves_the_step_s_way():
    still = sampling.Sampler(sampling.posterior, lambda x, *rest: x)
    assert same_path((still, {}), ("posterior", {}))


@pytest.mark.parametrize(
    "step, says",
    [
        (lambda t, x_t, x0_hat, *_: x0_hat[..., 1:], "of the shape of x_t"),
        (lambda t, x_t, x0_hat, *_: x0_hat / 2 + 0.25, "returns bits, 0 and 1"),
    ],
)
def test_a_step_that_returns_no_bits_is_told_at_once(step, says):
    asked = []

    def network(x_t, alpha_bar_t, known=None):
        asked.append(1)
        return torch.full_like(x_t, 0.4)

    with pytest.raises(ValueError, match=says):
        sampling.sample(network, torch.zeros(1, 1, 4, 6), schedules.linear(9), step)
    assert len(asked) == 1
