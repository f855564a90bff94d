"""What the pages load from others: each file is listed, and ships with the text of its licence."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRA = ROOT / "book" / "_extra"
HTML = ROOT / "_build" / "html"
LISTED = [
    (row.split(" | ")[0][2:], re.findall(r"`([^`]+)`", row))
    for row in (EXTRA / "vendor" / "README.md").read_text("utf-8").splitlines()
    if row.startswith("| ") and "`" in row
]
SAYS = {  # a line of each text that no other kind of licence has
    "katex": "Permission is hereby granted, free of charge",
    "@fortawesome/fontawesome-free": "SIL OPEN FONT LICENSE",
    "@fontsource/source-serif-4": "SIL OPEN FONT LICENSE",
    "@fontsource/source-sans-3": "SIL OPEN FONT LICENSE",
    "onnxruntime-web": "Permission is hereby granted, free of charge",
    "midi-file": "Permission is hereby granted, free of charge",
}


def test_every_package_has_the_text_of_its_licence():
    texts = {
        package: "".join((EXTRA / n).read_text("utf-8") for n in names if "LICENSE" in Path(n).name)
        for package, names in LISTED
    }
    assert set(SAYS) <= set(texts)
    assert all(len(text) > 1000 for text in texts.values())
    assert all(line in texts[package] for package, line in SAYS.items())


def test_every_file_is_of_a_listed_package():
    names = [name for _, names in LISTED for name in names]
    for path in EXTRA.rglob("*"):
        name = path.relative_to(EXTRA).as_posix()
        told = name in names or any(n.endswith("/") and name.startswith(n) for n in names)
        ours = name == "vendor/README.md" or name.startswith("play/")
        assert told or path.is_dir() or ours, name


def test_the_script_and_the_list_agree(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import vendor

    assert [package for package, _ in LISTED] == [package for package, *_ in vendor.PACKAGES]
    for (_, names), (*_, wanted) in zip(LISTED, vendor.PACKAGES):
        assert set(wanted.values()) <= set(names)


@pytest.mark.skipif(not (HTML / "index.html").exists(), reason="no book: run `make book`")
def test_the_built_pages_have_them_too():
    for name in ["vendor/README.md", *(name for _, names in LISTED for name in names)]:
        assert (HTML / name).exists(), name
