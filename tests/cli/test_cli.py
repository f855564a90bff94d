"""The command line, end to end: files in, files out; every fault in one line, status 2."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch
from tiny import TINY

from binolab import files
from binolab.cli import main as cli
from binolab.cli import options, results, train
from binolab.datasets import Piece
from binolab.diffusion import prompting
from binolab.evaluation import page, report
from binolab.model import load, save
from binolab.music import rolls
from binolab.training.step import Run

pytestmark = pytest.mark.usefixtures("tiny_preset")
AS_SCRIPT = str(Path(__file__).parents[1] / "tiny.py")  # the command line, with it as a preset

MELODY = [
    (67, 1),
    (67, 1),
    (69, 0.5),
    (71, 0.5),
    (72, 2),
    (71, 1),
    (69, 1),
    (67, 2),
    (64, 1),
    (67, 2),
]


def write_melody(path, *, resolution=220, repeat=1, velocity=91):
    """A melody with a tempo change and a touch of rubato that the grid rounds away."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=92.0, resolution=resolution)
    track = pretty_midi.Instrument(program=40, name="Violin")
    beat = 0.0
    for pitch, length in MELODY * repeat:
        start, end = (midi.tick_to_time(round(b * resolution)) for b in (beat, beat + length))
        track.notes.append(pretty_midi.Note(velocity, pitch, start + 0.004, end - 0.003))
        beat += length
    midi.instruments.append(track)
    midi.write(str(path))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Weights of the real network's kind, tiny and untrained: the plumbing does not care."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    config = dataclasses.replace(TINY, grid=24).fitted([Piece("", np.eye(2, 48, dtype=bool))])
    run = Run(config, 0.07, 56, torch.device("cpu"))
    save(path, run.model, run.card)
    return str(path)


@pytest.fixture
def melody(tmp_path):
    return write_melody(tmp_path / "melody.mid")


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def notes_of(path, name=None):
    midi = pretty_midi.PrettyMIDI(str(path))
    return sorted(
        (n.pitch, round(n.start, 3), round(n.end, 3), n.velocity)
        for i in midi.instruments
        if name is None or i.name == name
        for n in i.notes
    )


def fault(capsys, *arguments):
    """Run, demand status 2 and one line; return the line."""
    status = run(*arguments)
    err = capsys.readouterr().err.strip()
    assert status == 2 and err.startswith("binolab: ") and "\n" not in err
    return err


