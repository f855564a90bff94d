"""A zip file from the network to a folder: resumed, tested, and unpacked with care."""

from __future__ import annotations

import math
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

# What zipfile raises on bytes that are no zip file, or one that it cannot open (a password, say).
UNSOUND = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)
CHUNK = 1 << 16  # bytes; a broken transfer loses less than one


class ArchiveError(ValueError):
    """An archive that is missing or unsound; the message names the remedy."""


def fetch(base, name, sha256, folder, *, most=math.inf, progress=True):
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
    most : int
        Bytes: a server that sends more is not the right one.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        Of the file, whose checksum is right.

    Raises
    ------
    ArchiveError
        In one line: no network, a broken transfer, too much, a wrong checksum (the file is then
        removed), a folder that cannot be written.
    """
    import pooch
    import requests

    folder = Path(folder)
    part = folder / f"{name}.part"
    fetcher = pooch.create(
        path=folder, base_url=base, registry={name: f"sha256:{sha256}"}, retry_if_failed=1
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(fetcher.fetch(name, downloader=Resuming(part, progress, most)))
    except ArchiveError:
        raise
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
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot be written ({error}); name another folder") from None
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

    def __init__(self, part, progress, most):
        self.part, self.progress, self.most = part, progress, most

    def __call__(self, url, output_file, fetcher):
        import pooch
        import requests

        if os.path.lexists(self.part) and not stat.S_ISREG(self.part.lstat().st_mode):
            raise ArchiveError(f"{self.part}: is no plain file; remove it and try again")
        try:
            with open(self.part, "ab") as opened:
                headers = {"Accept-Encoding": "identity"}
                if opened.tell():
                    headers["Range"] = f"bytes={opened.tell()}-"
                download = pooch.HTTPDownloader(self.progress, chunk_size=CHUNK, headers=headers)
                download(url, Bounded(opened, self.most), fetcher)
        except ArchiveError:
            self.part.unlink()
            raise
        except requests.exceptions.HTTPError as error:
            if error.response.status_code != 416:  # nothing beyond what we have: all is here
                raise
        shutil.move(self.part, output_file)


class Bounded:
    """A file to write to that takes no more than `most` bytes."""

    def __init__(self, opened, most):
        self.opened, self.most = opened, most

    def write(self, some):
        if self.opened.tell() + len(some) > self.most:
            raise ArchiveError(f"the server sends more than {self.most:,} bytes, so this is not "
                               "the archive; try again, or from another network")
        return self.opened.write(some)

    def __getattr__(self, name):
        return getattr(self.opened, name)


def unpack(archive, folder, *, most=math.inf):
    """Unpack a zip file into a folder, whole or not at all.

    Parameters
    ----------
    archive, folder : Path
    most : int
        Bytes that may be unpacked.

    Raises
    ------
    ArchiveError
        Before anything is written: for a name in it that is absolute, climbs with ``..``, has a
        drive or a backslash, or is a link; when it is no sound zip file or holds more than `most`;
        when what it holds is there.
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
            size = sum(member.file_size for member in opened.infolist())
            if size > most:
                raise ArchiveError(f"{archive}: would unpack to {size:,} bytes, so this is not the "
                                   "official archive; remove it")
            opened.extractall(made)  # reads no more of a member than its size above
            made = sorted(Path(made).iterdir())
            for path in made:
                if os.path.lexists(folder / path.name):
                    raise ArchiveError(
                        f"{folder / path.name}: is there already; move it away and try again"
                    )
            for path in made:
                path.rename(folder / path.name)
    except ArchiveError:
        raise
    except OSError as error:
        raise ArchiveError(f"{archive}: cannot be unpacked in {folder} ({error})") from None
    except UNSOUND as error:
        raise ArchiveError(f"{archive}: not a sound zip file ({error}); fetch it anew") from None


def stays_inside(name):
    """Whether a name in an archive stays in the folder it is unpacked to, on every system."""
    if not name or any(c in name for c in ("\\", ":", "\0")):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
