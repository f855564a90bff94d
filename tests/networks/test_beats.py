"""The network of beats: what it answers before it has learned, and that it learns, bit by bit."""

import dataclasses

import numpy as np
import pytest
import torch

from binolab import datasets
from binolab.datasets.pieces import Piece
from binolab.diffusion import kernel, likelihood, schedules
from binolab.music import rolls
from binolab.networks.beats import BeatTransformer
from binolab.networks.transformer import CERTAIN
from binolab.training import batches
from binolab.training.config import Config
from binolab.training.step import Run

K, P, C = 4, 12, 16
RHO = [[0.05 + 0.01 * p + 0.2 * k for p in range(P)] for k in range(K)]
SMALL = {"width": 16, "depth": 2, "heads": 2, "filters": 8}
CONFIG = Config(
    network="BeatTransformer",
    arguments=SMALL | {"dropout": 0.0},
    grid=4,
    planes=2,
    length=48,
    schedule=("cosine",),
    T=50,
    batch=8,
    steps=100,
    warmup=2,
    rate=1e-2,
    transpose=0,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, density=0.3, seed=0):
    return kernel.bernoulli(torch.full(shape, density), seeded(seed))


def network(trained=False, **options):
    """A small network; `trained` shakes all its weights, for an untrained one says little."""
    torch.manual_seed(0)
    model = BeatTransformer(P, K, RHO, **SMALL | options).eval()
    for p in model.parameters() if trained else ():
        torch.nn.init.normal_(p, std=0.1)
    return model


@torch.no_grad()
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_a_probability_for_each_bit_of_any_length(columns):
    model = network(True, columns=columns)
    for length in (4, 24):
        x, level = noise(2, K, P, length), torch.tensor([0.3, 0.9])
        p = model(x, level)
        assert p.shape == x.shape and p.dtype == torch.float32 and ((p > 0) & (p < 1)).all()
        torch.testing.assert_close(torch.sigmoid(model.logits(x, level)), p)
    for level in 0.0, 1.0:  # pure noise, and clean
        assert model.logits(x, torch.tensor(level)).isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("rho", [0.2, [[0.1 + 0.2 * k] for k in range(K)], RHO])
def test_untrained_it_answers_with_rho_and_the_evidence(rho):
    """eq-unet-evidence, eq-unet-bayes

    Which is Bayes' rule where the bits are independent, each one with the chance ρ.
    """
    model = BeatTransformer(P, K, rho, **SMALL).eval()
    x, level = noise(3, K, P, C), torch.tensor([0.0, 0.4, 0.95])
    prior = torch.as_tensor(rho)[..., None]
    one, zero = kernel.likelihood(x.double(), level.double(), prior)
    exact = one * prior / (one * prior + zero * (1 - prior))
    torch.testing.assert_close(model(x, level).double(), exact, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_of_single_notes_it_answers_with_bayes_rule_over_rows_and_none():
    """eq-unet-softmax

    By brute force: a column holds one of P notes, or none, and every bit is noisy.
    """
    rho = torch.tensor([[0.02 + 0.01 * p for p in range(P)]] * 2)  # sums to 0.9
    model = BeatTransformer(P, 2, rho.tolist(), **SMALL, voices=2).eval()
    x, level = noise(3, 2, P, C), torch.tensor([0.0, 0.4, 0.95])
    one, zero = kernel.likelihood(x.double(), level.double(), rho[..., None])
    notes = torch.stack([torch.where(torch.eye(P)[p, :, None] > 0, one, zero) for p in range(P)])
    each = notes.prod(3) * rho.T[:, None, :, None]  # (P, B, 2, C): this note, and the noisy bits
    none = zero.prod(2) * (1 - rho.sum(1))[:, None]
    exact = (each / (each.sum(0) + none)).permute(1, 2, 0, 3)
    torch.testing.assert_close(model(x, level).double(), exact, rtol=1e-3, atol=1e-6)


@torch.no_grad()
def test_of_single_notes_no_column_believes_more_than_one():
    model = network(True, voices=2)
    for level in (0.0, 0.3, 1.0):
        assert model(noise(2, K, P, C), torch.tensor(level)).sum(2).max() < 1 + 1e-5
    with pytest.raises(ValueError, match="4 kinds of bit do not make 3 voices"):
        network(voices=3)


@torch.no_grad()
def test_beside_a_known_note_a_voice_has_no_other():
    model, x = network(True, voices=2), noise(2, K, P, C)
    known = torch.zeros_like(x, dtype=torch.bool)
    x[:, :, 3], known[:, :, 3] = 1.0, True
    h = model(x, torch.tensor(0.2), known)
    assert (h[:, :, 3] > 0.999).all() and h[:, :, :3].max() < 1e-6 and h[:, :, 4:].max() < 1e-6


@torch.no_grad()
def test_a_known_bit_is_overwhelming_evidence_and_other_bits_hear_of_it():
    model, x = network(), noise(1, K, P, C)
    known = noise(1, K, P, C, density=0.5, seed=1).bool()
    level, rest = torch.tensor([0.1]), torch.logit(torch.tensor(RHO))[..., None]
    told = model.logits(x, level, known)
    sure = rest + (2 * x - 1) * CERTAIN
    torch.testing.assert_close(told[known], sure[known])
    assert torch.equal(told[~known], model.logits(x, level)[~known])
    model = network(True)
    blind, told = model.logits(x, level), model.logits(x, level, known)
    assert ((told - blind)[~known] != 0).float().mean() > 0.9
    free = torch.where(known, 1 - x, x)  # known bits are read without their noise
    assert not torch.equal(model.logits(free, level, known)[~known], told[~known])
    none = torch.zeros_like(known)
    assert torch.equal(model.logits(x, level, none), blind)


@torch.no_grad()
def test_each_roll_of_a_batch_is_answered_as_if_alone():
    model, x, level = network(True), noise(3, K, P, C), torch.tensor([0.1, 0.5, 1.0])
    known = noise(3, K, P, C, density=0.5, seed=1).bool()
    together = model.logits(x, level, known)
    for i in range(3):
        alone = model.logits(x[i : i + 1], level[i : i + 1], known[i : i + 1])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-4)
    same = model.logits(x, torch.tensor(0.5))  # one level for all
    torch.testing.assert_close(same, model.logits(x, torch.full((3,), 0.5)))


