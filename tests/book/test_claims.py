"""The table of the paper's claims: each link leads somewhere, and one that does not is noticed."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def claims(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import claims

    return claims


def test_each_link_and_figure_of_each_claim_is_there(claims):
    for part, rows in claims.read().items():
        for claim in rows:
            assert claims.faults(claim) == [], f"{part}, {claim.get('paper')}: {claim.get('says')}"


def test_all_that_the_paper_numbers_is_in_the_table(claims):
    parts = claims.read()
    equations = [f"Eq. {n}" for n in range(1, 9)] + ["Algorithm 1"]
    assert [claim["paper"] for claim in parts["equations"]] == equations
    assert [claim["paper"] for claim in parts["figures"]] == [f"Fig. {n}" for n in range(1, 9)]


@pytest.mark.parametrize("field, wrong, says", [
    ("chapter", "no-such-section", "chapter no-such-section is not there"),
    ("code", "binolab.diffusion.kernel.no_such", "code .* is not there"),
    ("code", "binolab.diffusion.kernel._level", "code .* is not there"),
    ("test", "tests/diffusion/test_kernel.py::test_no_such", "test .* is not there"),
    ("test", "tests/no_such.py::test_it", "test .* is not there"),
    ("ours", "fig-no-such", "ours fig-no-such is not there"),
    ("here", "{glued[no_such]}", "a figure is not there"),
    ("here", "{no-such[key]}", "a figure is not there"),
    ("verdict", "surely", "'surely' is no verdict"),
])  # fmt: skip
def test_what_leads_nowhere_is_found(field, wrong, says, claims):
    import re

    sound = claims.read()["equations"][0]
    assert claims.faults(sound) == []
    assert re.search(says, *claims.faults(sound | {field: wrong}))
    del (lacking := dict(sound))["test"]
    assert claims.faults(lacking) == ["it lacks test"]


@pytest.mark.parametrize("ends, measured, decides", [
    ([0.5, 0.6], [{"from": 0.4}], "holds"),
    ([0.5, 0.6], [{"to": 0.55}], "holds in part"),
    ([0.5, 0.6], [{"from": 0.7}], "does not hold here"),
    ([0.5, 0.6], [{"from": 0.7}, {"to": 0.7}], "holds in part"),
    (0.5, [{"from": 0.5, "to": 0.5}], "holds"),
    ("1,234%", [{"to": 12.33}], "does not hold here"),
    ("12%", [{"from": 0.9}], "does not hold here"),
])  # fmt: skip
def test_what_was_measured_decides(ends, measured, decides, claims, monkeypatch):
    monkeypatch.setattr(claims, "glued", lambda: {"found": ends})
    rows = [one | {"of": "glued[found]"} for one in measured]
    assert claims.verdict({"measured": rows}) == decides
