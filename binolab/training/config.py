"""What to train and how: the settings of a run, and a few that have a name.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from binolab.music import rolls
from binolab.music.codec import coarsest
from binolab.music.parts import ALL

if TYPE_CHECKING:
    from binolab.datasets.pieces import Piece


class TrainingError(ValueError):
    """A run that cannot start or go on; the message names the remedy."""


@dataclass(frozen=True)
class Config:
    """What to train and how; every field is written beside the weights."""

    network: str = "BeatTransformer"
    arguments: dict = field(default_factory=dict)
    loss: str = "bce"  # bce, l2: the mean of x_0; l1: its median; bound: the bound itself
    schedule: tuple = ("power", 3)
    T: int = 1000
    prompts: float = 0.5  # share of a batch that sees known cells
    transpose: int = 5  # semitones up or down at most
    length: int = rolls.LENGTH
    low: int = rolls.LOW
    parts: str = ALL  # of the files of a folder (`music.parts`): several are a plane each
    ticks: int = rolls.TICKS
    grid: int | None = None  # columns a beat of the bits that noise flips; None: see `fitted`
    planes: int | None = None  # 1: all notes in one; more: one for each part; None: see `fitted`
    refresh: float = 0.3  # and polishing: how the model is drawn (`card.Card`)
    polishing: int = 0
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

    def fitted(self, pieces: Sequence[Piece]) -> Config:
        """With the bits chosen that suit the music, where they were not.

        The grid is the coarsest that holds nearly all notes (`codec.coarsest`). There is a plane
        for each part, if all pieces have equally many, and else one for all notes. A network of
        beats takes half a beat a token, and is told of planes in which one note sounds at a time.
        The other networks take one plane, and ticks.
        """
        if self.network != "BeatTransformer":
            return replace(self, grid=self.ticks, planes=1)
        parts = {0 if piece.parts is None else len(piece.parts) for piece in pieces}
        planes = self.planes or (max(parts) or 1 if len(parts) == 1 else 1)
        grid = self.grid or coarsest((piece.roll for piece in pieces), self.ticks)
        alone = all((piece.in_planes(planes).sum(1) <= 1).all() for piece in pieces)
        chosen = {"columns": max(1, grid // 2), "voices": planes if alone else 0}
        return replace(self, grid=grid, planes=planes, arguments=chosen | self.arguments)

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


# Four voices of sixteenths are what the chorales give it; another folder, its own (`fitted`).
_BEST = Config(
    arguments={"depth": 5, "filters": 56}, rho="pitch", loss="bound", schedule=("cosine",),
    prompts=0.4, transpose=6, steps=60_000, rate=8e-4, decay=0.05, ema=0.9995, bf16_on_cpu=True,
)  # fmt: skip
# Songs: the piano, and what it goes with. Twelve columns a beat hold its triplets. A beat is a
# token: half the work of half a beat. 47 filters make a file of less than 10 MB. By the bound its
# belief in deep noise comes out a seventh too low, and it writes silence (benchmarks/README.md).
# Cells that are drawn one by one leave specks: less fresh noise, and polish.
_PIANO = replace(
    _BEST,
    arguments={"depth": 5, "filters": 47, "columns": 12},
    loss="bce",
    parts="piano,others",
    grid=12,
    refresh=0.2,
    polishing=2,
)
# The paper's UNet, small enough for a core: the shipped weights `unet`.
_UNET = Config(
    network="UNet", arguments={"widths": [16, 32, 64, 128]}, loss="l2", schedule=("linear",),
    T=100, prompts=0.0, bf16_on_cpu=True,
)  # fmt: skip

PRESETS = {
    # Something worth hearing in ten minutes on two cores: the shipped network, a block less.
    "book": replace(
        _BEST, arguments={"depth": 4, "filters": 48}, steps=2_500, warmup=100, ema=0.998
    ),
    "best": _BEST,
    # A last stage (`train --start`), in the keys and ranges that the music has.
    "calibrate": replace(_BEST, transpose=0, steps=800, rate=2e-4, warmup=50, ema=0.99),
    "piano": _PIANO,
    # The paper's UNet at the author's size: 10 M parameters, loss L2, T = 100, batches of 200,
    # 50 epochs of 204,400 rolls. The author's Adam keeps a rate of 5e-5; half a cosine from twice
    # that has the same mean. No transposition, no decay of weights.
    "paper": replace(
        _UNET, arguments={"widths": [64, 128, 256, 512]}, transpose=0, batch=200, steps=51_100,
        rate=1e-4, warmup=500, decay=0.0,
    ),
    "unet": _UNET,
}  # fmt: skip
