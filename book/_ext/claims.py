"""The paper's claims as tables: ``book/claims.yml``, with each link and figure looked up.

The directive ``{claims}`` shows one part of the file, and the role ``{claims}`` says how many lines
have a verdict. What leads nowhere is a warning, which fails the build. tests/book/test_claims.py
finds it without building.
"""

import ast
import importlib
import json
import re
from functools import cache
from pathlib import Path
from string import Formatter

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
FILE = BOOK / "claims.yml"
VERDICTS = (
    "holds",
    "holds in part",
    "does not hold here",
    "not testable at this training",
)
FIELDS = {"paper", "says", "here", "chapter", "code", "test", "ours"}
log = logging.getLogger(__name__)


@cache
def read():
    """The claims by their part: equations, figures, words."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def notebooks():
    paths = sorted(BOOK.glob("*.ipynb"))
    return {p.stem: json.loads(p.read_text(encoding="utf-8"))["cells"] for p in paths}


@cache
def labels():
    """What can be pointed to in the book, and the page on which it is."""
    found = {}
    for page, cells in notebooks().items():
        for cell in cells:
            text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
            names = re.findall(r"^\(([\w-]+)\)=$|:(?:label|name): ([\w-]+)", text, re.M)
            names.append([cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", "")])
            found |= {name: page for some in names for name in some if name}
    return found


@cache
def glued():
    """What the chapters glued, as it is printed."""
    outputs = [o for cells in notebooks().values() for c in cells for o in c.get("outputs", [])]
    found = {}
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        text = output.get("data", {}).get("application/papermill.record/text/plain")
        if name and text:
            found[name] = ast.literal_eval("".join(text))
    return found


@cache
def table(name):
    def whole(pairs):  # a format field reads [256] as a number
        return {int(k) if k.isdigit() else k: v for k, v in pairs}

    path = ROOT / "data" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=whole)


class Figures(Formatter):
    """Fills in what {FILE[key]} and {glued[name]} mean."""

    def get_value(self, key, args, kwargs):
        return glued() if key == "glued" else table(key)

    def number(self, of):
        """A figure to compare with; what was glued is a text, with commas and signs of percent."""
        value = self.get_field(of, (), {})[0] if isinstance(of, str) else of
        if not isinstance(value, str):
            return value
        return float(value.replace(",", "").rstrip("%")) / (100 if value.endswith("%") else 1)


figures = Figures()


def verdict(claim):
    """As it stands, or as what was measured decides."""
    if "measured" not in claim:
        return claim["verdict"]
    inside, touched = [], []
    for one in claim["measured"]:
        least, most = (figures.number(one.get(end, far)) for end, far in ENDS)
        of = one["of"] if isinstance(one["of"], list) else [one["of"]]
        found = [figures.number(end) for end in of]
        low, *_, high = sorted(found[0] * 2 if isinstance(found[0], list) else found * 2)
        inside.append(least <= low and high <= most)
        touched.append(least <= high and low <= most)
    return VERDICTS[0] if all(inside) else VERDICTS[1] if any(touched) else VERDICTS[2]


ENDS = ("from", -float("inf")), ("to", float("inf"))


def public(name):
    """Whether a name of the library is there, public, and on the page of the library."""
    module, _, attribute = name.rpartition(".")
    listed = f"automodule:: {module}\n" in (BOOK / "api.md").read_text(encoding="utf-8")
    return listed and hasattr(importlib.import_module(module), attribute) and attribute[0] != "_"


def tested(node):
    """Whether there is a test `file::function`."""
    path, _, name = node.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return any(isinstance(n, ast.FunctionDef) and n.name == name for n in tree.body)


def faults(claim):
    """What of a claim leads nowhere, in words."""
    if missing := FIELDS - set(claim):
        return [f"it lacks {', '.join(sorted(missing))}"]
    found = [
        f"{field} {claim[field]} is not there"
        for field, there in (
            ("chapter", labels().__contains__),
            ("code", public),
            ("test", tested),
            ("ours", labels().__contains__),
        )
        if claim[field] and not there(claim[field])
    ]
    try:
        figures.format(claim["here"])
        if verdict(claim) not in VERDICTS:
            found.append(f"{verdict(claim)!r} is no verdict")
    except (KeyError, IndexError, ValueError, TypeError, OSError) as error:
        found.append(f"a figure is not there: {error!r}")
    return found


def links(claim, repository=""):
    """Where to follow a claim: a line for each link."""
    page = labels()[claim["chapter"]]
    yield f"Chapter {page[:2].lstrip('0')}, {{ref}}`{claim['chapter']}`"
    if ours := claim["ours"]:
        yield f"{{eq}}`{ours}`" if ours.startswith("eq-") else f"{{numref}}`{ours}`"
    if code := claim["code"]:
        kind = "class" if code.rpartition(".")[2][0].isupper() else "func"
        yield f"{{py:{kind}}}`{code.removeprefix('binolab.')} <{code}>`"
    if test := claim["test"]:
        path, _, name = test.partition("::")
        file = f"`{path}`"
        yield f"[{file}]({repository}/{path})" if repository else file
        yield f"`{name}`"


class Claims(SphinxDirective):
    """A table of one part of the file."""

    required_arguments = 1

    def run(self):
        rows = [self.row(claim) for claim in read()[self.arguments[0]] if self.sound(claim)]
        head = nodes.row("", *(nodes.entry("", nodes.paragraph("", t)) for t in HEAD))
        group = nodes.tgroup("", cols=len(HEAD))
        group += [nodes.colspec(colwidth=width) for width in (28, 34, 38)]
        group += [nodes.thead("", head), nodes.tbody("", *rows)]
        self.env.note_dependency(str(FILE))
        return [nodes.table("", group, classes=["claims", "colwidths-given"])]

    def sound(self, claim):
        found = faults(claim)
        for fault in found:
            log.warning("%s: %s", claim.get("paper"), fault, location=self.get_location())
        return not found

    def row(self, claim):
        options = self.config.html_theme_options
        repository = options.get("repository_url")
        tree = f"{repository}/blob/{options.get('repository_branch', 'main')}" if repository else ""
        return nodes.row("", *map(self.cell, (
            f"**{claim['paper']}.** {claim['says']}",
            f"**{verdict(claim)[0].upper()}{verdict(claim)[1:]}.** {figures.format(claim['here'])}",
            "\\\n".join(links(claim, tree)),
        )))  # fmt: skip

    def cell(self, text):
        entry = nodes.entry()
        self.state.nested_parse(StringList(text.splitlines(), str(FILE)), 0, entry)
        return entry


HEAD = ("The paper", "Here", "To follow it")


class Count(SphinxRole):
    """How many claims have a verdict; with `all`, how many there are."""

    def run(self):
        rows = [claim for part in read().values() for claim in part if not faults(claim)]
        every = [verdict(claim) for claim in rows]
        if self.text not in (*VERDICTS, "all"):
            log.warning("no verdict: %s", self.text, location=self.get_location())
        count = len(every) if self.text == "all" else every.count(self.text)
        return [nodes.Text(str(count))], []


def setup(app):
    app.add_directive("claims", Claims)
    app.add_role("claims", Count())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
