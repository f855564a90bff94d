"""Damaged input, by the thousand: `make fuzz`, or

    python tests/fuzz.py --minutes 5 --seed 1

Seeds of every kind that the program reads are made here, damaged at random, and read as the program
reads them. torch is imported once; every input has a process of its own (a fork) with a gigabyte
more than that took, and ten seconds of a processor. A failure is a traceback, a crash, a hang, a
lack of memory, a message of several lines, work that is done before a refusal, a file that a
refusal changed, or a result that cannot be read. Each distinct one is one line here; its input is
kept under _build/fuzz and tried again with ``--again FILE``. Exit status 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

os.environ["OMP_NUM_THREADS"] = "1"  # a fork has one thread

import music21.musicxml.xmlToM21  # noqa: E402, F401  a second, that no child shall need
import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save  # noqa: E402
from tiny import TINY

from binolab import files
from binolab.cli.main import main as run_command
from binolab.compose import job
from binolab.datasets import archive, folders, maestro
from binolab.model import Model, WeightsError, load
from binolab.music.midi import MidiError, parse, read
from binolab.training import checkpoints
from binolab.training.step import Run

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "_build" / "fuzz"
MEMORY, SECONDS, PATIENCE = 1 << 30, 10, 60  # bytes, of a processor, by the clock
PITCHES = 56


@dataclass
class Case:
    """What one process reads: `data` in the way of `target`, with options of the command line."""

    target: str
    data: bytes
    options: list = field(default_factory=list)


# --- seeds ---------------------------------------------------------------------------------------


def vlq(value):
    """A number as MIDI writes it: seven bits a byte."""
    found = [value & 127]
    while value := value >> 7:
        found.append(value & 127 | 128)
    return bytes(found[::-1])


def chunk(name, data):
    return name + len(data).to_bytes(4, "big") + data


def midi_file(*tracks, kind=1, ticks=96):
    head = b"".join(n.to_bytes(2, "big") for n in (kind, len(tracks), ticks))
    return chunk(b"MThd", head) + b"".join(chunk(b"MTrk", track) for track in tracks)


END = b"\0\xff\x2f\0"
TEMPO = b"\0\xff\x51\3\7\xa1\x20" + vlq(96) + b"\xff\x51\3\6\x1a\x80"
SIGNS = b"\0\xff\x58\4\6\3\x18\x08\0\xff\x59\2\xfd\0"
TEXTS = b"\0\xff\3\5Piano\0\xff\1\4text\0\xff\5\2la\0\xff\x7f\3\0\1\2\0\xf0\3\x7e\1\xf7"


def notes(first=60, count=8, length=96, channel=0, running=False):
    """A scale; with running status, a note off is a note on of velocity 0."""
    found, on, off = b"", bytes([0x90 | channel]), bytes([0x80 | channel])
    for i in range(count):
        pitch = bytes([first + i])
        if running:
            found += b"\0" + (b"" if i else on) + pitch + b"\x50" + vlq(length) + pitch + b"\0"
        else:
            found += b"\0" + on + pitch + b"\x50" + vlq(length) + off + pitch + b"\x40"
    return found


def tracks_of_seeds():
    """Valid small pieces of many kinds: what `midi_file` takes."""
    tune = notes()
    controls = b"\0\xb0\x40\x7f\0\xc0\x28\0\xe0\0\x50\0\xd0\x30\0\xa0\x3c\x30"
    long = notes(60, 8, 192) + notes(72, 8, 192) + notes(50, 8, 192)
    return [
        ([tune], {"kind": 0}),
        ([notes(running=True)], {"kind": 0, "ticks": 480}),
        ([TEMPO + SIGNS, TEXTS + tune], {}),
        ([TEMPO, controls + tune + b"\x60\xb0\x40\0"], {"ticks": 24}),
        ([tune, notes(48, 4, 192, 1), notes(36, 8, 48, 9)], {}),
        ([notes(40 + i, 2, 96, i) for i in range(16)], {}),
        ([long], {}),
        ([tune + SIGNS + tune + TEMPO + tune], {"ticks": 960}),
        ([tune], {"kind": 2}),
    ]


TRACKS = tracks_of_seeds()
MIDI = [midi_file(*(track + END for track in tracks), **more) for tracks, more in TRACKS]


SCORE = b"""<score-partwise><part-list><score-part id="V"><part-name>Voice</part-name></score-part>
<score-part id="P"><part-name>Piano</part-name><score-instrument id="I"><instrument-name>Piano
</instrument-name></score-instrument><midi-instrument id="I"><midi-channel>1</midi-channel>
<midi-program>1</midi-program></midi-instrument></score-part></part-list>
<part id="V"><measure number="1"><attributes><divisions>6</divisions><key><fifths>2</fifths>
<mode>minor</mode></key><time><beats>3</beats><beat-type>4</beat-type></time><transpose>
<diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes><direction>
<direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute></metronome>
</direction-type><sound tempo="90"/></direction><note><pitch><step>C</step><alter>1</alter>
<octave>5</octave></pitch><duration>6</duration><tie type="start"/></note></measure>
<measure number="2"><note><pitch><step>C</step><alter>1</alter><octave>5</octave></pitch>
<duration>4</duration><tie type="stop"/><time-modification><actual-notes>3</actual-notes>
<normal-notes>2</normal-notes></time-modification></note><note><rest/><duration>14</duration></note>
<barline location="right"><repeat direction="backward"/></barline></measure></part>
<part id="P"><measure number="1"><attributes><divisions>2</divisions><staves>2</staves></attributes>
<note><pitch><step>E</step><octave>4</octave></pitch><duration>2</duration><staff>1</staff></note>
<backup><duration>2</duration></backup><note><pitch><step>C</step><octave>3</octave></pitch>
<duration>2</duration><voice>5</voice><staff>2</staff></note></measure><measure number="2"><note>
<grace/><pitch><step>F</step><octave>4</octave></pitch></note><note><pitch><step>E</step>
<octave>4</octave></pitch><duration>6</duration></note><note><chord/><pitch><step>G</step>
<octave>4</octave></pitch><duration>6</duration></note></measure></part></score-partwise>"""


def network():
    return Run(TINY, 0.07, PITCHES, torch.device("cpu"))


RUN = network()


def card_seeds():
    """(tensors, card) of each kind of network."""
    torch.manual_seed(0)
    small = {"width": 16, "depth": 1, "heads": 2, "filters": 4, "columns": 2, "pitches": PITCHES}
    cards = [
        RUN.card,
        *(
            replace(RUN.card, **more)
            for more in (
                {"network": "UNet", "arguments": {"widths": [2, 4], "time": True}},
                {
                    "network": "BeatTransformer",
                    "arguments": small | {"kinds": 4},
                    "grid": 4,
                    "planes": 2,
                    "prior": [[0.1], [0.2], [0.1], [0.2]],
                },
            )
        ),
    ]
    return [(card.build().state_dict(), json.loads(card.json())) for card in cards]


CARDS = card_seeds()


def checkpoint_seed():
    with tempfile.TemporaryDirectory() as folder:
        RUN.save(Path(folder))
        tensors, facts, _ = checkpoints.read(folder)
    return tensors, facts


CHECKPOINT = checkpoint_seed()
NAMES = ["2004/a.midi", "2006/b.midi", "2008/ü.midi"]
SPLITS = dict(zip(NAMES, ("train", "validation", "test")))
LIST = (
    "\n".join(
        [
            "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration",
            *(
                f'Anon,"Piece, No. {i}",{SPLITS[n]},2004,{n},{n}.wav,{i}.5'
                for i, n in enumerate(NAMES)
            ),
        ]
    )
    + "\n"
)


def lay_out(folder):
    """A MAESTRO of three pieces in a folder."""
    for name, data in zip(NAMES, MIDI):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "maestro-v3.0.0.csv").write_text(LIST, encoding="utf-8")


def cache_seed():
    """The name and bytes of the cache of that MAESTRO, and the pieces."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BINOLAB_CACHE"] = str(Path(folder) / "cache")
        lay_out(Path(folder))
        found = maestro.load(folder, progress=False)
        (cache,) = files.cache_folder().iterdir()
        return cache.name, cache.read_bytes(), [p.roll for p in found]


