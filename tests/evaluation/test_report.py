"""The report: costs against brute force, baselines against counting, masks that are kept."""

import io
import itertools
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from binolab.card import Card
from binolab.datasets import Piece
from binolab.diffusion import prompting
from binolab.evaluation import masked, page, report
from binolab.evaluation.evaluate import MASKS, evaluate
from binolab.model import Model

PITCHES, LENGTH, TICKS = 8, 96, 24


def music(seed, n=6, length=LENGTH):
    """Two voices that move on the beat."""
    rng = np.random.default_rng(seed)
    rolls = np.zeros((n, PITCHES, length), bool)
    for roll in rolls:
        for beat in range(0, length, TICKS):
            roll[rng.choice(PITCHES, 2, replace=False), beat : beat + TICKS] = True
    return rolls


def pieces(seed, n=6):
    return [Piece(f"{i}", roll) for i, roll in enumerate(music(seed, n))]


def card(prior, network="UNet", **arguments):
    return Card(
        network,
        arguments,
        prior,
        ["linear"],
        T=10,
        low=60,
        pitches=PITCHES,
        ticks=TICKS,
        length=LENGTH,
    )


@pytest.fixture(scope="module")
def tiny():
    """An untrained network of few pitches."""
    its = card(0.25, "FrameTransformer", width=32, depth=1, heads=2, filters=8, pitches=PITCHES)
    torch.manual_seed(0)
    return Model(its.build().eval(), its)


OPTIONS = {
    "n": 4,
    "steps": 2,
    "levels": 3,
    "bootstraps": 5,
    "sampler": "posterior",
    "progress": False,
}


@pytest.fixture(scope="module")
def measured(tiny):
    return evaluate(tiny, pieces(1), pieces(2), **OPTIONS)


@pytest.fixture
def document(measured):
    return measured[0]


@given(st.integers(0, 999), st.sampled_from([1, 3]))
@settings(max_examples=15)
def test_persistence_counts_what_follows_what(seed, cycle):
    windows = np.random.default_rng(seed).random((3, 2, 7)) < 0.4
    p = masked.persistence(windows, cycle)
    for bit in (0, 1):
        for row in range(2):
            for place in range(cycle):
                after = [
                    w[row, t]
                    for w in windows
                    for t in range(1, 7)
                    if w[row, t - 1] == bit and t % cycle == place
                ]
                assert p[bit, row, place] == pytest.approx((sum(after) + 0.5) / (len(after) + 1))


def test_baselines_are_distributions_over_rolls():
    """Each sums to 1 over all rolls of a few cells: what it says of a roll is a probability."""
    rolls = np.array(list(itertools.product([False, True], repeat=6))).reshape(-1, 2, 3)
    for p in masked.baselines(rolls, music(3)[:, :2, :6], 2).values():
        nats = masked.surprise(p, rolls).sum((1, 2))
        assert math.fsum(np.exp(-nats)) == pytest.approx(1)


def test_baselines_rank_as_they_know():
    held, learned = music(1, 20), music(2, 200)
    cost = {
        k: masked.surprise(p, held).sum() for k, p in masked.baselines(held, learned, TICKS).items()
    }
    assert cost["copy_in_beat"] < cost["copy"] < cost["marginal"]


def independent(p):
    """A model that says `p` of every cell, whatever it sees; and what it saw."""
    seen = []

    def network(x_t, alpha_bar_t, known=None):
        seen.append((x_t.clone(), alpha_bar_t, known))
        return torch.full_like(x_t, p)

    return Model(network, card(0.2)), seen


@pytest.mark.parametrize("mask", MASKS)
def test_a_single_call_is_paid_for_free_cells_alone(mask):
    rolls = music(4)
    x0 = torch.from_numpy(rolls)[:, None].float()
    known = MASKS[mask](x0)
    model, seen = independent(0.3)
    cost = masked.cost(
        model, x0, known, music(5), steps=4, generator=torch.Generator().manual_seed(0)
    )
    free = ~known[:, 0].numpy()
    nats = -np.log(np.where(rolls, 0.3, 0.7))[free].sum() / len(rolls)
    assert cost["nats"]["single_call"]["roll"] == pytest.approx(nats, rel=1e-6)
    assert cost["cells"] == free.sum() / len(rolls)
    for row in (*cost["nats"].values(), cost["error"]):
        assert row["roll"] == pytest.approx(row["cell"] * cost["cells"])
        assert row["roll"] == pytest.approx(row["tick"] * LENGTH)
        assert row["roll"] == pytest.approx(row["beat"] * LENGTH / TICKS)
    # Whatever the level, known cells are shown as they are.
    shown = torch.cat([x[k] for x, _, k in seen[-3:]])
    assert shown.equal(x0[known])


