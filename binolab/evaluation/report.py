"""The document of `evaluate.evaluate` in words; written as JSON, Markdown and a picture.

Chapter: 16 *How good is it?*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from binolab.evaluation import page
from binolab.files import printable, replacing

ENDINGS = (".json", ".md", ".png")
FEW = 20  # held-out windows; with fewer a report says that they are few
COLUMNS = (  # of the table of features: a heading, and the figure below it
    ("held out", "held_out"), ("training", "training"), ("made", "mean"), ("overlap", "overlap"),
    ("floor", "floor_overlap"), ("ratio", "ratio"), ("KL", "kl"), ("floor KL", "floor_kl"),
    ("shuffled", "shuffled_overlap"), ("direct", "direct"), ("floor", "direct_floor"),
    ("ratio", "direct_ratio"), ("diversity", "diversity"),
)  # fmt: skip
LEGEND = """\
*Overlap* is MGEval's, *direct* that of the feature's own distributions; each is followed by its
*floor*, that of as many training rolls, and by their ratio. *Shuffled* is the overlap of held-out
rolls with shuffled cells.
"""


def paths(path: Path) -> list[Path]:
    """The three files of a report."""
    return [path.with_name(path.name + ending) for ending in ENDINGS]


def write(path: Path, document: dict[str, Any], made: np.ndarray, held_out: np.ndarray) -> str:
    """Write a document as path.json, path.md and path.png, all or none; return the words.

    made, held_out : arrays of bits (N, P, L), for the picture
    """
    words = markdown(document)
    with ExitStack() as stack:
        data, text, picture = [stack.enter_context(replacing(file)) for file in paths(path)]
        data.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        text.write_text(words, encoding="utf-8")
        page.figure(document, made, held_out).savefig(picture, format="png", dpi=110)
    return words


def markdown(document: dict[str, Any]) -> str:
    """A document as Markdown."""
    facts, sets = page.legible(document["facts"]), document["statistics"]
    rows = [[_spaced(name), *map(_number, row.values())] for name, row in sets.items()]
    lines = [
        f"# {_text(facts.get('model', facts['network']))}\n",
        *_facts(facts),
        *_summary(document["summary"], document["comparison"]["n"]["held_out"]),
        *_table(["set", *map(_spaced, sets["made"])], rows),
        *_costs(document.get("costs")),
        *_harmony(document.get("harmonization")),
        "## Beside held-out music\n",
        comparison_table(document["comparison"]),
    ]
    return "\n".join(lines)


def _facts(facts):
    command = [_code(facts["command"]) + "\n"] if "command" in facts else []
    return command + [
        f"{facts['network']}, {facts['parameters']:,} parameters; {facts['n']} rolls, "
        f"{facts['steps']} steps each, sampler {facts['sampler']}, bit {facts['bit']}, "
        f"{_revised(facts)}seed {facts['seed']}; {facts['seconds_a_roll']:.2f} s a roll on "
        f"{facts['device']}.\n"
    ]


def _revised(facts):
    """Said wherever parallels were sought and mended, because they then measure no model."""
    rounds = facts.get("revise", 0)
    return f"parallels revised in {rounds} round{'s' * (rounds > 1)}, " if rounds else ""


def _summary(summary, windows):
    lines = []
    for prefix, name in (("", "distances (MGEval)"), ("direct_", "the features themselves")):
        for least, ratio in summary[f"{prefix}least"].items():
            lines.append(
                f"- Overlap of {name}: {summary[f'{prefix}reached']} of "
                f"{summary[f'{prefix}ratios']} features at 0.95 of the floor or above; least "
                f"{_spaced(least)}, {ratio:.3f}."
            )
    if windows < FEW:
        lines.append(
            f"- Only {windows} held-out windows: too few to judge by; hold out more music."
        )
    return lines + [
        f"- Made / held out: density {_number(summary['density'])}, silence "
        f"{_number(summary['silence'])}.",
        f"- {summary['nearer']:.1%} of the made rolls are nearer to training than 5 % of the "
        "held-out rolls are.\n",
    ]


def _costs(costs):
    if not costs:
        return []
    rows = []
    for name, row in costs.items():
        for unit, error in row["error"].items():
            bound, *others = (row["nats"][model][unit] for model in page.MODELS)
            first = [page.KNOWN[name], f"{row['cells']:.0f}"] if unit == "roll" else ["", ""]
            rows.append([*first, unit, f"{bound:.4g} ± {error:.2g}", *map(_number, others)])
    return [
        "## What held-out music costs\n",
        "Nats of the free cells given the known ones, over "
        f"{costs['nothing']['windows']} held-out windows; less is better.\n",
        *_table(["known", "free cells", "unit", *page.MODELS.values()], rows),
    ]


def _harmony(harmony):
    if not harmony:
        return []
    kept = "–" if harmony["melody_kept"] is None else f"{harmony['melody_kept']:.2%}"
    rows = []
    for name, row in harmony["features"].items():
        ends = row["ratio_ci"]
        means = [_number(row[key]) for key in ("made", "held_out", "ratio")]
        rows.append([_spaced(name), *means, f"{ends[0]:.3g} to {ends[1]:.3g}" if ends else "–"])
    return [
        "## Harmonizing held-out melodies\n",
        f"{harmony['windows']} windows; {kept} of the melody's ticks kept as they were.\n",
        *_table(["", "made", "held out", "made / held out", "95 % interval"], rows),
    ]


def comparison_table(comparison: dict[str, Any]) -> str:
    """A comparison as Markdown: a row a feature, then self-similarity and nearest neighbours."""
    n, near = comparison["n"], comparison["memorization"]
    features = [
        [_spaced(name), *(_cell(row, key) for _, key in COLUMNS)]
        for name, row in comparison["features"].items()
    ]
    similarity = [
        [f"{name}, {key}", *(_cell(row, f"{kind}{key}") for kind in ("", "floor_", "shuffled_"))]
        for name, row in comparison["self_similarity"].items()
        for key in ("consistency", "variance")
    ]
    neighbours = [
        [_spaced(name), *(_cell(near[name], key) for key in ("median", "p5", "min"))]
        for name in ("made", "held_out")
    ]
    lines = [
        f"{n['made']} made rolls beside {n['held_out']} held-out and {n['training']} training "
        f"rolls.\n{LEGEND}",
        *_table(["feature", *(heading for heading, _ in COLUMNS)], features),
        *_table(["self-similarity", "made", "floor", "shuffled"], similarity),
        *_table(["nearest training window", "median", "5 % below", "least"], neighbours),
        f"Median made less median held out: {_cell(near, 'difference')}.",
        f"{_cell(near, 'nearer')} of the made rolls are nearer to training than 5 % of the "
        "held-out rolls are.",
    ]
    return "\n".join(lines) + "\n"


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    """The lines of a table in Markdown, the last one empty."""
    first, *others = ("| " + " | ".join(cells) + " |" for cells in (header, *rows))
    return [first, "|---" * len(header) + "|", *others, ""]


def _cell(row, key):
    """A figure with its interval, if it has one. A histogram is a dot."""
    value, ends = row[key], row.get(f"{key}_ci")
    if value is None or isinstance(value, list):
        return "–" if value is None else "·"
    return f"{value:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _number(value):
    return "–" if value is None else f"{value:.4g}"


def _spaced(name):
    return name.replace("_", " ")


def _text(name):
    """A name as text and nothing more: what Markdown or HTML would obey becomes an entity."""
    return re.sub(r"[^\w\s./:=,()+-]", lambda match: f"&#{ord(match[0])};", printable(name))


def _code(text):
    return f"`{text}`" if _text(text) == text else f"<code>{_text(text)}</code>"