CACHE, CACHED, ROLLS = cache_seed()

# --- damage --------------------------------------------------------------------------------------

NUMBERS = [
    0,
    1,
    2,
    127,
    128,
    255,
    2**14,
    2**15 - 1,
    2**16 - 1,
    2**21,
    2**23,
    2**28 - 1,
    2**31 - 1,
    2**32 - 1,
]
VALUES = [
    0,
    -1,
    1,
    2,
    3,
    7,
    128,
    2**31,
    2**63,
    10**30,
    0.5,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x" * 999,
    "\0",
    "\x1b[2J",
    "é",
    None,
    True,
    [],
    {},
    [0],
    [[1]],
    {"a": 1},
    [1e9] * 99,
]
CELLS = [
    "",
    "x",
    "-1",
    "1e999",
    "nan",
    "train",
    "../x.midi",
    "/x.midi",
    '"',
    '"a\nb"',
    "\0",
    "é" * 99,
    "9" * 5000,
    ",",
    ";",
    "\r",
    "2004/a.midi",
    "C:\\x.midi",
    "spans",
    "x" * 200_000,
]


def damaged(data, dice, others):
    """Bytes with one to six kinds of damage, most of it near the beginning, where headers are."""
    data = bytearray(data)
    for _ in range(dice.choice([1, 1, 1, 2, 3, 6])):
        size = len(data)
        near = min(size, dice.choice([16, 64, 512, size]))
        at = dice.randrange(near) if near else 0
        kind = dice.randrange(9)
        if kind == 0 and size:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and size:
            data[at] = dice.choice([0, 1, 0x7F, 0x80, 0x90, 0xF0, 0xFF, dice.randrange(256)])
        elif kind == 2:
            del data[dice.randrange(size + 1) :]
        elif kind == 3:
            del data[at : at + dice.choice([1, 2, 4, 16])]
        elif kind == 4:
            data[at:at] = data[at : at + dice.choice([1, 4, 30, 300])] * dice.choice([1, 2, 50])
        elif kind == 5:  # a length, of either end
            order, width = dice.choice(["big", "little"]), dice.choice([2, 4, 8])
            data[at : at + width] = dice.choice(NUMBERS).to_bytes(8, order)[
                -width if order == "big" else 0 :
            ][:width]
        elif kind == 6:
            data[at : at + dice.choice([0, 1, 4])] = vlq(dice.choice(NUMBERS))
        elif kind == 7:
            other = dice.choice(others)
            data[at:] = other[dice.randrange(len(other)) :]
        else:
            data[at : at + 8] = dice.randbytes(8)
    return bytes(data)


