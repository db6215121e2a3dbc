from __future__ import annotations

import re
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.errors import LabFailed, TimedOut
from kvmdocs.lab import console
from kvmdocs.lab.console import Console, GuestShell, _Answer
from kvmdocs.lab.waiting import TAIL_LINES, tails


def fine():
    pass


@given(st.binary(max_size=400), st.integers(0, 255), st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_an_answer_is_found_however_it_arrives(output, status, sizes):
    shown = bytearray()
    answer = _Answer("0123456789abcdef", shown.extend)
    data = b"left over\n0123456789abcdef+\n" + output + b"\n0123456789abcdef %d 77\n" % status
    while data:
        for size in sizes:
            answer.feed(data[:size]) if data else None
            data = data[size:]
    assert bytes(shown) == output
    assert answer.reply is not None
    assert (answer.reply.status, answer.reply.background) == (status, "77")


def test_a_new_shell_in_the_middle_of_a_command(tmp_path):
    answer = _Answer("0123456789abcdef", lambda _: None)
    answer.feed(b"0123456789abcdef+\nsome")
    with pytest.raises(LabFailed, match="a new one began"):
        answer.feed(b"thing\nguest: a new shell\n")


def test_a_new_shell_before_a_command_has_begun():
    first = _Answer("0123456789abcdef", lambda _: None, new=True)
    first.feed(b"guest: a new shell\n0123456789abcdef+\n\n0123456789abcdef 0 \n")
    assert first.reply is not None
    later = _Answer("0123456789abcdef", lambda _: None, new=False)
    with pytest.raises(LabFailed, match="a new one began"):
        later.feed(b"sh: syntax error\nguest: a new shell\n")


@pytest.fixture
def hung():
    """Yield a guest's shell that reads input and never answers, and the other end of its serial port."""
    ours, theirs = socket.socketpair()
    with theirs:
        shell = GuestShell(ours, fine, lambda: "BUG: soft lockup\n")
        yield shell, theirs
        shell.close()


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(console, "INTERRUPT_GRACE", 0.1)


def test_a_serial_port_that_breaks_with_a_command_unread(hung, hasty):
    shell, theirs = hung
    threading.Timer(0.2, theirs.close).start()  # closing with unread data is ECONNRESET
    with pytest.raises(LabFailed, match="closed the guest's serial port") as failed:
        shell.run("true", 30, lambda _: None)
    assert failed.value.evidence.tail == "BUG: soft lockup"


def test_a_serial_port_that_is_gone_before_a_command_is_sent(hung, hasty):
    shell, theirs = hung
    theirs.close()
    with pytest.raises(LabFailed, match="closed the guest's serial port"):
        shell.run("true", 30, lambda _: None)


def test_a_guest_that_hangs_is_told_with_the_end_of_its_console(hung, hasty):
    shell, _ = hung
    with pytest.raises(TimedOut, match=r"did not end within 0\.1 s") as failed:
        shell.run("true", 0.1, lambda _: None)
    assert failed.value.evidence.tail == "BUG: soft lockup"


def test_several_tails_share_the_lines():
    long = "".join(f"a {number}\n" for number in range(40))
    longer = "".join(f"b {number}\n" for number in range(80))
    told = tails(long, longer, "short").splitlines()
    assert len(told) == TAIL_LINES
    assert told[-1] == "short"
    assert {line[0] for line in told} == {"a", "b", "s"}
    assert "a 39" in told
    assert "b 79" in told
    assert tails("", long) == tails(long)
    assert tails("", "") == ""


def test_waiting_for_what_was_printed(tmp_path):
    log = tmp_path / "vm.console"
    console = Console(log, fine)
    assert console.text == ""
    log.write_bytes(b"one\r\ntwo 22\r\n")
    assert console.wait_for("one", 1) == "one"
    assert console.wait_for(re.compile(r"two \d+"), 1) == "two 22"


def test_what_is_not_printed_in_time(tmp_path):
    log = tmp_path / "vm.console"
    log.write_text("last words\n")
    with pytest.raises(TimedOut, match="three") as late:
        Console(log, fine).wait_for("three", 0.1)
    assert late.value.evidence.tail == "last words"


def test_waiting_ends_with_the_machine(tmp_path):
    def dead():
        raise LabFailed("QEMU ended")

    with pytest.raises(LabFailed, match="QEMU ended"):
        Console(tmp_path / "vm.console", dead).wait_for("anything", 60)


def panicked(tmp_path, text):
    """Return the evidence of a guest that panicked, line by line."""
    log = tmp_path / "vm.console"
    log.write_text(text)
    with pytest.raises(LabFailed, match="Kernel panic - not syncing: why") as failed:
        Console(log, fine).check()
    return failed.value.evidence.tail.splitlines()


def test_a_panics_evidence_begins_where_it_begins(tmp_path):
    """It holds regardless of how much of the call trace has arrived."""
    before = "".join(f"line {number}\n" for number in range(9))
    panic = "[    1.5] Kernel panic - not syncing: why\n"
    begun = panicked(tmp_path, before + panic)
    assert begun == [*(f"line {number}" for number in range(4, 9)), panic.strip()]
    whole = panicked(tmp_path, before + panic + "".join(f" trace {number}\n" for number in range(40)))
    assert whole[:6] == begun
    assert len(whole) == TAIL_LINES


def test_the_first_panic_counts(tmp_path):
    told = panicked(tmp_path, "Kernel panic - not syncing: why\n---[ end Kernel panic - not syncing: why ]---\n")
    assert told[0] == "Kernel panic - not syncing: why"


def test_a_guest_that_did_not_panic(tmp_path):
    log = tmp_path / "vm.console"
    Console(log, fine).check()
    log.write_text("a program says: kernel panic\n")
    Console(log, fine).check()
