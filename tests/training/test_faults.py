"""Faults: what a kill, a full disk, a rotten file or a loss that is not finite leave behind.

Run as a script this file is the long-lived parent of the processes that are killed: torch is
imported once, and every run is a fork (`python tests/training/test_faults.py FOLDER`).
"""

import dataclasses
import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from binolab.cli.main import main
from binolab.datasets import Piece
from binolab.model import load
from binolab.music import rolls
from binolab.training import checkpoints, loop
from binolab.training.config import Config, TrainingError
from binolab.training.folder import Log
from binolab.training.step import Run

KILLS = 12
PITCHES = 16
TINY = Config(
    arguments={"width": 16, "depth": 1, "heads": 2, "filters": 8, "dropout": 0.1},
    length=48,
    batch=4,
    steps=60,
    T=50,
    warmup=2,
    rate=3e-3,
)


def pieces():
    random = np.random.default_rng(0)
    found = []
    for i, beats in enumerate((8, 5)):
        rows = random.integers(3, 12, (beats, 2))
        notes = [(int(r), 24 * b, 24 * b + 20) for b in range(beats) for r in rows[b]]
        found.append(Piece(str(i), rolls.from_notes(notes, PITCHES, 24 * beats)))
    return found


def go(folder, config=TINY, **options):
    options = {"every": 1e9, "save_every": 0.0} | options
    return loop.train(
        config, pieces(), pieces()[:1], folder, prior=0.1, device="cpu", progress=False, **options
    )


def log(folder):
    return Log(folder).rows()


def step_of(folder):
    return checkpoints.read(folder)[1]["step"]


def same(one, other):
    """Whether two runs stand at the same step with the same bits."""
    a, facts, _ = checkpoints.read(one)
    b, others, _ = checkpoints.read(other)
    return (
        facts["step"] == others["step"]
        and list(a) == list(b)
        and all(torch.equal(a[k], b[k]) for k in a)
    )


# --- killed --------------------------------------------------------------------------------------


