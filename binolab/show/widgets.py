"""Controls over precomputed frames: alive on a static page, with no kernel behind it.

A slider's value, or which of a row of buttons is pressed, is linked in the browser (`jslink`) to
which frame of a `Stack` is shown, so whatever it shows must be computed beforehand: at 3-10 kB a
frame, a hundred of them are one photograph. `live` is for what cannot be: it computes on a running
kernel, and says so on a static page. The only module that imports ipywidgets.
"""

from __future__ import annotations

import base64
import html
import inspect
import os
import struct
import sys

import ipywidgets as ipw
from IPython.display import HTML, display
from IPython.utils.capture import capture_output

CONTROLS = ("slider", "buttons")


def frame_slider(
    frames,
    labels,
    *,
    description,
    captions=None,
    alt=None,
    sounds=None,
    start=None,
    aspect=None,
    control="slider",
):
    """A slider that shows one of several precomputed pictures, and works with no kernel.

    Parameters
    ----------
    frames : list of bytes
        PNG pictures, shown at the page's width.
    labels : list of str
        One short label a frame, for instance ``"t = 100"``; shown beside the slider.
    description : str
        What the slider moves, for the eye and for a screen reader.
    captions : list of str, optional
        One line of text a frame, shown below the picture.
    alt : list of str or str, optional
        What each picture shows, in words; one text for all is joined to the frame's label.
        Without it the description and the label are used.
    sounds : list of bytes, optional
        MP3 data, one a frame; the player below the picture changes with it.
    start : int, optional
        The frame shown first; the first one otherwise.
    aspect : float, optional
        Stretch the frames to this width / height, with hard pixels: for the bare rolls of
        `plotting.roll_image`, which are too flat for a phone. Their own shape otherwise.
    control : {"slider", "buttons"}
        Buttons, one a frame and named by `labels`, where the choices are not a scale.

    Returns
    -------
    ipywidgets.VBox
        The slider (arrow keys, page keys, home and end move it), its label, the picture, the
        caption and the player.

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
    start = _start(0 if start is None else start, frames)
    make = _slider if control == "slider" else _buttons
    return _assemble([make(labels, description, start)], frames, captions, alt, sounds, aspect)


def frame_grid(
    frames,
    labels,
    *,
    descriptions,
    captions=None,
    alt=None,
    sounds=None,
    start=(0, 0),
    aspect=None,
):
    """Two sliders that choose one of a table of precomputed pictures, and work with no kernel.

    Parameters
    ----------
    frames : list of lists of bytes
        PNG pictures; ``frames[i][j]`` is shown where the first slider is at i, the second at j.
    labels : pair of lists of str
        The labels of the first slider's places, and of the second's.
    descriptions : pair of str
        What each slider moves.
    captions, alt, sounds : list of lists, optional
        As in `frame_slider`, one a frame; `alt` may be one text for all.
    start : pair of int
        The frame shown first.
    aspect : float, optional
        As in `frame_slider`.

    Returns
    -------
    ipywidgets.VBox
        Both sliders, each with its label, the picture, the caption and the player.

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
    controls = [
        _slider(names, description, _start(place, names))
        for names, description, place in zip((first, second), descriptions, start)
    ]
    return _assemble(controls, frames, captions, alt, sounds, aspect)


def live(function, **controls):
    """Sliders that call a function on a running kernel; on a static page, a note in their place.

    Where the environment variable BINOLAB_STATIC is set, as when the book is executed for its
    pages, the function is called once with the controls' initial values, so that it is known to
    run. What it shows is swallowed: the note says what it would do.

    Parameters
    ----------
    function : callable
        Called with one value a control; it may show figures and sounds. The first line of its
        docstring says what it does.
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


def _start(place, frames):
    if not 0 <= place < len(frames):
        raise ValueError(f"start must be from 0 to {len(frames) - 1}, got {place}")
    return place


def _png_size(png):
    """The width and height in a PNG's header."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("frames must be PNG bytes, as plotting.roll_image returns them")
    return struct.unpack(">II", png[16:24])


def _picture(png, alt, aspect):
    """A frame as HTML: unlike ipywidgets.Image it can say in words what is to be seen."""
    width, height = _png_size(png)
    roll = "" if aspect is None else f'style="aspect-ratio: {aspect}; image-rendering: pixelated" '
    data = base64.b64encode(png).decode("ascii")
    return ipw.HTML(
        f'<img class="binolab-frame" width="{width}" height="{height}" {roll}'
        f'alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    )


def _player(mp3, label):
    data = base64.b64encode(mp3).decode("ascii")
    return ipw.HTML(
        f'<audio class="binolab-sound" controls preload="metadata" '
        f'aria-label="{html.escape(label)}" src="data:audio/mpeg;base64,{data}"></audio>'
    )


# A control is three: the line of widgets that is seen, and the widget and trait that choose.


def _slider(labels, description, start):
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
    buttons = ipw.ToggleButtons(
        options=[(label, place) for place, label in enumerate(labels)],
        index=start,
        description=description,
        style={"description_width": "auto", "button_width": "auto"},
        layout=ipw.Layout(width="100%"),
    )
    return buttons, buttons, "index"


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


def _assemble(controls, frames, captions, alt, sounds, aspect):
    parts = [line for line, _, _ in controls]
    parts.append(_chosen(lambda png, text: _picture(png, text, aspect), controls, frames, alt))
    if captions is not None:
        parts.append(_chosen(lambda text: ipw.HTML(html.escape(str(text))), controls, captions))
    if sounds is not None:
        parts.append(_chosen(_player, controls, sounds, alt))
    box = ipw.VBox(parts, layout=ipw.Layout(width="100%"))
    box.add_class("binolab-frames")
    return box
