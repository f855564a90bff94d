"""Sliders: linked in the browser, one frame at a time, described in words."""

import io
import sys

import pytest
from PIL import Image

from binolab.show import widgets

ipw = pytest.importorskip("ipywidgets")


def png(shade, size=(6, 2)):
    file = io.BytesIO()
    Image.new("L", size, shade).save(file, "PNG")
    return file.getvalue()


FRAMES = [png(0), png(128), png(255)]
LABELS = ["t = 2", "t = 1", "t = 0"]


def stacks(box):
    return [box.children[0].children[1], *box.children[1:]]


def test_slider_is_linked_to_every_stack(monkeypatch):
    links = []
    monkeypatch.setattr(widgets.ipw, "jslink", lambda *ends: links.append(ends))
    box = widgets.frame_slider(
        FRAMES, LABELS, description="step", captions=["a", "b", "c"], sounds=[b"1", b"2", b"3"]
    )
    slider = box.children[0].children[0]
    assert (slider.min, slider.max, slider.value) == (0, 2, 0)
    assert len(stacks(box)) == 4  # label, picture, caption, player
    for stack in stacks(box):
        assert isinstance(stack, ipw.Stack) and len(stack.children) == 3
        assert ((slider, "value"), (stack, "selected_index")) in links


@pytest.mark.parametrize("heard, over", [(1.0, ""), (0.5, 'data-over="[[0.0, 0.0, 0.5, 1.0]]"')])
def test_a_sound_says_how_much_of_the_picture_it_plays(heard, over):
    box = widgets.frame_slider([png(0)], ["a"], description="step", sounds=[b"1"], heard=heard)
    player = stacks(box)[2].children[0].value
    assert over in player and player.count("data-over") == bool(over)


def test_starts_where_told():
    box = widgets.frame_slider(FRAMES, LABELS, description="step", start=2)
    assert all(stack.selected_index == 2 for stack in stacks(box))


def test_pictures_are_described_and_escaped():
    box = widgets.frame_slider(FRAMES, ["<a>", "b", "c"], description="step", alt='a "roll"')
    picture = stacks(box)[1].children[0].value
    assert 'alt="a &quot;roll&quot;, &lt;a&gt;"' in picture
    assert 'width="6" height="2"' in picture and "data:image/png;base64," in picture
    assert "<a>" not in stacks(box)[0].children[0].value


def test_aspect_stretches_with_hard_pixels():
    box = widgets.frame_slider(FRAMES, LABELS, description="step", aspect=3)
    assert "aspect-ratio: 3; image-rendering: pixelated" in stacks(box)[1].children[0].value


def test_each_frame_its_own_words():
    box = widgets.frame_slider(FRAMES, LABELS, description="step", alt=["noise", "mist", "notes"])
    assert 'alt="mist"' in stacks(box)[1].children[1].value


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"frames": []}, "at least one"),
        ({"frames": [b"GIF89a"] * 3}, "PNG bytes"),
        ({"labels": ["one"]}, "labels must be one a frame: 3, got 1"),
        ({"captions": ["one"]}, "captions must be one a frame"),
        ({"alt": ["one"]}, "alt must be one a frame"),
        ({"sounds": [b""]}, "sounds must be one a frame"),
        ({"start": 3}, "start must be from 0 to 2, got 3"),
        ({"control": "dial"}, "control must be one of slider, buttons, got 'dial'"),
    ],
)
def test_bad_arguments_are_named(change, fault):
    arguments = {"frames": FRAMES, "labels": LABELS, "description": "step"} | change
    with pytest.raises(ValueError, match=fault):
        widgets.frame_slider(**arguments)


# --- buttons -------------------------------------------------------------------------------------


def test_buttons_are_linked_by_their_index(monkeypatch):
    links = []
    monkeypatch.setattr(widgets.ipw, "jslink", lambda *ends: links.append(ends))
    box = widgets.frame_slider(
        FRAMES,
        ["same", "same", "<other>"],
        description="kind",
        start=1,
        control="buttons",
        captions=["a", "b", "c"],
    )
    buttons, picture, caption = box.children
    assert isinstance(buttons, ipw.ToggleButtons) and buttons.index == 1
    assert buttons._options_labels == ("same", "same", "<other>") and buttons.description == "kind"
    for stack in (picture, caption):
        assert stack.selected_index == 1
        assert ((buttons, "index"), (stack, "selected_index")) in links
    assert 'alt="kind, &lt;other&gt;"' in picture.children[2].value


# --- two sliders ---------------------------------------------------------------------------------

