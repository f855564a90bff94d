"""The page's modules against the library: the same numbers drawn, the same roll, cell for cell."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.card import Card
from binolab.diffusion import kernel, prompting, sampling, schedules
from binolab.model import Model
from binolab.music import counterpoint, rolls, voices
from binolab.music.codec import Codec

SEEDS = st.integers(0, 2**32 - 1)
LEVELS = st.floats(0.01, 0.99)


def flat(x):
    return torch.as_tensor(x).flatten().tolist()


def near(answer, tensor, within=1e-6):
    return np.allclose(answer, torch.as_tensor(tensor).flatten(), rtol=0, atol=within)


def cells(seed, *shape, share=0.3):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share).float()


def numbers(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def music(seed, P, L):
    """Notes of up to five voices, some struck again at once, and a few specks."""
    random = np.random.default_rng(seed)
    notes = []
    for _ in range(random.integers(1, 6)):
        tick, row = int(random.integers(0, 6)), int(random.integers(P))
        while tick < L:
            end = tick + int(random.integers(1, 14))
            if random.random() < 0.7:
                row = int(random.integers(P))
            if random.random() < 0.8:
                notes.append((row, tick, end))
            tick = end
    roll = rolls.from_notes(notes, P, L) ^ (random.random((P, L)) < 0.01)
    return torch.from_numpy(roll)[None].float()


# --- kernel and schedules ------------------------------------------------------------------------


@given(SEEDS, LEVELS, LEVELS)
def test_kernel(node, seed, a, b):
    s, t = max(a, b), min(a, b)
    x_t, x0 = cells(seed, 40), cells(seed + 1, 40)
    prior, u = 0.01 + 0.9 * numbers(seed + 2, 40), numbers(seed + 3, 40)
    h = numbers(seed + 4, 40)
    for bits in x0, h:
        answer = node("posterior", flat(x_t), flat(bits), s, t, flat(prior))
        assert near(answer, kernel.posterior(x_t, bits, s, t, prior))
    assert near(node("evidence", flat(x_t), t, flat(prior)), kernel.evidence(x_t, t, prior), 2e-5)
    answer = node("leaveOneOut", flat(h), flat(x_t), t, flat(prior))
    assert near(answer, kernel.leave_one_out(h, x_t, t, prior), 2e-6)
    for name, p in {
        "step": x0 * (1 - t) + prior * t,  # Eq. 3
        "forward": kernel.forward_probability(x0, t, prior),
    }.items():
        answer = node(name, flat(x0), t, flat(prior), flat(u))
        assert answer == flat(kernel.bernoulli(p, uniform=u))


def test_a_clean_bit_stays_in_the_last_step(node):
    x_t, x0, prior = [0, 0, 1, 1], [0, 1, 0, 1], [0.1] * 4
    assert node("posterior", x_t, x0, 1, 0.5, prior) == x0
    assert node("posterior", x_t, x0, 1, 1, prior) == flat(
        kernel.posterior(torch.tensor(x_t).float(), torch.tensor(x0).float(), 1, 1, 0.1)
    )


@pytest.mark.parametrize("T", [1, 2, 20, 37, 1000])
def test_schedules(node, T):
    for name, *parameters in [
        ("linear",),
        ("power",),
        ("power", 1.5),
        ("cosine",),
        ("spaced", [1.0, 0.7, 0.65, 0.2, 0.0]),
    ]:
        alpha_bar = schedules.SCHEDULES[name](T, *parameters)
        assert near(node("schedule", name, T, *parameters), alpha_bar.float())
        assert near(node("beta", flat(alpha_bar)), schedules.beta(alpha_bar).float())
        for steps in {1, 2, T // 3 + 1, T // 16 + 1, T}:
            if steps <= T:
                kept, levels = schedules.respace(alpha_bar, steps)
                assert node("respace", list(range(T + 1)), steps) == kept.tolist()
                assert node("respace", flat(alpha_bar), steps) == levels.tolist()


@given(SEEDS)
def test_bits_of_a_belief(node, seed):
    K, P, C = shape = 2, 7, 5
    h = numbers(seed, 1, *shape)
    one = h / h.sum(-2, keepdim=True).clamp(min=1)
    u = numbers(seed + 1, K, C)
    below = one.cumsum(-2) - one
    expected = (below <= u[:, None]) & (u[:, None] < below + one)
    assert node("toBit", flat(one), "one", flat(u), shape) == flat(expected)
    u = numbers(seed + 1, *shape)
    assert node("toBit", flat(h), "each", flat(u), shape) == flat(u < h)
    assert node("toBit", flat(h), "threshold", [], shape) == flat(h >= 0.5)


def test_the_generator_is_sfc32(node):
    """Against the published steps, in whole numbers of any size."""
    a, b, c, count, drawn, word = 0, 2026, 0, 1, [], 2**32 - 1
    for _ in range(12 + 1000):
        total = (a + b + count) & word
        a, b = b ^ (b >> 9), (c + (c << 3)) & word
        c = (((c << 21) | (c >> 11)) + total) & word
        count += 1
        drawn.append((total >> 8) / 2**24)
    found = node("seeded", 2026, 1000)
    assert found == drawn[12:]
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)
    assert node("seeded", 2**32 - 1, 3) != node("seeded", 0, 3)


# --- music ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [2, 3, 4, 8, 24])
@given(SEEDS, st.integers(1, 4))
def test_codec(node, grid, seed, V):
    codec, P, L = Codec(24, grid), 5, 48
    roll = torch.cat([music(seed + v, P, L) for v in range(V)])
    answer = node("encode", 24, grid, flat(roll), roll.shape)
    assert answer == flat(codec.encode(roll))
    bits = cells(seed, codec.kinds * V, P, L // codec.span, share=0.6)
    assert node("decode", 24, grid, flat(bits), bits.shape) == flat(codec.decode(bits))
    mask = cells(seed, V, P, L // codec.span, share=0.7).repeat_interleave(codec.span, -1)
    mask *= cells(seed + 1, V, P, L, share=0.98)
    answer = node("known", 24, grid, flat(mask.int()), mask.shape)
    assert answer == flat(codec.known(mask > 0).int())


@given(SEEDS, st.sampled_from([1, 2, 3, 4, 4, 4, 6]), st.integers(30, 50))
def test_voices(node, seed, V, low):
    P, L = 24, 48
    roll = music(seed, P, L)
    shape = (1, P, L)
    random = np.random.default_rng(seed)
    every = torch.zeros(1, P, L, dtype=torch.bool)
    below = torch.arange(P)[:, None].expand(shape) <= int(random.integers(P))
    for known in every, ~every, prompting.above_melody(roll), below:
        planes = voices.split(roll[None], V, known[None], low)[0]
        answer = node("split", flat(roll), V, flat(known.int()), low, shape)
        assert answer == flat(planes)
    assert node("merge", flat(planes), planes.shape) == flat(voices.merge(planes))
    noise = cells(seed, V, P, L)
    assert node("merge", flat(noise), noise.shape) == flat(voices.merge(noise))


@given(SEEDS)
def test_notes(node, seed):
    P, L = 12, 40
    roll = music(seed, P, L)
    found = rolls.notes(roll[0].numpy())
    assert [tuple(note) for note in node("notes", flat(roll), P, L)] == found
    random = np.random.default_rng(seed)
    notes = [
        (int(random.integers(P)), start, start + int(random.integers(1, 9)))
        for start in random.integers(0, L + 3, 12).tolist()
    ]
    assert node("fromNotes", notes, P, L) == flat(rolls.from_notes(notes, P, L).astype(float))


@given(SEEDS, st.integers(2, 6))
def test_parallels(node, seed, length):
    random = np.random.default_rng(seed)
    row = np.sort(random.choice(24, random.choice([3, 4, 4, 4, 5]), False))
    P, L = 40, 12 * length
    roll = np.zeros((P, L), bool)
    for tick in range(0, L, length):
        step = random.integers(-4, 5) if random.random() < 0.6 else random.integers(-4, 5, len(row))
        row = np.clip(row + step, 0, P - 1)
        roll[np.unique(row), tick : tick + length] = True
        if random.random() < 0.3:
            roll[row[0], tick] = False
    cells = roll[None]
    expected = [counterpoint.parallels(cells)[0].tolist(), counterpoint.full(cells)[0].tolist()]
    assert node("parallels", flat(torch.from_numpy(roll).float()), (1, P, L)) == expected


@given(SEEDS)
def test_masks(node, seed):
    P, L = 12, 40
    roll, shape = music(seed, P, L), (1, P, L)
    a, b = sorted(np.random.default_rng(seed).integers(0, L + 1, 2).tolist())
    expected = prompting.before(roll, a), prompting.outside(roll, a, b)
    expected = [flat(mask.int()) for mask in (*expected, prompting.above_melody(roll))]
    assert node("masks", flat(roll), shape, a, b) == expected
    known = cells(seed, P, L, share=0.5)
    answer = node("wholeNotes", flat(roll), flat(known.int()), shape)
    assert answer == flat(prompting.whole_notes(roll[0], known > 0).int())


# --- sampling and prompts ------------------------------------------------------------------------

PITCHES, LENGTH = 20, 48
SINGERS = Card(  # four voices in sixteenths, each one note at a time
    network="BeatTransformer",
    arguments={"voices": 4},
    prior=[[0.02 + 0.001 * p for p in range(PITCHES)], [0.01] * PITCHES] * 4,
    schedule=["cosine"],
    T=100,
    low=45,
    pitches=PITCHES,
    ticks=12,
    length=LENGTH,
    grid=4,
    planes=4,
)
TICKS = Card(  # one plane of ticks
    network="FrameTransformer",
    arguments={},
    prior=0.07,
    schedule=["power", 1.5],
    T=100,
    low=45,
    pitches=PITCHES,
    ticks=12,
    length=LENGTH,
)
CARDS = {"singers": SINGERS, "ticks": TICKS}


def written(card):
    """A card as scripts/export_onnx.py writes it."""
    K = card.kinds
    return asdict(card) | {
        "kinds": K,
        "columns": card.length // card.codec.span,
        "exclusive": bool(card.arguments.get("voices")),
        "prior": np.broadcast_to(card.prior, (K, card.pitches)).tolist(),
    }


def stand_in(exclusive):
    """A belief of few bits, so that both sides compute it exactly: see `standIn` in answer.mjs."""

    def network(x_t, alpha_bar_t, known):
        P = x_t.shape[-2]
        x, wide = x_t.double(), torch.nn.functional.pad(x_t.double(), (1, 1, 1, 1))
        near = [
            wide[..., :-2, 1:-1],
            wide[..., 2:, 1:-1],
            wide[..., 1:-1, :-2],
            wide[..., 1:-1, 2:],
        ]
        count = 1 + 2 * x + sum(near) + known
        level = 0.5 + (256 * alpha_bar_t.double()).round() / 512
        return (count / (8 * P if exclusive else 8) * level.view(-1, 1, 1, 1)).float()

    return network


@pytest.fixture
def both(node, monkeypatch):
    """Make a roll by a prompt in Python, hand its random numbers over, and compare every step."""

    def compare(prompt, card, *given, **options):
        draws, steps, rand = [], [], torch.rand

        def record(*shape, **keywords):
            drawn = rand(*shape, **keywords)
            draws.append(flat(drawn))
            return drawn

        model = Model(stand_in(written(card)["exclusive"]), card)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "rand", record)
            expected = getattr(prompting, prompt)(
                model,
                *given,
                callback=lambda t, x_t, x0_hat: steps.append([t, flat(x_t), flat(x0_hat)]),
                generator=torch.Generator().manual_seed(7),
                **options,
            )
        plain = [
            (flat(g.int()) if g.dtype == torch.bool else flat(g)) if torch.is_tensor(g) else g
            for g in given
        ]
        roll, seen = node(prompt, written(card), draws, *plain, options)
        assert seen == steps
        assert roll == flat(expected)
        return expected

    return compare


SAMPLERS = pytest.mark.parametrize("sampler", list(sampling.SAMPLERS))
CARD = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)


@CARD
@SAMPLERS
@pytest.mark.parametrize("bit", ["draw", "each", "threshold"])
def test_every_sampler_and_rule(both, card, sampler, bit):
    made = both("generate", card, sampler=sampler, steps=12, bit=bit)
    assert bit == "threshold" or 0 < made.mean() < 0.9


@CARD
@SAMPLERS
def test_every_prompt(both, card, sampler):
    x0 = music(3, PITCHES, LENGTH)[None]
    painted = torch.zeros(x0.shape, dtype=torch.bool)
    painted[..., :12, 7:30] = True
    painted[..., 4:16, 12:24] ^= True
    common = {"sampler": sampler, "steps": 9}
    for made, known in [
        (both("complete", card, x0, 20, **common), prompting.before(x0, 20)),
        (both("infill", card, x0, 13, 36, **common), prompting.outside(x0, 13, 36)),
        (both("harmonize", card, x0, **common), prompting.above_melody(x0)),
        (both("paint", card, x0, painted, strength=0.7, **common), painted),
    ]:
        assert torch.equal(made[known], x0[known]) and not torch.equal(made, x0)


@CARD
@SAMPLERS
@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 0.85])
def test_variations(both, card, sampler, strength):
    x0 = music(5, PITCHES, LENGTH)[None]
    made = both("vary", card, x0, strength, sampler=sampler, steps=14)
    assert torch.equal(made, x0) == (strength == 0)


@SAMPLERS
def test_revisions(both, sampler):
    """Two voices in parallel between two that are known: redrawn beats are kept."""
    roll = np.zeros((PITCHES, LENGTH))
    roll[[1, 18]] = 1
    roll[[5, 12], 5] = roll[[7, 14], 6] = 1
    x0 = torch.from_numpy(roll).float()[None, None]
    known = torch.zeros(x0.shape, dtype=torch.bool)
    known[..., [1, 18], :] = True
    made = both("revise", SINGERS, x0, known, rounds=30, steps=5, sampler=sampler)
    assert torch.equal(made[known], x0[known]) and not torch.equal(made, x0)
    assert torch.equal(both("revise", SINGERS, x0, known, rounds=0), x0)
    assert torch.equal(both("revise", TICKS, x0, known), x0)


def test_revisions_of_one_stretch_of_several(both):
    """Three places with parallels, far apart: some get better in a round in which others do not."""
    long = replace(SINGERS, length=16 * SINGERS.ticks)
    beats = [2, 7, 12]
    roll = np.zeros((PITCHES, long.length))
    roll[[1, 18]] = 1
    for beat in beats:
        tick = beat * SINGERS.ticks
        roll[[5, 12], tick - 1] = roll[[7, 14], tick] = 1
    x0 = torch.from_numpy(roll).float()[None, None]
    known = torch.zeros(x0.shape, dtype=torch.bool)
    known[..., [1, 18], :] = True
    mended = []
    for rounds in range(5):
        made = both("revise", long, x0, known, rounds=rounds, steps=4)
        changed = (made != x0)[0, 0].any(0).view(16, -1).any(1)
        mended.append(int(sum(changed[beat] for beat in beats)))
    assert any(0 < n < 3 for n in mended), mended
