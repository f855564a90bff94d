"""The learning rate: a linear warm-up, then half a cosine down to zero.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import math

from binolab.training.config import Config

Turn = tuple[int, float, float]  # step, seconds and rate where a run was given another total


def rate_at(config: Config, step: int, seconds: float = 0.0, turn: Turn | None = None) -> float:
    """The learning rate of a step.

    Where `config.minutes` is given, the cosine follows the `seconds` that the run has taken. The
    warm-up then ends after a twentieth of them at the latest.

    A resumed run may have another total. It goes on as if that had been its total from the
    beginning: a second warm-up leads from the rate at the `turn` to the rate of the new total. It
    takes a twentieth of what is left at most.
    """
    if config.minutes:
        done = min(seconds / (60 * config.minutes), 1.0)
        warm = min(max((step + 1) / max(config.warmup, 1), done / 0.05), 1.0)
        rate = config.rate * warm * 0.5 * (1 + math.cos(math.pi * done))
    elif step < config.warmup:
        rate = config.rate * (step + 1) / config.warmup
    else:
        done = (step - config.warmup) / max(config.steps - config.warmup, 1)
        rate = config.rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    if turn is None:
        return rate
    at, since, before = turn
    warm = (step + 1 - at) / max(config.warmup, 1)
    if config.minutes:
        warm = max(warm, 20 * (seconds - since) / (60 * config.minutes - since))
    else:
        warm = max(warm, 20 * (step + 1 - at) / (config.steps - at))
    return before + (rate - before) * min(warm, 1.0)
