"""A model is a network and its card in one; it survives the disk, or is refused in a line."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from test_card import BEATS, FAULTS, FRAMES, MISFITS, RHO, SMALL, UNET
from torch import nn

from binolab import files
from binolab.card import Card
from binolab.diffusion import kernel, schedules
from binolab.model import Model, WeightsError, check_products, check_shapes, load, pick_device, save
from binolab.music import rolls, voices

TRAINED = {"steps": 3, "nested": [1]}
CARDS = [
    Card(**facts, trained=TRAINED)
    for facts in (
        UNET,
        FRAMES,
        FRAMES | {"arguments": FRAMES["arguments"] | {"time": False, "mixers": 0}},
        FRAMES
        | {
            "network": "BeatTransformer",
            "arguments": SMALL | {"pitches": 24, "kinds": 1, "prior": 0.1},
        },
    )
]
EACH = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.network)


def noise(*shape, density=0.2, seed=0):
    return kernel.bernoulli(torch.full(shape, density), torch.Generator().manual_seed(seed))


# --- a network and its card ----------------------------------------------------------------------


def half(x_t, alpha_bar_t, known=None):
    return torch.full_like(x_t, 0.5)


def test_a_model_is_asked_for_what_its_card_tells():
    card = Card(**FRAMES)
    model = Model(card.build(), card)
    assert (model.low, model.pitches, model.ticks, model.length) == (40, 24, 24, 48)
    assert model.axes == {"low": 40, "ticks": 24} and model.prior == 0.07
    assert model.codec == card.codec
    assert torch.equal(model.alpha_bar(), schedules.power(50, 3))
    assert torch.equal(model.alpha_bar(7), schedules.power(7, 3))


def test_a_model_is_called_as_its_network():
    asked = []

    def network(*given):
        asked.append(given)
        return given[0] / 2

    model, x, level = Model(network, CARDS[1]), noise(1, 1, 24, 48), torch.tensor([0.3])
    assert torch.equal(model(x, level, x > 0), x / 2)
    assert asked[0][0] is x and asked[0][1] is level and torch.equal(asked[0][2], x > 0)
    model(x)
    assert asked[1][1:] == (None, None)


def test_another_network_or_card_takes_the_place_of_one():
    model = Model(CARDS[1].build(), CARDS[1])
    other = dataclasses.replace(model, network=half)
    assert other.network is half and other.card is model.card
    higher = dataclasses.replace(model, card=dataclasses.replace(model.card, low=72))
    assert higher.low == 72 and higher.network is model.network and model.low == 40
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.network = half


def test_a_model_is_where_its_weights_are():
    card = Card(**BEATS)
    model = Model(card.build(), card)
    assert model.device == torch.device("cpu") and model.prior.device == model.device
    far = Model(card.build().to("meta"), card)
    assert far.device.type == far.prior.device.type == "meta"
    for network in half, nn.Identity():  # without any
        assert dataclasses.replace(far, network=network).device == torch.device("cpu")


def test_bits_of_the_finest_grid_are_the_roll_itself():
    model, x = Model(half, CARDS[1]), noise(2, 1, 24, 48)
    bits, known = model.encode(x, x > 0)
    assert torch.equal(bits, x) and torch.equal(known, x > 0)
    assert not model.encode(x)[1].any() and torch.equal(model.decode(bits), x)


def test_bits_of_a_coarser_grid_and_of_voices_are_read_back_as_the_roll():
    """Notes on the grid, no more than two at a time; one of them struck again."""
    notes = [(9, 0, 24), (9, 24, 48), (2, 0, 36), (4, 36, 96), (7, 60, 66)]
    x = torch.from_numpy(rolls.from_notes(notes, 12, 96)).float()[None, None]
    model, known = Model(half, Card(**BEATS)), torch.arange(96) < 50
    bits, told = model.encode(x, known.expand(x.shape))
    assert bits.shape == told.shape == (1, 4, 12, 16) and told.dtype == torch.bool
    assert set(bits.unique().tolist()) == {0.0, 1.0} and torch.equal(model.decode(bits), x)
    planes = voices.split(x, 2, known.expand(x.shape), 40)  # each voice has two kinds
    assert torch.equal(bits, model.codec.encode(planes))
    assert told[..., :8].all() and not told[..., 8:].any()  # columns of six ticks, all known


def test_a_roll_in_the_planes_of_its_voices_is_taken_in_these():
    model = Model(half, Card(**BEATS))
    planes = torch.zeros(1, 2, 12, 96)
    planes[:, 0, 2, :48], planes[:, 1, 9, :48] = 1, 1  # the first voice lies below
    known = torch.zeros(1, 1, 12, 96, dtype=torch.bool)
    bits, told = model.encode(planes, known)
    assert torch.equal(bits, model.codec.encode(planes))
    assert told.shape == bits.shape and torch.equal(model.decode(bits), voices.merge(planes))
    assert not torch.equal(bits, model.encode(voices.merge(planes), known)[0])


def test_of_several_parts_a_roll_of_one_has_silent_others():
    card = Card(**BEATS | {"parts": "piano,others"})
    model, x = Model(half, card), torch.zeros(1, 1, 12, 96)
    x[..., 3, :24] = 1
    bits, told = model.encode(x)
    assert torch.equal(model.decode(bits)[:, :1], x) and not model.decode(bits)[:, 1:].any()
    assert told[:, 2:].all() and not told[:, 0].any()  # the others are known; the first is free
    both = torch.cat([x, x.roll(5, -2)], 1)
    bits, told = model.encode(both)
    assert torch.equal(model.decode(bits), both) and not told[:, [0, 2]].any()


# --- on disk -------------------------------------------------------------------------------------


@EACH
def test_weights_come_back_exactly_in_single_precision_and_closely_in_half(card, tmp_path):
    x, level, network = noise(1, 1, 24, 48), torch.tensor([0.3]), card.build().eval()
    for dtype, close in ((torch.float32, 0), (torch.float16, 2e-3)):
        save(tmp_path / "m.safetensors", network, card, dtype)
        again = load(tmp_path / "m.safetensors")
        assert again.card == card and not again.network.training
        assert type(again.network) is type(network)
        for key, value in network.state_dict().items():
            found = again.network.state_dict()[key]
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, value, rtol=close, atol=close / 10)
        with torch.no_grad():
            torch.testing.assert_close(again(x, level), network(x, level), rtol=0, atol=close)


@pytest.mark.parametrize("rho", [[[0.05], [0.01]] * 2, RHO])
@pytest.mark.parametrize("mixers", [0, 1])
def test_weights_come_back_with_their_grid_and_every_rho(rho, mixers, tmp_path):
    arguments = BEATS["arguments"] | {"prior": rho, "mixers": mixers}
    card = Card(**BEATS | {"prior": rho, "arguments": arguments})
    network = card.build().eval()
    nn.init.normal_(network.last.weight)
    save(tmp_path / "m.safetensors", network, card, torch.float32)
    again = load(tmp_path / "m.safetensors")
    assert again.card == card and again.codec.grid == 4
    assert torch.equal(again.prior, torch.tensor(rho)[..., None])
    assert torch.equal(again.network.prior, network.prior)
    assert again.network.prior.shape == (4, 12, 1)
    x = noise(1, 4, 12, 16)
    with torch.no_grad():
        assert torch.equal(again(x, 0.3), network(x, 0.3))


def test_half_precision_is_the_default_and_half_the_size(tmp_path):
    network = CARDS[1].build()
    save(tmp_path / "half.safetensors", network, CARDS[1])
    save(tmp_path / "full.safetensors", network, CARDS[1], torch.float32)
    saved = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "half")]
    numbers = sum(p.numel() for p in network.parameters())
    assert abs(saved[0] - saved[1] - 2 * numbers) < 200  # the headers differ by some digits


def test_a_run_folder_is_a_models_name(tmp_path):
    save(tmp_path / "model.safetensors", CARDS[0].build(), CARDS[0])
    assert load(tmp_path).card == CARDS[0] == load(str(tmp_path)).card


def test_weights_are_loaded_where_they_are_asked_for(tmp_path):
    save(tmp_path / "m.safetensors", CARDS[0].build(), CARDS[0])
    assert load(tmp_path / "m.safetensors").device == torch.device("cpu")
    assert load(tmp_path / "m.safetensors", "meta").device.type == "meta"


def refused(name, *words):
    """One line, in which each of the words (patterns) is found."""
    with pytest.raises(WeightsError) as caught:
        load(name)
    message = str(caught.value)
    assert "\n" not in message and all(re.search(w, message) for w in words), message


def test_missing_weights_are_refused_with_the_names_that_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    save(tmp_path / "best.safetensors", CARDS[0].build(), CARDS[0])
    (tmp_path / "empty run").mkdir()
    assert load("best").card.network == "UNet" and load().card == CARDS[0]
    refused("bset", "^bset", r"\(best\)", "training run")
    refused(tmp_path / "no.safetensors", "no such model")
    refused(tmp_path / "empty run", "no such model")


def test_damaged_or_foreign_weights_are_refused(tmp_path):
    path, network = tmp_path / "m.safetensors", CARDS[0].build()
    save(path, network, CARDS[0])
    whole = path.read_bytes()
    for content in (b"", whole[:-10], whole[:50], b"not weights at all" * 9, b"\xff" + whole[1:]):
        path.write_bytes(content)
        refused(path, "m.safetensors", "not weights of this program")
    save_file({"a": torch.zeros(2)}, str(path))
    refused(path, "not weights of this program", "card is missing")
    for wrong, word in (
        (UNET | {"network": "GAN"}, "network must be"),
        (UNET | {"arguments": {"depth": 3}}, "takes no depth"),
        (UNET | {"arguments": {"widths": [4, 9]}}, "in the file"),
        ({}, "no network"),
        ([], "no table"),
        (None, "no table"),
    ):
        save_file(network.state_dict(), str(path), metadata={"card": json.dumps(wrong)})
        refused(path, "not weights of this program", word)
    for wrong in "no JSON", "[" * 100_000:
        save_file({"a": torch.zeros(2)}, str(path), metadata={"card": wrong})
        refused(path, "not weights of this program")


LARGER = {  # than the file, of a network that could be built
    "wide": (FRAMES | {"arguments": FRAMES["arguments"] | {"width": 20_000}}, "in the file"),
    "wider": (FRAMES | {"arguments": FRAMES["arguments"] | {"width": 2 * 10**30}}, ""),
    "kinds": (BEATS | {"arguments": BEATS["arguments"] | {"kinds": 10**12, "prior": 0.1}}, ""),
}
ALL = FAULTS | MISFITS | LARGER


@pytest.mark.parametrize("name", ALL)
def test_a_card_is_checked_before_its_network_is_built(name, tmp_path, monkeypatch):
    facts, word = ALL[name]
    path, built, build = tmp_path / "m.safetensors", [], Card.build
    base = Card(**BEATS if "grid" in facts else FRAMES)
    save_file(base.build().state_dict(), str(path), metadata={"card": json.dumps(facts)})
    monkeypatch.setattr(Card, "build", lambda card: built.append(build(card)) or built[-1])
    refused(path, "not weights of this program", word)
    assert all(p.is_meta for network in built for p in network.parameters())


def test_what_is_unlike_is_told_by_name():
    network = CARDS[1].outline(99)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_shapes(network, shapes)
    first = min(shapes)
    for found, words in (
        (shapes | {first: (3,)}, f"{first} is (3,) in the file, {shapes[first]} by its card"),
        ({n: s for n, s in shapes.items() if n != first}, f"{first} is missing in the file"),
        (shapes | {"zz": (2,)}, "zz is (2,) in the file, nothing by its card"),
    ):
        with pytest.raises(ValueError) as caught:
            check_shapes(network, found)
        assert str(caught.value).startswith(words)


def test_weights_that_are_not_finite_are_named(tmp_path):
    path = tmp_path / "m.safetensors"
    for value in float("nan"), float("inf"), 1e31:
        network = CARDS[1].build()
        network.norm.bias.data[3] = value
        save(path, network, CARDS[1], torch.float32)
        refused(path, "norm.bias holds numbers that are not finite, or beyond 65,504")


@EACH
def test_weights_whose_products_are_not_finite_are_refused(card, tmp_path):
    path = tmp_path / "m.safetensors"
    x, answers = noise(2, 1, card.pitches, card.length, density=0.5), []
    for size in 1, 10, 100, 1e3, 1e4, 6e4:
        torch.manual_seed(0)
        network = card.build().requires_grad_(False)
        for value in network.parameters():
            value.copy_(torch.randn_like(value).sign() * size)
        save(path, network, card)
        with torch.no_grad():
            answers.append(network(x, torch.tensor([0.0, 0.9])).isfinite().all())
        try:
            check_products(network.eval())
        except ValueError as error:
            refused(path, str(error))
            assert str(error).endswith("go beyond 1,000,000,000")
        else:
            assert answers[-1] and load(path).card == card
    assert answers[0] and not answers[-1]


def test_weights_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path, network = tmp_path / "m.safetensors", CARDS[0].build()
    save(path, network, CARDS[0])
    whole = path.read_bytes()

    def disk_full(file, data):
        with open(file, "wb") as opened:
            opened.write(data[:100])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError):
        save(path, network, CARDS[0])
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert path.read_bytes() == whole


def test_a_device_that_is_not_there_is_refused():
    assert pick_device("cpu") == torch.device("cpu") and pick_device("auto").type in ("cpu", "cuda")
    for name in "abacus", "cuda:99":
        with pytest.raises(ValueError, match=f"no device '{name}' here") as caught:
            pick_device(name)
        assert "\n" not in str(caught.value)