def test_voices_that_are_told_are_what_is_bounded():
    """Two planes cost two planes' bits, and are one roll to the baselines."""
    told = torch.zeros(2, 2, PITCHES, LENGTH)
    told[:, 0, 7, : LENGTH // 2], told[:, 1, 3, LENGTH // 2 :] = 1, 1
    roll = told.amax(1, keepdim=True)
    two = Model(independent(0.3)[0].network, replace(card(0.2), network="BeatTransformer",
                arguments={"pitches": PITCHES, "kinds": 2, "prior": 0.2}, planes=2))  # fmt: skip
    whole, windows = roll[:, 0].numpy() > 0, music(5)
    known = torch.zeros_like(roll).bool()
    how = {"steps": 2, "generator": torch.Generator().manual_seed(0)}
    cost = masked.cost(two, told, known, windows, **how)
    bits = told.numpy() > 0
    nats = -np.log(np.where(bits, 0.3, 0.7)).sum() / len(bits)
    assert cost["nats"]["single_call"]["roll"] == pytest.approx(nats, rel=1e-6)
    marginal = masked.surprise(masked.baselines(whole, windows, TICKS)["marginal"], whole)
    assert cost["nats"]["marginal"]["roll"] == pytest.approx(marginal.sum() / 2)


def test_a_belief_that_ignores_the_noise_is_bounded_by_its_own_price():
    """A network that always says p is a chain of independent cells: its bound is exact at p."""
    rolls = np.random.default_rng(0).random((8, PITCHES, LENGTH)) < 0.3
    x0 = torch.from_numpy(rolls)[:, None].float()
    cost = masked.cost(
        independent(0.3)[0],
        x0,
        torch.zeros_like(x0).bool(),
        rolls,
        steps=40,
        generator=torch.Generator().manual_seed(0),
    )["nats"]
    assert cost["bound"]["roll"] >= cost["marginal"]["roll"] * 0.99


def test_middle_half():
    known = masked.middle_half(torch.zeros(2, 1, 3, 16))
    assert known.shape == (2, 1, 3, 16)
    assert (~known).any((0, 1, 2)).tolist() == [False] * 4 + [True] * 8 + [False] * 4


def test_paint_in_batches_keeps_what_is_known(tiny):
    x0 = torch.from_numpy(music(1, 5))[:, None].float()
    known = prompting.above_melody(x0)
    made = masked.write(
        tiny, x0, known, steps=2, batch=2, generator=torch.Generator().manual_seed(0)
    )
    assert made.shape == x0.shape and made[known].equal(x0[known])


def test_harmony_of_the_original_is_the_original(tiny, monkeypatch):
    """Were the model's harmony Bach's own, every ratio would be 1."""
    x0 = torch.from_numpy(music(7))[:, None].float()
    monkeypatch.setattr(masked, "write", lambda model, x0, known, **_: x0)
    made, report = masked.harmony(tiny, x0)
    assert made is x0 and report["melody_kept"] == 1
    for row in report["features"].values():
        assert row["made"] == row["held_out"]
        assert row["ratio"] in (None, 1) and row["ratio_ci"] in (None, [1, 1])


def test_a_melody_that_is_not_kept_is_noticed(tiny, monkeypatch):
    x0 = torch.from_numpy(music(7))[:, None].float()
    spoilt = x0.clone()
    spoilt[..., : LENGTH // 2] = 0
    monkeypatch.setattr(masked, "write", lambda *_, **__: spoilt)
    assert masked.harmony(tiny, x0)[1]["melody_kept"] == 0.5


def test_document_is_whole_and_plain(document):
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again == document
    assert set(document) == {
        "facts",
        "summary",
        "statistics",
        "comparison",
        "harmonization",
        "costs",
    }
    assert set(document["costs"]) == set(MASKS)
    assert document["harmonization"]["melody_kept"] == 1
    assert document["comparison"]["n"] == {"made": 4, "held_out": 6, "training": 6}


def test_parts_do_not_change_each_other(tiny, document):
    def bare(d):
        return {k: v for k, v in d["facts"].items() if "seconds" not in k}

    def again(**options):
        return evaluate(tiny, pieces(1), pieces(2), **OPTIONS | options)[0]

    less = again(likelihood=False, prompts=False)
    assert bare(less) == bare(document) and less["comparison"] == document["comparison"]
    assert set(document) - set(less) == {"harmonization", "costs"}
    some = again(prompts=False)
    assert some["costs"] == {"nothing": document["costs"]["nothing"]}
    assert again(likelihood=False)["harmonization"] == document["harmonization"]
    other = again(likelihood=False, prompts=False, seed=1)
    assert other["statistics"]["made"] != document["statistics"]["made"]


def test_the_rolls_come_with_the_document(measured):
    document, sets = measured
    assert {name: len(rolls) for name, rolls in sets.items()} == document["comparison"]["n"]
    for name, rolls in sets.items():
        assert document["statistics"][name]["density"] == pytest.approx(rolls.mean())
    assert np.array_equal(sets["held_out"], music(1))


def test_too_little_music():
    model = Model(None, card(0.25))  # the network is not so much as called
    for held_out, learned, n, says in (
        ([], pieces(1), 4, "too little"),
        (pieces(1, 1), pieces(1), 4, "too little"),
        (pieces(1), pieces(1, 1), 4, "too little"),
        (pieces(1), pieces(2), 1, "at least two"),
        ([Piece("wide", np.zeros((9, LENGTH), bool))], pieces(1), 4, "wide: 9 pitches"),
    ):
        with pytest.raises(ValueError, match=says):
            evaluate(model, held_out, learned, n=n)


def test_every_mask_has_its_words():
    assert set(page.KNOWN) == {*MASKS, "others"}


def test_report_says_what_the_document_holds(document):
    said = report.markdown(document)
    for words in (
        "100.00% of the melody",
        "the chain (bound)",
        "outer quarters known",
        "| parallel fifths |",
        "overlap",
        "4 rolls, 2 steps each",
        "s a roll on cpu",
    ):
        assert words in said
    assert not re.search(r"\b(nan|None|inf)\b", said)
    bound = document["costs"]["nothing"]["nats"]["bound"]["roll"]
    assert f"{bound:.4g} ±" in said
    for leave in ("costs", "harmonization"):
        less = report.markdown({k: v for k, v in document.items() if k != leave})
        assert len(less) < len(said)


def test_page_draws_what_the_document_holds(document):
    made, held = music(3, 4), music(1, 6)
    figure = page.figure(document, made, held, rolls=2)
    titles = [a.get_title(loc="left") for a in figure.get_axes()]
    assert {
        "made",
        "held out",
        "pitch class",
        "overlap of distances (MGEval)",
        "nearest training music",
    } <= set(titles)
    bars = next(a for a in figure.get_axes() if a.get_title(loc="left") == "pitch class").patches
    held_out = document["comparison"]["features"]["pitch_class"]["held_out"]
    np.testing.assert_allclose([b.get_height() for b in bars], held_out)
    less = {k: v for k, v in document.items() if k not in ("costs", "harmonization")}
    few = page.figure(less, made, held, rolls=2)
    assert len(few.get_axes()) == len(figure.get_axes()) - 2


def test_a_name_in_a_report_is_text_and_nothing_more(document):
    evil = "<script>`x`</script>\x1b[2J$a$ ![a](b)|\n# b"
    facts = document["facts"] | {"model": evil, "command": f"binolab evaluate --model '{evil}'"}
    said = report.markdown(document | {"facts": facts})
    assert not re.search(r"<(?!/?code>)|\x1b|`x|!\[|\n# b", said)
    assert said.count("&#60;script&#62;") == 2 and "<code>binolab evaluate --model &#39;" in said
    plain = document["facts"] | {"model": "runs/mine", "command": "binolab evaluate --n 4"}
    said = report.markdown(document | {"facts": plain})
    assert said.startswith("# runs/mine\n\n`binolab evaluate --n 4`\n")
    figure = page.figure(document | {"facts": facts}, music(3, 4), music(1, 6), rolls=2)
    figure.savefig(io.BytesIO(), format="png", dpi=20)  # dollars are no formula
