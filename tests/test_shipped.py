"""What ships in data/: the weights load, are small, and write music and not noise or silence."""

import json

import pytest
import torch

from binolab import files
from binolab.diffusion import prompting
from binolab.evaluation.features import statistics
from binolab.model import load
from binolab.networks import anatomy

pytestmark = pytest.mark.slow
DATA = files.data_folder()
MODELS = ("best", "piano", "unet")


def test_a_call_of_the_default_model_is_cheap():
    """Under 1.2 billion multiply-adds a roll, the cost of the paper's own network."""
    model = load("best")
    columns = model.length // model.codec.span
    work = sum(row.macs for row in anatomy.trace(model.network, (model.pitches, columns)))
    assert 0.1e9 < work < 1.2e9


def test_every_shipped_file_is_explained():
    text = (DATA / "README.md").read_text()
    for path in DATA.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text, path.name


@pytest.mark.parametrize("name", MODELS)
def test_card_and_log_tell_how_it_was_trained(name):
    card = load(name).card
    log = {"best": "calibrate"}.get(name, name)  # the last stage's
    rows = [json.loads(line) for line in (DATA / f"{log}-log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == card.trained["step"]
    assert rows[-1]["samples"] == card.trained["step"] * card.trained["batch"]
    size = (24, 72) if name == "piano" else (33, 56)
    assert (card.low, card.pitches, card.ticks, card.length) == (*size, 24, 384)


@pytest.fixture(scope="module")
def generated():
    model = load("best")
    made = prompting.generate(model, 8, steps=50, generator=torch.Generator().manual_seed(0))
    return made[:, 0].numpy() > 0


def test_default_model_writes_music(generated):
    """Far looser than the committed table, which says how near it is: this catches a wrong file."""
    held_out = json.loads((DATA / "samplers-best.json").read_text())["held_out"]
    found = statistics(generated)
    assert found["density"] == pytest.approx(held_out["density"], rel=0.3)
    assert found["onsets"] == pytest.approx(held_out["onsets"], rel=0.4)
    assert found["silence"] < 0.1 and found["on_eighths"] > 0.7
    assert found["in_scale"] > 0.85 and found["dissonance"] < 2 * held_out["dissonance"]


def test_harmony_differs_from_silence_and_keeps_the_melody(generated):
    """The soprano of a generated roll, harmonized: two notes or more below it most of the time."""
    model = load("best")
    x0 = torch.from_numpy(generated[:2])[:, None].float()
    known = prompting.above_melody(x0)
    melody = x0 * known
    made = prompting.harmonize(model, melody, steps=50, generator=torch.Generator().manual_seed(0))
    known = prompting.above_melody(melody)
    assert torch.equal(made[known], melody[known])
    below = (made * ~known).sum(-2)
    assert (below >= 2).float().mean() > 0.6


def test_the_piano_writes_piano_music_and_hears_the_voice():
    """Far looser than the committed table, as above; the voice comes back to the letter."""
    model = load("piano")
    held_out = json.loads((DATA / "quality-piano.json").read_text())["statistics"]["held_out"]
    made = prompting.generate(model, 8, steps=30, generator=torch.Generator().manual_seed(0))
    found = statistics(made[:, 0].numpy() > 0, **model.axes)
    assert found["density"] == pytest.approx(held_out["density"], rel=0.5)
    assert found["onsets"] == pytest.approx(held_out["onsets"], rel=0.5)
    voice = torch.zeros(1, 2, model.pitches, model.length)
    voice[0, 1, 48, :96] = 1
    both = prompting.paint(
        model, voice, prompting.others(voice), steps=10, generator=torch.Generator().manual_seed(0)
    )
    assert (both[:, 1] == voice[:, 1]).all() and both[:, 0].any()
