"""Two sets of rolls compared: every feature's overlap, with its floor, controls and errors.

Chapter: 16 *How good is it?*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from binolab.evaluation import distances
from binolab.evaluation.distances import Distances, direct_overlap
from binolab.evaluation.features import FEATURES, features, ratio
from binolab.music import rolls

FLOOR_DRAWS = 50  # subsets of the training set whose mean is the floor
LEVELS = (2.5, 97.5)  # percentiles of the bootstrap: 95 % intervals
FIGURES = (  # that compare two sets by one feature, in the order of a report
    "overlap overlap_ci kl floor_overlap floor_kl ratio ratio_ci shuffled_overlap direct direct_ci "
    "direct_floor direct_ratio direct_ratio_ci direct_shuffled diversity"
).split()


@dataclass(frozen=True)
class _Draws:
    """Which rolls each resampling takes, as weights; in `made` and `held` the first takes all."""

    made: np.ndarray  # (B + 1, n)
    held: np.ndarray
    floor: np.ndarray  # (FLOOR_DRAWS, n): subsets of the training set, as many as were made
    training: np.ndarray  # (B, n): as many, drawn with replacement

    @classmethod
    def of(cls, made: int, held_out: int, training: int, bootstraps: int, seed: int) -> _Draws:
        rng = np.random.default_rng(seed)

        def resamplings(n, size):
            picks = rng.integers(0, n, (bootstraps, size))
            return np.array([np.bincount(p, minlength=n) for p in picks], int).reshape(-1, n)

        size = min(made, training)
        subsets = rng.permuted(np.tile(np.arange(training) < size, (FLOOR_DRAWS, 1)), axis=1)
        own, held = (np.vstack([np.ones(n, int), resamplings(n, n)]) for n in (made, held_out))
        return cls(own, held, subsets.astype(int), resamplings(training, size))


def compare(
    made: ArrayLike,
    held_out: ArrayLike,
    training: ArrayLike,
    *,
    low: int = rolls.LOW,
    ticks: int = rolls.TICKS,
    seed: int = 0,
    bootstraps: int = 200,
    pieces: Sequence[np.ndarray] | None = None,
) -> dict[str, Any]:
    """Compare made rolls with held-out music, with floors, controls and errors.

    For every feature of `features.FEATURES`:

    - ``overlap``, ``kl``: MGEval's overlap area and KL divergence of two distributions of
      distances, those within the held-out set and those from it to the made set.
    - ``floor_overlap``, ``floor_kl``: the same for training music in place of made rolls, the mean
      over `FLOOR_DRAWS` subsets of as many rolls as were made.
    - ``ratio``: overlap / floor. ``shuffled_overlap``: that of held-out rolls whose cells were
      shuffled. Shuffling keeps the density, so only there it is not low.
    - ``direct``, ``direct_floor``, ``direct_ratio``, ``direct_shuffled``: overlap of the two
      distributions of the feature itself (`direct_overlap`). It shows when the rolls are too much
      alike, or off the mean by less than music's own spread. MGEval's distances soften both.
    - ``diversity``: mean distance between made rolls over that between held-out rolls. 0 when they
      are all alike, 1 when as varied as music.
    - ``measured``: share of the made rolls in which the feature is defined. The figures above leave
      out the other rolls.

    Intervals (``..._ci``) are the middle 95 % of `bootstraps` resamplings, of made and of held-out
    rolls at once. Rolls that are drawn twice lower every overlap, so intervals of overlaps are
    moved until their mean is the figure. In intervals of ratios the floor is resampled too. Windows
    of one piece are taken as independent, so the intervals are somewhat narrow.

    Parameters
    ----------
    made, held_out, training : arrays of bits (N, P, L)
        At least two rolls each.
    low, ticks : int
        MIDI note of row 0; ticks a beat.
    pieces : list of arrays of bits (P, n), optional
        Whole training pieces, in which `distances.nearest` looks at every beat. By default the
        windows of `training`.

    Returns
    -------
    dict
        For JSON, None where there is nothing to measure: ``n``, ``features``, ``self_similarity``
        (Mittal et al. 2021: consistency and variance relative to held-out music, 1 is best) and
        ``memorization`` (`distances.nearest` of made and of held-out rolls).

    Chapter: 16.
    """
    given = {"made": made, "held_out": held_out, "training": training}
    sets = {name: np.asarray(batch, bool) for name, batch in given.items()}
    size = sets["made"].shape[1:]
    if any(s.ndim != 3 or len(s) < 2 or s.shape[1:] != size for s in sets.values()):
        shapes = ", ".join(f"{name} {s.shape}" for name, s in sets.items())
        raise ValueError(f"three sets of two or more rolls of one size are needed, got {shapes}")
    n = {name: len(s) for name, s in sets.items()}
    draws = _Draws.of(**n, bootstraps=bootstraps, seed=seed)
    sets["shuffled"] = distances.shuffled(sets["held_out"], np.random.default_rng(seed))
    values = {name: features(s, low=low, ticks=ticks) for name, s in sets.items()}
    similar = {name: distances.self_similarity(s, ticks=ticks) for name, s in sets.items()}
    learned = list(sets["training"]) if pieces is None else pieces
    near = {
        name: distances.nearest(sets[name], learned, ticks=ticks) for name in ("made", "held_out")
    }
    return plain(
        {
            "n": n,
            "features": {
                name: _feature({k: v[name] for k, v in values.items()}, draws) for name in FEATURES
            },
            "self_similarity": {
                name: _self_similarity({k: v[name] for k, v in similar.items()}, draws)
                for name in ("pitch", "duration")
            },
            "memorization": _memorization(**near, draws=draws),
        }
    )


def _feature(values, draws):
    known = {k: ~np.isnan(v.reshape(len(v), -1)).any(1) for k, v in values.items()}
    means = {k: v[known[k]].mean(0) if known[k].any() else None for k, v in values.items()}
    report = {"mean": means.pop("made"), "mean_ci": None, **means}
    report |= {"measured": known["made"].mean(), **dict.fromkeys(FIGURES)}
    if min(known["made"].sum(), known["held_out"].sum(), known["training"].sum()) < 2:
        return report
    held, made, training, control = (
        values[k][known[k]] for k in ("held_out", "made", "training", "shuffled")
    )
    w_held, w_made = draws.held[:, known["held_out"]], draws.made[:, known["made"]]
    subsets, again = (w[:, known["training"]] for w in (draws.floor, draws.training))
    whole = np.ones((FLOOR_DRAWS, len(held)), int)

    to_made, to_training = Distances(held, made), Distances(held, training)
    overlap, kl = to_made.compare(w_held, w_made)
    floor, floor_kl = (x.mean() for x in to_training.compare(whole, subsets))
    floor_again, _ = to_training.compare(w_held[1:], again)
    direct = direct_overlap(held, made, w_held, w_made)
    direct_floor = direct_overlap(held, training, whole, subsets).mean()
    direct_again = direct_overlap(held, training, w_held[1:], again)
    report |= {
        "mean_ci": interval(_mean(made, w_made[1:])),
        "overlap": overlap[0],
        "overlap_ci": _centred(overlap),
        "kl": kl[0],
        "floor_overlap": floor,
        "floor_kl": floor_kl,
        "ratio": ratio(overlap[0], floor),
        "ratio_ci": interval(ratio(overlap[1:], floor_again)),
        "direct": direct[0],
        "direct_ci": _centred(direct),
        "direct_floor": direct_floor,
        "direct_ratio": ratio(direct[0], direct_floor),
        "direct_ratio_ci": interval(ratio(direct[1:], direct_again)),
        "diversity": ratio(Distances(made, made).within.mean(), to_made.within.mean()),
    }
    if len(control) > 1:
        weights = whole[:1], np.ones((1, len(control)), int)
        report["shuffled_overlap"] = Distances(held, control).compare(*weights)[0][0]
        report["direct_shuffled"] = direct_overlap(held, control, *weights)[0]
    return report


def _mean(values, weights):
    total = weights.sum(1)
    return ratio(weights @ values, total[:, None] if values.ndim == 2 else total)


def _self_similarity(values, draws):
    """Consistency and variance: 1 - the relative error of the overlaps' mean, of their variance."""

    def moments(name, weights):
        v = np.where(np.isnan(values[name]), 0, values[name])
        count = weights @ (~np.isnan(values[name])).sum(1)
        mean = ratio(weights @ v.sum(1), count)
        return np.stack([mean, ratio(weights @ (v * v).sum(1), count) - mean**2])

    def agreement(one, truth):
        return np.maximum(0, 1 - ratio(np.abs(one - truth), truth))

    truth = moments("held_out", draws.held)
    own = agreement(moments("made", draws.made), truth)
    floor = agreement(moments("training", draws.floor), truth[:, :1]).mean(1)
    control = agreement(moments("shuffled", np.ones((1, len(values["shuffled"])))), truth[:, :1])
    return {
        key: value
        for k, name in enumerate(("consistency", "variance"))
        for key, value in {
            name: own[k, 0],
            f"{name}_ci": interval(own[k, 1:]),
            f"floor_{name}": floor[k],
            f"shuffled_{name}": control[k, 0],
        }.items()
    }


