"""The chapters where binolab is missing, as on Colab: the first cell brings it, or says how.

The other Python is an environment with all that binolab needs and not binolab itself. Its pip is
a script that keeps what it was asked for and puts binolab in place.
"""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
NAMES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [path for n in NAMES if (path := ROOT / "book" / f"{n}.ipynb").exists()]
ADDRESS = "https://github.com/someone/binolab"
pytestmark = pytest.mark.slow

PIP = f"""
import os, site, sys
folder = os.path.dirname(os.path.dirname(__file__))
with open(os.path.join(folder, "asked"), "a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
os.symlink({str(ROOT / "binolab")!r}, os.path.join(folder, "binolab"))
"""
# The first cell of each chapter, then every import of it, in IPython as a kernel would; between two
# chapters binolab is taken away.
RUN = """
import ast, importlib, json, os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
site, paths = sys.argv[1], json.loads(sys.stdin.read())
for name, cells in paths.items():
    if os.path.islink(os.path.join(site, "binolab")):
        os.unlink(os.path.join(site, "binolab"))
    for module in [m for m in sys.modules if m.partition(".")[0] == "binolab"]:
        del sys.modules[module]
    importlib.invalidate_caches()
    first, *others = cells
    result = shell.run_cell(first, silent=True)
    fault = result.error_before_exec or result.error_in_exec
    if fault is None:
        tree = [n for c in others for n in ast.parse(shell.transform_cell(c)).body]
        imports = [n for n in tree if isinstance(n, (ast.Import, ast.ImportFrom))]
        try:
            exec(compile(ast.Module(imports, []), name, "exec"), {})
        except ImportError as error:
            fault = error
    print(json.dumps([name, str(fault or "")]))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A Python with all but binolab: its folder of packages, and a run of the chapters in it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    (site,) = folder.glob("**/site-packages")
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not path.name.startswith(("binolab", "_binolab", "pip")) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text(PIP)

    def run(install):
        chapters = {}
        for path in CHAPTERS:
            code = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
            assert "install" in code[0]["metadata"]["tags"]
            chapters[path.stem] = [install, *("".join(c["source"]) for c in code[1:])]
        done = subprocess.run(
            [python, "-c", RUN, site],
            input=json.dumps(chapters),
            cwd=folder,
            env={"PATH": "", "IPYTHONDIR": str(folder)},
            capture_output=True,
            text=True,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith('["')]
        assert len(lines) == len(CHAPTERS), done.stderr
        return dict(map(json.loads, lines))

    return site, run


@pytest.fixture
def execute(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import execute

    return execute


def configure(monkeypatch, tmp_path, execute, url):
    config = tmp_path / "_config.yml"
    config.write_text(yaml.safe_dump({"repository": {"url": url}}))
    monkeypatch.setattr(execute, "CONFIG", config)


def test_with_an_address_every_chapter_installs_what_it_imports(
    elsewhere, execute, monkeypatch, tmp_path
):
    site, run = elsewhere
    configure(monkeypatch, tmp_path, execute, ADDRESS)
    faults = run(execute.install_cell())
    assert {name: fault for name, fault in faults.items() if fault} == {}
    asked = (site / "asked").read_text().splitlines()
    assert asked == [f"install -q binolab @ git+{ADDRESS} ipywidgets myst-nb"] * len(CHAPTERS)


def test_without_an_address_every_chapter_says_how(elsewhere, execute, monkeypatch, tmp_path):
    _, run = elsewhere
    configure(monkeypatch, tmp_path, execute, "")
    for fault in run(execute.install_cell()).values():
        assert "pip install ." in fault


def test_what_the_chapters_import_is_declared(execute):
    """All that a chapter imports comes with binolab, or is named in its first cell."""
    import ast
    import re
    import tomllib
    from importlib.metadata import packages_distributions

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {"binolab", "ipywidgets", "myst-nb", "ipython"}  # IPython: the kernel itself
    ours |= {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    ours = {name.replace("_", "-").lower() for name in ours}
    homes = packages_distributions()
    for path in CHAPTERS:
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] != "code":
                continue
            text = re.sub(r"(?m)^\s*[%!].*$", "pass", "".join(cell["source"]))
            for node in ast.walk(ast.parse(text)):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                for name in {n.partition(".")[0] for n in names} - sys.stdlib_module_names:
                    found = {home.replace("_", "-").lower() for home in homes.get(name, [name])}
                    assert found & ours, f"{path.name} imports {name}"
