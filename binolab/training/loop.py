"""Training: a loop that keeps the device busy, and loses nothing when it is interrupted.

`learning` says what is learned in a step, `presets` with which settings, `batches` how a window is
cut, `devices` where it is done, `checkpoints` what is kept. The loop asks a GPU for the loss but
once a second, so that it is never kept waiting.

A run that was resumed is the run that was never interrupted: on a CPU bit for bit, on a GPU but for
its order of additions. In a run of so many *minutes* the learning rate follows the clock, which no
two runs share.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from binolab import files
from binolab.datasets.pieces import held_out_windows
from binolab.training import checkpoints, devices
from binolab.training.batches import Bank
from binolab.training.checkpoints import TrainingError
from binolab.training.step import Run

SECONDS = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s{postfix}"


@dataclass
class Decision:
    """What the first process of a team says shall be done after a step."""

    elapsed: float
    stop: bool = False  # asked to, or the sitting is over
    look: bool = False  # at the loss, which waits for the device
    save: bool = False
    validate: bool = False
    steps: int = 1  # until the next decision


def train(config, pieces, valid, folder, *, prior, start=None, resume=False, device="auto",
          every=None, save_every=None, sitting=None, compiled=None, progress=True):
    """Train, leaving a folder that `weights.load` and ``--model`` understand.

    Ctrl-C ends the run after the step at hand with a checkpoint; so do a polite kill, the end of
    the terminal, and the last step.

    Parameters
    ----------
    config : Config
    pieces, valid : list of Piece
        To learn from, and to measure on.
    folder : str or Path
        Gets checkpoint.safetensors (and the one before), model.safetensors, config.json, log.jsonl.
    prior : float
        ρ, usually `datasets.density(pieces)`.
    start : str or Path, optional
        A trained model to begin with (`Run.begin`).
    resume : bool
        Continue the run in `folder`, with the same data and settings. `config.steps` or
        `config.minutes` may be another total, of a finished run too: the run then goes on to that,
        and the learning rate with it (`learning.rate_at`).
    device : str
        Of each process. Started by a launcher, the processes share every batch (`devices.Team`).
    every, save_every : float, optional
        Seconds between validations, and between checkpoints, which a fault may cost. Not given:
        300 (or an eighth of `config.minutes`) and 10, but never so often that the one takes more
        than 5 % of the time and the other more than 2 %.
    sitting : float, optional
        Stop after so many seconds, as Ctrl-C does: the run goes on with `resume`.
    compiled : bool, optional
        Use `torch.compile`; not given, where `devices.worth_compiling` says so.
    progress : bool

    Returns
    -------
    Run

    Raises
    ------
    TrainingError
        Before any work: a folder that holds a run or files of its names, that another training
        works in or that cannot be written; nothing to resume, other data, other settings; a roll
        size that the network cannot take. Later: a full disk, a loss that is not finite; the last
        checkpoint, if there is one, is then whole.

    Chapter: 07.
    """
    folder, team = Path(folder), devices.team(device)
    with claimed(folder, team, resume), stopping() as stop:
        if compiled is None:
            compiled = devices.worth_compiling(team.device, config)
        run = Run(config, prior, pieces[0].roll.shape[0], team.device, team=team, compiled=compiled)
        run.data = checkpoints.digest(pieces, valid)
        log = checkpoints.Log(folder)
        if start is not None:
            run.begin(start)
        team.in_turn(lambda: _open(run, folder, log, resume))
        bank = Bank(pieces, config, team.device)
        held_out = held_out_windows(valid, config.length, 64, config.planes).to(team.device)
        _go(run, bank, held_out, Pulse(run, every, save_every, sitting), log, stop, progress)
    return run


def _go(run, bank, held_out, pulse, log, stop, progress):
    """Step after step, until the run is finished or `stop` is set."""
    from tqdm import tqdm

    config, team, folder = run.config, run.team, log.path.parent
    with fast(team.device), tqdm(
        total=round(60 * config.minutes, 1) if config.minutes else config.steps * config.batch,
        initial=min(run.elapsed, 60 * config.minutes) if config.minutes
        else run.step * config.batch,
        unit="s" if config.minutes else "roll", desc="training",
        disable=not (progress and team.first), smoothing=0.05,
        bar_format=SECONDS if config.minutes else None,
    ) as bar:
        total, since, begun, wait = torch.zeros((), device=team.device), run.step, run.elapsed, 1
        while not run.finished:
            total += run.advance(bank)
            wait -= 1
            if wait and (config.minutes or run.step < config.steps):
                continue
            decision = team.agree(pulse.decide(stop.is_set()) if team.first else None)
            run.elapsed, wait = decision.elapsed, decision.steps
            done = run.elapsed if config.minutes else run.step * config.batch
            bar.update(min(done, bar.total) - bar.n)
            if decision.look:
                mean = look(run, total, since, folder)
                bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
            if decision.save and team.first:
                samples, seconds = (run.step - since) * config.batch, run.elapsed - begun
                row = {"step": run.step, "loss": mean,
                       "rate": run.rate,
                       "samples": run.step * config.batch,
                       "samples_per_second": round(samples / max(seconds, 1e-9), 1),
                       "seconds": round(seconds, 1), "elapsed": round(run.elapsed, 1)}
                if decision.validate:
                    row["valid"] = pulse.timed("validate", lambda: run.validate(held_out))
                pulse.timed("save", lambda: keep(run, folder, log, row))
            if decision.save:
                total.zero_()
                since, begun = run.step, pulse.elapsed() if team.first else run.elapsed
            if decision.stop:
                break


@contextlib.contextmanager
def claimed(folder, team, resume=False):
    """Keep a folder for this team alone. TrainingError unless a run may begin, or go on, there."""
    with contextlib.ExitStack() as stack:
        fault = None
        if team.first:
            try:
                stack.enter_context(checkpoints.lock(folder))
                check_folder(folder, resume)
            except TrainingError as error:
                fault = error
        if fault := team.agree(fault):
            raise fault
        yield


def kept(folder):
    """Whether a folder has a checkpoint, the last or the one before."""
    return any((folder / name).exists() for name in (checkpoints.NAME, checkpoints.PREVIOUS))


def check_folder(folder, resume=False):
    """Raise TrainingError unless a run may begin, or go on, in a folder."""
    folder = Path(folder)
    taken = kept(folder)
    if folder.is_file():
        raise TrainingError(f"{folder}: is a file; name a folder")
    if taken and not resume:
        raise TrainingError(f"{folder}: already holds a run; add `resume` or name another folder")
    if resume and not taken:
        raise TrainingError(f"{folder}: nothing to resume; start the run without `resume`")
    if not taken and (name := checkpoints.foreign(folder)):
        raise TrainingError(
            f"{folder}: holds no run, but a {name} that a run would write over; name another folder"
        )


def _open(run, folder, log, resume):
    """Take up a run, or make its folder: the first process's part, and the others' after it."""
    if resume:
        warning = run.restore(folder)
        if warning and run.team.first:
            print(files.printable(warning), file=sys.stderr)
            checkpoints.promote(folder)
    if not run.team.first:
        return
    try:
        if resume:
            checkpoints.sweep(folder)
        log.cut(run.step)
        with files.replacing(folder / "config.json") as temporary:
            facts = asdict(run.config) | {"prior": run.prior}
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise checkpoints.unwritable(folder, error) from None


def keep(run, folder, log, row):
    """Write the row and the checkpoint; TrainingError if it cannot be done: a full disk, say."""
    try:
        log.append(row)
        run.save(folder)
    except OSError as error:
        raise TrainingError(
            f"{folder}: the checkpoint of step {run.step} could not be written ({error.strerror}); "
            + ("the one before is as it was: make room, and go on with `resume`" if kept(folder)
               else "there is none before it: make room, and start again")
        ) from None


class Pulse:
    """When to look at the loss, when to save, when to measure, when to stop: by the clock."""

    def __init__(self, run, every, save_every, sitting):
        minutes = run.config.minutes
        self.run, self.sitting, self.begun = run, sitting, time.perf_counter()
        self.before, self.at = run.elapsed, run.step
        self.every = every if every is not None else min(300.0, 7.5 * minutes or 300.0)
        self.save_every = save_every if save_every is not None else 10.0
        self.shares = {"validate": 0.05 if every is None else None,
                       "save": 0.02 if save_every is None else None}
        self.took = {"validate": 0.0, "save": 0.0}
        self.last = dict.fromkeys(("look", "validate", "save"), self.elapsed())

    def elapsed(self):
        """Seconds that the run has taken, in all its sittings."""
        return self.before + time.perf_counter() - self.begun

    def due(self, what, seconds, now):
        share = self.shares.get(what)
        rest = self.took[what] / share if share else 0.0
        return now - self.last[what] >= max(seconds, rest)

    def decide(self, asked):
        """The Decision after a step; `asked` to stop or not."""
        run, now = self.run, self.elapsed()
        decision = Decision(now)
        done = now >= 60 * run.config.minutes if run.config.minutes else run.finished
        decision.stop = asked or (self.sitting is not None and now - self.before >= self.sitting)
        decision.validate = done or (not decision.stop and self.due("validate", self.every, now))
        decision.save = (
            done or decision.stop or decision.validate or self.due("save", self.save_every, now)
        )
        decision.look = decision.save or run.device.type == "cpu" or now - self.last["look"] > 1
        for what in self.last:
            if getattr(decision, what):
                self.last[what] = now
        if run.team.size > 1:  # agreeing costs a message: about twice a second will do
            pace = (now - self.before) / max(run.step - self.at, 1)
            decision.steps = min(max(int(0.5 / max(pace, 1e-9)), 1), 100)
        return decision

    def timed(self, what, action):
        begun = self.elapsed()
        found = action()
        self.last[what] = self.elapsed()
        self.took[what] = self.last[what] - begun
        return found


def look(run, total, since, folder):
    """The mean loss since a step; TrainingError, by name of the step, if it is not finite."""
    mean, failed = run.team.sum(total).item(), run.team.most(run.failed).item()
    if failed > -1:
        raise TrainingError(
            f"the loss is not finite at step {failed}: the run stops, "
            + (f"and {folder / checkpoints.NAME} keeps the last good weights" if kept(folder)
               else "with nothing kept")
            + "; a lower `rate` or another `seed` may go further"
        )
    return mean / (run.step - since)


def fast(device):
    """Let cuDNN try which convolution is fastest: sizes never change in a run."""
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=True, benchmark=True)
    return contextlib.nullcontext()


@contextlib.contextmanager
def stopping():
    """An event that a loop ends by, between two steps.

    Ctrl-C sets it, a polite kill, and the end of the terminal unless `nohup` has it ignored.
    """
    stop, previous = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if not number or name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN:
                continue
            previous[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
