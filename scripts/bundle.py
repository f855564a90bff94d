"""Make the scripts of the model in the page from the modules in book/play.

    make bundle

play.js is the model alone, page.js the page Play, twin.js what is live in the chapters; page.css
and twin.css are how they look. worker.js holds the worker as a text: from file:// a page cannot
load a worker by its address. esbuild comes from npm by its version. The first line of each file
holds a hash of the sources, which a test compares.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "book" / "play"
EXTRA = ROOT / "book" / "_extra"
BUNDLES = {  # of which module each is made
    EXTRA / "play" / "play.js": SOURCES / "index.js",
    EXTRA / "play" / "page.js": SOURCES / "ui" / "page.js",
    EXTRA / "play" / "twin.js": SOURCES / "ui" / "twin.js",
}
STYLES = EXTRA / "play" / "page.css", EXTRA / "play" / "twin.css"  # come with scripts of their name
WORKER = EXTRA / "play" / "worker.js"
MADE = *BUNDLES, *STYLES, WORKER
MIDI = EXTRA / "vendor" / "midi-file" / "index.js"
ESBUILD = "esbuild@0.28.2"


def banner() -> str:
    """The first line of each file, which names its sources by their hash."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCES.rglob("*") if path.suffix in (".js", ".css")):
        name = path.relative_to(SOURCES).as_posix()
        digest.update(f"{name}\n{path.read_text(encoding='utf-8')}\n".encode())
    return f"/* Made of book/play by `make bundle`; do not edit. sources: {digest.hexdigest()} */"


def esbuild(source: Path, target: Path, *options: str) -> None:
    common = "--bundle", "--minify", "--format=iife", "--target=es2022", "--log-level=warning"
    subprocess.run(
        ["npm", "exec", "--yes", ESBUILD, "--", source, f"--outfile={target}", *common, *options],
        check=True,
    )


def main() -> None:
    first = f"--banner:js={banner()}", f"--banner:css={banner()}"
    for target, source in BUNDLES.items():
        name = ["--global-name=binolab"] if target.stem == "play" else []
        esbuild(source, target, *name, f"--alias:midi-file={MIDI}", *first)
    with tempfile.TemporaryDirectory() as folder:
        worker = Path(folder) / "worker.js"
        esbuild(SOURCES / "worker.js", worker)
        text = json.dumps(worker.read_text(encoding="utf-8"))
    WORKER.write_text(f"{banner()}\nself.binolabWorker = {text};\n", encoding="utf-8")
    for path in MADE:
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
