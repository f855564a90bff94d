"""Every prompt is a mask: the masks are right, and what they know comes back untouched."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from binolab.card import Card
from binolab.diffusion import prompting, sampling
from binolab.model import Model
from binolab.music import rolls

P, L = 12, 48
CARD = Card("UNet", {}, 0.2, ["power", 2], T=40, low=40, pitches=P, ticks=24, length=L)
ROLLS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 30)))


def bits(roll):
    return torch.as_tensor(np.asarray(roll)).float()[None, None]


def contrary(x_t, alpha_bar_t, known=None):
    """Contradicts what it sees, so that nothing is kept by chance."""
    return 0.9 - 0.8 * x_t


model = Model(contrary, CARD)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def melody(*notes, pitches=P, length=L):
    return bits(rolls.from_notes(notes, pitches, length))


# --- masks ---------------------------------------------------------------------------------------


@given(ROLLS, st.integers(-2, 32), st.integers(-2, 32))
def test_before_and_outside_are_spans_of_ticks(roll, start, end):
    x, tick = bits(roll), torch.arange(roll.shape[1])
    assert prompting.before(x, start).shape == x.shape
    assert (prompting.before(x, start)[0, 0] == (tick < start)).all()
    expected = torch.tensor([not start <= t < end for t in range(roll.shape[1])])
    assert (prompting.outside(x, start, end)[0, 0] == expected).all()


def slow_line(roll):
    """The top row of each tick; a tick that falls between two equal, higher tops is a gap, and so
    is a last tick that falls."""
    tops = [max(column.nonzero()[0], default=-1) for column in roll.T]
    after = [*tops[1:], tops[-2] if len(tops) > 1 else -1]
    return [
        tops[t - 1] if t and tops[t - 1] == after[t] > tops[t] else tops[t]
        for t in range(len(tops))
    ]


@given(ROLLS)
def test_the_melody_and_all_above_it_are_known(roll):
    line = slow_line(roll)
    assert prompting.melody_line(bits(roll))[0, 0].tolist() == line
    known = prompting.above_melody(bits(roll))[0, 0]
    for t, top in enumerate(line):
        assert known[:, t].tolist() == [top >= 0 and r >= top for r in range(len(roll))]


def test_the_line_goes_on_across_the_gap_of_a_note_struck_again():
    x = melody((9, 0, 24), (9, 24, 48), (4, 0, 48))
    assert x[0, 0, 9, 23] == 0  # the gap
    assert (prompting.melody_line(x) == 9).all()
    known = prompting.above_melody(x)
    assert known[0, 0, 9:].all() and not known[0, 0, :9].any()  # the gap itself is known, and dark


def test_a_legato_melody_s_notes_are_known_whole():
    x = melody((5, 0, 13), (9, 12, 25), (7, 24, 36))[0, 0]  # each held a tick into the next
    known = prompting.above_melody(x)
    assert not known[5, 12] and not known[7, 24]
    assert prompting.whole_notes(x, known)[x > 0].all()
    below = melody((2, 0, 36), (9, 0, 12))[0, 0]  # the lower is the melody for two thirds of it
    assert prompting.whole_notes(below, prompting.above_melody(below))[2, :36].all()
    below = melody((2, 0, 36), (9, 0, 20))[0, 0]
    assert not prompting.whole_notes(below, prompting.above_melody(below))[2, :20].any()


def test_a_note_that_is_known_for_half_of_its_ticks_is_known_whole():
    below = melody((2, 0, 24), (9, 0, 12))[0, 0]
    assert prompting.whole_notes(below, prompting.above_melody(below))[2, :24].all()


@given(ROLLS, st.integers(0, 2**31))
def test_a_note_is_known_whole_or_for_less_than_half(roll, seed):
    before = torch.rand(roll.shape, generator=seeded(seed)) < 0.5
    given_mask, notes = before.clone(), torch.zeros_like(before)
    known = prompting.whole_notes(torch.from_numpy(roll), before)
    for row, start, end in rolls.notes(roll):
        notes[row, start:end] = True
        share = sum(before[row, start:end].tolist())
        same = torch.equal(known[row, start:end], before[row, start:end])
        assert known[row, start:end].all() if 2 * share >= end - start else same
    assert torch.equal(known[~notes], before[~notes]) and torch.equal(before, given_mask)


def test_where_the_melody_rests_nothing_is_known():
    x = melody((9, 0, 12), (7, 20, 48))
    line = prompting.melody_line(x)[0, 0]
    assert line.tolist() == [9] * 12 + [-1] * 8 + [7] * 28
    known = prompting.above_melody(x)[0, 0]
    assert not known[:, 12:20].any() and known[9:, :12].all() and not known[:9, :12].any()
    assert not prompting.above_melody(torch.zeros(1, 1, P, L)).any()


def test_masks_are_made_roll_by_roll():
    x = torch.cat([melody((9, 0, 48)), melody((3, 0, 24)), torch.zeros(1, 1, P, L)])
    together = prompting.above_melody(x)
    for i in range(3):
        assert torch.equal(together[i : i + 1], prompting.above_melody(x[i : i + 1]))


def test_prompts_to_train_with_are_of_five_kinds_and_a_share_of_the_batch():
    x = melody((9, 0, 24), (7, 24, 48), (2, 0, 48)).expand(600, -1, -1, -1)
    known = prompting.random_prompts(x, 0.5, seeded())
    assert known.shape == x.shape and known.dtype == torch.bool
    with_prompt = known.flatten(1).any(1).float().mean().item()
    assert 0.38 < with_prompt < 0.55  # some drawn prompts know nothing
    harmony = prompting.above_melody(x[:1])[0]
    assert sum(torch.equal(k, harmony) for k in known) > 20
    assert torch.equal(known, prompting.random_prompts(x, 0.5, seeded()))
    assert not prompting.random_prompts(x, 0.0, seeded()).any()
    for k in known[:, 0]:  # each a span of ticks, a range of rows, the melody, or round a rectangle
        ticks, rows = (k == k[:1]).all(), (k == k[:, :1]).all()
        inside = (~k).any(1)[:, None] & (~k).any(0)  # some rows in some ticks
        assert ticks or rows or torch.equal(k, harmony[0]) or torch.equal(~k, inside)


def test_prompts_to_train_with_have_the_shares_that_they_should():
    """Of rolls of silence, so that the melody knows nothing: three kinds, each by its own law.

    The fourth frees a rectangle. One as high as the roll, or as long, looks like the others.
    """
    n, rows, ticks = 40_000, 3, 64  # a sixteenth of the window is four ticks
    known = prompting.random_prompts(torch.zeros(n, 1, rows, ticks), 1.0, seeded())[:, 0]

    def near(count, p):
        return abs(count - n * p) < 4.5 * (n * p * (1 - p)) ** 0.5

    low = (known == known[..., :1]).all((1, 2)) & ~known[:, -1, 0]  # a range of rows, not all
    heights = known[low, :, 0].sum(1)
    assert known[low][heights == 1, 0].all() and known[low][heights == 2, :2].all()
    long = 2 / (ticks + 1) ** 2 * 2 / (rows + 1) ** 2 / 5  # all ticks, and the rows from 1 or 2 up
    assert near((heights == 1).sum(), 1 / 5 / rows + long)
    assert near((heights == 2).sum(), 1 / 5 / rows + long)

    line = known[(known == known[:, :1]).all((1, 2)), 0]  # all rows alike: spans and sixteenths
    border = torch.ones(len(line), 1)
    edges = line.float().diff(dim=1, prepend=border, append=border)
    begin, end = edges.argmin(1), edges.argmax(1)
    span = (edges != 0).sum(1) == 2
    high = (1 + 2 / (rows + 1) ** 2) / 5  # the share of spans, and of rectangles of all rows
    off = span & (begin % 4 > 0)  # no sixteenth begins there
    for stop in range(5, ticks + 1):  # two draws of 0 … `ticks`, in order: both ends are reached
        starts = sum(a % 4 > 0 for a in range(stop))
        assert near((off & (end == stop)).sum(), high * 2 * starts / (ticks + 1) ** 2), stop
    first = span & (begin == 0) & (end % 4 > 0)
    assert near(first.sum(), high * 2 * (ticks * 3 / 4) / (ticks + 1) ** 2)

    beats = line.view(len(line), 16, 4)
    whole = (beats == beats[..., :1]).all((1, 2)) & ~span  # sixteenths, known in no single span
    count = beats[whole, :, 0].sum(1)
    for k in range(4, 13):  # a share that is uniform makes every number of them as likely
        spans = (k + 1) / math.comb(16, k)  # of them are free in one piece
        assert near((count == k).sum(), (1 - spans) / 17 / 5), k


@pytest.mark.parametrize("planes", [2, 4])
def test_prompts_for_several_planes_are_of_six_kinds_and_a_share_of_the_batch(planes):
    x, n = torch.zeros(3000, planes, 6, 32), 3000  # a sixteenth is two ticks
    every = prompting.random_prompts(x, 1.0, seeded())
    assert every.shape == x.shape and every.dtype == torch.bool
    count = dict.fromkeys(["span", "sixteenths", "cells", "rows", "planes", "rectangle"], 0)
    for known in every:
        differs = [dim for dim in range(3) if (known != known.narrow(dim, 0, 1)).any()]
        free, tick = ~known, known[:, 0]  # tick (V, L)
        whole = torch.equal(tick[:, ::2], tick[:, 1::2])
        if differs == [0]:
            count["planes"] += 1
        elif differs == [1]:
            above = known[0, :, 0].int().diff().max() > 0  # a rectangle as long as the roll
            count["rectangle" if above else "rows"] += 1
        elif differs == [0, 2]:
            count["cells"] += 1
            assert whole
        elif differs == [2]:
            stretches = tick[0].int().diff(prepend=torch.ones(1)).lt(0).sum()
            assert whole or stretches == 1
            count["span"] += not whole
            count["sixteenths"] += stretches > 1
        elif differs:
            count["rectangle"] += 1
            rows, ticks = (free[0].any(d).nonzero().flatten() for d in (1, 0))
            box = free[0, rows[0] : rows[-1] + 1, ticks[0] : ticks[-1] + 1]
            assert differs == [1, 2] and box.all() and box.sum() == free[0].sum()
    assert min(count.values()) > n / 30 and max(count.values()) < n / 5, count
    some = prompting.random_prompts(x, 0.4, seeded())
    told, all_told = some.flatten(1).any(1), every.flatten(1).any(1)
    assert torch.equal(some[told], every[told])  # whole or not at all
    assert abs(told.sum() / all_told.sum() - 0.4) < 0.04


# --- known cells ---------------------------------------------------------------------------------

PROMPTS = {
    "complete": (
        lambda x, **o: prompting.complete(model, x, 20, **o),
        lambda x: prompting.before(x, 20),
    ),
    "infill": (
        lambda x, **o: prompting.infill(model, x, 10, 30, **o),
        lambda x: prompting.outside(x, 10, 30),
    ),
    "harmonize": (lambda x, **o: prompting.harmonize(model, x, **o), prompting.above_melody),
    "vary": (
        lambda x, **o: prompting.vary(model, x, 0.6, **o),
        lambda x: torch.zeros_like(x, dtype=torch.bool),
    ),
}
FIXED = torch.rand(1, 1, P, L, generator=torch.Generator().manual_seed(3))
HOW = pytest.mark.parametrize(
    "sampler",
    [
        "naive",
        "xor",
        partial(sampling.xor_mask, uniform=FIXED),
        "posterior",
        partial(sampling.posterior, refresh=0.5),
        "gibbs",
        "refreshed",
    ],
)


@pytest.mark.parametrize("prompt", PROMPTS)
@HOW
@settings(max_examples=4)
@given(seed=st.integers(0, 2**31), bit=st.sampled_from(["draw", "threshold"]))
def test_known_cells_come_back_untouched(prompt, sampler, seed, bit):
    x = sampling.noise((2, 1, P, L), 0.2, seeded(seed))
    given_x = x.clone()
    write, mask = PROMPTS[prompt]
    found = write(x, sampler=sampler, steps=4, bit=bit, generator=seeded(seed))
    known = mask(x)
    assert found.shape == x.shape and set(found.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(found[known], x[known]) and torch.equal(x, given_x)
    assert not torch.equal(found, x)  # the rest was written


@HOW
@settings(max_examples=6)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 1), strength=st.floats(0, 1))
def test_any_painted_mask_comes_back_untouched(sampler, seed, share, strength):
    generator = seeded(seed)
    x = sampling.noise((2, 1, P, L), 0.3, generator)
    known = torch.rand(x.shape, generator=generator) < share
    found = prompting.paint(
        model, x, known, sampler=sampler, steps=3, strength=strength, generator=generator
    )
    assert torch.equal(found[known], x[known])


@HOW
def test_at_full_strength_free_cells_say_nothing(sampler):
    """What a roll holds where it is to be written does not leak into what is written."""
    x = sampling.noise((1, 1, P, L), 0.2, seeded())
    known = prompting.before(x, 20)
    other = torch.where(known, x, 1 - x)
    a, b = (
        prompting.complete(model, v, 20, sampler=sampler, steps=5, generator=seeded(1))
        for v in (x, other)
    )
    assert torch.equal(a, b)


# --- strength, steps, sizes, seeds ---------------------------------------------------------------


def test_strength_zero_returns_the_roll():
    x = sampling.noise((2, 1, P, L), 0.2, seeded())
    found = prompting.vary(model, x, 0, polishing=2, generator=seeded())
    assert torch.equal(found, x) and found is not x


def perfect(x0):
    return Model(lambda x_t, alpha_bar_t, known=None: x0, CARD)


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.75, 1.0])
def test_a_variation_begins_at_its_own_level(strength):
    """eq-variations-make

    x_T has the noise of t = strength · T, and takes the same share of the steps.
    """
    x = sampling.noise((30, 1, P, L), 0.5, seeded())
    seen = []
    found = prompting.vary(
        perfect(x),
        x,
        strength,
        steps=40,
        generator=seeded(1),
        callback=lambda t, x_t, x0_hat: seen.append((t, x_t)),
    )
    assert torch.equal(found, x)
    assert seen[0][0] == max(1, round(40 * strength)) and len(seen) == seen[0][0] + 1
    level = (1 - strength) ** 2
    for bit in (0, 1):
        p = level * bit + (1 - level) * CARD.prior
        cells = seen[0][1][x == bit]
        assert abs(cells.mean().item() - p) < 4.5 * (p * (1 - p) / len(cells)) ** 0.5


@pytest.mark.parametrize("steps", [1, 3, 100, 1200])
def test_any_number_of_steps(steps):
    calls = []

    def counted(x_t, alpha_bar_t, known=None):
        calls.append(alpha_bar_t[0].item())
        return torch.full_like(x_t, 0.2)

    small = Model(counted, replace(CARD, pitches=2, length=24))
    found = prompting.generate(small, steps=steps)
    assert len(calls) == steps and calls[0] == 0 and all(a < b for a, b in zip(calls, calls[1:]))
    assert set(found.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("strength, steps", [(1.0, 1), (0.5, 8), (0.25, 1500), (0.001, 3)])
def test_the_levels_go_down_from_the_strength_that_is_asked(strength, steps):
    """(1 - t/T)² at t = strength · T, and evenly in t from there to the clean roll."""
    seen = []

    def watch(t, x_t, x0_hat, x_T, alpha_bar, prior, generator):
        seen.append(alpha_bar)
        return x_t

    prompting.vary(model, torch.zeros(1, 1, P, L), strength, sampler=watch, steps=steps)
    levels = seen[0]
    assert len(seen) == len(levels) - 1 and all(other is levels for other in seen)
    assert len(levels) == max(1, round(strength * steps)) + 1
    place = 1 - levels.sqrt()  # t / T
    assert place[0] == 0 and place[-1].item() == pytest.approx(strength, abs=1e-12)
    even = torch.linspace(0, strength, len(levels), dtype=place.dtype)
    assert (place - even).abs().max() <= 0.5 / max(1000, steps) + 1e-12


def test_a_hundred_steps_and_one_roll_are_the_default():
    calls = []

    def counted(x_t, alpha_bar_t, known=None):
        calls.append(x_t.shape)
        return torch.full_like(x_t, 0.2)

    small = Model(counted, replace(CARD, pitches=2, length=24))
    made = prompting.generate(small, generator=seeded())
    assert made.shape == (1, 1, 2, 24) and len(calls) == 100
    assert made.device.type == "cpu"


@pytest.mark.parametrize("steps", [0, -3])
def test_fewer_than_one_step_is_refused(steps):
    with pytest.raises(ValueError, match=f"steps must be 1 or more, got {steps}"):
        prompting.generate(model, steps=steps)


@pytest.mark.parametrize("prior", [0.2, [[0.2]], [[0.2] * P]])
def test_the_work_is_done_where_the_roll_is(prior):
    """On a device that holds shapes and no numbers, so that this needs no accelerator."""
    model = Model(contrary, replace(CARD, prior=prior))
    x = torch.zeros(3, 1, P, L, device="meta")
    for mask in (
        prompting.before(x, 4),
        prompting.outside(x, 4, 8),
        prompting.above_melody(x),
        prompting.random_prompts(x, 0.5, None),
    ):
        assert mask.device.type == "meta" and mask.shape == x.shape and mask.dtype == torch.bool
    for made in (
        prompting.generate(model, 3, steps=2, device="meta"),
        prompting.complete(model, x, 4, steps=2),
        prompting.vary(model, x, 0.5, steps=2),
    ):
        assert made.device.type == "meta" and made.shape == x.shape


def test_rolls_from_nothing_have_the_size_that_is_asked():
    assert prompting.generate(model, steps=2).shape == (1, 1, P, L)
    assert prompting.generate(model, 3, length=30, steps=2).shape == (3, 1, P, 30)


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_the_seed_decides(sampler):
    a, b, c = (
        prompting.generate(model, 2, sampler=sampler, steps=5, generator=seeded(s))
        for s in (1, 1, 2)
    )
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert not torch.equal(a[0], a[1])


@pytest.mark.parametrize("strength", [-0.1, 1.01, 50, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength):
    with pytest.raises(ValueError, match="between 0 .* and 1"):
        prompting.vary(model, torch.zeros(1, 1, P, L), strength)


def test_unknown_samplers_and_rules_are_refused():
    with pytest.raises(ValueError, match="naive, xor, posterior"):
        prompting.generate(model, sampler="ddim")
    with pytest.raises(ValueError, match="draw, each or threshold"):
        prompting.generate(model, bit="round", steps=2)


@pytest.mark.parametrize("network", ["UNet", "FrameTransformer"])
def test_a_real_network_writes_below_a_melody(network):
    arguments = (
        {"widths": [4, 8]}
        if network == "UNet"
        else {"pitches": P, "prior": 0.2, "width": 16, "depth": 1, "heads": 2, "filters": 4}
    )
    torch.manual_seed(0)
    card = replace(CARD, network=network, arguments=arguments)
    real = Model(card.build().eval(), card)
    x = melody((9, 0, 24), (9, 24, 36), (7, 40, 48))
    found = prompting.harmonize(real, x, sampler="posterior", steps=5, generator=seeded())
    known = prompting.above_melody(x)
    assert torch.equal(found[known], x[known]) and found[~known].any()
    top = prompting.melody_line(found)[0, 0]
    sounding = prompting.melody_line(x)[0, 0] >= 0
    assert torch.equal(top[sounding], prompting.melody_line(x)[0, 0][sounding])


# --- a sampler of one's own ----------------------------------------------------------------------

NOTHING = torch.zeros(1, 1, P, L)
OWN = PROMPTS | {
    "paint": (lambda x, **o: prompting.paint(model, x, x > 0, **o), lambda x: x > 0),
    "generate": (lambda x, **o: prompting.generate(model, **o), lambda x: NOTHING > 0),
}


@pytest.mark.parametrize("prompt", OWN)
def test_a_sampler_of_one_s_own_is_one_function(prompt):
    """The exact posterior far from the clean roll, and the naive step near it."""

    def mixed(t, x_t, x0_hat, x_T, alpha_bar, prior, generator, turn=0.3):
        step = sampling.naive if alpha_bar[t] < turn else sampling.posterior
        return step(t, x_t, x0_hat, x_T, alpha_bar, prior, generator)

    x = melody((5, 0, 12), (7, 12, 24), (3, 24, 48))
    write, mask = OWN[prompt]
    made = {
        name: write(x, sampler=sampler, steps=6, generator=seeded())
        for name, sampler in {
            "naive": "naive",
            "all naive": partial(mixed, turn=1.1),
            "mixed": mixed,
            "posterior": "posterior",
            "no naive": partial(mixed, turn=-1.0),
        }.items()
    }
    assert torch.equal(made["all naive"], made["naive"])
    assert torch.equal(made["no naive"], made["posterior"])
    assert not torch.equal(made["mixed"], made["naive"])
    assert not torch.equal(made["mixed"], made["posterior"])
    assert all(torch.equal(m[mask(x)], x[mask(x)]) for m in made.values())


@pytest.mark.parametrize("prompt", OWN)
def test_a_sampler_of_one_s_own_may_heed_the_network_alone(prompt):
    """The shortest: x̂_0 is the next roll. Nothing of it is corrected or polished."""
    x, seen = melody((5, 0, 12), (7, 12, 24), (3, 24, 48)), []
    write, mask = OWN[prompt]
    made = write(
        x,
        sampler=lambda t, x_t, x0_hat, *rest: x0_hat,
        steps=4,
        generator=seeded(),
        callback=lambda *now: seen.append(now),
    )
    assert all(torch.equal(b[1], a[2]) for a, b in zip(seen, seen[1:]))
    assert torch.equal(made, seen[-1][1]) and torch.equal(made[mask(x)], x[mask(x)])


def test_a_sampler_may_bring_its_corrector():
    calls = []

    def counted(x_t, alpha_bar_t, known=None):
        calls.append(round(alpha_bar_t[0].item(), 6))
        return contrary(x_t, alpha_bar_t)

    own = sampling.Sampler(sampling.naive, partial(sampling.gibbs, share=0.2))
    prompting.vary(Model(counted, CARD), NOTHING, 0.5, sampler=own, steps=8, generator=seeded())
    assert len(calls) == 4 + 3


# --- several parts ------------------------------------------------------------------------------


def test_the_others_are_given_silent_or_free_each_in_a_third_of_a_batch():
    x0 = (torch.rand(3000, 4, 2, 3, generator=seeded()) < 0.5).float()
    made, given = prompting.company(x0, 2, seeded())
    assert torch.equal(made[:, :2], x0[:, :2]) and not given[:, :2].any()
    told = given[:, 2:].flatten(1)
    assert (told.all(1) | ~told.any(1)).all()
    silent = told.all(1) & ~made[:, 2:].flatten(1).any(1)
    assert torch.equal(made[~silent], x0[~silent])
    assert abs(silent.float().mean() - 1 / 3) < 0.05
    assert abs(told.all(1).float().mean() - 2 / 3) < 0.05


def test_a_part_is_written_beside_others_that_stay():
    bits = {"network": "BeatTransformer", "arguments": {"pitches": P, "kinds": 2}, "prior": 0.1}
    card = replace(CARD, **bits, planes=2, parts="piano,others")
    model = Model(lambda x_t, *_: torch.full_like(x_t, 0.5), card)
    x = (torch.rand(2, 2, P, L, generator=seeded()) < 0.3).float()
    made = prompting.paint(model, x, prompting.others(x), steps=2, generator=seeded())
    assert made.shape == x.shape and torch.equal(made[:, 1], x[:, 1])
    assert not torch.equal(made[:, 0], x[:, 0])
    assert prompting.generate(model, 2, steps=2, generator=seeded()).shape == (2, 1, P, L)


# --- polish, and what the callback sees ----------------------------------------------------------


def test_polish_asks_again_in_doubt_and_keeps_known_cells():
    wanted, levels = sampling.noise((2, 1, 4, 6), 0.5, seeded(3)), []
    known = torch.rand(wanted.shape, generator=seeded(4)) < 0.3

    def network(x_t, alpha_bar_t, mask):
        levels.append(alpha_bar_t)
        assert torch.equal(mask, known) and not torch.is_grad_enabled()
        return 0.1 + 0.8 * wanted

    x = torch.where(known, 1 - wanted, sampling.noise(wanted.shape, 0.2, seeded()))
    before = x.clone()
    made = prompting.polish(network, x, known, 1 - wanted, 2)
    assert [level.tolist() for level in levels] == [[prompting.DOUBT] * 2] * 2
    assert torch.equal(made, torch.where(known, 1 - wanted, wanted)) and torch.equal(x, before)
    assert 0 < prompting.DOUBT < 1


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_each_call_that_polishes_reads_what_the_last_wrote(calls):
    """Of a network that contradicts, free cells turn with each call. No cell is drawn."""
    x = sampling.noise((2, 1, 4, 6), 0.5, seeded())
    known = torch.rand(x.shape, generator=seeded(4)) < 0.3
    made = prompting.polish(contrary, x, known, x, calls)
    assert torch.equal(made, torch.where(known, x, (x + calls) % 2))


@pytest.mark.parametrize("sampler", [*sampling.SAMPLERS, sampling.posterior])
@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_roll_is_polished_as_often_as_is_asked(sampler, calls):
    levels = []

    def network(x_t, alpha_bar_t, known=None):
        levels.append(alpha_bar_t[0].item())
        return contrary(x_t, alpha_bar_t)

    x = melody((5, 0, 12), (7, 12, 24))
    made = prompting.complete(
        Model(network, CARD), x, 24, sampler=sampler, steps=2, generator=seeded(), polishing=calls
    )
    assert levels[2:] == [0.25] * (sampler == "gibbs") + [prompting.DOUBT] * calls
    plain = prompting.complete(
        model, x, 24, sampler=sampler, steps=2, generator=seeded(), polishing=0
    )
    known = prompting.before(x, 24)
    assert torch.equal(made, prompting.polish(contrary, plain, known, x, calls))


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_the_callback_sees_each_step_and_the_finished_roll_and_changes_nothing(sampler):
    x = melody((5, 0, 12), (7, 12, 24))
    for polishing in 0, 3:
        seen, how = [], {"sampler": sampler, "steps": 4, "polishing": polishing}
        made = prompting.complete(
            model, x, 24, **how, generator=seeded(), callback=lambda *now: seen.append(now)
        )
        assert [t for t, *_ in seen] == [4, 3, 2, 1, 0]
        assert all(torch.equal(roll, made) for roll in seen[-1][1:])  # (0, x_0, x_0)
        assert torch.equal(prompting.complete(model, x, 24, **how, generator=seeded()), made)


def test_the_card_says_how_a_model_is_drawn():
    """The share of fresh noise, and the calls that polish, unless they are asked for."""
    x = torch.zeros(2, 1, P, L)
    own = Model(contrary, replace(CARD, refresh=0.9, polishing=1))
    step = partial(sampling.posterior, refresh=0.9)
    made = prompting.complete(own, x, 12, steps=6, generator=seeded())
    asked = {"sampler": step, "steps": 6, "polishing": 1, "generator": seeded()}
    assert torch.equal(made, prompting.complete(model, x, 12, **asked))
    plain = prompting.complete(model, x, 12, steps=6, polishing=1, generator=seeded())
    assert not torch.equal(made, plain)
    other = {"sampler": "posterior", "steps": 6, "polishing": 0, "generator": seeded()}
    told = prompting.complete(own, x, 12, **other)
    assert torch.equal(told, prompting.complete(model, x, 12, **other | {"generator": seeded()}))


# --- revise --------------------------------------------------------------------------------------

BEATS = 4  # of a roll of 96 ticks
LONG = replace(CARD, length=24 * BEATS)


def answering(draws):
    """A `paint` that writes the next of some rolls in all free cells, and remembers what it saw."""
    asked = []

    def paint(model, x, known, *, steps):
        asked.append((x.clone(), known.clone(), steps))
        new = draws.pop(0) if draws else 1 - x
        return torch.where(known, x, new[..., : x.shape[-1]].expand(x.shape))

    return paint, asked


def lit(cells):
    """A rule that finds a fault wherever the lowest row is lit."""
    return cells[:, 0].astype(int)


def test_only_the_beats_on_either_side_of_a_fault_are_written_anew():
    x = torch.zeros(2, 1, P, 24 * BEATS)
    x[1, 0, 0, 48] = 1
    known = torch.zeros_like(x, dtype=torch.bool)
    known[1, 0, 5] = True
    paint, asked = answering([torch.zeros_like(x[:1])])
    made = prompting.revise(Model(contrary, LONG), x, known, 1, rule=lit, paint=paint, steps=7)
    ((given_, kept, steps),) = asked
    assert len(given_) == 1 and steps == 7  # the roll without a fault is left alone
    free = (~kept[0, 0]).any(0).nonzero().flatten().tolist()
    assert free == list(range(24, 72))  # the beat before the fault, and the beat after
    assert kept[0, 0, 5].all()
    assert made.sum() == 0 and x.sum() == 1  # mended, and the roll that was given is as it was


def test_what_has_more_faults_or_as_many_is_not_kept():
    x = torch.zeros(1, 1, P, 24 * BEATS)
    x[..., 0, 30] = 1
    for lit_ticks in ([40], [30, 40]):
        worse = torch.zeros_like(x)
        worse[..., 0, lit_ticks] = 1
        paint, asked = answering([worse])
        made = prompting.revise(Model(contrary, LONG), x, x > 1, 1, rule=lit, paint=paint)
        assert torch.equal(made, x) and len(asked) == 1


def test_to_leave_a_voice_out_does_not_pay():
    """Two chords in parallel, and three ways to redraw them: one with a rest in the tenor."""
    roll = np.zeros((P, 24 * BEATS), bool)
    for beat, up in enumerate((0, 2, 2, 2)):
        roll[np.array([0, 3, 5, 7]) + up, 24 * beat : 24 * beat + 24] = True
    x, still, thin = bits(roll), bits(roll), bits(roll)
    still[..., :24] = x[..., 24:48]
    thin[..., :24] = still[..., :24]
    thin[..., 5, 6:12] = 0
    assert prompting.counterpoint.parallels(roll[None]).sum() == 1
    for draw, kept in ((still, True), (thin, False)):
        paint, _ = answering([draw])
        made = prompting.revise(Model(contrary, LONG), x, x > 1, 1, paint=paint)
        assert torch.equal(made, draw if kept else x)


def test_each_stretch_is_kept_or_refused_by_itself():
    """Four places far apart: one mended, one worse, one as bad, one mended but with a rest."""
    x = torch.zeros(1, 1, P, 24 * 16)
    places = torch.tensor([40, 136, 232, 328])
    x[..., 0, places] = 1
    x[..., 5:8, 308:312] = 1  # with the fault's row no chord of four, but in the next line
    x[..., 9, 308:312] = 1
    new = x.clone()
    new[..., 0, 40] = 0
    new[..., 0, 137] = 1
    new[..., 0, 232], new[..., 0, 233] = 0, 1
    new[..., 0, 328], new[..., 9, 310:312] = 0, 0
    mended = x.clone()
    mended[..., 0, 40] = 0
    paint, asked = answering([new])
    made = prompting.revise(Model(contrary, LONG), x, x > 1, 1, rule=lit, paint=paint)
    assert torch.equal(made, mended) and len(asked) == 1


@given(arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 30))), st.data())
def test_stretches_beside_a_loop(marked, data):
    before, after = (data.draw(st.integers(0, 3)) for _ in range(2))
    counts = data.draw(arrays(np.int64, marked.shape, elements=st.integers(-3, 3)))
    wide = np.zeros_like(marked)
    for b, tick in np.argwhere(marked):
        wide[b, max(tick - before, 0) : tick + after + 1] = True
    number, total = np.zeros(marked.shape, int), np.zeros((len(marked), marked.shape[1] + 1), int)
    for b, row in enumerate(wide):
        k = 0
        for tick, inside in enumerate(row):
            k += inside and not (tick and row[tick - 1])
            number[b, tick] = k * inside
            total[b, k] += counts[b, tick] * inside
    total[:, 0] = 0
    spread = prompting._spread(torch.from_numpy(marked), before, after)
    stretch = prompting._stretches(spread)
    assert spread.numpy().tolist() == wide.tolist()
    assert stretch.numpy().tolist() == number.tolist()
    assert prompting._totals(torch.from_numpy(counts), stretch).numpy().tolist() == total.tolist()


def test_it_goes_on_until_no_fault_is_left_or_the_rounds_are_over():
    x = torch.zeros(1, 1, P, 24 * BEATS)
    x[..., 0, [10, 30, 50]] = 1
    one, none = x.clone(), torch.zeros_like(x)
    one[..., 0, [10, 30]] = 0
    for rounds, calls, left in ((1, 1, 1), (5, 2, 0), (0, 0, 3)):
        paint, asked = answering([one, none])
        made = prompting.revise(Model(contrary, LONG), x, x > 1, rounds, rule=lit, paint=paint)
        assert (len(asked), made.sum()) == (calls, left)


def test_faults_of_what_is_given_are_left_alone():
    x = torch.zeros(1, 1, P, 24 * BEATS)
    x[..., 0, 30] = 1
    known = torch.ones_like(x, dtype=torch.bool)
    known[..., 80:] = False  # far away
    paint, asked = answering([])
    made = prompting.revise(Model(contrary, LONG), x, known, 3, rule=lit, paint=paint)
    assert not asked and torch.equal(made, x)


def chorale(random):
    """Thirty beats of four voices that often move together, now and then with one left out."""
    roll = np.zeros((P, 24 * 30), bool)
    for tick in range(0, roll.shape[-1], 12):
        rows = np.array([0, 3, 7, 10]) + random.integers(0, 2)
        roll[rows[random.random(4) < 0.97], tick : tick + 12] = True
    return bits(roll)


def test_revising_never_adds_parallels_or_takes_voices_and_keeps_what_is_known():
    """In pieces of many stretches, of which each is as it was or as it was drawn."""
    random, changed = np.random.default_rng(), 0
    for _ in range(20):
        x, draw = (torch.cat([chorale(random) for _ in range(3)]) for _ in range(2))
        known = torch.from_numpy(random.random(x.shape) < 0.02)

        def paint(model, some, kept, *, steps, x=x, draw=draw):
            which = [int((x == roll).flatten(1).all(1).nonzero()[0]) for roll in some]
            return torch.where(kept, some, draw[which])

        made = prompting.revise(Model(contrary, LONG), x, known, 1, paint=paint)
        assert torch.equal(made[known], x[known])
        faults, full = (
            [measure(r[:, 0].numpy() > 0).sum(1) for r in (x, made)]
            for measure in (prompting.counterpoint.parallels, prompting.counterpoint.full)
        )
        same = (made == x).flatten(1).all(1).numpy()
        assert ((faults[1] < faults[0]) | same).all() and (full[1] >= full[0]).all()
        drawn = torch.where(known, x, draw)
        assert ((made == x).all(2) | (made == drawn).all(2)).all()
        changed += int((made != x).any())
    assert changed > 10


def test_models_without_voices_are_not_revised_unless_asked():
    paint, asked = answering([])
    x = torch.ones(1, 1, P, L)
    prompting.revise(model, x, x > 1, rule=lit, paint=paint)
    assert not asked
    voiced = Model(contrary, replace(CARD, arguments={"voices": 4}))
    prompting.revise(voiced, x, x > 1, rule=lit, paint=paint)
    assert len(asked) == 1
