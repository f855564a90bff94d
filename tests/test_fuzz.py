"""The fuzzer itself: its seeds are read without a fault, and each kind of failure is noticed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
MADE = """
import json, os, random, sys, time, zlib
import fuzz

made = [make(random.Random(f"{name} {i}")) for i in range(9)
        for name, (_, make, _) in fuzz.TARGETS.items()]
print(zlib.crc32(repr(made).encode()))
"""
PLANTED = (
    MADE
    + """

def raises(case): raise KeyError("x")
def takes_memory(case): bytearray(2 << 30)
def takes_time(case):
    while True: pass
def waits(case): time.sleep(60)
def dies(case): os.abort()
def speaks(case): print("one line\\ntwo lines", file=sys.stderr)
def writes(case):
    fuzz.run_command = lambda arguments: open("out.mid", "w").close() or 2
    return fuzz.command(case)
def works(case):
    fuzz.run_command = lambda arguments: fuzz.job.load()(
        fuzz.torch.zeros(1, 1, 56, 384), fuzz.torch.ones(1)) is None or 2
    return fuzz.command(case)
def ends(case):
    fuzz.run_command = lambda arguments: 0
    return fuzz.command(case)
def is_sound(case): pass

fuzz.SECONDS, fuzz.PATIENCE = 1, 5
acts = [raises, takes_memory, takes_time, waits, dies, speaks, writes, works, ends, is_sound]
fuzz.TARGETS = {act.__name__: (act, None, "") for act in acts}
fuzz.COMMANDS = list(fuzz.TARGETS)
cases = [fuzz.Case(name, b"") for name in fuzz.TARGETS]
print(json.dumps({case.target: told and told[0] for case, told in fuzz.read_all(cases, 2)}))
"""
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are Linux's"),
]


def run(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(FUZZ.parent), *filter(None, sys.path)])},
    )


def test_its_seeds_are_sound_and_each_kind_of_failure_is_noticed():
    given = "sys.argv[1:] = '--minutes', '0', '--seed', '1'\n"
    sound = run("-c", MADE + given + "sys.exit(fuzz.main())")
    assert sound.returncode == 0, sound
    once, said = sound.stdout.splitlines()
    assert said.startswith("0 inputs, seed 1, 0 distinct failures")
    again, found = map(json.loads, run("-c", PLANTED).stdout.splitlines())
    assert int(once) == again, "the same seed makes other damage"
    assert found.pop("raises").startswith("KeyError")
    assert found.pop("takes_memory").startswith("memory")
    assert found == {
        "takes_time": "hang",
        "waits": "hang",
        "dies": "crash by SIGABRT",
        "speaks": "several lines",
        "writes": "a refusal changed files",
        "works": "work before a refusal",
        "ends": "status 0, changed []",
        "is_sound": None,
    }
