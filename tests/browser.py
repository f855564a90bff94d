"""A real browser for tests, and a server on this machine for what it opens."""

import os
import re
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


def watch(page, root):
    """Cut a page off from all that is not below `root`, and keep a record of it.

    `page.strangers` are the addresses that were refused, `page.asked` what it asked for, without
    the root, `page.faults` its errors.
    """
    page.strangers, page.faults, page.asked = [], [], []

    def refuse(route):
        page.strangers.append(route.request.url)
        route.abort()

    page.route(re.compile(f"^(?!{re.escape(root)}|data:|blob:)"), refuse)
    page.on("request", lambda r: page.asked.append(r.url.removeprefix(f"{root}/")))
    page.on("console", lambda m: m.type == "error" and page.faults.append(m.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