@torch.no_grad()
def test_it_knows_the_level_and_hears_far_beats_and_pitches():
    model, x = network(True), noise(1, K, P, 64)
    deep, shallow = (model.logits(x, a) - kernel.evidence(x, a, model.prior) for a in (0.2, 0.6))
    assert (deep - shallow).abs().min() > 0
    other = x.clone()
    other[..., 0, :4] = 1 - other[..., 0, :4]  # the lowest pitch of the first token
    change = model.logits(other, 0.5) - model.logits(x, 0.5)
    assert (change[..., -1, -4:] != 0).all()


@pytest.mark.parametrize("shape", [(K, P, 6), (K, 24, C), (2, P, C)])
def test_other_sizes_are_refused_in_a_line(shape):
    with pytest.raises(ValueError, match="4 kinds of bit, 12 pitches, .* multiples of 4$") as found:
        network()(torch.zeros(1, *shape), torch.tensor([0.5]))
    assert str(shape) in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    "wrong, word",
    [
        ({"heads": 3}, "heads must divide"),
        ({"heads": 0}, "heads must divide"),
        ({"prior": 0.0}, "prior must be between 0 and 1"),
        ({"prior": [[0.1], [1.0], [0.1], [0.1]]}, "prior must be between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(wrong, word):
    with pytest.raises(ValueError, match=word):
        BeatTransformer(**SMALL | {"pitches": P, "kinds": K} | wrong)


# --- the bound, and a run ------------------------------------------------------------------------


@pytest.mark.parametrize("kinds, columns", [(1, 24), (4, 4)])
def test_the_bound_of_an_untrained_network_is_the_cost_of_independent_bits(kinds, columns):
    """On rolls (grid 24, one plane) and on bits alike: then the chain is exact, and so the bound.

    A known half costs nothing.
    """
    rho = RHO[:kinds]
    model = BeatTransformer(P, kinds, rho, **SMALL | {"columns": columns}).eval()
    prior, x0 = torch.tensor(rho)[..., None], noise(6, kinds, P, 2 * columns)
    known = torch.arange(2 * columns) < columns
    cost = -(x0 * prior.log() + (1 - x0) * (1 - prior).log())
    for told, exact in ((None, cost.sum()), (known, cost[..., ~known].sum())):
        found = likelihood.bound(
            model, x0, schedules.cosine(40), prior=prior, known=told, generator=seeded(), draws=4
        )
        assert abs(found.nats.sum() - exact) < 4 * found.error.norm() + 1e-3 * exact
        assert found.ticks.tolist() == [2 * columns] * 6  # once, however many kinds of bit


@pytest.fixture(scope="module")
def piece():
    """Eight beats: an upper part of struck eighths, a lower one of held halves."""
    parts = [
        [(8 + i // 2 % 3, 12 * i, 12 * i + 12) for i in range(16)],
        [(2 + i % 2, 48 * i, 48 * i + 48) for i in range(4)],
    ]
    planes = np.stack([rolls.from_notes(notes, P, 192) for notes in parts])
    return Piece("a", rolls.from_notes(sum(parts, []), P, 192), planes)


def test_a_run_on_two_planes_of_bits_learns(piece):
    bank = batches.Bank([piece], CONFIG, "cpu")
    run = Run(CONFIG, batches.frequency(bank, "kind", 512), P, torch.device("cpu"))
    assert run.card.arguments["kinds"] == K and run.rho.shape == (K, 1, 1)
    windows = datasets.held_out_windows([piece], CONFIG.length, 8, CONFIG.planes)
    before = run.validate(windows)
    losses = [run.advance(bank).item() for _ in range(CONFIG.steps)]
    after = run.validate(windows)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
    assert after["bound"] < 0.5 * before["bound"] and list(after) == list(before)
    batch = run.draw(bank)
    assert torch.equal(batch.x_t[batch.known], batch.x0[batch.known])


@pytest.mark.parametrize(
    "wrong, word",
    [
        ({"grid": 5}, "grid of 5"),
        ({"planes": 40}, "planes must be"),
        (
            {"network": "FrameTransformer", "arguments": {"fold": 4}},
            "FrameTransformer takes one plane",
        ),
        ({"length": 60}, "multiples of 24"),
    ],
)
def test_a_run_that_could_not_be_read_again_is_refused(wrong, word):
    with pytest.raises(ValueError, match=word) as caught:
        Run(dataclasses.replace(CONFIG, **wrong), 0.1, P, torch.device("cpu"))
    assert "\n" not in str(caught.value)
