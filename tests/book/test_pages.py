"""The built pages as files: what the book promises, and what it weighs.

Needs `make book`. `make test` builds the book first.
"""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = Path(os.environ.get("BINOLAB_HTML", ROOT / "_build" / "html"))
pytestmark = pytest.mark.slow
if not (HTML / "index.html").exists():
    pytest.skip("no book: run `make book`", allow_module_level=True)


@pytest.fixture(scope="module")
def table():
    """The rows of scripts/measure_book.py, by name."""
    spec = spec_from_file_location("measure_book", ROOT / "scripts" / "measure_book.py")
    measure = module_from_spec(spec)
    sys.modules["measure_book"] = measure  # its dataclass looks itself up
    spec.loader.exec_module(measure)
    return {row.name: row for row in measure.rows(HTML)}


@pytest.mark.parametrize("name", [
    "equations of the paper, Algorithm 1", "labelled equations", "exercises", "solutions that run",
    "pictures with alt text", "requests elsewhere", "broken links", "first load, heaviest page",
    "console messages", "cut off on a phone", "cut off on paper", "site",
    "cells that the tests skip",
])  # fmt: skip
def test_the_book_holds_what_it_promises(table, name):
    if "Chromium" in table[name].found:
        pytest.skip(table[name].found)
    assert table[name].ok, (table[name].found, *table[name].faults)


def test_downloads_are_light():
    for path in (HTML / "_sources").glob("*.ipynb"):
        assert path.stat().st_size < 200_000, f"{path.name} carries its outputs"