COMMANDS = {
    "complete": ["--keep", 8],
    "infill": ["--from", 4, "--to", 8],
    "harmonize": [],
    "vary": ["--strength", 0.5],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_writes_midi_at_the_input_s_tempo(command, melody, model, tmp_path, capsys):
    out = tmp_path / "out.mid"
    assert (
        run(
            command,
            melody,
            "-o",
            out,
            "--model",
            model,
            "--steps",
            4,
            "--seed",
            3,
            *COMMANDS[command],
        )
        == 0
    )
    assert "seed 3" in capsys.readouterr().out
    given, made = pretty_midi.PrettyMIDI(str(melody)), pretty_midi.PrettyMIDI(str(out))
    np.testing.assert_allclose(made.get_tempo_changes(), given.get_tempo_changes())
    assert made.resolution == given.resolution
    again = tmp_path / "again.mid"
    run(
        command,
        melody,
        "-o",
        again,
        "--model",
        model,
        "--steps",
        4,
        "--seed",
        3,
        *COMMANDS[command],
    )
    assert out.read_bytes() == again.read_bytes()


def test_given_notes_come_out_unchanged(melody, model, tmp_path):
    given = notes_of(melody)
    beat = 60 / 92
    for command, stays in {
        "harmonize": lambda n: True,
        "complete": lambda n: n[2] <= 8 * beat,
        "infill": lambda n: n[2] <= 4 * beat or n[1] >= 8 * beat,
    }.items():
        out = tmp_path / f"{command}.mid"
        run(
            command,
            melody,
            "-o",
            out,
            "--model",
            model,
            "--steps",
            3,
            "--sampler",
            "posterior",
            *COMMANDS[command],
        )
        violin, kept = notes_of(out, "Violin"), {n for n in given if stays(n)}
        cut = {(n[0], n[1], n[3]) for n in given if not stays(n)}  # of these the end may differ
        assert kept <= set(violin) and len(violin) == len(set(violin)), command
        assert all((n[0], n[1], n[3]) in cut for n in violin if n not in kept), command
        assert len(notes_of(out)) > len(violin), "an untrained network writes something"


def test_a_melody_played_legato_comes_out_unchanged(model, tmp_path):
    midi = pretty_midi.PrettyMIDI(initial_tempo=100)
    violin = pretty_midi.Instrument(40, name="Violin")
    for i, pitch in enumerate((67, 71, 74, 72, 71, 69, 72, 67)):
        violin.notes.append(pretty_midi.Note(90, pitch, 0.6 * i, 0.6 * (i + 1) + 0.06))
    midi.instruments.append(violin)
    piece, out = tmp_path / "legato.mid", tmp_path / "out.mid"
    midi.write(str(piece))
    assert run("harmonize", piece, "-o", out, "--model", model, "--steps", 3) == 0
    assert notes_of(out, "Violin") == notes_of(piece)


def test_a_last_note_held_a_little_long_fits_the_window(melody, model, tmp_path):
    midi = pretty_midi.PrettyMIDI(str(melody))
    midi.instruments[0].notes[-1].end = 16.05 * 60 / 92
    midi.write(str(tmp_path / "long.mid"))
    out = tmp_path / "out.mid"
    assert (
        run(
            "complete",
            tmp_path / "long.mid",
            "-o",
            out,
            "--model",
            model,
            "--steps",
            2,
            "--keep",
            8,
        )
        == 0
    )


@pytest.mark.parametrize(
    "given", [["--keep", "nan"], ["--keep", "1e308"], ["--keep", 8, "--seed", -1]]
)
def test_numbers_that_are_none_are_refused(given, melody, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("complete", melody, "-o", tmp_path / "out.mid", *given)
    assert stopped.value.code == 2 and given[-2] in capsys.readouterr().err


def test_harmony_lies_below_the_melody(melody, model, tmp_path):
    out = tmp_path / "out.mid"
    run("harmonize", melody, "-o", out, "--model", model, "--steps", 3)
    line = rolls.from_midi(melody)
    whole = rolls.from_midi(out)
    top = line.argmax(0)
    for tick in np.flatnonzero(line.any(0)):
        assert not whole[top[tick] + 1 :, tick].any()


def test_strength_zero_changes_nothing(melody, model, tmp_path):
    out = tmp_path / "out.mid"
    run("vary", melody, "-o", out, "--model", model, "--strength", 0)
    assert notes_of(out, "Violin") == notes_of(melody) == notes_of(out)
    assert (rolls.from_midi(out) == rolls.from_midi(melody)).all()


@pytest.mark.slow
def test_generate_numbers_its_files_and_draws_and_plays(model, tmp_path):
    assert (
        run(
            "generate",
            "-o",
            tmp_path / "new.mid",
            "--n",
            2,
            "--steps",
            2,
            "--model",
            model,
            "--sampler",
            "posterior",
            "--plot",
            "--audio",
            "--tempo",
            90,
        )
        == 0
    )
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"new-{i}.{end}" for i in (1, 2) for end in ("mid", "mp3", "png")]
    assert (tmp_path / "new-1.png").read_bytes()[:4] == b"\x89PNG"
    assert pretty_midi.PrettyMIDI(str(tmp_path / "new-1.mid")).get_tempo_changes()[1][0] == (
        pytest.approx(90, abs=1e-3)
    )
    import soundfile

    assert soundfile.info(tmp_path / "new-1.mp3").duration > 1


def test_a_longer_piece_is_worked_on_whole_or_in_part(model, tmp_path):
    piece = write_melody(tmp_path / "long.mid", repeat=3)
    out = tmp_path / "out.mid"
    for more, last in ([], 36), (["--at", 16, "--beats", 8], 24), (["--at", "bar:6"], 36):
        assert (
            run(
                "vary",
                piece,
                "-o",
                out,
                "--model",
                model,
                "--steps",
                2,
                "--strength",
                1,
                "--sampler",
                "posterior",
                *more,
            )
            == 0
        )
        first = 0 if not more else 16 if more[1] == 16 else 20
        beat = 60 / 92
        inside = [
            n
            for n in notes_of(piece)
            if first * beat <= n[1] + 0.005 and n[2] <= last * beat + 0.005
        ]
        others = [  # and not those that reach into it
            n for n in notes_of(piece) if n[2] <= first * beat + 0.005 or n[1] >= last * beat
        ]
        assert set(others) <= set(notes_of(out, "Violin")), more
        assert inside and not set(inside) & set(notes_of(out, "Violin")), more
    run(
        "infill",
        piece,
        "-o",
        out,
        "--model",
        model,
        "--steps",
        2,
        "--at",
        12,
        "--from",
        14,
        "--to",
        18,
    )
    beat = 60 / 92
    stays = [n for n in notes_of(piece) if n[2] <= 14 * beat or n[1] >= 18 * beat]
    assert notes_of(out, "Violin") == stays


def test_drums_and_other_tracks_are_copied(model, tmp_path):
    piece = write_melody(tmp_path / "band.mid")
    midi = pretty_midi.PrettyMIDI(str(piece))
    drums = pretty_midi.Instrument(0, is_drum=True, name="Drums")
    drums.notes.append(pretty_midi.Note(100, 12, 0.0, 0.1))  # pitch outside the range: a drum
    midi.instruments.append(drums)
    midi.write(str(piece))
    out = tmp_path / "out.mid"
    assert run("complete", piece, "-o", out, "--keep", 8, "--model", model, "--steps", 2) == 0
    assert [i.is_drum for i in pretty_midi.PrettyMIDI(str(out)).instruments].count(True) == 1


@pytest.mark.parametrize(
    "content, says",
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"RIFF not midi at all", "not a readable MIDI file"),
        (b"MThd\x00\x00\x00\x06\x00\x01", "not a readable MIDI file"),
        ([], "no pitched notes"),
        ([(21, 0, 1)], "no room to write below the melody"),
        (b"<?xml version='1.0'?><score-partwise><part>", "not a readable score"),
        (b"<html></html>", "XML, but no score"),
        (b"PK\x03\x04", "a damaged .mxl file"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(content, says, model, tmp_path, capsys):
    piece = tmp_path / "piece.mid"
    if isinstance(content, bytes):
        piece.write_bytes(content)
    elif content is not None:
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[0].notes = [pretty_midi.Note(80, *note) for note in content]
        midi.write(str(piece))
    before = sorted(tmp_path.iterdir())
    assert says in fault(capsys, "harmonize", piece, "-o", tmp_path / "out.mid", "--model", model)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["complete", "--keep", 0], "--keep"),
        (["complete", "--keep", 16], "--keep"),
        (["infill", "--from", 12, "--to", 4], "--from and --to"),
        (["infill", "--from", 4, "--to", 20], "--from and --to"),
        (["vary", "--strength", 1.5], "strength"),
        (["vary", "--at", 99], "--at"),
        (["vary", "--at", "1e308"], "--at must be a beat"),
        (["vary", "--at", "nan"], "--at must be a beat"),
        (["vary", "--at", "bar:99"], "--at: the piece has bars 1 to 3, got bar:99"),
        (["vary", "--n", 0], "--n"),
        (["vary", "--steps", 0], "--steps"),
        (["vary", "--device", "abacus"], "--device"),
    ],
)
def test_bad_options(arguments, says, melody, model, tmp_path, capsys):
    out = tmp_path / "out.mid"
    command, *rest = arguments
    assert says in fault(capsys, command, melody, "-o", out, "--model", model, *rest)
    assert not out.exists()


