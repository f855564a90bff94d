"""Windows of whole pieces, as the batches that a network learns from.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from binolab.datasets.pieces import Piece
from binolab.music.codec import Codec
from binolab.training.config import Config


class Bank:
    """Whole pieces on the device as packed bits (`codec`), and random windows of them.

    A window begins on any beat of its piece, with equal chance. It is transposed by a random number
    of semitones among those that keep its piece inside the range. The pieces lie end to end on one
    tape, eight pitches a byte: MAESTRO's 200 hours take 240 MB.
    """

    def __init__(self, pieces: Sequence[Piece], config: Config, device: str | torch.device):
        self.codec = Codec(config.ticks, config.grid or config.ticks)
        self.columns = config.length // self.codec.span
        tape, starts, spare, begin = [], [], [], 0
        for i, piece in enumerate(pieces):
            roll = piece.in_planes(config.planes or 1)  # (V, P, ticks)
            ticks = roll.shape[-1]
            short = max(config.length - ticks, -ticks % self.codec.span)
            roll = np.pad(roll, ((0, 0), (0, 0), (0, short)))
            bits = self.codec.encode(torch.from_numpy(roll)).numpy()  # (K, P, C)
            self.kinds, self.pitches, columns = bits.shape
            tape.append(np.packbits(bits, axis=1).reshape(-1, columns))
            first = np.arange(0, max(ticks - config.length, 0) + 1, config.ticks) // self.codec.span
            starts.append(np.stack([np.full_like(first, i), begin + first]))
            begin += columns
            lit = np.flatnonzero(roll.any((0, 2)))
            bottom, top = (lit[0], lit[-1]) if len(lit) else (0, self.pitches - 1)
            spare.append((bottom, self.pitches - 1 - top))
        room = np.minimum(spare, config.transpose)
        self.tape = torch.from_numpy(np.concatenate(tape, axis=1)).to(device)  # (bytes, columns)
        self.starts = torch.from_numpy(np.concatenate(starts, axis=1)).to(device)  # piece, column
        self.room = torch.from_numpy(room.T.copy()).to(device)  # (2, pieces): semitones down, up
        order = range(7, -1, -1)  # the lowest pitch of eight is a byte's highest bit
        self.bit = torch.tensor(order, dtype=torch.uint8, device=device)[:, None]

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Windows as float bits, (batch, K, P, C). Nothing here waits for the device."""
        device = self.tape.device

        def uniform():
            return torch.rand(batch, generator=generator, device=device)

        piece, start = self.starts[:, (uniform() * self.starts.shape[1]).long()]
        down, up = self.room[:, piece]
        shift = (uniform() * (down + up + 1)).long() - down
        column = start[:, None] + torch.arange(self.columns, device=device)
        packed = self.tape[:, column].transpose(0, 1)[:, :, None]  # (batch, K · bytes, 1, C)
        bits = (packed >> self.bit & 1).reshape(batch, self.kinds, -1, self.columns)
        row = (torch.arange(self.pitches, device=device) - shift[:, None]).remainder(self.pitches)
        row = row[:, None, :, None].expand(-1, self.kinds, -1, self.columns)
        return self.codec.window(bits.gather(2, row).float())


def frequency(bank: Bank, by: str = "all", draws: int = 4096) -> float | list[list[float]]:
    """ρ: how often a bit is one, counted in so many random training windows.

    One ρ for "all" bits: a number. One for each "kind", or one for each kind and "pitch": nested
    lists (K, 1) or (K, P), each ρ from 0.0005 to 0.9995.
    """
    generator = torch.Generator(bank.tape.device).manual_seed(0)
    rounds = -(-draws // 64)
    means = (bank.draw(64, generator).double().mean((0, 3)) for _ in range(rounds))
    total = sum(means, torch.zeros(())) / rounds  # (K, P)
    if by == "all":
        return total.mean().item()
    if by == "kind":
        total = total.mean(1, keepdim=True)
    return [[round(v, 6) for v in row] for row in total.clamp(5e-4, 1 - 5e-4).tolist()]
