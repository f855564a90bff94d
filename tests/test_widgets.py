"""Sliders: linked in the browser, one frame at a time, described in words."""

import io

import pytest
from PIL import Image

from binolab import widgets

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
    ],
)
def test_bad_arguments_are_named(change, fault):
    arguments = {"frames": FRAMES, "labels": LABELS, "description": "step"} | change
    with pytest.raises(ValueError, match=fault):
        widgets.frame_slider(**arguments)
