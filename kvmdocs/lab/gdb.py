"""The debugger, one command at a time.

gdb gets pipes instead of a terminal. It then does not page, use colours or wait for answers to questions, and its output is the
same for everybody. Its prompt may also occur in output, so each command is followed by an ``echo`` of a random mark. The output
ends at the mark.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
from pexpect.popen_spawn import PopenSpawn

from kvmdocs.core.errors import Evidence, HostLacks, LabFailed, TimedOut
from kvmdocs.core.model import Where
from kvmdocs.core.paths import WIDTH
from kvmdocs.lab.waiting import tail
from kvmdocs.recording.background_process import die_with_parent
from kvmdocs.recording.shell import Shell

PROMPT = "(gdb) "

GRACE = 10.0
"""Seconds gdb has to return to its prompt after Ctrl-C."""

END_GRACE = 4.0
"""Seconds gdb has to end after each of the two attempts to end it."""

_DENIED = re.compile(r"ptrace: (Operation not permitted|Permission denied)")
_FAILED = re.compile(r"^ptrace: .*|^warning: process \d+ is .*|^.*[Cc]ould not attach.*", re.MULTILINE)


class Gdb:
    """A debugger for the length of a ``with``. Call it with a command; it returns the output.

    Leaving the ``with`` detaches gdb from its target.

    Args:
        sh: The recipe's shell.
        pid: A process to attach to.
        pidfile: Name of a file in the workspace that holds the process id, such as `Machine.pidfile`. Preferred over `pid`: the
            command on the page then works for a reader too, whose process has another id.
        remote: A stub to connect to: `Machine.gdbstub`, or ``host:port``.
        program: The program or ``vmlinux`` to read symbols from.
        sources: Scripts to ``source`` once gdb has a target.
        init: Commands to run before any file is loaded (``-iex``), such as ``add-auto-load-safe-path …``.
        timeout: Default time limit of a command, in seconds.
        program_name: The debugger program.
        machine: Label of the terminal, for a recipe that uses several.

    Raises:
        Skipped: This host does not permit tracing a process.
        HostLacks: gdb is not installed.
        LabFailed: gdb could not attach, or ended.
        TimedOut: gdb did not show its prompt in time.
    """

    def __init__(
        self,
        sh: Shell,
        *,
        pid: int | None = None,
        pidfile: str = "",
        remote: str | None = None,
        program: str | Path | None = None,
        sources: Sequence[str | Path] = (),
        init: Sequence[str] = (),
        timeout: float = 60.0,
        program_name: str | Path = "gdb",
        machine: str = "",
    ) -> None:
        self._sh = sh
        self._remote = remote
        self._sources = sources
        self._timeout = timeout
        self._machine = machine
        self._attaches = bool(pid or pidfile)
        self._program = program
        self._argv = [
            *(str(program_name), "-q", "-nx"),
            # For readers: in a terminal gdb asks for confirmation, and would take the next pasted line as the answer.
            *(word for command in ("set confirm off", *init) for word in ("-iex", command)),
            *([str(program)] if program else []),
            *(["-p", str(pid)] if pid else []),
        ]
        self._more = f" -p $(cat {pidfile})" if pidfile else ""
        self._child: PopenSpawn[str] | None = None
        self._busy = False

    def __enter__(self) -> Self:
        # gdb only prints a line about it, among many others, and continues without symbols.
        if self._program and not Path(self._program).is_file():
            raise LabFailed(f"there is no {self._sh.readable(str(self._program))} for gdb to read symbols from")
        try:
            self._begin()
            if self._remote:
                self(f"target remote {self._remote}")
            for script in self._sources:
                self(f"source {script}")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def __call__(self, command: str, *, timeout: float | None = None) -> str:
        """Run a gdb command.

        Args:
            command: The command; several lines for one that reads more, such as ``commands … end``.
            timeout: The time limit in seconds. After it gdb is sent Ctrl-C, and is killed if it does not return to its prompt.

        Returns:
            The output.

        Raises:
            TimedOut: The command did not end in time. The evidence and the step hold its output so far.
            LabFailed: gdb ended.
        """
        with self._sh.step(Where.GDB, command, machine=self._machine) as step:
            try:
                output = self._exchange(command, timeout or self._timeout)
            except (TimedOut, LabFailed) as error:
                step.write(error.evidence.tail)
                raise error.seen(command=command) from None
            step.write(output)
        return output

    @property
    def pid(self) -> int:
        """Process id of the debugger."""
        return int(self._running.proc.pid)

    @property
    def _running(self) -> PopenSpawn[str]:
        if self._child is None:
            raise LabFailed("the debugger has ended, or is used outside its `with`")
        return self._child

    def _begin(self) -> None:
        """Start gdb and wait for its first prompt. Its output until then belongs to the step of the host's command."""
        if shutil.which(self._argv[0]) is None:
            raise HostLacks("there is no gdb on this host", Evidence(advice="install gdb"))
        shown = self._sh.names.command(self._argv) + self._more
        environ = {**os.environ, "COLUMNS": str(WIDTH), "DEBUGINFOD_URLS": "", "TERM": "dumb"}
        with self._sh.step(self._sh.where, shown, machine=self._machine, cwd=self._sh.workspace) as step:
            self._child = PopenSpawn(
                # The shell expands $(cat pidfile) and is then replaced by gdb.
                ["/bin/sh", "-c", f"exec {shlex.join(self._argv)}{self._more}"] if self._more else self._argv,
                timeout=None,
                cwd=self._sh.workspace,
                env=environ,
                encoding="utf-8",
                codec_errors="replace",
                preexec_fn=die_with_parent,
            )
            try:
                output = self._exchange("", self._timeout)
            except (TimedOut, LabFailed) as error:
                step.write(error.evidence.tail)
                raise
            step.write(output)
        self._check_attached(output)

    def _check_attached(self, output: str) -> None:
        if _DENIED.search(output):
            self._sh.skip(
                "ptrace is denied: this user may not attach a debugger to a running process "
                "(kernel.yama.ptrace_scope must be 0, or the container needs the capability SYS_PTRACE)"
            )
        # When it could not attach, gdb only prints a message and continues with its prompt.
        if self._attaches and (failed := _FAILED.search(output)):
            raise LabFailed(f"gdb could not attach: {failed[0]}", Evidence(tail=tail(output)))

    def _exchange(self, command: str, timeout: float) -> str:
        """Send a command and read until its mark."""
        child = self._running
        mark = secrets.token_hex(8)
        try:
            lines = [*command.splitlines(), f"echo {mark}\\n"]
            self._busy = True
            child.send("".join(f"{line}\n" for line in lines))  # type: ignore[no-untyped-call]  # pexpect's stubs
            found = child.expect_exact([mark, pexpect.EOF], timeout=timeout)
        except pexpect.TIMEOUT:
            raise self._interrupt(mark, timeout) from None
        except BrokenPipeError:
            found = child.expect_exact([mark, pexpect.EOF], timeout=GRACE)
        self._busy = False
        output = _between_prompts(child.before or "")
        if found == 1:
            self._close(child)
            raise LabFailed("the debugger ended", Evidence(tail=output))
        return output

    def _interrupt(self, mark: str, timeout: float) -> TimedOut:
        """Send Ctrl-C. Kill gdb if it does not react."""
        child = self._running
        child.kill(signal.SIGINT)
        fate = "it was interrupted"
        if child.expect_exact([mark, pexpect.EOF, pexpect.TIMEOUT], timeout=GRACE) != 0:
            fate = "it did not react to Ctrl-C and was killed"
            self._close(child)
        self._busy = False
        return TimedOut(
            f"gdb did not give its prompt back within {timeout:g} s; {fate}",
            Evidence(tail=_between_prompts(child.before or "")),
        )

    def _end(self) -> None:
        """End gdb: close its input, so that it detaches and ends; if that fails, interrupt it; if that fails too, kill it.

        A gdb in the middle of a command, for example after the recipe's timeout, is interrupted first because it does not read
        its input.
        """
        child = self._child
        if child is None:
            return
        interrupt = partial(child.kill, signal.SIGINT)
        for asks in ((interrupt, child.sendeof) if self._busy else (child.sendeof,), (interrupt,)):
            try:
                for ask in asks:
                    ask()
                child.proc.wait(END_GRACE)
                break
            except (subprocess.TimeoutExpired, OSError):
                continue
        self._close(child)

    def _close(self, child: PopenSpawn[str]) -> None:
        """Kill gdb if it still runs, and close its pipes."""
        self._child = None
        child.proc.kill()
        child.proc.wait()
        child.expect_exact([pexpect.EOF, pexpect.TIMEOUT], timeout=GRACE)
        for pipe in (child.proc.stdin, child.proc.stdout):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def _between_prompts(text: str) -> str:
    """Return the text between the prompt of the command and the prompt of its mark."""
    return text.removeprefix("\n").removeprefix(PROMPT).removesuffix(PROMPT)
