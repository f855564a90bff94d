"""Measure the built book against what it promises, row by row, and fail where it falls short.

    python scripts/measure_book.py [_build/html]

`make test` ends with it. The seconds come from the run of the chapters in the tests
(_build/chapters.json, written by tests/conftest.py); everything else is read from the pages, their
notebooks and the files beside them. A row that cannot be measured says so and does not fail.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
HTML = ROOT / "_build" / "html"
SECONDS = ROOT / "_build" / "chapters.json"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [name for name in PAGES if re.match(r"\d\d[a-z]?-", name)]
PHONE, PAPER = 390, 718  # pixels: across a phone; across A4 within a browser's margins

# What the paper prints, and the label that it has here.
CLAIMS = yaml.safe_load((BOOK / "claims.yml").read_text(encoding="utf-8"))
PRINTED = {claim["paper"]: claim["ours"] for claim in CLAIMS["equations"]}


@dataclass
class Row:
    """One promise: what was found, what was wanted; `ok` is None where it was not measured."""

    name: str
    found: str
    wanted: str
    ok: bool | None
    faults: tuple = ()


class Page(HTMLParser):
    """What a page holds: anchors, links, pictures, what it loads."""

    LOADS = {"script": "src", "img": "src", "audio": "src", "source": "src", "video": "src",
             "iframe": "src", "link": "href", "embed": "src", "object": "data"}  # fmt: skip
    # a link that fetches nothing when the page is opened
    IDLE = {"canonical", "search", "index", "next", "prev", "author", "copyright", "genindex"}

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.path = path
        self.anchors, self.links, self.pictures, self.loads = set(), [], [], []
        self.styles, self.style, self.article = [], False, False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = {k: v or "" for k, v in attributes}
        self.anchors |= {attributes[k] for k in ("id", "name") if attributes.get(k)}
        self.article |= tag == "article"
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "img" and self.article:
            self.pictures.append((attributes.get("alt", ""), attributes.get("src", "")))
        idle = tag == "link" and set(attributes.get("rel", "").split()) & self.IDLE
        if tag in self.LOADS and attributes.get(self.LOADS[tag]) and not idle:
            self.loads.append(attributes[self.LOADS[tag]])
        self.style |= tag == "style"

    def handle_endtag(self, tag):
        self.style &= tag != "style"

    def handle_data(self, data):
        if self.style:
            self.styles.append(data)


def notebook(name):
    path = BOOK / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []


def exercises(name):
    """The numbers of a chapter's exercises, and of its solutions that run."""
    cells = notebook(name)
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    asked = re.search(r"(?ms)^## Exercises$(.*?)(?=^## |\Z)", text)
    asked = re.findall(r"(?m)^\*\*(\d+)\.", asked.group(1)) if asked else []
    solved = set()
    for cell in cells:
        shown = cell["metadata"].get("mystnb", {}).get("code_prompt_show", "")
        number = re.match(r"Solution (\d+)", shown)
        hidden = "hide-cell" in cell["metadata"].get("tags", [])
        if number and hidden and cell.get("execution_count"):
            solved.add(number.group(1))
    return asked, solved


def broken(page, pages):
    """The links of a page that lead nowhere in the site."""
    for link in page.links + page.loads:
        url = urlsplit(link)
        if url.scheme or url.netloc or link in ("#", ""):
            continue
        target = (page.path.parent / unquote(url.path)).resolve() if url.path else page.path
        if not target.is_file():
            yield f"{page.path.name}: {link[:90]}"
        elif url.fragment and target in pages:
            if unquote(url.fragment) not in pages[target].anchors:
                yield f"{page.path.name}: {link[:90]}"


def strangers(page):
    """What a page would ask another host for when it is opened."""
    styles = list(page.styles)
    for load in page.loads:
        url = urlsplit(load)
        if url.netloc:
            yield f"{page.path.name}: {load[:90]}"
        elif url.path.endswith(".css"):
            styles.append((page.path.parent / unquote(url.path)).read_text(encoding="utf-8"))
    for style in styles:
        for address in re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", style):
            yield f"{page.path.name}: {address[:90]}"


