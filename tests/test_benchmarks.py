"""The scripts that measure run, resume, and write what they say; on next to no budget."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import ablations as script
import samplers

from binolab.diffusion import sampling, schedules

pytestmark = pytest.mark.slow
TINY = ["--steps", "2", "--n", "2", "--calls", "2", "--windows", "2", "--quiet"]


@pytest.fixture(scope="module")
def ablations():
    """The script, with only a few windows of the chorales to compare with."""
    few = {split: script.chorale_windows(split)[:8] for split in ("train", "valid")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "chorale_windows", few.get)
        yield script


def test_ablations_make_a_row_resume_and_say_how(ablations, tmp_path, capsys):
    command = [*TINY, "--out", str(tmp_path)]
    assert ablations.main([*command, "--rows", "base", "alg1-threshold"]) == 0
    path = tmp_path / "data" / "ablations.json"
    first = json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN
    assert first["budget"]["steps"] == 2 and set(first["rows"]) == {"base", "alg1-threshold"}
    assert first["rows"]["alg1-threshold"]["bound"] is None  # no chain of its own to bound
    assert first["rows"]["base"]["bound"]["nats"] > 0
    network = tmp_path / "runs" / "ablations" / "base" / "model.safetensors"
    trained = network.stat().st_mtime_ns

    assert ablations.main([*command, "--resume", "--rows", "base", "naive"]) == 0
    again = json.loads(path.read_text())
    assert set(again["rows"]) == {"base", "alg1-threshold", "naive"}
    assert again["rows"]["base"] == first["rows"]["base"]
    assert network.stat().st_mtime_ns == trained  # neither row nor network was made twice
    table = (tmp_path / "benchmarks" / "ablations.md").read_text()
    assert all(ablations.ROWS[name].says in table for name in again["rows"])

    other = ablations.parse([*command, "--resume", "--n", "4"])
    few = {split: ablations.chorale_windows(split) for split in ("train", "valid")}
    assert ablations.opened(other, command, few)["rows"] == {}  # another budget: start again
    capsys.readouterr()


def test_ablations_stop_where_ctrl_c_finds_them(ablations, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ablations, "music", interrupted)
    assert ablations.main([*TINY, "--out", str(tmp_path), "--rows", "base"]) == 130
    assert "--resume" in capsys.readouterr().out
    assert (tmp_path / "runs" / "ablations" / "base" / "checkpoint.safetensors").exists()


def test_every_row_changes_what_it_says(ablations):
    """No two rows are the same experiment, and each names a training and a sampler that exist."""
    seen = set()
    for row in ablations.ROWS.values():
        assert row.training in ablations.TRAININGS
        assert row.sampler in ablations.SAMPLERS
        seen.add((row.training, row.sampler, *sorted(row.options.items())))
    assert len(seen) == len(ablations.ROWS)


@pytest.mark.parametrize("name", ["nested", "xor"])
def test_nested_masks_shrink_and_fresh_ones_do_not(name):
    """Where x̂_0 stays, a cell that left the first noise never goes back, run after run."""
    step, generator = samplers.SAMPLERS[name].step, torch.Generator().manual_seed(0)
    for _ in range(2):
        x_T, seen = sampling.noise((1, 1, 20, 40), 0.5, generator), []
        sampling.sample(
            lambda x_t, *_: torch.zeros_like(x_t),
            x_T,
            schedules.linear(10),
            step,
            generator=generator,
            callback=lambda t, x_t, x0_hat: seen.append(x_t),
        )
        assert seen[0].sum() > seen[5].sum() > seen[-1].sum()
        shrinks = all((later <= before).all() for before, later in zip(seen, seen[1:]))
        assert shrinks == (name == "nested")
