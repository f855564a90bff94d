"""The page Play in a real browser, as a reader uses it: by mouse, by keys, by files and by links.

The browser has no network: only the page's own files are let through, from file:// and over http.
"""

import re
import struct
from collections import Counter
from pathlib import Path

import browser
import numpy as np
import pretty_midi
import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("playwright.sync_api")
if browser.chromium() is None:
    pytest.skip(browser.MISSING, allow_module_level=True)

LOW, ROWS, COLUMNS = 33, 56, 64
TUNE = [(67, 0, 4), (69, 4, 8), (71, 8, 12), (72, 12, 20), (71, 20, 24), (69, 24, 28), (67, 28, 36)]
ENGINE = ("play/model", "vendor/onnxruntime-web")


def visit(chrome, root, **options):
    """The page Play at an address, watched (`browser.watch`)."""
    page = chrome.new_page(**options)
    browser.watch(page, root)
    page.root = root
    page.goto(f"{root}/play.html")
    page.wait_for_function("desk.parts?.view.width > 0")
    return page


@pytest.fixture(scope="module", params=["file", "http"])
def page(request, chrome, site):
    with browser.served(site) as http:
        root = http if request.param == "http" else site.as_uri()
        page = visit(chrome, root, viewport={"width": 1280, "height": 1100})
        page.locator(".play-settings summary").click()
        page.get_by_label("Play what was written").uncheck()
        yield page
        page.close()


@pytest.fixture
def desk(page):
    """The page with nothing on the roll, and few calls."""
    page.get_by_role("button", name="Empty page").click()
    settle(page, steps=3, seed=1)
    tool(page, "Draw")
    page.get_by_label("Length of a new note").select_option("4")
    return page


# --- hands and eyes ------------------------------------------------------------------------------


def settle(page, steps, seed):
    page.get_by_label("Calls of the network").fill(str(steps))
    page.get_by_label("Seed", exact=True).fill(str(seed))
    page.get_by_label("Seed", exact=True).blur()
    assert not page.get_by_label("A new seed each time").is_checked()


def tool(page, name):
    page.get_by_role("radio", name=name, exact=True).check()


def choose(page, action):
    page.get_by_role("radio", name=action, exact=True).check()


def at(page, pitch, column, part=0.5):
    """Where on the screen a cell is."""
    box = page.locator(".play-cells").bounding_box()
    width, height = page.evaluate("[desk.parts.view.width, desk.parts.view.height]")
    return box["x"] + (column + part) * width, box["y"] + (ROWS - 0.5 - (pitch - LOW)) * height


def drag(page, start, end, button="left"):
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(*end, steps=3)
    page.mouse.up(button=button)


def draw(page, tune=TUNE):
    for pitch, start, end in tune:
        drag(page, at(page, pitch, start), at(page, pitch, end - 1))


def state(page):
    return page.evaluate(
        """() => {
            const {notes, free, action} = desk.parts.sheet.page;
            return {notes, free: {...free, cells: free.cells && [...free.cells]}, action};
        }"""
    )


def notes(page, made=None):
    """[(pitch, start, end)] of the notes, or of those that the model wrote, or did not."""
    wanted = [n for n in state(page)["notes"] if made is None or n["made"] == made]
    return sorted((n["row"] + LOW, n["start"], n["end"]) for n in wanted)


def joined(page):
    """The notes as they sound: what is tied is one note."""
    whole = []
    for note in sorted(state(page)["notes"], key=lambda n: n["start"]):
        same = [n for n in whole if all(n[k] == note[k] for k in ("row", "voice"))]
        before = [n for n in same if note["tied"] and n["end"] == note["start"]]
        if before:
            before[0]["end"] = note["end"]
        else:
            whole.append(note)
    return [(n["row"] + LOW, n["start"], n["end"]) for n in whole]


