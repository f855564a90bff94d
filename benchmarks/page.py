"""How long the page Play takes, beside the same network in torch, in one run on one machine.

    make book
    python benchmarks/page.py

Needs a Chromium. Writes benchmarks/page.md.
"""

import os
import platform
import statistics
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "tests"))
CALLS = 20
TIMES = 5

# A click on the large button, and the time until the playhead moves, in milliseconds.
CLICK_TO_SOUND = """() => new Promise(done => {
    const {player} = desk.parts;
    player.pause();
    const begun = performance.now();
    const look = () => player.playing && player.place > 0
        ? done(performance.now() - begun) : requestAnimationFrame(look);
    document.querySelector(".play-go").click();
    requestAnimationFrame(look);
})"""
LOAD = """async () => {
    const begun = performance.now();
    await desk.parts.writing.load(() => {});
    return performance.now() - begun;
}"""
# Calls of the network alone, by the script of the model without the page.
ONE_CALL = """async ([root, times]) => {
    const engine = await binolab.Engine.load(root);
    const {kinds, pitches, columns} = engine.card;
    const bits = new Float32Array(kinds * pitches * columns);
    const known = new Uint8Array(bits.length);
    const taken = [];
    for (let i = 0; i < times; i++) {
        const begun = performance.now();
        await engine.logits(bits, 0.5, known);
        taken.push(performance.now() - begun);
    }
    engine.close();
    return taken;
}"""


def of_the_page(page, address):
    """Rows of the table, from a page that was never opened before."""
    weight = []
    page.on("response", lambda r: r.request.resource_type != "other" and weight.append(r))
    page.goto(f"{address}/play.html", wait_until="networkidle")
    before = sum(len(response.body()) for response in weight)
    load = page.evaluate(LOAD)
    engine = page.evaluate(
        """() => performance.getEntriesByType("resource")
            .filter(entry => /play.model|onnxruntime/.test(entry.name))
            .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""
    )
    page.evaluate(f"desk.parts.settings.change({{steps: {CALLS}}})")
    sounds = [page.evaluate(CLICK_TO_SOUND) for _ in range(TIMES)]
    page.evaluate("desk.parts.player.pause()")
    page.add_script_tag(url=f"{address}/play/play.js")
    calls = page.evaluate(ONE_CALL, [f"{address}/", CALLS])
    return {"before": before, "engine": engine, "load": load, "sounds": sounds, "calls": calls}


def of_torch():
    """Milliseconds of each of some calls of the network, in one thread."""
    import torch

    import binolab

    torch.set_num_threads(1)
    model = binolab.load("best")
    bits, known = model.encode(torch.zeros(1, 1, model.pitches, model.length))
    level, taken = torch.full((1,), 0.5), []
    with torch.no_grad():
        for _ in range(CALLS):
            begun = time.perf_counter()
            model(bits, level, known)
            taken.append(1e3 * (time.perf_counter() - begun))
    return taken


def main():
    import browser
    from playwright.sync_api import sync_playwright

    if not (HTML / "play.html").exists():
        sys.exit("no book: run `make book`")
    if browser.chromium() is None:
        sys.exit(browser.MISSING)
    with sync_playwright() as play, browser.served(HTML) as address:
        opened = browser.launch(play)
        page = opened.new_page()
        found = of_the_page(page, address)
        version = opened.version
        opened.close()
    call, native = statistics.median(found["calls"]), statistics.median(of_torch())
    rows = {
        f"from the click to the first sound, {CALLS} calls, loaded": (
            f"{statistics.median(found['sounds']) / 1e3:.2f} s"
        ),
        "the model loaded, over http": f"{found['load'] / 1e3:.2f} s",
        "a call of the network, in the page": f"{call:.0f} ms",
        "a call of the network, torch, one thread": f"{native:.0f} ms",
        "in the page, times torch": f"{call / native:.1f}",
        "the page before the first click": f"{found['before'] / 1e6:.2f} MB",
        "what the first click loads": f"{found['engine'] / 1e6:.1f} MB",
    }
    text = (
        f"# The page Play\n\n`python benchmarks/page.py`, {date.today()}: {os.cpu_count()} cores "
        f"({platform.machine()}), Chromium {version} without a window. Medians of {TIMES} clicks "
        f"and {CALLS} calls, in one run.\n\n| what | |\n|---|---|\n"
        + "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    )
    (ROOT / "benchmarks" / "page.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
