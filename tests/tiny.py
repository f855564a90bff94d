"""A network that trains in a second, for tests; as a script, the command line with its preset."""

import sys

from binolab.cli import main as cli
from binolab.training.config import PRESETS, Config

TINY = Config(
    arguments={"width": 32, "depth": 1, "heads": 2, "filters": 8},
    batch=8,
    steps=60,
    warmup=5,
    T=100,
)

if __name__ == "__main__":
    PRESETS["tiny"] = TINY
    sys.exit(cli.main())