def test_bad_outputs_and_models(melody, model, tmp_path, capsys):
    def says(out, *more):
        return fault(capsys, "harmonize", melody, "-o", out, *(more or ("--model", model)))

    assert "must end in .mid" in says(tmp_path / "out.wav")
    assert "no such folder" in says(tmp_path / "none" / "out.mid")
    assert "is a folder" in says(_folder(tmp_path / "folder.mid"))
    assert "no such model" in says(tmp_path / "out.mid", "--model", "nobody")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 64)
    assert "not weights" in says(tmp_path / "out.mid", "--model", broken)


def _folder(path):
    path.mkdir()
    return path


def test_read_only_folder(melody, model, tmp_path, capsys, monkeypatch):
    closed = _folder(tmp_path / "closed")
    closed.chmod(0o500)
    if os.access(closed, os.W_OK):  # root may write anywhere: let the question be answered no
        monkeypatch.setattr(files.os, "access", lambda *_: False)
    assert "read-only" in fault(capsys, "vary", melody, "-o", closed / "out.mid", "--model", model)
    closed.chmod(0o700)


def test_full_disk_leaves_nothing(melody, model, tmp_path, capsys, monkeypatch):
    def full(self, data):
        open(self, "wb").write(b"MThd")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    out = tmp_path / "out.mid"
    assert "No space left" in fault(
        capsys, "vary", melody, "-o", out, "--model", model, "--steps", 2
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["melody.mid"]


# --- all outputs or none -------------------------------------------------------------------------


BLOCKED = {  # what stands in the way, and what is asked
    "a-2.mid": ["--n", 3],
    "a.png": ["--plot"],
    "a.mp3": ["--audio"],
    "a-3.mp3": ["--n", 3, "--audio"],
}


@pytest.mark.parametrize("name", BLOCKED)
def test_every_output_is_looked_at_before_any_work(name, tmp_path, capsys):
    _folder(tmp_path / name)
    said = fault(capsys, "generate", "-o", tmp_path / "a.mid", "--model", "nobody", *BLOCKED[name])
    assert f"{name}: is a folder" in said  # and not that there is no such model
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_outputs_that_are_no_files_or_cannot_be_are_refused(tmp_path, capsys, monkeypatch):
    def says(out):
        return fault(capsys, "generate", "-o", out, "--model", "nobody")

    os.mkfifo(tmp_path / "pipe.mid")
    assert "is not a file" in says(tmp_path / "pipe.mid")
    assert "cannot be written (File name too long)" in says(tmp_path / ("x" * 250 + ".mid"))
    (tmp_path / "loop.mid").symlink_to(tmp_path / "loop.mid")
    (tmp_path / "astray.mid").symlink_to(tmp_path / "none" / "a.mid")
    assert "cannot be written" in says(tmp_path / "astray.mid")
    (tmp_path / "kept.mid").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "kept.mid")
    assert "kept.mid: is read-only" in says(tmp_path / "kept.mid")
    assert not list(tmp_path.glob(".*"))


