"""Controls over precomputed frames: alive on a static page, with no kernel behind it.

The browser itself links (`jslink`) a slider's value, or the pressed one of a row of buttons, to
the frame of a `Stack` that is shown. So whatever is shown must be computed beforehand. A frame has
3-10 kB; a hundred of them are as large as one photograph. `live` is for what cannot be computed
beforehand: it computes on a running kernel, and says so on a static page. The only module that
imports ipywidgets.
"""

from __future__ import annotations

import base64
import html
import inspect
import os
import struct
import sys
from collections.abc import Callable, Sequence
from functools import partial

import ipywidgets as ipw
from IPython.display import HTML, display
from IPython.utils.capture import capture_output

from binolab.show.audio import under


def frame_slider(
    frames: Sequence[bytes],
    labels: Sequence,
    *,
    description: str,
    captions: Sequence[str] | None = None,
    alt: Sequence[str] | str | None = None,
    sounds: Sequence[bytes] | None = None,
    heard: float = 1.0,
    start: int = 0,
    aspect: float | None = None,
    control: str = "slider",
) -> ipw.VBox:
    """A slider that shows one of several precomputed pictures, and works with no kernel.

    Arrow keys, page keys, home and end move the slider. Its label stands beside it; the picture,
    the caption and the player stand below.

    Parameters
    ----------
    frames : list of bytes
        PNG pictures, shown at the page's width.
    labels : list
        One short label a frame, for instance ``"t = 100"``.
    description : str
        What the slider moves, for the eye and for a screen reader.
    captions : list of str, optional
        One line of text a frame.
    alt : list of str or str, optional
        What each picture shows, in words; one text for all is joined to the frame's label.
        Without it the description and the label are used.
    sounds : list of bytes, optional
        MP3 data, one a frame.
    heard : float
        How much of the picture sounds, from the left: so far the page's playhead moves.
    start : int
        The frame shown first.
    aspect : float, optional
        Stretch the frames to this width / height, with hard pixels: for the bare rolls of
        `plotting.roll_image`, which are too flat for a phone. Their own shape otherwise.
    control : {"slider", "buttons"}
        Buttons, one a frame and named by `labels`, where the choices are not a scale.

    Raises
    ------
    ValueError
        When there is no frame, a list's length differs from that of `frames`, `start` is not
        one of them, or `control` is neither of the two.
    """
    frames, labels = list(frames), [str(label) for label in labels]
    if not frames:
        raise ValueError("frames is empty: give at least one picture")
    if control not in CONTROLS:
        raise ValueError(f"control must be one of {', '.join(CONTROLS)}, got {control!r}")
    if alt is None or isinstance(alt, str):
        alt = [f"{alt or description}, {label}" for label in labels]
    given = {"labels": labels, "captions": captions, "alt": alt, "sounds": sounds}
    for name, values in given.items():
        if values is not None and len(values) != len(frames):
            raise ValueError(f"{name} must be one a frame: {len(frames)}, got {len(values)}")
    chosen = CONTROLS[control](labels, description, start)
    return _assemble([chosen], frames, captions, alt, sounds, aspect, heard)


def frame_grid(
    frames: Sequence[Sequence[bytes]],
    labels: tuple[Sequence, Sequence],
    *,
    descriptions: tuple[str, str],
    captions: Sequence[Sequence[str]] | None = None,
    alt: Sequence[Sequence[str]] | str | None = None,
    sounds: Sequence[Sequence[bytes]] | None = None,
    start: tuple[int, int] = (0, 0),
    aspect: float | None = None,
) -> ipw.VBox:
    """Two sliders that choose one of a table of precomputed pictures, and work with no kernel.

    The first slider chooses i and the second j of ``frames[i][j]``; `labels`, `descriptions` and
    `start` are pairs, one for each slider. The rest is as in `frame_slider`, with a list of lists
    for a list.

    Raises
    ------
    ValueError
        When there is no frame, `labels`, `descriptions` or `start` is not a pair, or a table has
        another shape than the labels say.
    """
    for name, pair in {"labels": labels, "descriptions": descriptions, "start": start}.items():
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"{name} must be a pair, one for each slider, got {pair!r}")
    first, second = ([str(label) for label in names] for names in labels)
    if not first or not second:
        raise ValueError("frames is empty: give at least one picture, and its labels")
    if alt is None or isinstance(alt, str):
        about = alt or " and ".join(descriptions)
        alt = [[f"{about}, {one}, {two}" for two in second] for one in first]
    given = {"frames": frames, "captions": captions, "alt": alt, "sounds": sounds}
    for name, table in given.items():
        if table is not None and [len(row) for row in table] != [len(second)] * len(first):
            sizes = ", ".join(str(len(row)) for row in table)
            raise ValueError(
                f"{name} must be {len(first)} lists of {len(second)}, as the labels say, "
                f"got {len(table)} of {sizes}"
            )
    controls = [_slider(*each) for each in zip((first, second), descriptions, start)]
    return _assemble(controls, frames, captions, alt, sounds, aspect)