METAS = {  # sound data of some events that are not notes
    1: b"text",
    3: b"name",
    5: b"la",
    0x2F: b"",
    0x51: b"\7\xa1\x20",
    0x58: b"\4\2\x18\x08",
    0x59: b"\2\0",
    0x54: b"\x21\0\0\0\0",
    0x20: b"\0",
    0x7F: b"\0",
}


def wild(dice):
    """A MIDI file of events at random, whole in its chunks; in some, few or many events are odd."""
    odd = dice.choice([0, 0.01, 0.01, 0.05, 0.3])
    tracks = []
    for _ in range(dice.choice([1, 1, 2, 5, 40])):
        found, chord = b"", dice.sample(range(33, 89), 3)
        for _ in range(dice.choice([3, 20, 200])):
            delta = dice.choice(NUMBERS) if dice.random() < odd else dice.choice([0, 0, 1, 24, 96])
            status = dice.choice([*[0x80, 0x90] * 4, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0])
            pitch = dice.randrange(128) if dice.random() < odd else dice.choice(chord)
            event = bytes([status | dice.choice([0, 0, 1, 9]), pitch, dice.randrange(128)])
            event = event[:2] if status in (0xC0, 0xD0) else event
            if dice.random() < 0.1:
                kind = dice.choice(list(METAS))
                kind = kind if kind != 0x2F or dice.random() < odd else 0x51
                data = METAS[kind]
                if dice.random() < max(odd, 0.05):
                    data = dice.randbytes(len(data) if dice.random() < 0.7 else dice.randrange(9))
                event = b"\xff" + bytes([kind]) + vlq(len(data)) + data
            found += vlq(delta) + event
        tracks.append(found + END)
    ticks = (
        dice.choice([0, 1, 0x8000, 0xE728])
        if dice.random() < odd
        else dice.choice([24, 96, 480, 32767])
    )
    return midi_file(*tracks, kind=dice.choice([0, 1, 1, 2]), ticks=ticks)


