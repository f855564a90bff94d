"""The twins of the chapters in a real browser, alive with no kernel and no network.

What is tried is what stands in the chapters, each on a page of its own: see `site` in conftest.py.
"""

import browser
import conftest
import numpy as np
import pytest
import torch

from binolab.diffusion import kernel, schedules
from binolab.music import rolls
from binolab.show import audio

pytestmark = pytest.mark.slow
pytest.importorskip("playwright.sync_api")
if browser.chromium() is None:
    pytest.skip(browser.MISSING, allow_module_level=True)

ROWS, COLUMNS, TICKS = 56, 64, 6
FIRST = ["_static/binolab.css", "_static/binolab.js", "_static/identity.css"]
LIVE = ["play/twin.css", "play/twin.js"]


@pytest.fixture(scope="module", params=["file", "http"])
def root(request, site):
    with browser.served(site) as http:
        yield http if request.param == "http" else site.as_uri()


@pytest.fixture
def visit(chrome, root):
    """Open a chapter at its twin; at the end nobody else was asked and nothing went wrong."""
    pages = []

    def visit(chapter, viewport={"width": 1280, "height": 1100}, **options):
        page = chrome.new_page(viewport=viewport, **options)
        pages.append(page)
        browser.watch(page, root)
        page.goto(f"{root}/{chapter}.html")
        page.before = own(page)
        page.locator(".twin").scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('.twin').parts?.view.width > 0")
        page.evaluate("self.twin = document.querySelector('.twin').parts")
        return page

    yield visit
    for page in pages:
        assert page.strangers == page.faults == []
        page.close()


def own(page):
    """What a page asked for, the fonts left out."""
    return sorted(
        name for name in page.asked if not name.endswith((".html", ".woff2", "favicon.ico"))
    )


DONE = """() => { self.done = new Promise(done => {
    const look = () => twin.root.dataset.busy === 'false' && done();
    new MutationObserver(look).observe(twin.root, {attributeFilter: ['data-busy']});
}) }"""


def go(page, **settings):
    """Press the large button and wait until all is written."""
    page.evaluate("settings => twin.settings.change(settings)", settings)
    page.evaluate(DONE)
    page.locator(".play-go").click()
    page.evaluate("self.done")
    return notes(page)


def notes(page, made=None):
    """(row, start, end) of the notes, or of those that the model wrote, or did not."""
    found = page.evaluate("twin.sheet.page.notes")
    kept = [n for n in found if made is None or n["made"] == made]
    return sorted((n["row"], n["start"], n["end"]) for n in kept)


def cells(notes):
    roll = np.zeros((ROWS, COLUMNS), bool)
    for row, start, end in notes:
        roll[row, start:end] = True
    return roll


