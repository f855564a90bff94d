"""Training: a loop that keeps the device busy, and loses nothing when it is interrupted.

`step` says what is learned, `config` with which settings, `batches` how a window is cut, `devices`
where the work is done, `checkpoints` what is kept. The loop asks a GPU for the loss once a second
at most, so that the GPU never waits.

A run that was resumed is the run that was never interrupted: on a CPU bit for bit, on a GPU except
for its order of additions. In a run of so many *minutes* the learning rate follows the clock, which
no two runs share.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from binolab import files
from binolab.datasets.pieces import Piece, held_out_windows
from binolab.training import checkpoints, devices
from binolab.training.batches import Bank
from binolab.training.config import Config, TrainingError
from binolab.training.folder import Log, begun, claimed, sweep, unwritable
from binolab.training.pulse import Decision, Pulse
from binolab.training.step import Run

SECONDS = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s{postfix}"


def train(
    config: Config,
    pieces: Sequence[Piece],
    valid: Sequence[Piece],
    folder: str | Path,
    *,
    prior: float | list,
    start: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    every: float | None = None,
    save_every: float | None = None,
    sitting: float | None = None,
    compiled: bool | None = None,
    progress: bool = True,
) -> Run:
    """Train, leaving a folder that `model.load` and ``--model`` understand.

    Ctrl-C ends the run after the present step, with a checkpoint. A polite kill, the end of the
    terminal and the last step do the same.

    Parameters
    ----------
    config
        What it leaves open is chosen from the music (`Config.fitted`).
    pieces, valid
        To learn from, and to measure on.
    folder
        Gets checkpoint.safetensors (and the one before), model.safetensors, config.json, log.jsonl.
    prior
        ρ: `batches.frequency`, or of all bits alike `datasets.density(pieces)`.
    start
        A trained model to begin with (`Run.begin`).
    resume
        Continue the run in `folder`, with the same data and settings. `config.steps` or
        `config.minutes` may be another total, of a finished run too: the run then goes on to that,
        and the learning rate with it (`rate.rate_at`).
    device
        Of each process. Started by a launcher, the processes share every batch (`devices.Team`).
    every, save_every
        Seconds between validations, and between checkpoints: work that a fault may cost. By default
        300 (or an eighth of `config.minutes`) and 10, but never so often that validations take more
        than 5 % of the time and checkpoints more than 2 %.
    sitting
        Stop after so many seconds, as Ctrl-C does: the run goes on with `resume`.
    compiled
        Use `torch.compile`; by default where `devices.worth_compiling` says so.

    Raises
    ------
    TrainingError
        Before any work: a folder that holds a run or files of its names, that another training
        works in or that cannot be written; nothing to resume, other data, other settings; a roll
        size that the network cannot take. Later: a full disk, a loss that is not finite. The last
        checkpoint, if there is one, is then whole.

    Chapter: 07.
    """
    config = config.fitted(pieces)
    folder, team = Path(folder), devices.team(device)
    with claimed(folder, team, resume), stopping() as stop:
        if compiled is None:
            compiled = devices.worth_compiling(team.device, config)
        run = Run(config, prior, pieces[0].roll.shape[0], team.device, team=team, compiled=compiled)
        run.data = checkpoints.digest(pieces, valid)
        log = Log(folder)
        if start is not None:
            run.begin(start)
        team.in_turn(lambda: _open(run, folder, log, resume))
        bank = Bank(pieces, config, team.device)
        held_out = held_out_windows(valid, config.length, 64, config.planes or 1).to(team.device)
        _go(run, bank, held_out, Pulse(run, every, save_every, sitting), log, stop, progress)
    return run


def _open(run: Run, folder: Path, log: Log, resume: bool) -> None:
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
            sweep(folder)
        log.cut(run.step)
        with files.replacing(folder / "config.json") as temporary:
            facts = asdict(run.config) | {"prior": run.prior}
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from None


def _go(
    run: Run,
    bank: Bank,
    held_out: Tensor,
    pulse: Pulse,
    log: Log,
    stop: threading.Event,
    progress: bool,
) -> None:
    """Step after step, until the run is finished or `stop` is set."""
    from tqdm import tqdm

    team, folder, (done, whole) = run.team, log.path.parent, run.progress
    form = {"unit": "s", "bar_format": SECONDS} if run.config.minutes else {"unit": "roll"}
    silent = not (progress and team.first)
    bar = tqdm(None, "training", whole, initial=done, disable=silent, smoothing=0.05, **form)
    with fast(team.device), bar:
        total, since, begin, wait = torch.zeros((), device=team.device), run.step, run.elapsed, 1
        while not run.finished:
            total += run.advance(bank)
            wait -= 1
            if wait and not run.finished:
                continue
            decision = pulse.decide(stop.is_set()) if team.first else Decision(run.elapsed)
            decision = team.agree(decision)
            run.elapsed, wait = decision.elapsed, decision.steps
            bar.update(run.progress[0] - bar.n)
            if decision.look:
                mean = look(run, total, since, folder)
                bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
            if decision.save and team.first:
                samples, seconds = (run.step - since) * run.config.batch, run.elapsed - begin
                row = {
                    "step": run.step,
                    "loss": mean,
                    "rate": run.rate,
                    "samples": run.step * run.config.batch,
                    "samples_per_second": round(samples / max(seconds, 1e-9), 1),
                    "seconds": round(seconds, 1),
                    "elapsed": round(run.elapsed, 1),
                }
                if decision.validate:
                    row["valid"] = pulse.timed("validate", lambda: run.validate(held_out))
                pulse.timed("save", lambda: keep(run, folder, log, row))
            if decision.save:
                total.zero_()
                since, begin = run.step, pulse.elapsed()
            if decision.stop:
                break


def keep(run: Run, folder: Path, log: Log, row: dict) -> None:
    """Write the row and the checkpoint. TrainingError if it cannot be done: a full disk."""
    try:
        log.append(row)
        run.save(folder)
    except OSError as error:
        room = "the one before is as it was: make room, and go on with `resume`"
        if not begun(folder):
            room = "there is none before it: make room, and start again"
        raise TrainingError(
            f"{folder}: the checkpoint of step {run.step} could not be written ({error.strerror}); "
            + room
        ) from None


def look(run: Run, total: Tensor, since: int, folder: Path) -> float:
    """The mean loss since a step. TrainingError, naming the step, if it is not finite."""
    mean, failed = run.team.sum(total).item(), run.team.most(run.failed).item()
    if failed > -1:
        left = "with nothing kept"
        if begun(folder):
            left = f"and {folder / checkpoints.NAME} keeps the last good weights"
        raise TrainingError(
            f"the loss is not finite at step {failed}: the run stops, {left}; a lower `rate` or "
            "another `seed` may go further"
        )
    return mean / (run.step - since)


def fast(device: torch.device) -> contextlib.AbstractContextManager:
    """Let cuDNN try which convolution is fastest: sizes never change in a run."""
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=True, benchmark=True)
    return contextlib.nullcontext()


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that a loop ends by, between two steps.

    Ctrl-C sets it, a polite kill, and the end of the terminal unless `nohup` ignores that.
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