def midi(dice):
    """A MIDI file of one of three kinds: events at random, one track damaged, bytes damaged."""
    kind = dice.randrange(3)
    if kind == 0:
        return wild(dice)
    if kind == 1:
        return damaged(dice.choice(MIDI), dice, MIDI)
    tracks, more = dice.choice(TRACKS)
    tracks, at = list(tracks), dice.randrange(len(tracks))
    tracks[at] = damaged(tracks[at], dice, tracks)
    return midi_file(*(track + END for track in tracks), **more)


def score(dice):
    """A score with elements changed, gone, or twice there; or its bytes damaged."""
    if dice.random() < 0.3:
        return damaged(SCORE, dice, [SCORE])
    root = ElementTree.fromstring(SCORE)
    for _ in range(dice.choice([1, 1, 2, 4])):
        above = dice.choice([one for one in root.iter() if len(one)])
        at = dice.randrange(len(above))
        kind = dice.randrange(6)
        if kind == 0:
            del above[at]
        elif kind == 1:
            above.insert(at, above[at])
        elif kind == 2:
            above[at].tag = dice.choice([one.tag for one in root.iter()])
        else:  # most often a leaf, for a number
            leaf = dice.choice([one for one in root.iter() if not len(one)])
            leaf.text = dice.choice([*map(str, NUMBERS), *CELLS]).replace("\0", "")
    return ElementTree.tostring(root)


def altered(value, dice):
    """A JSON value with one of its leaves or keys changed."""
    inner = isinstance(value, (dict, list)) and value and dice.random() < 0.85
    if not inner:
        return dice.choice(VALUES)
    key = dice.choice(list(value)) if isinstance(value, dict) else dice.randrange(len(value))
    value = dict(value) if isinstance(value, dict) else list(value)
    if dice.random() < 0.15:
        del value[key]
    else:
        value[key] = altered(value[key], dice)
    return value


def one_tensor(tensors, dice):
    """Tensors that are all larger, or of which one is missing, of another shape or no number."""
    tensors, name = dict(tensors), dice.choice(sorted(tensors))
    if dice.random() < 0.2:
        scale = 10.0 ** dice.randrange(7)
        return {name: value * scale for name, value in tensors.items()}
    value = tensors.pop(name)
    changes = [
        value.half(),
        value.double(),
        value.long(),
        value.flatten()[:1].clone(),
        torch.zeros(0),
        torch.zeros(()),
        value * 10.0 ** dice.randrange(-9, 39),
        value.new_full(value.shape, dice.choice([65504, -65504, float("nan")])),
    ]
    if dice.random() < 0.8:
        tensors[name if dice.random() < 0.8 else "x\n" + name] = dice.choice(changes).contiguous()
    return tensors


def packed(tensors, told):
    """A safetensors file, its header in the order of names (safetensors' own differs by chance)."""
    data = save(tensors, told)
    size = int.from_bytes(data[:8], "little")
    head = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + data[8 + size :]


