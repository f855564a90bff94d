"""What all tests share: one thread for each worker, hypothesis without a stopwatch, and how long
each chapter took (_build/chapters.json, for scripts/measure_book.py)."""

import json
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the workers share the cores

from hypothesis import settings  # noqa: E402

settings.register_profile("binolab", deadline=None, max_examples=30)
settings.load_profile("binolab")

SECONDS = Path(__file__).parents[1] / "_build" / "chapters.json"
taken = Counter()


def pytest_runtest_logreport(report):
    name = report.nodeid.partition("::")[0]
    if name.endswith(".ipynb"):
        taken[name] += report.duration


def pytest_sessionfinish(session):
    if taken and SECONDS.parent.is_dir() and not hasattr(session.config, "workerinput"):
        known = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
        known |= {name: round(seconds, 1) for name, seconds in taken.items()}
        SECONDS.write_text(json.dumps(known, indent=1, sort_keys=True))
