"""Recipes that harm their worker or the host: they fill memory, close their streams, flood output, or signal their group."""

from __future__ import annotations

import time

import pytest

from kvmdocs import recipe
from kvmdocs.core.model import Status
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.execution.worker.limits import MIN_MEMORY, memory_limit
from tests.support.processes import left_of

HOGS = """
HOG = '''
import time
held = []
while True:
    held.append(b"x" * (64 << 20))
    time.sleep(0.02)
'''

@recipe()
def child(sh: Shell) -> None:
    sh.echo("before")
    sh.python3("-c", HOG)

@recipe()
def detached(sh: Shell) -> None:
    sh.write("hog.py", HOG)
    sh.line("for i in 1 2 3; do setsid python3 hog.py & done; sleep 1000")

@recipe()
def itself(sh: Shell) -> None:
    sh.echo("before")
    exec(HOG)

@recipe()
def forgiving(sh: Shell) -> str:
    try:
        sh.python3("-c", HOG)
    except Exception:
        return "all is well"

@recipe()
def deaf(sh: Shell) -> None:
    import signal
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    exec(HOG)
"""


@pytest.mark.parametrize("name", ["child", "detached", "itself", "forgiving"])
def test_a_recipe_that_uses_too_much_memory_is_ended_and_keeps_its_steps(trial, name):
    made = trial().recipes(HOGS)
    began = time.monotonic()
    record = made.run(name).records[name]
    assert time.monotonic() - began < 60
    assert record.status is Status.FAILED
    assert record.failure.error == "OutOfMemory"
    largest = "kvmdocs-worker" if name == "itself" else "python"
    assert f"more than its limit of 1.0 GiB: {largest}" in record.failure.message
    assert "memory" in record.failure.advice
    if name in {"child", "itself"}:
        assert record.steps[0].output.text == "before\n"
    assert not left_of(made.root)


def test_a_recipe_that_ignores_the_memory_signal_is_killed(trial):
    made = trial().recipes(HOGS)
    failure = made.run("deaf").records["deaf"].failure
    assert failure.error == "OutOfMemory"
    assert not left_of(made.root)


def test_memory_that_processes_share_counts_once(trial):
    made = trial().recipes("""
        FORKS = '''
        import os, time
        held = b"x" * (200 << 20)
        for _ in range(10):
            if os.fork() == 0:
                time.sleep(2)
                os._exit(0)
        for _ in range(10):
            os.wait()
        '''

        @recipe()
        def forks(sh: Shell) -> None:
            sh.python3("-c", FORKS)
        """)
    record = made.run("forks").records["forks"]
    assert record.status is Status.PASSED, record.failure


def test_the_memory_limit_follows_from_the_declared_memory():
    def limit(times=2.0, given=2, **declared):
        return memory_limit(recipe(**declared)(lambda sh: None), times, given)

    assert limit() == MIN_MEMORY
    assert limit(memory="3G") == 6 << 30
    assert limit(memory="3G", given=64) == 6 << 30
    assert limit(memory="3G", cpus="all") == 6 << 30
    assert limit(memory="3G", cpus="all", given=1) == 6 << 30
    assert limit(memory="3G", cpus="all", given=64) == 6 * 32 << 30
    assert limit(times=0, memory="3G", cpus="all") == 0


def test_the_memory_limit_can_be_switched_off(trial, monkeypatch):
    monkeypatch.setenv("KVMDOCS_LIMITS_MEMORY_TIMES", "0")
    made = trial().recipes("""
        @recipe()
        def large(sh: Shell) -> None:
            sh.python3("-c", "import time; held = b'x' * (1200 << 20); time.sleep(1.5)")
        """)
    record = made.run("large").records["large"]
    assert record.status is Status.PASSED, record.failure


def test_the_kernel_would_kill_a_recipe_before_the_build(trial):
    made = trial().recipes("""
        @recipe()
        def mild(sh: Shell) -> str:
            return sh.cat("/proc/self/oom_score_adj").strip()
        """)
    assert int(made.run("mild").records["mild"].value) == 500


@pytest.mark.parametrize("how", ["sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)", "os.closerange(0, 3)"])
def test_a_recipe_that_closes_its_own_streams_is_recorded_all_the_same(trial, how):
    made = trial().recipes(f"""
        import os, sys

        @recipe()
        def closing(sh: Shell) -> str:
            {how}
            sh.spawn("sleep", "1000")
            return sh.line("echo out; echo err >&2").strip()
        """)
    record = made.run("closing").records["closing"]
    assert record.status is Status.PASSED, record.failure
    assert record.value == "out"
    assert record.steps[1].output.text == "out\nerr\n"
    assert not left_of(made.root)


class Counting(ProgressListener):
    def __init__(self):
        self.lines = []

    def line(self, name, line):
        self.lines.append(line)


def test_a_hundred_thousand_lines_a_second(trial):
    """Each line is one write. The listener receives only some of them."""
    made = trial().recipes("""
        FLOOD = '''
        import os, time
        began = time.monotonic()
        for number in range(400_000):
            os.write(1, b"line %d\\\\n" % number)
        print(time.monotonic() - began)
        '''

        @recipe()
        def flood(sh: Shell) -> str:
            return sh.python3("-c", FLOOD)[-200:].splitlines()[-1]
        """)
    listener = Counting()
    record = Executor(made.project(), listener).run(["flood"]).records["flood"]
    assert record.status is Status.PASSED, record.failure
    output = record.steps[0].output
    assert output.head.startswith("line 0\nline 1\n")
    assert "line 399999\n" in output.tail
    assert output.head.count("\n") + output.omitted_lines + output.tail.count("\n") == 400_001
    assert 400_000 / float(record.value) > 100_000, f"took {record.value} s"
    assert len(listener.lines) <= record.seconds + 2
    assert {line for line in listener.lines if not line.startswith("line ")} <= {record.value}


def test_a_command_that_signals_its_whole_group_leaves_the_worker_alone(trial):
    made = trial().recipes("""
        @recipe()
        def grouped(sh: Shell) -> str:
            sh.line("sleep 1000 & trap 'kill 0' EXIT", _ok_code=[-15, 143])
            sh.line("kill -KILL 0", _ok_code=[-9])
            sh.line("kill -INT 0", _ok_code=[-2, 130])
            return sh.echo("still here").strip()
        """)
    record = made.run("grouped").records["grouped"]
    assert record.value == "still here", record.failure
    assert not left_of(made.root)


@pytest.mark.parametrize(
    ("ending", "error", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", "RecipeFailed", "terminated from outside by SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGINT)", "RecipeFailed", "terminated from outside by SIGINT"),
        ("sys.exit(3)", "RecipeFailed", "SystemExit: 3"),
        ("os._exit(3)", "WorkerLost", "without a record (exit 3)"),
    ],
)
def test_every_abrupt_end_of_a_recipe_is_reported(trial, ending, error, message):
    made = trial().recipes(f"""
        import os, signal, sys

        @recipe()
        def ending(sh: Shell) -> None:
            sh.echo("before")
            {ending}
        """)
    record = made.run("ending").records["ending"]
    assert record.failure.error == error
    assert message in record.failure.message
    if error == "RecipeFailed":
        assert record.steps[0].command == "echo before"


def test_a_time_limit_holds_for_a_recipe_that_catches_everything(trial):
    made = trial().recipes("""
        @recipe(timeout="1s")
        def forgiving(sh: Shell) -> str:
            try:
                sh.sleep(1000)
            except Exception:
                return "all is well"
        """)
    record = made.run("forgiving").records["forgiving"]
    assert (record.status, record.failure.error) == (Status.FAILED, "TimedOut")