# What a narrow page does not show: what leaves the screen, and equations that do so with no shadow.
UNSEEN = """wide => {
    const faults = [...document.querySelectorAll('.katex')].filter(math => {
        const display = math.closest('.katex-display');
        const {left, right} = (display ?? math).getBoundingClientRect();
        const style = display && getComputedStyle(display);
        const cue = style?.overflowX === 'auto' && style.backgroundImage.includes('gradient');
        return left < 0 || right > wide + 1
            || display?.scrollWidth > display?.clientWidth && !cue;
    }).map(math => math.querySelector('annotation').textContent.slice(0, 60));
    const across = document.documentElement.scrollWidth;
    return across > wide ? [`${across} pixels across`, ...faults] : faults;
}"""
# What paper cuts off: what leaves it, and what would have to be scrolled.
CUT = """wide => [...document.querySelectorAll('.bd-article *')].filter(one => {
    if (one.offsetWidth < 2 || one.closest('svg, .katex-mathml')) return false;
    const {left, right} = one.getBoundingClientRect();
    return left < -1 || right > wide + 1
        || getComputedStyle(one).overflowX !== 'visible' && one.scrollWidth > one.clientWidth + 1;
}).map(one => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 40)}`)"""


def seen(html):
    """The rows for which each page is opened in a browser, as by a reader who has nothing yet."""
    sys.path.insert(0, str(ROOT / "tests"))
    import browser

    names = (
        "first load, heaviest page",
        "console messages",
        "cut off on a phone",
        "cut off on paper",
    )
    wanted = "< 1.5 MB", "0", "0", "0"
    if browser.chromium() is None:
        for name, want in zip(names, wanted):
            yield Row(name, "not measured: no Chromium", want, None)
        return
    from playwright.sync_api import sync_playwright

    loads, said, hidden, cut = {}, [], [], []
    with browser.served(html) as address, sync_playwright() as play:
        opened = browser.launch(play)
        for path in sorted(html.glob("*.html")):
            page = opened.new_page(viewport={"width": 1280, "height": 800})  # with nothing cached
            page.set_default_navigation_timeout(120_000)  # on a busy machine, too
            answers = []
            page.on("response", lambda answer: answers.append(answer))
            page.on("console", lambda m: said.append(f"{path.name}: {m.text[:90]}"))
            page.on("pageerror", lambda e: said.append(f"{path.name}: {str(e)[:90]}"))
            page.goto(f"{address}/{path.name}", wait_until="networkidle")
            loads[path.stem] = sum(int(a.headers.get("content-length", 0)) for a in answers)
            page.set_viewport_size({"width": PHONE, "height": 844})
            hidden += [f"{path.name}: {fault}" for fault in page.evaluate(UNSEEN, PHONE)]
            page.set_viewport_size({"width": PAPER, "height": 1000})
            page.emulate_media(media="print")
            page.reload(wait_until="networkidle")
            cut += [f"{path.name}: {fault}" for fault in page.evaluate(CUT, PAPER)]
            page.close()
        opened.close()
    heaviest = max(loads, key=loads.get)
    found = f"{loads[heaviest] / 1e6:.2f} MB ({heaviest})"
    yield Row(names[0], found, wanted[0], loads[heaviest] < 1.5e6)
    for name, want, faults in zip(names[1:], wanted[1:], (said, hidden, cut)):
        yield Row(name, f"{len(faults)} on {len(loads)} pages", want, not faults, tuple(faults))


