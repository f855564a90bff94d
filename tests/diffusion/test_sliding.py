"""Longer than the window: every beat written once, what is known kept, cost linear, memory flat."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.card import Card
from binolab.diffusion import prompting, sampling, sliding
from binolab.model import Model

P, BEAT, WINDOW = 6, 4, 16
CARD = Card("UNet", {}, 0.2, ["power", 2], T=40, low=40, pitches=P, ticks=BEAT, length=WINDOW)


def contrary(x_t, alpha_bar_t, known=None):
    """Contradicts what it sees, so that nothing is kept by chance."""
    return 0.9 - 0.8 * x_t


model = Model(contrary, CARD)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bits(length, seed=0, n=1):
    return sampling.noise((n, 1, P, length), 0.3, seeded(seed))


def watched(seen):
    """The model, noting the shape and the known cells of what it is asked."""

    def ask(x_t, alpha_bar_t, known=None):
        seen.append((x_t.clone(), None if known is None else known.clone()))
        return contrary(x_t, alpha_bar_t, known)

    return replace(model, network=ask)


# --- the plan ------------------------------------------------------------------------------------


def test_windows_of_a_piece_from_nothing():
    nothing = torch.zeros(1, 1, P, 40, dtype=torch.bool)
    assert sliding.plan(model, nothing) == [(0, 0, 16), (8, 16, 24), (16, 24, 32), (24, 32, 40)]
    # The last ends with the piece, so it keeps more than the overlap that was asked.
    assert sliding.plan(model, nothing, overlap=4) == [(0, 0, 16), (12, 16, 28), (24, 28, 40)]
    assert sliding.plan(model, nothing, overlap=12)[-1] == (24, 36, 40)
    assert sliding.plan(model, nothing[..., :8]) == [(0, 0, 8)]


@given(st.data(), st.integers(1, 30), st.integers(1, 3))
def test_every_free_cell_is_written_once_with_its_context(data, beats, overlap):
    length = beats * BEAT
    free = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    known = ~torch.tensor(free).expand(2, 1, P, length)
    written = np.zeros(length, int)
    for start, fresh, stop in sliding.plan(model, known, overlap=overlap * BEAT):
        assert start % BEAT == fresh % BEAT == 0 and 0 <= start <= fresh < stop <= length
        assert stop - start == min(WINDOW, length)
        ahead = stop == length or not all(free[fresh + BEAT : stop])  # a hole that closes here
        assert fresh - start >= min(BEAT if ahead else overlap * BEAT, fresh)
        assert any(free[fresh : fresh + BEAT])
        written[fresh:stop] += 1
    assert written.max(initial=0) <= 1 and written[free].all()


@pytest.mark.parametrize("beats", [4, 16])
def test_a_hole_that_fits_in_a_window_sees_as_much_after_as_before(beats):
    """However long it is: what it sees differs by a beat at most, and a beat is seen before."""
    model, far = Model(contrary, replace(CARD, length=beats * BEAT)), 2 * beats * BEAT
    for overlap in range(1, beats):
        for hole in range(1, beats - overlap + 1):
            known = torch.ones(1, 1, P, 5 * beats * BEAT, dtype=torch.bool)
            known[..., far : far + hole * BEAT] = False
            ((start, fresh, stop),) = sliding.plan(model, known, overlap=overlap * BEAT)
            before, after = far - start, stop - far - hole * BEAT
            assert fresh == far and before + hole * BEAT + after == beats * BEAT
            assert before >= BEAT and abs(before - after) <= BEAT


def test_a_hole_near_the_beginning_has_a_beat_before_it():
    known = torch.ones(1, 1, P, 20, dtype=torch.bool)
    known[..., 7:13] = False
    assert sliding.plan(model, known, overlap=4) == [(0, 4, 16)]


def test_nothing_to_write_is_no_window():
    assert sliding.plan(model, torch.ones(1, 1, P, 40, dtype=torch.bool)) == []


# --- painting ------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**31))
def test_known_cells_come_back_untouched(beats, overlap, seed):
    x = bits(beats * BEAT, seed, n=2)
    known = torch.rand(x.shape, generator=seeded(seed)) < 0.5
    before = x.clone()
    found = sliding.paint(model, x, known, overlap=overlap * BEAT, steps=2, generator=seeded(seed))
    assert found.shape == x.shape and set(found.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(found[known], x[known]) and torch.equal(x, before)


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_one_window_is_prompting(sampler):
    x, how = bits(WINDOW), {"sampler": sampler, "steps": 4}
    known = prompting.before(x, 7)
    assert torch.equal(
        sliding.paint(model, x, known, generator=seeded(1), **how),
        prompting.paint(model, x, known, generator=seeded(1), **how),
    )


def test_generate_is_a_plain_loop_of_completions():
    generator = seeded(3)
    x = prompting.generate(model, 2, steps=3, generator=generator)
    while x.shape[-1] < 40:
        window = torch.cat([x[..., -8:], torch.zeros(2, 1, P, 8)], -1)
        new = prompting.complete(model, window, 8, steps=3, generator=generator)
        x = torch.cat([x, new[..., 8:]], -1)
    found = sliding.generate(model, 2, length=40, steps=3, generator=seeded(3))
    assert torch.equal(found, x)
    endless = sliding.stream(model, 2, steps=3, generator=seeded(3))
    assert torch.equal(torch.cat(list(islice(endless, 4)), -1), x)


def test_a_window_sees_its_overlap_and_no_more():
    seen = []
    found = sliding.generate(watched(seen), length=40, overlap=4, steps=2, generator=seeded())
    calls = len(seen) // 3
    assert all(x.shape[-1] == WINDOW for x, _ in seen)
    for k, (start, fresh, _) in enumerate(
        sliding.plan(model, torch.zeros(1, 1, P, 40).bool(), overlap=4)
    ):
        for x_t, known in seen[k * calls : (k + 1) * calls]:
            tick = torch.arange(start, start + WINDOW)
            assert (known == (tick < fresh)).all()
            kept = x_t[..., : fresh - start]
            assert torch.equal(kept, found[..., start:fresh])


def test_extend_keeps_the_piece_and_reads_its_end_only():
    x = bits(24)
    found = sliding.extend(model, x, 48, steps=2, generator=seeded(1))
    assert found.shape[-1] == 48 and torch.equal(found[..., :24], x)
    other = torch.cat([1 - x[..., :16], x[..., 16:]], -1)  # another beginning
    again = sliding.extend(model, other, 48, steps=2, generator=seeded(1))
    assert torch.equal(found[..., 24:], again[..., 24:])
    assert torch.equal(sliding.extend(model, x, 24), x)


def test_a_long_hole_hears_both_sides():
    x, seen = bits(48), []
    known = prompting.outside(x, 12, 36)
    assert sliding.plan(model, known) == [(4, 12, 20), (12, 20, 28), (24, 28, 40)]
    sliding.paint(watched(seen), x, known, steps=1, generator=seeded())
    last = seen[-1][1][0, 0, 0]
    assert last[:4].all() and last[-4:].all() and not last[4:-4].any()


def test_the_callback_counts_windows():
    told = []
    sliding.generate(
        model,
        length=32,
        steps=2,
        generator=seeded(),
        callback=lambda k, t, x_t, x0_hat: told.append((k, t)),
    )
    assert told == [(k, t) for k in range(3) for t in (2, 1, 0)]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"length": 30}, "length must be whole beats of 4"),
        ({"length": 0}, "length must be whole beats"),
        ({"length": 32, "overlap": 0}, "overlap must be whole beats .* from 4 to 12"),
        ({"length": 32, "overlap": 16}, "overlap must be"),
        ({"length": 32, "overlap": 6}, "got 6 ticks"),
        ({"length": 32, "window": 18}, "window must be whole beats"),
    ],
)
def test_nonsense_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        sliding.generate(model, steps=1, **wrong)
    with pytest.raises(ValueError, match="at least the 32 ticks given"):
        sliding.extend(model, bits(32), 16)


# --- joint windows -------------------------------------------------------------------------------


def test_joint_windows_that_agree_say_what_each_says():
    """A network that looks at one tick at a time does not notice that it is cut into windows."""
    x = bits(44, n=2)
    together = sliding.joint(model, hop=4)
    assert torch.allclose(together(x, torch.tensor([0.5, 0.5])), model(x, None))


def test_joint_windows_vote_towards_their_middles():
    """eq-longer-joint"""

    def places(x_t, alpha_bar_t, known=None):  # says where in its window a tick lies
        return torch.arange(x_t.shape[-1]).float().expand(x_t.shape)

    said = sliding.joint(Model(places, CARD))(bits(24), torch.tensor([0.5]))[0, 0, 0]
    triangle = [min(i + 1, 16 - i) for i in range(16)]
    for tick in range(24):
        votes = [(tick - s, triangle[tick - s]) for s in (0, 8) if 0 <= tick - s < 16]
        mean = sum(w * place for place, w in votes) / sum(w for _, w in votes)
        assert said[tick].item() == pytest.approx(mean)


@pytest.mark.parametrize("length", [8, 16, 20, 44])
def test_joint_windows_take_any_length_and_prompt(length):
    seen = []
    together = sliding.joint(watched(seen))
    x = bits(length)
    known = prompting.before(x, 4)
    found = prompting.paint(together, x, known, steps=2, generator=seeded())
    assert torch.equal(found[known], x[known]) and not torch.equal(found, x)
    assert {s.shape[-1] for s, _ in seen} == {min(length, WINDOW)}
