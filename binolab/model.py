"""Networks on disk: safetensors for the numbers, its metadata for what they mean. No pickle.

The metadata is a *card*: which network, its arguments, and what sampling must know (prior,
schedule, pitch range, ticks). Two models ship with the project: `best`, the default, and `paper`,
the UNet as printed.
"""

from __future__ import annotations

import inspect
import json
import os
from functools import partial
from pathlib import Path

import torch

from binolab import files
from binolab.diffusion import schedules
from binolab.music import rolls
from binolab.music.codec import Codec
from binolab.networks import NETWORKS, UNet

SCHEDULES = {
    "linear": schedules.linear, "cosine": schedules.cosine, "power": schedules.power,
    "spaced": schedules.spaced,
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


def prior(card, device="cpu"):
    """The card's ρ: a number, or a tensor (K, P, 1) or (K, 1, 1) for bits of several kinds."""
    rho = card["prior"]
    return torch.tensor(rho, device=device)[..., None] if isinstance(rho, list) else rho


def codec(card):
    """Between rolls and the bits that the card's network was trained on."""
    ticks = card.get("ticks", rolls.TICKS)
    grid = card.get("grid", ticks)
    if type(grid) is not int:
        raise ValueError("grid must be a whole number of columns a beat")
    return Codec(ticks, grid)


def find(name):
    """The file that a model's name means: a shipped name, a `.safetensors` file, or a run folder.

    Raises WeightsError, listing the shipped names, when there is none.
    """
    shipped = files.data_folder() / f"{name}.safetensors"
    if os.sep not in str(name) and shipped.exists():
        return shipped
    path = Path(name)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        found = sorted(p.stem for p in files.data_folder().glob("*.safetensors"))
        names = ", ".join(found) or "none"
        raise WeightsError(
            f"{name}: no such model; give a shipped name ({names}), "
            "a .safetensors file, or the folder of a training run"
        )
    return path


def save(path, model, card, dtype=torch.float16):
    """Write a network and its card, whole or not at all. Half precision unless told otherwise."""
    from safetensors.torch import save as packed

    tensors = {n: v.detach().to("cpu", dtype).contiguous() for n, v in model.state_dict().items()}
    with files.replacing(path) as temporary:
        temporary.write_bytes(packed(tensors, {"card": json.dumps(card)}))


WHOLE = {  # what a card must tell in whole numbers, and between which
    "T": (1, 100_000), "low": (0, 127), "pitches": (1, 128), "ticks": (1, rolls.RESOLUTION),
    "length": (1, 24_000),
}

KINDS = {int: [int], float: [int, float], bool: [bool], tuple: [list, tuple]}  # of JSON, for ours


def check(card):
    """ValueError, naming the fault, unless a card tells all that sampling must know."""
    if not isinstance(card, dict):
        raise ValueError("the card is missing or no table")
    missing = [k for k in ("network", "arguments", "prior", "schedule", *WHOLE) if k not in card]
    if missing:
        raise ValueError(f"the card has no {missing[0]}")
    for name, (least, most) in WHOLE.items():
        if type(card[name]) is not int or not least <= card[name] <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most:,}")
    if card["low"] + card["pitches"] > 128:
        raise ValueError(f"{card['pitches']} pitches from MIDI {card['low']} go beyond MIDI 127")
    if card["length"] % card["ticks"]:
        raise ValueError(f"length must be whole beats of {card['ticks']} ticks")
    planes = card.get("planes", 1)
    if type(planes) is not int or not 1 <= planes <= 32:
        raise ValueError("planes must be a whole number from 1 to 32")
    kinds = planes * codec(card).kinds  # raises where the grid does not fit
    rows = card["prior"] if isinstance(card["prior"], list) else [[card["prior"]]] * kinds
    wide = {len(row) if isinstance(row, list) else 0 for row in rows}
    if len(rows) != kinds or wide not in ({1}, {card["pitches"]}) or not all(
        type(rho) in (int, float) and 0 < rho < 1 for row in rows for rho in row
    ):
        raise ValueError("prior must be between 0 and 1, one or a row for each kind of bit")
    if not isinstance(card["network"], str) or card["network"] not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}")
    if kinds > 1 and card["network"] != "BeatTransformer":
        raise ValueError(f"{card['network']} takes one plane of ticks, BeatTransformer a coarser "
                         "grid and more planes")
    given = card["schedule"]
    if not isinstance(given, (list, tuple)) or not given or given[0] not in list(SCHEDULES):
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}")
    alpha_bar = schedule(card)
    if alpha_bar[0] != 1 or not alpha_bar[-1] >= 0 or not (alpha_bar.diff() <= 0).all():
        raise ValueError("schedule must fall from 1 to 0")