def _memorization(made, held_out, draws):
    """Two sets' distances from training music, (n,) and (m,)."""
    differences = [
        np.median(np.repeat(made, v)) - np.median(np.repeat(held_out, w))
        for v, w in zip(draws.made, draws.held)
    ]
    each = {"made": made, "held_out": held_out}
    return {
        name: {"median": np.median(d), "p5": np.percentile(d, 5), "min": d.min()}
        for name, d in each.items()
    } | {
        "nearer": np.mean(made < np.percentile(held_out, 5)),
        "difference": differences[0],
        "difference_ci": interval(np.array(differences[1:])),
    }


def interval(samples: np.ndarray) -> np.ndarray | None:
    """The middle 95 % of some samples, along the first axis; None where there are none."""
    return None if np.isnan(samples).all() else np.nanpercentile(samples, LEVELS, axis=0)


def _centred(overlaps):
    """Interval of resampled overlaps, moved to lie about the first, which is not resampled."""
    again = overlaps[1:]
    if np.isnan(again).all():
        return None
    return np.clip(np.nanpercentile(again - np.nanmean(again) + overlaps[0], LEVELS), 0, 1)


def plain(value: Any) -> Any:
    """A value as Python's own numbers, lists and dicts, for JSON; None for what is not finite."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):
        return [plain(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    if value is None or isinstance(value, int):
        return value
    return float(value) if np.isfinite(value) else None
