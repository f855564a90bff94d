"""``python -m binolab``: the command line."""

import sys

from binolab.cli import main

if __name__ == "__main__":
    sys.exit(main())
