"""Training: what each loss learns, a run that falls, and a stop that loses nothing."""

import contextlib
import dataclasses
import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from binolab import datasets, files
from binolab.datasets import Piece
from binolab.diffusion.loss import loss
from binolab.model import load, pick_device
from binolab.music import rolls
from binolab.music.codec import Codec
from binolab.training import batches, checkpoints, devices, loop
from binolab.training.config import PRESETS, Config, TrainingError
from binolab.training.folder import LOCK, OWN
from binolab.training.rate import rate_at
from binolab.training.step import Run

STOPS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
PITCHES = 16
TINY = Config(
    network="FrameTransformer",
    arguments={"width": 16, "depth": 1, "heads": 2, "filters": 8, "dropout": 0.1},
    length=48,
    batch=4,
    steps=8,
    T=50,
    warmup=2,
    rate=3e-3,
)
PAPER = dataclasses.replace(
    TINY, network="UNet", arguments={"widths": [8, 8, 16]}, loss="l2", prompts=0.0
)
RUNS = {
    "frames": TINY,
    "printed": PAPER,
    "bfloat16": dataclasses.replace(
        PAPER, arguments={"widths": [8, 8, 16], "time": True}, precision="bf16", loss="bce"
    ),
    "voices": dataclasses.replace(
        TINY,
        network="BeatTransformer",
        grid=4,
        planes=2,
        arguments={"width": 16, "depth": 1, "heads": 2, "filters": 8},
    ),
}


@pytest.fixture(scope="module")
def pieces():
    """Three pieces of two parts, long notes on the beat, one shorter than a window."""
    random = np.random.default_rng(0)
    found = []
    for i, beats in enumerate((8, 5, 1)):
        rows = random.integers(3, 12, (beats, 2))
        parts = [[(int(r), 24 * b, 24 * b + 20) for b, r in enumerate(part)] for part in rows.T]
        whole, *parts = (
            rolls.from_notes(notes, PITCHES, 24 * beats) for notes in (sum(parts, []), *parts)
        )
        found.append(Piece(str(i), whole, np.stack(parts)))
    return found


@pytest.fixture
def go(pieces, tmp_path, monkeypatch):
    """go(config, folder, stop=step) trains; a real signal arrives during step `stop`."""
    advance = Run.advance

    def go(config, folder, stop=None, number=signal.SIGINT, **options):
        def interrupted(run, bank):
            value = advance(run, bank)
            if run.step == stop:
                signal.raise_signal(number)
            return value

        monkeypatch.setattr(Run, "advance", interrupted)
        defaults = {"prior": 0.1, "device": "cpu", "progress": False}
        return loop.train(config, pieces, pieces[:1], tmp_path / folder, **defaults | options)

    return go


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ones", [1, 3, 5, 9])
@pytest.mark.parametrize("kind", ["bce", "l2", "l1"])
def test_a_loss_is_least_at_the_mean_or_at_the_median(kind, ones):
    """One cell, ten equally likely values of x_0: try every answer."""
    x0 = torch.tensor([1.0] * ones + [0.0] * (10 - ones)).view(10, 1, 1, 1)
    answers = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    free = torch.ones_like(x0, dtype=torch.bool)
    logits = torch.logit(answers)
    values = [loss(a.expand(x0.shape), x0.double(), free, kind) for a in logits]
    best = answers[torch.stack(values).argmin()].item()
    median = 0.999 if ones > 5 else 0.001
    if kind != "l1":
        assert best == pytest.approx(ones / 10, abs=1e-6)
    elif ones != 5:
        assert best == pytest.approx(median, abs=1e-6)


def test_losses_by_hand():
    p, x0 = torch.tensor([0.2, 0.9]).view(1, 1, 1, 2), torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    free = torch.ones_like(x0, dtype=torch.bool)
    for kind, value in (
        ("l1", (0.2 + 0.1) / 2),
        ("l2", (0.04 + 0.01) / 2),
        ("bce", -(math.log(0.8) + math.log(0.9)) / 2),
    ):
        found = loss(torch.logit(p), x0, free, kind).item()
        assert found == pytest.approx(value, rel=1e-5)


def test_known_cells_cost_nothing():
    x0, logits = torch.zeros(2, 1, 3, 4), torch.randn(2, 1, 3, 4, generator=torch.manual_seed(0))
    free = torch.ones_like(x0, dtype=torch.bool)
    free[0] = False
    wild = logits.clone()
    wild[0] = 50.0
    for kind in ("bce", "l2", "l1"):
        alone = loss(logits[1:], x0[1:], free[1:], kind)
        assert loss(wild, x0, free, kind).item() == pytest.approx(alone.item())
        assert loss(wild, x0, free & False, kind) == 0  # nothing free: not nan


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="bce, l2, l1 or bound"):
        loss(torch.zeros(1), torch.zeros(1), torch.ones(1), "huber")


