"""A card says what a network works on, survives its text, and is refused where it contradicts."""

import dataclasses
import json

import pytest
import torch

from binolab.card import Card
from binolab.diffusion import schedules

SMALL = {"width": 16, "depth": 2, "heads": 2, "filters": 8}
FACTS = {
    "prior": 0.07,
    "schedule": ["power", 3],
    "T": 50,
    "low": 40,
    "pitches": 24,
    "ticks": 24,
    "length": 48,
}
FRAMES = FACTS | {"network": "FrameTransformer", "arguments": SMALL | {"pitches": 24, "prior": 0.1}}
UNET = FACTS | {"network": "UNet", "arguments": {"widths": [4, 8], "time": True}}
RHO = [[0.05 + 0.01 * p + 0.2 * k for p in range(12)] for k in range(4)]
BEATS = {  # two planes of sixteenths: four kinds of bit
    "network": "BeatTransformer",
    "prior": RHO,
    "schedule": ["cosine"],
    "T": 50,
    "low": 40,
    "arguments": SMALL | {"pitches": 12, "kinds": 4, "prior": RHO},
    "pitches": 12,
    "ticks": 24,
    "length": 96,
    "grid": 4,
    "planes": 2,
}
EACH = pytest.mark.parametrize("facts", [FRAMES, UNET, BEATS], ids=lambda facts: facts["network"])


@EACH
def test_a_card_comes_back_from_its_text(facts):
    for more in (
        {},
        {"refresh": 0.2, "polishing": 2},
        {"start": "unet", "trained": {"steps": 3, "nested": [1]}},
    ):
        card = Card(**facts | more)
        text = card.json()
        assert Card.read(text) == card and Card.read(text).json() == text
        told = {"grid": 24, "planes": 1, "parts": "all", "refresh": 0.3, "polishing": 0}
        told |= facts | more  # and no more than is told
        assert json.loads(text) == told == {name: getattr(card, name) for name in told}


def test_a_card_of_another_version_is_read():
    """Of an earlier one, which knew no grid nor planes, and of a later one, which knows more."""
    card = Card.read(json.dumps(FRAMES | {"colour": "blue"}))
    assert card == Card(**FRAMES) and (card.grid, card.planes, card.kinds) == (24, 1, 1)
    assert card.start is None and card.trained is None


