"""Files: written whole or not at all, where they are kept, and names that a terminal may show."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write to a temporary name beside `path`, then rename: nothing half-written is ever seen.

    Yields the temporary path, ``.NAME.xxxxxxxx.binolab-tmp``: a new, empty file, so that nobody can
    have laid a link there. On an error it is removed, and `path` is untouched. A file that is
    replaced keeps its mode. A link stays, and the file that it points to is replaced.
    """
    target, temporary, mode = _beside(path)
    try:
        yield temporary
        os.chmod(temporary, mode)  # a library may have put a file of its own in the place
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """ValueError, with the remedy, unless `replacing` can write here; leaves nothing behind."""
    fault = None
    if not path.parent.is_dir():
        fault = f"{path.parent}: no such folder; make it first or"
    elif not os.access(path.parent, os.W_OK):
        fault = f"{path.parent}: the folder is read-only;"
    elif path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    elif path.exists() and not path.is_file():
        fault = f"{path}: is not a file;"
    elif path.exists() and not os.access(path, os.W_OK):
        fault = f"{path}: is read-only;"
    else:
        try:
            _beside(path)[1].unlink()
        except OSError as error:
            fault = f"{path}: cannot be written ({error.strerror});"
    if fault:
        raise ValueError(f"{fault} choose another `out`")


def _beside(path: str | Path) -> tuple[Path, Path, int]:
    """The file that `path` stands for, a new empty file beside it, and the mode it shall have."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.binolab-tmp")
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    allowed = 0o666 if mode is None else mode | 0o600
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, allowed))
    return target, temporary, stat.S_IMODE(temporary.stat().st_mode) if mode is None else mode


def data_folder() -> Path:
    """The folder of the files that ship: inside an installed wheel, else the checkout's data/."""
    installed = Path(str(files("binolab"))) / "_data"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "data"


def cache_folder() -> Path:
    """Where parsed data are kept: `$BINOLAB_CACHE`, else the platform's user cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("BINOLAB_CACHE") or user_cache_path("binolab", appauthor=False))


def printable(text: object) -> str:
    """Text for a terminal: what it would obey, or could not show, becomes a visible escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
