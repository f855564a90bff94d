"""What a network learns in a step: a batch made on the fly, a loss, a step down its gradient.

By Eq. 8 a noisy roll at any step costs one draw, so nothing noisy is ever stored. Clean rolls lie
on the device as packed bits, and each batch is cut, transposed, noised and prompted there. All
randomness of step i comes from (seed, i).

Chapter: 07 *Training it*.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab.card import Card
from binolab.diffusion import kernel, likelihood, prompting
from binolab.diffusion.loss import loss
from binolab.model import load, save
from binolab.music.codec import Codec
from binolab.networks import NETWORKS, Denoiser
from binolab.training import checkpoints, devices
from binolab.training.batches import Bank
from binolab.training.checkpoints import Digest
from binolab.training.config import Config, TrainingError
from binolab.training.rate import Turn, rate_at

SEED = 1_000_003  # parts the seeds of two runs by more steps than any run has


@dataclass
class Batch:
    """What one process learns from in a step: its share of the whole batch."""

    x0: Tensor  # bits (B, K, P, C)
    x_t: Tensor
    t: Tensor  # (B,)
    known: Tensor | None  # True where the bit of x0 is told
    free: Tensor  # True where it is to be learned
    cells: Tensor  # free bits in the whole batch


class Logits(nn.Module):
    """A network by the call that training makes."""

    def __init__(self, network: Denoiser):
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, level: Tensor, known: Tensor | None) -> Tensor:
        return self.network.logits(x_t, level, known)


class Run:
    """A training run: the network, its average (EMA), the optimizer, and where they stand.

    Attributes
    ----------
    step, elapsed
        Optimizer steps made; seconds that they, the validations and the checkpoints took.
    data
        The music, where it is known: a run is resumed with the same.
    turn
        Where the run was last given another total (`rate_at`).
    """

    data: Digest | None = None
    turn: Turn | None = None

    def __init__(
        self,
        config: Config,
        prior: float | list,
        pitches: int,
        device: torch.device,
        *,
        team: devices.Team | None = None,
        compiled: bool = False,
    ):
        arguments = dict(config.arguments)
        self.codec = Codec(config.ticks, config.grid or config.ticks)
        if config.network != "UNet":
            arguments = {"pitches": pitches, "prior": prior} | arguments
        if config.network == "BeatTransformer":
            arguments = {"kinds": (config.planes or 1) * self.codec.kinds} | arguments
        self.config, self.prior, self.device = config, prior, device
        self.step, self.elapsed = 0, 0.0
        self.team = team or devices.Team(device)
        if config.batch % self.team.size:
            raise TrainingError(
                f"a batch of {config.batch} rolls cannot be shared evenly by {self.team.size} "
                f"processes; `batch` {-(-config.batch // self.team.size) * self.team.size} can"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model, self.ema = (NETWORKS[config.network](**arguments) for _ in range(2))
        config.check_size(pitches, self.model.stride * self.codec.span)
        self.ema.load_state_dict(self.model.state_dict())
        form = torch.channels_last if config.network == "UNet" else torch.contiguous_format
        for network in (self.model, self.ema.eval()):
            network.to(device=device, memory_format=form)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.rate, (0.9, 0.99), weight_decay=config.decay, fused=True
        )
        self.precision = devices.precision(device, config)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)
        told = {k: getattr(config, k) for k in ("network", "T", "low", "ticks", "length")}
        told |= {"schedule": list(config.schedule), "grid": self.codec.grid}
        told |= {"planes": config.planes or 1, "parts": config.parts}
        told |= {"refresh": config.refresh, "polishing": config.polishing}
        # It checks: what could not be read again is not trained.
        self.card = Card(arguments=arguments, prior=prior, pitches=pitches, **told)
        self.rho = self.card.rho(device)
        self.alpha_bar = self.card.alpha_bar().float().to(device)
        self.failed = torch.full((), -1, device=device)  # first step whose loss was not finite
        call = self.team.wrap(Logits(self.model))
        self.call = torch.compile(call) if compiled else call

    def begin(self, name: str | Path) -> None:
        """Take over the weights of a trained network (`model.load`), to train them further.

        What that network lacks, one more block for example, begins as it was made: nearly the
        identity. Raises TrainingError when the two do not fit.
        """
        trained: nn.Module = load(name).network  # type: ignore[assignment]
        mine, given = self.model.state_dict(), trained.state_dict()
        for part in mine:
            if part in given and mine[part].shape != given[part].shape:
                raise TrainingError(
                    f"{name}: other sizes than this network's ({part} is "
                    f"{tuple(given[part].shape)}, here {tuple(mine[part].shape)}); leave out "
                    "`preset` and `grid`, and the run takes the network that it begins with"
                )
        left = self.model.load_state_dict(given, strict=False)
        if left.unexpected_keys:
            raise TrainingError(f"{name}: is another network, it has {left.unexpected_keys[0]}")
        self.ema.load_state_dict(self.model.state_dict())
        self.card = replace(self.card, start=Path(name).stem)

    @property
    def finished(self) -> bool:
        done, total = self.progress
        return done >= total

    @property
    def progress(self) -> tuple[float, float]:
        """How far the run has come, and how far it goes: in seconds, or else in rolls."""
        config = self.config
        if config.minutes:
            return min(self.elapsed, 60 * config.minutes), 60 * config.minutes
        return self.step * config.batch, config.steps * config.batch

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return rate_at(self.config, self.step, self.elapsed, self.turn)

    def autocast(self) -> torch.autocast:
        """The precision in which the network computes (`devices.precision`)."""
        return torch.autocast(
            self.device.type, self.precision or torch.bfloat16, enabled=self.precision is not None
        )

    def draw(self, bank: Bank) -> Batch:
        """The step's batch: cut, noised and prompted, of which this process gets its share.

        Every process of a team draws the whole: that is cheap, and makes N processes one run.
        """
        config = self.config
        generator = torch.Generator(self.device).manual_seed(config.seed * SEED + self.step)
        x0 = bank.draw(config.batch, generator)
        t = torch.randint(1, config.T + 1, (config.batch,), generator=generator, device=self.device)
        known = None
        if config.prompts:
            sounding = self.codec.sounding(x0)
            prompts = prompting.random_prompts(sounding, config.prompts, generator)
            known = self.codec.spread(prompts)
            if self.card.channels > 1:
                x0, given = prompting.company(x0, self.codec.kinds, generator)
                known |= given
        x_t = kernel.forward(x0, self.alpha_bar[t], self.rho, generator)
        if known is not None:
            x_t = torch.where(known, x0, x_t)
        free = torch.ones_like(x0, dtype=torch.bool) if known is None else ~known
        share, told = self.team.share, None if known is None else self.team.share(known)
        return Batch(share(x0), share(x_t), share(t), told, share(free), free.sum())

    def cost(self, batch: Batch) -> Tensor:
        """The loss of a batch: this process's part of the whole batch's mean."""
        config, level = self.config, self.alpha_bar[batch.t]
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), self.autocast():
            # dropout has no generator; each process of a team has its own
            torch.manual_seed(config.seed * SEED + self.step + (self.team.rank << 40))
            logits = self.call(batch.x_t, level, batch.known)
        if config.loss == "bound":  # T terms, of which one is drawn: nats a bit
            h, before = torch.sigmoid(logits.double()), self.alpha_bar[batch.t - 1]
            terms = likelihood.step_term(h, batch.x0, batch.x_t, before, level, self.rho)
            return config.T * (terms * batch.free).sum() / batch.cells.clamp(min=1)
        return loss(logits.float(), batch.x0, batch.free, config.loss, batch.cells)

    def differentiate(self, value: Tensor) -> None:
        """The gradient of a `cost`."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(value * self.team.size).backward()  # a team takes the mean of gradients

    def descend(self, value: Tensor) -> None:
        """A step down the gradient; the average follows."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        # A scaled loss may overflow in a gradient: then the scaler left the step out.
        sound = value.detach() if self.scaler.is_enabled() else value.detach() + norm
        self.failed = torch.where((self.failed < 0) & ~sound.isfinite(), self.step, self.failed)
        self.step += 1
        keep = min(self.config.ema, self.step / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.model.parameters()), 1 - keep
            )

    def advance(self, bank: Bank) -> Tensor:
        """One optimizer step. Returns the loss as a tensor, so that no GPU waits for it."""
        self.model.train()
        value = self.cost(self.draw(bank))
        self.differentiate(value)
        self.descend(value)
        return value.detach()

    @torch.no_grad()
    def validate(self, x0: Tensor, levels: int = 10) -> dict[str, float]:
        """What the averaged network makes of held-out rolls, with fixed noise: nats a roll.

        Names are ᾱ to four digits, with the cross-entropy there, at so many levels; and "bound",
        the likelihood bound from as many of its terms.
        """
        x0 = self.codec.encode(x0)
        generator = torch.Generator(self.device).manual_seed(1)
        costs = {}
        for t in torch.linspace(0, self.config.T, levels + 1).round().long()[1:]:
            level = self.alpha_bar[t].expand(len(x0))
            x_t = kernel.forward(x0, level, self.rho, generator)
            with self.autocast():
                logits = self.ema.logits(x_t, level)
            nats = F.binary_cross_entropy_with_logits(logits.float(), x0, reduction="sum")
            costs[f"{level[0].item():.4f}"] = round(nats.item() / len(x0), 3)
        bound = likelihood.bound(
            self.ema, x0, self.alpha_bar, prior=self.rho, steps=levels, generator=generator
        )
        return costs | {"bound": round(bound.per_roll.value, 3)}

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` (what to use), then the checkpoint (everything)."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        facts = {k: getattr(self, k) for k in ("step", "elapsed", "prior", "data", "turn")}
        facts |= {"config": asdict(self.config), "scaler": self.scaler.state_dict()}
        card = replace(self.card, trained=asdict(self.config) | {"step": self.step})
        save(folder / "model.safetensors", self.ema, card)
        checkpoints.write(folder, tensors, facts)

    def restore(self, folder: Path) -> str | None:
        """Take up a run where its checkpoint left it; a damaged one, where the one before did.

        Returns what was wrong, if anything. Raises TrainingError when there is no checkpoint that
        is whole, or it was made with other data or settings. The total alone, of steps or minutes,
        may be another, if it is more than the run has had (`rate_at`).
        """
        with checkpoints.fitting(folder):
            stored, facts, warning = checkpoints.read(folder)
            before = checkpoints.same_run(folder, facts, self.config, self.prior, self.data)
            self._take_up(stored, facts)
            if before.total != self.config.total:
                if self.finished:
                    raise TrainingError(
                        f"{folder}: the run has had {self.step} steps in {self.elapsed / 60:.3g} "
                        "minutes; give `steps` or `minutes` that are more"
                    )
                rate = rate_at(before, self.step, self.elapsed, self.turn)
                self.turn = (self.step, self.elapsed, rate)
        return warning

    def _take_up(self, stored: checkpoints.Tensors, facts: dict) -> None:
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
        if facts.get("scaler"):
            self.scaler.load_state_dict(facts["scaler"])
        self.step, self.elapsed = facts["step"], facts.get("elapsed", 0.0)
        self.turn = facts.get("turn")
