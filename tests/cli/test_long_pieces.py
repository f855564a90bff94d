"""The command line on pieces that are longer than the window, end to end."""

import pretty_midi
import pytest
import torch
from tiny import TINY

from binolab import model
from binolab.cli.main import main
from binolab.music import rolls
from binolab.training.step import Run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    run = Run(TINY, 0.07, 56, torch.device("cpu"))
    model.save(path, run.model, run.card)
    return str(path)


def run(tiny, *arguments):
    how = ["--model", tiny, "--steps", "2", "--sampler", "posterior", "--seed", "1"]
    return main([str(a) for a in (*arguments, *how)])


@pytest.fixture
def piece(tmp_path):
    """Four beats in the violin, and a last note at beat 20."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=60.0)
    track = pretty_midi.Instrument(program=40, name="Violin")
    track.notes = [pretty_midi.Note(90, 60 + i, i, i + 1) for i in (0, 1, 2, 3, 20)]
    midi.instruments.append(track)
    midi.write(str(tmp_path / "piece.mid"))
    return tmp_path / "piece.mid"


def last_beat(path):
    return rolls.from_midi(path).shape[1] / rolls.TICKS


def test_generate_beats_writes_a_long_piece_with_its_picture(tiny, tmp_path, capsys):
    assert run(tiny, "generate", "--beats", 40, "-o", tmp_path / "long.mid", "--plot") == 0
    assert 39 < last_beat(tmp_path / "long.mid") <= 40
    from PIL import Image

    assert Image.open(tmp_path / "long.png").height > 435  # two rows, not one
    assert run(tiny, "generate", "--beats", 4, "-o", tmp_path / "short.mid") == 0
    assert last_beat(tmp_path / "short.mid") <= 4
    run(tiny, "generate", "-o", tmp_path / "usual.mid")
    run(tiny, "generate", "--beats", 16, "-o", tmp_path / "sixteen.mid")
    assert (tmp_path / "usual.mid").read_bytes() == (tmp_path / "sixteen.mid").read_bytes()
    capsys.readouterr()


def test_complete_beats_writes_on_past_the_window(tiny, piece, tmp_path):
    out = tmp_path / "out.mid"
    assert run(tiny, "complete", piece, "-o", out, "--keep", 4, "--beats", 32) == 0
    tracks = {i.name: i.notes for i in pretty_midi.PrettyMIDI(str(out)).instruments}
    assert [n.pitch for n in tracks["Violin"]] == [60, 61, 62, 63]  # beat 20 was not kept
    new = [n for name, notes in tracks.items() if name != "Violin" for n in notes]
    assert min(n.start for n in new) > 3.9
    assert 31 < last_beat(out) <= 32
    run(tiny, "complete", piece, "-o", out, "--beats", 32)  # all of it kept
    tracks = {i.name: i.notes for i in pretty_midi.PrettyMIDI(str(out)).instruments}
    new = [n for name, notes in tracks.items() if name != "Violin" for n in notes]
    assert len(tracks["Violin"]) == 5 and min(n.start for n in new) > 20.9


@pytest.mark.parametrize("beats", ["nan", "inf"])
def test_a_length_that_is_no_number_is_refused(beats, tiny, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:  # by the parser
        run(tiny, "generate", f"--beats={beats}", "-o", tmp_path / "x.mid")
    assert stopped.value.code == 2 and "--beats" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("beats", ["0", "-16", "7.5", "1e9"])
def test_a_length_that_is_not_whole_beats_is_refused(beats, tiny, tmp_path, capsys):
    assert run(tiny, "generate", f"--beats={beats}", "-o", tmp_path / "x.mid") == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("binolab: --beats must be a whole number") and "\n" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong, says",
    [
        (["--beats", 4, "--keep", 4], "--keep must be more than 0 and less than the 4 beats"),
        (["--beats", 20], "the whole piece"),
        (["--beats", 32, "--at", 40], "--at must be a beat of the piece"),
        (["--beats", 32, "--at", "bar:0"], "--at: the piece has bars 1 to 6, got bar:0"),
        (["--beats", 32, "--keep", 0], "--keep"),
        (["--at", 0], "--keep is needed"),
    ],
)
def test_completions_that_make_no_sense_are_refused(wrong, says, tiny, piece, tmp_path, capsys):
    assert run(tiny, "complete", piece, "-o", tmp_path / "x.mid", *wrong) == 2
    said = capsys.readouterr().err.strip()
    assert says in said and "\n" not in said and not (tmp_path / "x.mid").exists()
