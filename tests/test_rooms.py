"""The rooms of the library: imports between them go one way, and the map shows them as they are.

The imports are read from the code (`scripts/rooms.py`), those inside functions too. What only a
type checker reads does not count.
"""

import ast
import functools
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import rooms  # noqa: E402

BELOW = {"files": set()}  # room: all that it may import
BELOW["music"] = {"files"}
BELOW["show"] = BELOW["datasets"] = {"files", "music"}
BELOW["diffusion"] = {"files", "music"}
BELOW["networks"] = BELOW["diffusion"] | {"diffusion"}
BELOW["card"] = BELOW["networks"] | {"networks"}
BELOW["model"] = BELOW["card"] | {"card"}
BELOW["compose"] = BELOW["training"] = BELOW["evaluation"] = BELOW["model"] | {
    "model",
    "show",
    "datasets",
}
BELOW["compose"] = BELOW["compose"] | {"evaluation"}  # its judges
BELOW["binolab"] = BELOW["compose"] | {"compose", "training", "evaluation"}  # the door
BELOW["cli"] = BELOW["binolab"] | {"binolab"}
BELOW["__main__"] = {"cli"}


def name_of(path):
    """binolab/music/rolls.py -> ``binolab.music.rolls``; a package has the name of its folder."""
    return ".".join(part for part in Path(path).with_suffix("").parts if part != "__init__")


MODULES = {name_of(path.relative_to(ROOT)): path for path in (ROOT / "binolab").rglob("*.py")}
read = functools.cache(rooms.imports)


def room(module):
    """``binolab.music.rolls`` -> ``music``; the door is ``binolab``."""
    return module.split(".")[1] if "." in module else module


def module_of(dotted):
    """``binolab.files.replacing`` -> ``binolab.files``."""
    return dotted if dotted in MODULES else module_of(dotted.rpartition(".")[0])


def wrong(files):
    """The imports in the wrong direction, and a circle of modules, in words; {module: its file}."""
    found = {
        module: {module_of(dotted) for dotted in read(path)} - {module}
        for module, path in files.items()
    }
    said = [
        f"{module} imports {used}"
        for module, every in found.items()
        for used in every
        if room(used) != room(module) and room(used) not in BELOW.get(room(module), ())
    ]
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        said.append(f"a circle: {' <- '.join(error.args[1])}")
    return said


def test_imports_go_one_way_and_in_no_circle():
    assert {room(module) for module in MODULES} == set(BELOW)
    assert wrong(MODULES) == []


def test_nothing_imports_the_book_or_names_a_module_by_its_place():
    """A relative import would go unseen here."""
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module]
            assert not {name.split(".")[0] for name in names} & {"book", "_ext", "tests"}, path


@pytest.mark.parametrize(
    "place, line, says",
    [
        (
            "files.py",
            "from binolab.music import rolls",
            "binolab.files imports binolab.music.rolls",
        ),
        ("music/rolls.py", "import binolab.model", "binolab.music.rolls imports binolab.model"),
        ("music/rolls.py", "def f():\n    from binolab.music import midi, codec", "a circle: "),
        ("show/audio.py", "from binolab import model", "binolab.show.audio imports binolab.model"),
        (
            "diffusion/kernel.py",
            "from binolab.networks import UNet",
            "kernel imports binolab.networks",
        ),
        ("networks/unet.py", "from binolab.card import Card", "networks.unet imports binolab.card"),
        (
            "datasets/titles.py",
            "from binolab.show import plotting",
            "imports binolab.show.plotting",
        ),
        (
            "training/batches.py",
            "from binolab.evaluation.features import statistics",
            "binolab.training.batches imports binolab.evaluation.features",
        ),
        (
            "evaluation/masked.py",
            "def f():\n    import binolab.training.loop",
            "binolab.evaluation.masked imports binolab.training.loop",
        ),
        (
            "compose.py",
            "if True:\n    from binolab.training import loop",
            "binolab.compose imports binolab.training.loop",
        ),
        ("model.py", "from binolab import compose", "binolab.model imports binolab.compose"),
        ("compose.py", "from binolab.cli.main import main", "compose imports binolab.cli.main"),
        ("card.py", "from binolab import generate", "binolab.card imports binolab"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(place, line, says, tmp_path):
    """The library as it is, but for one line more."""
    module = name_of(Path("binolab", place))
    text, guarded = MODULES[module].read_text(encoding="utf-8"), line.replace("\n", "\n    ")
    more, typed = tmp_path / "more.py", tmp_path / "typed.py"
    more.write_text(f"{text}\n{line}\n", encoding="utf-8")
    typed.write_text(f"{text}\nif TYPE_CHECKING:\n    {guarded}\n", encoding="utf-8")
    assert any(says in fault for fault in wrong(MODULES | {module: more}))
    assert wrong(MODULES | {module: typed}) == []


def test_the_map_is_that_of_the_code():
    same = rooms.OUT.read_text(encoding="utf-8") == rooms.draw()
    assert same, "the map is old: python scripts/rooms.py"
