"""The command line among others: pipes, completion, silence; a file of three tracks from --help."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import TINY

from binolab.cli import main as cli
from binolab.model import save
from binolab.music import midi, notation, rolls, scores
from binolab.music.midi import Event
from binolab.training.step import Run

HOW = ["--steps", "2", "--sampler", "posterior", "--seed", "1"]
HOME = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
TUNE = "E5 1 F5 1 G5 1 F5 1 E5 1 D5 1 C5 2 "


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    run = Run(TINY, 0.07, 56, torch.device("cpu"))
    save(path, run.model, run.card)
    return str(path)


@pytest.fixture
def tune(tmp_path):
    rolls.to_midi(notation.read(TUNE * 2)).write(tmp_path / "tune.mid")
    return tmp_path / "tune.mid"


@pytest.fixture
def band(tmp_path):
    """Three tracks: a bass that the model has no rows for, a voice, and drums."""
    made = rolls.to_midi(notation.read(TUNE * 2))
    names = (b"Bass", b"Voice", b"Kit")
    line = [Event(e.tick, bytes([e.data[0] | 1, 24, *e.data[2:]])) for e in made.tracks[1][2:-1]]
    beat = [Event(e.tick, bytes([e.data[0] | 8, 36, *e.data[2:]])) for e in line]
    tracks = [line, made.tracks[1][2:-1], beat]
    made.tracks = [
        [midi.meta(0, midi.NAME, name), *track, Event(9600, midi.END_OF_TRACK)]
        for name, track in zip(names, tracks)
    ]
    made.write(tmp_path / "band.mid")
    return tmp_path / "band.mid"


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def test_the_second_of_three_tracks_is_harmonized_and_the_others_come_back(
    tiny, band, tmp_path, capsys
):
    out = tmp_path / "out.mid"
    assert run("harmonize", band, "-o", out, "--melody", "Voice", "--model", tiny, *HOW) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}  (seed 1)\n" and "notes outside MIDI 33 to 88" in said.err
    before, after = midi.read(band), midi.read(out)
    assert after.tracks[:3] == before.tracks and len(after.tracks) > 3
    again = tmp_path / "again.mid"
    assert run("harmonize", band, "-o", again, "--melody", 2, "--model", tiny, *HOW) == 0
    assert out.read_bytes() == again.read_bytes()
    assert run("harmonize", band, "-o", out, "--melody", 4, "--model", tiny) == 2
    assert "--melody must be a track that has notes (1 Bass, 2 Voice)" in capsys.readouterr().err


def test_quiet_says_nothing(tiny, band, tmp_path, capsys):
    out = tmp_path / "out.mid"
    asked = ["harmonize", band, "-o", out, "--melody", 2, "--model", tiny, *HOW]
    assert run(*asked, "--quiet") == 0 and out.exists()
    assert capsys.readouterr() == ("", "")
    assert run("vary", tmp_path / "no.mid", "-o", out, "--quiet") == 2
    assert capsys.readouterr().err.count("\n") == 1  # a fault is told


def test_what_is_removed_is_said(tiny, tmp_path, capsys):
    two = rolls.to_midi(notation.read(TUNE * 2))
    two.tracks.append([Event(0, b"\x91\x30\x50"), Event(9600, b"\x81\x30\x00")])
    two.tracks[-1].append(Event(9600, midi.END_OF_TRACK))
    two.write(tmp_path / "two.mid")
    asked = ["harmonize", tmp_path / "two.mid", "-o", tmp_path / "out.mid", "--model", tiny, *HOW]
    assert run(*asked) == 0 and not capsys.readouterr().err
    assert run(*asked, "--replace") == 0
    assert "two.mid: 1 notes below the melody are removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ending, asked",
    [
        ("musicxml", ["harmonize"]),
        ("mxl", ["complete", "--keep", 8]),
        ("musicxml", ["infill", "--from", 4, "--to", 8]),
        ("mxl", ["vary"]),
    ],
)
def test_a_score_goes_in_wherever_midi_does(ending, asked, tiny, tune, tmp_path, capsys):
    """What comes out has the output's ending, and the notes that the same piece as MIDI gives."""
    scores.write(midi.read(tune), tmp_path / f"tune.{ending}", f".{ending}")
    command, *more = asked
    made = []
    score = f"tune.{ending}"
    for given, out in (("tune.mid", "a.mid"), (score, "b.mid"), (score, "c.musicxml")):
        asked = [command, tmp_path / given, "-o", tmp_path / out, *more, "--model", tiny, *HOW]
        assert run(*asked) == 0
        said = capsys.readouterr().err
        assert (f"{score}: a score: its notes" in said) == (given == score)
        made.append(
            {(n.pitch, n.start // 20, n.end // 20) for n in midi.read(tmp_path / out).notes()}
        )
    assert made[0] == made[1] == made[2]


def test_standard_input_and_output(tiny, tune, tmp_path, capsys, monkeypatch):
    out, stream = tmp_path / "out.mid", io.BytesIO()
    asked = ["--model", tiny, *HOW]
    assert run("harmonize", tune, "-o", out, *asked) == 0
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(tune.read_bytes())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream))
    assert run("harmonize", "-", "-o", "-", *asked) == 0
    assert stream.getvalue() == out.read_bytes()
    assert capsys.readouterr().err == "-  (seed 1)\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"nonsense")))
    assert run("harmonize", "-", "-o", "-", *asked) == 2
    assert capsys.readouterr().err.startswith("binolab: the piece: not a readable MIDI file")
    assert run("harmonize", tune, "-o", "-", "--n", 2, *asked) == 2
    assert "name a MIDI file, --out" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["-o", "-"], ["-o", "OUT"], ["--help"]])
