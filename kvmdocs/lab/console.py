"""The guest's two serial ports: the kernel console, which is read, and a shell, which takes commands.

There are two ports because the kernel may print at any time. A kernel message in the middle of a command's output would corrupt
that
output. QEMU writes the console to a plain file, so the guest never blocks because nobody reads it.
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
"""First line of a Linux kernel panic (kernel/panic.c)."""

BEFORE_PANIC = 5
"""Number of lines before a panic that are part of the evidence."""

LINE_LIMIT = 4000
"""Maximum length in bytes of a line sent to a guest. Its terminal drops what exceeds 4096 bytes (drivers/tty/n_tty.c)."""

KEPT = 16 << 20
"""Maximum output in bytes that a guest command returns. Only the end of a longer output is returned."""

INTERRUPT_GRACE = 5.0
"""Seconds a guest command has to end after Ctrl-C."""


class Console:
    """Output of the guest's first serial port, which QEMU writes to a file.

    Args:
        log: The file.
        alive: Raises an error when the machine has ended.
    """

    def __init__(self, log: Path, alive: Callable[[], None]) -> None:
        self.log = log
        self._alive = alive

    @property
    def text(self) -> str:
        """Output so far, with plain line ends."""
        try:
            return self.log.read_bytes().decode("utf-8", "replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    @property
    def size(self) -> int:
        """Number of bytes printed so far."""
        try:
            return self.log.stat().st_size
        except FileNotFoundError:
            return 0

    def check(self) -> None:
        """Raise an error when the guest's kernel has panicked.

        Raises:
            LabFailed: The kernel panicked. The evidence begins with the last lines before the panic, which usually tell the
                cause. The call trace after it may be incomplete, or cut to the evidence's maximum length.
        """
        text = self.text
        if found := PANIC.search(text):
            lines = text[: found.start()].splitlines()[-BEFORE_PANIC:] + text[found.start() :].splitlines()
            raise LabFailed(f"the guest stopped: {found[0]}", Evidence(tail="\n".join(lines[:TAIL_LINES])))

    def wait_for(self, wanted: str | re.Pattern[str], timeout: float = 60.0) -> str:
        """Wait until the guest has printed a text. Earlier output counts.

        Args:
            wanted: Text, or a compiled regular expression.
            timeout: The time limit in seconds.

        Returns:
            The text that matched.

        Raises:
            TimedOut: The text did not appear in time. The evidence holds the console's last lines.
            LabFailed: The guest panicked, or QEMU ended first.
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
    """Result of a guest command.

    Attributes:
        text: Its output.
        status: Its exit status.
        background: Process id, in the guest, of the last process started in the background; "" if there is none.
    """

    text: str
    status: int
    background: str


class GuestShell:
    """The shell of a guest, on its second serial port.

    Each command is sent as one line, between two random marks. The marks delimit its output.

    Args:
        connection: The socket connected to the serial port.
        alive: Raises an error when the machine has ended.
        said: Returns the output on the guest's console. Its end is added to the evidence when the guest hangs.
    """

    def __init__(self, connection: socket.socket, alive: Callable[[], None], said: Callable[[], str] = str) -> None:
        self._connection = connection
        self._alive = alive
        self._said = said
        self._lost = False
        self._new = True

    def close(self) -> None:
        """Close the connection to the serial port."""
        self._connection.close()

    def run(self, command: str, timeout: float, show: Callable[[bytes], None]) -> Reply:
        """Run a command and wait until it ends.

        Args:
            command: Text for the guest's shell; may have several lines.
            timeout: The time limit in seconds.
            show: Called with the output as it arrives.

        Raises:
            TimedOut: The command did not end in time and was sent Ctrl-C. The shell can be used again if the command then
                ended.
            LabFailed: The guest or its shell has ended, or the command is too long for a line.
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
            # A guest that reacts to Ctrl-C does not hang, so its console is not part of the evidence.
            console = "" if self._interrupt(answer) else self._said()
            raise TimedOut(
                f"the guest command did not end within {timeout:g} s",
                Evidence(command=command, tail=tails(answer.text, console)),
            ) from error
        assert answer.reply is not None  # _receive returned
        return answer.reply

    def _interrupt(self, answer: _Answer) -> bool:
        """Send Ctrl-C and return whether the command ended."""
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
        """Pass data to the answer until it is complete."""
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
                chunk = b""  # ECONNRESET instead of end of file: the peer closed the socket with unread data
            if not chunk:
                self._closed(answer)
            answer.feed(chunk)

    def _closed(self, answer: _Answer) -> NoReturn:
        """Raise the reason why the serial port was closed. The best reason is QEMU's end, which shows within moments."""
        self._lost = True
        with contextlib.suppress(TimedOut):
            until(lambda: None, self._alive, INTERRUPT_GRACE, "QEMU's end")
        raise LabFailed("QEMU closed the guest's serial port", Evidence(tail=tails(answer.text, self._said())))


class _Answer:
    """Parser for the output of a command between its two marks. The serial port delivers it piece by piece."""

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
            # The text before the first command's output includes the shell's own greeting.
            if not self._new:
                self._check(before)
            self._pending = after if self._begun else before
            if not self._begun:
                return
        self._check(self._pending)
        output, ended, rest = _cut(self._pending, self._end)
        if not ended:
            # The last bytes may be the beginning of the end mark or of a new shell's greeting.
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
    """Return the line that makes the guest's shell run a command between two marks.

    The command's standard input is /dev/null: otherwise it would read the next command.
    """
    text = shlex.quote(command)
    if "\n" in command:
        escaped = command.replace("\\", "\\\\").replace("\n", "\\n")
        text = f'"$(printf %b {shlex.quote(escaped)})"'
    return f"echo {mark}+; eval {text} </dev/null; printf '\\n{mark} %s %s\\n' $? \"$!\"\n".encode()
