"""Chords, keys and motion: the same in every key, and against plain counting."""

from itertools import product

import pytest
import torch

from binolab.networks.tones import Motion, Tonality, beside, classes, pitches

WIDTH, COLUMNS = 8, 2


def beliefs(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_rows_of_a_pitch_class_are_added_up_and_told_again():
    x = beliefs(2, 3, 29, 5)
    slow = torch.stack([x[:, :, c::12].sum(2) for c in range(12)], 2)
    torch.testing.assert_close(classes(x), slow)
    assert torch.equal(pitches(slow, 29)[:, :, 25], slow[:, :, 1])
    assert torch.equal(beside(x, 1)[..., 1:], x[..., :-1]) and (beside(x, 1)[..., 0] == 0).all()
    assert torch.equal(beside(x, -1)[..., :-1], x[..., 1:]) and (beside(x, -1)[..., -1] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("shift", [1, 7, 12])
def test_what_is_said_moves_with_the_key(shift):
    torch.manual_seed(0)
    layer, motion = Tonality(WIDTH, COLUMNS), Motion(2, 2)
    chance, level = torch.zeros(2, 4, 36, 40), torch.randn(2, WIDTH)
    chance[:, :, 8:20] = beliefs(2, 4, 12, 40)
    higher, prior = chance.roll(shift, 2), torch.zeros(4, 36, 1)
    said = layer(chance, prior, level)
    assert said.shape == (2, Tonality.scales, 36, 40)
    moved = layer(higher, prior, level)[:, :, 12:]
    torch.testing.assert_close(moved, said.roll(shift, 2)[:, :, 12:], rtol=1e-3, atol=1e-3)
    tone = classes(chance[:, ::2])
    found = motion.parallels(tone, 7, 1)
    torch.testing.assert_close(
        motion.parallels(classes(higher[:, ::2]), 7, 1), found.roll(shift, 2)
    )


@torch.no_grad()
def test_the_whole_roll_says_the_same_everywhere_and_a_beat_says_its_own():
    torch.manual_seed(0)
    said = Tonality(WIDTH, COLUMNS)(beliefs(1, 2, 24, 40), torch.zeros(2, 24, 1), torch.zeros(1, 8))
    torch.testing.assert_close(said[:, -1], said[:, -1, :, :1].expand(-1, -1, 40))
    assert (said[:, :-1] - said[:, :-1, :, :1]).abs().amax((0, 2, 3)).min() > 0


@torch.no_grad()
@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("interval", [0, 7])
def test_parallels_are_those_that_plain_counting_finds(interval, way):
    """Three voices of sure notes. A note is in parallel with another voice's where both pairs stand
    in the interval, and the other voice moves."""
    random = torch.Generator().manual_seed(1)
    C = 60
    rows = torch.randint(0, 36, (3, C), generator=random)
    rows[:, ::3] = rows[:, 1::3]  # some stay
    tone = classes(torch.nn.functional.one_hot(rows, 36).movedim(-1, 1).float()[None])
    found = Motion(3, 1).parallels(tone, interval, way)[0]
    for v, q, c in product(range(3), range(12), range(C)):
        count, d = 0, c - way
        for u in range(3) if 0 <= d < C else ():
            i = interval if v < u else -interval  # the first voice is the highest
            apart = (rows[v, d] - rows[u, d] - i) % 12 == 0
            again = (q - rows[u, c] - i) % 12 == 0
            count += u != v and apart and again and (rows[u, d] - rows[u, c]) % 12 != 0
        assert found[v, q, c] == count


@torch.no_grad()
def test_untrained_the_second_look_adds_nothing():
    assert (Motion(2, 2)(beliefs(1, 4, 30, 8)) == 0).all()
