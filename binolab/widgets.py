"""Sliders over precomputed frames: alive on a static page, with no kernel behind it.

A slider's value is linked in the browser (`jslink`) to which frame of a `Stack` is shown, so
whatever it shows must be computed beforehand: at 3-10 kB a frame, a hundred of them are one
photograph. The only module that imports ipywidgets.
"""

from __future__ import annotations

import base64
import html
import struct

import ipywidgets as ipw


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


def _stack(children, slider):
    stack = ipw.Stack(children, selected_index=slider.value, layout=ipw.Layout(width="100%"))
    ipw.jslink((slider, "value"), (stack, "selected_index"))
    return stack


def frame_slider(
    frames, labels, *, description, captions=None, alt=None, sounds=None, start=None, aspect=None
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

    Returns
    -------
    ipywidgets.VBox
        The slider (arrow keys, page keys, home and end move it), its label, the picture, the
        caption and the player.

    Raises
    ------
    ValueError
        When there is no frame, a list's length differs from that of `frames`, or `start` is not
        one of them.
    """
    frames, labels = list(frames), [str(label) for label in labels]
    if not frames:
        raise ValueError("frames is empty: give at least one picture")
    if alt is None or isinstance(alt, str):
        alt = [f"{alt or description}, {label}" for label in labels]
    given = {"labels": labels, "captions": captions, "alt": alt, "sounds": sounds}
    for name, values in given.items():
        if values is not None and len(values) != len(frames):
            raise ValueError(f"{name} must be one a frame: {len(frames)}, got {len(values)}")
    start = 0 if start is None else start
    if not 0 <= start < len(frames):
        raise ValueError(f"start must be from 0 to {len(frames) - 1}, got {start}")

    slider = ipw.IntSlider(
        value=start,
        min=0,
        max=len(frames) - 1,
        description=description,
        readout=False,
        style={"description_width": "auto"},
        layout=ipw.Layout(width="auto", flex="1 1 12em"),
    )
    names = [ipw.HTML(f"<b>{html.escape(label)}</b>") for label in labels]
    label = _stack(names, slider)
    label.layout = ipw.Layout(flex="0 0 auto", width="auto", min_width="5em")
    head = ipw.Box(
        [slider, label], layout=ipw.Layout(flex_flow="row wrap", align_items="center", width="100%")
    )
    parts = [head, _stack([_picture(*pair, aspect) for pair in zip(frames, alt)], slider)]
    if captions is not None:
        parts.append(_stack([ipw.HTML(html.escape(str(text))) for text in captions], slider))
    if sounds is not None:
        parts.append(_stack([_player(*pair) for pair in zip(sounds, alt)], slider))
    box = ipw.VBox(parts, layout=ipw.Layout(width="100%"))
    box.add_class("binolab-frames")
    return box
