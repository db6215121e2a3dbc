"""What a process uses of its project, as audit events tell it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from kvmdocs.execution.worker.observation import Observer

root = Path(sys.argv[1])
sys.path.insert(0, str(root))
observer = Observer(root, ignored=(root / "store",))
exec(sys.argv[2])
print(*observer.seen(), sep="\\n")
"""


@pytest.fixture
def seen(tmp_path):
    """Return a function that runs code in a process and returns what was observed."""
    root = tmp_path / "project"
    (root / "store").mkdir(parents=True)
    (root / "folder").mkdir()
    for name in ("a.txt", "store/kept", "folder/b.txt", "beside_observed.py"):
        (root / name).write_text("x = 1\n")
    (tmp_path / "outside.txt").touch()

    def run(code: str) -> list[str]:
        command = [sys.executable, "-c", PROGRAM, str(root), code]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.split("\n")[:-1]

    return run


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "entries"),
    [
        ("open(root / 'a.txt')", ["file a.txt"]),
        ("open(b'a.txt')", ["file a.txt"]),
        ("import os; os.open('a.txt', os.O_RDONLY)", ["file a.txt"]),
        ("import threading; t = threading.Thread(target=open, args=('a.txt',)); t.start(); t.join()", ["file a.txt"]),
        ("list((root / 'folder').iterdir())", ["folder folder"]),
        ("list(root.rglob('*.txt'))", ["folder .", "folder folder"]),
        ("import beside_observed", ["module beside_observed"]),
        ("import json.tool, mkdocs.exceptions", ["library mkdocs"]),
        ("open(root / 'store/kept'); open('../outside.txt')", [""]),
        ("with observer.paused(): open('a.txt')", [""]),
        ("import linecache; linecache.getline(str(root / 'a.txt'), 1)", [""]),
    ],
)
def test_what_a_process_uses_is_observed(seen, code, entries):
    assert [one for one in seen(code) if not one.startswith("library") or one in entries] == (
        entries if entries != [""] else [""]
    )


STEP = "from types import SimpleNamespace as N; observer.step(N(command={!r}, cwd={!r}))"


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "cwd", "entries"),
    [
        ("bash <project>/a.txt", None, ["file a.txt"]),
        ("bash -c 'cat <project>/folder/b.txt'", None, ["file folder/b.txt"]),
        ("tool --file=<project>/a.txt", None, ["file a.txt"]),
        ("bash b.txt", "<project>/folder", ["file folder/b.txt"]),
        ("bash b.txt", "~/kvm-lab/x", [""]),
        ("echo 'it is", "<project>", [""]),
    ],
)
def test_files_that_a_command_names_are_observed(seen, command, cwd, entries):
    assert seen(STEP.format(command, cwd)) == entries
