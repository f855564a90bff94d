"""The command line as pages: what each command says of itself under `--help`.

The directive ``{commands}`` asks the parser of `cli.options`, so that no option is listed by hand.
Each command becomes a section of the page.
"""

import argparse
import os
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive

COLUMNS = 72  # a line of help, at most


class Commands(Directive):
    """A section for `binolab` itself and one for each of its commands, with its help."""

    def run(self):
        from binolab.cli.options import parser

        top = parser()
        actions = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
        with mock.patch.dict(os.environ, COLUMNS=str(COLUMNS)):
            helps = {p.prog: p.format_help() for p in (top, *actions.choices.values())}
        return [self.section(name, text) for name, text in helps.items()]

    def section(self, name, text):
        section = nodes.section(ids=[f"api-{name.replace(' ', '-')}"], names=[name])
        section += nodes.title(name, "", nodes.literal(name, name))
        section += nodes.literal_block(text, text, language="text")
        return section


def setup(app):
    app.add_directive("commands", Commands)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
