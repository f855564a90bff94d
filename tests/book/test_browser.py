"""The built pages in a real browser: alive with no kernel and no network, and readable aloud.

Needs `make book` and a Chromium; skips where either is missing and says so in one line. `make test`
builds the book first.
"""

import os
import re
from pathlib import Path

import browser
import pytest
import yaml

ROOT = Path(__file__).parents[2]
HTML = Path(os.environ.get("BINOLAB_HTML", ROOT / "_build" / "html"))
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
PAGES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]

if not (HTML / "index.html").exists():
    pytest.skip("no book: run `make book`", allow_module_level=True)
api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow
if browser.chromium() is None:
    pytest.skip(browser.MISSING, allow_module_level=True)


@pytest.fixture(scope="module")
def address():
    """The built book served on this machine."""
    with browser.served(HTML) as address:
        yield address


@pytest.fixture(scope="module")
def phone(address):
    """A page as wide as a phone. It visits all chapters: so it compiles their scripts once.

    What it said to the console since it was sent to a chapter is in `faults`, what it asked of
    other hosts in `strangers`.
    """
    with api.sync_playwright() as play:
        opened = browser.launch(play)
        page = opened.new_page(
            viewport={"width": 390, "height": 844},
            reduced_motion="reduce",  # what moves by itself stands still
        )
        page.set_default_navigation_timeout(120_000)  # on a busy machine, too
        page.faults, page.strangers = [], []

        def refuse(route):
            page.strangers.append(route.request.url)
            route.abort()

        page.route(re.compile(f"^(?!{re.escape(address)}|data:|blob:)"), refuse)
        page.on("console", lambda m: page.faults.append(f"{m.text} {m.location.get('url', '')}"))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("response", lambda r: r.status >= 400 and page.faults.append(f"{r.status} {r.url}"))
        yield page
        opened.close()


@pytest.fixture(scope="module", params=PAGES)
def page(request, phone, address):
    """The phone at a page that has loaded; the tests of one page come in their order."""
    phone.faults.clear()
    phone.strangers.clear()
    phone.goto(f"{address}/{request.param}.html", wait_until="load")
    phone.wait_for_load_state("networkidle")
    return phone


SHOWN = """control => [...control.closest('.binolab-frames').querySelectorAll('img.binolab-frame')]
    .filter(image => image.offsetWidth > 0).map(image => image.alt + image.src)"""


def shown(control):
    """The one frame that is seen beside a slider or a button."""
    frames = control.evaluate(SHOWN)
    assert len(frames) == 1, "one frame is shown at a time"
    return frames[0]


def changes(page, control, key):
    """Press a key on a control; the picture must become another."""
    before = shown(control)
    control.focus()
    control.press(key)
    page.wait_for_function(
        f"([control, old]) => ({SHOWN})(control)[0] !== old",
        arg=[control.element_handle(), before],
        timeout=5_000,
    )
    return before, shown(control)


def test_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_widget_is_in_the_page(page):
    """With its first frame, which is there before it is touched."""
    assert page.locator("script[type*='jupyter.widget']").count() == 0
    for frames in page.locator(".binolab-frames").all():
        assert frames.locator("input, button").count()
        frames.scroll_into_view_if_needed()
        image = frames.locator("img.binolab-frame:visible").first
        page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=image.element_handle())


def test_sliders_move_by_keyboard(page):
    for slider in page.get_by_role("slider").and_(page.locator(".binolab-frames input")).all():
        assert slider.evaluate("s => s.labels[0].textContent"), "a slider has a name"
        said = slider.get_attribute("aria-valuetext")
        last = slider.input_value() == slider.get_attribute("max")
        there, back = ("ArrowLeft", "ArrowRight") if last else ("ArrowRight", "ArrowLeft")
        before, _ = changes(page, slider, there)
        assert slider.get_attribute("aria-valuetext") != said, "the place is said in words"
        assert changes(page, slider, back)[1] == before


def test_buttons_are_pressed_by_keyboard(page):
    for group in page.locator(".binolab-buttons").all():
        assert group.get_attribute("aria-label"), "a row of buttons has a name"
        buttons = group.locator("button")
        first = group.locator("button[aria-pressed='true']")
        for button in buttons.all():
            if button.get_attribute("aria-pressed") == "false":
                changes(page, button, "Enter")
                assert button.get_attribute("aria-pressed") == "true"
                assert first.count() == 1, "one button is pressed at a time"


