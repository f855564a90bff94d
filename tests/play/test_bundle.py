"""What the pages load is that of the modules in book/play."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_scripts_are_those_of_the_sources(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import bundle

    for path in bundle.MADE:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == bundle.banner(), "run `make bundle`"
