"""The codec: exact both ways on what a grid can hold, against notes drawn one by one."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.music import rolls
from binolab.music.codec import Codec, coarsest

P, BEATS = 3, 2
GRID = pytest.mark.parametrize("grid", [1, 2, 3, 4, 6, 8, 12, 24])
SEEDS, PLANES = st.integers(0, 2**32 - 1), st.integers(1, 4)


def music(seed, planes, columns):
    """Notes (row, first column, one past the last) of each plane, some struck again at once."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(planes):
        notes = []
        for row in range(P):
            edges = np.flatnonzero(random.random(columns + 1) < 0.5)
            notes += [(row, a, b) for a, b in zip(edges, edges[1:]) if random.random() < 0.7]
        found.append(notes)
    return found


def drawn(found, codec, columns):
    """Those notes as a roll (V, P, L)."""
    span = codec.span
    return torch.from_numpy(
        np.stack(
            [
                rolls.from_notes(
                    [(row, a * span, b * span) for row, a, b in notes], P, columns * span
                )
                for notes in found
            ]
        )
    )


def slow_bits(found, columns):
    """Those notes as bits (2 V, P, C): which columns sound, and where a note follows another."""
    bits = torch.zeros(2 * len(found), P, columns)
    for v, notes in enumerate(found):
        for row, a, b in notes:
            bits[2 * v, row, a:b] = 1
            if any((row, a) == (other, end) for other, _, end in notes):
                bits[2 * v + 1, row, a] = 1
    return bits


def noise(seed, *shape):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.random(shape) < random.random())


@GRID
@given(SEEDS, PLANES)
def test_what_the_grid_holds_is_told_exactly_both_ways(grid, seed, planes):
    codec, columns = Codec(grid=grid), BEATS * grid
    found = music(seed, planes, columns)
    roll = drawn(found, codec, columns)
    bits = codec.encode(roll.float())
    assert torch.equal(bits, roll.float() if grid == 24 else slow_bits(found, columns))
    assert torch.equal(codec.decode(bits), roll.float()) and codec.holds(roll)
    sounding = codec.sounding(bits)
    assert torch.equal(sounding, bits[:: codec.kinds]) and len(sounding) == planes
    batch = torch.stack([roll, ~roll])
    assert torch.equal(codec.encode(batch)[0], bits.bool())
    assert codec.holds(batch).shape == (2,) and codec.holds(batch)[0]


@GRID
@given(SEEDS, PLANES)
def test_any_bits_become_a_roll_that_the_grid_holds(grid, seed, planes):
    """Where a note is struck again that does not sound, here and before, nothing is."""
    codec, columns = Codec(grid=grid), BEATS * grid
    bits = noise(seed, codec.kinds * planes, P, columns)
    roll = codec.decode(bits)
    assert roll.shape == (planes, P, 24 * BEATS) and roll.dtype == torch.bool and codec.holds(roll)
    same = bits.clone()
    if codec.kinds == 2:
        same[1::2, :, 1:] &= same[::2, :, 1:] & same[::2, :, :-1]
        same[1::2, :, 0] = False
    assert torch.equal(codec.encode(roll), same)


@GRID
@given(SEEDS, PLANES)
def test_any_roll_is_rounded_column_by_column(grid, seed, planes):
    codec, columns = Codec(grid=grid), BEATS * grid
    roll, span = noise(seed, planes, P, 24 * BEATS), codec.span
    if span == 1:
        assert codec.encode(roll) is roll and codec.decode(roll) is roll
        return
    bits = torch.zeros(2 * planes, P, columns, dtype=bool)
    for v, p, c in product(range(planes), range(P), range(columns)):
        here, before = (roll[v, p, max(i, 0) * span : (i + 1) * span].tolist() for i in (c, c - 1))
        bits[2 * v, p, c] = 2 * sum(here) >= span
        half = (span + 1) // 2
        gap = not all(before[half:]) or not all(here[:half])
        bits[2 * v + 1, p, c] = gap and bits[2 * v, p, c] and c > 0 and bits[2 * v, p, c - 1]
    assert torch.equal(codec.encode(roll), bits)


