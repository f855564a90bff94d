"""The long run in sittings, and the measurement of speed, on next to no budget."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from binolab import model as weights
from binolab.music import rolls

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "benchmarks")]
import paper_run  # noqa: E402
import training as speed  # noqa: E402

pytestmark = pytest.mark.usefixtures("tiny_preset")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(4):
        notes = [(int(random.integers(20, 40)), 24 * b, 24 * b + 20) for b in range(40)]
        rolls.write_midi(rolls.to_midi(rolls.from_notes(notes)), folder / f"{i}.mid")
    return folder


@pytest.mark.slow
def test_a_run_in_sittings_ends_in_a_small_folder(data, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["--data", data, "--preset", "tiny", "--minutes", 0.02, "--sitting", 0.015,
               "--out", out, "--device", "cpu"]
    states = []
    while not states or states[-1]:
        assert len(states) < 20
        states.append(paper_run.main([str(a) for a in command]))
        assert states[-1] in (0, paper_run.AGAIN)
        command[7] = 0.015 if len(states) < 2 else 10  # a slow machine needs more to finish
    assert len(states) > 1 and "run the same command again" in capsys.readouterr().out
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["rate"] == 0 and [r["step"] for r in rows] == sorted({r["step"] for r in rows})
    keep = out / "keep"
    names = {str(p.relative_to(keep)) for p in keep.rglob("*") if p.is_file()}
    assert names >= {"model-1-of-1.safetensors", "config.json", "log.jsonl", "machine.json",
                     "report.md", "report.json", "report.png", "curve.png", "samples/1.mid",
                     "samples/4.mp3"}
    assert max(p.stat().st_size for p in keep.rglob("*")) < paper_run.LARGEST
    assert json.loads((keep / "machine.json").read_text())["step"] == rows[-1]["step"]
    assert paper_run.main(["--join", str(keep), str(tmp_path / "one.safetensors")]) == 0
    weights.load(tmp_path / "one.safetensors")


def test_weights_are_split_and_joined(tmp_path):
    model = weights.load("paper")
    count = paper_run.split(tmp_path, model, largest=400_000)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == count > 2 and max(f.stat().st_size for f in files) < 420_000
    paper_run.join(tmp_path, tmp_path / "one.safetensors")
    again, same = weights.load(tmp_path / "one.safetensors")
    assert same == card
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value.bfloat16().float())
    files[0].unlink()
    with pytest.raises(ValueError, match="missing"):
        paper_run.join(tmp_path, tmp_path / "other.safetensors")


def test_speed_is_measured_and_kept_by_device(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "CPU", {"tiny": ("tiny", 2, "auto", False)})
    monkeypatch.setattr(speed, "ceiling", lambda device, dtype: 1e12)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "training.json").write_text("{}")
    assert speed.main(["--seconds", "0.2", "--device", "cpu", "--out", str(tmp_path)]) == 0
    (found,) = json.loads((tmp_path / "data" / "training.json").read_text()).values()
    row = found["rows"]["tiny"]
    assert row["samples_per_second"] > 0 and row["rolls_per_second"] > 0
    assert sum(row["parts"].values()) == pytest.approx(1)
    # three times the forward call, which for 16 tokens is nearly its weights' products
    assert 1e7 < row["flops_per_sample"] < 1e10
    said = (tmp_path / "benchmarks" / "training.md").read_text()
    assert "| tiny | float32 | 2 |" in said and "No GPU has been measured yet" in said
    assert speed.main(["--rows", "tiny", "--seconds", "0.1", "--device", "cpu", "--out",
                       str(tmp_path)]) == 0
