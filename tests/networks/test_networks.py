"""Networks answer with a probability a cell, each roll by itself."""

import zlib

import pytest
import torch

from binolab import networks
from binolab.diffusion import kernel
from binolab.networks.transformer import CERTAIN, FrameTransformer, rotate
from binolab.networks.unet import LevelEmbedding, UNet

SMALL = {"width": 16, "depth": 2, "heads": 2, "filters": 8}


def unet(**options):
    torch.manual_seed(0)
    return UNet((8, 16, 16, 16), **options).eval()


def transformer(pitches=56, **options):
    torch.manual_seed(0)
    return FrameTransformer(pitches, prior=0.1, **(SMALL | options)).eval()


def noise(*shape, density=0.2, seed=0):
    return kernel.bernoulli(torch.full(shape, density), torch.Generator().manual_seed(seed))


NETWORKS = {
    "as printed": (lambda P: unet(), 384, 64),
    "told the level": (lambda P: unet(time=True), 384, 64),
    "beats": (lambda P: transformer(P), 384, 48),
    "frames of four": (lambda P: transformer(P, fold=4), 384, 64),
}
EACH = pytest.mark.parametrize("kind", NETWORKS)


@EACH
@torch.no_grad()
def test_a_probability_for_each_cell_of_any_size(kind):
    build, wide, narrow = NETWORKS[kind]
    for pitches, length in ((56, wide), (88, narrow)):
        x, level = noise(2, 1, pitches, length), torch.tensor([0.3, 0.9])
        model = build(pitches)
        p = model(x, level)
        assert p.shape == x.shape and p.dtype == torch.float32
        assert (p > 0).all() and (p < 1).all()
        torch.testing.assert_close(torch.sigmoid(model.logits(x, level)), p)


