"""Windows of whole pieces, as the batches that a network learns from.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import numpy as np
import torch

from binolab import rolls


class Bank:
    """Whole pieces on the device as packed bits, and random windows of them.

    Windows begin on a beat of their piece, every beat alike; each is transposed by a random number
    of semitones among those that keep its piece inside the range. The pieces lie end to end on one
    tape, eight pitches a byte: MAESTRO's 200 hours take 240 MB.
    """

    def __init__(self, pieces, config, device):
        self.length, self.pitches = config.length, pieces[0].roll.shape[0]
        tape, starts, room, begin = [], [], [], 0
        for i, piece in enumerate(pieces):
            ticks = piece.roll.shape[1]
            short = max(self.length - ticks, 0)
            tape.append(np.packbits(np.pad(piece.roll, ((0, 0), (0, short))), axis=0))
            first = np.arange(0, max(ticks - self.length, 0) + 1, config.ticks)
            starts.append(np.stack([np.full_like(first, i), begin + first]))
            begin += ticks + short
            lit = np.flatnonzero(piece.roll.any(1))
            bottom, top = (lit[0], lit[-1]) if len(lit) else (0, self.pitches - 1)
            room.append((bottom, self.pitches - 1 - top))
        room = np.minimum(room, config.transpose)
        self.tape = torch.from_numpy(np.concatenate(tape, axis=1)).to(device)  # (bytes, all ticks)
        self.starts = torch.from_numpy(np.concatenate(starts, axis=1)).to(device)  # piece, its tick
        self.room = torch.from_numpy(room.T.copy()).to(device)  # (2, pieces): semitones down, up
        order = range(7, -1, -1)  # the lowest pitch of eight is a byte's highest bit
        self.bit = torch.tensor(order, dtype=torch.uint8, device=device)[:, None]

    def draw(self, batch, generator):
        """(batch, 1, P, L) float bits. Nothing here waits for the device."""
        device = self.tape.device

        def uniform():
            return torch.rand(batch, generator=generator, device=device)

        piece, start = self.starts[:, (uniform() * self.starts.shape[1]).long()]
        down, up = self.room[:, piece]
        shift = (uniform() * (down + up + 1)).long() - down
        tick = start[:, None] + torch.arange(self.length, device=device)
        packed = self.tape[:, tick].transpose(0, 1)[:, :, None]  # (batch, bytes, 1, L)
        bits = (packed >> self.bit & 1).flatten(1, 2)  # (batch, 8 · bytes, L)
        row = (torch.arange(self.pitches, device=device) - shift[:, None]).remainder(self.pitches)
        return bits.gather(1, row[..., None].expand(-1, -1, self.length))[:, None].float()


def held_out_windows(pieces, length, most):
    """At most `most` whole windows of held-out pieces, evenly picked: (n, 1, P, L) float bits."""
    cut = [
        window
        for piece in pieces
        for window in rolls.windows(piece.roll, length)[: max(1, piece.roll.shape[1] // length)]
    ]
    most = min(most, len(cut))
    picked = [cut[i * len(cut) // most] for i in range(most)]
    return torch.stack([torch.from_numpy(w) for w in picked])[:, None].float()
