"""Run directories: their owners, and the removal of those that dead builds left."""

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
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_folder_of_an_active_run_stays(store):
    folder = run_dirs.new_run(store)
    run_dirs.kill_orphans(store)
    assert folder.is_dir()


def test_a_folder_without_an_owner_file_stays_while_its_maker_lives(store):
    folder = run_dirs.new_run(store)
    (folder / run_dirs.OWNER).unlink()
    run_dirs.kill_orphans(store)
    assert folder.is_dir()


@pytest.mark.process
def test_a_folder_without_an_owner_file_goes_when_its_maker_is_dead(store):
    folder = store.runs / f"{gone()}-abcdefgh"
    folder.mkdir(parents=True)
    run_dirs.kill_orphans(store)
    assert not folder.exists()


@pytest.mark.process
def test_dead_owners_are_recognised_without_proc_sys(store, monkeypatch):
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


def test_a_folder_with_an_unknown_owner_goes_when_it_is_old(store):
    folder = store.runs / "tmpabcdefgh"
    folder.mkdir(parents=True)
    run_dirs.kill_orphans(store)
    assert folder.is_dir()
    os.utime(folder, (0, time.time() - 100))
    run_dirs.kill_orphans(store)
    assert not folder.exists()
