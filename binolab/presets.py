"""What to train and how: the settings of a run, and a few that have a name.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from binolab import rolls


@dataclass(frozen=True)
class Config:
    """What to train and how; every field is written beside the weights."""

    network: str = "FrameTransformer"
    arguments: dict = field(default_factory=dict)
    loss: str = "bce"  # bce or l2: the mean of x_0; l1: its median (see `loss`)
    schedule: tuple = ("power", 3)
    T: int = 1000
    prompts: float = 0.5  # share of a batch that sees known cells
    transpose: int = 5  # semitones up or down at most
    length: int = rolls.LENGTH
    low: int = rolls.LOW
    ticks: int = rolls.TICKS
    batch: int = 16
    steps: int = 15_000
    rate: float = 1e-3  # peak learning rate: linear warm-up, then half a cosine to zero
    warmup: int = 300
    decay: float = 0.01
    ema: float = 0.999
    bf16_on_cpu: bool = False  # doubles the speed of convolutions, halves that of attention
    seed: int = 0


PRESETS = {
    "best": Config(),
    "paper": Config(
        network="UNet",
        arguments={"widths": [16, 32, 64, 128]},
        loss="l2",
        schedule=("linear",),
        T=100,
        prompts=0.0,
        batch=16,
        bf16_on_cpu=True,
    ),
    "tiny": Config(
        arguments={"width": 32, "depth": 1, "heads": 2, "filters": 8}, batch=8, steps=60, warmup=5, T=100
    ),
}