def test_sounds_are_really_there(page):
    sounds = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('audio')].map(audio =>
            new Promise(done => {
                const width = audio.getBoundingClientRect().width;
                if (audio.readyState) return done([audio.duration, width]);
                audio.onloadedmetadata = () => done([audio.duration, width]);
                audio.onerror = () => done([-1, width]);
                audio.load();
            })))"""
    )
    for seconds, width in sounds:
        assert 0 < seconds < 600
        assert width == 0 or width > 200  # 0: in a part that is folded


def test_equations_are_typeset(page):
    assert page.locator(".math:not(:has(.katex))").count() == 0
    assert page.locator(".katex-error").count() == 0


# Text that stands out too little from what is behind it: its ratio of luminance by WCAG 2.
FAINT = """() => {
    const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const known = new Map();
    const rgba = colour => {
        if (!known.has(colour)) {
            paint.clearRect(0, 0, 1, 1);
            paint.fillStyle = colour;
            paint.fillRect(0, 0, 1, 1);
            known.set(colour, [...paint.getImageData(0, 0, 1, 1).data]);
        }
        return known.get(colour);
    };
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = element => {
        for (; element; element = element.parentElement) {
            const colour = rgba(getComputedStyle(element).backgroundColor);
            if (colour[3] > 250) return light(colour);
        }
        return 1;
    };
    const faint = new Map();
    const article = document.querySelector('article');
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.offsetWidth) continue;
        if (element.closest('.katex, script, style, .headerlink, .copybtn')) continue;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), ground(element)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.set(`${element.tagName}.${element.className}`,
                                   `${ratio.toFixed(1)}: ${walker.currentNode.data.slice(0, 40)}`);
    }
    return [...faint.entries()].map(e => e.join(' '));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(page, theme):
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert page.evaluate(FAINT) == []


def test_pictures_belong_to_the_dark_page(page):
    """After the test above the page is dark: pictures are turned round and lie on its ground."""
    styles = page.evaluate(
        """() => [...document.querySelectorAll('article img')].filter(i => i.offsetWidth).map(i =>
            [getComputedStyle(i).filter, getComputedStyle(i).backgroundColor, i.alt])"""
    )
    assert [s for s in styles if "invert(1)" not in s[0] or s[1] != "rgba(0, 0, 0, 0)"] == []


def test_pictures_keep_their_shape(page):
    """Except those whose style says another: rolls of large cells."""
    bent = page.evaluate("""async () => {
        const all = [...document.querySelectorAll('.bd-article img:not([style])')];
        for (const image of all) image.loading = 'eager';
        await Promise.all(all.map((image) => image.decode().catch(() => null)));
        return all
            .filter((one) => one.offsetWidth > 30 && one.naturalWidth)
            .map((i) => (i.offsetWidth * i.naturalHeight) / (i.offsetHeight * i.naturalWidth))
            .filter((ratio) => Math.abs(ratio - 1) > 0.03);
    }""")
    assert not bent


def test_asks_nobody_and_says_nothing(page):
    """Last of all, after everything was moved."""
    assert page.strangers == []
    assert page.faults == []


def test_a_search_shows_where_it_found_the_word(phone):
    """From a folder, too, where a page cannot fetch another."""
    page = phone.context.browser.new_page()
    browser.watch(page, "file://")
    page.goto(f"{(HTML / 'search.html').resolve().as_uri()}?q=posterior")
    context = page.locator("#search-results p.context").first
    context.wait_for()
    assert "posterior" in context.inner_text().lower()
    assert page.faults == []
    page.close()


def test_the_blind_test_takes_three_answers(phone, address):
    phone.goto(f"{address}/11-pieces.html", wait_until="domcontentloaded")
    boxes, button = (phone.locator(f"#blind-test {of}") for of in ("input", "button"))
    said = phone.locator("#blind-test [role=status]")
    for k in (0, 1):
        boxes.nth(k).check()
    button.click()
    assert said.inner_text().startswith("Mark three.")
    boxes.nth(2).check()
    assert [boxes.nth(k).is_disabled() for k in range(6)] == [False] * 3 + [True] * 3
    button.click()
    assert re.fullmatch("[0246] of 6 right.", said.inner_text())
