"""Ended builds leave no process and no partly written file."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from kvmdocs.core.errors import Interrupted
from kvmdocs.core.model import Status
from kvmdocs.execution.worker.fork_server_client import ForkServerClient
from tests.support.processes import left_of, soon_nothing_left

LAB = """
DETACH = '''
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
'''

@recipe(timeout="10m")
def lab(sh: Shell) -> None:
    "Start processes that are hard to end: background jobs, a daemon, one that ignores signals."
    sh.write("detach.py", DETACH)
    sh.line("touch ../../../../going; sleep 1000 & sleep 1000 & true")
    sh.python3("detach.py")
    sh.spawn("bash", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done")
    sh.line("for i in $(seq 20); do setsid sleep 1000 & done; sleep 1000")

@recipe()
def quick(sh: Shell) -> str:
    return sh.line("seq 1000 | tail -n 1").strip()
"""


@pytest.fixture
def lab(trial):
    made = trial().recipes(LAB)
    yield made
    for process in left_of(made.root):
        process.kill()


def wait_until_it_runs(lab, build):
    deadline = time.monotonic() + 60
    while not (lab.root / "going").exists():
        assert build.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Moments in seconds: before the first worker is up, while it imports, while it starts things, in full swing.
@pytest.mark.parametrize("moment", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.5])
def test_kill_9_of_the_build_leaves_nothing(lab, moment):
    build = lab.start("kvmdocs.cli", "run", "lab", "quick")
    time.sleep(moment)
    build.kill()
    build.wait()
    assert soon_nothing_left(lab.root)
    outcome = lab.run("quick")
    assert outcome.records["quick"].value == "1000"
    assert not list((lab.root / "store").glob("v1/records/.*"))


KILLED_WHILE_IT_WRITES = """
import os, signal, sys
from kvmdocs.cli.main import main

replace = os.replace
def killed(source, target):
    if "/records/" in str(target) and "/." not in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = killed
sys.exit(main())
"""


def test_the_next_build_removes_partly_written_files(lab):
    (lab.root / "killed.py").write_text(KILLED_WHILE_IT_WRITES)
    build = lab.start("killed", "run", "quick")
    assert build.wait(60) == -signal.SIGKILL
    records = lab.root / "store/v1/records"
    left = list(records.iterdir())
    assert [path.name.startswith(f".{build.pid}-") for path in left] == [True]
    being_written = records / f".{os.getpid()}-abcdefgh"
    being_written.touch()
    lab.run("quick")
    assert not left[0].exists()
    assert being_written.exists()


def test_kill_9_ends_many_processes(lab):
    build = lab.start("kvmdocs.cli", "run", "lab")
    wait_until_it_runs(lab, build)
    deadline = time.monotonic() + 60
    while len(left_of(lab.root)) < 25:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    build.kill()
    build.wait()
    assert soon_nothing_left(lab.root)


def test_ctrl_c_ends_everything_with_status_130(lab):
    build = lab.start("kvmdocs.cli", "run", "lab")
    wait_until_it_runs(lab, build)
    os.kill(build.pid, signal.SIGINT)
    assert build.wait(timeout=60) == 130
    assert soon_nothing_left(lab.root, seconds=2)
    assert not list((lab.root / "store" / "v1" / "runs").iterdir())


def test_ctrl_c_while_a_worker_starts_leaves_nothing(lab, monkeypatch):
    start = ForkServerClient.start

    def interrupted(self, *arguments):
        handle = start(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)
        return handle

    monkeypatch.setattr(ForkServerClient, "start", interrupted)
    with pytest.raises(Interrupted):
        lab.run("lab")
    assert not left_of(lab.root)
    assert not list((lab.root / "store" / "v1" / "runs").iterdir())
    monkeypatch.undo()
    assert lab.run("quick").records["quick"].value == "1000"


def test_the_next_build_kills_the_orphans_of_a_killed_supervisor(lab):
    build = lab.start("kvmdocs.cli", "run", "lab")
    wait_until_it_runs(lab, build)
    time.sleep(0.5)
    supervisors = [child for child in psutil.Process(build.pid).children(recursive=True) if child.name() == "kvmdocs-superv"]
    assert supervisors
    build.kill()
    for supervisor in supervisors:
        supervisor.kill()
    build.wait()
    assert lab.run("quick").records["quick"].status is Status.PASSED
    assert soon_nothing_left(lab.root)


def test_a_killed_fork_server_ends_no_recipe(trial):
    made = trial().recipes("""
        import signal
        import time
        import psutil

        @recipe()
        def first(sh: Shell) -> str:
            supervisor = psutil.Process().parent()
            fork_server = supervisor.parent()
            assert (supervisor.name(), fork_server.name()) == ("kvmdocs-superv", "kvmdocs-forksrv")
            fork_server.send_signal(signal.SIGKILL)
            while fork_server.is_running() and fork_server.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
            return sh.echo("alone").strip()

        @recipe()
        def second(sh: Shell, first: str) -> str:
            return sh.echo(f"not {first}").strip()
        """)
    outcome = made.run("second")
    assert {name: record.value for name, record in outcome.records.items()} == {"first": "alone", "second": "not alone"}
    assert soon_nothing_left(made.root)


def test_a_fork_server_that_does_not_start_is_reported(trial, tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no python today >&2\nexit 3\n")
    broken.chmod(0o755)
    made = trial().recipes("""
        @recipe()
        def first(sh: Shell) -> None:
            sh.echo("never")
        """)
    monkeypatch.setattr(sys, "executable", str(broken))
    record = made.run("first").records["first"]
    assert record.status is Status.FAILED
    assert record.failure.error == "WorkerLost"
    assert "no python today" in record.failure.tail


def test_processes_of_a_failed_recipe_are_killed(trial):
    made = trial().recipes("""
        @recipe()
        def raising(sh: Shell) -> None:
            sh.spawn("sleep", "1000")
            sh.line("setsid sleep 1000 & true")
            raise RuntimeError("on purpose")
        """)
    failure = made.run("raising").records["raising"].failure
    assert "on purpose" in failure.message
    assert not left_of(made.root)


def test_a_gigabyte_of_output_costs_little_memory(trial):
    made = trial().recipes("""
        @recipe(timeout="5m")
        def chatty(sh: Shell) -> int:
            import resource
            sh.line("yes 'a line of output that is about as long as others' | head -c 1G || true")
            sh.line("head -c 200M /dev/urandom")
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        """)
    record = made.run("chatty").records["chatty"]
    assert record.status is Status.PASSED, record.failure
    assert record.value < 200 * 1024, "KiB of resident memory"
    output = record.steps[0].output
    assert output.omitted_bytes + len(output.head) + len(output.tail) == 1 << 30
    logs = list((made.root / "store").glob("v1/logs/*/*.log"))
    assert all(log.stat().st_size <= 40 << 20 for log in logs)
    assert (made.root / "store").stat()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_hanging_command_is_named(trial):
    made = trial().recipes("""
        @recipe(timeout="2s")
        def hanging(sh: Shell) -> None:
            sh.line("echo almost there; sleep 1000")
        """)
    record = made.run("hanging").records["hanging"]
    assert record.failure.error == "TimedOut"
    assert record.steps[-1].output.text == "almost there\n"
    assert not left_of(made.root)