def test_where_one_of_several_cannot_be_written_none_appears(model, tmp_path, capsys, monkeypatch):
    (tmp_path / "a-1.mid").write_bytes(b"old")
    write, made = Path.write_bytes, []

    def full(self, data):
        made.append(self)
        if len(made) == 3:
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "No space left" in fault(
        capsys,
        "generate",
        "-o",
        tmp_path / "a.mid",
        "--model",
        model,
        "--n",
        3,
        "--steps",
        1,
        "--plot",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a-1.mid"]
    assert (tmp_path / "a-1.mid").read_bytes() == b"old"


def test_an_output_goes_through_a_link_and_keeps_a_mode(model, tmp_path):
    real = tmp_path / "real.mid"
    real.write_bytes(b"old")
    real.chmod(0o600)
    (tmp_path / "a.mid").symlink_to(real)
    assert run("generate", "-o", tmp_path / "a.mid", "--model", model, "--steps", 1) == 0
    assert (tmp_path / "a.mid").is_symlink() and real.read_bytes()[:4] == b"MThd"
    assert real.stat().st_mode & 0o777 == 0o600


def test_each_of_several_tells_the_seed_that_makes_it_again(model, tmp_path, capsys):
    options = ["--model", model, "--steps", 2, "--sampler", "posterior"]
    assert run("generate", "-o", tmp_path / "a.mid", "--n", 4, "--seed", 2**63 - 2, *options) == 0
    told = [line.split("  (seed ") for line in capsys.readouterr().out.splitlines()]
    assert len({Path(path).read_bytes() for path, _ in told}) == len(told) == 4
    for path, seed in told:
        assert run("generate", "-o", tmp_path / "b.mid", "--seed", seed.rstrip(")"), *options) == 0
        assert (tmp_path / "b.mid").read_bytes() == Path(path).read_bytes()


@pytest.mark.parametrize("given", [["--n", 10**12], ["--steps", 10**12]])
def test_more_than_there_can_be_is_refused(given, tmp_path, capsys):
    assert f"{given[0]} must be 1 to" in fault(capsys, "generate", "-o", tmp_path / "a.mid", *given)
    assert f"{given[0]} must be" in fault(capsys, "evaluate", "-o", tmp_path / "a", *given)


def test_a_fine_clock_takes_many_beats_or_says_how_many(model, tmp_path, capsys):
    piece, out = write_melody(tmp_path / "fine.mid", resolution=32767), tmp_path / "out.mid"
    asked = ["complete", piece, "-o", out, "--keep", 4, "--model", model, "--steps", 1, "--beats"]
    assert "holds 8,192; choose fewer" in fault(capsys, *asked, 8193) and not out.exists()
    assert run(*asked, 320, "--sampler", "posterior") == 0
    assert 310 * 24 < rolls.from_midi(out).shape[1] <= 320 * 24


def test_what_cannot_be_played_is_refused_before_the_work(tmp_path, capsys):
    run_ = Run(TINY, 0.07, 56, torch.device("cpu"))
    save(tmp_path / "high.safetensors", run_.model, dataclasses.replace(run_.card, low=72))
    save(tmp_path / "low.safetensors", run_.model, run_.card)
    before = sorted(tmp_path.iterdir())
    for name, more, says in (
        ("high", [], "MIDI note 127 (12544 Hz) is too high"),
        ("low", ["--beats", 2001, "--steps", 100_000], "the piece lasts 20.0 minutes"),
        ("low", ["--beats", 201, "--tempo", 10], "the piece lasts 20.1 minutes"),
    ):
        said = fault(
            capsys,
            "generate",
            "-o",
            tmp_path / "a.mid",
            "--audio",
            "--model",
            tmp_path / f"{name}.safetensors",
            *more,
        )
        assert says in said and "--audio" in said
    assert sorted(tmp_path.iterdir()) == before


# --- what is told --------------------------------------------------------------------------------


EVIL = "a\x1b[2J\x9b\u202e"


def test_names_cannot_steer_the_terminal(model, tmp_path, capfd):
    def plain(status, *arguments):
        try:
            assert run(*arguments) == status
        except SystemExit as stop:
            assert stop.code == status
        said = capfd.readouterr()
        assert (said.out + said.err).strip()
        assert all(c.isprintable() or c == "\n" for c in said.out + said.err)

    out, folder = tmp_path / f"{EVIL}\r\n.mid", tmp_path / EVIL
    plain(0, "generate", "-o", out, "--model", model, "--steps", 1)
    assert out.exists()
    plain(2, "vary", tmp_path / f"{EVIL}.mid", "-o", out)
    plain(2, "vary", out, out, "-o", out)
    plain(2, "generate", "-o", folder / "a.mid", "--model", model)
    plain(2, "generate", "-o", out, "--model", EVIL)
    data = midi_files(folder, 2)
    (data / f"{EVIL}.mid").write_bytes(b"nonsense")
    tiny = ["--out", tmp_path / f"{EVIL} run", "--preset", "tiny", "--steps", 1, "--no-evaluation"]
    plain(0, "train", "--data", data, *tiny)
    plain(2, "train", "--data", data, *tiny)


def test_a_locale_of_few_letters_fails_nothing(model, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "binolab",
            "generate",
            "-o",
            "Prélude ♯.mid",
            "--model",
            model,
            "--steps",
            "1",
            "--seed",
            "1",
        ],
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | PATHS | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and done.stdout.strip() == rb"Pr\xe9lude \u266f.mid  (seed 1)"


@pytest.mark.parametrize(
    "world, command, speaks",
    [
        (None, "vary", True),
        ("1", "vary", True),
        ("2", "vary", True),
        (None, "train", True),
        ("", "train", True),
        ("1", "train", True),
        ("few", "train", True),
        ("2", "train", False),
    ],
)
def test_a_rank_silences_only_one_of_several_that_train(
    world, command, speaks, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world is not None:
        monkeypatch.setenv("WORLD_SIZE", world)
    asked = {
        "vary": ["vary", tmp_path / "no.mid", "-o", tmp_path / "out.mid"],
        "train": ["train", "--data", tmp_path, "--out", tmp_path / "r", "--steps", 0],
    }
    assert run(*asked[command]) == 2
    assert bool(capsys.readouterr().err) == speaks


PATHS = {"PYTHONPATH": str(Path(cli.__file__).parents[2])}


def test_the_package_is_a_command(tmp_path):
    def said(*arguments):
        command = [sys.executable, "-m", "binolab", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, text=True, capture_output=True, env=os.environ | PATHS
        )

    assert said("--version").stdout.startswith("binolab ")
    assert said("--help").stdout.startswith("usage: binolab ")
    assert said().returncode == 2 and "usage: binolab" in said().stderr


def midi_files(folder, count):
    folder.mkdir()
    for i in range(count):
        write_melody(folder / f"{i}.mid", repeat=2, velocity=60 + i)
    (folder / "bad.mid").write_bytes(b"nonsense")
    return folder


@pytest.mark.slow
def test_train_on_a_folder_then_generate(tmp_path, capfd, monkeypatch):
    data, out = midi_files(tmp_path / "data", 20), tmp_path / "run"
    assert run("train", "--data", data, "--out", out, "--preset", "tiny", "--steps", 3) == 0
    told = capfd.readouterr()
    assert "bad.mid" in told.err and "18 pieces to learn from, 2 held out" in told.out
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 3
    names = {p.name for p in out.iterdir()}
    assert names >= {"report.md", "report.json", "report.png", "curve.png"}
    for i in range(1, 5):  # written by a network that knows nothing, so perhaps silent
        for ending in ("mid", "mp3", "png"):
            assert (out / "samples" / f"{i}.{ending}").stat().st_size > 0
    card = load(out).card
    assert card.pitches % 8 == 0 and card.low <= 64 and 72 < card.low + card.pitches
    before = (out / "report.json").read_bytes()
    assert (
        run("train", "--data", data, "--out", out, "--preset", "tiny", "--steps", 3, "--resume")
        == 0
    )
    assert (out / "report.json").read_bytes() == before  # nothing was left to do
    assert run("generate", "-o", tmp_path / "new.mid", "--model", out, "--steps", 2) == 0
    assert run("train", "--data", data, "--out", out, "--preset", "tiny", "--steps", 3) == 2
    resumed = ["train", "--data", data, "--out", out, "--preset", "tiny", "--resume"]
    with monkeypatch.context() as patch:
        patch.setattr(results, "curve", interrupted)
        assert run(*resumed, "--steps", 5) == 130  # two steps more
    told = capfd.readouterr()
    assert "step 5 of 5; finished" in told.out and f"{out / 'samples'}: 4 pieces" in told.out
    assert "nothing was written" not in told.err
    assert "holds the finished run, but not yet its curve, report: " in told.err.splitlines()[-1]
    assert (out / "report.json").read_bytes() == before
    assert run(*resumed) == 0  # its own total, where none is given
    assert "step 5 of 5; finished" in capfd.readouterr().out
    document = json.loads((out / "report.json").read_bytes())
    assert document["facts"]["command"].endswith("--preset tiny")
    document["facts"]["model"] = os.fsdecode(b"gr\xf6\xdfe $x")  # Latin-1, as older systems had it
    assert report.markdown(document).startswith("# gr&#92;xf6&#92;xdfe &#36;x\n")
    bits = np.zeros((1, card.pitches, card.length), bool)
    page.figure(document, bits, bits).savefig(io.BytesIO(), dpi=20)


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_locale_without_the_letter_fails_no_finished_run(tmp_path, monkeypatch):
    data, said = midi_files(tmp_path / "data", 2), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said, encoding="ascii"))
    assert (
        run(
            "train",
            "--data",
            data,
            "--out",
            tmp_path / "Größe",
            "--preset",
            "tiny",
            "--steps",
            1,
            "--no-evaluation",
        )
        == 0
    )
    sys.stdout.flush()
    assert b"Gr\\xf6\\xdfe: step 1 of 1; finished" in said.getvalue()