def test_the_rate_warms_up_then_falls_to_zero():
    config = Config(steps=100, warmup=10, rate=1.0)
    rates = [rate_at(config, s) for s in range(101)]
    assert rates[0] == 0.1 and max(rates) == rates[9] == rates[10] == 1.0
    assert all(a < b for a, b in zip(rates[:9], rates[1:10]))
    assert all(a > b for a, b in zip(rates[10:], rates[11:]))
    assert rates[55] == pytest.approx(0.5) and rates[100] == pytest.approx(0, abs=1e-12)


def test_in_a_run_of_minutes_the_rate_follows_the_clock():
    config = Config(minutes=2, warmup=10, rate=1.0, steps=1)
    assert rate_at(config, 0, 0.0) == pytest.approx(0.1)
    assert rate_at(config, 50, 60.0) == pytest.approx(0.5)
    assert rate_at(config, 10**6, 120.0) == rate_at(config, 3, 500.0) == 0
    slow = [rate_at(config, 1, s) for s in (6.0, 7.0)]  # a twentieth has gone
    assert slow == pytest.approx([0.5 * (1 + math.cos(math.pi * s / 120)) for s in (6, 7)])


@pytest.mark.slow
def test_a_run_of_minutes_ends_on_time_and_goes_on_where_it_was(go, tmp_path):
    config = dataclasses.replace(TINY, minutes=0.025)
    go(config, "run", sitting=0.5, save_every=0.1)
    rows = log(tmp_path / "run")
    assert 0.5 <= rows[-1]["elapsed"] < 1.5
    run = go(config, "run", resume=True)
    assert 1.5 <= run.elapsed < 3 and run.finished and run.step > rows[-1]["step"]
    again = log(tmp_path / "run")
    assert again[: len(rows)] == rows and again[-1]["rate"] == 0
    assert [r["elapsed"] for r in again] == sorted(r["elapsed"] for r in again)


# --- the bank ------------------------------------------------------------------------------------


def test_windows_begin_on_a_beat_and_are_transposed_whole(pieces):
    """Each drawn window is a window of a piece, moved by at most `transpose` rows, no note lost."""
    config = dataclasses.replace(TINY, transpose=3)
    bank = batches.Bank(pieces, config, torch.device("cpu"))
    drawn = bank.draw(400, torch.Generator().manual_seed(0))
    assert drawn.shape == (400, 1, PITCHES, 48) and drawn.dtype == torch.float32
    allowed, home = {}, {}
    for piece in pieces:
        padded = np.pad(piece.roll, ((0, 0), (0, max(0, 48 - piece.roll.shape[1]))))
        lit = piece.roll.any(1).nonzero()[0]
        for start in range(0, padded.shape[1] - 47, 24):
            for shift in range(-3, 4):
                if 0 <= lit[0] + shift and lit[-1] + shift < PITCHES:
                    moved = np.roll(padded[:, start : start + 48], shift, axis=0)
                    allowed[moved.tobytes()] = (piece.name, start, shift)
    for window in drawn[:, 0].numpy().astype(bool):
        key = window.tobytes()
        assert key in allowed
        home[allowed[key]] = home.get(allowed[key], 0) + 1
    assert {name for name, _, _ in home} == {"0", "1", "2"}
    assert {start for name, start, _ in home if name == "0"} == set(range(0, 145, 24))
    assert {shift for _, _, shift in home} == set(range(-3, 4))


def test_a_piece_that_fills_the_range_is_not_transposed():
    roll = np.zeros((PITCHES, 48), bool)
    roll[[0, -1], :20] = True
    bank = batches.Bank([Piece("wide", roll)], TINY, torch.device("cpu"))
    drawn = bank.draw(50, torch.Generator().manual_seed(0))
    assert (drawn == torch.from_numpy(roll)).all()


def test_a_silent_piece_and_other_sizes_can_be_drawn():
    silent = Piece("silent", np.zeros((88, 30), bool))
    config = dataclasses.replace(TINY, length=64, ticks=4)
    drawn = batches.Bank([silent], config, torch.device("cpu")).draw(3, torch.manual_seed(0))
    assert drawn.shape == (3, 1, 88, 64) and not drawn.any()


def test_held_out_windows_are_spread_over_the_pieces(pieces):
    found = datasets.held_out_windows(pieces, 48, 100)
    assert found.shape == (4 + 2 + 1, 1, PITCHES, 48)  # whole windows, and the padded short piece
    few = datasets.held_out_windows(pieces, 48, 3)
    assert len(few) == 3 and torch.equal(few[0], found[0])


