"""The document of `evaluation.evaluate` as words (`report`) and as a page of figures (`page`).

In the figures held-out music is ink and what a model made is vermilion, as everywhere.

Chapter: 14 *How good is it?*.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import numpy as np
from matplotlib.figure import Figure

from binolab.evaluation import comparison
from binolab.files import printable, replacing
from binolab.show import plotting
from binolab.show.plotting import HUES, INK, LINE, MADE, MARKS, PAPER

MUSIC = "#c3cad6"  # bars of held-out music, to be drawn upon
FEW = 20  # held-out windows; with fewer a report says that they are few
CLASSES = "C C♯ D E♭ E F F♯ G A♭ A B♭ B".split()
VALUES = "≤⅛ ¼ ⅓ ⅜ ½ ⅔ ¾ 1 1⅓ 1½ 2 3 4".split()  # of `features.LENGTHS`
KNOWN = {
    "nothing": "nothing known", "melody": "melody known", "outer_quarters": "outer quarters known"
}  # fmt: skip
MODELS = {
    "bound": "the chain (bound)", "single_call": "a single call", "copy_in_beat":
    "copy, told the beat", "copy": "copy the last tick", "marginal": "share of each pitch",
}  # fmt: skip


def report(document):
    """A document as Markdown."""
    facts = _legible(document["facts"])
    return "\n".join([
        f"# {_plain(facts.get('model', facts['network']))}", "", *_facts(facts), "",
        *_summary(document["summary"], document["comparison"]["n"]["held_out"]), "",
        "| set | " + " | ".join(k.replace("_", " ") for k in document["statistics"]["made"]) + " |",
        "|---" * (1 + len(document["statistics"]["made"])) + "|",
        *(_row(name.replace("_", " "), row.values())
          for name, row in document["statistics"].items()),
        "", *_costs(document.get("costs")), *_harmony(document.get("harmonization")),
        "## Beside held-out music", "", comparison.table(document["comparison"]),
    ])


def _legible(facts):
    """Facts with names of files as text: under an ASCII locale Python keeps their bytes."""
    return {
        key: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str) else value for key, value in facts.items()
    }


def _plain(text):
    """A name as text and nothing more: what Markdown or HTML would obey becomes an entity."""
    return re.sub(r"[^\w\s./:=,()+-]", lambda found: f"&#{ord(found[0])};", printable(text))


def _code(text):
    return f"`{text}`" if _plain(text) == text else f"<code>{_plain(text)}</code>"


def _facts(facts):
    speed = facts["seconds_a_roll"]
    told = [_code(facts["command"]), ""] if "command" in facts else []
    speed = f"; {speed:.2f} s a roll on {facts['device']}" if speed else ""
    return told + [
        f"{facts['network']}, {facts['parameters']:,} parameters; {facts['n']} rolls, "
        f"{facts['steps']} steps each, sampler {facts['sampler']}, bit {facts['bit']}, seed "
        f"{facts['seed']}{speed}."
    ]


def _summary(found, windows):
    lines = []
    for prefix, name in (("", "distances (MGEval)"), ("direct_", "the features themselves")):
        for least, ratio in found[f"{prefix}least"].items():
            lines.append(
                f"- Overlap of {name}: {found[f'{prefix}reached']} of {found[f'{prefix}ratios']} "
                f"features at 0.95 of the floor or above; least {least.replace('_', ' ')}, "
                f"{ratio:.3f}."
            )
    if windows < FEW:
        lines.append(
            f"- Only {windows} held-out windows: too few to judge by; hold out more music."
        )
    return lines + [
        f"- Made / held out: density {_number(found['density'])}, silence "
        f"{_number(found['silence'])}.",
        f"- {found['nearer']:.1%} of the made rolls are nearer to training than 5 % of the "
        "held-out rolls are.",
    ]


def _costs(costs):
    if not costs:
        return []
    lines = [
        "## What held-out music costs", "",
        "Nats of the free cells given the known ones, over "
        f"{costs['nothing']['windows']} held-out windows; less is better.", "",
        "| known | free cells | unit | " + " | ".join(MODELS.values()) + " |",
        "|---" * (3 + len(MODELS)) + "|",
    ]
    for name, row in costs.items():
        for unit in row["error"]:
            bound = f"{row['nats']['bound'][unit]:.4g} ± {row['error'][unit]:.2g}"
            rest = [f"{row['nats'][k][unit]:.4g}" for k in MODELS if k != "bound"]
            first = (KNOWN[name], f"{row['cells']:.0f}") if unit == "roll" else ("", "")
            lines.append("| " + " | ".join([*first, unit, bound, *rest]) + " |")
    return lines + [""]


def _harmony(found):
    if not found:
        return []
    kept = "–" if found["melody_kept"] is None else f"{found['melody_kept']:.2%}"
    return [
        "## Harmonizing held-out melodies", "",
        f"{found['windows']} windows; {kept} of the melody's ticks kept as they were.", "",
        "| | made | held out | made / held out | 95 % interval |", "|---|---|---|---|---|",
        *(
            _row(name.replace("_", " "), [row["made"], row["held_out"], row["ratio"]])
            + f" {_interval(row['ratio_ci'])} |"
            for name, row in found["features"].items()
        ),
        "",
    ]  # fmt: skip


def _row(name, values):
    return f"| {name} | " + " | ".join(_number(v) for v in values) + " |"


def _number(value):
    return "–" if value is None else f"{value:.4g}"


def _interval(ends):
    return "–" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


def page(document, made, held_out, *, rolls=3):
    """A document as one page, a matplotlib `Figure`, with a few of its rolls.

    made, held_out : arrays of bits (N, P, L); `rolls` of each are drawn, evenly picked.
    """
    facts, features = _legible(document["facts"]), document["comparison"]["features"]
    rolls = min(rolls, len(made), len(held_out))
    figure = Figure((13, 13.2 + 1.9 * rolls), layout="constrained", facecolor=PAPER)
    heights = [3.3, 8.6, 0.6 + 1.9 * rolls]
    top, middle, bottom = figure.subfigures(  # type: ignore[misc]
        3, 1, height_ratios=heights)
    for part in (top, middle, bottom):
        part.set_facecolor(PAPER)
    figure.suptitle(
        f"{printable(facts.get('model', facts['network']))}: {facts['n']} rolls, "
        f"{facts['steps']} steps, "
        f"{facts['sampler']}, {facts['bit']}, seed {facts['seed']}, beside "
        f"{document['comparison']['n']['held_out']} held-out windows",
        color=INK, fontsize=13, parse_math=False,
    )
    ticks = facts["ticks"]
    parts = {0: "0", ticks // 4: "¼", ticks // 2: "½", 3 * ticks // 4: "¾"}
    crowd = len(features["polyphony"]["held_out"]) - 1
    axes = top.subplots(1, 4)
    for ax, name, title, marks in zip(axes, ("pitch_class", "polyphony", "note_length",
                                             "onset_position"),
                                      ("pitch class", "notes at once", "note length, beats",
                                       "onset within the beat"),
                                      (dict(enumerate(CLASSES)),
                                       {i: f"{i}" + "+" * (i == crowd) for i in range(crowd + 1)},
                                       dict(enumerate(VALUES)), parts)):
        _histogram(ax, features[name], title, marks)
    axes[-1].legend(frameon=False, loc="upper right")

    left, right = middle.subfigures(1, 2, width_ratios=[1.85, 1.3])
    axes = left.subplots(1, 2, sharey=True)
    _overlaps(axes[0], features, "", "overlap of distances (MGEval)")
    _overlaps(axes[1], features, "direct", "overlap of the feature itself")
    left.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3,
                frameon=False)
    kinds = {"comparison": _neighbours, "costs": _plot_costs, "harmonization": _plot_harmony}
    panels = [(draw, document[k]) for k, draw in kinds.items() if document.get(k)]
    heights = [1, 1.7, 1.8][: len(panels)]
    for ax, (draw, part) in zip(
        right.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0], panels
    ):
        draw(ax, part)

    axes = bottom.subplots(rolls, 2, squeeze=False)
    for column, batch, name in ((0, made, "made"), (1, held_out, "held out")):
        for k in range(rolls):
            ax = axes[k, column]
            plotting.plot_roll(batch[k * len(batch) // rolls], ax, low=facts["low"], ticks=ticks,
                               title=name if k == 0 else None)
            ax.label_outer()
    return figure


def _histogram(ax, row, title, marks):
    """Held-out bars under made dots with their intervals."""
    place = np.arange(len(row["held_out"]))
    ax.bar(place, row["held_out"], 0.8, color=MUSIC, label="held out")
    if row["mean"] is not None:
        ax.plot(place, row["mean"], "o", color=MADE, ms=4, label="made")
    if row["mean_ci"] is not None:
        ax.vlines(place, *row["mean_ci"], color=MADE, lw=1.4)
    ax.set_xticks(list(marks), list(marks.values()), fontsize=7.5)
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.set_ylim(bottom=0)
    plotting._quiet(ax, grid="y")


def _overlaps(ax, features, prefix, title):
    """A row a feature: made (dot, interval), training music (bar), shuffled cells (cross)."""
    names = {"": ("overlap", "floor_overlap", "shuffled_overlap"),
             "direct": ("direct", "direct_floor", "direct_shuffled")}[prefix]  # fmt: skip
    looks = {
        names[1]: dict(marker="|", ms=13, mew=2.5, color=INK, label="training music (floor)"),
        names[2]: dict(marker="x", ms=5, color=LINE, label="shuffled cells (control)"),
        names[0]: dict(marker="o", ms=6, color=MADE, label="made, 95 %"),
    }
    ax.axvline(1, color=LINE, lw=1)
    for key, look in looks.items():
        seen = [(row[key], y) for y, row in enumerate(features.values()) if row[key] is not None]
        ax.plot(*zip(*seen), ls="", **look) if seen else None
    for y, row in enumerate(features.values()):
        if row[f"{names[0]}_ci"] is not None:
            ax.plot(row[f"{names[0]}_ci"], [y, y], color=MADE, lw=1.6)
    ax.set_yticks(range(len(features)), [name.replace("_", " ") for name in features])
    ax.set(xlim=(-0.03, 1.05), ylim=(len(features) - 0.5, -0.5))
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.tick_params(axis="y", length=0)
    plotting._quiet(ax, grid="both")


def _neighbours(ax, compared):
    """Least, 5 % and median distance from training music."""
    found = compared["memorization"]
    for y, (name, hue) in enumerate((("made", MADE), ("held_out", INK))):
        row = found[name]
        ax.plot([row["min"], row["median"]], [y, y], color=hue, lw=1.4)
        for key, mark in (("min", "|"), ("p5", "D"), ("median", "o")):
            ax.plot(row[key], y, mark, color=hue, ms=9 if mark == "|" else 6)
    ax.set_yticks([0, 1], ["made", "held out"])
    ax.set(xlim=(0, 1), ylim=(1.6, -0.6))
    ax.set_xlabel("distance, 0 is a copy: least (|), 5 % (◆), median (●)", fontsize=8.5)
    ax.set_title("nearest training music", loc="left", fontsize=11, color=INK)
    plotting._quiet(ax, grid="x")


def _plot_costs(ax, costs):
    for i, (name, label) in enumerate(MODELS.items()):
        points = [(row["nats"][name]["cell"], y) for y, row in enumerate(costs.values())]
        ax.plot(*zip(*points), ls="", marker=MARKS[i], color=HUES[(i + 1) % len(HUES)], ms=7,
                label=label)
    ax.set_yticks(range(len(costs)), [KNOWN[name].replace(" known", "\nknown") for name in costs])
    ax.set(xscale="log", ylim=(len(costs) - 0.4, -0.6))
    ax.set_xlabel("nats a free cell, less is better", fontsize=8.5)
    ax.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2,
              title="what held-out music costs", title_fontsize=11, alignment="left")
    ax.get_legend().get_title().set_color(INK)
    plotting._quiet(ax, grid="x")


def _plot_harmony(ax, found):
    """Ratios of harmonized to held-out figures; a grey band, ±10 %, is what is aimed at."""
    rows = {k: v for k, v in found["features"].items() if v["ratio"] is not None}
    ax.axvspan(0.9, 1.1, color="#e8ebf0", lw=0)
    ax.axvline(1, color=INK, lw=1)
    for y, row in enumerate(rows.values()):
        low, high = row["ratio_ci"]
        ax.plot([max(low, 0.05), high], [y, y], color=MADE, lw=1.6)
        ax.plot(max(row["ratio"], 0.05), y, "o", color=MADE, ms=6)
    ax.set_yticks(range(len(rows)), [f"{k.replace('_', ' ')}  ({v['held_out']:.3g})"
                                     for k, v in rows.items()])  # fmt: skip
    ax.set(xscale="log", ylim=(len(rows) - 0.5, -0.5))
    left, right = min(ax.get_xlim()[0], 0.29), max(ax.get_xlim()[1], 3.1)
    marks = [m for m in (0.1, 0.3, 1, 3, 10, 30, 100) if left <= m <= right]
    ax.set_xlim(left, right)
    ax.set_xticks(marks, [f"{m:g}×" for m in marks])
    ax.minorticks_off()
    ax.set_xlabel("made / held out, whose value is in brackets; band: ±10 %", fontsize=8.5)
    ax.set_title("harmonizing held-out melodies", loc="left", fontsize=11, color=INK)
    plotting._quiet(ax, grid="x")


ENDINGS = (".json", ".md", ".png")


def paths(path):
    """The three files of a report."""
    return [path.with_name(path.name + ending) for ending in ENDINGS]


def write(path, document, made, held_out):
    """Write a document as path.json, path.md and path.png, all or none; return the words."""
    said = report(document)
    with ExitStack() as stack:
        new = [stack.enter_context(replacing(file)) for file in paths(path)]
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        new[0].write_text(text, encoding="utf-8")
        new[1].write_text(said, encoding="utf-8")
        page(document, made, held_out).savefig(new[2], format="png", dpi=110)
    return said