def test_train_faults(tmp_path, capsys):
    assert "no such folder" in fault(
        capsys, "train", "--data", tmp_path / "no", "--out", tmp_path / "r"
    )
    assert "no usable MIDI" in fault(
        capsys, "train", "--data", _folder(tmp_path / "empty"), "--out", tmp_path / "r"
    )
    data = midi_files(tmp_path / "data", 2)
    capsys.readouterr()
    tiny = ["train", "--data", data, "--out", tmp_path / "r", "--preset", "tiny"]
    for more, said in (
        (["--resume"], "nothing to resume"),
        (["--minutes", 0], "--minutes must be more than 0"),
        (["--minutes", 1, "--steps", 5], "give one of them"),
        (["--prior", 1], "--prior"),
        (["--start", "nowhere"], "no such model"),
        (["--low", 70, "--pitches", 8], "no usable MIDI"),
        (["--parts", "7-0"], "--parts must be all"),
        (["--parts", "harp"], "no usable MIDI"),
    ):
        run(*tiny, *more)
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert "for folders" in fault(
        capsys, "train", "--data", "chorales", "--out", tmp_path / "r", "--low", 40
    )
    assert not (tmp_path / "r").exists()


def test_train_takes_range_and_prior(tmp_path, capsys):
    data, out = midi_files(tmp_path / "data", 2), tmp_path / "run"
    assert (
        run(
            "train",
            "--data",
            data,
            "--out",
            out,
            "--preset",
            "tiny",
            "--steps",
            1,
            "--low",
            60,
            "--pitches",
            24,
            "--prior",
            0.25,
            "--no-evaluation",
        )
        == 0
    )
    card = load(out).card
    assert (card.low, card.pitches, card.prior) == (60, 24, 0.25)
    assert not (out / "samples").exists()
    more = tmp_path / "more"  # the range of the network that it begins with
    assert (
        run(
            "train",
            "--data",
            data,
            "--out",
            more,
            "--preset",
            "tiny",
            "--steps",
            1,
            "--start",
            out,
            "--no-evaluation",
        )
        == 0
    )
    assert load(more).card.low == 60


