"""Headless Chromium, controlled over two pipes, for printing local files.

The protocol is the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/): JSON messages that end with
a zero byte. Chromium reads them from file descriptor 3 and writes to 4 (``--remote-debugging-pipe``). So there is no port that
another user could connect to.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from kvmdocs.core.errors import EngineError, Evidence, HostLacks

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--remote-debugging-pipe",
)  # fmt: skip

REPLY_TIMEOUT = 120.0
"""Seconds to wait for one reply. A long page takes a few seconds, many on a busy machine."""

PRINT_OPTIONS = {"printBackground": False, "preferCSSPageSize": True, "generateTaggedPDF": False}

_MIN_DESCRIPTOR = 10
"""Lowest number for our ends of the pipes: above the descriptors that Chromium is given."""


class Chromium:
    """Browser with one tab; a context manager.

    Raises:
        HostLacks: Chromium is not installed.
    """

    def __enter__(self) -> Self:
        executable = program()
        self._profile = tempfile.TemporaryDirectory(prefix="kvmdocs-print-", ignore_cleanup_errors=True)
        self._number = 0
        self._session = ""
        self._buffer = b""
        self._events: list[str] = []
        self._start([executable, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"])
        try:
            target = self.command("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.command("Page.enable")
            # Scripts make tabs, search and tooltips, which are of no use on paper.
            self.command("Emulation.setScriptExecutionDisabled", value=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _start(self, command: list[str]) -> None:
        (their_input, self._write), (self._read, their_output) = _pipe(), _pipe()
        standard = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, their_input, 3), (os.POSIX_SPAWN_DUP2, their_output, 4)]
        self._pid = os.posix_spawn(command[0], command, os.environ, file_actions=[*standard, *pipes], setpgroup=0)
        os.close(their_input)
        os.close(their_output)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return the result in its reply.

        Raises:
            EngineError: Chromium reports an error, does not reply in time, or has exited.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = memoryview(json.dumps(message).encode() + b"\0")
        try:
            while data:
                data = data[os.write(self._write, data) :]
        except BrokenPipeError:
            raise _exited() from None
        while (reply := self._message()).get("id") != self._number:
            self._events.append(reply.get("method", ""))
        if "error" in reply:
            raise EngineError(f"Chromium rejects {method}: {reply['error'].get('message')}")
        result: dict[str, Any] = reply["result"]
        return result

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + REPLY_TIMEOUT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise EngineError(f"Chromium did not reply within {REPLY_TIMEOUT:.0f} s")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise _exited()
            self._buffer += data
        first, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def open(self, page: Path) -> None:
        """Load a file and wait for its load event.

        Raises:
            EngineError: The file cannot be loaded.
        """
        self._events.clear()
        reply = self.command("Page.navigate", url=page.absolute().as_uri())
        if "errorText" in reply:
            raise EngineError(f"Chromium cannot open {page}: {reply['errorText']}")
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._message().get("method", ""))

    def evaluate(self, script: str) -> Any:
        """Call a JavaScript function, given as source, in the page and return its result (a JSON value).

        Raises:
            EngineError: The function throws.
        """
        reply = self.command("Runtime.evaluate", expression=f"({script})()", returnByValue=True)
        if "exceptionDetails" in reply:
            raise EngineError(f"a script failed in the page to be printed: {reply['exceptionDetails'].get('text')}")
        return reply["result"].get("value")

    def printed(self) -> bytes:
        """Return the page as PDF."""
        return base64.b64decode(self.command("Page.printToPDF", **PRINT_OPTIONS)["data"])


def program() -> str:
    """Return the path of Chromium's executable.

    Raises:
        HostLacks: Chromium is not installed.
    """
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if path is None:
        raise HostLacks(
            "Chromium is not installed; it prints the pages of the PDF",
            Evidence(advice="install the package chromium (apt-get install chromium), or build without --pdf"),
        )
    return path


def _pipe() -> tuple[int, int]:
    """Open a pipe whose ends are close-on-exec and apart from Chromium's descriptors 3 and 4; return its read and write end."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _MIN_DESCRIPTOR) for end in ends)
    for end in ends:
        os.close(end)
    return read, write


def _exited() -> EngineError:
    return EngineError("Chromium exited while printing", Evidence(advice="try again; check that there is enough free memory"))
