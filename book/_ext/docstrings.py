"""Docstrings as pages: their chapters become links, and their plain-text habits become markup.

In the code a docstring is read as text: `name` is a piece of code, and a last line, "Chapter: 04,
05.", names the pages that explain it. Sphinx would read the first as emphasis and take the second
for a part of the section above it.
"""

import re
from pathlib import Path

CHAPTERS = re.compile(r"Chapters?: *\d\d.*")
kept = {}  # the name of a thing -> the line that names its chapters


def before_sections(app, what, name, thing, options, lines):
    """Mark up what is code, and put the chapters' line by, out of the last section's way."""
    pages = {p.stem.split("-")[0]: p.stem for p in Path(app.srcdir).glob("[0-9][0-9]*.ipynb")}

    def link(match):
        page = pages.get(match.group())
        return f":doc:`{match.group()} <{page}>`" if page in app.env.found_docs else match.group()

    chapters = [line for line in lines if CHAPTERS.match(line)]
    lines[:] = [
        re.sub(r"(?<![`:\w])`([^`\n]+)`(?!`)", r"``\1``\\ ", line)
        for line in lines
        if not CHAPTERS.match(line)
    ]
    kept[name] = [re.sub(r"\b\d\d[a-z]?\b", link, line) for line in chapters]


def after_sections(app, what, name, thing, options, lines):
    lines += ["", *kept.pop(name, [])]


def skip(app, what, name, thing, skipped, options):
    """Leave out what has no words of its own, only borrowed ones.

    These are the fields of named tuples, of which Python says only their number, and a network's
    `forward`, for which PyTorch would speak.
    """
    words = getattr(thing, "__doc__", None)
    borrowed = words is None and name == "forward"
    return True if borrowed or (words or "").startswith("Alias for field") else None


def setup(app):
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", before_sections, priority=400)  # napoleon has 500
    app.connect("autodoc-process-docstring", after_sections, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