def test_the_shipped_model_goes_on_with_files_that_tell_no_voices(tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in "ab":
        midi = pretty_midi.PrettyMIDI(initial_tempo=60)
        track = pretty_midi.Instrument(program=0)
        for beat in range(16):  # five notes at once: one too many
            track.notes += [pretty_midi.Note(90, p, beat, beat + 0.5) for p in (40, 48, 55, 60, 64)]
        midi.instruments.append(track)
        midi.write(str(folder / f"{name}.mid"))
    out = tmp_path / "r"
    more = ["--steps", 1, "--batch", 2, "--no-evaluation"]
    status = run("train", "--data", folder, "--start", "best", "--out", out, *more)
    assert status == 0
    assert "80.0% of what sounds has room in 4 voices" in capsys.readouterr().out
    assert load(out).card.planes == 4


def test_train_keeps_which_parts_it_learned(tmp_path, capsys):
    data, out = midi_files(tmp_path / "data", 2), tmp_path / "run"
    asked = ["train", "--data", data, "--out", out, "--preset", "tiny", "--no-evaluation"]
    assert run(*asked, "--steps", 1, "--parts", "violin") == 0
    assert json.loads((out / "config.json").read_text())["parts"] == "violin"
    capsys.readouterr()
    assert run(*asked, "--resume") == 2
    assert "made with another parts" in capsys.readouterr().err.splitlines()[-1]
    assert run(*asked, "--steps", 2, "--parts", "violin", "--resume") == 0


@pytest.mark.parametrize("option", ["--data", "--out", "--start", "--parts", "--device"])
def test_an_empty_word_is_refused(option, tmp_path, monkeypatch, capsys):
    """As a path it would be the folder where one is."""
    monkeypatch.chdir(tmp_path)
    told = {"--data": tmp_path, "--out": tmp_path / "run"} | {option: ""}
    words = [str(word) for pair in told.items() for word in pair]
    with pytest.raises(SystemExit) as left:
        options.parser().parse_args(["train", *words])
    assert left.value.code == 2 and f"{option}: is empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data, told, parts",
    [("folder", [], "piano,others"), ("maestro", [], "all"), ("maestro", ["--parts", "0"], "0")],
)
def test_a_presets_parts_are_for_folders(data, told, parts):
    asked = ["train", "--data", data, "--out", "run", "--preset", "piano", *told]
    assert train.settings(options.parser().parse_args(asked))[0].parts == parts


