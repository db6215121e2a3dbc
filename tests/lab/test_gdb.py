from __future__ import annotations

import shutil
import signal
import subprocess
import time

import psutil
import pytest

from kvmdocs.core.errors import HostLacks, LabFailed, Skipped, TimedOut
from kvmdocs.core.model import Where
from kvmdocs.execution.worker.handle import PATIENCE
from kvmdocs.lab import Gdb, machine
from kvmdocs.lab import gdb as gdb_module
from kvmdocs.recording import background_process


@pytest.fixture
def target():
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def needs_gdb():
    if not shutil.which("gdb"):
        pytest.skip("no gdb on this host")


def test_commands_become_steps(sh, fake_gdb):
    with Gdb(sh, pid=1, program_name=fake_gdb) as gdb:
        gdb("bt")
    host, typed = sh.steps()
    assert host.command.replace("\\\n    ", "").endswith("fake-gdb -q -nx -iex 'set confirm off' -p 1")
    assert (typed.where, typed.command) == (Where.GDB, "bt")


def test_a_process_is_found_by_its_pid_file_and_shown_so(sh, fake_gdb):
    (sh.workspace / "vm.pid").write_text("4711\n")
    with Gdb(sh, pidfile="vm.pid", program_name=fake_gdb) as gdb:
        assert psutil.Process(gdb.pid).cmdline()[-2:] == ["-p", "4711"]
    assert sh.steps()[0].command.replace("\\\n    ", "").endswith("fake-gdb -q -nx -iex 'set confirm off' -p $(cat vm.pid)")


def test_output_that_looks_like_a_prompt(sh, fake_gdb):
    with Gdb(sh, program_name=fake_gdb) as gdb:
        assert gdb("first") == "(gdb) first\n(gdb) "
        assert gdb("second") == "(gdb) second\n(gdb) "


def test_a_command_that_takes_too_long_is_interrupted(sh, fake_gdb):
    with Gdb(sh, program_name=fake_gdb) as gdb:
        with pytest.raises(TimedOut, match="interrupted") as late:
            gdb("continue", timeout=0.3)
        assert gdb("on") == "(gdb) on\n(gdb) "
    assert "received signal SIGINT" in late.value.evidence.tail
    assert late.value.evidence.command == "continue"
    assert "Continuing." in sh.steps()[1].output.text


def test_a_debugger_deaf_to_ctrl_c_is_killed(sh, fake_gdb, monkeypatch):
    monkeypatch.setattr(gdb_module, "GRACE", 0.3)
    with Gdb(sh, program_name=fake_gdb) as gdb:
        pid = gdb.pid
        with pytest.raises(TimedOut, match="killed"):
            gdb("hang", timeout=0.3)
        assert not psutil.pid_exists(pid)
        with pytest.raises(LabFailed, match="has ended"):
            gdb("bt")
    assert "begun" in sh.steps()[1].output.text


class OutOfTime(Exception):
    """Stands for the exception that interrupts a recipe anywhere after its time limit."""


def leave_in_the_middle_of(sh, program, command, **options):
    """Leave a debugger during a command. Return its process id and the seconds until it was left."""

    def out_of_time(_number, _frame):
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, out_of_time)
    try:
        with Gdb(sh, program_name=program, **options) as gdb:
            pid = gdb.pid
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            began = time.monotonic()
            gdb(command)
            raise AssertionError(f"{command} came back")
    except OutOfTime:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return pid, time.monotonic() - began - 1.0


def test_a_debugger_left_in_the_middle_of_a_command_is_interrupted_at_once(sh, target):
    needs_gdb()
    try:
        pid, took = leave_in_the_middle_of(sh, "gdb", "continue", pid=target.pid)
    except Skipped as skipped:
        pytest.skip(skipped.message)
    assert took < gdb_module.END_GRACE
    assert not psutil.pid_exists(pid)
    assert target.poll() is None


def test_whatever_ends_a_debugger_and_a_machine_a_worker_has_the_patience_for():
    asked_twice = 2 * gdb_module.END_GRACE
    assert asked_twice + machine.QUIT_TIMEOUT + background_process.STOP_TIMEOUT < PATIENCE


def test_a_debugger_deaf_to_all_is_left_in_the_time_it_has(sh, fake_gdb, monkeypatch):
    monkeypatch.setattr(gdb_module, "END_GRACE", 0.5)
    pid, took = leave_in_the_middle_of(sh, fake_gdb, "hang")
    assert took >= 1.0
    assert not psutil.pid_exists(pid)


def test_a_debugger_that_dies(sh, fake_gdb):
    with Gdb(sh, program_name=fake_gdb) as gdb, pytest.raises(LabFailed, match="ended") as died:
        gdb("die")
    assert "a problem internal to GDB" in died.value.evidence.tail


def test_ptrace_denied_is_a_skip(sh, fake_gdb, monkeypatch):
    monkeypatch.setenv("FAKE_GDB", "denied")
    with pytest.raises(Skipped, match="ptrace_scope"), Gdb(sh, pid=1, program_name=fake_gdb):
        pass


def test_a_process_that_is_not_there(sh, fake_gdb, monkeypatch):
    monkeypatch.setenv("FAKE_GDB", "absent")
    with pytest.raises(LabFailed, match="No such process"), Gdb(sh, pid=1, program_name=fake_gdb):
        pass


def test_no_debugger(sh):
    with pytest.raises(HostLacks, match="no gdb"), Gdb(sh, program_name="/nosuch/gdb"):
        pass


def test_a_real_gdb_attaches_and_lets_go(sh, target):
    needs_gdb()
    with Gdb(sh, pid=target.pid) as gdb:
        assert psutil.Process(target.pid).status() in {psutil.STATUS_TRACING_STOP, psutil.STATUS_STOPPED}
        assert gdb("print 6 * 7") == "$1 = 42\n"
        assert gdb('python print("(gdb) ")') == "(gdb) \n"
        assert gdb("python\nprint(1)\nprint(2)\nend").endswith("1\n2\n")
    assert target.poll() is None
    assert psutil.Process(target.pid).status() == psutil.STATUS_SLEEPING


def test_a_real_gdb_is_interrupted(sh, target):
    needs_gdb()
    with Gdb(sh, pid=target.pid) as gdb:
        began = time.monotonic()
        with pytest.raises(TimedOut, match="interrupted"):
            gdb("continue", timeout=0.5)
        assert time.monotonic() - began < 5
        assert gdb("print 1") == "$1 = 1\n"
    assert target.poll() is None
