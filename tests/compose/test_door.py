"""The door: MIDI in, MIDI out, for a Python caller as at the command line."""

import subprocess
import sys
from functools import partial

import pretty_midi
import pytest
import torch
from tiny import TINY

import binolab
from binolab import compose
from binolab.cli.main import main
from binolab.compose import job
from binolab.diffusion import kernel, sampling
from binolab.model import load, save
from binolab.music import midi, notation, rolls
from binolab.training.step import Run

TUNE = "C5 1 D5 1 E5 1 F5 1 G5 2 E5 2 F5 1 E5 1 D5 1 G5 1 C5 4"
CALLS = {  # of each command: what is asked, and in words of the command line
    "complete": ({"keep": 4}, ["--keep", "4"]),
    "infill": ({"begin": 4, "end": 8}, ["--from", "4", "--to", "8"]),
    "harmonize": ({}, []),
    "vary": ({"strength": 0.5}, ["--strength", ".5"]),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    run = Run(TINY, 0.07, 56, torch.device("cpu"))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(path, run.model, run.card)
    return path


@pytest.fixture(scope="module")
def tune(tmp_path_factory):
    path = tmp_path_factory.mktemp("tune") / "tune.mid"
    rolls.to_midi(notation.read(TUNE)).write(path)
    return path


def written(midi):
    return sorted(
        (n.pitch, round(n.start, 6), round(n.end, 6), n.velocity)
        for i in midi.instruments
        for n in i.notes
    )


@pytest.mark.parametrize("name", CALLS)
def test_a_path_or_a_piece_goes_in_and_comes_out_as_at_the_command_line(
    name, weights, tune, tmp_path
):
    asked, words = CALLS[name]
    how = {"model": weights, "steps": 3, "seed": 5}
    made = getattr(binolab, name)(tune, tmp_path / "a.mid", **asked, **how)
    assert (
        main(
            [
                name,
                str(tune),
                "-o",
                str(tmp_path / "b.mid"),
                "--model",
                str(weights),
                "--steps",
                "3",
                "--seed",
                "5",
                *words,
            ]
        )
        == 0
    )
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert written(made) == written(pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")))
    piece = pretty_midi.PrettyMIDI(str(tune))
    before = written(piece)
    again = getattr(binolab, name)(piece, **asked, **how | {"model": load(weights)})
    assert written(again) == written(made) and written(piece) == before
    assert sorted(tmp_path.iterdir()) == [tmp_path / "a.mid", tmp_path / "b.mid"]


def test_several_are_a_list_with_seeds_that_follow(weights, tmp_path):
    how = {"model": weights, "steps": 2, "beats": 16}
    many = binolab.generate(tmp_path / "new.mid", n=3, seed=7, **how)
    assert [p.name for p in sorted(tmp_path.iterdir())] == [f"new-{i}.mid" for i in (1, 2, 3)]
    assert [written(m) for m in many] == [
        written(binolab.generate(seed=seed, **how)) for seed in (7, 8, 9)
    ]


def test_a_sampler_of_one_s_own_is_one_function(weights, tune):
    """In every command: fresh noise as `naive` has it, and a mixture."""

    def fresh(t, x_t, x0_hat, x_T, alpha_bar, prior, generator):
        return kernel.forward(x0_hat, alpha_bar[t - 1], prior, generator)

    how = {"model": weights, "steps": 4, "seed": 1}
    for name, (asked, _) in CALLS.items():
        call = partial(getattr(binolab, name), tune, **asked, **how)
        assert written(call(sampler=fresh)) == written(call(sampler="naive"))
    other = partial(sampling.posterior, refresh=0.5)
    assert written(binolab.vary(tune, sampler=other, **how)) != written(
        binolab.vary(tune, sampler="posterior", **how)
    )


def test_a_harmony_leaves_the_first_voice_to_the_melody(weights, tune):
    def five(t, x_t, *_):
        chord = torch.zeros_like(x_t)
        chord[..., [20, 25, 30, 37], :] = 1
        return chord

    made = binolab.harmonize(tune, model=weights, steps=1, seed=1, sampler=five)
    assert {i.name for i in made.instruments if i.notes} == {"Piano", "Alto", "Tenor", "Bass"}


def test_a_model_that_is_given_stays_on_its_device(weights, monkeypatch):
    monkeypatch.setattr(job, "pick_device", lambda name: torch.device("meta"))  # as of a GPU
    assert binolab.generate(model=load(weights), steps=2, seed=1)


@pytest.mark.parametrize(
    "name, options, says",
    [
        ("generate", {"n": 0}, "`n` must be 1 to 10,000, got 0"),
        ("generate", {"revise": -1}, "`revise` must be 0 to 100, got -1"),
        ("generate", {"tempo": 5}, "`tempo` must be between 10 and 1000"),
        ("generate", {"plot": True}, "`plot`, `audio` and `n` write several files"),
        ("generate", {"sampler": "best"}, "sampler must be one of naive"),
        ("vary", {"strength": 2}, "`strength` must be between 0"),
        ("complete", {}, "`keep` is needed"),
        ("complete", {"keep": 99}, "`keep` must be more than 0 and less than the 16 beats"),
        ("infill", {"begin": 9, "end": 3}, "`begin` and `end` must be rising beats"),
        ("harmonize", {"at": 99}, "`at` must be a beat of the piece, 0 to 15, or bar:1 to bar:4"),
    ],
)
def test_a_fault_is_told_in_words_of_the_parameters(name, options, says, weights, tune):
    given = () if name == "generate" else (tune,)
    with pytest.raises(ValueError, match=says):
        getattr(binolab, name)(*given, model=weights, **options)


def test_an_option_that_there_is_not_is_python_s_own_error(tune):
    with pytest.raises(TypeError, match="colour"):
        binolab.harmonize(tune, colour="red")


def test_the_door_is_there_at_once_and_heavy_things_later():
    code = (
        "import sys, time; t = time.perf_counter(); import binolab;"
        "took = time.perf_counter() - t;"
        "assert not {'torch', 'numpy', 'pretty_midi', 'matplotlib'} & set(sys.modules);"
        "assert {*binolab.DOOR, *binolab.ROOMS} <= set(dir(binolab)); print(took)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(said.stdout) < 0.1
    assert binolab.harmonize is compose.harmonize and binolab.music.rolls is rolls
    with pytest.raises(AttributeError, match="has no attribute 'symphony'"):
        binolab.symphony  # noqa: B018


def test_what_mido_cannot_say_of_an_event_is_kept_and_hinders_nothing(weights, tmp_path):
    """An SMPTE offset of 99 minutes, as some files have it."""
    odd = midi.meta(0, 0x54, bytes([0x60, 99, 99, 0, 0]))
    made = rolls.to_midi(notation.read(TUNE))
    made.tracks[0].insert(0, odd)
    out = tmp_path / "out.mid"
    assert binolab.vary(made.bytes(), out, model=weights, strength=0).instruments
    assert midi.read(out).tracks[0][0] == odd