def roll(page):
    """The model's roll of the notes."""
    cells = np.zeros((ROWS, COLUMNS), bool)
    for pitch, start, end in notes(page):
        cells[pitch - LOW, start:end] = True
    return cells


DONE = """() => { self.done = new Promise(done => {
    const look = () => desk.dataset.busy === 'false' && done();
    new MutationObserver(look).observe(desk, {attributeFilter: ['data-busy']});
}) }"""


def go(page):
    """Press the large button and wait until all is written, however soon that is."""
    page.evaluate(DONE)
    page.locator(".play-go").click()
    page.evaluate("self.done")


def said(page):
    return page.get_by_role("status").text_content()


def saved(page, kind, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name=kind, exact=True).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


# --- before anything is written ------------------------------------------------------------------


def test_nothing_of_the_model_is_loaded_before_it_is_asked_for(page):
    assert "play/page.js" in page.asked
    assert [name for name in page.asked if name.startswith(ENGINE)] == []
    assert page.locator(".play-hint").text_content() == "The first time, this loads 17 MB."


def test_notes_are_drawn_moved_lengthened_and_erased_by_mouse(desk):
    draw(desk)
    assert notes(desk) == sorted(TUNE)
    drag(desk, at(desk, 67, 1), at(desk, 64, 3))  # by the middle
    assert (64, 2, 6) in notes(desk)
    drag(desk, at(desk, 64, 5, 0.9), at(desk, 64, 8))  # by the end
    assert (64, 2, 9) in notes(desk)
    drag(desk, at(desk, 64, 2, 0.1), at(desk, 64, 1))  # by the beginning
    assert (64, 1, 9) in notes(desk)
    desk.mouse.click(*at(desk, 64, 4), button="right")
    assert len(notes(desk)) == len(TUNE) - 1
    tool(desk, "Erase")
    drag(desk, at(desk, 69, 5), at(desk, 69, 6))
    assert len(notes(desk)) == len(TUNE) - 2
    for _ in range(5):
        desk.keyboard.press("Control+z")
    assert notes(desk) == sorted(TUNE)
    desk.get_by_role("button", name="Redo").click()
    assert (64, 2, 6) in notes(desk)


def test_a_note_gives_way_to_one_that_is_drawn_over_it(desk):
    draw(desk, [(60, 0, 8)])
    desk.get_by_label("Length of a new note").select_option("2")
    drag(desk, at(desk, 62, 4), at(desk, 60, 4))
    assert notes(desk) == [(60, 0, 8), (62, 4, 6)]
    drag(desk, at(desk, 62, 4, 0.9), at(desk, 60, 4, 0.9))
    assert notes(desk) == [(60, 0, 4), (60, 4, 6)]


def test_notes_are_drawn_by_keys(desk):
    cells = desk.locator(".play-cells")
    cells.focus()
    desk.evaluate("desk.parts.view.moveCursor(34, 0)")
    press = cells.press
    press("Enter")
    assert notes(desk) == [(67, 0, 4)] and said(desk).startswith("G4, bar 1, beat 1, 1 beat")
    press("Shift+ArrowRight")
    press("Alt+ArrowUp")
    press("Alt+ArrowRight")
    assert notes(desk) == [(68, 1, 6)]
    for key in "ArrowDown", ".", ".", "Space":
        press(key)
    assert notes(desk) == [(67, 9, 14), (68, 1, 6)]
    press("Delete")
    assert notes(desk) == [(68, 1, 6)]
    press("Control+z")
    press("Control+Shift+Z")
    assert notes(desk) == [(68, 1, 6)]
    for key in "n", "Home", "f", "ArrowUp", "ArrowRight", "f":
        press(key)
    free = state(desk)["free"]
    assert np.flatnonzero(free["cells"]).tolist() == [34 * 64, 34 * 64 + 1, 35 * 64, 35 * 64 + 1]
    press("[")
    assert state(desk)["free"] == {"kind": "from", "start": 1, "cells": None}


