"""The command line: a MIDI file in, a MIDI file out.

A fault is one line on the error stream and exit status 2, before anything is written.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module

from binolab.cli.options import parser
from binolab.files import printable
from binolab.music import rolls

FLAGS = {"begin": "--from", "end": "--to"}  # where an option has another name than its parameter


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0, or 2 after a one-line error."""
    for stream in (sys.stdout, sys.stderr):  # a sign for a letter that the locale lacks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        if options.command in ("train", "evaluate"):
            import_module(f"binolab.cli.{options.command}").carry_out(options)
        else:
            compose(options)
    except (ValueError, OSError) as error:
        if speaks(options):
            said = as_flags(" ".join(str(error).split()), options)
            print(f"binolab: {printable(said)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"binolab: stopped; {str(stop) or 'nothing was written'}", file=sys.stderr)
        return 130
    return 0


def as_flags(message: str, options: Namespace) -> str:
    """A fault that the library tells of its parameters, `keep` say, in words of this command."""

    def flag(found):
        name = found[1]
        return FLAGS.get(name, "--" + name) if hasattr(options, name) else found[0]

    return re.sub(r"`(\w+)`", flag, message)


def speaks(options: Namespace) -> bool:
    """Whether this process tells a fault: of several that train together, the first."""
    if options.command != "train" or "WORLD_SIZE" not in os.environ:
        return True
    from binolab.training.devices import launched

    return launched()[0] == 0


def compose(options: Namespace) -> None:
    """generate, complete, infill, harmonize, vary: the function of that name."""
    asked = {k: v for k, v in vars(options).items() if k not in ("command", "given")}
    if "piece" in asked:  # a bad file costs little: it is told before torch is loaded
        rolls.read_midi(asked["piece"])
    from binolab import compose

    if asked["seed"] is None:
        asked["seed"] = secrets.randbelow(2**31)
    getattr(compose, options.command)(**asked)
    for i, path in enumerate(compose.numbered(options.out, options.n)):
        print(printable(f"{path}  (seed {(asked['seed'] + i) % 2**63})"))


if __name__ == "__main__":
    sys.exit(main())