def test_a_card_stays_as_it_is_and_another_is_made_of_it():
    card = Card(**BEATS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.low = 41
    other = dataclasses.replace(card, low=41)
    assert (card.low, other.low) == (40, 41) and other.grid == 4
    with pytest.raises(ValueError, match="low must be"):
        dataclasses.replace(card, low=-1)  # which is checked again


def test_a_cards_schedule_can_have_any_number_of_steps():
    card = Card(**FRAMES)
    assert torch.equal(card.alpha_bar(), schedules.power(50, 3))
    assert torch.equal(card.alpha_bar(7), card.alpha_bar(T=7))
    assert torch.equal(card.alpha_bar(7), schedules.power(7, 3))
    plain = Card(**FRAMES | {"schedule": ("linear",), "T": 5})
    assert torch.equal(plain.alpha_bar(), schedules.linear(5))


@pytest.mark.parametrize("rho", [[[0.05], [0.01]] * 2, RHO])
def test_rho_is_a_number_or_broadcasts_over_kinds_and_pitches(rho):
    assert Card(**FRAMES).rho() == 0.07
    made = Card(**BEATS | {"prior": rho}).rho()
    assert torch.equal(made, torch.tensor(rho)[..., None])
    assert torch.broadcast_shapes(made.shape, (4, 12, 16)) == (4, 12, 16)
    assert Card(**BEATS).rho("meta").device.type == "meta"


def test_the_grid_and_the_planes_decide_the_kinds_of_bit():
    for grid, planes, span, kinds in (24, 1, 1, 1), (24, 3, 1, 3), (4, 1, 6, 2), (4, 2, 6, 4):
        card = Card(**BEATS | {"grid": grid, "planes": planes, "prior": 0.1})
        assert (card.codec.span, card.codec.ticks, card.kinds) == (span, 24, kinds)


@EACH
def test_an_outline_is_the_network_without_its_memory(facts):
    card = Card(**facts)
    real, outline = card.build(), card.outline(99)
    assert type(outline).__name__ == type(real).__name__ == facts["network"]
    shapes = [
        {name: value.shape for name, value in network.state_dict().items()}
        for network in (real, outline)
    ]
    assert shapes[0] == shapes[1]
    assert all(value.is_meta for value in outline.parameters())
    assert not any(value.is_meta for value in real.parameters())


# --- faults --------------------------------------------------------------------------------------


def frames(**changes):
    return FRAMES | changes


def argued(**changes):
    return FRAMES | {"arguments": FRAMES["arguments"] | changes}


def beats(**changes):
    return BEATS | changes


def beats_argued(**changes):
    return BEATS | {"arguments": BEATS["arguments"] | changes}


RISING = "schedule must fall from 1 to 0"
RHOS = "prior must be between 0 and 1"
KINDS = [  # of ρ that do not fit four kinds of bit and twelve pitches
    [],
    [[0.1]],
    [[0.1]] * 5,
    [0.1] * 4,
    [[]] * 4,
    [[0.1] * 5] * 4,
    [[0.1]] * 3 + [[0.1] * 12],
    [[0.1]] * 3 + [[1.0]],
    [[0.1]] * 3 + [[0]],
    [[0.1]] * 3 + [[float("nan")]],
    [[0.1]] * 3 + [[True]],
    [["0.1"]] * 4,
    [[[0.1]]] * 4,
    None,
    {},
    "0.1",
]
FAULTS = {  # of a card by itself: what it says, and what the message names (a pattern)
    "low as text": (frames(low="33"), "low must be a whole number"),
    "low as none": (frames(low=None), "low must be a whole number"),
    "low below": (frames(low=-1), "low must be a whole number"),
    "pitch 140": (frames(low=117), "24 pitches from MIDI 117 go beyond"),
    "true pitches": (frames(pitches=True), "pitches must be a whole number"),
    "huge pitches": (frames(pitches=10**9), "pitches must be a whole number from 1 to 128"),
    "huge length": (frames(length=24 * 10**9), "length must be a whole number from 1 to 24,000"),
    "odd length": (frames(length=50), "whole beats"),
    "no ticks": (frames(ticks=0), "ticks must be a whole number"),
    "huge T": (frames(T=10**10), "T must be a whole number from 1 to 100,000"),
    "T and a half": (frames(T=50.5), "T must be a whole number"),
    "prior of one": (frames(prior=1), RHOS),
    "no prior": (frames(prior=float("nan")), RHOS),
    "network": (frames(network="GAN"), "network must be one of UNet, FrameTransformer"),
    "network as list": (frames(network=["UNet"]), "network must be one of"),
    "schedule": (frames(schedule=["sigmoid"]), "schedule must be one of linear"),
    "schedule as text": (frames(schedule="linear"), "schedule must be one of"),
    "schedule as table": (frames(schedule=[{}]), "schedule must be one of"),
    "empty schedule": (frames(schedule=[]), "schedule must be one of"),
    "rising": (frames(schedule=["power", -1]), RISING),
    "level": (frames(schedule=["power", 0]), RISING),  # no noise at all
    "levels": (frames(schedule=["spaced", [1, 2, 0]]), "fall from 1 to 0"),
    "no level": (frames(schedule=["spaced", [1, 0.9, float("nan"), 0.1, 0]]), "fall from 1 to 0"),
    "power as text": (frames(schedule=["power", "3"]), r"schedule power does not take \('3'\)"),
    "huge power": (frames(schedule=["power", 10**400]), r"schedule power does not take \(1000"),
    "two powers": (frames(schedule=["power", 3, 4]), r"schedule power does not take \(3, 4\)"),
    "levels as none": (frames(schedule=["spaced", None]), r"schedule spaced does not take \(None"),
    **{f"rho {i}": (beats(prior=prior), RHOS) for i, prior in enumerate(KINDS)},
    **{
        f"grid {g}": (beats(grid=g), f"grid of {g} columns .* choose one of 1, 2,") for g in (5, 48)
    },
    **{
        f"grid {g!r}": (beats(grid=g), "grid must be a whole number from 1 to 480")
        for g in (-1, 0, "4", 4.0, True, [4])
    },
    **{
        f"planes {n!r}": (beats(planes=n), "planes must be a whole number from 1 to 32")
        for n in (None, 0, -1, 33, 2.0, "2", True, [1])
    },
    # two rows of rho, and four are told
    "one plane": (beats(planes=1), RHOS),
    "ticks": (beats(grid=24), RHOS),
    "no grid": (beats(grid=None), RHOS),
    "UNet of planes": (beats(network="UNet", arguments={}), "UNet takes one plane of ticks"),
}
MISFITS = {  # of a card and its network, found with the shapes alone
    "other pitches": (frames(pitches=32), "does not take 32 pitches"),
    "arguments": (frames(arguments=[1]), "arguments are no table"),
    "argument": (argued(colour=3), "takes no colour"),
    "heads 0": (argued(heads=0), "takes no heads"),
    "heads 5": (argued(heads=5), "heads must divide"),
    "heads as text": (argued(heads="2"), "takes no heads"),
    "fold 0": (argued(fold=0), "takes no fold"),
    "deep": (argued(depth=10**9), "more layers than the file holds"),
    "mixed": (argued(mixers=10**9), "more layers than the file holds"),
    "sure": (argued(prior=0), RHOS),
    "UNet": (frames(network="UNet", arguments={"widths": [4] * 10**5}), "takes no widths"),
    "no widths": (frames(network="UNet", arguments={"widths": []}), "takes no widths"),
    "UNet of odd pitches": (UNET | {"pitches": 23}, "does not take 23 pitches"),
    "two kinds": (
        beats(planes=1, prior=0.1, arguments=BEATS["arguments"] | {"prior": 0.1}),
        "does not take 2 kinds of bit",
    ),
    "three kinds": (beats_argued(kinds=3, prior=0.1), "does not take 4 kinds of bit"),
    "a list that was not checked": (beats_argued(prior=[[0.1]] * 4), "takes no prior"),
    "sure beats": (beats_argued(prior=0), RHOS),
    "five heads": (beats_argued(heads=5), "heads must divide"),
    "minus one": (beats_argued(mixers=-1), "takes no mixers"),
    "length": (beats_argued(columns=3), "does not take a length of 96"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_card_that_contradicts_itself_is_refused_in_a_line(name):
    facts, words = FAULTS[name]
    for make in (lambda: Card(**facts)), (lambda: Card.read(json.dumps(facts))):
        with pytest.raises(ValueError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("name", MISFITS)
def test_a_network_that_does_not_fit_its_card_is_refused_in_a_line(name):
    facts, words = MISFITS[name]
    card = Card(**facts)
    with pytest.raises(ValueError, match=words) as caught:
        card.outline(100)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Card)])
def test_what_a_card_must_tell_is_missed_by_name(name):
    text = json.dumps({key: value for key, value in FRAMES.items() if key != name})
    if name not in FRAMES:
        assert Card.read(text) == Card(**FRAMES)
        return
    with pytest.raises(ValueError, match=f"^the card has no {name}$"):
        Card.read(text)


@pytest.mark.parametrize("text", [None, "", "null", "[]", "[1]", "3", '"UNet"'])
def test_a_card_that_is_no_table_is_refused(text):
    with pytest.raises(ValueError, match="the card is missing or no table"):
        Card.read(text)