def card_of(tensors, card):
    return {"card": json.dumps(card)}


def safetensors(tensors, facts, seal, dice):
    """A file of tensors and what it tells of them, damaged in tensors, facts or bytes."""
    kind = dice.randrange(3)
    tensors = one_tensor(tensors, dice) if kind == 0 else tensors
    facts = altered(facts, dice) if kind == 1 else facts
    data = packed(tensors, seal(tensors, facts))
    return damaged(data, dice, [data]) if kind == 2 else data


def table(dice):
    """MAESTRO's list with cells, rows or bytes changed."""
    rows = [line.split(",") for line in LIST.splitlines()]
    for _ in range(dice.choice([1, 2, 5])):
        row = dice.choice(rows)
        if row and dice.random() < 0.7:
            row[dice.randrange(len(row))] = dice.choice(CELLS)
        else:
            del row[dice.randrange(len(row) + 1) :]
    text = dice.choice(["\n", "\r\n", "\r"]).join(",".join(row) for row in rows)
    data = text.encode(dice.choice(["utf-8", "utf-8", "utf-16", "utf-32"]))
    return damaged(data, dice, [data]) if dice.random() < 0.4 else data


def beat(dice):
    return str(dice.choice([0, 1, 1, 2, 4, 4, 8, 15, 16, 40, 0.01, 0.5, -1, 1e9]))


def options(target, dice):
    """Options that the parser lets through, sound or not."""
    given = {
        "complete": ["--keep", beat(dice)],
        "infill": ["--from", beat(dice), "--to", beat(dice)],
        "harmonize": dice.choice([[], ["--replace"], ["--melody", "2"], ["--rests", "keep"]]),
        "vary": ["--strength", dice.choice(["0", "0.1", "1", "2"])],
    }[target]
    place = ["--at", dice.choice([beat(dice), "bar:2", "1/3"])]
    told = ["--beat", dice.choice(["4.", "2", "8"])], ["--pickup", dice.choice(["0.5", "3"])]
    moved = ["--transpose", dice.choice(["12", "-24", "100"])]
    for more in (place, *told, moved, ["--pedal"], ["--n", "2"]):
        given += more if dice.random() < 0.15 else []
    if target == "complete" and dice.random() < 0.3:
        given += ["--beats", dice.choice(["1", "4", "17", "20", "0", "2.5"])]
    return given


# --- what is read --------------------------------------------------------------------------------


def held():
    """Every file below the current folder and its bytes."""
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file() or p.is_symlink()}


def command(case):
    """A command of the command line that reads a piece and writes over an older file."""
    Path("piece.mid").write_bytes(case.data)
    Path("out.mid").write_bytes(b"an older file")
    before, calls = held(), []

    def network(x_t, *_):  # a piece is worked on whole, thousands of beats of it
        calls.append(1)
        return torch.full_like(x_t, 0.005)

    job.load = lambda *_: Model(network, RUN.card)
    status = run_command(
        [
            case.target,
            "piece.mid",
            "-o",
            "out.mid",
            "--steps",
            "1",
            "--sampler",
            "posterior",
            "--seed",
            "1",
            "--device",
            "cpu",
            *case.options,
        ]
    )
    after = held()
    changed = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    if status == 2:
        return "work before a refusal" if calls else "a refusal changed files" if changed else None
    if status != 0 or not changed or any(not name.startswith("out") for name in changed):
        return f"status {status}, changed {sorted(changed)}"
    for name in changed:
        parse(Path(name).read_bytes()).pretty()
    return None


def folder(case):
    """A folder with a sound file and the case's."""
    Path("data").mkdir()
    Path("data/a.mid").write_bytes(MIDI[0])
    Path("data/b.mid").write_bytes(case.data)
    found = folders.load("data", progress=False)
    return None if "a.mid" in [p.name for p in found] else "a sound file was left out"


def refusable(kind, action):
    """A function of a case that may raise an error of this kind, in one line."""

    def tried(case):
        try:
            return action(case)
        except kind as error:
            return "several lines" if "\n" in str(error) else None

    return tried


