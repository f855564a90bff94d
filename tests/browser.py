"""A real browser for tests, and a server on this machine for what it opens."""

import os
import shutil
import threading
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MISSING = (
    "no Chromium to try the pages in: `.venv/bin/playwright install chromium` gets one; or "
    "name yours in the variable CHROMIUM"
)


@cache
def chromium():
    """The path of a Chromium: one that is named, the machine's, playwright's own; or None."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        with sync_playwright() as play:
            own = play.chromium.executable_path
        found = own if Path(own).exists() else None
    return found


def launch(play):
    return play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])


@contextmanager
def served(folder):
    """The address of a folder that is served as long as the block runs."""

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # one connection for many files

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
