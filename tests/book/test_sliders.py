"""Widgets as plain HTML: every frame is there, one is seen, and what is linked chooses as one."""

import io
import json
import re
from pathlib import Path

import ipywidgets as ipw
import pytest
from ipywidgets.embed import dependency_state
from PIL import Image

from binolab.show import widgets

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


@pytest.fixture
def html(monkeypatch):
    monkeypatch.syspath_prepend(EXTENSIONS)
    import sliders

    def html(*shown):
        """The page that shows some widgets."""
        state = dependency_state(shown, drop_defaults=False)
        body = "".join(
            '<script type="application/vnd.jupyter.widget-view+json">'
            f'{{"model_id": "{widget.model_id}"}}</script>'
            for widget in shown
        )
        return sliders.write(f"<p>{body}</p>", json.dumps({"state": state}))

    return html


def png(shade):
    file = io.BytesIO()
    Image.new("L", (6, 2), shade).save(file, "PNG")
    return file.getvalue()


def choices(text):
    return set(re.findall(r'data-choice="(\w+)"', text))


@pytest.mark.parametrize("control", ["slider", "buttons"])
def test_one_frame_is_seen_and_all_are_there(html, control):
    labels = ["a", "b & c", "d"]
    page = html(widgets.frame_slider([png(i) for i in range(3)], labels, description="<t>",
                                     start=1, control=control))  # fmt: skip
    assert page.count("<img") == 3 and len(choices(page)) == 1
    (picture,) = re.findall(r'<div class="binolab-stack"[^>]*>((?:<div[^>]*><img.*?</div>)+)', page)
    shown = ["hidden" not in tag for tag in re.findall(r"<div[^>]*>", picture)]
    assert shown == [False, True, False]
    assert "&lt;t&gt;" in page and "b &amp; c" in page and "script" not in page
    if control == "slider":
        assert 'type="range" min="0" max="2" step="1" value="1"' in page
    else:
        assert re.findall(r'aria-pressed="(\w+)"', page) == ["false", "true", "false"]


def test_two_sliders_choose_apart(html):
    frames = [[png(10 * i + j) for j in range(3)] for i in range(2)]
    page = html(widgets.frame_grid(frames, ("ab", "cde"), descriptions=("one", "two")))
    assert page.count("<img") == 6 and page.count('type="range"') == 2
    assert len(choices(page)) == 2


def test_sliders_that_are_linked_choose_as_one(html):
    boxes = [widgets.frame_slider([png(0), png(1)], "ab", description=d) for d in ("one", "two")]
    assert len(choices(html(*boxes))) == 2
    first, second = (box.children[0].children[0] for box in boxes)
    link = ipw.jslink((first, "value"), (second, "value"))
    assert len(choices(html(*boxes))) == 1
    link.close()


def test_another_widget_stops_the_build(html):
    with pytest.raises(AttributeError, match="TextModel"):
        html(ipw.Text("a"))