def windows_of(piece, config):
    """Every window that may be drawn of a piece, the slow way: rolls (V, P, L)."""
    planes = piece.in_planes(config.planes)
    planes = np.pad(planes, ((0, 0), (0, 0), (0, max(0, config.length - planes.shape[-1]))))
    rows = planes.any((0, 2)).nonzero()[0]
    rows = rows if len(rows) else np.array([0, PITCHES - 1])
    for start in range(0, planes.shape[-1] - config.length + 1, config.ticks):
        for shift in range(-config.transpose, config.transpose + 1):
            if 0 <= rows[0] + shift and rows[-1] + shift < PITCHES:
                yield np.roll(planes[..., start : start + config.length], shift, axis=1)


@pytest.fixture(scope="module")
def struck():
    """Three pieces of two parts off the grid: notes struck again, an odd end, silence at last."""
    random, found = np.random.default_rng(1), []
    for name, ticks in ("long", 131), ("odd", 61), ("silent", 30):
        parts = []
        for low in (2, 8):
            edges = [0, *sorted(random.choice(np.arange(1, ticks), 12, replace=False)), ticks]
            notes = [(low + int(random.integers(3)), a, b) for a, b in zip(edges, edges[1:])]
            parts.append(rolls.from_notes([] if name == "silent" else notes, PITCHES, ticks))
        found.append(Piece(name, np.any(parts, 0), np.stack(parts)))
    return found


@pytest.mark.parametrize("grid", [1, 3, 4, None])
@pytest.mark.parametrize("planes", [1, 2])
def test_bits_are_drawn_as_if_each_window_were_cut_moved_and_then_encoded(struck, grid, planes):
    config = dataclasses.replace(TINY, grid=grid, planes=planes, transpose=2)
    codec, bank = Codec(grid=grid or 24), batches.Bank(struck, config, "cpu")
    every = [w for piece in struck for w in windows_of(piece, config)]
    allowed = {codec.encode(torch.from_numpy(w)).numpy().tobytes() for w in every}
    drawn = bank.draw(600, torch.Generator().manual_seed(0))
    assert drawn.shape == (600, codec.kinds * planes, PITCHES, 2 * (grid or 24))
    assert drawn.dtype == torch.float32
    assert {bits.numpy().astype(bool).tobytes() for bits in drawn} == allowed


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("by", ["all", "kind", "pitch"])
def test_rho_is_how_often_a_bit_is_one(struck, by, planes):
    """Against every window of one piece, each as likely as the others."""
    config = dataclasses.replace(TINY, grid=4, planes=planes, transpose=2)
    bank, codec = batches.Bank(struck[:1], config, "cpu"), Codec(grid=4)
    every = torch.from_numpy(np.stack(list(windows_of(struck[0], config))))
    share = codec.encode(every).double().mean((0, 3))  # (K, P)
    found = batches.frequency(bank, by)
    if by == "all":
        assert found == pytest.approx(share.mean().item(), rel=0.03)
        return
    share = share if by == "pitch" else share.mean(1, keepdim=True)
    assert [len(row) for row in found] == [share.shape[1]] * 2 * planes
    torch.testing.assert_close(torch.tensor(found).double(), share.clamp(5e-4), atol=0.02, rtol=0)
    assert np.min(found) >= 5e-4 and found == batches.frequency(bank, by)


def test_no_rho_is_0_or_1():
    drone = np.zeros((PITCHES, 48), bool)
    drone[3] = True
    config = dataclasses.replace(TINY, transpose=0)
    found = batches.frequency(batches.Bank([Piece("drone", drone)], config, "cpu"), "pitch", 64)
    assert found == [[0.0005] * 3 + [0.9995] + [0.0005] * (PITCHES - 4)]


def test_held_out_windows_have_the_planes_that_are_learned(struck):
    found = datasets.held_out_windows(struck, 48, 100, 2)
    assert found.shape == (2 + 1 + 1, 2, PITCHES, 48) and found.dtype == torch.float32
    assert np.array_equal(found[1], struck[0].parts[..., 48:96])
    assert np.array_equal(found[3, ..., :30], struck[2].parts) and not found[3, ..., 30:].any()
    whole = datasets.held_out_windows(struck, 48, 100)
    assert torch.equal(whole[:, 0], found.amax(1))


def test_pieces_of_other_parts_are_refused_by_name(struck):
    alone = Piece("b.mid", struck[0].roll)
    assert np.array_equal(alone.in_planes(1), struck[0].roll[None])
    for piece, name in (alone, "b.mid"), (struck[0], "long"):
        for call in (
            lambda: batches.Bank([piece], dataclasses.replace(TINY, planes=3), "cpu"),
            lambda: datasets.held_out_windows([piece], 48, 4, 3),
        ):
            with pytest.raises(ValueError, match=f"^{name}: .* parts.*3 "):
                call()


