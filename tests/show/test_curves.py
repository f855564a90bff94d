"""Curves hold the numbers they were given, and say what they show."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from binolab.show import curves


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(ticklabels):
    return [t.get_text() for t in ticklabels if t.get_text()]


def test_curves_draw_on_the_axes_they_are_given():
    for draw in (
        lambda ax: curves.plot_schedule({"a": [1, 0]}, ax),
        lambda ax: curves.plot_loss([{"step": 1, "loss": 0.5}], ax),
        lambda ax: curves.plot_ratios({"a": {"n": 1}}, {"n": 1}, ax),
    ):
        _, ax = plt.subplots()
        assert draw(ax) is ax


@pytest.mark.parametrize("call, message", [
    (lambda: curves.plot_loss([]), "empty"),
    (lambda: curves.plot_ratios({"a": {"n": 1}}, {"n": 0}), "'n' must be positive"),
    (lambda: curves.plot_ratios({"a": {"n": -1}}, {"n": 1}), "'n' must be positive"),
])  # fmt: skip
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_schedule_is_drawn_with_its_chance_of_a_flip():
    linear = 1 - np.arange(101) / 100
    ax = curves.plot_schedule({"linear": linear, "short": linear[::10]})
    assert np.array_equal(ax.lines[0].get_ydata(), linear)
    assert ax.lines[1].get_xdata()[-1] == 10
    assert texts(ax.get_legend().get_texts()) == ["linear", "short"]
    ax.figure.canvas.draw()
    right = ax.child_axes[0]
    assert right.get_ylim() == pytest.approx(sorted((1 - y) / 2 for y in ax.get_ylim()))
    height = {p: right.transData.transform((0, p))[1] for p in (0, 0.5)}
    assert height[0] == pytest.approx(ax.transData.transform((0, 1))[1])  # none flipped: all left
    assert height[0.5] == pytest.approx(ax.transData.transform((0, 0))[1])


def test_a_log_with_holes_is_drawn():
    rows = [dict(step=i, loss=1 / (i + 1)) for i in range(9)]
    ax = curves.plot_loss(rows)
    assert ax.lines[0].get_xdata().tolist() == list(range(9))
    assert ax.get_yscale() == "log" and (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    rows[0]["samples_per_second"] = 33  # the others do not say
    assert "33 samples/s" in curves.plot_loss(rows).get_title(loc="right")


def test_ratios_are_dots_at_value_over_reference():
    table = {"naive": {"n": [6, 9, 12], "m": 0}, "posterior": {"n": 3, "m": np.nan}}
    ax = curves.plot_ratios(table, {"n": 3, "m": 2})
    dots = [
        line.get_xdata()[0]
        for line in ax.lines
        if line.get_marker() in ("o", "s") and len(line.get_xdata()) == 1
    ]
    assert dots == [3, 1]
    assert any(sorted(line.get_xdata()) == [2, 4] for line in ax.lines)
    assert [t.get_text().strip() for t in ax.texts] == ["0"]  # said, not silently dropped
    assert texts(ax.get_yticklabels()) == ["n  (3)", "m  (2)"] and ax.get_xscale() == "log"
    assert texts(ax.get_legend().get_texts()) == ["naive", "posterior"]
