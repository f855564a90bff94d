"""What the tests of the page Play share: its modules in node, and a folder that a browser opens."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import browser
import pytest

ROOT = Path(__file__).parents[2]
EXTRA = ROOT / "book" / "_extra"
sys.path.insert(0, str(ROOT / "scripts"))


class Node:
    """``node(name, *arguments)`` is what a task of answer.mjs answers."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, Path(__file__).with_name("answer.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name, *arguments):
        print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["answer"]


@pytest.fixture(scope="module")
def chrome():
    """A browser, for tests that have found that there is one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = browser.launch(play)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def node():
    program = shutil.which("node")
    if program is None:
        pytest.skip("no node to run the page's modules in: https://nodejs.org has it")
    node = Node(program)
    yield node
    node.process.stdin.close()
    node.process.wait()


HEAD = """<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Play</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="_static/identity.css">
"""


OWN = """<link rel="stylesheet" href="_static/binolab.css">
<script src="_static/binolab.js"></script>
"""


def twins():
    """The twin of each chapter that has one, as it stands there."""
    found = {}
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        for twin in re.findall(r'<div class="twin".*?</div>', text):
            assert path.stem not in found, "a chapter has one twin"
            found[path.stem] = twin
    return found


TWINS = twins()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """What the built book has for the model in the page: index.html, which loads it, and Play.

    Of each chapter with a twin there is a page that has the twin and nothing else, far below.
    """
    export_onnx = pytest.importorskip("export_onnx", exc_type=ImportError)
    import offline

    folder = tmp_path_factory.mktemp("site")
    for name in "play", "vendor/onnxruntime-web", "vendor/fonts":
        shutil.copytree(EXTRA / name, folder / name)
    (folder / "_static").mkdir()
    for name in "identity.css", "binolab.css", "binolab.js":
        shutil.copy(ROOT / "book" / "_static" / name, folder / "_static")
    export_onnx.main(folder / "play")
    offline.main(folder)
    (folder / "index.html").write_text('<!doctype html><script src="play/play.js"></script>')
    title, _, body = (ROOT / "book" / "play.md").read_text().partition("\n")
    assert title == "# Play"
    # As Sphinx does: a heading's section has the heading's name.
    article = f'<section id="play"><h1>Play</h1>{body}</section>'
    (folder / "play.html").write_text(f"{HEAD}<article class='bd-article'>{article}</article>")
    for chapter, twin in TWINS.items():
        below = f'<p style="height: 300vh">Music.</p>{twin}<p style="height: 50vh">More.</p>'
        body = f"<article class='bd-article'>{below}</article>"
        (folder / f"{chapter}.html").write_text(f"{HEAD}{OWN}{body}")
    return folder
