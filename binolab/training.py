"""Training: (x_t, x_0) pairs made on the fly, a loss, and a loop that survives interruption.

Thanks to Eq. 8 a noisy roll at any step costs one draw, so nothing noisy is ever stored: clean
rolls lie on the device as bytes, and each batch is cut, transposed, noised and prompted there.
`presets` says with which settings, `batches` how a window is cut.

All randomness of step i comes from (seed, i), so a run that was resumed is the run that was never
interrupted, bit for bit, on the same machine.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch.nn import functional as F

from binolab import kernel, likelihood, prompting, rolls, weights
from binolab.batches import Bank, held_out_windows


class TrainingError(ValueError):
    """A run that cannot start or go on; the message names the remedy."""


def loss(logits, x0, free, kind="bce"):
    """Mean loss over the cells to be guessed.

    ``l2`` (the paper) and ``bce`` are least where the answer is the *mean* of x_0 given x_t, a
    probability that can be drawn from; ``l1`` (the author's code) where it is the *median*, which
    in deep noise is silence.

    Parameters
    ----------
    logits, x0 : (B, 1, P, L)
    free : bool (B, 1, P, L)
        True where the cell was not given.
    kind : {"bce", "l2", "l1"}

    `Run.advance` also knows ``bound``: the terms of the likelihood bound themselves.
    """
    if kind == "bce":
        each = F.binary_cross_entropy_with_logits(logits, x0, reduction="none")
    elif kind in ("l2", "l1"):
        each = (torch.sigmoid(logits) - x0).abs() ** (2 if kind == "l2" else 1)
    else:
        raise ValueError(f"loss must be bce, l2, l1 or bound, got {kind!r}")
    return (each * free).sum() / free.sum().clamp(min=1)


def rate_at(config, step):
    """Learning rate of a step: linear warm-up, then half a cosine down to zero."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class Run:
    """A training run: the network, its average (EMA), the optimizer, and where they stand."""

    def __init__(self, config, prior, pitches, device):
        arguments = dict(config.arguments)
        if config.network == "FrameTransformer":
            arguments = {"pitches": pitches, "prior": prior} | arguments
        self.config, self.prior, self.device, self.step = config, prior, device, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = weights.build({"network": config.network, "arguments": arguments})
            self.ema = weights.build({"network": config.network, "arguments": arguments})
        self.ema.load_state_dict(self.model.state_dict())
        form = torch.channels_last if config.network == "UNet" else torch.contiguous_format
        self.model.to(device, memory_format=form)
        self.ema.to(device, memory_format=form).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.rate, betas=(0.9, 0.99), weight_decay=config.decay,
            fused=True,
        )
        self.card = {
            "network": config.network, "arguments": arguments, "prior": prior,
            "schedule": list(config.schedule), "T": config.T, "low": config.low,
            "pitches": pitches, "ticks": config.ticks, "length": config.length,
        }
        self.alpha_bar = weights.schedule(self.card).float().to(device)

    def begin(self, name):
        """Take over the weights of a trained network (`weights.load`), to train them further.

        What that network lacks, a block more say, begins as it was made: nearly the identity. Raises
        TrainingError when the two do not fit.
        """
        trained, _ = weights.load(name)
        try:
            left = self.model.load_state_dict(trained.state_dict(), strict=False)
        except RuntimeError as error:
            raise TrainingError(f"{name}: other sizes than this network's ({error})") from None
        if left.unexpected_keys:
            raise TrainingError(f"{name}: is another network, it has {left.unexpected_keys[0]}")
        self.ema.load_state_dict(self.model.state_dict())
        self.card["start"] = Path(name).stem

    def autocast(self):
        """bfloat16 where it pays: on GPUs that have it, and on the CPU where the config says so."""
        usable = {
            "cuda": self.device.type == "cuda" and torch.cuda.is_bf16_supported(),
            "cpu": self.config.bf16_on_cpu,
        }.get(self.device.type, False)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=usable)

    def advance(self, bank):
        """One optimizer step. Returns the loss as a tensor, so that no GPU waits for it."""
        config = self.config
        generator = torch.Generator(self.device).manual_seed(config.seed * 1_000_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(config, self.step)
        x0 = bank.draw(config.batch, generator)
        t = torch.randint(1, config.T + 1, (config.batch,), generator=generator, device=self.device)
        known = prompting.random_prompts(x0, config.prompts, generator) if config.prompts else None
        x_t = kernel.forward(x0, self.alpha_bar[t], self.prior, generator)
        if known is not None:
            x_t = torch.where(known, x0, x_t)
        free = torch.ones_like(x0, dtype=torch.bool) if known is None else ~known
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), self.autocast():
            torch.manual_seed(config.seed * 1_000_003 + self.step)  # dropout has no generator
            logits = self.model.train().logits(x_t, self.alpha_bar[t], known)
        if config.loss == "bound":  # T terms, one drawn: nats a cell
            h = torch.sigmoid(logits.double())
            terms = likelihood.step_term(
                h, x0, x_t, self.alpha_bar[t - 1], self.alpha_bar[t], self.prior
            )
            value = config.T * (terms * free).sum() / free.sum().clamp(min=1)
        else:
            value = loss(logits.float(), x0, free, config.loss)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(config.ema, self.step / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.model.parameters()), 1 - keep
            )
        return value.detach()

    @torch.no_grad()
    def validate(self, x0, levels=10):
        """The averaged network on held-out rolls, in nats a roll, with fixed noise.

        Returns {ᾱ rounded to 4 digits: BCE there} at `levels` noise levels, and "bound": the
        likelihood bound, from as many of its terms.
        """
        generator = torch.Generator(self.device).manual_seed(1)
        found = {}
        for t in torch.linspace(0, self.config.T, levels + 1).round().long()[1:]:
            level = self.alpha_bar[t].expand(len(x0))
            x_t = kernel.forward(x0, level, self.prior, generator)
            with self.autocast():
                logits = self.ema.logits(x_t, level)
            nats = F.binary_cross_entropy_with_logits(logits.float(), x0, reduction="sum")
            found[f"{level[0].item():.4f}"] = round(nats.item() / len(x0), 3)
        nats = likelihood.bound(
            self.ema, x0, self.alpha_bar, prior=self.prior, steps=levels, generator=generator
        ).per_roll
        return found | {"bound": round(nats.value, 3)}

    def save(self, folder):
        """Write `checkpoint.safetensors` (everything) and `model.safetensors` (what to use)."""
        from safetensors.torch import save_file

        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        facts = {"step": self.step, "config": asdict(self.config), "prior": self.prior}
        with rolls.replacing(folder / "checkpoint.safetensors") as temporary:
            save_file(tensors, str(temporary), metadata={"run": json.dumps(facts)})
        card = self.card | {"trained": asdict(self.config) | {"step": self.step}}
        weights.save(folder / "model.safetensors", self.ema, card)

    def restore(self, folder):
        """Take up a run where its checkpoint left it.

        Raises TrainingError when there is none or it was made with other settings.
        """
        from safetensors import SafetensorError, safe_open

        path = folder / "checkpoint.safetensors"
        if not path.is_file():
            raise TrainingError(f"{path}: nothing to resume; start the run without --resume")
        try:
            with safe_open(str(path), framework="pt") as file:
                facts = json.loads(file.metadata()["run"])
                stored = {k: file.get_tensor(k) for k in file.keys()}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: damaged checkpoint ({error}); start again") from None
        mine = json.loads(json.dumps(asdict(self.config) | {"prior": self.prior}))
        theirs = facts["config"] | {"prior": facts["prior"]}
        other = sorted(k for k in mine if mine[k] != theirs.get(k))
        if other:
            raise TrainingError(
                f"{path}: was made with another {', '.join(other)}; "
                "resume with the same settings and data"
            )

        def part(name):
            return {k.removeprefix(name): v for k, v in stored.items() if k.startswith(name)}

        self.model.load_state_dict(part("model."))
        self.ema.load_state_dict(part("ema."))
        state, weights_of = {}, list(self.model.parameters())
        for key, value in part("optimizer.").items():
            index, name = key.split(".")
            if value.dim():  # in memory as its weights lie: the fused AdamW reads both alike
                value = torch.empty_like(weights_of[int(index)]).copy_(value)
            state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step = facts["step"]


