"""What the pages offer: ways to the repository and to Colab, a cover picture, notebooks to keep.

Each address stands in one place, `_config.yml`: `repository: url:` and `html: baseurl:`. Where one
is empty the pages say nothing of it.
"""

import html
import inspect
import json
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes

BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")
ROOT = Path(__file__).parents[2]
COVER = ROOT / "data" / "cover.png"
TITLE = "binolab: music out of noise"
ABOUT = "A book that runs: binomial diffusion on binary piano rolls, derived, built and heard."


def offer_buttons(app, config):
    options = config.html_theme_options
    named = bool(options.get("repository_url"))
    options.update(dict.fromkeys(BUTTONS, named))
    if named:
        app.setup_extension("sphinx.ext.linkcode")
        config.linkcode_resolve = link_code(config)
    else:
        options.pop("repository_url", None)
        options["launch_buttons"] = {}


def link_files(app, doctree, page):
    """The name of a file of the repository leads to it."""
    for name in list(doctree.findall(nodes.literal)):
        path = name.astext()
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", path) and (ROOT / path).exists():
            if app.config.html_theme_options.get("repository_url") and not in_link(name):
                link = nodes.reference("", "", refuri=address(app.config, path), internal=False)
                name.replace_self(link)
                link += name


def in_link(node):
    return isinstance(node.parent, nodes.reference)


def address(config, path):
    options = config.html_theme_options
    return f"{options['repository_url']}/blob/{options['repository_branch']}/{path}"


def link_code(config):
    """For `sphinx.ext.linkcode`: where the source of a thing of the reference stands."""

    def resolve(domain, info):
        thing = sys.modules.get(info["module"])
        for name in info["fullname"].split("."):
            thing = getattr(thing, name, None)
        try:
            path = Path(inspect.getsourcefile(thing)).relative_to(ROOT)
            return f"{address(config, path.as_posix())}#L{inspect.getsourcelines(thing)[1]}"
        except (TypeError, OSError, ValueError):  # an attribute; or of another package
            return None

    return resolve


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
    app.connect("doctree-resolved", link_files)
    app.connect("html-page-context", describe)
    app.connect("build-finished", bring_cover)
    app.connect("build-finished", lighten_notebooks)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
