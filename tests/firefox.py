"""A real Firefox for tests, as it is installed: driven by WebDriver BiDi, the W3C's protocol.

Playwright's own Firefox is a patched one. For the one that a reader has it sends commands that
Firefox 153 does not know (playwright 1.65). What the tests need of the protocol is little; all of
it is in https://w3c.github.io/webdriver-bidi.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

MISSING = "no Firefox to try the pages in: install one, or name yours in the variable FIREFOX"
SETTINGS = {
    "browser.download.folderList": 2,  # into browser.download.dir
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}
SECONDS = 600  # until it has answered, on a machine that has much to do


@cache
def firefox():
    """The path of a Firefox: one that is named, or the machine's; or None."""
    names = os.environ.get("FIREFOX"), "firefox", "firefox-esr"
    return next(filter(None, map(shutil.which, filter(None, names))), None)


@contextmanager
def launched(folder):
    """A Firefox with a profile of its own in a folder, as long as the block runs."""
    downloads, profile = Path(folder) / "downloads", Path(folder) / "profile"
    for path in downloads, profile:
        path.mkdir(parents=True)
    settings = SETTINGS | {"browser.download.dir": str(downloads)}
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in settings.items())
    (profile / "user.js").write_text("".join(lines))
    command = [firefox(), "--headless", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(
        [*command, "--remote-debugging-port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        listening = "WebDriver BiDi listening on "
        line = next((line for line in process.stderr if line.startswith(listening)), None)
        assert line, "this Firefox does not speak WebDriver BiDi"
        # What it goes on to say is read, so that it is never held up.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with asyncio.Runner() as runner:
            yield Firefox(runner, line.removeprefix(listening).strip(), downloads)
    finally:
        process.terminate()
        process.wait()


class Firefox:
    """One window: what it shows, what it asks for, what goes wrong in it."""

    def __init__(self, runner, address, downloads):
        from tornado.websocket import websocket_connect

        async def connect():
            return await websocket_connect(f"{address}/session", max_message_size=2**28)

        self.runner, self.downloads = runner, downloads
        self.events, self.asked = [], 0
        self.socket = runner.run(connect())
        self.version = self.send("session.new", capabilities={})["capabilities"]["browserVersion"]
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.window = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method, **params):
        """Ask for something, and wait for the answer."""
        self.asked += 1
        question = {"id": self.asked, "method": method, "params": params}
        return self.runner.run(asyncio.wait_for(self._answer(question), SECONDS))

    async def _answer(self, question):
        await self.socket.write_message(json.dumps(question))
        while True:
            text = await self.socket.read_message()
            assert text is not None, "Firefox went away"
            message = json.loads(text)
            if message.get("id") != question["id"]:
                self.events.append(message)
            elif message["type"] == "error":
                raise RuntimeError(f"{question['method']}: {message['message']}")
            else:
                return message["result"]

    def of(self, method):
        """What was told of all events of a name."""
        return [event["params"] for event in self.events if event["method"] == method]

    @property
    def faults(self):
        """The errors of the pages."""
        return [entry["text"] for entry in self.of("log.entryAdded") if entry["level"] == "error"]

    @property
    def requests(self):
        """The addresses that the pages asked for."""
        return [event["request"]["url"] for event in self.of("network.beforeRequestSent")]

    # --- a reader's eyes and hands ---------------------------------------------------------------

    def goto(self, address, width=1280, height=800):
        viewport = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.window, viewport=viewport)
        self.send("browsingContext.navigate", context=self.window, url=address, wait="complete")

    def evaluate(self, expression):
        """The value of an expression of JavaScript; if it is a promise, what it promises."""
        answer = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.window},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"].get("value", "null"))

    def wait_for(self, condition):
        """Wait until an expression is true."""
        look = f"({condition}) ? done() : setTimeout(look, 50)"
        self.evaluate(f"new Promise(done => {{ (function look() {{ {look}; }})(); }})")

    def drag(self, start, end):
        """Press the mouse at (x, y), move it and let go."""
        points = [{"x": round(x), "y": round(y)} for x, y in (start, end)]
        moves = [{"type": "pointerMove", **point} for point in points]
        press, let_go = ({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))
        mouse = {"type": "pointer", "id": "mouse", "actions": [moves[0], press, moves[1], let_go]}
        self.send("input.performActions", context=self.window, actions=[mouse])

    def click(self, element):
        """Click in the middle of an element, which is told by an expression."""
        x, y = self.evaluate(
            f"""(() => {{
                const element = {element};
                element.scrollIntoView({{block: "nearest", behavior: "instant"}});
                const {{x, y, width, height}} = element.getBoundingClientRect();
                return [x + width / 2, y + height / 2];
            }})()"""
        )
        self.drag((x, y), (x, y))

    def choose_file(self, selector, path):
        found = self.send(
            "browsingContext.locateNodes",
            context=self.window,
            locator={"type": "css", "value": selector},
        )["nodes"]
        node = {"sharedId": found[0]["sharedId"]}
        self.send("input.setFiles", context=self.window, element=node, files=[str(path)])

    def screenshot(self, path):
        shot = self.send("browsingContext.captureScreenshot", context=self.window)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
