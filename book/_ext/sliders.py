"""Sliders and buttons over precomputed frames, written into the page itself.

A notebook keeps its widgets as models, a dictionary by name. Here they become plain HTML: native
controls, and of each stack all children, of which one is seen. So the first frame is there before
any script has run and on paper, and the widgets' own manager (4 MB) need not be loaded.
`_static/binolab.js` does the choosing. Of widgets, only those that `binolab.show.widgets` makes are
known; the build stops at another.
"""

import json
import re
from html import escape

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-view\+json">(.*?)</script>', re.S
)


class Widgets:
    """The models of one page."""

    def __init__(self, models):
        self.models = {name: model["state"] | {"kind": model["model_name"]}
                       for name, model in models.items()}  # fmt: skip
        self.sets = {name: name for name in self.models}  # linked models choose as one
        for model in self.models.values():
            if model["kind"] == "LinkModel":
                one, other = (self.sets[key(model[end][0])] for end in ("source", "target"))
                self.sets = {k: one if v == other else v for k, v in self.sets.items()}

    def html(self, name):
        model = self.models[name]
        return getattr(self, model["kind"])(name, model)

    def children(self, model):
        return [self.html(key(child)) for child in model["children"]]

    def choice(self, name):
        return f'data-choice="{self.sets[name].lstrip("0")}"'

    def HTMLModel(self, name, model):
        return model["value"]

    def BoxModel(self, name, model):
        classes = " ".join(["binolab-line", *model["_dom_classes"]])
        return f'<div class="{classes}">{"".join(self.children(model))}</div>'

    def VBoxModel(self, name, model):
        classes = " ".join(model["_dom_classes"])
        return f'<div class="{classes}">{"".join(self.children(model))}</div>'

    def StackModel(self, name, model):
        shown = model["selected_index"]
        parts = [f"<div{'' if place == shown else ' hidden'}>{child}</div>"
                 for place, child in enumerate(self.children(model))]  # fmt: skip
        return f'<div class="binolab-stack" {self.choice(name)}>{"".join(parts)}</div>'

    def IntSliderModel(self, name, model):
        words = escape(model["description"])
        numbers = " ".join(f'{k}="{model[k]}"' for k in ("min", "max", "step", "value"))
        return (f'<label><span>{words}</span><input type="range" {numbers} autocomplete="off" '
                f"{self.choice(name)}></label>")  # fmt: skip

    def ToggleButtonsModel(self, name, model):
        words = escape(model["description"])
        buttons = [
            f'<button type="button" aria-pressed="{str(place == model["index"]).lower()}">'
            f"{escape(label)}</button>"
            for place, label in enumerate(model["_options_labels"])
        ]
        return (f'<div class="binolab-line"><span>{words}</span><div class="binolab-buttons" '
                f'role="group" aria-label="{words}" {self.choice(name)}>'
                f"{''.join(buttons)}</div></div>")  # fmt: skip


def key(reference):
    return reference.removeprefix("IPY_MODEL_")


def write(body, state):
    """The body of a page with its widgets in it; `state` is what the notebook kept of them."""
    widgets = Widgets(json.loads(state)["state"])
    return VIEW.sub(lambda view: widgets.html(json.loads(view[1])["model_id"]), body)
