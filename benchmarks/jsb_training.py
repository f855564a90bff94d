"""How `jsb.py` trains: the bound itself as the loss, by the clock, resumable."""

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from jsb_network import ChordTransformer, Muon
from torch.nn import functional as F
from tqdm import tqdm

from binolab import files
from binolab.diffusion import kernel, likelihood
from binolab.training.devices import bf16_instructions
from binolab.training.loop import stopping

LOW, KEYS = 21, 88  # A0 … C8
FLOOR = 1e-3  # ρ of a key that never sounds
SETTINGS = (
    "minutes",
    "settle",
    "seed",
    "width",
    "depth",
    "dropout",
    "shift",
    "batch",
    "rate",
    "decay",
    "ema",
    "span",
)
FREE = ("minutes", "settle", "dropout")  # may change when a run is resumed


class JsbError(ValueError):
    """A file or a wish that cannot be met; the message names the remedy."""


def frequency(pieces):
    """How often each key sounds, a share of frames (88,), as after half a note and half a rest."""
    frames = sum(piece.shape[1] for piece in pieces)
    return (sum(piece.sum(1) for piece in pieces) + 0.5) / (frames + 1)


def rate_term(logits, x0, x_t, alpha_bar_t, prior):
    """`likelihood.step_term` for ᾱ_s → ᾱ_t, a unit of ᾱ: the bound is its integral over ᾱ.

    Backwards in time a cell flips at a rate: that of Eq. 3 times R = q(x̄_t | x_0) / q(x_t | x_0),
    where x̄_t is the flipped bit; the network's R̂ is its mean over P(x_0). Two Poisson processes
    diverge by R ln(R/R̂) - R + R̂ (Campbell et al., 2022). Float tensor, shape of `x0`.
    """
    level = alpha_bar_t.view(-1, 1, 1, 1)
    one, zero = level + (1 - level) * prior, (1 - level) * prior
    lit = x_t > 0
    if_one = torch.where(lit, (1 - one) / one, one / (1 - one))
    if_zero = torch.where(lit, (1 - zero) / zero, zero / (1 - zero))
    R = torch.where(x0 > 0, if_one, if_zero)
    guess = torch.sigmoid(logits) * if_one + torch.sigmoid(-logits) * if_zero
    rate = torch.where(lit, prior, 1 - prior) / level
    return rate * (R * (R / guess).log() - R + guess)


def schedule(T):
    """ᾱ_t = 1 - (t/T)²: small steps near 1, where few cells are wrong and each costs much."""
    return 1 - (torch.arange(T + 1, dtype=torch.float64) / T) ** 2


def evaluate(model, pieces, *, T=1000, steps=64, draws=2, seed=0, progress=True):
    """The bound of `pieces`, nats a frame, with its standard error and its three terms."""
    bound = likelihood.pieces(
        model,
        pieces,
        schedule(T),
        prior=model.prior,
        steps=steps,
        draws=draws,
        generator=torch.Generator().manual_seed(seed),
        progress=progress,
    )
    frames = bound.ticks.sum()
    value, error = bound.per_tick
    return {
        "pieces": len(pieces),
        "frames": int(frames),
        "bound": round(value, 4),
        "standard_error": round(error, 4),
        "terms": {
            name: round(float(getattr(bound, name).sum() / frames), 4)
            for name in ("prior", "steps", "reconstruction")
        },
        "mean_over_pieces_of_nats_a_frame": round(float((bound.nats / bound.ticks).mean()), 4),
        "T": T,
        "levels": steps,
        "draws": draws,
        "seed": seed,
    }


