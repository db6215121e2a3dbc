"""A real gdb that stops answering: it is killed, and its target continues."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time

import psutil
import pytest

from kvmdocs.core.errors import LabFailed, Skipped, TimedOut
from kvmdocs.lab import Gdb
from kvmdocs.lab import gdb as gdb_module


@pytest.fixture
def target():
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def gdb(sh, target, monkeypatch):
    if not shutil.which("gdb"):
        pytest.skip("no gdb on this host")
    monkeypatch.setattr(gdb_module, "GRACE", 1.0)
    monkeypatch.setattr(gdb_module, "END_GRACE", 1.0)
    try:
        with Gdb(sh, pid=target.pid) as gdb:
            yield gdb
    except Skipped as skipped:
        pytest.skip(skipped.message)


def runs_on(target):
    """Return whether a process is soon neither traced nor stopped."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if psutil.Process(target.pid).status() == psutil.STATUS_SLEEPING:
            return True
        time.sleep(0.05)
    return False


def test_a_debugger_that_stops_answering_is_killed_and_its_process_goes_on(gdb, target):
    assert gdb("print 1") == "$1 = 1\n"
    pid = gdb.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(TimedOut, match="did not react to Ctrl-C and was killed") as late:
        gdb("bt", timeout=0.5)
    assert late.value.evidence.command == "bt"
    assert not psutil.pid_exists(pid)
    assert runs_on(target)
    with pytest.raises(LabFailed, match="has ended"):
        gdb("bt")


def test_a_debugger_that_stops_answering_while_its_process_runs(gdb, target):
    pid = gdb.pid
    stopping = threading.Timer(1.0, os.kill, (pid, signal.SIGSTOP))
    stopping.start()
    with pytest.raises(TimedOut, match="killed"):
        gdb("continue", timeout=2.0)
    stopping.join()
    assert not psutil.pid_exists(pid)
    assert runs_on(target)


def test_leaving_a_debugger_that_does_not_answer(sh, gdb, target):
    pid = gdb.pid
    os.kill(pid, signal.SIGSTOP)
    gdb.__exit__(None, None, None)
    assert not psutil.pid_exists(pid)
    assert runs_on(target)
