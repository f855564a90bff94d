"""The modules of the page Play, asked from Python: `node` runs them, one question a line."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest


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
