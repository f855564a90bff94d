"""What the tests of the page Play share: its modules in node, and a folder that a browser opens."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """What the built book has for the model in the page: index.html, which loads it, and Play."""
    export_onnx = pytest.importorskip("export_onnx", exc_type=ImportError)
    import offline

    folder = tmp_path_factory.mktemp("site")
    for name in "play", "vendor/onnxruntime-web", "vendor/fonts":
        shutil.copytree(EXTRA / name, folder / name)
    (folder / "_static").mkdir()
    shutil.copy(ROOT / "book" / "_static" / "identity.css", folder / "_static")
    export_onnx.main(folder / "play")
    offline.main(folder)
    (folder / "index.html").write_text('<!doctype html><script src="play/play.js"></script>')
    title, _, body = (ROOT / "book" / "play.md").read_text().partition("\n")
    assert title == "# Play"
    # As Sphinx does: a heading's section has the heading's name.
    article = f'<section id="play"><h1>Play</h1>{body}</section>'
    (folder / "play.html").write_text(f"{HEAD}<article class='bd-article'>{article}</article>")
    return folder
