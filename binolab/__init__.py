"""binolab: binomial diffusion on binary piano rolls.

    import binolab

    binolab.generate("new.mid")                                 write piano music
    binolab.complete("piece.mid", "out.mid", keep=8)            keep eight beats, write the rest
    binolab.infill("piece.mid", "out.mid", begin=4, end=12)     fill a hole
    binolab.harmonize("melody.mid", "out.mid", seed=1)          write what lies below a melody
    binolab.accompany("song.mid", "out.mid", melody="Voice")    write a piano for a voice
    binolab.vary("piece.mid", "out.mid", strength=0.5)          a variation
    model = binolab.load("best")                                a trained model

Each takes a path or a `PrettyMIDI` and returns a `PrettyMIDI`. Behind the door are the rooms:

    music, diffusion, networks, card, model, compose, show, datasets, training, evaluation, cli

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from binolab.compose import accompany, complete, generate, harmonize, infill, vary
    from binolab.model import load

__version__ = "0.1.0"
DOOR = {"load": "model"} | dict.fromkeys(
    ("generate", "complete", "infill", "harmonize", "accompany", "vary"), "compose"
)
ROOMS = (
    "music",
    "diffusion",
    "networks",
    "card",
    "model",
    "compose",
    "show",
    "datasets",
    "training",
    "evaluation",
    "cli",
)
__all__ = ["accompany", "complete", "generate", "harmonize", "infill", "load", "vary"]


def __getattr__(name: str):
    if name in DOOR:
        return getattr(import_module(f"binolab.{DOOR[name]}"), name)
    if name in ROOMS:
        return import_module(f"binolab.{name}")
    raise AttributeError(f"module 'binolab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*DOOR, *ROOMS, "__version__"])