# --- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["frames", "printed"])
def test_the_loss_of_a_tiny_run_falls(kind, pieces):
    """And so does that of the averaged network, over all noise levels."""
    config = dataclasses.replace(RUNS[kind], steps=80, rate=1e-2, schedule=("linear",))
    device = torch.device("cpu")
    run, bank = Run(config, 0.1, PITCHES, device), batches.Bank(pieces, config, device)
    windows = datasets.held_out_windows(pieces, config.length, 8)
    before = run.validate(windows)
    losses = [run.advance(bank).item() for _ in range(config.steps)]
    after = run.validate(windows)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
    assert list(after) == list(before) and sum(after.values()) < 0.9 * sum(before.values())


def test_a_run_leaves_what_it_promises(go, tmp_path, pieces):
    run = go(TINY, "run", every=0.0)
    folder = tmp_path / "run"
    assert sorted(contents(folder)) == [
        "checkpoint-previous.safetensors",
        "checkpoint.safetensors",
        "config.json",
        "log.jsonl",
        "model.safetensors",
    ]
    config = json.loads((folder / "config.json").read_text())
    fitted = dataclasses.replace(TINY, grid=24, planes=1)
    assert config == json.loads(json.dumps(dataclasses.asdict(fitted))) | {"prior": 0.1}
    rows = log(folder)
    assert [r["step"] for r in rows] == list(range(1, 9))
    assert [r["samples"] for r in rows] == list(range(4, 33, 4))
    for valid in (r["valid"] for r in rows):
        assert len(valid) == 11 and "bound" in valid and min(valid.values()) > 0
    model = load(folder)
    assert model.card.trained["step"] == run.step == 8
    assert (model.pitches, model.length, model.prior) == (PITCHES, 48, 0.1)
    for key, value in run.ema.state_dict().items():  # the average is what is to be used
        assert (model.network.state_dict()[key] - value).abs().max() < 1e-3


@pytest.mark.parametrize("kind", RUNS)
def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(go, kind, tmp_path):
    go(RUNS[kind], "whole")
    assert go(RUNS[kind], "parts", stop=3).step == 3
    assert go(RUNS[kind], "parts", stop=5, resume=True).step == 5
    assert go(RUNS[kind], "parts", resume=True).step == 8
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert list(whole) == list(parts) and len(whole) > 100
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []
    assert any(k.startswith("optimizer.") and k.endswith("exp_avg_sq") for k in whole)
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    rows = log(tmp_path / "parts")
    assert [r["step"] for r in rows] == [3, 5, 8]
    assert rows[-1]["valid"] == log(tmp_path / "whole")[-1]["valid"]


def test_the_seed_decides_the_run(go, tmp_path):
    torch.manual_seed(0)
    go(TINY, "a")
    torch.manual_seed(99)  # the global state plays no part, and is left as it was
    before = torch.random.get_rng_state()
    go(TINY, "b")
    assert torch.equal(before, torch.random.get_rng_state())
    go(dataclasses.replace(TINY, seed=1), "c")
    a, b, c = (load_file(tmp_path / n / "checkpoint.safetensors") for n in "abc")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)


@pytest.fixture
def usual():
    """A signal as a terminal's programs get it, though the tests run under nohup; its handler."""
    before = {}

    def handle(number):
        before[number] = signal.getsignal(number)
        handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, handler)
        return handler

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_ctrl_c_leaves_a_checkpoint_that_can_be_used(go, number, tmp_path, usual):
    handler = usual(number)
    run = go(TINY, "run", stop=2, number=number)
    assert run.step == 2 and signal.getsignal(number) is handler
    model = load(tmp_path / "run")
    assert model.card.trained["step"] == 2
    assert model(torch.zeros(1, 1, PITCHES, 48), torch.tensor([0.5])).isfinite().all()
    assert not [n for n in contents(tmp_path / "run") if n.endswith(".tmp") or ".tmp." in n]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_nohup_is_heeded(go):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert go(TINY, "run", stop=2, number=signal.SIGHUP).step == 8
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("asked", range(1, 8))
def test_a_stop_at_any_moment_loses_no_step(go, asked, tmp_path, monkeypatch):
    """The stop comes between the `asked`-th look at it and the next."""

    class Stop:
        looks = 0

        def is_set(self):
            self.looks += 1
            return self.looks > asked

    monkeypatch.setattr(loop, "stopping", lambda: contextlib.nullcontext(Stop()))
    run = go(dataclasses.replace(PAPER, steps=5), "run")
    assert load(tmp_path / "run").card.trained["step"] == run.step > 0


