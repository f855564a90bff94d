"""What a file of weights says of its network: its kind, its bits and its noise, checked.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import MISSING, asdict, dataclass, fields

import torch
from torch import Tensor

from binolab.diffusion import schedules
from binolab.music.codec import Codec
from binolab.music.midi import RESOLUTION
from binolab.music.parts import ALL, choices
from binolab.networks import NETWORKS, Denoiser

WHOLE = {  # whole numbers, and between which
    "T": (1, 100_000),
    "low": (0, 127),
    "pitches": (1, 128),
    "ticks": (1, RESOLUTION),
    "length": (1, 24_000),
    "grid": (1, RESOLUTION),
    "planes": (1, 32),
    "polishing": (0, 100),
}
JSON: dict[type, list[type]] = {  # the types in a file that a default's type accepts
    int: [int],
    float: [int, float],
    bool: [bool],
    tuple: [list, tuple],
}


@dataclass(frozen=True)
class Card:
    """A network's kind, the rolls and bits that it takes, and the noise that it was trained on.

    Attributes
    ----------
    network, arguments
        A name in `networks.NETWORKS`, and what it is called with.
    prior : float, or nested list (K, P) or (K, 1)
        ρ, of all bits or of each kind and pitch.
    schedule, T
        A name in `schedules.SCHEDULES` and its parameters; steps.
    low, pitches
        Rolls hold MIDI notes `low` to ``low + pitches - 1``.
    ticks, length
        Ticks a beat, and of a window.
    grid, planes
        Columns a beat of the bits (`music.codec`); 1, or one plane for each voice or part.
    parts
        What its planes hold where they are parts of a piece (`music.parts.apart`), "piano,others".
        Then a roll has a plane for each, and else one for all notes.
    refresh, polishing
        How it is drawn best: the share of fresh noise of the sampler "refreshed", and the calls of
        `prompting.polish` that follow.
    start, trained
        What the weights began from, and the settings that they were trained with.

    Raises
    ------
    ValueError
        With the fault, if a value is not what sampling needs.
    """

    network: str
    arguments: dict
    prior: float | list
    schedule: tuple | list
    T: int
    low: int
    pitches: int
    ticks: int
    length: int
    grid: int | None = None
    planes: int = 1
    parts: str = ALL
    refresh: float = 0.3
    polishing: int = 0
    start: str | None = None
    trained: dict | None = None

    def __post_init__(self) -> None:
        if self.grid is None:
            object.__setattr__(self, "grid", self.ticks)
        for name, (least, most) in WHOLE.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most:,}")
        if not isinstance(self.parts, str) or len(choices(self.parts)) not in (1, self.planes):
            raise ValueError("parts must be all, or as many as there are planes")
        if type(self.refresh) not in (int, float) or not 0 <= self.refresh <= 1:
            raise ValueError("refresh must be between 0 and 1")
        if self.low + self.pitches > 128:
            raise ValueError(f"{self.pitches} pitches from MIDI {self.low} go beyond MIDI 127")
        if self.length % self.ticks:
            raise ValueError(f"length must be whole beats of {self.ticks} ticks")
        rows = self.prior if isinstance(self.prior, list) else [[self.prior]] * self.kinds
        wide = {len(row) if isinstance(row, list) else 0 for row in rows}
        right = len(rows) == self.kinds and wide in ({1}, {self.pitches})
        if not right or not all(
            type(rho) in (int, float) and 0 < rho < 1 for row in rows for rho in row
        ):
            raise ValueError("prior must be between 0 and 1, one or a row for each kind of bit")
        if not isinstance(self.network, str) or self.network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}")
        if self.kinds > 1 and self.network != "BeatTransformer":
            raise ValueError(
                f"{self.network} takes one plane of ticks, BeatTransformer a coarser grid and more "
                "planes"
            )
        given, known = self.schedule, list(schedules.SCHEDULES)
        if not isinstance(given, (list, tuple)) or not given or given[0] not in known:
            raise ValueError(f"schedule must be one of {', '.join(known)}")
        try:
            alpha_bar = self.alpha_bar()
        except (TypeError, OverflowError, RuntimeError):
            said = ", ".join(map(repr, given[1:]))[:30]
            raise ValueError(f"the schedule {given[0]} does not take ({said})") from None
        if alpha_bar[0] != 1 or not 0 <= alpha_bar[-1] < 1 or not (alpha_bar.diff() <= 0).all():
            raise ValueError("schedule must fall from 1 to 0")

    @property
    def codec(self) -> Codec:
        """Between rolls and the bits that the network was trained on."""
        return Codec(self.ticks, self.grid or self.ticks)

    @property
    def channels(self) -> int:
        """V, the planes of a roll: one for all notes, or one for each part."""
        return len(choices(self.parts))

    @property
    def kinds(self) -> int:
        """K, the kinds of bit of a cell."""
        return self.planes * self.codec.kinds

    def alpha_bar(self, T: int | None = None) -> Tensor:
        """The schedule (T + 1,), float64; in `T` steps, or as many as it was trained with."""
        name, *parameters = self.schedule
        return schedules.SCHEDULES[name](T or self.T, *parameters)

    def rho(self, device: str | torch.device = "cpu") -> float | Tensor:
        """ρ as a number, or as a tensor (K, P, 1) or (K, 1, 1)."""
        if isinstance(self.prior, list):
            return torch.tensor(self.prior, device=device)[..., None]
        return self.prior

    def build(self) -> Denoiser:
        """A fresh network of this kind."""
        return NETWORKS[self.network](**self.arguments)

    def outline(self, parts: int) -> Denoiser:
        """The network on the meta device: shapes without memory, of at most `parts` parts.

        Raises ValueError for arguments that it does not take, or rolls that do not fit it.
        """
        if not isinstance(self.arguments, dict):
            raise ValueError("the arguments are no table")
        known = inspect.signature(NETWORKS[self.network]).parameters
        for name, value in self.arguments.items():
            if name == "prior" and name in known and value == self.prior:  # checked already
                continue
            usual = known[name].default if name in known else None
            sound = type(value) in JSON.get(type(usual), [])
            if type(usual) is int:
                sound = sound and value >= (name not in ("mixers", "voices"))
            if isinstance(usual, tuple):
                sound = sound and 0 < len(value) <= parts and all(type(v) is int for v in value)
            if not sound:
                raise ValueError(f"{self.network} takes no {name} of {repr(value)[:30]}")
        if max(self.arguments.get("depth", 0), self.arguments.get("mixers", 0)) > parts:
            raise ValueError("the card tells of more layers than the file holds")
        with torch.device("meta"):
            network = self.build()
        stride, kinds, pitches = network.stride, network.kinds, network.pitches
        fits = self.pitches % stride == 0 if pitches is None else self.pitches == pitches
        if not fits:
            raise ValueError(f"the network does not take {self.pitches} pitches")
        if kinds != self.kinds:
            raise ValueError(f"the network does not take {self.kinds} kinds of bit")
        if self.length % (stride * self.codec.span):
            raise ValueError(f"the network does not take a length of {self.length} ticks")
        return network

    def json(self) -> str:
        """As text; what is None is left out."""
        return json.dumps({k: v for k, v in asdict(self).items() if v is not None})

    @classmethod
    def read(cls, text: str | None) -> Card:
        """From the text of `json`. Names that this version does not know are ignored."""
        table = json.loads(text or "null")
        if not isinstance(table, dict):
            raise ValueError("the card is missing or no table")
        for field in fields(cls):
            if field.default is MISSING and field.name not in table:
                raise ValueError(f"the card has no {field.name}")
        return cls(**{f.name: table[f.name] for f in fields(cls) if f.name in table})