def answer(case):
    Path("model.safetensors").write_bytes(case.data)
    model = load("model.safetensors")
    roll = torch.zeros(3, model.card.planes, model.pitches, model.length)
    roll[1], roll[2, ..., ::2, ::7] = 1, 1
    with torch.no_grad():
        found = model(model.codec.encode(roll), torch.tensor([0.01, 0.99, 0.5]))
    return None if found.isfinite().all() else "an answer that is not finite"


def resume(case):
    Path(checkpoints.NAME).write_bytes(case.data)
    network().restore(Path())


def listed(case):
    Path("maestro-v3.0.0.csv").write_bytes(case.data)
    archive.settle(archive.read(archive.find(Path())))


def cache(case):
    lay_out(Path())
    os.environ["BINOLAB_CACHE"] = str(Path("cache").absolute())
    files.cache_folder().mkdir()
    (files.cache_folder() / CACHE).write_bytes(case.data)
    found = [p.roll for p in maestro.load(".", progress=False)]
    return None if all(map(np.array_equal, found, ROLLS)) else "other rolls"


def piece_of(target):
    return command, lambda dice: Case(target, midi(dice), options(target, dice)), ".mid"


# name: (reads a case, makes one, ending of its file)
COMMANDS = ["complete", "infill", "harmonize", "vary"]
TARGETS = {name: piece_of(name) for name in COMMANDS} | {
    "folder": (folder, lambda dice: Case("folder", midi(dice)), ".mid"),
    "score": (
        refusable(MidiError, lambda case: read(case.data) and None),
        lambda dice: Case("score", score(dice)),
        ".musicxml",
    ),
    "weights": (
        refusable(WeightsError, answer),
        lambda dice: Case("weights", safetensors(*dice.choice(CARDS), card_of, dice)),
        ".safetensors",
    ),
    "checkpoint": (
        refusable(checkpoints.TrainingError, resume),
        lambda dice: Case("checkpoint", safetensors(*CHECKPOINT, checkpoints.seal, dice)),
        ".safetensors",
    ),
    "list": (
        refusable(archive.ArchiveError, listed),
        lambda dice: Case("list", table(dice)),
        ".csv",
    ),
    "cache": (cache, lambda dice: Case("cache", damaged(CACHED, dice, [CACHED])), ".npz"),
}
SOUND = {  # what must be read without a fault, before anything is damaged
    "complete": (MIDI, ["--keep", "2"]),
    "infill": (MIDI, ["--from", "1", "--to", "3"]),
    "harmonize": (MIDI, []),
    "vary": (MIDI, ["--strength", "0.5"]),
    "folder": (MIDI, []),
    "score": ([SCORE], []),
    "weights": ([packed(tensors, card_of(tensors, card)) for tensors, card in CARDS], []),
    "checkpoint": ([packed(CHECKPOINT[0], checkpoints.seal(*CHECKPOINT))], []),
    "list": ([LIST.encode()], []),
    "cache": ([CACHED], []),
}

# --- one process an input ------------------------------------------------------------------------


def limit():
    """A gigabyte more than is mapped already, and ten seconds of a processor."""
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    except OSError:  # no /proc: the limits of Linux only
        pass


