"""How far one set of rolls lies from another: overlaps, divergences, and the floor under them.

A distance says little by itself, so `compare` measures it between a set of made rolls and held-out
music, between training and held-out music (the *floor*: real music, as many rolls), and between
held-out music and the same with its cells shuffled (a control that must fail).

Chapter: 14 *How good is it?*.
"""

from __future__ import annotations

from itertools import pairwise as successive
from statistics import NormalDist

import numpy as np

from binolab.evaluation.features import RollSet, ratio
from binolab.music import rolls

GRID = 1024  # bins on which densities are estimated
FRAME, HOP = 4, 2  # beats; Mittal et al. took bars, four times as long, of pieces of 64 bars


def overlap_area(a, b):
    """Area under the lower of two kernel density estimates, 0 to 1 (MGEval: OA).

    Gaussian kernels of Scott's width, integrated between the least and the greatest value: what
    the kernels spill outside is lost, as in MGEval's own code. Where one of the two sets has no
    spread, for which no kernel is defined, it is the share of values that are equal.

    Parameters
    ----------
    a, b : array of float
        Samples; in MGEval's use, distances within a set and between two sets.

    Source: Yang & Lerch, On the evaluation of generative models in music, 2020. Chapter: 14.
    """
    return float(_overlap(*_densities(a, b))[0])


def divergence(a, b):
    """KL divergence in nats of the density of `b` from that of `a` (MGEval: KLD of a from b).

    Densities as in `overlap_area`, normalized on one grid for both (MGEval's code reads each on a
    grid of its own) and cut off below at 1e-12 so that the figure is finite.
    """
    return float(_divergence(*_densities(a, b))[0])


def _densities(a, b):
    a, b = np.ravel(a), np.ravel(b)
    grid = _Grid(a, b)
    return grid.densities([grid.count(grid.bins(a))], [grid.count(grid.bins(b))])


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


def pairwise(a, b):
    """Euclidean distances of every roll's feature in `a` from every one in `b`: (n, m)."""
    if a.ndim == 1:
        return np.abs(a[:, None] - b)
    return np.stack([np.linalg.norm(b - row, axis=1) for row in a])


class Distances:
    """Distances of one feature within a held-out set and to another set, binned for resampling."""

    def __init__(self, held, other):
        self.i, self.j = np.triu_indices(len(held), 1)
        self.within, self.across = pairwise(held, held)[self.i, self.j], pairwise(held, other)
        self.grid = _Grid(self.within, self.across)
        self.bins = self.grid.bins(self.within), self.grid.bins(self.across)

    def compare(self, held, other):
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


def direct_overlap(a, b, w_a, w_b):
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


def shuffled(batch, generator):
    """The same rolls with the cells of each in random order: as many notes, and no music."""
    flat = np.asarray(batch, bool).reshape(len(batch), -1)
    return generator.permuted(flat, axis=1).reshape(batch.shape)


def self_similarity(batch, *, low=rolls.LOW, ticks=rolls.TICKS):
    """Framewise self-similarity: overlap of successive frames' pitches and note lengths.

    A frame is four beats and the next begins two beats later; a Gaussian is fitted to the pitches,
    and to the lengths, of the notes that begin in it, and the areas under two neighbours' Gaussians
    are overlapped.

    Returns
    -------
    dict of ndarray, (N, frames - 1)
        ``pitch`` and ``duration``, 0 to 1; nan beside a frame in which no note begins.

    Source: Mittal et al., Symbolic music generation with diffusion models, 2021. Chapter: 14.
    """
    batch = np.asarray(batch, bool)
    n, _, length = batch.shape
    of, row, start, end, _ = RollSet(batch).notes
    frames = max(0, (length - FRAME * ticks) // (HOP * ticks) + 1)
    fits = {}
    for name, value in (("pitch", row + low), ("duration", (end - start) / ticks)):
        fits[name] = np.full((n, frames, 2), np.nan)
        for k in range(frames):
            inside = (start >= k * HOP * ticks) & (start < (k * HOP + FRAME) * ticks)
            count, total, square = (
                np.bincount(of[inside], value[inside] ** p, n) for p in (0.0, 1.0, 2.0)
            )
            mean = ratio(total, count)
            spread = np.sqrt(np.maximum(ratio(square, count) - mean**2, 0))
            fits[name][:, k] = np.stack([mean, spread + 1e-6], 1)
    return {
        name: np.array([
            [_normal_overlap(*here, *there) for here, there in successive(roll)]
            for roll in fit
        ]).reshape(n, max(0, frames - 1))
        for name, fit in fits.items()
    }


def _normal_overlap(m, s, n, t):
    return np.nan if np.isnan(m + n) else NormalDist(m, s).overlap(NormalDist(n, t))


def nearest(batch, pieces, *, ticks=rolls.TICKS, shifts=range(-6, 6)):
    """Distance of each roll from the nearest window of some pieces, in any key.

    1 - (cells lit in both) / (cells lit in either), looked at once every eighth note, the least
    over the windows that begin on a beat and over the transpositions `shifts` in semitones.

    Parameters
    ----------
    batch : array of bits (N, P, L)
    pieces : list of arrays of bits, (P, n)
        Shorter ones than L are padded with rests.

    Returns
    -------
    ndarray of float, (N,)
        0: a copy. 1: nothing in common.

    Chapter: 14.
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
    windows, waiting = [], 0
    for k, piece in enumerate(pieces):
        last = max(0, piece.shape[1] - length)
        whole = rolls.windows(piece, length, ticks)[: last // ticks + 1, :, ::step]
        windows.append(whole.reshape(len(whole), -1))
        waiting += len(whole)
        if waiting >= 512 or k == len(pieces) - 1:
            stack = np.concatenate(windows).astype(np.float32)
            both = query @ stack.T
            either = np.maximum(lit + stack.sum(1) - both, 1)
            best = np.maximum(best, (both / either).max(1).reshape(len(shifts), n).max(0))
            windows, waiting = [], 0
    return 1 - best
