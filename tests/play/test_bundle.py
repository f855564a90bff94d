"""The script that the page loads is that of the modules in book/play."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_script_is_that_of_the_sources(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import bundle

    first = bundle.BUNDLE.read_text().partition("\n")[0]
    assert first == bundle.banner(), "run `make bundle`"
