"""Two sets of rolls side by side: every feature's overlap, its floor, its controls, its errors.

Chapter: 14 *How good is it?*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from binolab.evaluation.distances import (
    Distances,
    direct_overlap,
    nearest,
    self_similarity,
    shuffled,
)
from binolab.evaluation.features import FEATURES, features, ratio
from binolab.music import rolls

FLOOR_DRAWS = 50  # subsets of the training set whose mean is the floor
LEVELS = (2.5, 97.5)  # percentiles of the bootstrap: 95 % intervals


@dataclass(frozen=True)
class _Draws:
    """Which rolls each resampling takes, as weights; in `made` and `held` the first takes all."""

    made: np.ndarray  # (B + 1, n)
    held: np.ndarray
    floor: np.ndarray  # (FLOOR_DRAWS, n): subsets of the training set, as many as were made
    training: np.ndarray  # (B, n): as many, drawn with replacement

    @classmethod
    def of(cls, made, held, training, bootstraps, seed):
        rng = np.random.default_rng(seed)

        def resamplings(n, size):
            picks = rng.integers(0, n, (bootstraps, size))
            return np.array([np.bincount(p, minlength=n) for p in picks], int).reshape(-1, n)

        size = min(made, training)
        subsets = rng.permuted(np.tile(np.arange(training) < size, (FLOOR_DRAWS, 1)), axis=1)
        every, held_out = (np.vstack([np.ones(n, int), resamplings(n, n)]) for n in (made, held))
        return cls(
            every, held_out, subsets.astype(int),
            resamplings(training, size),
        )


def compare(made, held_out, training, *, low=rolls.LOW, ticks=rolls.TICKS, seed=0, bootstraps=200,
            pieces=None):
    """Hold made rolls beside held-out music, with floors, controls and errors.

    For every feature of `features.FEATURES`:

    - ``overlap``, ``kl``: MGEval's overlap area and KL divergence of two distributions of
      distances, those within the held-out set and those from it to the made set.
    - ``floor_overlap``, ``floor_kl``: the same for training music in place of made rolls, the mean
      over `FLOOR_DRAWS` subsets of as many rolls as were made.
    - ``ratio``: overlap / floor. ``shuffled_overlap``: that of held-out rolls whose cells were
      shuffled; it is low but for what shuffling keeps, the density.
    - ``direct``, ``direct_floor``, ``direct_ratio``, ``direct_shuffled``: overlap of the two
      distributions of the feature itself (`direct_overlap`). It sees a set that is too much
      alike, or off the mean by less than music's own spread: MGEval's distances soften both.
    - ``diversity``: mean distance between made rolls over that between held-out rolls; 0 when they
      are all alike, 1 when as varied as music.
    - ``measured``: share of the made rolls in which the feature is defined. Rolls in which it is
      not are left out of the figures above.

    Intervals (``..._ci``) are the middle 95 % of `bootstraps` resamplings, of made and of held-out
    rolls at once; those of overlaps are moved so that their mean is the figure, for rolls that are
    drawn twice lower every overlap. In those of ratios the floor is resampled too. Windows of one
    piece are taken as independent, so the intervals are somewhat narrow.

    Parameters
    ----------
    made, held_out, training : arrays of bits (N, P, L)
        At least two rolls each.
    low, ticks : int
        MIDI note of row 0; ticks a beat.
    seed, bootstraps : int
    pieces : list of arrays of bits (P, n), optional
        Whole training pieces, in which `nearest` looks at every beat. By default the windows of
        `training`.

    Returns
    -------
    dict
        Fit for JSON, None where there is nothing to measure: ``n``, ``features``,
        ``self_similarity`` (Mittal et al. 2021: consistency and variance relative to held-out
        music, 1 is best) and ``memorization`` (`nearest` of made and of held-out rolls).

    Chapter: 14.
    """
    sets = {
        "made": np.asarray(made, bool),
        "held_out": np.asarray(held_out, bool),
        "training": np.asarray(training, bool),
    }
    if any(s.ndim != 3 or len(s) < 2 or s.shape[1:] != sets["made"].shape[1:]
           for s in sets.values()):
        shapes = ", ".join(f"{name} {s.shape}" for name, s in sets.items())
        raise ValueError(f"three sets of two or more rolls of one size are needed, got {shapes}")
    sizes = {name: len(s) for name, s in sets.items()}
    draws = _Draws.of(sizes["made"], sizes["held_out"], sizes["training"], bootstraps, seed)
    sets["shuffled"] = shuffled(sets["held_out"], np.random.default_rng(seed))
    found = {name: features(s, low=low, ticks=ticks) for name, s in sets.items()}
    alike = {name: self_similarity(s, ticks=ticks) for name, s in sets.items()}
    return _plain({
        "n": sizes,
        "features": {
            name: _feature({k: f[name] for k, f in found.items()}, draws)
            for name in FEATURES
        },
        "self_similarity": {
            name: _self_similarity({k: s[name] for k, s in alike.items()}, draws)
            for name in ("pitch", "duration")
        },
        "memorization": _memorization(
            sets["made"], sets["held_out"], list(training) if pieces is None else pieces, ticks,
            draws,
        ),
    })


def _feature(values, draws):
    known = {k: ~np.isnan(v.reshape(len(v), -1)).any(1) for k, v in values.items()}
    report = {k: v[known[k]].mean(0) if known[k].any() else None for k, v in values.items()}
    report = {
        "mean": report.pop("made"), "mean_ci": None, **report, "measured": known["made"].mean(),
        **dict.fromkeys((
            "overlap", "overlap_ci", "kl", "floor_overlap", "floor_kl", "ratio", "ratio_ci",
            "shuffled_overlap", "direct", "direct_ci", "direct_floor", "direct_ratio",
            "direct_ratio_ci", "direct_shuffled", "diversity",
        )),
    }
    if min(known["made"].sum(), known["held_out"].sum(), known["training"].sum()) < 2:
        return report
    held, made, training, control = (
        values[k][known[k]] for k in ("held_out", "made", "training", "shuffled")
    )
    w_held, w_made = draws.held[:, known["held_out"]], draws.made[:, known["made"]]
    subsets, again = (w[:, known["training"]] for w in (draws.floor, draws.training))
    few = np.ones((FLOOR_DRAWS, len(held)), int)

    distances = Distances(held, made)
    overlap, kl = distances.compare(w_held, w_made)
    whole, own = distances.within.mean(), Distances(made, made).within.mean()
    distances = Distances(held, training)
    floor, floor_kl = (x.mean() for x in distances.compare(few, subsets))
    floor_again, _ = distances.compare(w_held[1:], again)
    direct = direct_overlap(held, made, w_held, w_made)
    direct_floor = direct_overlap(held, training, few, subsets).mean()
    direct_again = direct_overlap(held, training, w_held[1:], again)
    report |= {
        "mean_ci": _interval(_mean(made, w_made[1:])),
        "overlap": overlap[0], "overlap_ci": _centred(overlap), "kl": kl[0],
        "floor_overlap": floor, "floor_kl": floor_kl,
        "ratio": ratio(overlap[0], floor),
        "ratio_ci": _interval(ratio(overlap[1:], floor_again)),
        "direct": direct[0], "direct_ci": _centred(direct), "direct_floor": direct_floor,
        "direct_ratio": ratio(direct[0], direct_floor),
        "direct_ratio_ci": _interval(ratio(direct[1:], direct_again)),
        "diversity": ratio(own, whole),
    }
    if len(control) > 1:
        weights = few[:1], np.ones((1, len(control)), int)
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
            name: own[k, 0], f"{name}_ci": _interval(own[k, 1:]),
            f"floor_{name}": floor[k], f"shuffled_{name}": control[k, 0],
        }.items()
    }


def _memorization(made, held_out, pieces, ticks, draws):
    own, other = (nearest(batch, pieces, ticks=ticks) for batch in (made, held_out))
    differences = [
        np.median(np.repeat(own, v)) - np.median(np.repeat(other, w))
        for v, w in zip(draws.made, draws.held)
    ]
    return {
        **{
            name: {"median": np.median(d), "p5": np.percentile(d, 5), "min": d.min()}
            for name, d in (("made", own), ("held_out", other))
        },
        "nearer": np.mean(own < np.percentile(other, 5)),
        "difference": differences[0], "difference_ci": _interval(np.array(differences[1:])),
    }


def _interval(samples):
    return None if np.isnan(samples).all() else np.nanpercentile(samples, LEVELS, axis=0)


def _centred(overlaps):
    """Interval of resampled overlaps, moved to lie about the first, which is not resampled."""
    again = overlaps[1:]
    if np.isnan(again).all():
        return None
    return np.clip(_interval(again - np.nanmean(again) + overlaps[0]), 0, 1)


def _plain(value):
    """Python's own numbers, lists and None, for JSON."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):
        return [_plain(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    return value if value is None or isinstance(value, int) else (
        float(value) if np.isfinite(value) else None
    )


def table(comparison):
    """A comparison as Markdown: a row a feature, then self-similarity and nearest neighbours.

    Chapter: 14.
    """
    n = comparison["n"]
    lines = f"""\
{n['made']} made rolls beside {n['held_out']} held-out and {n['training']} training rolls.
*Overlap* is MGEval's, *direct* that of the feature's own distributions; each is followed by its
*floor*, that of as many training rolls, and by their ratio. *Shuffled* is the overlap of held-out
rolls with shuffled cells.

| feature | held out | training | made | overlap | floor | ratio | KL | floor KL | shuffled \
| direct | floor | ratio | diversity |
{"|---" * 14}|""".splitlines()
    for name, row in comparison["features"].items():
        cells = [
            name.replace("_", " "), *(_cell(row[k]) for k in ("held_out", "training")),
            _cell(row["mean"], row["mean_ci"]), _cell(row["overlap"], row["overlap_ci"]),
            _cell(row["floor_overlap"]), _cell(row["ratio"], row["ratio_ci"]),
            *(_cell(row[k]) for k in ("kl", "floor_kl", "shuffled_overlap")),
            _cell(row["direct"], row["direct_ci"]),
            _cell(row["direct_floor"]), _cell(row["direct_ratio"], row["direct_ratio_ci"]),
            _cell(row["diversity"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| self-similarity | made | floor | shuffled |", "|---|---|---|---|"]
    for name, row in comparison["self_similarity"].items():
        for k in ("consistency", "variance"):
            lines.append(
                f"| {name}, {k} | {_cell(row[k], row[f'{k}_ci'])} | {_cell(row[f'floor_{k}'])} "
                f"| {_cell(row[f'shuffled_{k}'])} |"
            )
    m = comparison["memorization"]
    lines += ["", "| nearest training window | median | 5 % below | least |", "|---|---|---|---|"]
    for name in ("made", "held_out"):
        lines.append(
            f"| {name.replace('_', ' ')} | "
            + " | ".join(_cell(m[name][k]) for k in ("median", "p5", "min")) + " |"
        )
    lines += f"""
Median made less median held out: {_cell(m['difference'], m['difference_ci'])}.
{_cell(m['nearer'])} of the made rolls are nearer to training than 5 % of the held-out rolls are.
""".splitlines()
    return "\n".join(lines) + "\n"


def _cell(value, interval=None):
    if value is None:
        return "–"
    if isinstance(value, list):
        return "·"  # a histogram
    text = f"{value:.3f}"
    if interval is None or isinstance(interval[0], list):
        return text
    return f"{text} [{_cell(interval[0])}, {_cell(interval[1])}]"
