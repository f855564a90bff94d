"""The house: what is declared agrees, what is committed travels, and the chapters are executed."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from docutils import nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import binolab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
NAMES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [n for n in NAMES if (ROOT / "book" / f"{n}.ipynb").exists()]
CONDA = {"pytorch": "torch", "pysoundfile": "soundfile", "playwright-python": "playwright"}


def tracked():
    """The files that git tracks, or would: all but what it ignores."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def cells_of(chapter):
    return json.loads((ROOT / "book" / f"{chapter}.ipynb").read_text())["cells"]


def declared():
    """Every requirement of pyproject.toml, extras and all."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines]


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): r.specifier for r in requirements}


def test_environment_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"] and environment["channels"] == ["conda-forge"]
    conda = {}
    *lines, by_pip = environment["dependencies"]
    for line in lines + by_pip["pip"]:
        requirement = Requirement(line)
        name = CONDA.get(requirement.name, requirement.name)
        conda[canonicalize_name(name)] = str(requirement.specifier)
    ours = {canonicalize_name(r.name): str(r.specifier) for r in declared()}
    python = str(Requirement("python" + PROJECT["requires-python"]).specifier)
    assert conda == ours | {"python": python, "pip": ""}


def test_constraints_pin_all_that_is_installed():
    pins, seen = pinned(), set()
    assert all(len(s) == 1 and str(s).startswith("==") for s in pins.values())
    assert str(pins["torch"]) == "==2.13.0"
    todo = [(r.name, r.extras) for r in declared()]
    while todo:
        name, extras = todo.pop()
        name = canonicalize_name(name)
        if (name, frozenset(extras)) in seen or re.match("nvidia-|cuda-|triton", name):
            continue  # torch pins what it brings for a GPU
        seen.add((name, frozenset(extras)))
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # of another platform
        assert name in pins, f"{name} {installed} is not in constraints.txt"
        for line in requires(name) or []:
            r = Requirement(line)
            wanted = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if r.marker is None or any(r.marker.evaluate(w) for w in wanted):
                todo.append((r.name, r.extras))
    assert len(seen) > 100


def test_text_is_utf_8_whatever_the_locale():
    for path in [*(ROOT / "binolab").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name, modes = ast.unparse(call.func), [ast.unparse(a) for a in call.args[1:2]]
            text = name.endswith((".read_text", ".write_text")) or (
                name == "open" and not any("b" in mode for mode in modes)
            )
            said = any(k.arg == "encoding" for k in call.keywords)
            assert said or not text, f"{path.name}:{call.lineno}: {name} without encoding="


def test_property_tests_draw_the_same_everywhere(monkeypatch):
    """Whatever was drawn before, whatever modules are loaded by then, with CI or without."""
    drawn = []

    @given(st.lists(st.text() | st.integers(), min_size=50))
    def draws(value):
        drawn.append(value)

    draws()
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import vendor  # noqa: F401  a module with constants of its own

    first, drawn = drawn, []
    draws()
    assert drawn == first and len(first) == settings.default.max_examples
    assert settings.default.database is None


def test_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == binolab.__version__
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT


def test_citation_cites_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    paper = citation["references"][0]
    assert paper["authors"][0]["family-names"] == "Atassi"
    assert paper["title"] == "Generating symbolic music using diffusion models"


def test_repository_address_is_empty_or_an_address():
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert url == "" or re.fullmatch(r"https://[^/]+/[^/]+/[^/]+", url)
    assert "urls" in PROJECT["dynamic"]


def test_addresses_of_the_package_come_from_the_configuration(monkeypatch):
    for name in ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    interface = SimpleNamespace(MetadataHookInterface=object)
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    monkeypatch.syspath_prepend(ROOT)
    import hatch_build

    text = (ROOT / "_config.yml").read_text()
    own = yaml.safe_load(text)["repository"]["url"]
    assert hatch_build.urls(text).get("Repository", "") == own
    address = "https://github.com/someone/binolab"
    for line in f'  url: "{address}"', f"  url: {address}":
        set_ = re.sub(r"^  url: .*$", line, text, count=1, flags=re.M)
        assert hatch_build.urls(set_)["Repository"] == address


def test_nothing_of_this_machine_is_committed():
    own = r"(?<![\w.])/(home|Users|root|tmp|work|opt)/[\w.-]+"
    registry = r"(pypi\.org|pythonhosted\.org|npmjs\.(org|com)|download\.pytorch\.org)"
    for path in tracked():
        if path == Path(__file__) or "_extra" in path.parts or path.stat().st_size > 5e6:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # weights, sounds
        text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        if path.suffix == ".ipynb":  # what pictures are made of may look like anything
            text = re.sub(r'"(image|audio)/[\w+]+": "[A-Za-z0-9+/=\\]+"', "", text)
        for pattern in (own, registry):
            found = re.search(pattern, text)
            assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_the_readme_has_sound_and_picture_of_its_commands():
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)?]+)", text)
    assert not [link for link in links if ":" not in link and not (ROOT / link).exists()]
    for command in ("generate", "complete", "infill", "harmonize", "accompany", "vary"):
        assert {f"data/readme/{command}.{kind}" for kind in ("mid", "mp3", "png")} <= set(links)
    assert sum(path.stat().st_size for path in (ROOT / "data" / "readme").iterdir()) < 480e3


def test_every_chapter_of_the_contents_exists():
    missing = [n for n in NAMES if not any((ROOT / "book").glob(f"{n}.*"))]
    assert missing == []


def test_every_notebook_is_in_the_contents():
    assert sorted(p.stem for p in (ROOT / "book").glob("*.ipynb")) == sorted(CHAPTERS)


def test_every_module_has_its_reference():
    """What is public is on the page of the library, and nothing that is gone."""
    page = (ROOT / "book" / "api.md").read_text()
    named = re.findall(r"automodule:: (binolab[.\w]*)", page)
    paths = [p.relative_to(ROOT).with_suffix("") for p in (ROOT / "binolab").rglob("*.py")]
    modules = [".".join(p.parts).removesuffix(".__init__") for p in paths if p.name != "__main__"]
    missing, gone = set(modules) - set(named), set(named) - set(modules)
    assert not missing and not gone, f"book/api.md lacks {missing}, has {gone}"
    assert len(named) == len(set(named))


def test_every_numbered_equation_is_named_by_a_test():
    """In its docstring; and no test names one that is gone."""
    cells = [c for name in CHAPTERS for c in cells_of(name) if c["cell_type"] == "markdown"]
    labels = [
        label for c in cells for label in re.findall(r":label: (eq-\S+)", "".join(c["source"]))
    ]
    named = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(re.findall(r"\beq(?:-\w+)+", ast.get_docstring(node) or ""))
    missing, gone = set(labels) - named, named - set(labels)
    assert len(labels) == len(set(labels)) > 0
    assert not missing and not gone, f"without a test: {missing}; gone: {gone}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_executed(name):
    path = ROOT / "book" / f"{name}.ipynb"
    notebook = json.loads(path.read_text())
    code = [c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"])]
    counts = [c["execution_count"] for c in code]
    assert counts == list(range(1, len(code) + 1)), "run `make execute`"
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"], "a warning on the page"
    assert "ProgressModel" not in path.read_text(), "a progress bar: pass progress=False"
    assert path.stat().st_size < 1.5e6


@pytest.mark.parametrize("name", CHAPTERS)
def test_tables_that_code_prints_are_read_as_tables(name):
    """Plain Markdown has no tables: without this key the page shows the bars."""
    for cell in cells_of(name):
        printed = [
            "".join(o.get("data", {}).get("text/markdown", "")) for o in cell.get("outputs", [])
        ]
        if any(re.search(r"^\|[ :|-]+\|$", text, re.M) for text in printed):
            read_as = cell["metadata"].get("mystnb", {}).get("markdown_format")
            assert read_as in ("gfm", "myst"), f"{cell['id']}: markdown_format is {read_as}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_skips_few_cells(name):
    """Cells that nbval leaves out are for a GPU only, and few."""
    notebook = json.loads((ROOT / "book" / f"{name}.ipynb").read_text())
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    skipped = [c for c in code if "nbval-skip" in c["metadata"].get("tags", [])]
    assert len(skipped) <= 0.05 * len(code)


def test_shipped_files_are_small_and_found():
    from binolab import files

    folder = files.data_folder()
    assert folder.is_dir()
    sizes = [p.stat().st_size for p in folder.rglob("*.safetensors")]
    assert max(sizes) <= 10e6 and sum(sizes) <= 22e6


@pytest.fixture
def execute(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import execute

    return execute


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_begins_with_the_cell_that_installs(execute, name):
    """It names the repository of the configuration, and comes before any import."""
    cells = json.loads((ROOT / "book" / f"{name}.ipynb").read_text())["cells"]
    first = next(c for c in cells if c["cell_type"] == "code")
    assert "install" in first["metadata"]["tags"]
    assert "".join(first["source"]) == execute.install_cell(), "scripts/execute.py --install"


def test_the_chapter_that_trains_asks_for_a_gpu():
    training = json.loads((ROOT / "book" / "07-training.ipynb").read_text())
    assert training["metadata"]["accelerator"] == "GPU"


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import repository

    return repository


def test_buttons_need_an_address(extension):
    for url in "", "https://github.com/someone/binolab":
        options = {"repository_url": url, "launch_buttons": {"colab_url": "colab"}}
        added = []
        app = SimpleNamespace(setup_extension=added.append)
        extension.offer_buttons(app, SimpleNamespace(html_theme_options=options))
        assert added == ["sphinx.ext.linkcode"] * bool(url)
        assert all(options[button] == bool(url) for button in extension.BUTTONS)
        assert bool(options["launch_buttons"]) == bool(url)


@pytest.mark.parametrize("url", ["", "https://github.com/someone/binolab"])
def test_names_of_files_are_links_where_there_is_an_address(extension, url):
    options = {"repository_url": url, "repository_branch": "main"}
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options))
    names = ["book/_toc.yml", "book/nothing.yml", "and/or", "binolab"]
    doctree = nodes.paragraph("", "", *(nodes.literal("", name) for name in names))
    extension.link_files(app, doctree, "index")
    links = {node.astext(): node["refuri"] for node in doctree.findall(nodes.reference)}
    assert links == ({"book/_toc.yml": f"{url}/blob/main/book/_toc.yml"} if url else {})
    assert doctree.astext() == "".join(names)


def test_the_reference_leads_to_the_code(extension):
    url = "https://github.com/someone/binolab"
    options = {"repository_url": url, "repository_branch": "main"}
    import binolab.diffusion.kernel  # noqa: F401

    resolve = extension.link_code(SimpleNamespace(html_theme_options=options))
    info = {"module": "binolab.diffusion.kernel", "fullname": "forward"}
    address, _, line = resolve("py", info).partition("#L")
    assert address == f"{url}/blob/main/binolab/diffusion/kernel.py"
    lines = (ROOT / "binolab" / "diffusion" / "kernel.py").read_text().splitlines()
    assert lines[int(line) - 1].startswith("def forward(")
    assert resolve("py", info | {"fullname": "nothing"}) is None


def test_a_link_shows_the_cover_where_the_pages_have_an_address(extension):
    for url in "", "https://someone.github.io/binolab/":
        config = SimpleNamespace(html_baseurl=url, root_doc="index")
        context = {"title": "Watching <em>x</em> &amp; y", "metatags": ""}
        app = SimpleNamespace(config=config)
        extension.describe(app, "05-watching", "page.html", context, None)
        assert 'content="Watching x &amp; y · binolab"' in context["metatags"]
        address = "https://someone.github.io/binolab/_static/cover.png"
        assert (address in context["metatags"]) == bool(url)
    assert extension.COVER.stat().st_size < 100_000


def test_execute_settles_names_and_times(execute):
    from nbformat import v4

    view = {execute.VIEW: {"model_id": "ab" * 16}}
    cell = v4.new_code_cell("x", outputs=[v4.new_output("display_data", view)])
    cell.metadata["execution"] = {"iopub.status.busy": "now"}
    notebook = v4.new_notebook(cells=[cell])
    link = {"source": ["IPY_MODEL_" + "ab" * 16, "value"]}  # joined to what is shown, so kept
    state = {name * 16: {"state": s} for name, s in [("cd", {}), ("ab", {}), ("ef", link)]}
    notebook.metadata["widgets"] = {execute.STATE: {"state": state}}
    settled = execute.settle(notebook)
    assert not {"ab" * 16, "cd" * 16, "ef" * 16} & set(re.findall("[a-f]{32}", str(settled)))
    assert f"{1:032x}" in str(settled.cells[0].outputs)
    assert len(settled.metadata.widgets[execute.STATE]["state"]) == 2
    assert "execution" not in settled.cells[0].metadata