def live(function: Callable, **controls) -> None:
    """Sliders that call a function on a running kernel; on a static page, a note in their place.

    Where the environment variable BINOLAB_STATIC is set, as when the book is executed for its
    pages, the function is called once with the controls' initial values, so that it is known to
    run. What it shows is swallowed: the note says what it would do.

    Parameters
    ----------
    function : callable
        It is called with one value a control, and may show figures and sounds. The first line of
        its docstring says what it does.
    controls
        What `ipywidgets.interact` takes: a widget, or an abbreviation such as ``(0, 10)``. A
        slider calls when it is let go, not while it moves.

    Raises
    ------
    ValueError
        When no control is given.
    """
    if not controls:
        raise ValueError("live needs at least one control, for instance strength=(0.0, 1.0)")
    static = bool(os.environ.get("BINOLAB_STATIC"))
    # manual: the panel itself does not call at once
    options = {"manual": static, "auto_display": True}
    panel = ipw.interactive(function, options, **controls)
    moved = [child for child in panel.kwargs_widgets if not isinstance(child, ipw.fixed)]
    if not static:
        for child in moved:
            if child.has_trait("continuous_update"):
                child.continuous_update = False
        display(panel)
        return
    before = set(_open_figures())
    with capture_output():
        function(**{child._kwarg: child.get_interact_value() for child in panel.kwargs_widgets})
    for number in set(_open_figures()) - before:
        sys.modules["matplotlib.pyplot"].close(number)
    names = [child.description or child._kwarg for child in moved]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    does = (inspect.getdoc(function) or "").partition("\n")[0]
    display(
        HTML(
            '<p class="binolab-live"><strong>Alive on a running kernel.</strong> '
            f"{html.escape(does)} Run this chapter, and here you set: {html.escape(listed)}.</p>"
        )
    )


def _open_figures():
    """The numbers of pyplot's figures, if anybody has imported it."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot else []


def _picture(png, alt, aspect):
    """A frame as HTML: unlike ipywidgets.Image it can say in words what is to be seen."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("frames must be PNG bytes, as plotting.roll_image returns them")
    width, height = struct.unpack(">II", png[16:24])
    roll = "" if aspect is None else f'style="aspect-ratio: {aspect}; image-rendering: pixelated" '
    data = base64.b64encode(png).decode("ascii")
    return ipw.HTML(
        f'<img class="binolab-frame" width="{width}" height="{height}" {roll}'
        f'alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    )


def _player(mp3, label, heard):
    data = base64.b64encode(mp3).decode("ascii")
    over = "" if heard == 1 else under([(0, 0, heard, 1)])  # the whole picture, unless said
    return ipw.HTML(
        f'<audio class="binolab-sound" controls preload="metadata" {over}'
        f'aria-label="{html.escape(label)}" src="data:audio/mpeg;base64,{data}"></audio>'
    )


# A control is three: the line of widgets that is seen, and the widget and trait that choose.


def _check(start, labels):
    if not 0 <= start < len(labels):
        raise ValueError(f"start must be from 0 to {len(labels) - 1}, got {start}")


def _slider(labels, description, start):
    _check(start, labels)
    slider = ipw.IntSlider(
        value=start,
        min=0,
        max=len(labels) - 1,
        description=description,
        readout=False,
        style={"description_width": "auto"},
        layout=ipw.Layout(width="auto", flex="1 1 12em"),
    )
    label = _stack([ipw.HTML(f"<b>{html.escape(text)}</b>") for text in labels], slider, "value")
    label.layout = ipw.Layout(flex="0 0 auto", width="auto", min_width="5em")
    layout = ipw.Layout(flex_flow="row wrap", align_items="center", width="100%")
    return ipw.Box([slider, label], layout=layout), slider, "value"


def _buttons(labels, description, start):
    _check(start, labels)
    buttons = ipw.ToggleButtons(
        options=[(label, place) for place, label in enumerate(labels)],
        index=start,
        description=description,
        style={"description_width": "auto", "button_width": "auto"},
        layout=ipw.Layout(width="100%"),
    )
    return buttons, buttons, "index"


CONTROLS = {"slider": _slider, "buttons": _buttons}


def _stack(children, chooser, trait):
    layout = ipw.Layout(width="100%")
    stack = ipw.Stack(children, selected_index=getattr(chooser, trait), layout=layout)
    ipw.jslink((chooser, trait), (stack, "selected_index"))
    return stack


def _chosen(make, controls, *tables):
    """What `make` makes of each place of the tables, stacked: the first control outermost."""
    if not controls:
        return make(*tables)
    (_, chooser, trait), *inner = controls
    return _stack([_chosen(make, inner, *parts) for parts in zip(*tables)], chooser, trait)


def _assemble(controls, frames, captions, alt, sounds, aspect, heard=1.0):
    parts = [line for line, _, _ in controls]
    parts.append(_chosen(lambda png, text: _picture(png, text, aspect), controls, frames, alt))
    if captions is not None:
        parts.append(_chosen(lambda text: ipw.HTML(html.escape(str(text))), controls, captions))
    if sounds is not None:
        player = partial(_player, heard=heard)
        parts.append(_chosen(player, controls, sounds, alt))
    box = ipw.VBox(parts, layout=ipw.Layout(width="100%"))
    box.add_class("binolab-frames")
    return box
