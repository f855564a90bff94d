"""The shipped model as the page runs it: the file against torch, then all of it in a browser.

The browser has no network: from file:// every request fails, over http only those of this machine
are let through.
"""

import json
import time

import browser
import numpy as np
import pytest
import torch

import binolab
from binolab.diffusion import kernel, prompting
from binolab.music import counterpoint, rolls

pytestmark = pytest.mark.slow
export_onnx = pytest.importorskip("export_onnx", exc_type=ImportError)
import offline  # noqa: E402

CLEAR = 6  # log-odds: beyond it a float holds too little of 1 - p to compare logits


@pytest.fixture(scope="module")
def model():
    return binolab.load("best")


def noisy(model, level, seed):
    """A chord progression in noise, of which the first half is known: what the network takes."""
    generator = torch.Generator().manual_seed(seed)
    chords = [(40, 31, 24, 12), (38, 31, 23, 16), (40, 28, 21, 9), (38, 26, 22, 14)]
    notes = [(row, 96 * i, 96 * i + 96) for i, chord in enumerate(chords) for row in chord]
    x0 = rolls.to_tensor(rolls.from_notes(notes, model.pitches, model.length))
    bits, known = model.encode(x0, prompting.before(x0, model.length // 2))
    alpha_bar_t = torch.tensor([level])
    x_t = kernel.forward(bits, alpha_bar_t, model.card.rho(), generator)
    return torch.where(known, bits, x_t), alpha_bar_t, known


CASES = [(0.02, 0), (0.3, 1), (0.7, 2), (0.95, 3)]  # level, seed


def expected(model, case):
    with torch.no_grad():
        return export_onnx.rounded(model.network).logits(*case)


def agree(logits, wanted):
    """As near as single precision lets them be, and in probability everywhere."""
    near = wanted.abs() < CLEAR
    assert near.any()
    assert (logits - wanted)[near].abs().max() < 1e-3
    assert (logits.sigmoid() - wanted.sigmoid()).abs().max() < 1e-5


# --- the file ------------------------------------------------------------------------------------


def test_the_file_is_small_and_tells_what_the_card_does(site, model):
    assert (site / "play" / "model.onnx").stat().st_size < 6e6
    card = json.loads((site / "play" / "model.json").read_text())
    assert card["exclusive"] == model.exclusive and card["low"] == model.low
    assert np.array_equal(card["prior"], np.broadcast_to(model.card.prior, (card["kinds"], 56)))


@pytest.mark.parametrize("level, seed", CASES)
def test_the_file_computes_what_torch_does(site, model, level, seed):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(site / "play" / "model.onnx")
    case = noisy(model, level, seed)
    given = {name: value.numpy() for name, value in zip(export_onnx.INPUTS, case)}
    (logits,) = session.run(["logits"], given)
    agree(torch.from_numpy(logits), expected(model, case))


@pytest.mark.parametrize("level, seed", CASES)
def test_rounded_weights_say_nearly_the_same(model, level, seed):
    case = noisy(model, level, seed)
    with torch.no_grad():
        exact = model(*case)
    assert 0 < (expected(model, case).sigmoid() - exact).abs().max() < 0.02


# --- the browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["file", "http"])
def page(request, site):
    """A page that has loaded the model, either way; what it asked of others is in `strangers`."""
    api = pytest.importorskip("playwright.sync_api")
    if browser.chromium() is None:
        pytest.skip(browser.MISSING)
    with api.sync_playwright() as play, browser.served(site) as http:
        opened = browser.launch(play)
        page = opened.new_page()
        root = http if request.param == "http" else site.as_uri()
        browser.watch(page, root)
        page.goto(f"{root}/index.html")
        page.first = [name for name in page.asked if name != "favicon.ico"]
        start = time.perf_counter()
        page.shares = page.evaluate(
            """async () => {
                const [root, shares] = [new URL(".", location), []];
                self.engine = await binolab.Engine.load(root, share => shares.push(share));
                return shares;
            }"""
        )
        print(f"{request.param}: loaded in {time.perf_counter() - start:.2f} s")
        yield page
        opened.close()


PAINT = """async ({x_known, known, options, stopAt}) => {
    const steps = [];
    const begun = performance.now();
    const made = await engine.paint(
        Float32Array.from(x_known), Uint8Array.from(known), options, step => {
            steps.push({t: step.t, lit: step.x_t.reduce((a, b) => a + b), size: step.x_t.length});
            if (steps.length === stopAt) engine.stop();
        });
    const ms = (performance.now() - begun) / steps.length;
    return {steps, ms, made: made && {roll: [...made.roll], planes: [...made.planes]}};
}"""


def paint(page, x_known, known, stop_at=None, **options):
    given = [array.ravel().astype(int).tolist() for array in (x_known, known)]
    given = dict(zip(("x_known", "known"), given), options=options, stopAt=stop_at)
    return page.evaluate(PAINT, given)


def test_the_model_is_loaded_only_when_asked_for_and_in_one_way(page, request):
    assert page.first == ["index.html", "play/play.js"]
    found = [name for name in page.asked if name.startswith(("play/model", "vendor"))]
    scripts = "" if request.node.callspec.params["page"] == "http" else ".js"
    assert sorted(found) == sorted(f"{name}{scripts}" for name in offline.FILES)


def test_progress_is_told(page):
    assert page.shares == sorted(page.shares) and page.shares[-1] == pytest.approx(1)
    assert len(page.shares) >= 5 and page.shares[0] < 0.01


@pytest.mark.parametrize("level, seed", CASES)
def test_logits_in_the_browser(page, model, level, seed):
    case = noisy(model, level, seed)
    given = [value.flatten().tolist() for value in case]
    logits = page.evaluate(
        """async ([x_t, [level], known]) =>
            [...await engine.logits(Float32Array.from(x_t), level, Uint8Array.from(known))]""",
        given,
    )
    agree(torch.tensor(logits).view(case[0].shape), expected(model, case))


def test_a_roll_is_written(page, model):
    P, L = model.pitches, model.length
    nothing = np.zeros((P, L))
    answer = paint(page, nothing, nothing, steps=20, seed=1)
    print(f"{answer['ms']:.0f} ms a call")
    assert [step["t"] for step in answer["steps"]] == list(range(20, 0, -1))
    assert {step["size"] for step in answer["steps"]} == {P * L}
    roll = np.reshape(answer["made"]["roll"], (P, L))
    planes = np.reshape(answer["made"]["planes"], (-1, P, L))
    assert len(planes) == model.card.planes and (planes.sum(1) <= 1).all()
    assert 2 < roll.sum(0).mean() <= 4  # about four voices
    whole = binolab.music.voices.merge(torch.from_numpy(planes)[None])[0, 0]
    assert np.array_equal(whole, roll)
    assert paint(page, nothing, nothing, steps=20, seed=1)["made"] == answer["made"]
    assert paint(page, nothing, nothing, steps=20, seed=2)["made"] != answer["made"]


def test_a_melody_is_harmonized_and_comes_back_untouched(page, model):
    P, L = model.pitches, model.length
    tune = [34, 36, 38, 39, 41, 39, 38, 36, 34, 36, 38, 34, 33, 36, 34, 34]
    x0 = rolls.from_notes([(row, 24 * i, 24 * i + 24) for i, row in enumerate(tune)], P, L)
    known = prompting.above_melody(torch.from_numpy(x0)).numpy()
    made = paint(page, x0, known, steps=20, seed=3)["made"]
    roll = np.reshape(made["roll"], (P, L)) > 0
    assert np.array_equal(roll[known], x0[known])
    assert ((roll & ~known).sum(0) >= 2).mean() > 0.6


def test_parallels_are_mended_in_the_voices_too(page, model):
    P, L = model.pitches, model.length
    nothing, mended = np.zeros((P, L)), 0
    for seed in range(6):
        first, again = (
            paint(page, nothing, nothing, steps=10, seed=seed, rounds=rounds)["made"]
            for rounds in (0, 3)
        )
        count = [
            counterpoint.parallels(np.reshape(m["roll"], (1, P, L))).sum() for m in (first, again)
        ]
        assert count[1] < count[0] or again == first
        mended += again != first
        planes = torch.tensor(again["planes"]).view(1, -1, P, L)
        merged = binolab.music.voices.merge(planes)[0, 0]
        assert np.array_equal(merged, np.reshape(again["roll"], (P, L)))
    assert mended  # half of the rolls have one


def test_writing_stops_at_once_and_begins_again(page, model):
    nothing = np.zeros((model.pitches, model.length))
    answer = paint(page, nothing, nothing, steps=100, seed=1, stop_at=3)
    assert answer["made"] is None and len(answer["steps"]) <= 4
    assert paint(page, nothing, nothing, steps=2, seed=1)["made"]


def test_what_is_asked_for_last_is_written(page, model):
    made = page.evaluate(
        """async cells => {
            const [x, known] = [new Float32Array(cells), new Uint8Array(cells)];
            const paint = seed => engine.paint(x, known, {steps: 4, seed});
            const late = new Promise((_, fail) => setTimeout(fail, 60_000, new Error("no answer")));
            const made = await Promise.race([Promise.all([1, 2, 3].map(paint)), late]);
            const alone = await paint(3);
            return [...made.slice(0, 2), made[2].roll.join() === alone.roll.join()];
        }""",
        model.pitches * model.length,
    )
    assert made == [None, None, True]


def test_a_fault_is_told(page, model):
    nothing = np.zeros((model.pitches, model.length))
    with pytest.raises(Exception, match="sampler must be one of naive, .* got best"):
        paint(page, nothing, nothing, sampler="best", seed=1)


def test_nobody_was_asked(page):
    """Last of all."""
    assert page.strangers == [] and page.faults == []