def place(error):
    """Where in this project an error came from, and its kind."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "binolab" in Path(f.filename).parts]
    at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside"
    return f"{type(error).__name__} at {at}"


def attempt(case, base):
    """In the child: read the case, and write what was wrong with that to `base`/fault."""
    fault, told = None, ""
    try:
        os.chdir(base / "in")
        said = os.open(base / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        limit()
        fault = TARGETS[case.target][0](case)
    except BaseException as error:
        told, short = traceback.format_exc(), "memory" in str(error) or type(error) is MemoryError
        fault = f"{'memory: ' * short}{place(error)}"
    sys.stdout.flush()
    sys.stderr.flush()
    lines = (base / "said").read_text(errors="replace").splitlines()
    if fault is None and any("memory" in line.lower() for line in lines):
        fault = "memory, in a message"
    written = any(line.startswith("out") for line in lines)  # then remarks are lines too
    others = [line for line in lines if not line.startswith(("out", "binolab: ")[: 1 + written])]
    if fault is None and case.target in COMMANDS and len(others) > (not written):
        fault = "several lines"
    if fault is not None:
        (base / "fault").write_text(json.dumps([fault, told + "\n".join(lines)]))


def start(case, base):
    """Fork a child that reads a case. Returns its process id."""
    (base / "in").mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        try:
            attempt(case, base)
        finally:
            os._exit(0)
    return pid


def verdict(status, base):
    """(fault, what was said) of a child that ended, or None."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hang = number in (signal.SIGXCPU, signal.SIGKILL)
        said = (base / "said").read_text(errors="replace") if (base / "said").exists() else ""
        return "hang" if hang else f"crash by {signal.Signals(number).name}", said
    told = base / "fault"
    return json.loads(told.read_text()) if told.exists() else None


def cases(seed, minutes):
    """Cases without end, or until the time is over, each a target's turn."""
    until, number = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        for target, (_, make, _) in TARGETS.items():
            number += 1
            yield make(random.Random(f"{seed} {target} {number}"))


def read_all(found, jobs):
    """Read each case in a process of its own, `jobs` at a time; yields (case, verdict)."""
    running, found, more = {}, iter(found), True
    with tempfile.TemporaryDirectory() as home:
        while more or running:
            while more and len(running) < jobs:
                case = next(found, None)
                if case is None:
                    more = False
                    break
                base = Path(tempfile.mkdtemp(dir=home))
                running[start(case, base)] = case, base, time.monotonic()
            for pid, (case, base, since) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended:
                    if time.monotonic() - since > PATIENCE:
                        os.kill(pid, signal.SIGKILL)
                    continue
                del running[pid]
                yield case, verdict(status, base)
                shutil.rmtree(base, ignore_errors=True)
            time.sleep(0.002)


def keep(case, fault, said):
    """Keep an input and all that is known of its failure; returns where."""
    KEPT.mkdir(parents=True, exist_ok=True)
    count = sum(p.stem.startswith(case.target + "-") for p in KEPT.glob("*.json"))
    path = KEPT / f"{case.target}-{count + 1}{TARGETS[case.target][2]}"
    path.write_bytes(case.data)
    facts = {"target": case.target, "options": case.options, "fault": fault, "said": said[-5000:]}
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1), "utf-8")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None, help="default: another one every time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--only", choices=list(TARGETS), action="append", help="these targets alone"
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="try a file that was kept")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if asked.again:
        facts = json.loads(asked.again.with_suffix(".json").read_text("utf-8"))
        case = Case(facts["target"], asked.again.read_bytes(), facts["options"])
        ((_, told),) = read_all([case], 1)
        print(*(told or ["no failure"]), sep="\n")
        return int(told is not None)
    for target in set(TARGETS) - set(asked.only or TARGETS):
        del TARGETS[target]
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    sound = [Case(t, data, SOUND[t][1]) for t in TARGETS for data in SOUND[t][0]]
    for case, told in read_all(sound, asked.jobs):
        if told:
            print(f"{case.target}: a sound seed fails: {told[0]}\n{told[1]}")
            return 1
    counts, failures = Counter(), {}
    for case, told in read_all(cases(seed, asked.minutes), asked.jobs):
        counts[case.target] += 1
        if told and (case.target, told[0]) not in failures:
            failures[case.target, told[0]] = keep(case, *told)
            print(
                f"{case.target}: {told[0]}: {failures[case.target, told[0]].relative_to(ROOT)}",
                flush=True,
            )
    print(
        f"{sum(counts.values()):,} inputs, seed {seed}, {len(failures)} distinct failures: "
        + ", ".join(f"{n} {target}" for target, n in counts.items())
    )
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
