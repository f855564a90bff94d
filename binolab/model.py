"""A trained model: its network, its noise, its bits; loaded and saved. No pickle.

Files are safetensors; their metadata is a `card`. Two models ship with the project: `best`, the
default, and `unet`, the UNet as printed.

Chapters: 07 *Training it*, 09 *Drawing bits*.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from binolab import files
from binolab.card import Card
from binolab.diffusion.kernel import Network
from binolab.music import voices
from binolab.music.codec import Codec
from binolab.networks import Denoiser

REACH = 1e9  # of what layers take and give: their squares, summed, stay far below 3e38


class WeightsError(ValueError):
    """Weights that are missing or cannot be used; the message names the remedy."""


@dataclass(frozen=True)
class Model:
    """A network and all that sampling must know of it.

    Attributes
    ----------
    network
        P(x_0 = 1 | x_t) = ``network(x_t, alpha_bar_t, known)``: a `Denoiser`, or any function.
        ``dataclasses.replace(model, network=...)`` puts another in its place.
    card
        Its pitch range, ticks and ρ are attributes here too.
    """

    network: Network
    card: Card

    @property
    def low(self) -> int:
        """The MIDI note of row 0."""
        return self.card.low

    @property
    def pitches(self) -> int:
        """Rows of a roll."""
        return self.card.pitches

    @property
    def ticks(self) -> int:
        """Ticks of a beat."""
        return self.card.ticks

    @property
    def length(self) -> int:
        """Ticks of a window."""
        return self.card.length

    @property
    def axes(self) -> dict[str, int]:
        """``low`` and ``ticks``: what a picture, a MIDI file or a statistic must know of a roll."""
        return {"low": self.card.low, "ticks": self.card.ticks}

    @property
    def prior(self) -> float | Tensor:
        """ρ, on the network's device."""
        return self.card.rho(self.device)

    @property
    def codec(self) -> Codec:
        """Between rolls and the network's bits."""
        return self.card.codec

    @property
    def device(self) -> torch.device:
        """Of the weights; a network without any is on the CPU."""
        weights = self.network.parameters() if isinstance(self.network, nn.Module) else ()
        return next((value.device for value in weights), torch.device("cpu"))

    @property
    def exclusive(self) -> bool:
        """Whether a plane holds one note at a time (`sampling.draw_one`), by the card: a function
        in the network's place does not say."""
        return bool(self.card.arguments.get("voices"))

    def alpha_bar(self, T: int | None = None) -> Tensor:
        """The schedule (T + 1,), float64."""
        return self.card.alpha_bar(T)

    def __call__(
        self, x_t: Tensor, alpha_bar_t: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """P(x_0 = 1 | x_t), bit by bit; shapes (B, K, P, C), (B,), (B, K, P, C)."""
        return self.network(x_t, alpha_bar_t, known)

    def encode(self, x0: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A roll and its mask as the bits of the network: (B, V, P, L) -> (B, K, P, C) twice.

        A roll that is given in the model's planes is taken in these. Of one plane the notes are
        given to voices (`voices.split`); or they are the first of several parts (`Card.parts`), and
        all others are silent. Nothing is known where no mask is given.
        """
        card = self.card
        planes, known = x0, torch.zeros_like(x0, dtype=torch.bool) if known is None else known
        if x0.shape[1] != card.planes and card.channels == 1:
            planes = voices.split(x0, card.planes, known, card.low)
        elif x0.shape[1] != card.planes:
            silent = (0, 0, 0, 0, 0, card.channels - 1)
            planes, known = F.pad(x0, silent), F.pad(known, silent, value=True)
        return card.codec.encode(planes), card.codec.known(known.expand(-1, card.planes, -1, -1))

    def decode(self, bits: Tensor) -> Tensor:
        """The roll of some bits: (B, K, P, C) -> (B, V, P, L)."""
        planes = self.card.codec.decode(bits)
        return voices.merge(planes) if self.card.channels == 1 else planes


def find(name: str | Path) -> Path:
    """The file of a model: of a shipped name, a `.safetensors` file, or a run folder.

    Raises WeightsError, listing the shipped names, when there is none.
    """
    shipped = files.data_folder() / f"{name}.safetensors"
    if os.sep not in str(name) and shipped.exists():
        return shipped
    path = Path(name)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        names = sorted(p.stem for p in files.data_folder().glob("*.safetensors"))
        raise WeightsError(
            f"{name}: no such model; give a shipped name ({', '.join(names) or 'none'}), "
            "a .safetensors file, or the folder of a training run"
        )
    return path


def save(
    path: str | Path, network: nn.Module, card: Card, dtype: torch.dtype = torch.float16
) -> None:
    """Write a network and its card, whole or not at all. Half precision unless told otherwise."""
    from safetensors.torch import save as packed

    state = network.state_dict().items()
    tensors = {name: v.detach().to("cpu", dtype).contiguous() for name, v in state}
    with files.replacing(path) as temporary:
        temporary.write_bytes(packed(tensors, {"card": card.json()}))


def load(name: str | Path = "best", device: str | torch.device = "cpu") -> Model:
    """Read a model, in evaluation mode and single precision.

    `name` is "best", "piano", "unet", a `.safetensors` file, or the folder of a training run.

    Raises
    ------
    WeightsError
        In one line, when there is no such model or the file is not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    path = find(name)
    faults = SafetensorError, OSError, LookupError, ArithmeticError, RuntimeError, TypeError
    try:
        with safe_open(str(path), framework="pt") as file:
            card = Card.read((file.metadata() or {}).get("card"))
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
            check_shapes(card.outline(len(shapes)), shapes)
            state = {key: file.get_tensor(key).float() for key in shapes}  # memory begins here
        most = torch.finfo(torch.float16).max  # `save` writes no more
        wild = [key for key, value in state.items() if not (value.abs() <= most).all()]
        if wild:
            raise ValueError(f"{wild[0]} holds numbers that are not finite, or beyond {most:,.0f}")
        network = card.build().eval()
        network.load_state_dict(state)
        check_products(network)
    except (*faults, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{path}: not weights of this program ({reason}); train them again or copy them whole"
        ) from None
    return Model(network.to(device), card)


def check_shapes(network: nn.Module, shapes: dict[str, tuple[int, ...]]) -> None:
    """ValueError unless a file holds, by name, tensors of the shapes of a network's."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        if wanted.get(name) != shapes.get(name):
            raise ValueError(
                f"{name} is {shapes.get(name, 'missing')} in the file, "
                f"{wanted.get(name, 'nothing')} by its card"
            )


@torch.no_grad()
def check_products(network: Denoiser) -> None:
    """ValueError if a layer takes or gives more than `REACH` for short rolls.

    Weights can each be finite, and their products not.
    """

    def watch(name: str, layer: nn.Module, given: tuple, answer: Tensor) -> None:
        if not all(value.abs().max() <= REACH for value in (*given, answer)):  # nan is no less
            raise ValueError(f"the numbers in {name} go beyond {REACH:,.0f}")

    leaves = [(name, m) for name, m in network.named_modules() if not any(m.children())]
    hooks = [layer.register_forward_hook(partial(watch, name)) for name, layer in leaves]
    stride = network.stride
    shape = 2, network.kinds, network.pitches or stride, 2 * stride
    bits = torch.rand(shape, generator=torch.Generator().manual_seed(0)).round()
    network(bits, torch.tensor([0.0, 0.99]))
    for hook in hooks:
        hook.remove()


def pick_device(device: str = "auto") -> torch.device:
    """`torch.device` for a name; "auto" is the GPU where there is one.

    Raises ValueError for a device that this machine does not have.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"no device {device!r} here; `device` takes auto, cpu or cuda") from None
    return torch.device(device)
