"""Chromium without a window, spoken to over two pipes, for printing files of this machine.

The protocol is DevTools' (https://chromedevtools.github.io/devtools-protocol/): JSON, each message ended by a zero byte, read by Chromium from its descriptor 3 and
written to its descriptor 4. So there is no port that somebody else could connect to.
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

PATIENCE = 120.0
"""Seconds for one answer; a long page prints in a few, on a busy machine in many."""

PAPER = {"printBackground": False, "preferCSSPageSize": True, "generateTaggedPDF": False}

_ABOVE_STANDARD = 10


class Chromium:
    """One browser with one tab; use it in a ``with``.

    Raises:
        HostLacks: There is no Chromium.
    """

    def __enter__(self) -> Self:
        browser = program()
        self._profile = tempfile.TemporaryDirectory(prefix="kvmdocs-print-", ignore_cleanup_errors=True)
        self._number = 0
        self._session = ""
        self._said = b""
        self._events: list[str] = []
        self._start([browser, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"])
        try:
            target = self.command("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.command("Page.enable")
            # Paper has no use for scripts: tabs, search and tooltips are for a screen.
            self.command("Emulation.setScriptExecutionDisabled", value=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _start(self, command: list[str]) -> None:
        theirs, ours = _pipe(), _pipe()
        self._write, self._read = theirs[1], ours[0]
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        wanted = [(os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, ours[1], 4)]
        self._pid = os.posix_spawn(command[0], command, os.environ, file_actions=[*quiet, *wanted], setpgroup=0)
        os.close(theirs[0])
        os.close(ours[1])

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            EngineError: Chromium refuses it, does not answer, or is gone.
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
            raise _gone() from None
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                break
            self._events.append(answer.get("method", ""))
        if "error" in answer:
            raise EngineError(f"Chromium refuses {method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._said:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise EngineError(f"Chromium does not answer within {PATIENCE:.0f} s")
            more = os.read(self._read, 1 << 20)
            if not more:
                raise _gone()
            self._said += more
        first, _, self._said = self._said.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def open(self, page: Path) -> None:
        """Load a file, with all that it needs.

        Raises:
            EngineError: It cannot be loaded.
        """
        self._events.clear()
        answer = self.command("Page.navigate", url=page.absolute().as_uri())
        if "errorText" in answer:
            raise EngineError(f"Chromium cannot open {page}: {answer['errorText']}")
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._message().get("method", ""))

    def evaluate(self, script: str) -> Any:
        """Run a function's source in the page; returns what it returns, as far as JSON has it.

        Raises:
            EngineError: It raises.
        """
        answer = self.command("Runtime.evaluate", expression=f"({script})()", returnByValue=True)
        if "exceptionDetails" in answer:
            raise EngineError(f"in a page that is printed: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.command("Page.printToPDF", **PAPER)["data"])


def program() -> str:
    """Chromium on this host.

    Raises:
        HostLacks: There is none.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise HostLacks(
            "no Chromium on this host; it prints the pages of the PDF",
            Evidence(advice="install the package chromium (apt-get install chromium), or build without --pdf"),
        )
    return found


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that Chromium looks at."""
    ends = os.pipe()
    moved = (
        fcntl.fcntl(ends[0], fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD),
        fcntl.fcntl(ends[1], fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD),
    )
    for end in ends:
        os.close(end)
    return moved


def _gone() -> EngineError:
    return EngineError("Chromium ended while it printed", Evidence(advice="try again; is there memory left?"))