def drag(page, start, end):
    """Draw the mouse from one cell (row, column) to another."""
    page.locator(".play-cells").scroll_into_view_if_needed()
    box = page.locator(".play-cells").bounding_box()
    width, height = page.evaluate("[twin.view.width, twin.view.height]")
    (x, y), (u, v) = (
        (box["x"] + (column + 0.5) * width, box["y"] + (ROWS - 0.5 - row) * height)
        for row, column in (start, end)
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(u, v, steps=3)
    page.mouse.up()


def test_chapters_have_the_twins_that_they_promise():
    kinds = {name[:2]: twin.split('"')[3] for name, twin in conftest.TWINS.items()}
    assert kinds == {
        "05": "noise",
        "08": "sample",
        "09": "bits",
        "12": "mask",
        "13": "harmonize",
        "14": "vary",
    }


@pytest.mark.parametrize("chapter", conftest.TWINS)
def test_nothing_is_loaded_before_it_is_used(visit, chapter):
    page = visit(chapter)
    assert page.before == FIRST  # the twin lies far below
    assert own(page) == sorted(FIRST + LIVE)
    nameless = """() => [...twin.root.querySelectorAll('button, input, select, canvas[tabindex]')]
        .filter(e => !(e.hidden || e.getAttribute('aria-label') || e.textContent.trim() ||
            [...(e.labels ?? [])].some(l => l.textContent.trim()))).map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    if page.locator(".play-go").count():
        assert page.get_by_text("The first time, this loads 17 MB.").is_visible()
    href = page.get_by_role("link", name="Open in Play").get_attribute("href")
    given = notes(page)
    page.goto(href)
    page.wait_for_function("desk.parts?.view.width > 0")
    page.evaluate("self.twin = desk.parts")
    assert notes(page) == given


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("chapter", conftest.TWINS)
def test_it_fits_a_phone_and_a_finger(visit, chapter, theme):
    size = {"width": 390, "height": 844}
    page = visit(chapter, viewport=size, has_touch=True, is_mobile=True)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = """() => [...twin.root.querySelectorAll('button, select, .play-choice label')]
        .filter(e => e.offsetWidth && Math.min(e.offsetWidth, e.offsetHeight) < 38)
        .map(e => `${e.textContent} ${e.offsetWidth} ${e.offsetHeight}`)"""
    assert page.evaluate(small) == []


@pytest.mark.parametrize("name", ["linear", "cosine", "cubic"])
def test_noise_is_that_of_the_kernel(visit, node, name):
    page = visit("05-watching")
    page.get_by_label("Schedule").select_option(name)
    alpha_bar = schedules.power(100, 3) if name == "cubic" else getattr(schedules, name)(100)
    notes_in_ticks = [(row, a * TICKS, b * TICKS) for row, a, b in notes(page)]
    x0 = torch.from_numpy(rolls.from_notes(notes_in_ticks, ROWS, COLUMNS * TICKS)).float()
    page.get_by_label("Seed", exact=True).fill("7")
    page.get_by_label("Seed", exact=True).blur()
    uniform = torch.tensor(node("seeded", 7, x0.numel())).view(x0.shape)
    rho = float(np.float32(0.069))
    for t in 100, 65, 20:
        page.get_by_label("Step t").fill(str(t))
        x_t = torch.tensor(page.evaluate("[...twin.view.x_t]")).view(x0.shape)
        p = kernel.forward_probability(x0.double(), alpha_bar[t].double(), rho)
        assert torch.equal(x_t, (uniform < p.float()).float())
    page.get_by_label("Step t").fill("0")
    assert page.evaluate("twin.view.x_t") is None


def test_noise_has_the_density_of_the_chorales(visit):
    import binolab

    page = visit("05-watching")
    page.get_by_label("Step t").fill("100")
    share = page.evaluate("twin.view.x_t.reduce((a, b) => a + b) / twin.view.x_t.length")
    rho = float(binolab.load("unet").prior)
    assert abs(share - rho) < 4 * (rho * (1 - rho) / (ROWS * COLUMNS * TICKS)) ** 0.5


def test_new_seeds_draw_other_noise_and_own_notes_are_drowned(visit):
    page = visit("05-watching")
    x_t = "twin.view.x_t?.join()"
    before = page.evaluate(x_t)
    page.get_by_role("button", name="New seed").click()
    assert page.evaluate(x_t) != before
    drag(page, (50, 3), (50, 9))  # under noise nothing is drawn
    given = notes(page)
    page.get_by_role("button", name="Empty").click()
    page.get_by_label("Step t").fill("0")
    drag(page, (50, 3), (50, 9))
    assert notes(page) == [(50, 3, 10)] and (50, 3, 10) not in given
    page.get_by_role("button", name="As it was").click()
    assert notes(page) == given


def test_samplers_begin_alike_and_seeds_repeat(visit):
    page = visit("08-sampling")
    page.get_by_label("Calls of the network").fill("4")
    page.get_by_label("Calls of the network").blur()
    written, begun = {}, {}
    for sampler in "xor", "naive", "posterior", "refreshed":
        page.get_by_label("Sampler", exact=True).select_option(sampler)
        written[sampler] = go(page)
        begun[sampler] = page.evaluate("twin.path[0].join()")
        assert page.evaluate("twin.path.length") == 4
    assert len(set(begun.values())) == 1 and len(set(map(tuple, written.values()))) == 4
    assert go(page) == written["refreshed"]
    assert go(page, seed=2) != written["refreshed"]
    back = page.get_by_label("Back along the path")
    back.fill("1")
    assert page.evaluate("twin.view.x_t === twin.path[1]")
    assert back.get_attribute("aria-valuetext") == "t = 3"
    back.fill("4")
    assert page.evaluate("twin.view.x_t") is None


def test_one_row_or_none_is_another_rule(visit):
    page = visit("09-drawing-bits")

    def guesses(rule):
        """How many notes begin at once where each bit is drawn by itself, or each voice."""
        page.get_by_label("Rule for bits").select_option(rule)
        return cells(go(page)).sum(0)

    each, one = guesses("each"), guesses("draw")
    assert one.max() <= 4 and not np.array_equal(each, one)


def test_what_is_kept_stays_and_what_is_free_is_written(visit):
    page = visit("12-completing")
    before = cells(notes(page))
    page.get_by_role("radio", name="Protect", exact=True).check()
    drag(page, (0, 30), (55, 33))
    page.get_by_role("radio", name="Allow change", exact=True).check()
    drag(page, (30, 50), (55, 60))
    free = np.reshape(page.evaluate("[...twin.sheet.page.free.cells]"), (ROWS, COLUMNS)) > 0
    assert free[:, 24:30].all() and not free[:, 30:34].any() and free[30:, 50:61].all()
    after = cells(go(page, steps=3))
    assert np.array_equal(after[~free], before[~free]) and after[free].any()
    assert not np.array_equal(after[free], before[free])


def test_a_melody_is_harmonized(visit):
    page = visit("13-harmonizing")
    page.get_by_role("button", name="Empty").click()
    page.locator(".play-go").click()
    assert page.get_by_role("status").text_content() == "Draw a melody first."
    for i, row in enumerate((34, 36, 38)):
        drag(page, (row, 8 * i), (row, 8 * i + 7))
    given = notes(page)
    go(page, steps=3)
    assert notes(page, made=False) == given and notes(page, made=True)
    assert own(page) != sorted(FIRST + LIVE)  # now the model is there


def test_strength_0_gives_the_piece_back_and_more_takes_more(visit):
    page = visit("14-variations")
    given = notes(page)
    left = []
    for strength in 0, 50, 100:
        page.get_by_label("Strength").fill(str(strength))
        written = go(page)
        kept = set(notes(page, made=False))
        assert kept == set(given) & set(written)  # blue are those that were there
        left.append(len(kept) / len(given))
        if strength == 50:
            assert go(page) == written  # of what was given, not of what was made
    assert left[0] == 1 > left[1] > left[2]


def test_writing_stops(visit):
    page = visit("14-variations")
    given = notes(page)
    page.evaluate("twin.settings.change({steps: 400, strength: 1})")
    page.locator(".play-go").click()
    page.wait_for_function("twin.view.x_t !== null", timeout=60_000)
    page.locator(".play-go").click()
    page.wait_for_function("twin.root.dataset.busy === 'false'", timeout=5_000)
    assert notes(page) == given


# --- players and playheads -----------------------------------------------------------------------

SECONDS = 4.0
HEAD = """async () => {
    await new Promise(requestAnimationFrame); // the head has just been moved
    const head = document.querySelector('.binolab-head');
    if (!head) return null;
    const [a, b] = [head, document.getElementById('roll')].map(e => e.getBoundingClientRect());
    return {x: (a.x + a.width / 2 - b.x) / b.width, top: (a.y - b.y) / b.height,
            high: a.height / b.height, place: document.querySelector('audio').currentTime} }"""


@pytest.fixture
def players(site, chrome, root):
    """A page with a picture of 300 x 100 and two players of it, in two rows."""
    silence = np.zeros(int((SECONDS + audio.TAIL) * audio.RATE), np.float32)
    row, rest = (0.2, 0.1, 0.6, 0.3), (0.2, 0.5, 0.3, 0.3)
    table = {"a": silence, "b": silence}
    one = audio.player(silence, over=[row, rest]).data
    more = audio.players(table, over=[None, row]).data
    picture = '<p><img id="roll" width="300" height="100" alt="" src="data:,"></p>'
    twin = conftest.TWINS["05-watching"]
    body = f"<article class='bd-article'>{picture}{one}{more}{twin}</article>"
    (site / "players.html").write_text(f"{conftest.HEAD}{conftest.OWN}{body}")
    page = chrome.new_page()
    browser.watch(page, root)
    page.goto(f"{root}/players.html")
    yield page
    assert page.strangers == page.faults == []
    page.close()


def start(page, number, at):
    page.evaluate(
        """async ([number, at]) => { const audio = document.querySelectorAll('audio')[number];
            audio.muted = true;
            if (!audio.duration) await new Promise(done => audio.onloadedmetadata = done);
            audio.currentTime = at;
            await audio.play(); }""",
        [number, at],
    )


def test_a_playhead_moves_over_the_rows_of_a_roll(players):
    rows = set()
    for place in 0.5, 1.5, 2.9:
        start(players, 0, place)
        players.wait_for_selector(".binolab-head")
        players.wait_for_timeout(200)
        seen = players.evaluate(HEAD)
        along = 0.9 * seen["place"] / SECONDS  # as wide as both rows
        row = along > 0.6
        rows.add(row)
        assert seen["x"] == pytest.approx(0.2 + along - 0.6 * row, abs=0.02)
        assert seen["top"] == pytest.approx([0.1, 0.5][row], abs=0.02)
        assert seen["high"] == pytest.approx(0.3)
    assert rows == {False, True}
    start(players, 0, SECONDS)
    players.wait_for_function("!document.querySelector('.binolab-head')")


def test_one_player_stops_the_others(players):
    playing = "[...document.querySelectorAll('audio')].map(audio => !audio.paused)"
    start(players, 0, 0)
    start(players, 1, 0)
    players.wait_for_function("!document.querySelector('.binolab-head')")  # it has no box
    assert players.evaluate(playing) == [False, True, False]
    start(players, 2, 0)
    players.wait_for_selector(".binolab-head")
    players.locator(".twin").scroll_into_view_if_needed()
    button = players.locator(".twin .play-sound")
    button.click()
    assert players.evaluate(playing) == [False, False, False]
    twin = "document.querySelector('.twin').parts.player"
    players.wait_for_function(f"{twin}.place > 0.2")
    start(players, 0, 0)
    players.wait_for_function(f"!{twin}.playing")
    assert players.evaluate(playing) == [True, False, False]


def test_a_sound_goes_on_after_its_roll_as_long_as_the_page_says():
    script = (conftest.ROOT / "book" / "_static" / "binolab.js").read_text()
    assert f"const TAIL = {audio.TAIL};" in script