GRID = [[png(10 * i + j) for j in range(3)] for i in range(2)]
NAMES = (["i0", "i1"], ["j0", "j1", "j2"])
WORDS = [[f"{i} {j}" for j in NAMES[1]] for i in NAMES[0]]


def grid(**change):
    arguments = {"frames": GRID, "labels": NAMES, "descriptions": ("one", "two")} | change
    return widgets.frame_grid(**arguments)


def test_both_sliders_reach_every_frame(monkeypatch):
    links = []
    monkeypatch.setattr(widgets.ipw, "jslink", lambda *ends: links.append(ends))
    box = grid(captions=WORDS, alt=WORDS, sounds=[[b"1"] * 3] * 2, start=(1, 2))
    first, second = (line.children[0] for line in box.children[:2])
    assert (first.max, first.value, second.max, second.value) == (1, 1, 2, 2)
    assert len(box.children) == 5  # two sliders, picture, caption, player
    for outer in box.children[2:]:
        assert ((first, "value"), (outer, "selected_index")) in links
        assert outer.selected_index == 1 and len(outer.children) == 2
        for inner in outer.children:
            assert ((second, "value"), (inner, "selected_index")) in links
            assert inner.selected_index == 2 and len(inner.children) == 3
    for i, row in enumerate(WORDS):
        for j, text in enumerate(row):
            assert f'alt="{text}"' in box.children[2].children[i].children[j].value
            assert box.children[3].children[i].children[j].value == text


def test_a_grid_without_words_is_described_by_its_labels():
    assert 'alt="one and two, i1, j2"' in grid().children[2].children[1].children[2].value
    assert 'alt="roll, i0, j1"' in grid(alt="roll").children[2].children[0].children[1].value


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"frames": GRID[:1]}, "frames must be 2 lists of 3, as the labels say, got 1 of 3"),
        ({"frames": [GRID[0], GRID[1][:2]]}, "got 2 of 3, 2"),
        ({"captions": [["a"]]}, "captions must be 2 lists of 3"),
        ({"sounds": [[b""]]}, "sounds must be 2 lists of 3"),
        ({"labels": (["i"], [])}, "at least one"),
        ({"labels": ["i", "j", "k"]}, "labels must be a pair"),
        ({"descriptions": "ab"}, "descriptions must be a pair"),
        ({"start": (0, 3)}, "start must be from 0 to 2, got 3"),
    ],
)
def test_bad_grids_are_named(change, fault):
    with pytest.raises(ValueError, match=fault):
        grid(**change)


# --- live ----------------------------------------------------------------------------------------


def test_live_is_interact_on_a_running_kernel(monkeypatch):
    shown, calls = [], []
    monkeypatch.delenv("BINOLAB_STATIC", raising=False)
    monkeypatch.setattr(widgets, "display", shown.append)
    widgets.live(lambda strength, kind: calls.append(strength), strength=(0.0, 1.0), kind=["a"])
    (panel,) = shown
    assert isinstance(panel, ipw.interactive)
    assert [type(child) for child in panel.kwargs_widgets] == [ipw.FloatSlider, ipw.Dropdown]
    assert not panel.kwargs_widgets[0].continuous_update
    panel.kwargs_widgets[0].value = 0.25
    assert calls[-1] == 0.25


def test_live_on_a_static_page_runs_once_and_says_what_it_would_do(monkeypatch, capsys):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def change(strength, seed, size):
        """Write it <anew>.

        More words.
        """
        calls.append((strength, seed, size))
        print("noise")
        plt.figure()

    shown, calls = [], []
    plt.figure()
    open_before = plt.get_fignums()  # this one, and what other tests have left
    monkeypatch.setenv("BINOLAB_STATIC", "1")
    monkeypatch.setattr(widgets, "display", shown.append)
    seed = ipw.IntText(7, description="Seed")
    widgets.live(change, strength=(0.0, 1.0), seed=seed, size=ipw.fixed(3))
    assert calls == [(0.5, 7, 3)]
    assert capsys.readouterr().out == ""
    assert plt.get_fignums() == open_before and "matplotlib.pyplot" in sys.modules
    plt.close("all")
    (note,) = shown
    assert "Alive on a running kernel" in note.data and "Write it &lt;anew&gt;." in note.data
    assert "here you set: strength and Seed." in note.data and "More words" not in note.data


def test_live_lets_a_fault_through(monkeypatch):
    monkeypatch.setenv("BINOLAB_STATIC", "1")
    with pytest.raises(ZeroDivisionError):
        widgets.live(lambda x: 1 / (x - x), x=(0, 3))


def test_live_needs_a_control():
    with pytest.raises(ValueError, match="at least one control"):
        widgets.live(lambda: None)
