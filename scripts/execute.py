"""Run the chapters and store what they show, so that a second run changes as little as possible.

    make execute                                every chapter of book/_toc.yml
    make execute CHAPTERS="book/02-rolls.ipynb"

A chapter is written only when all of its cells ran. Widgets keep their state, so their sliders
live on the page with no kernel; what needs one (`widgets.live`) runs once and leaves a note, as the
environment variable BINOLAB_STATIC tells it. Chapters show no progress bar (``progress=False``):
what it says differs from run to run.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

BOOK = Path(__file__).parents[1] / "book"
CONFIG = BOOK.parent / "_config.yml"
# A cell with the tag `install`: what a chapter needs to run on Colab, which has torch and not us.
# It is put in anew at each execution, so that the address stands in _config.yml alone. Where
# binolab can be imported it does nothing.
INSTALL = """\
# Where binolab is missing, as on Colab, this installs it; elsewhere it does nothing.
import importlib.util

REPOSITORY = "{url}"  # from _config.yml
if importlib.util.find_spec("binolab") is None:
    assert REPOSITORY, "binolab is missing: run `pip install .` in its folder"
    %pip install -q "binolab @ git+{{REPOSITORY}}" myst-nb"""
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def chapters():
    """The notebooks that the table of contents names, in its order."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    return [BOOK / f"{name}.ipynb" for name in names if (BOOK / f"{name}.ipynb").exists()]


def seen(notebook, widgets):
    """The widgets that a page shows, and all that they are joined to, links too."""
    model = re.compile("IPY_MODEL_([0-9a-f]{32})")
    near = {name: set(model.findall(str(widget))) for name, widget in widgets.items()}
    for name, others in list(near.items()):
        for other in others:
            near.setdefault(other, set()).add(name)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    todo = [o.data[VIEW]["model_id"] for o in outputs if VIEW in o.get("data", {})]
    found = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += near.get(name, ())
    return found


def settle(notebook):
    """Drop what no page shows and what differs from run to run.

    These are times, this machine's Python, and the random identifiers of widgets.
    """
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times
    notebook.metadata["kernelspec"] = KERNEL
    notebook.metadata["language_info"] = {"name": "python"}
    widgets = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for name in set(widgets) - seen(notebook, widgets):
        del widgets[name]
    text = nbformat.writes(notebook)
    for number, name in enumerate(widgets, start=1):
        text = text.replace(name, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def install_cell():
    """The source of the cell that installs, with the address of _config.yml."""
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return INSTALL.format(url=settings["repository"]["url"])


def execute(path):
    """Run one chapter in place; returns its seconds."""
    start = time.monotonic()
    os.environ["BINOLAB_STATIC"] = "1"  # the kernel inherits it
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "install" in cell.metadata.get("tags", []):
            cell.source = install_cell()
    NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        store_widget_state=True,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    temporary = path.with_suffix(".tmp")
    nbformat.write(settle(notebook), temporary)
    os.replace(temporary, path)
    return time.monotonic() - start


def main():
    paths = [Path(argument) for argument in sys.argv[1:]] or chapters()
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.name} ", end="", flush=True)
        try:
            seconds = execute(path)
        except (CellExecutionError, OSError, nbformat.ValidationError) as error:
            print(f"failed; the file is as it was\n{error}")
            return 1
        print(f"{seconds:.0f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
