"""The command line: a MIDI file or a score in, and the same out.

A fault is one line on the error stream and exit status 2, before anything is written.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module

import argcomplete

from binolab.cli.options import parser
from binolab.files import printable
from binolab.music import midi

FLAGS = {"begin": "--from", "end": "--to"}  # where an option has another name than its parameter


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0, or 2 after a one-line error."""
    if sys.stderr is None:  # it was closed, and `print` would take standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):  # a sign for a letter that the locale lacks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    own = parser()
    argcomplete.autocomplete(own)
    try:
        try:
            return carried_out(own.parse_args(arguments), arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever was to read it has gone
            return 0
        print(f"binolab: standard output cannot be written ({error.strerror})", file=sys.stderr)
        return 2


def carried_out(options: Namespace, arguments: Sequence[str] | None) -> int:
    """Run a command. Returns the exit status."""
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        if options.command in ("train", "evaluate"):
            import_module(f"binolab.cli.{options.command}").carry_out(options)
        else:
            compose(options)
    except BrokenPipeError:
        raise
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
    """Any command but train and evaluate: the function of its name in `compose`."""
    asked = {k: v for k, v in vars(options).items() if k not in ("command", "given", "quiet")}
    if asked["candidates"] is None:
        del asked["candidates"]
    if asked["seed"] is None:
        asked["seed"] = secrets.randbelow(2**31)
    closed = {"piece": sys.stdin is None, "out": sys.stdout is None}
    if any(asked.get(name) == "-" for name in closed if closed[name]):
        raise ValueError("-: the standard stream is closed; name a file")
    if "piece" in asked:  # a bad file costs little: it is told before torch is loaded
        given = sys.stdin.buffer.read() if asked["piece"] == "-" else asked["piece"]
        asked["piece"] = midi.read(given)
    if options.out == "-":
        asked["out"] = sys.stdout.buffer
    from binolab import compose

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if options.quiet else "always", compose.Remark)
        warnings.showwarning = lambda text, *_, **__: print(
            f"binolab: {printable(text)}", file=sys.stderr
        )
        getattr(compose, options.command)(**asked, progress=False if options.quiet else None)
    names = ["-"] if options.out == "-" else compose.numbered(options.out, options.n)
    for i, path in enumerate([] if options.quiet else names):
        text = printable(f"{path}  (seed {(asked['seed'] + i) % 2**63})")
        print(text, file=sys.stderr if options.out == "-" else sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
