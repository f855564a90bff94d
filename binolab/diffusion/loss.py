"""What training makes small: how far the network's guess of the clean roll is off.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def loss(
    logits: Tensor, x0: Tensor, free: Tensor, kind: str = "bce", cells: Tensor | None = None
) -> Tensor:
    """Mean loss over the cells to be guessed.

    ``l2`` (the paper, §2) and ``bce`` are least where the answer is the *mean* of x_0 given x_t, a
    probability that can be drawn from. ``l1`` (the author's code) is least where it is the
    *median*, which in deep noise is silence.

    Parameters
    ----------
    logits, x0 : (B, K, P, C)
    free : bool, same shape
        True where the cell was not given.
    kind : {"bce", "l2", "l1"}
        A training run also knows ``bound``, the terms of the likelihood bound.
    cells
        How many to divide by, where these are part of a larger batch.
    """
    if kind == "bce":
        each = F.binary_cross_entropy_with_logits(logits, x0, reduction="none")
    elif kind in ("l2", "l1"):
        each = (torch.sigmoid(logits) - x0).abs() ** (2 if kind == "l2" else 1)
    else:
        raise ValueError(f"loss must be bce, l2, l1 or bound, got {kind!r}")
    return (each * free).sum() / (free.sum() if cells is None else cells).clamp(min=1)
