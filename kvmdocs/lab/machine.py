"""A QEMU process for the length of a ``with``, with its monitors and its guest's shell."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kvmdocs.core.errors import CommandFailed, Evidence, LabFailed, TimedOut
from kvmdocs.core.model import Where
from kvmdocs.lab.console import Console, GuestShell, Reply
from kvmdocs.lab.guest import READY, Guest
from kvmdocs.lab.options import options
from kvmdocs.lab.qmp import Qmp, QmpError
from kvmdocs.lab.waiting import TICK, connect, death, tail, tails, until
from kvmdocs.recording.background_process import Spawned
from kvmdocs.recording.shell import Shell

QMP_TIMEOUT = 30.0
"""Seconds QEMU has to answer a monitor command."""

QUIT_TIMEOUT = 5.0
"""Seconds QEMU has to end after the ``quit`` command. After that it gets SIGTERM."""


class Machine:
    """A virtual machine for the length of a ``with``.

    QEMU runs in the recipe's workspace. All its sockets are there too, under short names. Entering waits until the guest's
    shell takes commands. Leaving sends ``quit`` to QEMU, waits, and then kills it. `pidfile` is the name of the file that holds
    QEMU's process id.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU program.
        guest: The guest to boot.
        accel: Value of ``-accel``: ``tcg`` or ``kvm``.
        cpu: Value of ``-cpu``; by default the first of `kvmdocs.lab.options.CPUS` for the accelerator.
        cpus: Number of virtual processors.
        memory: Value of ``-m``.
        disk: Size of a new raw disk, such as ``64M``, or an existing raw image. It is the guest's ``/dev/vda``.
        args: More arguments for QEMU.
        append: More kernel command-line arguments.
        name: The machine's name, which is also the prefix of its files.
        gdbstub: True to open a gdb stub on the unix socket `gdbstub`.
        shell: False for a guest without the lab's shell. Entering then waits for the machine monitor only.
        boot_timeout: Seconds within which the guest must be ready.
        firmware: Folders for ``-L``; by default those of the host if QEMU was built without firmware.

    Raises:
        LabFailed: QEMU or the guest's kernel ended.
        TimedOut: The guest was not ready in time.
    """

    def __init__(
        self,
        sh: Shell,
        qemu: str | Path,
        guest: Guest,
        *,
        accel: str = "tcg",
        cpu: str | None = None,
        cpus: int = 1,
        memory: str = "256M",
        disk: str | Path | None = None,
        args: Sequence[str | Path] = (),
        append: str = "",
        name: str = "vm",
        gdbstub: bool = False,
        shell: bool = True,
        boot_timeout: float = 120.0,
        firmware: Sequence[str | Path] | None = None,
    ) -> None:
        self._sh = sh
        self._qemu = Path(qemu)
        self._disk = disk
        self._with_shell = shell
        self._boot_timeout = boot_timeout
        self.name = name
        self.gdbstub = f"{name}.gdb" if gdbstub else ""
        self.pidfile = f"{name}.pid"
        self.emulated = accel.partition(",")[0] == "tcg"
        self._args = options(
            name,
            self._qemu,
            guest,
            accel=accel,
            cpu=cpu,
            cpus=cpus,
            memory=memory,
            disk=disk,
            args=args,
            append=append,
            gdbstub=self.gdbstub,
            firmware=firmware,
        )
        self.console = Console(sh.workspace / f"{name}.console", self._alive)
        self._process: Spawned | None = None
        self._monitor: Qmp | None = None
        self._shell: GuestShell | None = None
        self._over = False

    # -- lifetime ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        for kind in ("console", "shell", "qmp", "pid", "gdb"):
            (self._sh.workspace / f"{self.name}.{kind}").unlink(missing_ok=True)
        if self._disk and not isinstance(self._disk, Path):
            (self._sh.workspace / f"{self.name}.img").unlink(missing_ok=True)
            self._sh.truncate("-s", self._disk, f"{self.name}.img", _cwd=self._sh.workspace)
        self._sh.emulated |= self.emulated
        self._process = self._sh.spawn(self._qemu, *self._args, cwd=self._sh.workspace, label=self._label)
        try:
            self._arrive(time.monotonic() + self._boot_timeout)
        except TimedOut as error:
            said = tails(self.console.text, self._process.output())
            self._end()
            raise TimedOut(error.message, Evidence(tail=said)) from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._alive()
        finally:
            self._end()

    def _arrive(self, deadline: float) -> None:
        """Connect to the monitor and the shell, and wait until the guest is ready."""

        def left() -> float:
            return max(deadline - time.monotonic(), TICK)

        folder = self._sh.workspace
        monitor = until(lambda: connect(folder, f"{self.name}.qmp"), self._alive, left(), "QEMU's machine monitor")
        try:
            self._monitor = Qmp(monitor, left())
        except LabFailed:
            self._raise_death()
            raise
        if self._with_shell:
            serial = until(lambda: connect(folder, f"{self.name}.shell"), self._alive, left(), "the guest's serial port")
            self._shell = GuestShell(serial, self._alive, lambda: self.console.text)
            try:
                self.console.wait_for(READY, left())
            except TimedOut:
                raise TimedOut(f"the guest was not ready within {self._boot_timeout:g} s") from None

    def _end(self) -> None:
        """Send ``quit`` to QEMU, wait, then kill it. Close all connections."""
        assert self._process is not None  # entered
        try:
            if self._monitor and self._process.poll() is None:
                with contextlib.suppress(LabFailed, TimedOut):
                    asked = time.monotonic()
                    self._monitor.execute("quit", {}, QUIT_TIMEOUT)
                    self._process.wait(asked + QUIT_TIMEOUT - time.monotonic())
        finally:
            self._process.stop()
            self._over = True
            if self._monitor:
                self._monitor.close()
            if self._shell:
                self._shell.close()

    @property
    def pid(self) -> int:
        """Process id of QEMU on the host."""
        return self._running.pid

    @property
    def _running(self) -> Spawned:
        if self._process is None:
            raise LabFailed(f"the machine {self.name!r} is used outside its `with`")
        return self._process

    @property
    def _label(self) -> str:
        return "" if self.name == "vm" else self.name

    def _alive(self) -> None:
        """Raise an error when the guest's kernel or QEMU has ended."""
        status = None if self._over else self._running.poll()
        self.console.check()
        if status is not None:
            raise death(self._running, status, self.console.text)

    def _raise_death(self) -> None:
        """Raise an error about QEMU's end, which shows within moments, if that is why a connection broke."""
        self._running.wait(1.0)
        self._alive()

    def wait_exit(self, timeout: float = 60.0) -> int:
        """Wait until the guest has powered off and QEMU has ended.

        Returns:
            QEMU's exit status.

        Raises:
            TimedOut: QEMU still runs.
            LabFailed: The guest's kernel panicked.
        """
        status = self._running.wait(timeout)
        self.console.check()
        if status is None:
            raise TimedOut(f"the guest did not power off within {timeout:g} s", Evidence(tail=tail(self.console.text)))
        self._over = True
        return status

    # -- commands -----------------------------------------------------------------------------------------------

    def qmp(self, command: str, *, timeout: float = QMP_TIMEOUT, **arguments: Any) -> Any:
        """Run a machine monitor command.

        Args:
            command: The command's name, such as ``query-status``.
            timeout: The time limit in seconds.
            **arguments: The command's arguments; an underscore stands for a hyphen.

        Returns:
            The value of ``return`` in QEMU's answer.

        Raises:
            LabFailed: QEMU rejected the command or has ended.
            TimedOut: QEMU did not answer, for example because a debugger has stopped it.
        """
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        message = {"execute": command, **({"arguments": given} if given else {})}
        with self._sh.step(Where.QMP, json.dumps(message), machine=self._label) as step:
            try:
                answer = self._execute(command, given, timeout)
            except QmpError as error:
                step.write(json.dumps({"error": {"class": error.kind, "desc": error.description}}, indent=2) + "\n")
                raise
            step.write(json.dumps({"return": answer}, indent=2) + "\n")
        return answer

    def hmp(self, line: str, *, timeout: float = QMP_TIMEOUT) -> str:
        """Run a human monitor command, such as ``info qtree``, and return its output.

        Raises:
            LabFailed: QEMU has ended. (An unknown command is not an error: the message is its output.)
            TimedOut: QEMU did not answer, for example because a debugger has stopped it.
        """
        with self._sh.step(Where.HMP, line, machine=self._label) as step:
            answer = str(self._execute("human-monitor-command", {"command-line": line}, timeout)).replace("\r\n", "\n")
            step.write(answer)
        return answer

    def _execute(self, command: str, arguments: dict[str, Any], timeout: float) -> Any:
        self._alive()
        if self._monitor is None:
            raise LabFailed(f"the machine {self.name!r} is used outside its `with`")
        try:
            return self._monitor.execute(command, arguments, timeout)
        except QmpError:
            raise
        except LabFailed:
            self._raise_death()
            raise

    def guest(self, command: str, *, timeout: float = 60.0, ok: Sequence[int] = (0,)) -> str:
        """Run a command in the guest's shell and wait until it ends. The shell keeps its directory and variables.

        Args:
            command: Text for the shell.
            timeout: The time limit in seconds. After it the command is sent Ctrl-C.
            ok: Exit statuses that count as success.

        Returns:
            The output, both streams.

        Raises:
            CommandFailed: The command ended with another status.
            TimedOut: The command did not end in time, for example because a debugger has stopped QEMU.
            LabFailed: The guest has ended.
        """
        return self._guest(command, timeout, ok).text

    def guest_start(self, command: str, *, timeout: float = 30.0) -> int:
        """Start a command in the guest in the background, such as an endless loop. Its output is discarded.

        Args:
            command: One command for the shell: a program with its arguments, a loop, or a list in braces.
            timeout: Seconds the shell has to start it.

        Returns:
            Its process id in the guest.
        """
        return int(self._guest(f"{command} >/dev/null 2>&1 &", timeout, (0,)).background)

    def _guest(self, command: str, timeout: float, ok: Sequence[int]) -> Reply:
        self._alive()
        if self._shell is None:
            raise LabFailed(f"the machine {self.name!r} has no shell (it was made with shell=False, or its `with` is over)")
        before = self.console.size
        with self._sh.step(Where.GUEST, command, machine=self._label) as step:
            reply = self._shell.run(command, timeout, step.write)
            step.status = reply.status
        if reply.status not in ok:
            # New kernel messages may give the reason: if an Oops ended the command, the shell only reports that it was killed.
            meanwhile = self.console.text if self.console.size > before else ""
            raise CommandFailed(
                "a command in the guest failed",
                Evidence(command=command, status=reply.status, tail=tails(reply.text, meanwhile)),
            )
        return reply
