"""Windows of whole pieces, as the batches that a network learns from.

Chapter: 07 *Training it*.
"""

from __future__ import annotations

import torch

from binolab import rolls


class Bank:
    """Whole pieces on the device, and random windows of them.

    Windows begin on a beat of their piece, every beat alike; each is transposed by a random number
    of semitones among those that keep its piece inside the range.
    """

    def __init__(self, pieces, config, device):
        hop, length = config.ticks, config.length
        longest = max(max(p.roll.shape[1] for p in pieces), length)
        pitches = pieces[0].roll.shape[0]
        self.rolls = torch.zeros(len(pieces), pitches, longest, dtype=torch.uint8)
        starts, room = [], []
        for i, piece in enumerate(pieces):
            roll = torch.from_numpy(piece.roll)
            self.rolls[i, :, : roll.shape[1]] = roll
            last = max(roll.shape[1] - length, 0)
            starts += [(i, s) for s in range(0, last + 1, hop)]
            lit = roll.any(1).nonzero()
            bottom, top = (lit[0].item(), lit[-1].item()) if len(lit) else (0, pitches - 1)
            room.append((min(config.transpose, bottom), min(config.transpose, pitches - 1 - top)))
        self.rolls = self.rolls.to(device)
        self.starts = torch.tensor(starts, device=device)  # (windows, 2): piece, first tick
        self.room = torch.tensor(room, device=device)  # (pieces, 2): semitones down, up
        self.length = length

    def draw(self, batch, generator):
        """(batch, 1, P, L) float bits."""
        device = self.rolls.device

        def uniform():
            return torch.rand(batch, generator=generator, device=device)

        piece, start = self.starts[(uniform() * len(self.starts)).long()].T
        down, up = self.room[piece].T
        shift = (uniform() * (down + up + 1)).long() - down
        row = torch.arange(self.rolls.shape[1], device=device) - shift[:, None]
        tick = start[:, None] + torch.arange(self.length, device=device)
        cut = self.rolls[piece[:, None, None], row.remainder(len(row.T))[:, :, None], tick[:, None]]
        return cut[:, None].float()


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
