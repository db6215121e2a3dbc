"""Debug shell: a shell in a recipe's workspace as the recipe left it, with its environment, for ``kvmdocs run NAME --shell``.

Pages and messages show readable paths (``~/kvm-lab/…``); the shell needs the real ones, so they are put back. While the shell
is open the workspace is locked: another build that wants to run the recipe waits, and `kvmdocs clean` does not delete it.

Only files are left. A guest, a debugger or a monitor that received the failed command has ended with its recipe. The shell's
introduction says so and gives the command that starts it again.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from kvmdocs.core.errors import Evidence, RecipeFailed
from kvmdocs.core.model import Record, Status, Where
from kvmdocs.execution.project import Project


def open_shell(project: Project, name: str, records: Mapping[str, Record], say: Callable[[str], None]) -> int:
    """Open a shell and wait until it ends.

    Args:
        project: The project.
        name: The recipe.
        records: Records of a run, including the recipe's own.
        say: Prints a line for the user.

    Returns:
        Exit status of the shell.

    Raises:
        RecipeFailed: The recipe has no workspace, or another build is running it.
    """
    record = records[name]
    workspace = project.store.workspace(name, record.key, record.workspace)
    if not record.key or not workspace.is_dir():
        reason = record.reason or (record.failure.message if record.failure else "it was deleted from the store")
        raise RecipeFailed(
            f"{name} has no workspace: {reason}", Evidence(recipe=name, advice=f"kvmdocs run --fresh --shell {name}")
        )
    lock = project.store.try_lock(record.key)
    if lock is None:
        raise RecipeFailed(f"another build is running {name} in the same workspace", Evidence(recipe=name))
    folder = workspace
    try:
        if record.status is Status.FAILED:
            lines, folder = _describe_failure(project, record, records, workspace)
            for line in lines:
                say(line)
        say(f"a shell in {folder}; `exit` ends it")
        return _run_shell(_environment(project, name), folder)
    finally:
        lock.release()


def _describe_failure(
    project: Project, record: Record, records: Mapping[str, Record], workspace: Path
) -> tuple[list[str], Path]:
    """Return lines that describe a failure, and the folder in which it happened."""
    failure = record.failure
    lines = [f"{record.recipe} failed: {failure.message if failure else ''}"]
    if failure is None or not 0 < failure.step <= len(record.steps):
        return lines, workspace
    step = record.steps[failure.step - 1]
    folder = Path(_real_paths(project, step.cwd, records)) if step.cwd else workspace
    first, *more = _real_paths(project, step.command, records).splitlines() or [""]
    lines += [
        f"its step {failure.step}, typed to the {TYPED_TO[step.where]}:",
        f"    {first}",
        *(f"    {line}" for line in more),
    ]
    if step.where not in ON_HOST:
        lines += _describe_restart(project, record, failure.step, records)
    return lines, folder if folder.is_dir() else workspace


ON_HOST = (Where.HOST, Where.ROOT, Where.FILE)
TYPED_TO = {
    Where.HOST: "host",
    Where.ROOT: "host, as root",
    Where.FILE: "host: a file",
    Where.GUEST: "guest",
    Where.GDB: "debugger",
    Where.HMP: "monitor",
    Where.QMP: "monitor",
}
"""Receiver of a step's command, in words."""


def _describe_restart(project: Project, record: Record, number: int, records: Mapping[str, Record]) -> list[str]:
    """Return lines that say that the machine or debugger of a step has ended, and how to start it again."""
    step = record.steps[number - 1]
    what = "debugger" if step.where is Where.GDB else "machine"
    lines = [f"the {what} has ended with the recipe; the shell is on the host, with the files that it left"]
    begun = [
        (at, earlier)
        for at, earlier in enumerate(record.steps[: number - 1], 1)
        if earlier.where in (Where.HOST, Where.ROOT)
        and earlier.machine == step.machine
        and (earlier.background if what == "machine" else "gdb" in earlier.command.split()[0].rpartition("/")[2])
    ]
    if begun:
        at, earlier = begun[-1]
        command = _real_paths(project, earlier.command, records).splitlines()
        lines += [f"it was started in step {at}:", *(f"    {line}" for line in command)]
    return lines


def _real_paths(project: Project, text: str, records: Mapping[str, Record]) -> str:
    """Return a text of a record with real paths of these records' workspaces in place of the readable ones."""
    lab: str = project.settings["lab.folder"]
    home = rf"(?:~|\$HOME)/{re.escape(lab[2:])}" if lab.startswith("~/") else re.escape(lab)

    def workspace(match: re.Match[str]) -> str:
        record = records.get(match[1])
        return str(project.store.workspace(record.recipe, record.key, record.workspace)) if record and record.key else match[0]

    return re.sub(rf"{home}/(\w+)", workspace, text)


def _environment(project: Project, name: str) -> dict[str, str]:
    """Return the environment of the recipe's commands, but with the user's terminal type and without a window size."""
    environ = project.environ(project.catalog.get(name).recipe)
    without_size = {variable: value for variable, value in environ.items() if variable not in ("COLUMNS", "LINES")}
    return {**without_size, "TERM": os.environ.get("TERM", "dumb"), "PS1": f"[{name}] \\w\\$ "}


def _run_shell(environ: dict[str, str], folder: Path) -> int:
    # The user's startup files would change the environment that the recipe had.
    bash = shutil.which("bash", path=environ.get("PATH"))
    command = [bash, "--noprofile", "--norc"] if bash else ["/bin/sh"]
    # Ctrl-C is for the shell only. A handler, unlike SIG_IGN, is not inherited by it.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
