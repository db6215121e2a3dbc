"""Folders of runs: whose they are, and when what is left of one is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from kvmdocs import runs
from kvmdocs.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def gone() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_under_way_stays(store):
    folder = runs.new_run(store)
    runs.sweep(store)
    assert folder.is_dir()


def test_a_folder_that_is_just_being_made_stays(store):
    folder = runs.new_run(store)
    (folder / runs.OWNER).unlink()
    runs.sweep(store)
    assert folder.is_dir()


def test_a_folder_whose_maker_was_killed_before_it_said_so_goes_at_once(store):
    folder = store.runs / f"{gone()}-abcdefgh"
    folder.mkdir(parents=True)
    runs.sweep(store)
    assert not folder.exists()


def test_a_folder_that_says_nothing_goes_when_it_is_old(store):
    folder = store.runs / "tmpabcdefgh"
    folder.mkdir(parents=True)
    runs.sweep(store)
    assert folder.is_dir()
    os.utime(folder, (0, time.time() - 100))
    runs.sweep(store)
    assert not folder.exists()