def test_a_finished_run_that_is_resumed_stays_as_it_is(go, tmp_path):
    go(TINY, "run")
    before = contents(tmp_path / "run")
    assert go(TINY, "run", resume=True).step == 8
    assert contents(tmp_path / "run") == before


def refused(call, *words):
    with pytest.raises(TrainingError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and all(w in message for w in words), message


def test_a_folder_that_holds_a_run_is_not_written_over(go, tmp_path):
    go(PAPER, "run")
    before = contents(tmp_path / "run")
    refused(lambda: go(PAPER, "run"), "run", "already holds a run", "`resume`")
    assert contents(tmp_path / "run") == before


def test_other_settings_or_other_data_are_not_a_resumption(go, tmp_path):
    go(PAPER, "run", stop=2)
    before = contents(tmp_path / "run")
    for change, word in (
        ({"rate": 1e-4}, "rate"),
        ({"loss": "l1"}, "loss"),
        ({"seed": 7}, "seed"),
        ({"schedule": ("linear",)}, "schedule"),
        ({"arguments": {"widths": [8, 8]}}, "arguments"),
    ):
        other = dataclasses.replace(PAPER, **change)
        refused(lambda: go(other, "run", resume=True), f"another {word};", "same settings")
    refused(lambda: go(PAPER, "run", resume=True, prior=0.2), "another prior;", "data")
    assert contents(tmp_path / "run") == before


# --- what is a user's stays -----------------------------------------------------------------------


def test_files_that_are_not_of_the_run_stay(go, tmp_path):
    """And on resuming, what a killed process left of the run's own goes."""
    theirs = (
        ".draft.tmp.mid",
        ".notes.tmp.txt",
        ".tmpabcdef",
        ".notes.123.tmp.txt",
        "notes.txt",
        ".log.1.tmp.json",
        ".notes.txt.0123abcd.binolab-tmp",
        ".config.tmp.json",
        ".model.123.tmp.safetensors.bak",
    )
    (tmp_path / "run").mkdir()
    for name in theirs:
        (tmp_path / "run" / name).write_text("mine")
    go(PAPER, "run", stop=2)
    left = []
    for name in OWN:
        with contextlib.suppress(KeyError), files.replacing(tmp_path / "run" / name) as temporary:
            left.append(temporary)
            raise KeyError  # the name is known
        temporary.write_text("half")
        left.append(temporary.with_name(f".{name}.0123abcd.binolab-tmp"))
        left[-1].write_text("half")
    go(PAPER, "run", resume=True)
    assert all((tmp_path / "run" / name).read_text() == "mine" for name in theirs)
    assert len(left) == 2 * len(OWN) and not any(path.exists() for path in left)


@pytest.mark.parametrize("name", OWN[2:])
def test_files_of_its_names_that_are_no_runs_are_not_written_over(go, name, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).write_text('{"model_type": "bert"}')
    refused(lambda: go(PAPER, "model"), f"a {name} that a run would write over", "another folder")
    assert contents(tmp_path / "model") == {name: b'{"model_type": "bert"}'}


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(go, tmp_path):
    go(PAPER, "run", stop=1)
    for name in (checkpoints.NAME, checkpoints.PREVIOUS):
        (tmp_path / "run" / name).unlink(missing_ok=True)
    assert go(PAPER, "run").step == 8
    assert [row["step"] for row in log(tmp_path / "run")] == [8]


HOLD = """
import sys
from binolab.training.folder import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_for_one_training_until_its_process_is_gone(go, tmp_path):
    go(PAPER, "run", stop=2)
    before = contents(tmp_path / "run")
    for name, options in (("run", {"resume": True}), ("new/deep", {})):
        held = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / name)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert held.stdout.readline() == "held\n"
        refused(lambda: go(PAPER, name, **options), name, "another training is at work", "wait")
        held.kill()
        held.communicate()
    (tmp_path / "run" / LOCK).unlink()
    assert contents(tmp_path / "run") == before
    assert go(PAPER, "run", resume=True).step == 8 and go(PAPER, "new/deep").step == 8
    assert not any(LOCK in contents(tmp_path / n) for n in ("run", "new/deep"))


def test_a_training_holds_its_folder_to_its_end(pieces, tmp_path, monkeypatch):
    said, advance = [], Run.advance

    def other(resume):
        try:
            loop.train(PAPER, pieces, pieces, tmp_path / "run", prior=0.1, resume=resume)
        except TrainingError as error:
            said.append(str(error))

    def watched(run, bank):
        for resume in (False, True):
            thread = threading.Thread(target=other, args=(resume,))
            thread.start()
            thread.join()
        return advance(run, bank)

    monkeypatch.setattr(Run, "advance", watched)
    config = dataclasses.replace(PAPER, steps=1)
    loop.train(config, pieces, pieces, tmp_path / "run", prior=0.1, progress=False)
    assert len(said) == 2 and all("another training is at work" in line for line in said)


def test_a_refusal_leaves_no_folder(go, tmp_path):
    config = dataclasses.replace(TINY, length=50)
    refused(lambda: go(config, "new/deep"), "window of 50 ticks")
    assert contents(tmp_path) == {}


def test_weights_get_the_usual_mode(go, tmp_path):
    before = os.umask(0o027)
    try:
        go(PAPER, "run", stop=2)
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "run").iterdir()}
    assert len(modes) == 4 and set(modes.values()) == {0o640}


# --- other data, another total -------------------------------------------------------------------


def test_what_changed_in_the_data_is_said(go, pieces, tmp_path):
    go(PAPER, "run", stop=2)
    before = contents(tmp_path / "run")
    a, b, c = pieces
    moved = Piece(b.name, np.roll(b.roll, 24, axis=1))  # as many lit cells: the same density
    for learned, held, words in (
        ([a, b, c, Piece("new", a.roll)], [a], ["1 piece added (new)"]),
        ([a, b], [a], ["1 piece removed (2)"]),
        ([a, moved, c], [a], ["1 piece altered (1)"]),
        (
            [a, moved] + [Piece(f"x{i}", c.roll) for i in range(5)],
            [a],
            ["5 pieces added (x0, x1, x2, …)", "1 piece removed (2)", "1 piece altered (1)"],
        ),
        ([a, c, b], [a], ["another order"]),
        ([a, b, c], [b], ["held out"]),
    ):
        refused(
            lambda: loop.train(PAPER, learned, held, tmp_path / "run", prior=0.1, resume=True),
            "the data changed since the run began",
            f"`start` {tmp_path / 'run'}",
            *words,
        )
    assert contents(tmp_path / "run") == before
    assert go(PAPER, "run", resume=True).step == 8


def test_other_parts_are_named_and_not_the_data_that_they_change(go, pieces, tmp_path):
    go(PAPER, "run", stop=2)
    other = dataclasses.replace(PAPER, parts="piano")
    for learned in (pieces, pieces[:2]):
        refused(
            lambda: loop.train(
                other, learned, pieces[:1], tmp_path / "run", prior=0.1, resume=True
            ),
            "was made with another parts",
        )


def test_a_finished_run_goes_on_to_more_steps(go, tmp_path):
    more = dataclasses.replace(TINY, steps=14)
    go(TINY, "run", every=0.0)
    before = log(tmp_path / "run")
    go(TINY, "parts", every=0.0)
    assert go(more, "run", resume=True, every=0.0).step == 14
    rows = log(tmp_path / "run")
    assert rows[:8] == before and [row["step"] for row in rows] == list(range(1, 15))
    assert before[-1]["rate"] == pytest.approx(0, abs=1e-9) and rows[-1]["rate"] == 0
    for row in rows[8:]:  # as in a run of 14 from the first
        assert row["rate"] == pytest.approx(rate_at(more, row["step"]))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["steps"] == 14
    assert load(tmp_path / "run").card.trained["steps"] == 14
    go(more, "parts", resume=True, stop=10)
    assert go(more, "parts", resume=True).step == 14
    whole, parts = (load_file(tmp_path / n / checkpoints.NAME) for n in ("run", "parts"))
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    assert go(more, "run", resume=True).step == 14  # and stays so


def test_a_finished_run_goes_on_for_more_minutes(go, tmp_path):
    less, more = (dataclasses.replace(PAPER, minutes=m) for m in (0.01, 0.03))
    step = go(less, "run").step
    run = go(more, "run", resume=True)
    assert run.step > step and 1.8 <= run.elapsed < 2.5 and run.rate == 0
    rows = log(tmp_path / "run")
    assert [r["elapsed"] for r in rows] == sorted(r["elapsed"] for r in rows)


def test_a_run_that_was_stopped_takes_another_total(go, tmp_path):
    go(TINY, "run", stop=3)
    before = contents(tmp_path / "run")
    for steps in (2, 3):
        fewer = dataclasses.replace(TINY, steps=steps)
        refused(lambda: go(fewer, "run", resume=True), "has had 3 steps", "`steps`")
    short = dataclasses.replace(TINY, steps=900, minutes=1e-6)
    refused(lambda: go(short, "run", resume=True), "`minutes` that are more")
    assert contents(tmp_path / "run") == before
    assert go(dataclasses.replace(TINY, steps=5), "run", resume=True).step == 5
    assert go(dataclasses.replace(TINY, minutes=0.02), "run", resume=True).step > 5


def test_after_a_new_total_the_rate_warms_up_to_that_of_the_longer_run():
    old, new = (Config(steps=s, warmup=30, rate=1.0) for s in (1000, 2000))
    turn = (1000, 60.0, rate_at(old, 1000))
    rates = [rate_at(new, s, 0.0, turn) for s in range(1000, 2001)]
    assert rates[0] == pytest.approx(rate_at(new, 1000) / 30)
    assert all(a < b for a, b in zip(rates[:29], rates[1:30]))
    assert rates[29:] == [rate_at(new, s) for s in range(1029, 2001)]
    assert all(a > b for a, b in zip(rates[29:], rates[30:])) and rates[-1] == pytest.approx(0)
    timed = Config(minutes=2, warmup=30, rate=1.0)  # a twentieth of the minute: 3 s
    at = [rate_at(timed, 1000, s, (1000, 60.0, 0.0)) for s in (60.0, 61.5, 63.0, 120.0)]
    full = [rate_at(timed, 1000, s) for s in (61.5, 63.0)]
    assert at == pytest.approx([0.5 / 30, full[0] / 2, full[1], 0.0])


def test_nothing_to_resume_is_said_before_any_work(go, tmp_path):
    refused(lambda: go(PAPER, "none", resume=True), "nothing to resume", "without `resume`")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "no facts"])
def test_a_damaged_checkpoint_is_not_resumed(go, damage, tmp_path):
    go(PAPER, "run", stop=2)
    path = tmp_path / "run" / "checkpoint.safetensors"
    if damage == "foreign":
        save_file({"a": torch.zeros(1)}, str(path))
    elif damage == "no facts":
        save_file({"a": torch.zeros(1)}, str(path), metadata={"run": "no JSON"})
    else:
        path.write_bytes(path.read_bytes()[: -100 if damage == "cut" else 0])
    refused(lambda: go(PAPER, "run", resume=True), "checkpoint.safetensors", "damaged")


def test_a_folder_that_cannot_be_written_is_refused(go, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(lambda: go(PAPER, "file/run"), "cannot be written", "choose another")
    refused(lambda: go(PAPER, "file"), "is a file", "name a folder")
    assert contents(tmp_path) == {"file": b"in the way"}


def test_a_checkpoint_is_written_whole_or_not_at_all(go, tmp_path, monkeypatch):
    go(PAPER, "run", stop=2)
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()

    def disk_full(path, data):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", disk_full)
        refused(lambda: go(PAPER, "run", resume=True), "No space left on device", "`resume`")
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before
    assert len(contents(tmp_path / "run")) == 4
    assert go(PAPER, "run", resume=True).step == 8
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", disk_full)
        with pytest.raises(TrainingError, match="none before it.* start again") as caught:
            go(PAPER, "new")
    assert "`resume`" not in str(caught.value)
    assert go(PAPER, "new").step == 8


def test_another_size_trains(tmp_path):
    roll = np.random.default_rng(0).random((88, 128)) < 0.05
    config = dataclasses.replace(
        TINY, arguments=TINY.arguments | {"fold": 4}, length=64, low=21, ticks=4, steps=2
    )
    pieces = [Piece("a", roll)]
    loop.train(config, pieces, pieces, tmp_path / "run", prior=0.05, progress=False)
    model = load(tmp_path / "run")
    assert (model.pitches, model.length, model.low) == (88, 64, 21)
    assert model(torch.zeros(1, 1, 88, 64), torch.tensor([0.5])).shape == (1, 1, 88, 64)


def test_a_checkpoint_says_what_it_is(go, tmp_path):
    go(PAPER, "run", stop=2)
    with safe_open(str(tmp_path / "run" / "checkpoint.safetensors"), framework="pt") as file:
        facts = json.loads(file.metadata()["run"])
    assert facts["step"] == 2 and facts["prior"] == 0.1 and facts["config"]["loss"] == "l2"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build(name, pieces):
    run = Run(PRESETS[name].fitted(pieces), 0.07, 56, torch.device("cpu"))
    assert 0 < sum(p.numel() for p in run.model.parameters()) < 20e6
    assert run.alpha_bar[0] == 1 and run.alpha_bar[-1] == 0


def test_what_is_left_open_is_chosen_from_the_music(pieces):
    """Notes of 20 ticks from each beat on: sixths of a beat; two parts, one note at a time each."""
    chosen = Config().fitted(pieces)
    assert (chosen.grid, chosen.planes) == (6, 2)
    assert chosen.arguments == {"columns": 3, "voices": 2}
    assert chosen.fitted(pieces) == chosen  # once chosen, it stays
    whole = [Piece(p.name, p.roll) for p in pieces]
    assert Config().fitted(whole).planes == Config().fitted([*pieces, whole[0]]).planes == 1
    assert "voices" in Config().fitted(whole).arguments
    chord = Piece("chord", np.ones((PITCHES, 48), bool), np.ones((2, PITCHES, 48), bool))
    assert Config().fitted([*pieces, chord]).arguments["voices"] == 0
    told = Config(grid=12, planes=1, arguments={"columns": 4, "voices": 0}).fitted(pieces)
    assert (told.grid, told.planes, told.arguments) == (12, 1, {"columns": 4, "voices": 0})
    assert [PAPER.fitted(pieces).grid, PAPER.fitted(pieces).planes] == [24, 1]


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32"])
def test_every_precision_learns_and_resumes(go, name, tmp_path):
    """fp16 is what a T4 gets: its loss is scaled, and the scale is kept."""
    config = dataclasses.replace(PAPER, precision=name)
    run = go(config, "whole")
    assert run.precision is {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": None}[name]
    assert run.scaler.is_enabled() == (name == "fp16")
    go(config, "parts", stop=3)
    go(config, "parts", resume=True)
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_precision_by_device(monkeypatch):
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    for generation, expected in ((6, None), (7, torch.float16), (8, torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (generation, 0))
        assert devices.precision(cuda, TINY) is expected
    for has, expected in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(devices, "bf16_instructions", lambda: has)
        assert devices.precision(cpu, dataclasses.replace(TINY, bf16_on_cpu=True)) is expected
        assert devices.precision(cpu, TINY) is None
    with pytest.raises(ValueError, match="precision must be auto, bf16"):
        devices.precision(cpu, dataclasses.replace(TINY, precision="fp8"))


def test_compiling_changes_how_and_not_what(go, tmp_path, monkeypatch):
    """The loop hands torch.compile the network; here a stand-in that compiles nothing."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda module: seen.append(module) or module)
    go(PAPER, "plain")
    assert not seen and not devices.worth_compiling(torch.device("cpu"), PAPER)
    go(PAPER, "compiled", compiled=True)
    plain, other = (load_file(tmp_path / n / "model.safetensors") for n in ("plain", "compiled"))
    assert len(seen) == 1 and all(torch.equal(plain[k], other[k]) for k in plain)


def test_an_older_checkpoint_that_knows_fewer_settings_is_resumed(go, tmp_path):
    go(PAPER, "run", stop=3)
    path = tmp_path / "run" / "checkpoint.safetensors"
    with safe_open(str(path), framework="pt") as file:
        facts = json.loads(file.metadata()["run"])
    for name in ("minutes", "precision"):
        del facts["config"][name]
    del facts["elapsed"], facts["scaler"]
    save_file(load_file(path), str(path), metadata={"run": json.dumps(facts)})
    assert go(PAPER, "run", resume=True).step == 8


def test_a_device_that_is_not_here_is_refused():
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="no device 'abacus' here; .* auto, cpu or cuda"):
        pick_device("abacus")


