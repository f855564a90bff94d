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
from fontTools.subset import Subsetter  # matplotlib brings fontTools
from fontTools.ttLib import TTFont

FIGURES = Path(__file__).parents[1] / "binolab" / "show" / "fonts"
EXTRA = Path(__file__).parents[1] / "book" / "_extra"
FONTS = "vendor/fonts"
RUNTIME = "vendor/onnxruntime-web"
MATH = [  # of KaTeX's fonts, those that equations ask for
    "AMS-Regular", "Caligraphic-Regular", "Main-Bold", "Main-Italic", "Main-Regular", "Math-Italic",
    "Size1-Regular", "Size2-Regular", "Size3-Regular", "Size4-Regular", "Typewriter-Regular",
]  # fmt: skip
# Of Font Awesome's glyphs, those that the theme's pages and styles name, by their number.
ICONS = {
    "solid-900": [
        0xF002, 0xF00D, 0xF010, 0xF015, 0xF019, 0xF03A, 0xF042, 0xF04B, 0xF054, 0xF057, 0xF058,
        0xF05A, 0xF061, 0xF062, 0xF064, 0xF065, 0xF06A, 0xF071, 0xF078, 0xF0C9, 0xF0EB, 0xF0F3,
        0xF104, 0xF105, 0xF107, 0xF121, 0xF135, 0xF15B, 0xF185, 0xF186, 0xF1C1, 0xF303, 0xF35D,
    ],
    "brands-400": [0xF09B],
}  # fmt: skip

# npm package, version, what it is for, {file in the package (a trailing / means a folder): name}.
# A file whose new name has LICENSE in it is the text of the licence.
PACKAGES = [
    (
        "katex",
        "0.16.22",
        "typesets the equations",
        {
            "dist/katex.min.js": "vendor/katex/katex.min.js",
            "dist/katex.min.css": "vendor/katex/katex.min.css",
            **{f"dist/fonts/KaTeX_{n}.woff2": f"vendor/katex/fonts/KaTeX_{n}.woff2" for n in MATH},
            "LICENSE": "vendor/katex/LICENSE",
        },
    ),
    (
        "@fortawesome/fontawesome-free",
        "6.5.2",  # as the theme
        "the icons of the theme, those that it can show",
        {"LICENSE.txt": f"{FONTS}/LICENSE-icons"},
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


def icons(source, target):
    """Write of each of Font Awesome's fonts the few glyphs that are seen; returns the names."""
    for style, numbers in ICONS.items():
        font = TTFont(source / "webfonts" / f"fa-{style}.ttf", recalcTimestamp=False)
        cut = Subsetter()
        cut.populate(unicodes=numbers)
        cut.subset(font)
        font.flavor = "woff"
        font.save(target / FONTS / f"icons-{style}.woff")
    return [f"{FONTS}/icons-{style}.woff" for style in ICONS]


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
            if package == "@fortawesome/fontawesome-free":
                rows[package][-1] += icons(source, new)
        # onnxruntime's Python package has the texts that its package for the web lacks
        for text, name in ("LICENSE", "LICENSE"), ("ThirdPartyNotices.txt", "LICENSE-of-parts"):
            licence = next(f for f in files("onnxruntime") if f.name == text).read_binary()
            (new / RUNTIME / name).write_bytes(licence)
        # Font Awesome's names the licence of its fonts; the text of that is in another font's
        ofl = (new / FONTS / "LICENSE-source-serif").read_text(encoding="utf-8")
        with open(new / FONTS / "LICENSE-icons", "a", encoding="utf-8") as opened:
            opened.write("\n" + ofl[ofl.index("---------") :])
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
        shutil.rmtree(EXTRA / "vendor", ignore_errors=True)
        shutil.copytree(new / "vendor", EXTRA / "vendor")
    size = sum(path.stat().st_size for path in EXTRA.rglob("*") if path.is_file())
    print(f"book/_extra: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
