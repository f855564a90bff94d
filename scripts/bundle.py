"""Make the one script of the page Play from the modules in book/play.

    make bundle

esbuild comes from npm by its version. The worker is bundled first and becomes a text in the script
of the page: from file:// a page cannot load a worker by its address. The first line of the script
holds a hash of the sources, which a test compares.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "book" / "play"
BUNDLE = ROOT / "book" / "_extra" / "play" / "play.js"
ESBUILD = "esbuild@0.28.2"


def banner() -> str:
    """The first line of the script, which names its sources by their hash."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.js")):
        digest.update(f"{path.name}\n{path.read_text(encoding='utf-8')}\n".encode())
    return f"/* Made of book/play by `make bundle`; do not edit. sources: {digest.hexdigest()} */"


def esbuild(source: Path, target: Path, *options: str) -> None:
    common = "--bundle", "--minify", "--format=iife", "--target=es2022", "--log-level=warning"
    subprocess.run(
        ["npm", "exec", "--yes", ESBUILD, "--", source, f"--outfile={target}", *common, *options],
        check=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        worker = Path(folder) / "worker.txt"
        esbuild(SOURCES / "worker.js", worker)
        text = f"--alias:worker-source={worker}", "--loader:.txt=text"
        name = "--global-name=binolab"
        esbuild(SOURCES / "index.js", BUNDLE, *text, name, f"--banner:js={banner()}")
    print(f"{BUNDLE.relative_to(ROOT)}: {BUNDLE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
