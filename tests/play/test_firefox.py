"""The page Play and two twins in a Firefox as it is installed: what test_page.py tries in Chromium,
the first steps of it.
"""

import time

import browser
import firefox
import pretty_midi
import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("tornado.websocket")
if firefox.firefox() is None:
    pytest.skip(firefox.MISSING, allow_module_level=True)

LOW, ROWS = 33, 56
TUNE = [(67, 0, 4), (71, 4, 12), (72, 12, 36)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with firefox.launched(tmp_path_factory.mktemp("firefox")) as opened:
        yield opened


@pytest.fixture(params=["file", "http"])
def visit(request, opened, site):
    """Open a page; at the end nobody else was asked and nothing went wrong."""
    with browser.served(site) as http:
        root = http if request.param == "http" else site.as_uri()

        def visit(name, desk):
            opened.goto(f"{root}/{name}.html")
            opened.evaluate(f"document.querySelector('{desk}').scrollIntoView()")
            opened.wait_for(f"document.querySelector('{desk}').parts?.view.width > 0")
            opened.evaluate(f"void (self.root = document.querySelector('{desk}'))")
            opened.evaluate("root.parts.settings.change({steps: 2, autoplay: false})")
            return opened

        opened.events.clear()
        yield visit
        ours = root, "about:", "data:", "blob:"
        assert [address for address in opened.requests if not address.startswith(ours)] == []
        assert opened.faults == []


def press(page, text):
    page.click(f"[...root.querySelectorAll('button')].find(b => b.textContent === '{text}')")


def go(page):
    """Press the large button and wait until all is written."""
    given = "root.parts.sheet.page.notes"
    page.evaluate(f"void (self.given = {given})")
    page.click("root.querySelector('.play-go')")
    page.wait_for(f"root.dataset.busy === 'false' && {given} !== self.given")


def notes(page, made=None):
    """(pitch, start, end) of the notes, or of those that the model wrote, or did not."""
    found = page.evaluate("root.parts.sheet.page.notes")
    kept = [n for n in found if made is None or n["made"] == made]
    return sorted((n["row"] + LOW, n["start"], n["end"]) for n in kept)


def cells(found):
    return {(pitch, column) for pitch, start, end in found for column in range(start, end)}


def draw(page, tune):
    x, y, width, height = page.evaluate(
        """(() => { const {cells, width, height} = root.parts.view;
            const {x, y} = cells.getBoundingClientRect();
            return [x, y, width, height] })()"""
    )
    for pitch, start, end in tune:
        down = y + (ROWS - 0.5 - (pitch - LOW)) * height
        page.drag((x + (start + 0.5) * width, down), (x + (end - 0.5) * width, down))


def saved(page, ending, seconds=60):
    """The file that comes."""
    for _ in range(10 * seconds):
        found = [path for path in page.downloads.glob(f"*.{ending}") if path.stat().st_size]
        if found and not list(page.downloads.glob("*.part")):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no .{ending} was saved")


def test_a_tune_becomes_a_piece_and_a_file_that_comes_back(visit):
    page = visit("play", "#desk")
    for left in page.downloads.glob("*.mid"):  # by a test that failed
        left.unlink()
    press(page, "Empty page")
    draw(page, TUNE)
    assert notes(page) == sorted(TUNE)
    go(page)
    assert notes(page, made=False) == sorted(TUNE) and notes(page, made=True)
    written = notes(page)

    press(page, "MIDI")
    path = saved(page, "mid")
    parts = pretty_midi.PrettyMIDI(str(path)).instruments
    assert [n.pitch for n in parts[0].notes] == [pitch for pitch, *_ in TUNE]
    assert parts[0].name == "Melody" and len(parts) > 1

    press(page, "Copy link")
    page.wait_for("location.hash.length > 10")
    link = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(link)
    page.wait_for("desk.parts?.view.width > 0")
    page.evaluate("void (self.root = desk)")
    assert notes(page) == written

    press(page, "Empty page")
    page.choose_file("input[type=file]", path)
    page.wait_for("root.parts.sheet.page.notes.length > 0")
    again = cells(
        notes(page)
    )  # a voice may go on with the melody's last pitch: then it is one note
    assert again == cells(written) and cells(TUNE) <= again
    path.unlink()


def test_twins_live_in_chapters(visit):
    page = visit("05-watching", ".twin")
    assert page.evaluate("root.parts.view.x_t.some(bit => bit)")  # notes in noise
    page = visit("14-variations", ".twin")
    given = notes(page)
    go(page)
    assert set(notes(page, made=False)) == set(given) & set(notes(page))
    assert notes(page, made=True)
