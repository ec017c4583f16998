"""Chromium without a window, driven through its DevTools protocol."""

import contextlib
import itertools
import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

PATIENCE = 60.0


class Browser:
    """One browser with one page. Certificates are taken from anybody."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="httpcore-browser-")
        self.process = subprocess.Popen(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--no-proxy-server",
                "--ignore-certificate-errors",
                "--remote-debugging-port=0",
                f"--user-data-dir={self.folder.name}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.numbers = itertools.count(1)
        self.stack = contextlib.ExitStack()
        self.socket = self.stack.enter_context(
            connect(self._page(), max_size=None, open_timeout=PATIENCE, proxy=None)
        )

    def _page(self):
        """The address of the page's protocol, once it is there."""
        told = Path(self.folder.name) / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, "the browser ended"
            if told.exists() and (lines := told.read_text().split()):
                with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json") as answer:
                    for target in json.load(answer):
                        if target["type"] == "page":
                            return target["webSocketDebuggerUrl"]
            time.sleep(0.05)
        raise AssertionError("the browser has no page")

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        assert "errorText" not in self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script):
        """The value of a script; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script):
        """Waits until the script's value is true, and gives it."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"waited in vain: {script}"
            time.sleep(0.02)
        return value

    def close(self):
        self.stack.close()
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.folder.cleanup()
