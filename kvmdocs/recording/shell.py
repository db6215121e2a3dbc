"""Recording shell, which a recipe gets as `sh`.

It wraps the `sh` package: ``sh.make("-j8")`` works as it does there, and also records a `Step`. A few methods go beyond that
package: a line of bash as a reader types it, a file to write, a named section, a background process, and a step that another
program than a shell answers (a debugger, a monitor, a guest).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kvmdocs.core.control_characters import TURNING, in_ascii_quotes, make_visible, seen
from kvmdocs.core.errors import Evidence, HostLacks, RecipeFailed, Skipped
from kvmdocs.core.model import Output, Step, Where
from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording.arguments import refuse, words
from kvmdocs.recording.background_process import LiveStep, Spawned, die_with_parent
from kvmdocs.recording.capture import Capture
from kvmdocs.recording.pipe_reader import PipeReader

if TYPE_CHECKING:
    from kvmdocs.recording.source.check import Tree


@dataclass
class Limits:
    """Resource limits of a recipe and of its logs.

    Attributes:
        cpus: Number of processors, for ``-j``.
        memory: Memory in bytes.
        log: Maximum size of one step's log in bytes.
    """

    cpus: int = 1
    memory: int = 1 << 30
    log: int = 16 << 20


@dataclass
class Shell:
    """Runs commands and records them.

    Attributes:
        workspace: The recipe's own directory.
        names: Mapping of the host's paths to those that a reader sees.
        logs: Directory for whole logs.
        limits: Resource limits of the recipe.
        emulated: True if a guest runs under emulation; the lab sets it.
        on_step: Called with the number of each step that begins, and the step.
    """

    workspace: Path
    names: PathDisplay
    logs: Path
    limits: Limits = field(default_factory=Limits)
    emulated: bool = False
    on_step: Callable[[int, LiveStep], None] | None = None

    def __post_init__(self) -> None:
        self._cwd = self.workspace
        self._section: str | None = None
        self._steps: list[LiveStep] = []
        self._begun = time.monotonic()
        self._commands: dict[str, Any] = {}
        self._programs: dict[str, str] = {}
        self._spawned: list[Spawned] = []
        self.trees: list[Tree] = []

    @property
    def cpus(self) -> int:
        """Number of processors that the recipe may use."""
        return self.limits.cpus

    @property
    def memory(self) -> int:
        """Memory that the recipe may use, in bytes."""
        return self.limits.memory

    @property
    def where(self) -> Where:
        """Prompt of a command on the host: root's or a user's."""
        return Where.ROOT if os.geteuid() == 0 else Where.HOST

    # -- commands -----------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., str]:
        """Return a program of the host by its name, as the `sh` package does.

        Raises:
            AttributeError: The name begins with an underscore.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._programs:
            self._programs[name] = name.replace("_", "-") if shutil.which(name) is None else name
        program = self._programs[name]
        command = self._command(program)
        return lambda *args, **kwargs: self._call(command, program, args, kwargs)

    def run(self, program: str | Path, *args: Any, **kwargs: Any) -> str:
        """Run a program by its path or name.

        Returns:
            Its standard output.
        """
        return self._call(self._command(self._found(program, kwargs)), str(program), args, kwargs)

    def line(self, text: str, **kwargs: Any) -> str:
        """Run one line of bash as a reader types it: pipes, redirections, variables. A pipe fails if any of its parts fails.

        Returns:
            Its standard output.
        """
        args = ("--noprofile", "--norc", "-o", "pipefail", "-c", text)
        return self._call(self._command("bash"), "bash", args, kwargs, shown=self.names.text(text))

    def _found(self, program: str | Path, kwargs: dict[str, Any]) -> str:
        """Return the program's name, or its path relative to the step's directory instead of the worker's."""
        return str(self._cwd / kwargs.get("_cwd", "") / program) if "/" in str(program) else str(program)

    def _command(self, program: str) -> Any:
        import sh as _sh  # slow to import (asyncio); not needed to read recipes

        if program not in self._commands:
            try:
                self._commands[program] = _sh.Command(program)
            except _sh.CommandNotFound as error:
                raise HostLacks(
                    f"there is no program {self.names.readable(program)!r} on this host",
                    Evidence(advice="name it in the recipe's `tools` and install what `kvmdocs doctor` lists"),
                ) from error
        return self._commands[program]

    def _call(self, command: Any, program: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, shown: str = "") -> str:
        """Run a command through the `sh` package and record it as a step."""
        import sh as _sh

        refuse(kwargs)
        cwd = self._cwd / kwargs.pop("_cwd", "")
        fed = kwargs.get("_in")
        if isinstance(fed, str) and "_encoding" not in kwargs:
            # The `sh` package encodes it in a thread; an error there would leave the command waiting forever.
            kwargs["_in"] = fed.encode("utf-8", "surrogateescape")
        typed = shown or self.names.command([program, *words(command, args, kwargs)])
        step = self._begin(self.where, typed, cwd=cwd, stdin=fed if isinstance(fed, str) else None)
        pump = PipeReader(step)
        try:
            done = command(*args, **{**self._special(pump, cwd), **kwargs, "_return_cmd": True})
            step.status = done.exit_code
        except _sh.ErrorReturnCode as error:
            step.status = error.exit_code
            raise
        except _sh.TimeoutException as error:
            step.status = -(error.exit_code or 0)  # this exception has the opposite sign
            raise
        finally:
            printed = pump.finish()
            self._end(step)
        return printed

    def _special(self, pump: PipeReader, cwd: Path) -> dict[str, Any]:
        """Return the special arguments for the `sh` package that redirect a command's output to the step."""
        piped = {"_out": pump.out, "_err": pump.err, "_tty_out": False}
        # A process group of its own: a script's `kill 0` must not kill the worker.
        return {**piped, "_cwd": str(cwd), "_new_group": True, "_preexec_fn": die_with_parent}

    def spawn(self, program: str | Path, *args: Any, cwd: Path | None = None, label: str = "", **kwargs: Any) -> Spawned:
        """Start a program in the background. It is ended with the recipe at the latest.

        Args:
            program: Path or name of the program.
            *args: Its arguments.
            cwd: Its working directory; the current one if not given.
            label: Label of the machine or terminal under which it is shown.
            **kwargs: Special arguments of the `sh` package.
        """
        folder = self._cwd / (cwd or "")
        command = self._command(self._found(program, {"_cwd": folder}))
        shown = self.names.command([str(program), *map(str, args)], option_a_line=True)
        step = self._begin(self.where, shown, cwd=folder, machine=label, background=True)
        pump = PipeReader(step)
        special = {"_bg": True, "_bg_exc": False, "_ok_code": range(-64, 256), **self._special(pump, folder), **kwargs}
        try:
            running = command(*args, **special, _return_cmd=True)
        except BaseException:
            pump.finish()
            raise
        pump.started()
        spawned = Spawned(running, step, pump)
        self._spawned.append(spawned)
        return spawned

    # -- context of the commands --------------------------------------------------------------------------------

    @contextmanager
    def cd(self, path: str | Path) -> Iterator[Path]:
        """Change the working directory for the length of a ``with``."""
        before, self._cwd = self._cwd, (self._cwd / path)
        try:
            yield self._cwd
        finally:
            self._cwd = before

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Assign the steps inside a ``with`` to a named section, which a guide can show alone."""
        before, self._section = self._section, name
        try:
            yield
        finally:
            self._section = before

    def write(self, path: str | Path, text: str, mode: int | None = None) -> Path:
        """Write a file. It is shown as a file to create.

        Args:
            path: Path, relative to the current directory.
            text: Content.
            mode: Permissions, such as ``0o755``.

        Returns:
            Its absolute path.
        """
        target = self._cwd / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", "surrogateescape")
        if mode is not None:
            target.chmod(mode)
        step = self._begin(Where.FILE, self.names.argument(str(path)), cwd=self._cwd, stdin=self.names.readable(text))
        step.mode = f"{mode:o}" if mode is not None else ""
        self._end(step)
        return target

    @contextmanager
    def step(
        self, where: Where, command: str, *, machine: str = "", stdin: str | None = None, cwd: Path | None = None
    ) -> Iterator[LiveStep]:
        """Record a step that another program than a shell answers: a debugger, a monitor, a guest.

        Yields:
            The step. Write the answer to it, and set its `status` if there is one.
        """
        step = self._begin(where, self.names.readable(command), cwd=cwd, machine=machine, stdin=stdin)
        try:
            yield step
        finally:
            self._end(step)

    def readable(self, text: str) -> str:
        """Return `text` with the host's paths as a reader sees them."""
        return self.names.readable(text)

    def mask(self, text: str, shown: str) -> None:
        """Replace `text` by `shown` in all later commands and output."""
        self.names.mask(text, shown)

    def sources(self, *, astray: Sequence[str] = (), **trees: Path) -> None:
        """Declare the source trees of the stack frames in the output. Each frame becomes a link and is checked.

        After the recipe has run, the file of every frame is opened in its tree. The recipe fails if a line is not in the
        function that the frame names, or if no frame of a tree was printed.

        Args:
            astray: Patterns of functions whose lines the compiler reports wrongly. Their frames may be elsewhere; the page says
                so.
            **trees: Root of each tree, by the name that the settings ``links.…`` use for it.

        Raises:
            CatalogError: A root is not a directory.
        """
        from kvmdocs.recording.source.check import make_trees

        self.trees += make_trees(trees, {name: self.names.readable(str(root)) for name, root in trees.items()}, astray)

    def skip(self, reason: str) -> NoReturn:
        """Skip the recipe, because this host cannot run it."""
        raise Skipped(reason)

    # -- the record ---------------------------------------------------------------------------------------------

    def _begin(
        self,
        where: Where,
        command: str,
        *,
        cwd: Path | None = None,
        machine: str = "",
        stdin: str | None = None,
        background: bool = False,
    ) -> LiveStep:
        if bidi := TURNING.search(command):
            raise RecipeFailed(
                f"the command contains {seen(bidi[0])}, which makes it look different from what it is",
                Evidence(
                    command=make_visible(command),
                    advice=f"write the character as an escape sequence: {in_ascii_quotes(bidi[0])} in bash",
                ),
            )
        number = len(self._steps) + 1
        step = LiveStep(
            where=where,
            command=command,
            capture=Capture(self.logs / f"{number:03d}.log", self.limits.log, self.names.secrets),
            cwd=self.names.readable(str(cwd)) if cwd else None,
            section=self._section,
            machine=machine,
            stdin=stdin,
            background=background,
            started=time.monotonic(),
        )
        self._steps.append(step)
        if self.on_step:
            self.on_step(number, step)
        return step

    def _end(self, step: LiveStep) -> None:
        step.ended = time.monotonic()

    def current(self) -> tuple[int, LiveStep] | None:
        """Return the number of the last step and the step, or None before the first."""
        return (len(self._steps), self._steps[-1]) if self._steps else None

    def close(self) -> None:
        """End all background processes."""
        for spawned in reversed(self._spawned):
            spawned.stop()

    def steps(self) -> tuple[Step, ...]:
        """Return all steps so far, as a record holds them."""
        return tuple(self._finished(step) for step in self._steps)

    def _finished(self, step: LiveStep) -> Step:
        output: Output = step.capture.finish(self.names)
        ended = step.ended if step.ended is not None else time.monotonic()
        return Step(
            where=step.where,
            command=step.command,
            output=output,
            cwd=step.cwd,
            section=step.section,
            machine=step.machine,
            stdin=step.stdin,
            mode=step.mode,
            background=step.background,
            status=step.status,
            started=round(step.started - self._begun, 3),
            seconds=round(ended - step.started, 3),
        )
