"""Networks answer with a probability a cell, each roll by itself; weights survive the disk."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from binolab import files
from binolab import model as weights
from binolab.diffusion import kernel, schedules
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


# --- weights on disk -----------------------------------------------------------------------------

CARDS = [
    {"network": "UNet", "arguments": {"widths": [4, 8], "time": True}},
    {"network": "FrameTransformer", "arguments": SMALL | {"pitches": 24, "prior": 0.1}},
    {"network": "FrameTransformer",
     "arguments": SMALL | {"pitches": 24, "prior": 0.1, "time": False, "mixers": 0}},
    {"network": "BeatTransformer", "arguments": SMALL | {"pitches": 24, "kinds": 1, "prior": 0.1}},
]
FACTS = {
    "prior": 0.07, "schedule": ["power", 3], "T": 50, "low": 40, "pitches": 24, "ticks": 24,
    "length": 48, "trained": {"steps": 3, "nested": [1]},
}


@pytest.mark.parametrize("card", CARDS, ids=lambda c: c["network"])
def test_weights_come_back_exactly_in_single_precision_and_closely_in_half(card, tmp_path):
    card, x, level = card | FACTS, noise(1, 1, 24, 48), torch.tensor([0.3])
    model = weights.build(card).eval()
    for dtype, close in ((torch.float32, 0), (torch.float16, 2e-3)):
        weights.save(tmp_path / "m.safetensors", model, dtype)
        again, facts = weights.load(tmp_path / "m.safetensors")
        assert facts == card and not again.training
        assert type(again) is type(model)
        for key, value in model.state_dict().items():
            found = again.state_dict()[key]
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, value, rtol=close, atol=close / 10)
        with torch.no_grad():
            torch.testing.assert_close(again(x, level), model(x, level), rtol=0, atol=close)


def test_half_precision_is_the_default_and_half_the_size(tmp_path):
    card = CARDS[1] | FACTS
    model = weights.build(card)
    weights.save(tmp_path / "half.safetensors", model)
    weights.save(tmp_path / "full.safetensors", model, torch.float32)
    saved = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "half")]
    numbers = sum(p.numel() for p in model.parameters())
    assert abs(saved[0] - saved[1] - 2 * numbers) < 200  # the headers differ by some digits


def test_a_run_folder_is_a_models_name(tmp_path):
    weights.save(tmp_path / "model.safetensors", weights.build(CARDS[0]), CARDS[0] | FACTS)
    assert weights.load(tmp_path).card["network"] == "UNet"
    assert weights.load(str(tmp_path))[1]["network"] == "UNet"


def test_a_cards_schedule_can_have_any_number_of_steps():
    assert torch.equal(weights.schedule(FACTS), schedules.power(50, 3))
    assert torch.equal(weights.schedule(FACTS, T=7), schedules.power(7, 3))
    assert torch.equal(weights.schedule({"schedule": ["linear"], "T": 5}), schedules.linear(5))


def refused(name, *words):
    with pytest.raises(weights.WeightsError) as caught:
        weights.load(name)
    message = str(caught.value)
    assert "\n" not in message and all(w in message for w in words), message


def test_missing_weights_are_refused_with_the_names_that_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    weights.save(tmp_path / "best.safetensors", weights.build(CARDS[0]), CARDS[0] | FACTS)
    (tmp_path / "empty run").mkdir()
    assert weights.load("best").card["network"] == "UNet"
    refused("bset", "bset", "(best)", "training run")
    refused(tmp_path / "no.safetensors", "no such model")
    refused(tmp_path / "empty run", "no such model")


def test_damaged_or_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    card = CARDS[0] | FACTS
    weights.save(path, weights.build(card), card)
    whole = path.read_bytes()
    for content in (b"", whole[:-10], whole[:50], b"not weights at all" * 9, b"\xff" + whole[1:]):
        path.write_bytes(content)
        refused(path, "m.safetensors", "not weights of this program")
    save_file({"a": torch.zeros(2)}, str(path))
    refused(path, "not weights of this program")
    for wrong in (
        card | {"network": "GAN"},
        card | {"arguments": {"depth": 3}},
        card | {"arguments": {"widths": [4, 9]}},
        {},
        [],
        None,
    ):
        save_file(
            weights.build(card).state_dict(), str(path), metadata={"card": json.dumps(wrong)}
        )
        refused(path, "not weights of this program")
    save_file({"a": torch.zeros(2)}, str(path), metadata={"card": "no JSON"})
    refused(path, "not weights of this program")


FRAMES = CARDS[1]["arguments"]
FAULTS = {  # a card's fault, and what the message names
    "no low": ({"low": None}, "no low"),
    "no card": (None, "card is missing"),
    "low as text": ({"low": "33"}, "low must be a whole number"),
    "low below": ({"low": -1}, "low must be a whole number"),
    "pitch 140": ({"low": 117}, "24 pitches from MIDI 117 go beyond"),
    "true pitches": ({"pitches": True}, "pitches must be a whole number"),
    "huge pitches": ({"pitches": 10**9}, "pitches must be a whole number from 1 to 128"),
    "other pitches": ({"pitches": 32}, "does not take 32 pitches"),
    "huge length": ({"length": 24 * 10**9}, "length must be a whole number from 1 to 24,000"),
    "odd length": ({"length": 50}, "whole beats"),
    "no ticks": ({"ticks": 0}, "ticks must be a whole number"),
    "huge T": ({"T": 10**10}, "T must be a whole number from 1 to 100,000"),
    "T and a half": ({"T": 50.5}, "T must be a whole number"),
    "prior of one": ({"prior": 1}, "prior must be between 0 and 1"),
    "no prior": ({"prior": float("nan")}, "prior must be between 0 and 1"),
    "network": ({"network": "GAN"}, "network must be one of UNet, FrameTransformer"),
    "network as list": ({"network": ["UNet"]}, "network must be one of"),
    "schedule": ({"schedule": ["sigmoid"]}, "schedule must be one of linear"),
    "schedule as text": ({"schedule": "linear"}, "schedule must be one of"),
    "rising": ({"schedule": ["power", -1]}, "fall from 1 to 0"),
    "levels": ({"schedule": ["spaced", [1, 2, 0]]}, "fall from 1 to 0"),
    "no level": ({"schedule": ["spaced", [1, 0.9, float("nan"), 0.1, 0]]}, "fall from 1 to 0"),
    "power as text": ({"schedule": ["power", "3"]}, ""),
    "arguments": ({"arguments": [1]}, "arguments are no table"),
    "argument": ({"arguments": FRAMES | {"colour": 3}}, "takes no colour"),
    "heads 0": ({"arguments": FRAMES | {"heads": 0}}, "takes no heads"),
    "heads 5": ({"arguments": FRAMES | {"heads": 5}}, "heads must divide"),
    "heads as text": ({"arguments": FRAMES | {"heads": "2"}}, "takes no heads"),
    "fold 0": ({"arguments": FRAMES | {"fold": 0}}, "takes no fold"),
    "wide": ({"arguments": FRAMES | {"width": 20_000}}, "in the file"),
    "wider": ({"arguments": FRAMES | {"width": 2 * 10**30}}, ""),
    "deep": ({"arguments": FRAMES | {"depth": 10**9}}, "more layers than the file holds"),
    "mixed": ({"arguments": FRAMES | {"mixers": 10**9}}, "more layers than the file holds"),
    "UNet": ({"network": "UNet", "arguments": {"widths": [4] * 10**5}}, "takes no widths"),
    "no widths": ({"network": "UNet", "arguments": {"widths": []}}, "takes no widths"),
    "sure": ({"arguments": FRAMES | {"prior": 0}}, "prior must be between 0 and 1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_card_is_checked_before_its_network_is_built(name, tmp_path, monkeypatch):
    change, word = FAULTS[name]
    card, path = CARDS[1] | FACTS, tmp_path / "m.safetensors"
    state, built = weights.build(card).state_dict(), []
    build = weights.build
    monkeypatch.setattr(weights, "build", lambda card: built.append(build(card)) or built[-1])
    weights.check(card)
    card = change and {k: v for k, v in (card | change).items() if v is not None}
    save_file(state, str(path), metadata={"card": json.dumps(card)})
    refused(path, "not weights of this program", word)
    assert all(p.is_meta for model in built for p in model.parameters())


def test_weights_that_are_not_finite_are_named(tmp_path):
    card, path = CARDS[1] | FACTS, tmp_path / "m.safetensors"
    for value in float("nan"), float("inf"), 1e31:
        model = weights.build(card)
        model.norm.bias.data[3] = value
        weights.save(path, model, torch.float32)
        refused(path, "norm.bias holds numbers that are not finite, or beyond 65,504")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card["network"])
def test_weights_whose_products_are_not_finite_are_refused(card, tmp_path):
    card, path = card | FACTS, tmp_path / "m.safetensors"
    x, answers = noise(2, 1, card["pitches"], card["length"], density=0.5), []
    for size in 1, 10, 100, 1e3, 1e4, 6e4:
        torch.manual_seed(0)
        model = weights.build(card).requires_grad_(False)
        for value in model.parameters():
            value.copy_(torch.randn_like(value).sign() * size)
        weights.save(path, model)
        with torch.no_grad():
            answers.append(model(x, torch.tensor([0.0, 0.9])).isfinite().all())
        try:
            weights.load(path)
        except weights.WeightsError:
            refused(path, "the numbers in ", "go beyond 1,000,000,000")
        else:
            assert answers[-1]
    assert answers[0] and not answers[-1]


def test_a_card_of_nested_lists_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(2)}, str(path), metadata={"card": "[" * 100_000})
    refused(path, "not weights of this program")


def test_weights_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path, card = tmp_path / "m.safetensors", CARDS[0] | FACTS
    model = weights.build(card)
    weights.save(path, model)
    whole = path.read_bytes()

    def disk_full(file, data):
        with open(file, "wb") as opened:
            opened.write(data[:100])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError):
        weights.save(path, model)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert path.read_bytes() == whole
