"""Run the chapters and store what they show, so that a second run changes as little as possible.

    make execute                                every chapter of book/_toc.yml
    make execute CHAPTERS="book/02-rolls.ipynb"
    python scripts/execute.py --install         write only the cells that install; see INSTALL

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
from nbformat import v4

BOOK = Path(__file__).parents[1] / "book"
CONFIG = BOOK.parent / "_config.yml"
# The first cell of each chapter, with the tag `install`: what it needs to run elsewhere, as on
# Colab, which has torch and not us. The address stands in _config.yml alone; after a change there,
# `python scripts/execute.py --install` writes it into the chapters and runs none.
INSTALL = """\
import importlib.util
if importlib.util.find_spec("binolab") is None:  # as on Colab; elsewhere this does nothing
    """
FROM_ADDRESS = '%pip install -q "binolab @ git+{url}" ipywidgets myst-nb'
BY_HAND = """\
raise ModuleNotFoundError(
        "binolab is missing. In its repository's folder, run: pip install . ipywidgets myst-nb")"""
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
    url = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repository"]["url"]
    return INSTALL + (FROM_ADDRESS.format(url=url) if url else BY_HAND)


def put_install(notebook):
    """Put the cell that installs below the title, and number the cells as if they ran anew."""
    tags = ["install", "remove-cell"]
    cell = v4.new_code_cell(install_cell(), id="install", metadata={"tags": tags})
    title, *cells = [c for c in notebook.cells if "install" not in c.metadata.get("tags", [])]
    notebook.cells = [title, cell, *cells]
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source]
    for number, cell in enumerate(code, start=1):
        for numbered in [cell, *(o for o in cell.outputs if "execution_count" in o)]:
            numbered.execution_count = number
    return notebook


def write(notebook, path):
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def execute(path):
    """Run one chapter in place; returns its seconds."""
    start = time.monotonic()
    os.environ["BINOLAB_STATIC"] = "1"  # the kernel inherits it
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    NotebookClient(
        put_install(notebook),
        timeout=1200,
        kernel_name="python3",
        store_widget_state=True,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    write(settle(notebook), path)
    return time.monotonic() - start


def main():
    if sys.argv[1:] == ["--install"]:
        for path in chapters():
            write(put_install(nbformat.read(path, as_version=4)), path)
        return 0
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