def train(config, pieces, valid, folder, *, prior, start=None, resume=False, device="auto",
          every=300.0, progress=True):
    """Train, leaving a folder that `weights.load` and ``--model`` understand.

    Ctrl-C ends the run after the step at hand with a checkpoint; so does the last step.

    Parameters
    ----------
    config : Config
    pieces, valid : list of Piece
        To learn from, and to measure on.
    folder : str or Path
        Gets checkpoint.safetensors, model.safetensors, config.json, log.jsonl.
    prior : float
        ρ, usually `datasets.density(pieces)`.
    start : str or Path, optional
        A trained model to begin with (`Run.begin`).
    resume : bool
        Continue the run in `folder`.
    every : float
        Seconds between validations and checkpoints.

    Returns
    -------
    Run

    Raises
    ------
    TrainingError
        Before any work: a folder that holds a run or cannot be written, nothing to resume.

    Chapter: 07.
    """
    from tqdm import tqdm

    folder = Path(folder)
    if (folder / "checkpoint.safetensors").exists() and not resume:
        raise TrainingError(f"{folder}: already holds a run; add --resume or name another folder")
    device = pick_device(device)
    run = Run(config, prior, pieces[0].roll.shape[0], device)
    if start is not None:
        run.begin(start)
    if resume:
        run.restore(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with rolls.replacing(folder / "config.json") as temporary:
            temporary.write_text(json.dumps(asdict(config) | {"prior": prior}, indent=1) + "\n")
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be written ({error.strerror}); choose another"
        ) from None
    bank = Bank(pieces, config, device)
    held_out = held_out_windows(valid, config.length, 64).to(device)

    def record(seconds, samples, mean):
        row = {"step": run.step, "loss": mean, "rate": rate_at(config, run.step),
               "valid": run.validate(held_out), "samples": run.step * config.batch,
               "samples_per_second": round(samples / max(seconds, 1e-9), 1),
               "seconds": round(seconds, 1)}
        with open(folder / "log.jsonl", "a") as log:
            log.write(json.dumps(row) + "\n")
        run.save(folder)

    with stopping() as stop, tqdm(
        total=config.steps * config.batch, initial=run.step * config.batch, unit="roll",
        desc="training", disable=not progress, smoothing=0.05,
    ) as bar:
        total, since, begun, stopped = 0.0, run.step, time.perf_counter(), False
        while run.step < config.steps and not stopped:
            total = total + run.advance(bank)
            bar.update(config.batch)
            seconds = time.perf_counter() - begun
            stopped = stop.is_set()  # asked once: none slips in between saving and leaving
            if seconds > every or run.step == config.steps or stopped:
                done = run.step - since
                mean = float(total) / done
                record(seconds, done * config.batch, mean)
                bar.set_postfix(loss=f"{mean:.4f}")
                total, since, begun = 0.0, run.step, time.perf_counter()
    return run


def pick_device(device="auto"):
    """`torch.device` for a name; "auto" is the GPU where there is one.

    Raises ValueError for a device that this machine does not have.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"no device {device!r} here; --device takes auto, cpu or cuda") from None
    return torch.device(device)


@contextlib.contextmanager
def stopping():
    """An event that Ctrl-C (or a polite kill) sets, so that a loop can end between two steps."""
    stop, previous = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