def test_start_brings_its_own_network_and_range(model, tmp_path, capsys):
    data, out = midi_files(tmp_path / "data", 2), tmp_path / "run"
    assert (
        run(
            "train",
            "--data",
            data,
            "--out",
            out,
            "--start",
            model,
            "--steps",
            1,
            "--batch",
            2,
            "--no-evaluation",
        )
        == 0
    )
    capsys.readouterr()
    assert load(out).card.arguments["width"] == TINY.arguments["width"]
    says = fault(
        capsys, "train", "--data", data, "--out", tmp_path / "r", "--start", model, "--pitches", 64
    )
    assert "56 pitches" in says and "leave out --pitches" in says


@pytest.mark.slow
def test_train_for_so_many_minutes(tmp_path, capsys):
    data, out = midi_files(tmp_path / "data", 2), tmp_path / "run"
    assert (
        run(
            "train",
            "--data",
            data,
            "--out",
            out,
            "--preset",
            "tiny",
            "--minutes",
            0.02,
            "--no-evaluation",
        )
        == 0
    )
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (
        rows[-1]["rate"] == 0
        and rows[-1]["elapsed"] >= 1.2
        and "0.02 minutes; finished" in (capsys.readouterr().out)
    )


def test_how_much_is_measured_follows_the_budget():

    assert results.sized(0) == (4, False) and results.sized(300) == (13, False)
    assert results.sized(95 * 10) == (10, True) and results.sized(10**9) == (64, True)


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_resumes(tmp_path):
    data, out = midi_files(tmp_path / "data", 2), tmp_path / "run"
    command = [
        sys.executable,
        AS_SCRIPT,
        "train",
        "--data",
        str(data),
        "--out",
        str(out),
        "--preset",
        "tiny",
        "--steps",
        "100000",
        "--every",
        "0.2",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    deadline = time.time() + 60
    while not (out / "log.jsonl").exists() and time.time() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and said.splitlines()[-1].endswith("--every 0.2 --resume")
    load(out)
    assert (out / "checkpoint.safetensors").exists()
    assert not (out / "samples").exists() and not (out / "report.md").exists()


def test_help_is_worth_reading():
    said = subprocess.run(
        [sys.executable, "-m", "binolab", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("generate", "complete", "infill", "harmonize", "vary", "train", "evaluate"):
        assert command in said
    assert (
        "None"
        not in subprocess.run(
            [sys.executable, "-m", "binolab", "vary", "--help"], capture_output=True, text=True
        ).stdout
    )


def test_installed_command():
    command = Path(sys.executable).with_name("binolab")
    if not command.exists():
        pytest.skip("the package is not installed beside this Python")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("binolab ")


def chords(folder, count):
    """Short pieces in two voices, one window each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        bits = np.zeros((56, rolls.LENGTH), bool)
        for beat in range(0, rolls.LENGTH, 24):
            bits[rng.choice(range(10, 40), 2, replace=False), beat : beat + 24] = True
        rolls.to_midi(bits).write(folder / f"{i:02}.mid")
    return folder


@pytest.mark.slow
def test_evaluate_writes_the_same_report_again(model, tmp_path, capsys):
    data = chords(tmp_path / "data", 20)
    options = ["--model", model, "--data", data, "--n", 2, "--steps", 1, "--seed", 5]
    assert run("evaluate", *options, "-o", tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert said.strip() == (tmp_path / "a.md").read_text().strip() and "| density |" in said
    assert run("evaluate", *options, "-o", tmp_path / "b.json") == 0
    first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in "ab")
    assert first["facts"]["command"].startswith("binolab evaluate --model")
    for document in (first, second):
        assert document["facts"].pop("seconds") > 0 and document["facts"].pop("seconds_a_roll") > 0
    assert first == second
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    made = {f"{n}.{end}" for n in "ab" for end in ("json", "md", "png")}
    assert {p.name for p in tmp_path.iterdir()} == made | {"data"}


@pytest.mark.slow
@pytest.mark.parametrize("split", ["valid", "test"])
def test_data_is_maestro_for_evaluate_too(split, model, tmp_path, monkeypatch):
    monkeypatch.setenv("BINOLAB_CACHE", str(tmp_path / "cache"))
    root = chords(tmp_path / "archive", 21)
    sides = ["train"] * 10 + ["validation"] * 6 + ["test"] * 5
    lines = ["canonical_composer,canonical_title,split,year,midi_filename,duration"]
    lines += [
        f"Anon,Piece {'ABCDEFGHIJKLMNOPQRSTU'[i]},{side},2008,{i:02}.mid,8"
        for i, side in enumerate(sides)
    ]
    (root / "maestro-v3.0.0.csv").write_text("\n".join(lines) + "\n")
    options = ["--model", model, "--split", split, "--n", 2, "--steps", 1, "-o", tmp_path / "a"]
    assert (
        run(
            "evaluate",
            "--data",
            f"maestro:{root}",
            *options,
            "--no-likelihood",
            "--no-harmonization",
        )
        == 0
    )
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["facts"]["data"] == f"maestro:{root}"
    held = {"valid": 6, "test": 5}[split]
    assert document["comparison"]["n"] == {"made": 2, "held_out": held, "training": 10}


def test_data_is_told_alike_in_train_and_evaluate(capsys):
    told = []
    for command in ("train", "evaluate"):
        with pytest.raises(SystemExit):
            run(command, "--help")
        said = " ".join(capsys.readouterr().out.split())
        told.append(re.search(r"--data (\S+ Bach's chorales;.*? left out)", said)[1])
    assert told[0] == told[1] and "chorales|maestro[:ROOT]|FOLDER" in told[0]


def test_evaluate_faults_come_before_work(model, tmp_path, capsys, monkeypatch):

    monkeypatch.setattr(prompting, "paint", lambda *_, **__: pytest.fail("work was begun"))
    data, one = chords(tmp_path / "data", 20), chords(tmp_path / "one", 1)
    few, out = chords(tmp_path / "few", 3), tmp_path / "out"
    sound = ["--model", model, "--data", data]
    for arguments, says in (
        (["-o", tmp_path / "no" / "out", *sound], "no such folder"),
        (["-o", data, *sound], "is a folder"),
        (["-o", out, *sound, "--n", 1], "--n must be 2"),
        (["-o", out, *sound, "--steps", 0], "--steps must be 1"),
        (["-o", out, *sound, "--device", "abacus"], "--device"),
        (["-o", out, "--data", data, "--model", "nobody"], "no such model"),
        (["-o", out, *sound, "--parts", "7-0"], "--parts must be all"),
        (["-o", out, "--model", model, "--parts", "piano"], "--parts: for folders"),
        (["-o", out, "--model", model, "--data", tmp_path / "none"], "no such folder"),
        (["-o", out, "--model", model, "--data", one], "one piece cannot be held out"),
        (["-o", out, "--model", model, "--data", few], "too little music"),
    ):
        assert says in fault(capsys, "evaluate", *arguments)
    with pytest.raises(SystemExit) as stop:
        run("evaluate", "-o", out, *sound, "--sampler", "tarot")
    assert stop.value.code == 2
    assert {p.name for p in tmp_path.iterdir()} == {"data", "one", "few"}


def test_evaluate_leaves_nothing_half_written(model, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure

    def full(self, path, **_):
        Path(path).write_bytes(b"\x89PNG")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    data = chords(tmp_path / "data", 20)
    assert "No space left" in fault(
        capsys,
        "evaluate",
        "-o",
        tmp_path / "out",
        "--model",
        model,
        "--data",
        data,
        "--n",
        2,
        "--steps",
        1,
        "--no-likelihood",
        "--no-harmonization",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