class Run:
    """A network being trained, its average, its optimizers, and where it stands."""

    def __init__(self, options, train):
        self.options, self.step, self.seconds, self.curve = options, 0, 0.0, []
        self.train = [torch.from_numpy(piece) for piece in train]
        sounding = np.flatnonzero(sum(piece.sum(1) for piece in train))
        margin = max(options.shift, 4)
        self.arguments = {
            "prior": np.maximum(frequency(train), FLOOR).round(6).tolist(),
            "keys": [max(int(sounding[0]) - margin, 0), min(int(sounding[-1]) + margin + 1, KEYS)],
            "width": options.width,
            "depth": options.depth,
            "dropout": options.dropout,
            "span": options.span,
        }
        torch.manual_seed(options.seed)
        self.model = ChordTransformer(**self.arguments)
        self.ema = copy.deepcopy(self.model).eval()
        matrices = [p for name, p in self.model.blocks.named_parameters() if p.dim() == 2]
        others = {id(p): p for p in self.model.parameters()}
        for p in matrices:
            del others[id(p)]
        self.optimizers = [
            Muon(matrices, lr=20 * options.rate, weight_decay=options.decay),
            torch.optim.AdamW(
                others.values(),
                lr=options.rate,
                betas=(0.9, 0.98),
                weight_decay=options.decay,
                fused=True,
            ),
        ]

    def batch(self, generator):
        """Pieces of like length, shifted: (x_0, padding, shift, ρ)."""
        options = self.options
        pool = torch.randperm(len(self.train), generator=generator)[: 4 * options.batch]
        pool = sorted(pool.tolist(), key=lambda i: self.train[i].shape[1])
        parts = max(len(pool) // options.batch, 1)
        part = int(torch.randint(parts, (), generator=generator)) * options.batch
        pieces = [self.train[i] for i in pool[part : part + options.batch]]
        settling = self.seconds >= 60 * (options.minutes - options.settle)
        most = 0 if settling else options.shift
        shift = torch.randint(-most, most + 1, (len(pieces),), generator=generator)
        length = max(piece.shape[1] for piece in pieces)
        x0 = torch.stack(
            [
                F.pad(piece.roll(int(by), 0), (0, length - piece.shape[1]))
                for piece, by in zip(pieces, shift, strict=True)
            ]
        )[:, None]
        padding = torch.arange(length) >= torch.tensor([p.shape[1] for p in pieces])[:, None]
        prior = torch.stack([self.model.prior[0].roll(int(by), 1) for by in shift])
        return x0, padding[:, None, None].expand_as(x0), shift, prior

    def advance(self):
        """One step on the bound itself, ᾱ = 1 - u² with u spread evenly over the batch."""
        options, begun = self.options, time.perf_counter()
        done = min(self.seconds / (60 * options.minutes), 1)
        scale = min((self.step + 1) / 50, 1, (1 - done) / 0.7)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = scale * group.setdefault("base", group["lr"])
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)
        torch.manual_seed(options.seed * 1_000_003 + self.step)  # dropout has no generator
        x0, padding, shift, prior = self.batch(generator)
        n = len(x0)
        u = torch.randperm(n, generator=generator) + torch.rand((), generator=generator)
        level = (1 - (u / n) ** 2).clamp(1e-4, 1 - 1e-5)
        x_t = kernel.forward(x0, level, prior, generator) * ~padding
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_instructions()):
            logits = self.model.train().logits(x_t, level, padding, shift, prior).float()
        cells = rate_term(logits, x0, x_t, level, prior) * ~padding
        value = (cells.sum((1, 2, 3)) * 2 * u / n).sum() / (~padding[:, 0, 0]).sum()
        self.model.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        keep = min(options.ema, self.step / (10 + self.step))
        with torch.no_grad():
            averaged, current = list(self.ema.parameters()), list(self.model.parameters())
            torch._foreach_lerp_(averaged, current, 1 - keep)
        self.seconds += time.perf_counter() - begun
        return float(value.detach())

    def save(self, path):
        """A ``….checkpoint`` to resume from; at `path` the averaged network, in half precision.

        After a validation that was not the best so far, `path` stays as it is: 229 pieces are soon
        known by heart.
        """
        from safetensors.torch import save_file

        card = {
            "network": self.arguments,
            "curve": self.curve,
            "parameters": sum(p.numel() for p in self.ema.parameters()),
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "training": self.settings(),
        }
        parts = {"model": self.model.state_dict(), "ema": self.ema.state_dict()}
        for k, optimizer in enumerate(self.optimizers):
            for i, state in optimizer.state_dict()["state"].items():
                parts[f"{k}.{i}"] = state
        tensors = {
            f"{part}/{name}": value.detach().contiguous().clone()
            for part, values in parts.items()
            for name, value in values.items()
        }
        half = {name: value.half() for name, value in self.ema.state_dict().items()}
        found = [each["valid"] for each in self.curve]
        best = not found or found[-1] == min(found)
        for where, what in {checkpoint(path): tensors, **({path: half} if best else {})}.items():
            with files.replacing(where) as temporary:
                save_file(what, str(temporary), metadata={"card": json.dumps(card)})

    def settings(self):
        return {k: v for k, v in vars(self.options).items() if k in SETTINGS}

    def restore(self, path):
        """Take up the run whose checkpoint is beside `path`. Raises JsbError."""
        card, tensors = load(checkpoint(path))
        mine = self.settings()
        fixed = [k for k in SETTINGS if k not in FREE]
        changed = [k for k in fixed if card["training"].get(k) != mine[k]]
        told = card["network"] | {"dropout": self.arguments["dropout"]}
        if changed or told != self.arguments:
            raise JsbError(
                f"{checkpoint(path)}: was made with another "
                f"{', '.join(changed) or 'training split'}; resume with the same"
            )

        def part(name):
            return {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}

        self.model.load_state_dict(part("model/"))
        self.ema.load_state_dict(part("ema/"))
        for k, optimizer in enumerate(self.optimizers):
            groups = optimizer.state_dict()["param_groups"]
            count = sum(len(group["params"]) for group in groups)
            state = {i: part(f"{k}.{i}/") for i in range(count)}
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds, self.curve = card["steps"], card["seconds"], card["curve"]


