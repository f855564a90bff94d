"""What all tests share: one thread for each worker, and hypothesis without a stopwatch."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the workers share the cores

from hypothesis import settings  # noqa: E402

settings.register_profile("binolab", deadline=None, max_examples=30)
settings.load_profile("binolab")
