"""The measurement of training speed, on next to no budget."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import training as speed  # noqa: E402


def test_speed_is_measured_and_kept_by_device(tmp_path, monkeypatch, capsys, tiny_preset):
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
    assert (
        speed.main(
            ["--rows", "tiny", "--seconds", "0.1", "--device", "cpu", "--out", str(tmp_path)]
        )
        == 0
    )
