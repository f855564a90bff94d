"""What all tests share: one thread for each worker, the examples of hypothesis, and how long each
chapter took (_build/chapters.json, for scripts/measure_book.py).

`make test` draws the same examples in every run and on every machine. `make explore` draws new
ones, EXAMPLES for each property.
"""

import json
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the workers share the cores

import pytest  # noqa: E402
from hypothesis import HealthCheck, is_hypothesis_test, settings  # noqa: E402
from hypothesis.internal.conjecture import providers  # noqa: E402
from tiny import TINY  # noqa: E402

from binolab.training.config import PRESETS  # noqa: E402

COMMON = settings(  # of hypothesis's own profile, which is the same with or without CI
    settings.get_profile("default"),
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("same", COMMON, derandomize=True, max_examples=30)
settings.register_profile("explore", COMMON, max_examples=int(os.environ.get("EXAMPLES", 400)))
settings.load_profile("same")

SECONDS = Path(__file__).parents[1] / "_build" / "chapters.json"
taken = Counter()


def exploring():
    return not settings.default.derandomize


@pytest.fixture
def tiny_preset(monkeypatch):
    """`tiny` as a preset of the command line."""
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def pytest_sessionstart():
    if not exploring():  # nor draw from the constants of what happens to be imported by then
        providers._get_local_constants = providers.Constants


def pytest_collection_modifyitems(items):
    for item in items if exploring() else ():
        test = getattr(item, "obj", None)
        if is_hypothesis_test(test):  # also where a test asks for fewer
            own = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = settings(
                own, max_examples=settings.default.max_examples
            )


def pytest_runtest_logreport(report):
    name = report.nodeid.partition("::")[0]
    if name.endswith(".ipynb"):
        taken[name] += report.duration


def pytest_sessionfinish(session):
    if taken and SECONDS.parent.is_dir() and not hasattr(session.config, "workerinput"):
        known = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
        known |= {name: round(seconds, 1) for name, seconds in taken.items()}
        SECONDS.write_text(json.dumps(known, indent=1, sort_keys=True))
