"""``python -m binolab``: the command line."""

import sys

from binolab.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
