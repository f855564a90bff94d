"""Voices: planes made one, and one roll shared out, against notes drawn the plain way."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from binolab.datasets import Piece, in_voices
from binolab.diffusion import prompting
from binolab.model import load
from binolab.music import rolls, voices
from binolab.training.config import Config
from binolab.training.loop import train

P, L, LOW = 24, 48, 40


@st.composite
def parts(draw):
    """Two to four voices: notes of each one after the other, (row, start, end)."""
    found = []
    for _ in range(draw(st.integers(2, 4))):
        notes, tick = [], draw(st.integers(0, 6))
        while tick < L:
            end = min(tick + draw(st.integers(2, 14)), L)
            if draw(st.booleans()) and end - tick > 1:
                notes.append((draw(st.integers(0, P - 1)), tick, end))
            tick = end
        found.append(notes)
    return found


@given(parts())
def test_planes_become_the_roll_of_all_their_notes(found):
    planes = np.stack([rolls.from_notes(notes, P, L) for notes in found])
    whole = rolls.from_notes([note for notes in found for note in notes], P, L)
    merged = voices.merge(torch.from_numpy(planes).float()[None])
    assert merged.shape == (1, 1, P, L) and np.array_equal(merged[0, 0].numpy() > 0, whole)


@given(parts())
def test_no_voice_sings_two_notes_and_none_is_lost_where_there_are_voices_enough(found):
    roll = rolls.from_notes([note for notes in found for note in notes], P, L)
    notes = rolls.notes(roll)
    planes = voices.split(torch.from_numpy(roll)[None, None].float(), 4, low=LOW)[0] > 0
    assert (planes.sum(1) <= 1).all()  # of a voice, at any tick
    most = max((sum(s <= t < e for _, s, e in notes) for t in range(L)), default=0)
    again = voices.merge(planes[None])[0, 0].numpy()
    assert not (again & ~roll).any()
    if most <= 4:
        assert np.array_equal(again, roll)


def test_four_notes_are_shared_out_from_the_top_and_a_moving_voice_keeps_its_plane():
    chord = [(20, 0, 24), (15, 0, 48), (9, 0, 48), (2, 0, 48), (16, 24, 48)]  # the first falls
    roll = torch.from_numpy(rolls.from_notes(chord, P, L))[None, None]
    planes = voices.split(roll, 4, low=LOW)[0]
    rows = [[row for row, *_ in rolls.notes(plane.numpy())] for plane in planes]
    assert rows == [[16, 20], [15], [9], [2]]


@pytest.mark.parametrize("row", [2, 12, 21])
def test_a_melody_with_all_known_above_it_is_the_first_voice(row):
    roll = torch.from_numpy(rolls.from_notes([(row, 0, 24), (row, 24, L)], P, L))[None, None]
    planes = voices.split(roll, 4, prompting.above_melody(roll), LOW)[0]
    assert torch.equal(planes[0], roll[0, 0]) and not planes[1:].any()
    bass = torch.arange(P)[:, None] <= row  # and a bass, known with all below, the last
    planes = voices.split(roll, 4, bass.expand(roll.shape), LOW)[0]
    assert torch.equal(planes[3], roll[0, 0]) and not planes[:3].any()


def test_one_voice_is_the_roll_itself():
    roll = torch.rand(2, 1, P, L) < 0.2
    assert voices.split(roll, 1) is roll and voices.merge(roll) is roll


# --- a model of voices on a grid -----------------------------------------------------------------


@pytest.fixture(scope="module")
def singer(tmp_path_factory):
    """A network of four voices in sixteenths that has made two steps."""
    from binolab.datasets.pieces import Piece

    notes = [
        [(r + 6 * v + b % 3, 24 * b, 24 * b + 24) for b in range(16)]
        for v, r in ((3, 1), (2, 1), (1, 1), (0, 1))
    ]
    planes = np.stack([rolls.from_notes(n, 32, 384) for n in notes])
    whole = voices.merge(torch.from_numpy(planes)[None])[0, 0].numpy()
    config = Config(
        network="BeatTransformer",
        grid=4,
        planes=4,
        schedule=("cosine",),
        T=20,
        batch=2,
        steps=2,
        arguments={"columns": 4, "width": 16, "depth": 1, "heads": 2, "filters": 8},
        low=LOW,
    )
    folder = tmp_path_factory.mktemp("singer") / "run"
    pieces = [Piece("a", whole, planes)]
    prior = [[0.02], [0.001]] * 4
    train(config, pieces, pieces, folder, prior=prior, progress=False)
    return load(folder)


@pytest.mark.parametrize("sampler", ["naive", "xor", "posterior", "gibbs", "refreshed"])
def test_what_is_given_comes_back_to_the_letter_whatever_the_grid_holds(singer, sampler):
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(2, 1, 32, 384, generator=generator) < 0.1).float()  # off the grid, and too many
    known = torch.rand(x.shape, generator=generator) < 0.7
    made = prompting.paint(singer, x, known, sampler=sampler, steps=3, generator=generator)
    assert made.shape == x.shape and torch.equal(made[known], x[known])
    assert set(made.unique().tolist()) <= {0.0, 1.0}
    same = prompting.vary(singer, x, 0.0)
    assert torch.equal(same, x)


def test_such_a_run_goes_on_and_its_card_says_on_which_bits_it_works(singer):
    card = singer.card
    assert (card.grid, card.planes, card.network) == (4, 4, "BeatTransformer")
    assert singer.prior.shape == (8, 1, 1) and singer.codec.span == 6
    made = prompting.generate(singer, 2, steps=2, generator=torch.Generator().manual_seed(1))
    assert made.shape == (2, 1, 32, 384)


def test_a_piece_without_parts_is_refused_by_name():
    with pytest.raises(ValueError, match="b.mid: has no parts, and 4 are to be learned"):
        Piece("b.mid", np.zeros((8, 24), bool)).in_planes(4)


def test_pieces_that_know_no_parts_get_voices():
    """Two voices cross nothing; a third note at once has no room and is left out."""
    roll = rolls.from_notes([(30, 0, 48), (20, 0, 24), (20, 24, 48), (10, 24, 48)], 40, 48)
    known = Piece("known", roll, np.stack([roll, ~roll]))
    (made, same) = in_voices([Piece("a.mid", roll), known], 2, 33)
    assert same is known and made.parts.shape == (2, 40, 48)
    assert (made.parts.sum(1) <= 1).all()
    assert made.parts[0, 30].all() and not made.parts[0, :30].any()
    assert np.array_equal(made.roll, made.parts.any(0)) and not made.roll[10].any()
