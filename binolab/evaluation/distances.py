"""How far one set of rolls lies from another: overlaps, divergences, nearest neighbours.

A distance says little by itself. `comparison.compare` measures it between made rolls and held-out
music, between training and held-out music (the *floor*: real music, as many rolls), and between
held-out music and the same with its cells shuffled (a control that must fail).

Chapter: 16 *How good is it?*.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise as successive
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from binolab.evaluation.features import RollSet, ratio
from binolab.music import rolls

GRID = 1024  # bins on which densities are estimated
FRAME, HOP = 4, 2  # beats; Mittal et al. took bars, four times as long, of pieces of 64 bars


def overlap_area(a: np.ndarray, b: np.ndarray) -> float:
    """Area under the lower of two kernel density estimates, 0 to 1 (MGEval: OA).

    The samples `a` and `b` are, in MGEval's use, distances within a set and between two sets.
    Gaussian kernels of Scott's width are integrated between the least and the greatest value. What
    the kernels spill outside is lost, as in MGEval's own code. No kernel is defined for a set that
    has no spread; then it is the share of values that are equal.

    Source: Yang & Lerch, On the evaluation of generative models in music, 2020. Chapter: 16.
    """
    return float(_overlap(*_densities(a, b))[0])


def divergence(a: np.ndarray, b: np.ndarray) -> float:
    """KL divergence in nats of the density of `b` from that of `a` (MGEval: KLD of a from b).

    Densities as in `overlap_area`, normalized on one grid for both (MGEval's code reads each on a
    grid of its own) and cut off below at 1e-12 so that the figure is finite.
    """
    return float(_divergence(*_densities(a, b))[0])


def _densities(a, b):
    grid = _Grid(a, b)
    return grid.densities(*([grid.count(grid.bins(x))] for x in (a, b)))


class _Grid:
    """`GRID` bins from the least to the greatest value of some samples."""

    def __init__(self, *samples):
        self.low = min(float(s.min()) for s in samples)
        self.width = (max(float(s.max()) for s in samples) - self.low) / GRID or 1.0

    def bins(self, values):
        return np.clip((values - self.low) / self.width, 0, GRID - 1).astype(np.int32)

    @staticmethod
    def count(bins, weights=None):
        weights = None if weights is None else np.ravel(weights)
        return np.bincount(bins.ravel(), weights, GRID)

    @staticmethod
    def densities(*counts, times=(1, 1)):
        """Kernel density estimates in the bins, (B, GRID) each, from B counts of two samples.

        `times` scales the sizes that Scott's rule is told: MGEval counts the distances within a
        set twice.
        """
        at = np.arange(GRID)
        shares, widths = [], []
        for count, k in zip((np.array(c, float).reshape(-1, GRID) for c in counts), times):
            n = count.sum(1, keepdims=True)
            with np.errstate(invalid="ignore"):  # a resampling of very few rolls may hold no pair
                shares.append(count / n)
            mean = shares[-1] @ at
            variance = np.maximum(shares[-1] @ (at * at) - mean**2, 0)[:, None]
            n = np.maximum(n * k, 2)
            widths.append(np.sqrt(variance * n / (n - 1)) * n ** (-1 / 5))
        plain = np.minimum(*widths) < 0.5  # of a bin: no spread to speak of
        frequency = np.fft.rfftfreq(2 * GRID)
        smooth = []
        for share, width in zip(shares, widths):
            kernel = np.exp(-2 * (np.pi * frequency * np.where(plain, 0, width)) ** 2)
            spread = np.fft.irfft(np.fft.rfft(share, 2 * GRID) * kernel, 2 * GRID)
            smooth.append(np.maximum(spread[:, :GRID], 0))
        return smooth


def _overlap(p, q):
    return np.minimum(p, q).sum(1)


def _divergence(p, q):
    p, q = (np.maximum(x / x.sum(1, keepdims=True), 1e-12) for x in (p, q))
    return (p * np.log(p / q)).sum(1)


def pairwise(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances of every roll's feature in `a` from every one in `b`: (n, m)."""
    if a.ndim == 1:
        return np.abs(a[:, None] - b)
    return np.stack([np.linalg.norm(b - row, axis=1) for row in a])