def forked(action):
    """Run `action(write)` in a child; `write` sends bytes. Returns (pid, descriptor to read)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    status = 1
    try:
        os.close(read)
        action(lambda text: os.write(write, text))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def killed(folder, steps, delay):
    """Resume the run (or begin it) and kill it -9, `delay` seconds after so many steps."""

    def act(write):
        advance = Run.advance

        def counted(run, bank):
            value = advance(run, bank)
            write(b".")
            return value

        Run.advance = counted
        go(folder, resume=checkpoints_in(folder))

    pid, read = forked(act)
    made = 0
    while made < steps and (got := os.read(read, 1)):
        made += len(got)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    made += len(os.read(read, 1000))
    os.close(read)
    return made, os.waitpid(pid, 0)[1]


def checkpoints_in(folder):
    return any((folder / n).exists() for n in (checkpoints.NAME, checkpoints.PREVIOUS))


def work(folder):
    """The reference run, a run killed KILLS times, and a run whose disk is full. Prints JSON."""
    folder, dice = Path(folder), random.Random(0)

    def child(action):
        pid, read = forked(action)
        said = b""
        while got := os.read(read, 4096):
            said += got
        assert os.waitpid(pid, 0)[1] == 0
        return said.decode()

    warm = Run(TINY, 0.1, PITCHES, torch.device("cpu"))  # what is imported late, once;
    warm.save(folder)  # no gradient: autograd would not survive the fork
    warm.optimizer.step()
    child(lambda write: go(folder / "whole"))
    steps, lost = [], []
    while len(steps) < KILLS:
        before = step_of(folder / "killed") if checkpoints_in(folder / "killed") else 0
        made, status = killed(folder / "killed", dice.randint(1, 3), dice.uniform(0, 0.012))
        assert os.WIFSIGNALED(status), "it ended before it was killed"
        at = step_of(folder / "killed") if checkpoints_in(folder / "killed") else 0
        steps.append(at)
        lost.append(before + made - at)
    child(lambda write: go(folder / "killed", resume=True))

    def no_room(write):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        try:
            go(folder / "full", resume=True)
        except TrainingError as error:
            write(str(error).encode())

    child(lambda write: go(folder / "full", dataclasses.replace(TINY), sitting=0.0))
    said = child(no_room)
    print(json.dumps({"steps": steps, "lost": lost, "full": said}))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(outcome):
    folder, found = outcome
    assert len(found["steps"]) == KILLS
    assert found["steps"] == sorted(found["steps"]) and found["steps"][-1] < TINY.steps
    assert max(found["lost"]) <= 2  # the step at hand, and the one that was being written
    assert same(folder / "whole", folder / "killed")
    rows = log(folder / "killed")
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps)) and steps[-1] == TINY.steps  # one curve
    assert rows[-1]["valid"] == log(folder / "whole")[-1]["valid"]
    losses = {row["step"]: row["loss"] for row in log(folder / "whole")}
    assert all(row["loss"] == losses[row["step"]] for row in rows)
    assert not list((folder / "killed").glob("*.tmp*"))
    load(folder / "killed")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_is_one_line_and_costs_nothing(outcome):
    folder, found = outcome
    assert "could not be written" in found["full"] and "`resume`" in found["full"]
    assert "\n" not in found["full"]
    step = step_of(folder / "full")
    assert 0 < step < TINY.steps
    assert go(folder / "full", resume=True, save_every=1e9).step == TINY.steps
    assert same(folder / "whole", folder / "full")


# --- not written, not readable -------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["os.replace", "pathlib.Path.write_bytes", "os.fsync"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    number, call, tmp_path, monkeypatch
):
    config = dataclasses.replace(TINY, steps=6)
    go(tmp_path / "run", config, sitting=0.0)
    step = step_of(tmp_path / "run")

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_open", lambda run, folder, log, resume: run.restore(folder))
        patch.setattr(call, refuse)
        with pytest.raises(TrainingError, match=os.strerror(number)) as caught:
            go(tmp_path / "run", config, resume=True)
    assert "`resume`" in str(caught.value) and "\n" not in str(caught.value)
    assert step_of(tmp_path / "run") == step
    assert go(tmp_path / "run", config, resume=True).step == 6


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(TrainingError, match="cannot be written"):
        go(tmp_path / "run")


@pytest.fixture
def stopped(tmp_path):
    """A run that stopped after a few steps, with the checkpoint before its last beside it."""
    config = dataclasses.replace(TINY, steps=6)
    go(tmp_path / "whole", config)
    folder = tmp_path / "run"
    while not (folder / checkpoints.PREVIOUS).exists():
        go(folder, config, sitting=0.0, resume=folder.exists())
    return config, folder, tmp_path / "whole"


DAMAGES = {
    "a bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "other": lambda data: b"\x10" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_and_says_so(damage, stopped, capsys):
    config, folder, whole = stopped
    path, before = folder / checkpoints.NAME, step_of(folder) - 1
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert go(folder, config, resume=True).step == 6
    said = capsys.readouterr().err
    assert f"{path}: damaged checkpoint" in said and f"step {before}" in said
    assert same(folder, whole)
    steps = [row["step"] for row in log(folder)]
    assert steps == sorted(set(steps))


def test_a_changed_letter_in_what_it_tells_is_damage_too(stopped, capsys):
    config, folder, whole = stopped
    path = folder / checkpoints.NAME
    path.write_bytes(path.read_bytes().replace(b"elapsed", b"elapses"))
    assert go(folder, config, resume=True).step == 6
    assert "damaged checkpoint (its checksum is wrong)" in capsys.readouterr().err
    assert same(folder, whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, facts: tensors.pop("model.norm.bias"),
        lambda tensors, facts: tensors.update({"model.norm.bias": torch.zeros(3)}),
        lambda tensors, facts: tensors.update({"optimizer.x": torch.zeros(3)}),
        lambda tensors, facts: facts.pop("prior"),
        lambda tensors, facts: facts.update(config=[1]),
    ],
)
def test_a_whole_checkpoint_of_another_program_is_refused_in_a_line(stopped, change):
    config, folder, _ = stopped
    tensors, facts, _ = checkpoints.read(folder)
    change(tensors, facts)
    checkpoints.write(folder, tensors, facts)
    with pytest.raises(TrainingError, match="does not fit .* start again") as caught:
        go(folder, config, resume=True)
    assert "\n" not in str(caught.value)


def test_going_on_from_the_one_before_never_puts_the_damaged_one_in_its_place(stopped):
    config, folder, _ = stopped
    before = step_of(folder) - 1
    (folder / checkpoints.NAME).write_bytes(b"nonsense")
    go(folder, config, resume=True, sitting=0.0)  # one step, and one checkpoint
    (folder / checkpoints.NAME).unlink()
    assert step_of(folder) == before


def test_killed_between_two_names_the_one_before_is_taken_up(stopped, capsys):
    config, folder, whole = stopped
    (folder / checkpoints.NAME).unlink()
    assert go(folder, config, resume=True).step == 6
    assert "missing" in capsys.readouterr().err and same(folder, whole)


def test_with_both_damaged_nothing_is_resumed(stopped):
    config, folder, _ = stopped
    for name in (checkpoints.NAME, checkpoints.PREVIOUS):
        (folder / name).write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="nothing is left to resume: start again"):
        go(folder, config, resume=True)


def test_a_torn_row_of_the_log_is_left_out(stopped):
    config, folder, _ = stopped
    with open(folder / "log.jsonl", "a") as file:
        file.write('{"step": 3, "lo')
    go(folder, config, resume=True)
    assert [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


# --- not finite, not there, not that size --------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_weights(
    value, tmp_path, monkeypatch
):
    cost = Run.cost

    def wild(run, batch):
        return cost(run, batch) * (value if run.step == 5 else 1)

    monkeypatch.setattr(Run, "cost", wild)
    with pytest.raises(TrainingError, match="not finite at step 5") as caught:
        go(tmp_path / "run")
    assert "keeps the last good weights" in str(caught.value) and "`rate`" in str(caught.value)
    assert step_of(tmp_path / "run") == 5
    model = load(tmp_path / "run")
    assert model.card.trained["step"] == 5
    assert all(p.isfinite().all() for p in model.network.parameters())


def test_a_gradient_that_is_not_finite_is_noticed_before_it_is_saved(tmp_path, monkeypatch):
    cost = Run.cost

    def wild(run, batch):
        value = cost(run, batch)
        if run.step == 3:
            value.register_hook(lambda gradient: gradient * float("nan"))
        return value

    monkeypatch.setattr(Run, "cost", wild)
    with pytest.raises(TrainingError, match="not finite at step 3"):
        go(tmp_path / "run")
    assert step_of(tmp_path / "run") == 3


def fault(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("binolab: ")
    return said[-1]


def test_data_with_no_usable_file(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.mid").write_bytes(b"nonsense")
    said = fault(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert "no usable MIDI file or score (1 found, 1 skipped)" in said
    assert not (tmp_path / "run").exists()


def test_a_roll_size_that_the_network_cannot_take(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    rolls.to_midi(np.eye(56, 384, dtype=bool)).write(tmp_path / "data" / "a.mid")
    said = fault(
        capsys,
        "train",
        "--data",
        tmp_path / "data",
        "--out",
        tmp_path / "run",
        "--preset",
        "unet",
        "--low",
        33,
        "--pitches",
        57,
    )
    assert "multiples of 8" in said and "--pitches 64 can be taken, or 56" in said
    config = dataclasses.replace(TINY, length=50)
    with pytest.raises(TrainingError, match="window of 50 ticks: .* multiples of"):
        go(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(sys.argv[1])