def outline(card, parts):
    """The network of a card on the meta device: shapes without memory, of at most `parts` parts."""
    network, given = NETWORKS[card["network"]], card["arguments"]
    if not isinstance(given, dict):
        raise ValueError("the arguments are no table")
    known = inspect.signature(network).parameters
    for name, value in given.items():
        if name in known and name == "prior" and value == card["prior"]:  # `check` has seen it
            continue
        usual = known[name].default if name in known else None
        sound = type(value) in KINDS.get(type(usual), ())
        if type(usual) is int:
            sound = sound and value >= (name != "mixers")
        if isinstance(usual, tuple):
            sound = sound and 0 < len(value) <= parts and all(type(v) is int for v in value)
        if not sound:
            raise ValueError(f"{card['network']} takes no {name} of {repr(value)[:30]}")
    if max(given.get("depth", 0), given.get("mixers", 0)) > parts:
        raise ValueError("the card tells of more layers than the file holds")
    with torch.device("meta"):
        model = build(card)
    stride, pitches = model.stride, getattr(model, "pitches", card["pitches"])
    if pitches != card["pitches"] or isinstance(model, UNet) and pitches % stride:
        raise ValueError(f"the network does not take {card['pitches']} pitches")
    kinds = card.get("planes", 1) * codec(card).kinds
    if getattr(model, "kinds", 1) != kinds:
        raise ValueError(f"the network does not take {kinds} kinds of bit")
    if card["length"] % (stride * codec(card).span):
        raise ValueError(f"the network does not take a length of {card['length']} ticks")
    return model


def unlike(model, found):
    """What is wrong with the shapes that a file holds, by name, for a model; None if nothing."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            return (f"{name} is {found.get(name, 'missing')} in the file, "
                    f"{wanted.get(name, 'nothing')} by its card")
    return None


REACH = 1e9  # of what layers take and give: their squares, summed, stay far below 3e38


@torch.no_grad()
def overflowing(model):
    """The name of a layer that takes or gives more than `REACH` for short rolls; None if none does.

    Weights can each be finite, and their products not.
    """
    found = []

    def watch(name, layer, given, answer):
        if not all(value.abs().max() <= REACH for value in (*given, answer)):  # nan is no less
            found.append(name)

    hooks = [layer.register_forward_hook(partial(watch, name))
             for name, layer in model.named_modules() if not any(layer.children())]
    shape = 2, getattr(model, "kinds", 1), getattr(model, "pitches", model.stride), 2 * model.stride
    bits = torch.rand(shape, generator=torch.Generator().manual_seed(0)).round()
    model(bits, torch.tensor([0.0, 0.99]))
    for hook in hooks:
        hook.remove()
    return found[0] if found else None


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
            card = json.loads((file.metadata() or {}).get("card", "null"))
            check(card)
            found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
            fault = unlike(outline(card, len(found)), found)
            if fault:
                raise ValueError(fault)
            state = {key: file.get_tensor(key).float() for key in found}  # the memory begins here
        most = torch.finfo(torch.float16).max  # `save` writes no more
        wild = [key for key, value in state.items() if not (value.abs() <= most).all()]
        if wild:
            raise ValueError(f"{wild[0]} holds numbers that are not finite, or beyond {most:,.0f}")
        model = build(card)
        model.load_state_dict(state)
        layer = overflowing(model.eval())
        if layer:
            raise ValueError(f"the numbers in {layer} go beyond {REACH:,.0f}")
    except (SafetensorError, OSError, LookupError, ArithmeticError, RuntimeError, TypeError,
            ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{path}: not weights of this program ({reason}); train them again or copy them whole"
        ) from None
    return model.to(device), card


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
