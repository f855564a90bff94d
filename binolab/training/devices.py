"""Where the work is done: which device, in which precision, alone or with others.

One process works alone and needs nothing more. Started several times by a launcher (`torchrun`,
`accelerate launch`), the processes form a `Team` by Hugging Face Accelerate: each learns from its
share of every batch, and the first alone prints and writes.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from binolab.model import pick_device
from binolab.training.config import Config

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")

PRECISIONS = ("auto", "bf16", "fp16", "fp32")


def precision(device: torch.device, config: Config) -> torch.dtype | None:
    """In what the network computes: the dtype of autocast, or None for float32 throughout.

    ``auto`` is bfloat16 on GPUs that compute in it (Ampere and later). It is float16 on those
    before (T4, V100: their bfloat16 is emulated, and slow); the loss is then scaled, so that small
    gradients are not lost. On a CPU it is bfloat16 if `config.bf16_on_cpu` and the CPU has
    instructions for it: without them a convolution takes ten times as long, not half. It is float32
    on all else.
    """
    if config.precision not in PRECISIONS:
        raise ValueError(f"precision must be {', '.join(PRECISIONS)}; got {config.precision!r}")
    chosen = config.precision
    if chosen == "auto" and device.type == "cuda":
        generation = torch.cuda.get_device_capability(device)[0]
        chosen = "bf16" if generation >= 8 else "fp16" if generation == 7 else "fp32"
    elif chosen == "auto":
        fit = device.type == "cpu" and config.bf16_on_cpu and bf16_instructions()
        chosen = "bf16" if fit else "fp32"
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}[chosen]


def bf16_instructions() -> bool:
    """Whether this CPU multiplies in bfloat16 itself (AVX-512 BF16, AMX)."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def worth_compiling(device: torch.device, config: Config) -> bool:
    """Whether `torch.compile` (about a minute at first) pays: on a GPU, in a run of minutes."""
    long = config.minutes >= 5 if config.minutes else config.steps >= 2000
    able = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7
    return long and able and importlib.util.find_spec("triton") is not None


class Team:
    """The processes that train together: one, unless a launcher started several.

    `size` says how many they are, `rank` which one this is. The first (rank 0) prints and writes.
    """

    def __init__(self, device: torch.device, engine: Accelerator | None = None):
        self.device, self.engine = device, engine
        self.size = 1 if engine is None else engine.num_processes
        self.rank = 0 if engine is None else engine.process_index

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, tensor: Tensor) -> Tensor:
        """This process's equal part of a batch."""
        part = len(tensor) // self.size
        return tensor[self.rank * part : (self.rank + 1) * part]

    def wrap(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are averaged over the team."""
        return network if self.engine is None else self.engine.prepare_model(network)

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor if self.engine is None else self.engine.reduce(tensor.clone(), "sum")

    def most(self, tensor: Tensor) -> Tensor:
        return tensor if self.engine is None else self.engine.gather(tensor[None]).max()

    def agree(self, value: T) -> T:
        """What the first process says, for all."""
        if self.engine is None:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def in_turn(self, action: Callable[[], T]) -> T:
        """Let the first do something before the others do: read, repair, cache."""
        if self.engine is None:
            return action()
        with self.engine.main_process_first():
            return action()


def launched() -> tuple[int, int]:
    """(rank, size) of this process among those that a launcher started, by its environment.

    A rank without a size is not a launcher's: the process is alone.
    """
    given = (os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE"))
    rank, size = (int(value) if value.isdecimal() else 0 for value in given)
    return (rank, size) if size > 1 else (0, 1)


@functools.cache
def team(device: str = "auto") -> Team:
    """The `Team` of this process, of one unless a launcher started several.

    Raises ValueError for a device that is not here, or where the extra ``distributed`` is missing.
    """
    chosen = pick_device(device)
    if launched()[1] == 1:
        return Team(chosen)
    try:
        from accelerate import Accelerator
    except ImportError:
        raise ValueError(
            'to train on several devices, install the extra: pip install "binolab[distributed]"'
        ) from None
    engine = Accelerator(cpu=chosen.type == "cpu", mixed_precision="no")
    return Team(engine.device, engine)
