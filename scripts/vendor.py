"""Fetch what the pages load, so that no page asks another host for anything.

    make vendor

Each package comes from npm by name and version (`npm pack`); of each only the files below are
kept, in book/_extra, with the text of its licence; vendor/README.md there lists them. The figures'
typeface goes to binolab/fonts, as the TrueType that matplotlib reads. A second run writes the same
bytes. To update: change a version here, run, build, look.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from importlib.metadata import files
from pathlib import Path

import offline
from fontTools.ttLib import TTFont  # matplotlib brings it

FIGURES = Path(__file__).parents[1] / "binolab" / "show" / "fonts"
EXTRA = Path(__file__).parents[1] / "book" / "_extra"
# The widgets' manager looks for its icons below the page, at the path of its own package.
MANAGER = "@jupyter-widgets/html-manager/dist"
FONTS = "vendor/fonts"
RUNTIME = "vendor/onnxruntime-web"
FOLDERS = ("vendor", "@jupyter-widgets")

# npm package, version, what it is for, {file in the package (a trailing / means a folder): name}.
# A file whose new name has LICENSE in it is the text of the licence.
PACKAGES = [
    (
        "mathjax",
        "3.2.2",
        "typesets the equations",
        {
            "es5/tex-chtml.js": "vendor/mathjax/tex-chtml.js",
            "es5/output/chtml/fonts/woff-v2/": "vendor/mathjax/output/chtml/fonts/woff-v2/",
            "LICENSE": "vendor/mathjax/LICENSE",
        },
    ),
    (
        "requirejs",
        "2.3.8",
        "loads the widgets' manager",
        {"require.js": "vendor/requirejs/require.js"},
    ),
    (
        "almond",  # of requirejs' own project: its package has the licence that requirejs' lacks
        "0.3.3",
        "not loaded: it has the licence text that requirejs' package lacks",
        {"LICENSE": "vendor/requirejs/LICENSE"},
    ),
    (
        "@jupyter-widgets/html-manager",
        "1.0.15",
        "brings the sliders to life with no kernel",
        {
            "dist/embed-amd.js": f"{MANAGER}/embed-amd.js",
            "dist/embed.js.LICENSE.txt": f"{MANAGER}/LICENSE-of-parts",
        },
    ),
    (
        "@fortawesome/fontawesome-free",
        "5.15.4",  # what html-manager was built with
        "the icons of the widgets' manager",
        {
            "webfonts/fa-solid-900.woff2": f"{MANAGER}/1551f4f60c37af51121f.woff2",
            "LICENSE.txt": f"{MANAGER}/LICENSE-font-awesome",
        },
    ),
    (
        "@fontsource/source-serif-4",
        "5.3.1",
        "the typeface of the text",
        {
            "files/source-serif-4-latin-400-normal.woff2": f"{FONTS}/source-serif-400-normal.woff2",
            "files/source-serif-4-latin-400-italic.woff2": f"{FONTS}/source-serif-400-italic.woff2",
            "files/source-serif-4-latin-600-normal.woff2": f"{FONTS}/source-serif-600-normal.woff2",
            "LICENSE": f"{FONTS}/LICENSE-source-serif",
        },
    ),
    (
        "@fontsource/source-sans-3",
        "5.3.1",
        "the typeface of headings, tables and figures",
        {
            "files/source-sans-3-latin-400-normal.woff2": f"{FONTS}/source-sans-400-normal.woff2",
            "files/source-sans-3-latin-600-normal.woff2": f"{FONTS}/source-sans-600-normal.woff2",
            "LICENSE": f"{FONTS}/LICENSE-source-sans",
        },
    ),
    (
        "onnxruntime-web",
        "1.22.0",  # of 1.30 the wasm is a quarter larger
        "runs the model of the page Play",
        {f"dist/{name}": f"{RUNTIME}/{name}" for name in offline.RUNTIME},
    ),
    (
        "midi-file",
        "1.2.4",
        "reads and writes the MIDI files of the page Play: part of page.js",
        {
            "index.js": "vendor/midi-file/index.js",
            "lib/": "vendor/midi-file/lib/",
            "LICENSE.md": "vendor/midi-file/LICENSE",
        },
    ),
]


def unpack(package, version, folder):
    """Fetch one package and return the folder that it was unpacked to."""
    subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def true_type(source):
    """Write the figures' fonts: the package's outlines without the web's wrapping."""
    FIGURES.mkdir(exist_ok=True)
    for style, name in ("400-normal", "Regular"), ("700-normal", "Bold"):
        file = source / "files" / f"source-sans-3-latin-{style}.woff"
        font = TTFont(file, recalcTimestamp=False)
        font.flavor = None
        font.save(FIGURES / f"SourceSans3-{name}.ttf")
    shutil.copyfile(source / "LICENSE", FIGURES / "LICENSE")


def main():
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        new = Path(temporary) / "new"
        for number, (package, version, purpose, wanted) in enumerate(PACKAGES):
            print(f"{package} {version}", flush=True)
            folder = Path(temporary) / str(number)
            folder.mkdir()
            source = unpack(package, version, folder)
            for name, target in wanted.items():
                (new / target).parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if name.endswith("/") else shutil.copyfile
                copy(source / name, new / target)
            if package == "@fontsource/source-sans-3":
                true_type(source)
            licence = json.loads((source / "package.json").read_text(encoding="utf-8"))["license"]
            rows[package] = [package, version, licence, purpose, list(wanted.values())]
        # the package comes without its licence; ipywidgets, of the same project, has it
        licence = next(f for f in files("ipywidgets") if f.name == "LICENSE").read_binary()
        (new / MANAGER / "LICENSE").write_bytes(licence)
        # and onnxruntime's Python package has the texts that its package for the web lacks
        for text, name in ("LICENSE", "LICENSE"), ("ThirdPartyNotices.txt", "LICENSE-of-parts"):
            licence = next(f for f in files("onnxruntime") if f.name == text).read_binary()
            (new / RUNTIME / name).write_bytes(licence)
        # Font Awesome's names the licence of its fonts; the text of that is in another font's
        ofl = (new / FONTS / "LICENSE-source-serif").read_text(encoding="utf-8")
        with open(new / MANAGER / "LICENSE-font-awesome", "a", encoding="utf-8") as opened:
            opened.write("\n" + ofl[ofl.index("---------") :])
        rows["requirejs"][-1].append("vendor/requirejs/LICENSE")
        rows["@jupyter-widgets/html-manager"][-1].append(f"{MANAGER}/LICENSE")
        rows["onnxruntime-web"][-1] += [f"{RUNTIME}/LICENSE", f"{RUNTIME}/LICENSE-of-parts"]
        lines = [
            f"| {' | '.join(row)} | " + ", ".join(f"`{name}`" for name in names) + " |"
            for *row, names in rows.values()
        ]
        (new / "vendor" / "README.md").write_text(
            "# Vendored: what the pages load\n\n"
            "Written by `make vendor` (`scripts/vendor.py`); do not edit by hand. The text of each "
            "licence lies beside what it is of, in the file whose name begins with LICENSE.\n\n"
            "| npm package | version | licence | what for | files |\n"
            "|---|---|---|---|---|\n" + "\n".join(lines) + "\n",
            encoding="utf-8",
        )
        for folder in FOLDERS:
            shutil.rmtree(EXTRA / folder, ignore_errors=True)
            shutil.copytree(new / folder, EXTRA / folder)
    size = sum(path.stat().st_size for path in EXTRA.rglob("*") if path.is_file())
    print(f"book/_extra: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
