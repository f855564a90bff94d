"""A zip file from the network to a folder: resumed, tested, and unpacked with care."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

CHUNK = 1 << 16  # bytes; a broken transfer loses less than one


class ArchiveError(ValueError):
    """An archive that is missing or unsound; the message names the remedy."""


def fetch(base, name, sha256, folder, *, progress=True):
    """Fetch a file with pooch, unless it is there, and test its checksum.

    What a broken transfer leaves, ``NAME.part``, is gone on with: once at once, and at every later
    call.

    Parameters
    ----------
    base, name : str
        The file's address is ``base + name``; `base` ends with a slash.
    sha256 : str
        What its checksum must be, in hexadecimal.
    folder : str or Path
        Where it goes; made when it is missing.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        Of the file, whose checksum is right.

    Raises
    ------
    ArchiveError
        In one line: no network, a broken transfer, a wrong checksum (the file is then removed).
    """
    import pooch
    import requests

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    fetcher = pooch.create(
        path=folder, base_url=base, registry={name: f"sha256:{sha256}"}, retry_if_failed=1
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        return Path(fetcher.fetch(name, downloader=Resuming(part, progress)))
    except requests.exceptions.RequestException as error:
        got = part.stat().st_size if part.exists() else 0
        if getattr(error, "response", None) is not None:
            fault = f"the server answers {error.response.status_code}"
        elif got:
            fault = f"the transfer broke after {got:,} bytes; call again to go on from there"
        else:
            fault = f"no connection ({type(error).__name__}); try again"
        raise ArchiveError(
            f"{base}{name}: {fault}, or fetch it by hand and unzip it in {folder}"
        ) from None
    except ValueError:
        raise ArchiveError(
            f"{base}{name}: what came has another checksum than SHA-256 {sha256} and was removed; "
            "try again, or from another network"
        ) from None
    finally:
        logger.setLevel(level)


class Resuming:
    """A downloader for pooch that goes on where the last one broke.

    Neither pooch nor any other well-kept library for files with a checksum resumes; but pooch's own
    HTTP downloader takes headers and an open file, and that is enough. Where a server ignores the
    range, the checksum fails, pooch removes the file, and its retry begins anew.
    """

    def __init__(self, part, progress):
        self.part, self.progress = part, progress

    def __call__(self, url, output_file, fetcher):
        import pooch
        import requests

        with open(self.part, "ab") as opened:
            headers = {"Accept-Encoding": "identity"}
            if opened.tell():
                headers["Range"] = f"bytes={opened.tell()}-"
            download = pooch.HTTPDownloader(self.progress, chunk_size=CHUNK, headers=headers)
            try:
                download(url, opened, fetcher)
            except requests.exceptions.HTTPError as error:
                if error.response.status_code != 416:  # nothing beyond what we have: all is here
                    raise
        shutil.move(self.part, output_file)


def unpack(archive, folder):
    """Unpack a zip file into a folder, whole or not at all.

    Raises
    ------
    ArchiveError
        Before anything is written: for a name in it that is absolute, climbs with ``..``, has a
        drive or a backslash, or is a link; when it is no zip file; when what it holds is there.
    """
    folder = Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened, tempfile.TemporaryDirectory(dir=folder) as made:
            for member in opened.infolist():
                linked = stat.S_ISLNK(member.external_attr >> 16)
                if linked or not stays_inside(member.orig_filename):
                    raise ArchiveError(
                        f"{archive}: {member.orig_filename!r} would leave the folder, so this is "
                        "not the official archive; remove it"
                    )
            opened.extractall(made)
            for path in sorted(Path(made).iterdir()):
                if (folder / path.name).exists():
                    raise ArchiveError(
                        f"{folder / path.name}: is there already; move it away and try again"
                    )
                path.rename(folder / path.name)
    except zipfile.BadZipFile as error:
        raise ArchiveError(f"{archive}: not a sound zip file ({error}); fetch it anew") from None


def stays_inside(name):
    """Whether a name in an archive stays in the folder it is unpacked to, on every system."""
    if not name or any(c in name for c in ("\\", ":", "\0")):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
