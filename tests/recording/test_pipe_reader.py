"""Transfer of output: in order of arrival, completely, and no longer than necessary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from kvmdocs.core.errors import StoreError
from kvmdocs.recording.pipe_reader import KEPT_STDOUT, PipeReader

pytestmark = pytest.mark.process

PATIENCE = 30.0
"""Seconds after which a waiting test fails."""


class Sink:
    def __init__(self) -> None:
        self.data = b""
        self._more = threading.Condition()

    def write(self, chunk: bytes) -> None:
        with self._more:
            self.data += chunk
            self._more.notify_all()

    def wait_for(self, text: bytes) -> None:
        with self._more:
            assert self._more.wait_for(lambda: text in self.data, PATIENCE)


def start(pump: PipeReader, command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["bash", "-c", command], stdout=pump.out, stderr=pump.err, stdin=subprocess.DEVNULL)
    pump.started()
    return process


def test_standard_output_comes_back_and_both_are_recorded():
    sink = Sink()
    pump = PipeReader(sink)
    process = start(pump, "echo out; echo err >&2")
    process.wait()
    assert pump.finish() == "out\n"
    assert sorted(sink.data.splitlines()) == [b"err", b"out"]


def test_both_are_recorded_in_the_order_they_came():
    sink = Sink()
    pump = PipeReader(sink)
    for number in range(20):
        text = b"%d\n" % number
        os.write((pump.out, pump.err)[number % 2].fileno(), text)
        sink.wait_for(text)
    pump.finish()
    assert sink.data == b"".join(b"%d\n" % number for number in range(20))


def test_a_command_that_prints_much_into_both_does_not_block():
    sink = Sink()
    pump = PipeReader(sink)
    process = start(pump, "seq 100000 & seq 100000 >&2; wait")
    assert process.wait(PATIENCE) == 0
    assert pump.finish() == "".join(f"{number}\n" for number in range(1, 100_001))
    assert len(sink.data) == 2 * 588_895


@pytest.mark.parametrize(
    "left",
    [
        pytest.param("sleep 1000", id="silent"),
        pytest.param("while sleep 0.02; do echo more; done", id="talking"),
        pytest.param("while :; do echo more; done", id="talking without a pause"),
    ],
)
def test_what_a_command_leaves_behind_is_not_waited_for(left):
    sink = Sink()
    pump = PipeReader(sink)
    process = start(pump, f"echo before; (exec setsid bash -c '{left}') & echo pid $!")
    try:
        process.wait(PATIENCE)
        done = threading.Event()
        told: list[str] = []
        thread = threading.Thread(target=lambda: (told.append(pump.finish()), done.set()), daemon=True)
        thread.start()
        assert done.wait(PATIENCE), "the pump still waits"
        assert told[0].startswith("before\n")
    finally:
        sink.wait_for(b"pid ")
        pid = int(sink.data.partition(b"pid ")[2].split(b"\n", 1)[0])
        end_group(pid)


def end_group(pid):
    """End a process group, even if its leader has yet to become it, or has died because nobody reads what it writes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            if not psutil.pid_exists(pid):
                return None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def test_what_is_still_in_the_pipe_when_the_command_ends_is_taken():
    sink = Sink()
    pump = PipeReader(sink)
    process = start(pump, "seq 10000; exec >&-; exec 2>&-; sleep 0.2")
    process.wait(PATIENCE)
    assert pump.finish().endswith("\n10000\n")


def test_the_value_has_a_limit_and_keeps_the_end():
    sink = Sink()
    sink.write = lambda chunk: None  # type: ignore[method-assign]
    pump = PipeReader(sink)
    process = start(pump, "head -c 20000000 /dev/zero | tr '\\0' x; echo end")
    process.wait(PATIENCE)
    printed = pump.finish()
    assert KEPT_STDOUT <= len(printed) <= KEPT_STDOUT + 65536
    assert printed.endswith("xend\n")


def test_a_sink_that_fails_is_an_error_and_the_command_still_ends():
    class Full:
        def write(self, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    pump = PipeReader(Full())
    process = start(pump, "seq 100000")
    assert process.wait(PATIENCE) == 0
    with pytest.raises(StoreError, match="No space left on device"):
        pump.finish()


def test_nothing_stays_open():
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(20):
        pump = PipeReader(Sink())
        start(pump, "echo x").wait(PATIENCE)
        pump.finish()
    assert descriptors() == before
    assert not any(thread.name.startswith("Thread-") and "_run" in thread.name for thread in threading.enumerate())


def test_binary_output_is_handed_back_as_text():
    pump = PipeReader(Sink())
    process = subprocess.Popen(
        [sys.executable, "-c", r"import os; os.write(1, b'\xff\n')"], stdout=pump.out, stderr=pump.err, env={}
    )
    process.wait(PATIENCE)
    assert pump.finish() == "\ufffd\n"


def test_output_is_there_while_the_command_runs():
    sink = Sink()
    pump = PipeReader(sink)
    process = start(pump, "echo now; sleep 1000")
    began = time.monotonic()
    sink.wait_for(b"now\n")
    assert time.monotonic() - began < PATIENCE
    process.kill()
    process.wait()
    pump.finish()
