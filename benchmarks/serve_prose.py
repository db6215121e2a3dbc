"""Time until ``mkdocs serve`` shows a saved sentence, against the same site with every block replaced by its output.

Both servers run at the same time on copies of the project, the static one without the plugins that run blocks. A sentence is
added to a guide that shows recipes, in each copy in turns, and the page is requested until it contains the sentence.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from benchmarks.measure import side_by_side
from benchmarks.warm_build import ROOT, static_copy

GUIDE = "docs/en/concepts/qemu-and-kvm.md"
PAGE = "en/concepts/qemu-and-kvm.html"
ROUNDS = 5
AIM = 1.15
"""Target ratio, as for a warm build: the recipes have run before."""

REPLY_TIMEOUT = 300.0
"""Seconds to wait for a server."""


def project_copy(target: Path) -> None:
    """Copy the project's tracked files, as they are in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run ``mkdocs serve`` in a project; yield the address of the guide's page once it is served."""
    port = free_port()
    environ = {
        **os.environ,
        "NO_MKDOCS_2_WARNING": "1",
        "PYTHONPATH": str(folder),
        "KVMDOCS_SITE_URL_EN": f"http://127.0.0.1:{port}/en/",
    }
    command = [sys.executable, "-m", "mkdocs", "serve", "--quiet", "--dev-addr", f"127.0.0.1:{port}", "-f", "mkdocs.yml"]
    server = subprocess.Popen(command, cwd=folder, env=environ)
    try:
        address = f"http://127.0.0.1:{port}/{PAGE}"
        wait_for(address, "</html>")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, text: str) -> None:
    """Request a page until it contains a text.

    Raises:
        TimeoutError: It does not within `REPLY_TIMEOUT` seconds.
    """
    deadline = time.monotonic() + REPLY_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=REPLY_TIMEOUT) as answer:
                if text in answer.read().decode():
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.02)
    raise TimeoutError(f"{address} does not show {text!r}")


def saver(folder: Path, address: str) -> Callable[[], None]:
    """Return a function that saves another sentence and waits until it is shown."""
    numbers = count(1)

    def save() -> None:
        sentence = f"This is sentence number {next(numbers)} of many."
        with (folder / GUIDE).open("a", encoding="utf-8") as guide:
            guide.write(f"\n{sentence}\n")
        wait_for(address, sentence)

    return save


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        ours, static = Path(name) / "ours", Path(name) / "static"
        ours.mkdir()
        static.mkdir()
        project_copy(ours)
        static_copy(static)
        with serving(ours) as our_page, serving(static) as static_page:
            we, they = saver(ours, our_page), saver(static, static_page)
            we(), they()  # the first build after the start fills caches
            print(side_by_side("serve: a saved sentence is shown", we, they, rounds=ROUNDS, aim=AIM).line())


if __name__ == "__main__":
    main()