def test_a_screen_reader_finds_names_and_a_table(desk):
    draw(desk)
    desk.get_by_text("The notes as a table").click()
    row = desk.locator(".play-table tbody tr").first
    row.wait_for()
    heads, cells = desk.locator(".play-table th"), row.locator("td")
    assert heads.all_text_contents() == ["Note", "Begins", "Length", "By"]  # of no voice
    assert cells.all_text_contents() == ["G4", "bar 1, beat 1", "1 beat", "you"]
    desk.get_by_role("button", name="An opening").click()
    assert heads.all_text_contents() == ["Note", "Begins", "Length", "Voice", "By"]
    assert cells.all_text_contents() == ["G4", "bar 1, beat 1", "1 beat", "Soprano", "you"]
    desk.get_by_text("The notes as a table").click()
    nameless = """() => [...desk.querySelectorAll('button, input, select, canvas[tabindex]')]
        .filter(e => !(e.hidden || e.getAttribute('aria-label') || e.textContent.trim() ||
            [...(e.labels ?? [])].some(l => l.textContent.trim()))).map(e => e.outerHTML)"""
    assert desk.evaluate(nameless) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_a_finger(chrome, site, theme):
    size = {"width": 390, "height": 844}
    page = visit(chrome, site.as_uri(), viewport=size, has_touch=True, is_mobile=True)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = """() => [...desk.querySelectorAll('button, select, summary, .play-choice label')]
        .filter(e => e.offsetWidth && Math.min(e.offsetWidth, e.offsetHeight) < 38)
        .map(e => `${e.textContent} ${e.offsetWidth} ${e.offsetHeight}`)"""
    assert page.evaluate(small) == []
    cut = """() => [...desk.querySelectorAll('.play-choice, .play-group')]
        .filter(e => e.scrollWidth > e.offsetWidth).map(e => e.textContent)"""
    assert page.evaluate(cut) == []
    page.get_by_role("button", name="Empty page").tap()
    page.touchscreen.tap(*at(page, 76, 2))
    assert notes(page) == [(76, 2, 6)]
    session = page.context.new_cdp_session(page)
    fingers = [at(page, 76, 8), at(page, 70, 9)]
    for kind, moved in ("touchStart", [0, 0]), ("touchMove", [60, 60]), ("touchEnd", []):
        points = [{"x": x - by, "y": y} for (x, y), by in zip(fingers, moved)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.evaluate("desk.parts.view.element.scrollLeft") == pytest.approx(60, abs=2)
    assert notes(page) == [(76, 2, 6)]
    page.close()


@pytest.mark.parametrize("height", [800, 640])
def test_a_laptop_shows_what_plays_and_saves(chrome, site, height):
    page = visit(chrome, site.as_uri(), viewport={"width": 1280, "height": height})
    for name in "Harmonize", "Play", "MIDI", "Copy link":
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["y"] + box["height"] <= height
    seen = page.evaluate(
        """() => { const {element, cells, height} = desk.parts.view;
            const foot = desk.querySelector('.play-foot').getBoundingClientRect().top;
            const frame = element.getBoundingClientRect();
            return (Math.min(frame.bottom, foot) - frame.top) / height }"""
    )
    assert seen > (36 if height == 800 else 20)  # rows
    page.close()


def test_a_key_sounds_and_the_playhead_moves(desk):
    desk.mouse.click(*[a + b for a, b in zip(at(desk, 60, 0), (-30, 0))])
    assert said(desk) == "C4"
    draw(desk, [(67, 0, 8)])
    desk.locator(".play-sound").click()
    desk.wait_for_function("desk.parts.player.place > 0.5")
    desk.evaluate("document.dispatchEvent(new Event('play'))")  # another player of the page
    assert desk.evaluate("desk.parts.player.playing") is False
    desk.evaluate("document.activeElement.blur()")
    desk.keyboard.press("Space")
    desk.wait_for_function("desk.parts.player.playing")
    desk.keyboard.press("Space")
    assert desk.evaluate("desk.parts.player.playing") is False


# --- files and links -----------------------------------------------------------------------------


def midi(path, *parts, tempo=100.0, names=None):
    """A MIDI file of (pitch, start, end) in sixteenths, a track for each part."""
    file = pretty_midi.PrettyMIDI(initial_tempo=tempo, resolution=480)
    column = 60 / tempo / 4
    for played, name in zip(parts, names or [""] * len(parts), strict=True):
        track = pretty_midi.Instrument(0, name=name)
        track.notes = [pretty_midi.Note(90, p, s * column, e * column) for p, s, e in played]
        file.instruments.append(track)
    file.write(str(path))
    return path


def heard(path):
    """The notes of a MIDI file in sixteenths, by the names of its tracks."""
    file = pretty_midi.PrettyMIDI(str(path))
    column = 60 / file.get_tempo_changes()[1][0] / 4
    return {
        part.name: sorted(
            (n.pitch, round(n.start / column, 2), round(n.end / column, 2)) for n in part.notes
        )
        for part in file.instruments
    }


def open_file(page, path):
    page.locator("input[type=file]").set_input_files(str(path))


def test_a_midi_file_comes_back_as_it_was(desk, tmp_path):
    chords = [*TUNE, (48, 0, 16), (52, 0, 16), (48, 16, 36), (88, 40, 41), (33, 60, 64)]
    open_file(desk, midi(tmp_path / "in.mid", chords))
    desk.wait_for_function("desk.parts.sheet.page.notes.length > 0")
    assert said(desk) == f"{len(chords)} notes from in.mid."
    assert notes(desk) == sorted(chords)
    assert desk.get_by_role("radio", name="Vary").is_checked()  # it is no melody
    assert heard(saved(desk, "MIDI", tmp_path)) == {"Notes": sorted(chords)}


@pytest.mark.parametrize("names", [["Alto", "Tenor"], ["Alto", ""], ["", ""]])
def test_two_tracks_may_meet_on_one_pitch(desk, tmp_path, names):
    """A short note within a long one of another track leaves all that sounds."""
    open_file(desk, midi(tmp_path / "in.mid", [(57, 8, 20)], [(57, 12, 14)], names=names))
    desk.wait_for_function("desk.parts.sheet.page.notes.length > 0")
    apart = [(57, 8, 20), (57, 12, 14)]  # one voice strikes again, two sound at once
    assert notes(desk) == (apart if names[0] else [(57, 8, 12), (57, 12, 20)])


def test_of_a_long_file_sixteen_beats_are_chosen(desk, tmp_path):
    played = [(60, 0, 4), (62, 80, 84), (95, 84, 88), (64, 88, 90.3)]
    open_file(desk, midi(tmp_path / "long.mid", played))
    desk.wait_for_function("desk.parts.sheet.page.notes.length > 0")
    assert notes(desk) == [(60, 0, 4)] and "Times were rounded" in said(desk)
    desk.get_by_label("First beat").fill("8")
    desk.get_by_label("First beat").blur()
    assert notes(desk) == [(62, 52, 56), (64, 60, 62)]
    assert "1 more lie below A1 or above E6" in said(desk)


DROP = """data => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(data)], "dropped.mid"));
    desk.dispatchEvent(new DragEvent("drop", {dataTransfer: files, cancelable: true}));
}"""


def test_a_file_is_dropped(desk, tmp_path):
    desk.evaluate(DROP, list(midi(tmp_path / "in.mid", TUNE).read_bytes()))
    desk.wait_for_function("desk.parts.sheet.page.notes.length > 0")
    assert notes(desk) == sorted(TUNE)
    assert desk.get_by_label("Tempo").input_value() == "100"


def test_a_midi_keyboard_puts_notes_at_the_cursor(desk):
    desk.evaluate("desk.parts.view.moveCursor(34, 8)")
    desk.evaluate(
        """() => { navigator.requestMIDIAccess =
            async () => ({inputs: new Map([["1", self.keys = {name: "Keys"}]])}) }"""
    )
    desk.get_by_role("button", name="MIDI keyboard").click()
    desk.wait_for_function("Boolean(self.keys?.onmidimessage)")
    chord = [(0x90, 60, 80), (0x90, 64, 80), (0x80, 60, 0), (0x90, 64, 0), (0x90, 62, 80)]
    for message in chord:
        desk.evaluate("data => keys.onmidimessage({data})", message)
    assert notes(desk) == [(60, 8, 12), (62, 12, 16), (64, 8, 12)]


BAD = {
    "text.mid": (b"This is no music.", "This is not a MIDI file."),
    "empty.mid": (b"", "This is not a MIDI file."),
    "cut.mid": (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\xff\0\x90", "This MIDI file is broken."),
    "head.mid": (b"MThd\0\0", "This MIDI file is broken."),
    "silent.mid": (
        b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0",
        "There are no notes in this MIDI file.",
    ),
    "film.mid": (
        b"MThd\0\0\0\6\0\1\0\1\xe7\x28MTrk\0\0\0\4\0\xff\x2f\0",
        "This MIDI file counts in film frames, not in beats.",
    ),
    "large.mid": (b"MThd" + bytes(4_000_001), "This file is larger than 4 MB."),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(desk, tmp_path, name):
    draw(desk, TUNE[:2])
    data, line = BAD[name]
    (tmp_path / name).write_bytes(data)
    open_file(desk, tmp_path / name)
    desk.wait_for_selector(".play-fault")
    assert said(desk) == line
    assert notes(desk) == sorted(TUNE[:2])


def test_a_link_opened_again_gives_the_same_roll(desk, chrome):
    draw(desk)
    tool(desk, "Allow change")
    drag(desk, at(desk, 50, 3), at(desk, 60, 40))
    tool(desk, "Protect")
    drag(desk, at(desk, 52, 10), at(desk, 55, 20))
    settle(desk, steps=7, seed=4_000_000_000)
    desk.get_by_label("Tempo").fill("133")
    desk.get_by_label("Tempo").blur()
    desk.get_by_label("Sampler").select_option("xor")
    desk.get_by_role("button", name="Copy link").click()
    desk.wait_for_function("location.hash.length > 10")
    assert len(desk.evaluate("location.hash")) < 400
    other = visit(chrome, desk.root)
    other.goto(desk.url)
    other.reload()
    other.wait_for_function("desk.parts?.view.width > 0")
    assert state(other) == state(desk)
    settings = other.evaluate("desk.parts.settings.now")
    told = {"steps": 7, "seed": 4_000_000_000, "sampler": "xor", "tempo": 133, "fresh": False}
    assert told.items() <= settings.items()
    other.goto(f"{desk.root}/play.html#play=AAAA")
    other.wait_for_selector(".play-fault")
    assert said(other) == "This link is broken. Here is the page without it."
    assert other.strangers == other.faults == []
    other.close()
    desk.get_by_label("Sampler").select_option("refreshed")
    desk.evaluate("history.replaceState(null, '', '#')")


def test_sound_and_picture_are_saved(desk, tmp_path):
    draw(desk)
    wav = saved(desk, "WAV", tmp_path).read_bytes()
    assert wav[:4] == b"RIFF" and wav[8:12] == b"WAVE"
    samples = np.frombuffer(wav[44:], "<i2")
    assert struct.unpack("<I", wav[24:28]) == (44100,)
    assert 1000 < np.abs(samples).max() < 32767  # heard, and not clipped
    assert saved(desk, "Picture", tmp_path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


# --- the model -----------------------------------------------------------------------------------


def test_a_drawn_melody_is_harmonized(desk, tmp_path):
    draw(desk)
    choose(desk, "Harmonize")
    before = roll(desk)
    go(desk)
    assert notes(desk, made=False) == sorted(TUNE)
    line = np.full(COLUMNS, ROWS)
    for pitch, start, end in TUNE:
        line[start:end] = pitch - LOW
    known = (np.arange(ROWS)[:, None] >= line) & (line < ROWS)
    assert np.array_equal(roll(desk)[known], before[known])
    assert {n["voice"] for n in state(desk)["notes"]} == {0, 1, 2, 3}
    tracks = heard(saved(desk, "MIDI", tmp_path))
    assert list(tracks) == ["Melody", "Soprano", "Alto", "Tenor", "Bass"]
    assert tracks["Melody"] == sorted(TUNE)
    assert min(start for _, start, _ in tracks["Soprano"]) >= 36  # where the tune has ended
    assert Counter(n for part in tracks.values() for n in part) == Counter(joined(desk))
    name = desk.locator(".play-take").first.text_content()
    assert re.fullmatch(r"Take \d+", name)
    desk.keyboard.press("Control+z")
    assert notes(desk) == sorted(TUNE)
    desk.locator(".play-take").first.click()
    assert len(notes(desk)) > len(TUNE)


def test_who_draws_on_an_empty_page_keeps_the_tune(desk):
    assert desk.get_by_role("radio", name="Write", exact=True).is_checked()
    draw(desk, TUNE[:2])
    assert desk.get_by_role("radio", name="Harmonize").is_checked()
    assert state(desk)["free"]["kind"] == "below"
    choose(desk, "Complete")
    draw(desk, TUNE[2:4])  # what is free begins after it
    given = notes(desk)
    go(desk)
    assert notes(desk, made=False) == given
    assert min(start for _, start, _ in notes(desk, made=True)) >= 20


def test_the_same_seed_writes_the_same(desk):
    draw(desk)
    choose(desk, "Harmonize")
    written = []
    for seed in 5, 5, 6:
        settle(desk, steps=3, seed=seed)
        go(desk)
        written.append(notes(desk))
    assert written[0] == written[1] != written[2]


def test_a_stronger_variation_has_less_in_common(desk):
    common = []
    for strength in 20, 50, 100:
        desk.get_by_role("button", name="A chorale").click()
        before = roll(desk)
        choose(desk, "Vary")
        settle(desk, steps=20, seed=2)
        desk.get_by_label("Strength").fill(str(strength))
        go(desk)
        after = roll(desk)
        common.append((before & after).sum() / (before | after).sum())
    assert common[0] > common[1] > common[2]


def test_a_painted_hole_is_filled(desk):
    desk.get_by_role("button", name="A chorale").click()
    desk.get_by_label("What may change").select_option("none")
    tool(desk, "Allow change")
    drag(desk, at(desk, 40, 8), at(desk, 75, 23))
    assert desk.get_by_label("What may change").input_value() == "painted"
    before = roll(desk)
    go(desk)
    hole = np.zeros_like(before)
    hole[40 - LOW : 75 - LOW + 1, 8:24] = True
    after = roll(desk)
    assert np.array_equal(after[~hole], before[~hole])
    assert after[hole].any() and not np.array_equal(after[hole], before[hole])


@pytest.mark.parametrize("action, preset", [("Infill", "A hole"), ("Complete", "An opening")])
def test_presets_are_ready_to_go(desk, action, preset):
    desk.get_by_role("button", name=preset).click()
    settle(desk, steps=3, seed=1)
    assert desk.get_by_role("radio", name=action).is_checked()
    given = notes(desk)
    go(desk)
    assert set(given) <= set(notes(desk)) and notes(desk, made=True)


def test_what_cannot_be_done_is_said(desk):
    choose(desk, "Harmonize")
    desk.locator(".play-go").click()
    assert said(desk) == "Draw a melody first."
    choose(desk, "Write")
    desk.get_by_label("What may change").select_option("none")
    desk.locator(".play-go").click()
    assert said(desk) == "Nothing may change. Say first what the model may write."


def test_writing_is_seen_and_stops_at_once(desk):
    draw(desk)
    choose(desk, "Harmonize")
    settle(desk, steps=400, seed=1)
    places = """() => [...desk.querySelectorAll('.play-go, .play-roll, .play-status, .play-strip')]
        .map(e => [e.offsetLeft, e.offsetTop, e.offsetWidth, e.offsetHeight])"""
    before = desk.evaluate(places)
    desk.locator(".play-go").click()
    desk.wait_for_function("desk.parts.view.x_t !== null", timeout=60_000)
    assert re.match(r"Stop \(step \d+ of 400\)", desk.locator(".play-go").text_content())
    assert desk.evaluate(places) == before  # nothing jumps
    drag(desk, at(desk, 80, 50), at(desk, 80, 53))  # nothing changes meanwhile
    desk.locator(".play-go").click()
    desk.wait_for_function("desk.dataset.busy === 'false'", timeout=5_000)
    assert notes(desk) == sorted(TUNE)
    assert said(desk) == "Stopped. Your notes are as they were."
    settle(desk, steps=2, seed=1)
    go(desk)
    assert notes(desk, made=True)


def test_a_model_that_cannot_be_loaded_is_said_and_asked_for_again(chrome, site):
    with browser.served(site) as http:
        page = visit(chrome, http)
        page.route("**/model.onnx", lambda route: route.abort())
        page.locator(".play-go").click()
        page.wait_for_selector(".play-fault")
        assert said(page).startswith("The model could not be loaded.")
        page.unroute("**/model.onnx")
        page.evaluate("desk.parts.settings.change({steps: 2, autoplay: false})")
        go(page)
        assert notes(page, made=True)
        page.close()


def test_a_thread_that_fails_is_said(chrome, site):
    page = visit(chrome, site.as_uri())
    page.evaluate(
        """() => { self.Worker = class {
            postMessage() { setTimeout(() => this.onerror({message: "out of memory"})); }
        } }"""
    )
    page.locator(".play-go").click()
    page.wait_for_selector(".play-fault")
    assert page.evaluate("desk.dataset.busy") == "false"
    page.close()


def test_loading_stops_too(chrome, site):
    page = visit(chrome, site.as_uri())
    page.locator(".play-go").click()
    page.locator(".play-go").click()
    assert page.evaluate("desk.dataset.busy") == "false"
    page.evaluate("desk.parts.settings.change({steps: 2, autoplay: false})")
    go(page)
    assert len(page.locator(".play-take").all()) == 2  # what was stopped wrote nothing
    page.close()


def test_what_was_written_is_played(desk):
    desk.get_by_label("Play what was written").check()
    choose(desk, "Write")
    go(desk)
    desk.wait_for_function("desk.parts.player.place > 0.5")
    desk.get_by_label("Play what was written").uncheck()
    desk.locator(".play-sound").click()


def resident(chrome):
    """Bytes that the processes of the browser's pages hold, where the system tells."""
    session = chrome.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    paths = [Path(f"/proc/{p['id']}/statm") for p in found if p["type"] == "renderer"]
    if not all(path.exists() for path in paths):
        pytest.skip("this system does not tell what a process holds")
    return 4096 * sum(int(path.read_text().split()[1]) for path in paths)


def test_fifty_writes_hold_no_more_memory_than_ten(desk, chrome):
    choose(desk, "Write")
    settle(desk, steps=2, seed=1)
    for count in range(50):
        if count == 25:  # as many takes as are kept
            before = resident(chrome)
        go(desk)
    grown = resident(chrome) - before
    print(f"{grown / 1e6:.0f} MB more after 25 more writes")
    assert grown < 40e6


def test_nobody_was_asked(page):
    """Last of all."""
    assert page.strangers == [] and page.faults == []