def checkpoint(path):
    return Path(path).with_suffix(".checkpoint")


def load(path):
    """(card, tensors) of a file that `Run.save` wrote. Raises JsbError."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise JsbError(f"{path}: no such file; train first (--minutes)")
    try:
        with safe_open(str(path), framework="pt") as file:
            return json.loads(file.metadata()["card"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise JsbError(f"{path}: was not made by this script ({error})") from None


def train(options, pieces, valid):
    """Train until the minutes are spent or Ctrl-C, leaving weights and checkpoint. A Run.

    The learning rate falls with the share of minutes spent, so how fast the machine is matters;
    the noise and the pieces of a step depend on seed and step alone. Raises JsbError.
    """
    run, path = Run(options, pieces), Path(options.weights[0])
    if options.resume:
        run.restore(path)
    elif checkpoint(path).exists():
        raise JsbError(f"{checkpoint(path)}: a run is there; add --resume or name another file")
    if not path.parent.is_dir():
        raise JsbError(f"{path}: cannot be written; there is no folder {path.parent}")
    run.save(path)
    budget, losses, stopped = 60 * options.minutes, [], False
    due = run.seconds + 60 * options.every
    with (
        stopping() as stop,
        tqdm(
            total=round(budget),
            initial=min(round(run.seconds), round(budget)),
            unit="s",
            desc="training",
            disable=options.quiet,
        ) as bar,
    ):
        while run.seconds < budget and not stopped:
            losses.append(run.advance())
            bar.update(max(min(int(run.seconds), bar.total) - bar.n, 0))
            stopped = stop.is_set()  # then no validation: whoever pressed Ctrl-C is waiting
            if not stopped and run.seconds >= min(due, budget):
                due = run.seconds + 60 * options.every
                found = evaluate(run.ema, valid, steps=16, draws=1, progress=False)
                run.curve.append(
                    {
                        "minutes": round(run.seconds / 60, 2),
                        "step": run.step,
                        "loss": round(float(np.mean(losses)), 3),
                        "valid": found["bound"],
                        "standard_error": found["standard_error"],
                    }
                )
                bar.set_postfix(loss=run.curve[-1]["loss"], valid=found["bound"])
                losses = []
                run.save(path)
        if stopped:
            run.save(path)
    return run
