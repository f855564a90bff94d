"""Pictures hold the bits they were given, in musical units, and say what they show."""

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_rgb
from PIL import Image

from binolab.show import plotting

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 40))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def noise(shape=(56, 384), seed=0, density=0.5):
    return np.random.default_rng(seed).random(shape) < density


def texts(ticklabels):
    return [t.get_text() for t in ticklabels if t.get_text()]


@settings(max_examples=60, deadline=None)
@given(st.data(), SHAPES, st.integers(1, 3))
def test_an_image_decodes_to_exactly_the_bits(data, shape, scale):
    roll, known = data.draw(arrays(bool, shape)), data.draw(arrays(bool, shape))
    plain = np.array(Image.open(io.BytesIO(plotting.roll_image(roll, scale=scale))))
    assert np.array_equal(plain[::scale, ::scale][::-1], roll)
    assert plain.shape == (shape[0] * scale, shape[1] * scale)
    masked = np.array(Image.open(io.BytesIO(plotting.roll_image(roll, known=known))))[::-1]
    assert np.array_equal(masked % 2, roll) and np.array_equal(masked // 2, known)


def test_an_image_has_the_colours_asked_for():
    roll, known = np.array([[0, 1, 0, 1]]), np.array([[0, 0, 1, 1]])
    colours = ("#000001", "#000002", "#000003", "#000004", "#000005", "#000006")
    for mask, blues in (None, [1, 2, 1, 2]), (known, [3, 4, 5, 6]):
        png = plotting.roll_image(roll, known=mask, colours=colours)
        assert np.array(Image.open(io.BytesIO(png)).convert("RGB"))[0, :, 2].tolist() == blues


def test_a_noisy_image_is_small_and_repeatable():
    roll, known = noise(), noise(seed=1)
    known[:, :192] = True
    assert len(plotting.roll_image(roll)) < 3_000
    assert len(plotting.roll_image(roll, known=known)) < 6_000
    assert plotting.roll_image(roll) == plotting.roll_image(roll.copy())


def drawn(ax):
    """The colours of the cells, row 0 at the bottom."""
    image = ax.images[0]
    return image.to_rgba(image.get_array())[..., :3]


@settings(max_examples=20, deadline=None)
@given(st.data(), SHAPES, st.integers(0, 60))
def test_a_plot_shows_every_bit_and_who_made_it(data, shape, low):
    roll, known = data.draw(arrays(bool, shape)), data.draw(arrays(bool, shape))
    cells = drawn(plotting.plot_roll(roll, low=low))
    assert np.array_equal(np.isclose(cells, to_rgb(plotting.INK)).all(-1), roll)
    cells = drawn(plotting.plot_roll(roll, low=low, known=known))
    assert np.array_equal(np.isclose(cells, to_rgb(plotting.GIVEN)).all(-1), roll & known)
    assert np.array_equal(np.isclose(cells, to_rgb(plotting.MADE)).all(-1), roll & ~known)
    plt.close("all")


def test_shade_tints_the_free_region_only():
    known = np.zeros((12, 48), bool)
    known[:, :24] = True
    silent = np.zeros_like(known)
    shaded = drawn(plotting.plot_roll(silent, known=known))
    plain = drawn(plotting.plot_roll(silent, known=known, shade=False))
    assert np.array_equal((shaded != plain).any(-1), ~known)


def test_axes_are_note_names_beats_and_bars():
    ax = plotting.plot_roll(noise(), title="noise")
    assert dict(zip(ax.get_yticks(), texts(ax.get_yticklabels()))) == {
        36: "C2", 48: "C3", 60: "C4", 72: "C5", 84: "C6"
    }  # fmt: skip
    assert ax.get_xlim() == (0, 16) and ax.get_ylim() == (32.5, 88.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("beat", "pitch")
    assert ax.get_title(loc="left") == "noise"
    top = ax.child_axes[0]
    assert top.get_xticks().tolist() == [0, 4, 8, 12]
    assert [t.strip() for t in texts(top.get_xticklabels())] == ["1", "2", "3", "4"]


def test_other_sizes_and_metres():
    ax = plotting.plot_roll(noise((88, 64)), low=21, ticks=4, beats_per_bar=3)
    assert ax.get_xlim() == (0, 16) and ax.get_ylim() == (20.5, 108.5)
    assert ax.child_axes[0].get_xticks().tolist() == [0, 3, 6, 9, 12, 15]
    long = plotting.plot_roll(noise((56, 24 * 4 * 100)))
    assert len(long.child_axes[0].get_xticks()) <= 25


def test_bars_that_are_not_alike():
    bars = {1: -1, 2: 0.5, 3: 3.5, 4: 4.5, 5: 99}
    ax = plotting.plot_roll(noise((56, 6 * 24)), bars=bars)
    top = ax.child_axes[0]
    assert top.get_xticks().tolist() == [0.5, 3.5, 4.5]
    assert [t.strip() for t in texts(top.get_xticklabels())] == ["2", "3", "4"]


def test_plots_draw_on_the_axes_they_are_given():
    _, ax = plt.subplots()
    assert plotting.plot_roll(noise(), ax) is ax
    _, axes = plt.subplots(2)
    assert list(plotting.plot_path([noise()] * 2, [2, 1], axes)) == list(axes)


def test_a_path_is_stacked_and_labelled_by_step():
    axes = plotting.plot_path([noise(seed=s) for s in range(3)], [100, np.int64(50), "data"])
    assert [ax.get_ylabel() for ax in axes] == ["t = 100", "t = 50", "data"]
    heights = [ax.get_position().y0 for ax in axes]
    assert heights == sorted(heights, reverse=True)
    assert [ax.child_axes[0].get_visible() for ax in axes] == [True, False, False]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "beat"]
    assert len(plotting.plot_path([noise()], ["one"])) == 1


@pytest.mark.parametrize("call, message", [
    (lambda: plotting.plot_roll(np.zeros(5)), "pitches, ticks"),
    (lambda: plotting.plot_roll(np.full((2, 2), 0.5)), "0 and 1"),
    (lambda: plotting.roll_image(noise(), known=noise((56, 10))), r"known .* \(56, 384\)"),
    (lambda: plotting.plot_path([noise()], [1, 2]), "1 rolls, 2 labels"),
])  # fmt: skip
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_save_png_is_whole_repeatable_and_opens_no_window(tmp_path):
    for name in "ab":
        plotting.save_png(noise(density=0.05), tmp_path / f"{name}.png", known=noise(seed=2))
    assert not plt.get_fignums()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    image = Image.open(tmp_path / "a.png")
    assert image.size == (1350, 435) and image.convert("RGBA").getpixel((0, 0)) == (255,) * 4
    with pytest.raises(ValueError):
        plotting.save_png(np.zeros(3), tmp_path / "c.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_grey_image_has_a_pixel_a_number_and_paper_for_nothing():
    values = np.zeros((8, 24))
    values[1, 3], values[2] = 1, 0.5
    png = plotting.grey_image(values)
    image = Image.open(io.BytesIO(png)).convert("L")
    pixels = np.asarray(image, int)[::-1]
    assert image.size == (24, 8) and pixels[0].min() == 255
    assert pixels[1, 3] == pixels.min() < pixels[2, 0] < 255
    with pytest.raises(ValueError, match="from 0 to 1"):
        plotting.grey_image(values + 1)


def test_a_long_piece_is_drawn_in_rows():
    roll = np.zeros((56, 40 * 24), bool)
    roll[20, 36 * 24 :] = True
    axes = plotting.plot_rows(roll, beats_per_row=16)
    assert [ax.get_xlim() for ax in axes] == [(0, 16), (16, 32), (32, 48)]  # beats of one width
    assert [ax.child_axes[0].get_xticks().tolist() for ax in axes][2] == [32, 36]
    assert axes[2].child_axes[0].get_xticklabels()[0].get_text() == " 9"  # bars count on
    assert not axes[0].images[0].get_array().max() > 1 and axes[2].images[0].get_array().max() == 4


def test_boxes_say_where_in_the_picture_a_roll_lies():
    """One long note a roll: its ink in the picture is where the box of its beats is."""
    notes = [(1, 3), (5, 9), (12, 15)]  # beats
    rolls = [np.zeros((56, 384), bool) for _ in notes]
    for roll, (first, last) in zip(rolls, notes):
        roll[:, 24 * first : 24 * last] = True
    _, axes = plt.subplots(3, figsize=(6, 5), layout="constrained")
    for roll, ax in zip(rolls, axes):
        plotting.plot_roll(roll, ax, title="a roll")
    boxes = [plotting.boxes(ax, beats)[0] for ax, beats in zip(axes, notes)]
    file = io.BytesIO()
    plt.savefig(file, bbox_inches="tight")  # as in a notebook
    image = Image.open(file).convert("RGB")
    ink = np.array([round(255 * shade) for shade in to_rgb(plotting.INK)])
    dark = (np.asarray(image) == ink).all(2)
    for left, top, width, height in boxes:
        edges = left, top, left + width, top + height
        x0, y0, x1, y1 = (round(share * size) for share, size in zip(edges, image.size * 2))
        here = dark[y0 : y1 + 1]
        columns = np.flatnonzero(here.mean(0) > 0.8)
        assert abs(columns[0] - x0) <= 1.5 and abs(columns[-1] + 1 - x1) <= 1.5
        assert dark[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].mean() > 0.9
    whole = plotting.boxes(axes)
    assert [box[0] for box in whole] == pytest.approx([whole[0][0]] * 3)
    assert whole[1][0] + whole[1][2] * 5 / 16 == pytest.approx(boxes[1][0])
