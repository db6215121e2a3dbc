"""Folders of runs: whose they are, and when what is left of one is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvmdocs.execution import run_dirs
from kvmdocs.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def gone() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_under_way_stays(store):
    folder = run_dirs.new_run(store)
    run_dirs.kill_orphans(store)
    assert folder.is_dir()


def test_a_folder_that_is_just_being_made_stays(store):
    folder = run_dirs.new_run(store)
    (folder / run_dirs.OWNER).unlink()
    run_dirs.kill_orphans(store)
    assert folder.is_dir()


def test_a_folder_whose_maker_was_killed_before_it_said_so_goes_at_once(store):
    folder = store.runs / f"{gone()}-abcdefgh"
    folder.mkdir(parents=True)
    run_dirs.kill_orphans(store)
    assert not folder.exists()


def test_where_proc_sys_is_hidden_the_living_are_told_from_the_dead(store, monkeypatch):
    read_text = Path.read_text

    def hidden(path, *arguments):
        if str(path).startswith("/proc/sys"):
            raise PermissionError(13, "Permission denied")
        return read_text(path, *arguments)

    monkeypatch.setattr(Path, "read_text", hidden)
    mine, dead = run_dirs.new_run(store), run_dirs.new_run(store)
    owner = json.loads((dead / run_dirs.OWNER).read_bytes())
    (dead / run_dirs.OWNER).write_text(json.dumps({**owner, "pid": gone()}))
    being_written, left = (store.root / f".{pid}-abcdefgh" for pid in (os.getpid(), gone()))
    being_written.touch()
    left.touch()
    run_dirs.kill_orphans(store)
    assert [path.exists() for path in (mine, dead, being_written, left)] == [True, False, True, False]


def test_a_folder_that_says_nothing_goes_when_it_is_old(store):
    folder = store.runs / "tmpabcdefgh"
    folder.mkdir(parents=True)
    run_dirs.kill_orphans(store)
    assert folder.is_dir()
    os.utime(folder, (0, time.time() - 100))
    run_dirs.kill_orphans(store)
    assert not folder.exists()
