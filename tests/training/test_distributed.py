"""Several processes: the same losses, the same weights as one with the whole batch (gloo, CPU).

Run by a launcher this file is what each process does. One pair of processes does it all: it takes
longer to start than to learn.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY

from binolab.cli.main import main
from binolab.datasets import Piece
from binolab.model import load
from binolab.music import rolls
from binolab.training import batches, devices, loop
from binolab.training.config import PRESETS, Config, TrainingError
from binolab.training.folder import lock
from binolab.training.step import Run

pytestmark = pytest.mark.slow
pytest.importorskip("accelerate", reason='needs the extra "distributed"')

PITCHES, STEPS = 16, 8
CONFIGS = {
    "frames": Config(
        network="FrameTransformer",
        arguments={"width": 16, "depth": 1, "heads": 2, "filters": 8},
        length=48,
        batch=4,
        steps=STEPS,
        T=50,
        warmup=2,
        rate=3e-3,
    ),
}
CONFIGS["bound"] = dataclasses.replace(CONFIGS["frames"], loss="bound")
CONFIGS["printed"] = dataclasses.replace(
    CONFIGS["frames"], network="UNet", arguments={"widths": [8, 8, 16]}, loss="l2", prompts=0.0
)


def pieces():
    random = np.random.default_rng(0)
    rows = random.integers(3, 12, (8, 2))
    notes = [(int(r), 24 * b, 24 * b + 20) for b in range(8) for r in rows[b]]
    return [Piece("a", rolls.from_notes(notes, PITCHES, 192))]


def losses(config, team):
    """The loss of each step, of the whole batch."""
    device = torch.device("cpu")
    run = Run(config, 0.1, PITCHES, device, team=team)
    bank = batches.Bank(pieces(), config, device)
    return [team.sum(run.advance(bank)).item() for _ in range(config.steps)]


def work(folder):
    """In each process: all steps together; the first does them alone; then a run without end."""
    team, alone = devices.team("cpu"), devices.Team(torch.device("cpu"))
    found = {name: losses(config, team) for name, config in CONFIGS.items()}
    run = loop.train(
        CONFIGS["frames"],
        pieces(),
        pieces(),
        folder / "two",
        prior=0.1,
        device="cpu",
        every=0.0,
        progress=False,
    )
    try:
        loop.train(CONFIGS["frames"], pieces(), pieces(), folder / "taken", prior=0.1)
    except TrainingError as error:
        (folder / f"refused-{team.rank}").write_text(str(error))
    if team.first:
        alone = {name: losses(config, alone) for name, config in CONFIGS.items()}
        facts = {"together": found, "alone": alone, "size": team.size, "step": run.step}
        (folder / "found.json").write_text(json.dumps(facts))
    command = [
        "train",
        "--data",
        folder / "data",
        "--out",
        folder / "endless",
        "--preset",
        "tiny",
        "--steps",
        100_000,
        "--every",
        1,
        "--device",
        "cpu",
    ]
    PRESETS["tiny"] = TINY
    return main([str(word) for word in command])


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The folder of what the pair did, until Ctrl-C ended it, and what it said."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "data").mkdir()
    for i in range(2):
        notes = [(30 + (7 * b + i) % 12, 24 * b, 24 * b + 20) for b in range(32)]
        rolls.to_midi(rolls.from_notes(notes)).write(folder / "data" / f"{i}.mid")
    with lock(folder / "taken"):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--nproc-per-node",
                "2",
                "--master-port",
                "0",
                "--rdzv-backend",
                "c10d",
                "--rdzv-endpoint",
                "localhost:0",
                __file__,
                folder,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        deadline, begun = time.time() + 300, folder / "endless" / "checkpoint.safetensors"
        while not begun.exists() and process.poll() is None:
            assert time.time() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, wrong = process.communicate(timeout=60)
    assert (folder / "endless").exists(), wrong
    return folder, json.loads((folder / "found.json").read_text()), said


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_are_one_with_the_doubled_batch(name, outcome):
    _, found, _ = outcome
    assert found["size"] == 2
    together, alone = found["together"][name], found["alone"][name]
    assert len(together) == STEPS and together == pytest.approx(alone, rel=1e-4)
    assert together[0] == pytest.approx(alone[0], rel=1e-6)


def test_a_run_of_two_leaves_what_a_run_of_one_does(outcome, tmp_path):
    folder, found, _ = outcome
    loop.train(
        CONFIGS["frames"],
        pieces(),
        pieces(),
        tmp_path / "one",
        prior=0.1,
        device="cpu",
        every=0.0,
        progress=False,
    )
    assert found["step"] == STEPS
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert sorted(p.name for p in (folder / "two").iterdir()) == names
    one, two = (load_file(f / "checkpoint.safetensors") for f in (tmp_path / "one", folder / "two"))
    assert list(one) == list(two)
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-3, atol=1e-4)
    last = json.loads((folder / "two" / "log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == STEPS and "bound" in last["valid"]


def test_a_folder_in_use_is_refused_to_all(outcome):
    for rank in range(2):
        said = (outcome[0] / f"refused-{rank}").read_text()
        assert "taken: another training is at work in it" in said
    assert not (outcome[0] / "taken").exists()


def test_ctrl_c_stops_all_and_leaves_a_run(outcome):
    """By the command line, as a user would; one process goes on with it."""
    folder, _, said = outcome
    out = folder / "endless"
    assert said.count("pieces to learn from") == 1 and said.count("Go on with") == 1
    step = load(out).card.trained["step"]
    assert step > 0 and not (out / "report.md").exists()
    card = load(out).card
    told = {name: card.trained[name] for name in ("low", "grid", "planes", "arguments")}
    config = dataclasses.replace(TINY, steps=100_000, **told)  # those that `fitted` chose
    alone = Run(config, card.prior, card.pitches, torch.device("cpu"))
    assert alone.restore(out) is None and alone.step == step


def test_a_batch_that_cannot_be_shared_is_refused():
    team = devices.Team(torch.device("cpu"))
    team.size = 3
    with pytest.raises(TrainingError, match="batch of 4 .* by 3 processes; `batch` 6 can"):
        Run(CONFIGS["frames"], 0.1, PITCHES, torch.device("cpu"), team=team)


def test_without_the_extra_several_devices_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    devices.team.cache_clear()
    with pytest.raises(ValueError, match=r'pip install "binolab\[distributed\]"'):
        devices.team("cpu")
    devices.team.cache_clear()


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(work(Path(sys.argv[1])))