def test_a_reader_that_has_gone_is_no_error(asked, tiny, tune, tmp_path, capsys, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    out = tmp_path / "out.mid"
    arguments = ["vary", tune, *(out if a == "OUT" else a for a in asked), "--model", tiny, *HOW]
    with monkeypatch.context() as patch, os.fdopen(writer, "w") as gone:
        patch.setattr(sys, "stdout", gone)
        assert run(*arguments, *["--quiet"] * ("-" in asked)) == 0
    assert not capsys.readouterr().err and out.exists() == ("OUT" in asked)


def shell(line, **more):
    """A line of the shell, in which binolab stands for the command."""
    line = line.replace("binolab", f"{sys.executable} -m binolab")
    return subprocess.run(["bash", "-c", line], capture_output=True, env=HOME | more, timeout=120)


@pytest.mark.slow
def test_pipes(tiny, tune, tmp_path):
    how = f"--model {tiny} {' '.join(HOW)} --quiet"
    line = f"cat {tune} | binolab harmonize - -o - {how} | tee -p {tmp_path}/a.mid | head -c 1"
    done = shell(f"{line}; echo ${{PIPESTATUS[@]:0:2}}")  # tee may find that head has gone
    assert (done.stdout, done.stderr) == (b"M0 0\n", b"")
    assert len(midi.read(tmp_path / "a.mid").tracks) > 2
    done = shell(f"binolab vary {tune} -o - {how} | true; echo ${{PIPESTATUS[@]}}")
    assert (done.stdout, done.stderr) == (b"0 0\n", b"")


@pytest.mark.parametrize(
    "typed, offered",
    [
        ("binolab har", {"harmonize"}),
        ("binolab harmonize x.mid --mel", {"--melody"}),
        ("binolab harmonize x.mid --rests ", {"lead", "keep", "fill"}),
        ("binolab vary x.mid --judge par", {"parallels"}),
    ],
)
def test_the_shell_completes(typed, offered, tmp_path):
    """By argcomplete's protocol: what is typed in the environment, the offers in a file."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": typed, "COMP_POINT": str(len(typed))}
    asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offers"), "_ARGCOMPLETE_IFS": " "}
    done = shell("binolab", **asked)
    assert done.returncode == 0 and not done.stdout + done.stderr
    assert {*(tmp_path / "offers").read_text().split()} == offered


def test_a_standard_stream_that_is_closed_is_told(tiny, tune, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", None)
        assert run("vary", "-", "-o", tmp_path / "out.mid", "--model", tiny, *HOW) == 2
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert run("vary", tune, "-o", "-", "--model", tiny, *HOW) == 2
        assert not run("vary", tune, "-o", tmp_path / "out.mid", "--model", tiny, *HOW)
    said = "binolab: -: the standard stream is closed; name a file\n"
    assert capsys.readouterr().err == 2 * said and (tmp_path / "out.mid").exists()


def test_no_word_comes_among_the_notes_where_the_error_stream_is_closed(
    tiny, tune, tmp_path, monkeypatch
):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream))
    monkeypatch.setattr(sys, "stderr", None)
    assert run("vary", tune, "-o", "-", "--model", tiny, *HOW) == 0
    assert not midi.read(stream.getvalue()).mended and b"seed" not in stream.getvalue()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("asked", [["-o", "-"], ["-o", "OUT"], ["--help"]])
def test_a_full_standard_output_is_told(asked, tiny, tune, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.mid"
    arguments = ["vary", tune, *(out if a == "OUT" else a for a in asked), "--model", tiny, *HOW]
    with monkeypatch.context() as patch, open("/dev/full", "w") as full:
        patch.setattr(sys, "stdout", full)
        assert run(*arguments) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("binolab: ")]
    assert len(said) == 1 and "No space left on device" in said[0]
