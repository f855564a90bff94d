"""When a run looks at its loss, saves, measures and stops: by the clock.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from binolab.training.step import Run


@dataclass
class Decision:
    """What the first process of a team says shall be done after a step."""

    elapsed: float
    stop: bool = False
    look: bool = False  # at the loss: this waits for the device
    save: bool = False
    validate: bool = False
    steps: int = 1  # until the next decision


class Pulse:
    """The clock of one sitting of a run. `every`, `save_every`, `sitting`: see `loop.train`."""

    def __init__(
        self, run: Run, every: float | None, save_every: float | None, sitting: float | None
    ):
        self.run, self.sitting, self.begun = run, sitting, time.perf_counter()
        self.before, self.at = run.elapsed, run.step
        usual = min(300.0, 7.5 * run.config.minutes or 300.0)
        self.rhythm = {  # seconds from one to the next, and the share of the time it may take
            "look": (0.0 if run.device.type == "cpu" else 1.0, math.inf),
            "validate": (usual, 0.05) if every is None else (every, math.inf),
            "save": (10.0, 0.02) if save_every is None else (save_every, math.inf),
        }
        self.took = dict.fromkeys(self.rhythm, 0.0)
        self.last = dict.fromkeys(self.rhythm, self.elapsed())

    def elapsed(self) -> float:
        """Seconds that the run has taken, in all its sittings."""
        return self.before + time.perf_counter() - self.begun

    def due(self, what: str, now: float) -> bool:
        seconds, share = self.rhythm[what]
        return now - self.last[what] >= max(seconds, self.took[what] / share)

    def decide(self, asked: bool) -> Decision:
        """What to do after a step; `asked`: whether somebody asked for a stop."""
        run = self.run
        now = run.elapsed = self.elapsed()
        done = run.finished
        stop = asked or (self.sitting is not None and now - self.before >= self.sitting)
        validate = done or (not stop and self.due("validate", now))
        save = done or stop or validate or self.due("save", now)
        decision = Decision(now, stop, save or self.due("look", now), save, validate)
        for what in self.last:
            if getattr(decision, what):
                self.last[what] = now
        if run.team.size > 1:  # agreeing costs a message: about twice a second is enough
            pace = (now - self.before) / max(run.step - self.at, 1)
            decision.steps = min(max(int(0.5 / max(pace, 1e-9)), 1), 100)
        return decision

    def timed(self, what: str, action: Callable[[], Any]) -> Any:
        """Do something, and remember how long it took."""
        begun = self.elapsed()
        result = action()
        self.last[what] = self.elapsed()
        self.took[what] = self.last[what] - begun
        return result
