"""A browser for tests: the few WebDriver calls they need, over chromedriver; and a server of files for it to look at."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Pages that were left would stay in memory, a gigabyte of them.
    "--disable-features=BackForwardCache",
    # A mouse, as at a desk: the theme lets a keyboard scroll code only there.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
)  # fmt: skip

GUARD = """
import os, signal, subprocess, sys
driver = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
sys.stdin.read()
os.killpg(driver.pid, signal.SIGKILL)
driver.wait()
"""
"""Starts what it is told, and ends it with all of its group when nobody holds its input any more: a browser would outlive tests that were killed."""


def missing() -> str:
    """Why there is no browser, "" when there is one."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not on this host: {', '.join(absent)}" if absent else ""


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, also one that is yet to be filled; gives its address, without a slash at its end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Browser:
    """Chromium without a window; use it in a ``with``.

    Args:
        names: Hosts that only this browser knows: a name, and the address on loopback that it stands for, such as ``127.0.0.1:8000``.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._rules = ", ".join(f"MAP {name}:80 {address}" for name, address in (names or {}).items())

    def __enter__(self) -> Self:
        # It finds a free port itself and says which: one that a test found could be another's by then.
        self._driver = subprocess.Popen(
            [sys.executable, "-c", GUARD, "chromedriver", "--port=0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self._base = f"http://127.0.0.1:{self._port()}"
            flags = [*FLAGS, f"--host-resolver-rules={self._rules}"] if self._rules else [*FLAGS]
            options = {"args": flags, "binary": shutil.which("chromium")}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self._end()
            raise
        self._base += f"/session/{session['sessionId']}"
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.call("DELETE", "")
        finally:
            self._end()

    def _port(self) -> int:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                return int(found[1])
        raise RuntimeError("chromedriver ended before it listened")

    def _end(self) -> None:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.close()
        self._driver.wait(20)
        self._driver.stdout.close()

    def call(self, method: str, path: str, data: Any = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self._base + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def go(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})
        self.until(
            "return document.documentElement.classList.contains('js') && !document.querySelector('script[type=\"text/after-paint\"]')"
        )

    def run(self, script: str, *args: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait_for(self, script: str) -> Any:
        """Run a script that calls ``done``."""
        return self.call("POST", "/execute/async", {"script": f"const done = arguments[0]; {script}", "args": []})

    def until(self, script: str, seconds: float = 20) -> Any:
        """Run a script until what it returns is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
            time.sleep(0.05)
        return value

    def find(self, selector: str) -> list[Any]:
        return self.call("POST", "/elements", {"using": "css selector", "value": selector})

    def click(self, element: Any) -> None:
        """Click as a reader does, which is what lets a page write to the clipboard."""
        # A page that is still being laid out moves on under the mouse.
        before = None
        while (
            top := self.run(
                "arguments[0].scrollIntoView({block: 'center'}); return arguments[0].getBoundingClientRect().top", element
            )
        ) != before:
            before = top
            time.sleep(0.05)
        self.call("POST", f"/element/{next(iter(element.values()))}/click", {})

    def keys(self, text: str) -> None:
        """Press keys on what has the focus; those without a letter are WebDriver's code points."""
        element = self.run("return document.activeElement")
        self.call("POST", f"/element/{next(iter(element.values()))}/value", {"text": text})

    def size(self, width: int, height: int) -> None:
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def messages(self) -> list[str]:
        """What the console said since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> set[str]:
        """The addresses asked for since the last call, data in the page itself left out."""
        events = [json.loads(entry["message"])["message"] for entry in self.call("POST", "/se/log", {"type": "performance"})]
        asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        return {url for url in asked if not url.startswith("data:")}
