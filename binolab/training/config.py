"""What to train and how: the settings of a run, and a few that have a name.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from binolab.music import rolls

# ᾱ at 41 places with as many nats of the bound between each two, except for 15 % that is spread
# evenly over ᾱ^(1/3). The first `best` measured it on validation chorales, as
# benchmarks/difficulty.py does now.
DIFFICULTY = (
    1.0, 0.9304, 0.847, 0.7454, 0.6382, 0.5495, 0.4742, 0.4172, 0.3737, 0.3385, 0.3101, 0.2856,
    0.264, 0.2452, 0.2286, 0.2139, 0.2007, 0.1885, 0.1771, 0.1664, 0.1564, 0.1469, 0.1379, 0.1294,
    0.1214, 0.1136, 0.1062, 0.09899, 0.0919, 0.08487, 0.07793, 0.0711, 0.06432, 0.05742, 0.05032,
    0.04291, 0.035, 0.02624, 0.01604, 0.004142, 0.0,
)  # fmt: skip


class TrainingError(ValueError):
    """A run that cannot start or go on; the message names the remedy."""


@dataclass(frozen=True)
class Config:
    """What to train and how; every field is written beside the weights."""

    network: str = "FrameTransformer"
    arguments: dict = field(default_factory=dict)
    loss: str = "bce"  # bce, l2: the mean of x_0; l1: its median; bound: the bound itself
    schedule: tuple = ("power", 3)
    T: int = 1000
    prompts: float = 0.5  # share of a batch that sees known cells
    transpose: int = 5  # semitones up or down at most
    length: int = rolls.LENGTH
    low: int = rolls.LOW
    ticks: int = rolls.TICKS
    grid: int | None = None  # columns a beat of the bits that noise flips (`codec`); None: ticks
    planes: int = 1  # 1: all notes in one; more: one for each voice or part of a piece
    rho: str = "all"  # one ρ for all bits, one for each "kind", or for each kind and "pitch"
    batch: int = 16
    steps: int = 15_000
    rate: float = 1e-3  # peak learning rate: linear warm-up, then half a cosine to zero
    warmup: int = 300
    decay: float = 0.01
    ema: float = 0.999
    bf16_on_cpu: bool = False  # where it has bfloat16: twice the convolutions, half the attention
    seed: int = 0
    minutes: float = 0.0  # if more than 0, the run ends after this time, not after `steps`
    precision: str = "auto"  # bf16, fp16 or fp32; `devices.precision` says what auto is

    @property
    def total(self) -> tuple[float, str]:
        """When the run ends: (minutes, "minutes") or (steps, "steps")."""
        return (self.minutes, "minutes") if self.minutes else (self.steps, "steps")

    def check_size(self, pitches: int, stride: int) -> None:
        """Raise TrainingError for a roll that a network of this `stride`, in ticks, cannot take."""
        if self.length % stride:
            raise TrainingError(
                f"a window of {self.length} ticks: {self.network} takes multiples of {stride}"
            )
        if self.network == "UNet" and pitches % stride:
            fewer, more = pitches // stride * stride, -(-pitches // stride) * stride
            raise TrainingError(
                f"rolls of {pitches} pitches: the UNet halves them {stride.bit_length() - 1} times "
                f"and takes multiples of {stride}; `pitches` {more} can be taken"
                + f", or {fewer}"
                * (fewer > 0)
            )


_BEST = Config(arguments={"depth": 5, "mixers": 1}, schedule=("spaced", DIFFICULTY), prompts=0.4)
# The paper's UNet, small enough for a core: the shipped weights `unet`.
_UNET = Config(
    network="UNet", arguments={"widths": [16, 32, 64, 128]}, loss="l2", schedule=("linear",),
    T=100, prompts=0.0, bf16_on_cpu=True,
)  # fmt: skip

PRESETS = {
    # Something worth hearing in ten minutes on two cores: the shipped network, a block less.
    "book": Config(schedule=("cosine",), batch=16, steps=2_500, warmup=100, ema=0.998),
    "best": _BEST,
    # The shipped `best` was made in three stages instead. Each but the first began with the weights
    # of the one before (`train --start`): data/README.md says why.
    "first": Config(),
    "bound": replace(_BEST, loss="bound", rate=7e-4, steps=6_200),
    "calibrate": replace(_BEST, prompts=0.3, rate=3e-4, steps=900, warmup=50),
    # The paper's UNet at the author's size: 10 M parameters, loss L2, T = 100, batches of 200,
    # 50 epochs of 204,400 rolls. The author's Adam keeps a rate of 5e-5; half a cosine from twice
    # that has the same mean. No transposition, no decay of weights.
    "paper": replace(
        _UNET, arguments={"widths": [64, 128, 256, 512]}, transpose=0, batch=200, steps=51_100,
        rate=1e-4, warmup=500, decay=0.0,
    ),
    "unet": _UNET,
    # Four voices on four planes, in sixteenths: hours of one core. What `best` is to become.
    "chorale": Config(
        network="BeatTransformer", grid=4, planes=4, rho="pitch", schedule=("cosine",),
        arguments={"columns": 2, "depth": 5, "filters": 56, "dropout": 0.1}, prompts=0.4,
        transpose=6, batch=16, steps=60_000, rate=6e-4, decay=0.05, ema=0.9995,
    ),
}  # fmt: skip
