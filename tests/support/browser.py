"""A browser for tests, controlled through chromedriver (WebDriver), and a file server for it."""

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

from tests.support import ROOT

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Otherwise up to a gigabyte of former pages stays in memory.
    "--disable-features=BackForwardCache",
    # With a mouse, as on a desktop: only there the theme makes code scrollable by keyboard.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
)  # fmt: skip

GUARD = """
import os, signal, subprocess, sys
driver = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
sys.stdin.read()
os.killpg(driver.pid, signal.SIGKILL)
driver.wait()
"""
"""Start a command and kill its process group when standard input is closed. Otherwise a browser would outlive killed tests."""


def missing() -> str:
    """Return the reason why there is no browser; "" if there is one."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not on this host: {', '.join(absent)}" if absent else ""


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, even if it is still empty; yield the address, without a trailing slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


AXE = (ROOT / "tests/content/vendor/axe-core/axe.min.js").read_text("utf-8") + "; window.axe = axe"
"""Script that gives a page the accessibility checker axe."""


class Browser:
    """Headless Chromium; a context manager.

    Args:
        names: Host names that only this browser resolves, each with its address on loopback, such as ``127.0.0.1:8000``.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._rules = ", ".join(f"MAP {name}:80 {address}" for name, address in (names or {}).items())

    def __enter__(self) -> Self:
        # chromedriver chooses a free port and prints it. A port chosen here could be taken by then.
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
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
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
        raise RuntimeError("chromedriver exited before it listened")

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
        """Send a command of the DevTools protocol; return its result."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def go(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})
        self.until(
            "return document.documentElement.classList.contains('js')"
            " && !document.querySelector('script[type=\"text/after-paint\"]')"
        )

    def run(self, script: str, *args: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait_for(self, script: str) -> Any:
        """Run a script that calls ``done``; return the argument of that call."""
        return self.call("POST", "/execute/async", {"script": f"const done = arguments[0]; {script}", "args": []})

    def until(self, script: str, seconds: float = 20) -> Any:
        """Run a script until it returns a true value; return that."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
            time.sleep(0.05)
        return value

    def find(self, selector: str) -> list[Any]:
        return self.call("POST", "/elements", {"using": "css selector", "value": selector})

    def click(self, element: Any) -> None:
        """Click an element with the mouse; only a user's gesture lets a page write to the clipboard."""
        # Wait until the layout is stable, since the element may move.
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
        """Press keys on the focused element; WebDriver's code points stand for special keys."""
        element = self.run("return document.activeElement")
        self.call("POST", f"/element/{next(iter(element.values()))}/value", {"text": text})

    def size(self, width: int, height: int) -> None:
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """Emulate the preference for a ``light`` or ``dark`` colour scheme."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def messages(self) -> list[str]:
        """Return the console's messages since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> set[str]:
        """Return the addresses requested since the last call, without ``data:`` addresses."""
        events = [json.loads(entry["message"])["message"] for entry in self.call("POST", "/se/log", {"type": "performance"})]
        urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        return {url for url in urls if not url.startswith("data:")}