def test_a_trained_network_can_be_trained_further_and_given_more(go, tmp_path):
    """What fits is taken over; a block and mixers more hardly change what it answers at first."""
    config = dataclasses.replace(TINY, network="FrameTransformer", loss="bound")
    go(config, "first")
    old = load(tmp_path / "first")
    depth = old.card.arguments["depth"] + 1
    more = dataclasses.replace(config, arguments=config.arguments | {"depth": depth, "mixers": 1})
    run = Run(more, 0.1, PITCHES, torch.device("cpu"))
    run.begin(tmp_path / "first")
    assert run.card.start == "first"
    x, level = (torch.rand(2, 1, PITCHES, 48) < 0.1).float(), torch.tensor([0.2, 0.6])
    with torch.no_grad():
        torch.testing.assert_close(
            run.model.eval().logits(x, level), old.network.logits(x, level), atol=0.02, rtol=0
        )


def test_other_networks_cannot_be_begun_with(go, tmp_path):
    go(TINY, "first")
    wider = dataclasses.replace(TINY, arguments=TINY.arguments | {"width": 48})
    with pytest.raises(TrainingError, match="other sizes"):
        Run(wider, 0.1, PITCHES, torch.device("cpu")).begin(tmp_path / "first")


def test_the_bound_as_a_loss_learns(pieces):
    config = dataclasses.replace(RUNS["frames"], loss="bound", steps=60, rate=1e-2)
    device = torch.device("cpu")
    run, bank = Run(config, 0.1, PITCHES, device), batches.Bank(pieces, config, device)
    losses = [run.advance(bank).item() for _ in range(config.steps)]
    assert min(losses) >= 0 and np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])
