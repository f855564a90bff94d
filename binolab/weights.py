"""Networks on disk: safetensors for the numbers, its metadata for what they mean. No pickle.

The metadata is a *card*: which network, its arguments, and what sampling must know (prior,
schedule, pitch range, ticks). Two models ship with the project: `best`, the default, and `paper`,
the UNet as printed.
"""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

import torch

from binolab import kernel, rolls
from binolab.transformer import FrameTransformer
from binolab.unet import UNet

NETWORKS = {"UNet": UNet, "FrameTransformer": FrameTransformer}
SCHEDULES = {
    "linear": kernel.linear, "cosine": kernel.cosine, "power": kernel.power,
    "spaced": kernel.spaced,
}


class WeightsError(ValueError):
    """Weights that are missing or cannot be used; the message names the remedy."""


def build(card):
    """A fresh network as a card describes it: ``{"network": name, "arguments": {…}}``."""
    return NETWORKS[card["network"]](**card["arguments"])


def schedule(card, T=None):
    """The card's schedule as a tensor `alpha_bar` (T + 1,); `T` defaults to the card's own."""
    name, *parameters = card["schedule"]
    return SCHEDULES[name](T or card["T"], *parameters)


def data_folder():
    """The folder of the files that ship: inside an installed wheel, else the checkout's data/."""
    installed = Path(str(files("binolab"))) / "_data"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "data"


def find(name):
    """The file that a model's name means: a shipped name, a `.safetensors` file, or a run folder.

    Raises WeightsError, listing the shipped names, when there is none.
    """
    shipped = data_folder() / f"{name}.safetensors"
    if os.sep not in str(name) and shipped.exists():
        return shipped
    path = Path(name)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in data_folder().glob("*.safetensors"))) or "none"
        raise WeightsError(
            f"{name}: no such model; give a shipped name ({names}), "
            "a .safetensors file, or the folder of a training run"
        )
    return path


def save(path, model, card, dtype=torch.float16):
    """Write a network and its card, whole or not at all. Half precision unless told otherwise."""
    from safetensors.torch import save_file

    tensors = {n: v.detach().to("cpu", dtype).contiguous() for n, v in model.state_dict().items()}
    with rolls.replacing(path) as temporary:
        save_file(tensors, str(temporary), metadata={"card": json.dumps(card)})


def load(name="best", device="cpu"):
    """Read a network and its card.

    Parameters
    ----------
    name : str or Path
        `"best"`, `"paper"`, a `.safetensors` file, or the folder of a training run.
    device : str or torch.device

    Returns
    -------
    model : Denoiser
        In evaluation mode, float32, on `device`.
    card : dict
        network, arguments, prior, schedule, T, low, pitches, ticks, length, and how it was trained.

    Raises
    ------
    WeightsError
        In one line, when there is no such model or the file is not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    path = find(name)
    try:
        with safe_open(str(path), framework="pt") as file:
            card = json.loads((file.metadata() or {})["card"])
            state = {key: file.get_tensor(key).float() for key in file.keys()}
        model = build(card)
        model.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{path}: not weights of this program ({reason}); train them again or copy them whole"
        ) from None
    return model.to(device).eval(), card
