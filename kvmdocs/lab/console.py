"""A guest's two serial ports: the kernel's console, which is read, and a shell, which is talked to.

They are two because a kernel prints whenever it likes: a message of its own in the middle of a command's output would make that
output wrong. The console is a plain file that QEMU writes, so that nobody has to read it for the guest to go on.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import select
import shlex
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kvmdocs.core.errors import Evidence, LabFailed, TimedOut
from kvmdocs.lab.guest import SHELL_BEGINS
from kvmdocs.lab.waiting import TAIL_LINES, tail, tails, until

PANIC = re.compile(r"^.*Kernel panic - not syncing.*", re.MULTILINE)
"""The line that a Linux kernel prints first when it gives up (kernel/panic.c)."""

BEFORE_PANIC = 5
"""Lines before a panic that belong to its evidence."""

LINE_LIMIT = 4000
"""Bytes of one line to a guest; its terminal holds 4096 and drops what does not fit (drivers/tty/n_tty.c)."""

KEPT = 16 << 20
"""Bytes of output of one guest command that are handed back, the last ones."""

INTERRUPT_GRACE = 5.0
"""Seconds a guest command has to end after Ctrl-C."""


class Console:
    """What a guest printed on its first serial port, kept by QEMU in a file.

    Args:
        log: The file.
        alive: Raises when the machine is gone.
    """

    def __init__(self, log: Path, alive: Callable[[], None]) -> None:
        self.log = log
        self._alive = alive

    @property
    def text(self) -> str:
        """All it printed so far, with plain line ends."""
        try:
            return self.log.read_bytes().decode("utf-8", "replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    @property
    def size(self) -> int:
        """Bytes it printed so far."""
        try:
            return self.log.stat().st_size
        except FileNotFoundError:
            return 0

    def check(self) -> None:
        """Raise when the guest's kernel has given up.

        Raises:
            LabFailed: It has. The evidence begins with the last lines before, which say what led to it. The call trace behind it may have
                come in part, or be longer than all the evidence may be.
        """
        text = self.text
        if found := PANIC.search(text):
            lines = text[: found.start()].splitlines()[-BEFORE_PANIC:] + text[found.start() :].splitlines()
            raise LabFailed(f"the guest stopped: {found[0]}", Evidence(tail="\n".join(lines[:TAIL_LINES])))

    def wait_for(self, wanted: str | re.Pattern[str], timeout: float = 60.0) -> str:
        """Wait until the guest has printed something; what it printed earlier counts.

        Args:
            wanted: Text, or a compiled regular expression.
            timeout: The time limit in seconds.

        Returns:
            The text that matched.

        Raises:
            TimedOut: It was not printed in time; the evidence holds the console's last lines.
            LabFailed: The guest panicked or QEMU ended first.
        """
        pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))

        def look() -> str | None:
            found = pattern.search(self.text)
            return found[0] if found else None

        try:
            return until(
                look, self._alive, timeout, f"{wanted if isinstance(wanted, str) else pattern.pattern!r} on the guest's console"
            )
        except TimedOut as error:
            raise error.seen(tail=tail(self.text)) from None


@dataclass(frozen=True)
class Reply:
    """What a guest command gave.

    Attributes:
        text: What it printed.
        status: Its exit status.
        background: Process id, in the guest, of the last process started in the background; "" if there is none.
    """

    text: str
    status: int
    background: str


class GuestShell:
    """The shell a guest runs on its second serial port.

    Each command is sent as one line, between two marks nobody can guess, so that its output begins and ends where it does.

    Args:
        connection: The socket that is the other end of the serial port.
        alive: Raises when the machine is gone.
        said: Gives what the guest printed on its console; its end belongs to the evidence when the guest hangs.
    """

    def __init__(self, connection: socket.socket, alive: Callable[[], None], said: Callable[[], str] = str) -> None:
        self._connection = connection
        self._alive = alive
        self._said = said
        self._lost = False
        self._new = True

    def close(self) -> None:
        """Let go of the serial port."""
        self._connection.close()

    def run(self, command: str, timeout: float, show: Callable[[bytes], None]) -> Reply:
        """Run a command and wait for its end.

        Args:
            command: Text for the guest's shell; may have several lines.
            timeout: The time limit in seconds.
            show: Called with its output as it arrives.

        Raises:
            TimedOut: It did not end in time. It got Ctrl-C; if that ended it, the shell can be used again.
            LabFailed: The guest or its shell is gone, or the command does not fit a line.
        """
        if self._lost:
            raise LabFailed("the guest's shell still runs a command that did not end in time")
        mark = secrets.token_hex(8)
        line = _line(command, mark)
        if len(line) > LINE_LIMIT:
            raise LabFailed(
                f"a guest command may have {LINE_LIMIT} bytes, this one has {len(line)}",
                Evidence(advice="put it into a script and the script into the initramfs (`files=`)"),
            )
        self._connection.settimeout(timeout)
        answer = _Answer(mark, show, self._said, new=self._new)
        self._new = False
        try:
            self._send(line, answer)
            self._receive(answer, timeout)
        except TimeoutError as error:
            # A guest that answers Ctrl-C does not hang: then its console has nothing to do with it.
            console = "" if self._interrupt(answer) else self._said()
            raise TimedOut(
                f"the guest command did not end within {timeout:g} s",
                Evidence(command=command, tail=tails(answer.text, console)),
            ) from error
        assert answer.reply is not None  # _receive returned
        return answer.reply

    def _interrupt(self, answer: _Answer) -> bool:
        """Press Ctrl-C and see whether the command ends."""
        try:
            self._connection.settimeout(INTERRUPT_GRACE)
            self._send(b"\x03", answer)
            self._receive(answer, INTERRUPT_GRACE)
        except TimeoutError:
            self._lost = True
        return not self._lost

    def _send(self, data: bytes, answer: _Answer) -> None:
        try:
            self._connection.sendall(data)
        except ConnectionError:
            self._closed(answer)

    def _receive(self, answer: _Answer, timeout: float) -> None:
        """Feed the answer until it is whole."""
        deadline = time.monotonic() + timeout
        while answer.reply is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if not select.select([self._connection], [], [], min(left, 0.1))[0]:
                self._alive()
                continue
            try:
                chunk = self._connection.recv(1 << 16)
            except ConnectionError:
                chunk = b""  # with what was sent unread, the end of a socket's other side is an error (ECONNRESET) and no end of file
            if not chunk:
                self._closed(answer)
            answer.feed(chunk)

    def _closed(self, answer: _Answer) -> NoReturn:
        """Say why the serial port was closed: QEMU's end, which follows within moments, says most."""
        self._lost = True
        with contextlib.suppress(TimedOut):
            until(lambda: None, self._alive, INTERRUPT_GRACE, "QEMU's end")
        raise LabFailed("QEMU closed the guest's serial port", Evidence(tail=tails(answer.text, self._said())))