class Distances:
    """Distances of one feature within a held-out set and to another set, binned for resampling."""

    def __init__(self, held: np.ndarray, other: np.ndarray):
        self.i, self.j = np.triu_indices(len(held), 1)
        self.within, self.across = pairwise(held, held)[self.i, self.j], pairwise(held, other)
        self.grid = _Grid(self.within, self.across)
        self.bins = self.grid.bins(self.within), self.grid.bins(self.across)

    def compare(self, held: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """MGEval's overlap areas and divergences, (B,) each.

        For B weightings, of the held-out rolls (B, n) and of the other set's (B, m): distances
        within the held-out set against those to the other.
        """
        within = [self.grid.count(self.bins[0], w[self.i] * w[self.j]) for w in held]
        across = []
        for v, w in zip(held, other):
            some = np.flatnonzero(w)
            across.append(self.grid.count(self.bins[1][:, some], np.outer(v, w[some])))
        densities = self.grid.densities(within, across, times=(2, 1))
        return _overlap(*densities), _divergence(*densities)


def direct_overlap(a: np.ndarray, b: np.ndarray, w_a: np.ndarray, w_b: np.ndarray) -> np.ndarray:
    """Overlaps of the distributions of a feature itself, (B,), for B weightings of two sets.

    Of numbers, the area under the lower of two kernel density estimates, each made to hold area 1
    between the least and the greatest value; of histograms, the area under both mean histograms.
    """
    if a.ndim == 2:
        p, q = (w @ x / w.sum(1, keepdims=True) for x, w in ((a, w_a), (b, w_b)))
    else:
        grid = _Grid(a, b)
        counts = ([grid.count(grid.bins(x), w) for w in ws] for x, ws in ((a, w_a), (b, w_b)))
        p, q = (d / d.sum(1, keepdims=True) for d in grid.densities(*counts))
    return _overlap(p, q)


def shuffled(batch: ArrayLike, generator: np.random.Generator) -> np.ndarray:
    """The same rolls with the cells of each in random order: as many notes, and no music."""
    batch = np.asarray(batch, bool)
    return generator.permuted(batch.reshape(len(batch), -1), axis=1).reshape(batch.shape)


def self_similarity(
    batch: ArrayLike, *, low: int = rolls.LOW, ticks: int = rolls.TICKS
) -> dict[str, np.ndarray]:
    """Framewise self-similarity: overlap of successive frames' pitches and note lengths.

    A frame is four beats and the next begins two beats later. One Gaussian is fitted to the pitches
    of the notes that begin in a frame, another to their lengths. The figure is the area that the
    Gaussians of two neighbours share.

    Returns
    -------
    dict of ndarray, (N, frames - 1)
        ``pitch`` and ``duration``, 0 to 1; nan beside a frame in which no note begins.

    Source: Mittal et al., Symbolic music generation with diffusion models, 2021. Chapter: 16.
    """
    x = RollSet(batch, low, ticks)
    roll, row, start, _, _ = x.notes
    frames = max(0, (x.length - FRAME * ticks) // (HOP * ticks) + 1)
    similar = {}
    for name, value in (("pitch", row + low), ("duration", x.lengths)):
        fits = np.full((x.n, frames, 2), np.nan)
        for k in range(frames):
            inside = (start >= k * HOP * ticks) & (start < (k * HOP + FRAME) * ticks)
            count, total, square = (
                np.bincount(roll[inside], value[inside] ** p, x.n) for p in (0.0, 1.0, 2.0)
            )
            mean = ratio(total, count)
            spread = np.sqrt(np.maximum(ratio(square, count) - mean**2, 0))
            fits[:, k] = np.stack([mean, spread + 1e-6], 1)
        areas = [[_shared(*one, *next) for one, next in successive(fit)] for fit in fits]
        similar[name] = np.array(areas).reshape(x.n, max(0, frames - 1))
    return similar


def _shared(m, s, n, t):
    """The area that two Gaussians (means m, n; deviations s, t) share."""
    return np.nan if np.isnan(m + n) else NormalDist(m, s).overlap(NormalDist(n, t))


def nearest(
    batch: ArrayLike,
    pieces: Sequence[np.ndarray],
    *,
    ticks: int = rolls.TICKS,
    shifts: Sequence[int] = range(-6, 6),
) -> np.ndarray:
    """Distance of each roll from the nearest window of some pieces, in any key.

    1 - (cells lit in both) / (cells lit in either), looked at once every eighth note. It is the
    least over the windows that begin on a beat and over the transpositions `shifts` in semitones.

    Parameters
    ----------
    batch : array of bits (N, P, L)
    pieces : list of arrays of bits, (P, n)
        Shorter ones than L are padded with rests.

    Returns
    -------
    ndarray of float, (N,)
        0: a copy. 1: nothing in common.

    Chapter: 16.
    """
    batch = np.asarray(batch, bool)
    n, pitches, length = batch.shape
    step = max(1, ticks // 2)
    query = np.zeros((len(shifts), n, pitches, -(-length // step)), np.float32)
    for moved, shift in zip(query, shifts):
        inside = slice(max(0, shift), pitches + min(0, shift))
        moved[:, inside] = batch[:, max(0, -shift) : pitches - max(0, shift), ::step]
    query = query.reshape(len(shifts) * n, -1)
    lit = np.tile(batch[:, :, ::step].sum((1, 2)), len(shifts))[:, None]
    best = np.zeros(n)
    for piece in pieces:
        last = max(0, piece.shape[1] - length)
        windows = rolls.windows(piece, length, ticks)[: last // ticks + 1, :, ::step]
        windows = windows.reshape(len(windows), -1).astype(np.float32)
        both = query @ windows.T
        either = np.maximum(lit + windows.sum(1) - both, 1)
        best = np.maximum(best, (both / either).max(1).reshape(len(shifts), n).max(0))
    return 1 - best