def rows(html=HTML):
    """Every row of the table. `html` is the folder of the built site."""
    html = Path(html).resolve()
    pages = {path: Page(path) for path in sorted(html.glob("*.html"))}
    ours = [pages[html / f"{name}.html"] for name in PAGES if html / f"{name}.html" in pages]

    anchors = {anchor for page in ours for anchor in page.anchors}
    lost = [f"{k}: {v}" for k, v in PRINTED.items() if f"equation-{v}" not in anchors]
    labels = sum(a.startswith("equation-eq-") for a in anchors)
    yield Row("equations of the paper, Algorithm 1", f"{len(PRINTED) - len(lost)} of "
              f"{len(PRINTED)} labelled", "all", not lost, tuple(lost))  # fmt: skip
    yield Row("labelled equations", f"{labels}", ">= 82", labels >= 82)

    asked = {name: exercises(name) for name in CHAPTERS}
    few = [f"{n}: {len(a)} exercises" for n, (a, _) in asked.items() if len(a) < 2]
    open_ = [f"{n}: exercise {i} has no solution that ran" for n, (a, s) in asked.items()
             for i in a if i not in s]  # fmt: skip
    count = sum(len(a) for a, _ in asked.values())
    yield Row("exercises", f"{count} in {len(CHAPTERS)} chapters", ">= 46, 2 or more a chapter",
              count >= 46 and not few, tuple(few))  # fmt: skip
    yield Row("solutions that run", f"{count - len(open_)} of {count}", "all", not open_,
              tuple(open_))  # fmt: skip

    pictures = [(p.path.name, *picture) for p in ours for picture in p.pictures]
    silent = [f"{name}: {source[:60]}" for name, alt, source in pictures
              if len(alt) <= 15 or Path(source).name in alt]  # fmt: skip
    yield Row("pictures with alt text", f"{len(pictures) - len(silent)} of {len(pictures)}", "all",
              not silent, tuple(silent))  # fmt: skip

    asks = [fault for page in pages.values() for fault in strangers(page)]
    yield Row("requests elsewhere", f"{len(asks)}", "0", not asks, tuple(asks))

    faults = [fault for page in pages.values() for fault in broken(page, pages)]
    links = sum(len(page.links) for page in pages.values())
    yield Row("broken links", f"{len(faults)} of {links:,}", "0", not faults, tuple(faults))

    yield from seen(html)
    size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
    # 27 MB are the model and its runtime for the page Play, loaded only when asked for
    yield Row("site", f"{size / 1e6:.1f} MB", "< 64 MB", size < 64e6)

    built = (html / ".built").exists()  # the build ends at a warning, the stamp is written last
    yield Row("warnings", "0 (the build stops at one)" if built else "not measured", "0",
              built or None)  # fmt: skip

    code = [c for name in PAGES for c in notebook(name)
            if c["cell_type"] == "code" and "".join(c["source"])]  # fmt: skip
    skipped = sum("nbval-skip" in c["metadata"].get("tags", []) for c in code)
    yield Row("cells that the tests skip", f"{skipped} of {len(code)}", "< 5 %",
              skipped < 0.05 * len(code))  # fmt: skip
    yield timing()


def timing():
    """The chapters' seconds in the last run of the tests: two at a time, as two cores allow."""
    seconds = json.loads(SECONDS.read_text(encoding="utf-8")) if SECONDS.exists() else {}
    missing = [n for n in PAGES if notebook(n) and f"book/{n}.ipynb" not in seconds]
    if missing:
        return Row("the whole book on 2 cores", "not measured", "< 8 minutes", None)
    seconds = [seconds[f"book/{n}.ipynb"] for n in PAGES if notebook(n)]
    minutes = max(sum(seconds) / 2, max(seconds)) / 60
    return Row("the whole book on 2 cores", f"{minutes:.1f} minutes", "< 8 minutes", minutes < 8)


def main():
    html = Path(sys.argv[1]) if len(sys.argv) > 1 else HTML
    if not (html / "index.html").exists():
        sys.exit(f"{html}: no book there; run `make book`")
    table = list(rows(html))
    wide = [max(len(getattr(row, k)) for row in table) for k in ("name", "found", "wanted")]
    for row in table:
        verdict = {True: "holds", False: "FALLS SHORT", None: "-"}[row.ok]
        print(f"{row.name:{wide[0]}}  {row.found:{wide[1]}}  {row.wanted:{wide[2]}}  {verdict}")
        for fault in row.faults[:20]:
            print(f"    {fault}")
    return int(any(row.ok is False for row in table))


if __name__ == "__main__":
    sys.exit(main())
