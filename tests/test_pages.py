"""The built pages in a real browser: alive with no kernel and no network, and readable aloud.

Needs `make book` and a Chromium; skips where either is missing and says so. `make test` builds
the book first.
"""

import os
import shutil
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
PAGES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# What the theme says on every page of every book, harmless.
KNOWN = ("THEBE_JS_URL", "invalid theme mode")

pytestmark = pytest.mark.skipif(
    not (HTML / "index.html").exists(), reason="no book: run `make book`"
)


@pytest.fixture(scope="module")
def address():
    """The built book served on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it, or name it in the variable CHROMIUM")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=PAGES)
def page(request, browser, address):
    """A page that has loaded, at phone width; what went wrong meanwhile is in `page.faults`."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.faults, page.strangers = [], []

    def let_through(route):
        url = route.request.url
        if url.startswith((address, "data:", "blob:")):
            return route.continue_()
        page.strangers.append(url)
        return route.abort()

    def note(message):
        if message.type == "error" and not any(known in message.text for known in KNOWN):
            page.faults.append(f"{message.text} {message.location.get('url', '')}")

    page.route("**/*", let_through)
    page.on("console", note)
    page.on("pageerror", lambda e: any(k in str(e) for k in KNOWN) or page.faults.append(str(e)))
    page.on("response", lambda r: r.status >= 400 and page.faults.append(f"{r.status} {r.url}"))
    page.goto(f"{address}/{request.param}.html", wait_until="load")
    if page.locator("script[type='application/vnd.jupyter.widget-view+json']").count():
        page.wait_for_selector(".noUi-handle", timeout=30_000)
    page.wait_for_load_state("networkidle")
    yield page
    page.close()


def test_asks_nobody_and_logs_no_error(page):
    assert page.strangers == []
    assert page.faults == []


def test_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


SHOWN = """slider => [...slider.closest('.binolab-frames').querySelectorAll('img.binolab-frame')]
    .filter(image => image.offsetWidth > 0).map(image => image.alt + image.src)"""


def test_sliders_move_by_keyboard(page):
    for slider in page.locator(".binolab-frames .noUi-handle").all():
        before = slider.evaluate(SHOWN)
        assert len(before) == 1, "one frame is shown at a time"
        last = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
        slider.focus()
        slider.press("ArrowLeft" if last else "ArrowRight")
        page.wait_for_function(f"([slider, old]) => ({SHOWN})(slider)[0] !== old",
                               arg=[slider.element_handle(), before[0]], timeout=5_000)
        assert len(slider.evaluate(SHOWN)) == 1


def test_sounds_are_really_there(page):
    for audio in page.locator("audio").all():
        seconds = audio.evaluate(
            """audio => new Promise(done => {
                if (audio.readyState) return done(audio.duration);
                audio.onloadedmetadata = () => done(audio.duration);
                audio.onerror = () => done(-1);
                audio.load();
            })"""
        )
        assert 0 < seconds < 600
        assert audio.bounding_box()["width"] > 200


def test_equations_are_typeset(page):
    assert page.locator(".math:not(:has(mjx-container))").count() == 0


class Images(HTMLParser):
    """The `alt` of each picture of a page's article."""

    def __init__(self, text):
        super().__init__()
        self.alts = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            attributes = dict(attributes)
            self.alts.append((attributes.get("alt") or "", attributes.get("src", "")))


@pytest.mark.parametrize("name", PAGES)
def test_pictures_say_what_they_show(name):
    article = (HTML / f"{name}.html").read_text().partition("<article")[2]
    for alt, source in Images(article).alts:
        # without an alt text Sphinx writes the file's name
        assert len(alt) > 15 and Path(source).name not in alt, f"no alt text: {source[:80]}"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_light(name):
    assert (HTML / f"{name}.html").stat().st_size < 1.5e6