@EACH
@torch.no_grad()
def test_each_roll_of_a_batch_is_answered_as_if_alone(kind):
    model = NETWORKS[kind][0](24)
    x, level = noise(3, 1, 24, 48), torch.tensor([0.1, 0.5, 1.0])
    known = noise(3, 1, 24, 48, density=0.5, seed=1).bool()
    together = model.logits(x, level, known)
    for i in range(3):
        alone = model.logits(x[i : i + 1], level[i : i + 1], known[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-4)
    other = torch.cat([x[:1], 1 - x[1:]])
    torch.testing.assert_close(model.logits(other, level, known)[0], together[0])


@EACH
def test_every_weight_learns(kind):
    model = NETWORKS[kind][0](24)
    model.logits(noise(2, 1, 24, 48), torch.tensor([0.2, 0.8])).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert not [name for name, p in model.named_parameters() if not p.grad.any()]


@EACH
@torch.no_grad()
def test_pure_noise_and_clean_rolls_are_answered_with_finite_numbers(kind):
    model, x = NETWORKS[kind][0](24), noise(2, 1, 24, 48)
    assert model.logits(x, torch.tensor([0.0, 1.0])).isfinite().all()


# --- the paper's UNet ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(55, 384), (56, 380), (57, 383)])
def test_the_unet_refuses_sizes_that_it_cannot_halve(shape):
    with pytest.raises(ValueError, match=r"multiples of 8.*3 times") as caught:
        unet()(torch.zeros(1, 1, *shape))
    assert str(shape) in str(caught.value)


@torch.no_grad()
def test_the_unet_as_printed_sees_x_t_alone():
    x, model = noise(1, 1, 24, 48), unet()
    a = model(x, torch.tensor([0.1]))
    b = model(x, torch.tensor([0.9]), torch.ones_like(x, dtype=torch.bool))
    assert torch.equal(a, b) and torch.equal(a, model(x))


@torch.no_grad()
def test_the_unet_with_time_heeds_the_level():
    x, model = noise(1, 1, 24, 48), unet(time=True)
    assert not torch.equal(model(x, torch.tensor([0.1])), model(x, torch.tensor([0.9])))


def test_the_unet_is_the_figure():
    """Three stride-2 convolutions, skips that double the depth, one filter at the end."""
    model = unet()
    strides = [m.stride for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert strides.count((2, 2)) == 3 and model.last.out_channels == 1
    assert [e[0][0].in_channels for e in model.expand] == [32, 32, 16]  # twice a level's filters
    assert not any(isinstance(m, torch.nn.ConvTranspose2d) for m in model.modules())


def test_a_level_embedding_tells_levels_apart_and_stays_finite_at_both_ends():
    torch.manual_seed(0)
    found = LevelEmbedding(8)(torch.linspace(0, 1, 9))
    assert found.shape == (9, 8) and found.isfinite().all()
    assert torch.pdist(found).min() > 1e-4


# --- the transformer over frames -----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(56, 385), (55, 384), (88, 384)])
def test_the_transformer_refuses_other_pitches_and_broken_frames(shape):
    with pytest.raises(ValueError, match="56 pitches .* multiple of 6 ticks") as caught:
        transformer(fold=6)(torch.zeros(1, 1, *shape), torch.tensor([0.5]))
    assert str(shape) in str(caught.value)


@torch.no_grad()
def test_known_cells_are_certain_even_in_pure_noise():
    model, x = transformer(24), noise(2, 1, 24, 48)
    known = noise(2, 1, 24, 48, density=0.5, seed=1).bool()
    p = model(x, torch.tensor([0.0, 0.3]), known)
    assert (p[known & (x > 0)] > 0.95).all() and (p[known & (x == 0)] < 0.01).all()
    blind = model(x, torch.tensor([0.0, 0.3]))
    assert (blind[0] < 0.5).all()  # in pure noise nothing is certain


@torch.no_grad()
def test_evidence_is_added_to_what_the_other_cells_say():
    """A cell's own bit shifts its log-odds by its evidence, as Bayes' rule has it."""
    model = transformer(24)
    x, level = noise(1, 1, 24, 48), torch.tensor([0.4])
    evidence = kernel.evidence(x, level, 0.1)
    for p in model.parameters():
        p.zero_()  # a network that has learned nothing
    torch.testing.assert_close(model.logits(x, level), evidence)
    clean = model.logits(x, torch.tensor([1.0]))
    assert torch.equal(clean, (2 * x - 1) * CERTAIN)


@torch.no_grad()
def test_a_prompt_changes_the_answer_for_free_cells_far_away():
    model = transformer(24)
    x, level = noise(1, 1, 24, 96), torch.tensor([0.2])
    known = torch.zeros_like(x, dtype=torch.bool)
    known[..., :12] = True
    free = (model(x, level, known) - model(x, level))[..., 48:]
    assert free.abs().max() > 0


def test_rotary_positions_tell_distance_alone():
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).double()
    rates = torch.tensor([1.0, 0.3, 0.1, 0.03], dtype=torch.float64)

    def score(i, j):
        turn = lambda x, n: rotate(x.view(1, 1, 1, 8), (n * rates)[None])  # noqa: E731
        return (turn(q, i) * turn(k, j)).sum()

    torch.testing.assert_close(score(3, 5), score(40, 42))
    assert abs(score(3, 5) - score(3, 9)) > 1e-3


# --- what old files hold -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, arguments, names",
    [
        ("UNet", {"time": True}, 805389127),
        ("FrameTransformer", {"depth": 1, "mixers": 1}, 3683538373),
        ("BeatTransformer", {"depth": 1, "mixers": 1, "voices": 2}, 1035765160),
    ],
)
def test_parameters_keep_their_names_and_their_order(name, arguments, names):
    """Weights are read by name; a checkpoint keeps the optimizer's state by number."""
    network = networks.NETWORKS[name](**arguments)
    found = " ".join(name for name, _ in network.named_parameters())
    assert zlib.crc32(found.encode()) == names, found
