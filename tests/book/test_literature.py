"""Literature: what is named is in the bibliography, with an address, and cited by its key."""

import json
import re
from pathlib import Path

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
WORKS = parse_file(str(BOOK / "references.bib")).entries
PAGES = [*sorted(BOOK.glob("*.ipynb")), *sorted(BOOK.glob("*.md"))]
# What stands between a surname and its year, as in "Ho et al., 2020" or "Yang & Lerch (2020)".
NAMED = re.compile(
    r"\b([A-Z][a-z][a-zA-Z-]*)(?: (?:et al\.|(?:and|&) [A-Z][a-zA-Z-]+))?"
    r"(?:,\s(?:[A-Z][^.\n]+,\s)?|\s\(?|,?\s\*[^*\n]+\*,?\s\(?)((?:19|20)\d\d)\b"
)


def prose(path):
    """The text of a page for people: no code, no formulas."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"(?s)```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", "", text)


@pytest.mark.parametrize("name", WORKS)
def test_every_work_has_an_address(name):
    assert {"doi", "eprint", "url"} & set(WORKS[name].fields)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_works_are_cited_by_their_key(path):
    assert [match.group() for match in NAMED.finditer(prose(path))] == []


def test_what_the_reference_names_is_in_the_bibliography():
    """The docstrings are read as text, so they name a work by its first author and its year."""
    known = {(work.persons["author"][0].last_names[-1], work.fields["year"])
             for work in WORKS.values()}  # fmt: skip
    known = {(name.split("-")[-1], year) for name, year in known}
    named = set()
    for path in (ROOT / "binolab").rglob("*.py"):
        for name, year in NAMED.findall(path.read_text("utf-8")):
            named.add((name.split("-")[-1], year))
    assert len(named) > 10
    assert named - known == set()


@pytest.mark.parametrize(
    "text",
    [
        "Ho et al., 2020",
        "Yang and Lerch (2020)",
        "Yang & Lerch 2020",
        "(Shannon, 1948)",
        "Meng et al., *SDEdit*, 2022",
        "Zhang, *Making networks shift-invariant* (2019)",
    ],
)
def test_names_are_found(text):
    assert NAMED.search(text)