class _Answer:
    """Finds a command's output between its marks in what a serial port delivers piece by piece."""

    def __init__(self, mark: str, show: Callable[[bytes], None], said: Callable[[], str] = str, *, new: bool = True) -> None:
        self._new = new
        self._said = said
        self._begin = f"{mark}+\n".encode()
        self._end = f"\n{mark} ".encode()
        self._show = show
        self._pending = b""
        self._begun = False
        self._kept = bytearray()
        self.reply: Reply | None = None

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> None:
        self._pending += chunk
        if not self._begun:
            before, self._begun, after = _cut(self._pending, self._begin)
            # Before the first command's output there is what the shell said of itself when it began.
            if not self._new:
                self._check(before)
            self._pending = after if self._begun else before
            if not self._begun:
                return
        self._check(self._pending)
        output, ended, rest = _cut(self._pending, self._end)
        if not ended:
            # The last bytes may be the beginning of the mark or of a new shell's first line.
            hold = max(len(self._end), len(SHELL_BEGINS) + 1)
            self._emit(output[:-hold])
            self._pending = output[-hold:]
        elif b"\n" in rest:
            self._emit(output)
            self._pending = b""
            status, _, background = rest.partition(b"\n")[0].decode().partition(" ")
            self.reply = Reply(self.text, int(status), background)

    def _check(self, output: bytes) -> None:
        if SHELL_BEGINS.encode() + b"\n" in output:
            raise LabFailed("the guest's shell ended and a new one began", Evidence(tail=tails(self.text, self._said())))

    def _emit(self, output: bytes) -> None:
        if output:
            self._show(output)
            self._kept += output
            del self._kept[:-KEPT]


def _cut(data: bytes, mark: bytes) -> tuple[bytes, bool, bytes]:
    before, found, after = data.partition(mark)
    return before, bool(found), after


def _line(command: str, mark: str) -> bytes:
    """The line that makes the guest's shell run a command between two marks.

    The command has no input of its own: it would read the next command.
    """
    text = shlex.quote(command)
    if "\n" in command:
        escaped = command.replace("\\", "\\\\").replace("\n", "\\n")
        text = f'"$(printf %b {shlex.quote(escaped)})"'
    return f"echo {mark}+; eval {text} </dev/null; printf '\\n{mark} %s %s\\n' $? \"$!\"\n".encode()
