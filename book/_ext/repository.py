"""What the pages offer: buttons to the repository and to Colab, a cover picture, notebooks to keep.

Each address stands in one place, `_config.yml`: `repository: url:` and `html: baseurl:`. Where one
is empty the pages say nothing of it.
"""

import html
import json
import re
import shutil
from pathlib import Path

BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")
COVER = Path(__file__).parents[2] / "data" / "cover.png"
TITLE = "binolab: music out of noise"
ABOUT = "A book that runs: binomial diffusion on binary piano rolls, derived, built and heard."


def offer_buttons(app, config):
    options = config.html_theme_options
    named = bool(options.get("repository_url"))
    options.update(dict.fromkeys(BUTTONS, named))
    if not named:
        options.pop("repository_url", None)
        options["launch_buttons"] = {}


def keep_colab_where_it_runs(app, page, template, context, doctree):
    """Only a chapter with a cell that installs can run on Colab."""
    source = Path(app.srcdir, f"{page}.ipynb")
    cells = json.loads(source.read_text())["cells"] if source.exists() else []
    if not any("install" in cell["metadata"].get("tags", []) for cell in cells):
        groups = context.get("header_buttons", [])
        context["header_buttons"] = [g for g in groups if "launch" not in str(g.get("label"))]


def describe(app, page, template, context, doctree):
    """What another site shows of a page that is linked to."""
    tags = {"og:title": TITLE, "og:description": ABOUT, "og:type": "book"}
    if app.config.html_baseurl:
        tags["og:image"] = f"{app.config.html_baseurl.rstrip('/')}/_static/{COVER.name}"
        tags["og:url"] = f"{app.config.html_baseurl.rstrip('/')}/{page}.html"
    if page != app.config.root_doc:
        title = re.sub("<.*?>", "", context.get("title") or "")
        tags["og:title"] = f"{html.unescape(title)} · binolab"
    lines = [f'<meta property="{k}" content="{html.escape(v)}">' for k, v in tags.items()]
    context["metatags"] = "\n".join([context.get("metatags") or "", *lines])


def bring_cover(app, error):
    if not error and app.config.html_baseurl and COVER.exists():
        shutil.copyfile(COVER, Path(app.outdir, "_static", COVER.name))


def lighten_notebooks(app, error):
    """Notebooks to download carry no outputs: the page shows them, and a run makes them anew."""
    for path in Path(app.outdir, "_sources").glob("*.ipynb") if not error else ():
        notebook = json.loads(path.read_text())
        notebook["metadata"].pop("widgets", None)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")


def setup(app):
    app.connect("config-inited", offer_buttons)
    app.connect("html-page-context", keep_colab_where_it_runs, priority=900)
    app.connect("html-page-context", describe)
    app.connect("build-finished", bring_cover)
    app.connect("build-finished", lighten_notebooks)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