def test_a_grid_holds_what_some_bits_say_and_nothing_else():
    """Every roll of two columns of three ticks, and every word of bits."""
    codec = Codec(ticks=6, grid=2)
    every = torch.tensor(list(product([0, 1], repeat=6))).view(-1, 1, 1, 6)
    said = codec.decode(torch.tensor(list(product([0, 1], repeat=4))).view(-1, 2, 1, 2))
    said = {tuple(roll) for roll in said.flatten(1).tolist()}
    assert codec.holds(every).tolist() == [tuple(r) in said for r in every.flatten(1).tolist()]
    assert len(said) == 5  # silence, either column, both as one note, both as two


@GRID
@given(SEEDS, PLANES)
def test_a_bit_is_known_where_its_ticks_are(grid, seed, planes):
    codec, columns = Codec(grid=grid), BEATS * grid
    random = np.random.default_rng(seed)
    mask = torch.from_numpy(random.random((planes, P, columns)) < 0.7)  # over columns
    ticks = mask.repeat_interleave(codec.span, -1)
    ticks &= torch.from_numpy(random.random(ticks.shape) < 0.98)  # some columns in part
    known = codec.known(ticks)
    expected = []
    for row in ticks.flatten(0, 1).tolist():
        whole = [all(row[i : i + codec.span]) for i in range(0, len(row), codec.span)]
        again = [c == 0 or whole[c - 1] and whole[c] for c in range(columns)]
        expected.append([whole, again][: codec.kinds])
    expected = torch.tensor(expected).view(planes, P, codec.kinds, columns).transpose(1, 2)
    assert torch.equal(known, expected.flatten(0, 1))
    assert torch.equal(codec.spread(mask), codec.known(mask.repeat_interleave(codec.span, -1)))
    one, other = (noise(seed + i, *ticks.shape) for i in (1, 2))
    bits, others = codec.encode(one), codec.encode(torch.where(ticks, one, other))
    assert torch.equal(bits[known], others[known])  # whatever the rest holds


@GRID
@given(SEEDS, PLANES, st.integers(0, BEATS - 1))
def test_a_window_of_bits_is_that_of_the_roll(grid, seed, planes, beat):
    codec = Codec(grid=grid)
    roll = noise(seed, planes, P, 24 * BEATS)
    cut = codec.window(codec.encode(roll)[..., beat * grid :].clone())
    assert torch.equal(cut, codec.encode(roll[..., 24 * beat :]))


# --- what a grid holds ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps, grid",
    [
        ([24], 1),
        ([12], 2),
        ([6], 4),
        ([8], 3),
        ([6, 8], 12),
        ([3], 8),
        ([4], 6),
        ([7], 24),
        ([5, 7], 24),
    ],
)
def test_the_coarsest_grid_that_holds_the_music(steps, grid):
    """Notes of so many ticks: sixteenths are 6, eighth triplets 8, both together need 12."""
    notes = [(row, i * n, i * n + n) for row, n in enumerate(steps) for i in range(48)]
    roll = torch.from_numpy(rolls.from_notes(notes, 2, 48 * 24))[None]
    fit = [g for g in (1, 2, 3, 4, 6, 8, 12, 24) if Codec(grid=g).holds(roll)]
    assert fit[0] == grid


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [-4, 0, 5, 7, 48])
def test_a_grid_that_does_not_divide_the_beat_is_refused(grid):
    with pytest.raises(ValueError, match="choose one of 1, 2, 3, 4, 6, 8, 12, 24$") as caught:
        Codec(24, grid)
    assert str(grid) in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_column_is_refused():
    codec = Codec(grid=4)
    for call in codec.encode, codec.known, codec.holds:
        with pytest.raises(ValueError, match="25 ticks: .* 4 columns a beat takes multiples of 6$"):
            call(torch.zeros(1, 2, 25, dtype=bool))


@GRID
def test_the_coarsest_grid_that_holds_the_notes_is_chosen(grid):
    """Of notes on a grid it is that grid; one note in a hundred off it asks for a finer one."""
    span = 24 // grid
    notes = [(p, span * i, span * (i + 1)) for p in range(4) for i in range(p % 2, 100, 2)]
    roll = rolls.from_notes(notes, 8, 100 * span)
    assert coarsest([roll]) == grid
    assert coarsest([roll, np.zeros((8, 24), bool)]) == grid
    if span > 1:
        stray = rolls.from_notes([(7, span * i + 1, span * i + span) for i in range(20)], 8, 600)
        assert coarsest([roll, stray]) > grid and coarsest([roll, stray], share=0.85) == grid


def test_of_nothing_the_coarsest_grid_is_a_column_a_beat():
    assert coarsest([]) == coarsest([np.zeros((8, 48), bool)]) == 1
