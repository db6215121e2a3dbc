"""A shell in a recipe's workspace, as the recipe left it and with the environment it had: what ``kvmdocs run NAME --shell`` opens.

Pages and messages name readable paths (``~/kvm-lab/…``); what is typed here needs the real ones, so they are put back. While the shell is open the workspace is
locked: another build that wants to run the recipe waits, and `kvmdocs clean` leaves it alone.

Files are all that is left: a guest, a debugger or a monitor to which the failed command was typed has ended with its recipe. That is said, with the command
that starts it again.
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
    """Open the shell and wait for its end.

    Args:
        project: The project.
        name: The recipe.
        records: The records of a run, its own among them.
        say: Is given lines for the person.

    Returns:
        The shell's exit status.

    Raises:
        RecipeFailed: The recipe did not get as far as having a workspace, or another build is running it.
    """
    record = records[name]
    workspace = project.store.workspace(name, record.key)
    if not record.key or not workspace.is_dir():
        reason = record.reason or (record.failure.message if record.failure else "it is gone from the store")
        raise RecipeFailed(
            f"{name} has no workspace: {reason}", Evidence(recipe=name, advice=f"kvmdocs run --fresh --shell {name}")
        )
    lock = project.store.try_lock(record.key)
    if lock is None:
        raise RecipeFailed(f"another build is running {name}, in the same workspace", Evidence(recipe=name))
    folder = workspace
    try:
        if record.status is Status.FAILED:
            told, folder = _failed(project, record, records, workspace)
            for line in told:
                say(line)
        say(f"a shell in {folder}; `exit` ends it")
        return _shell(environment(project, name), folder)
    finally:
        lock.release()


def _failed(project: Project, record: Record, records: Mapping[str, Record], workspace: Path) -> tuple[list[str], Path]:
    """What is said about a failure, and the folder in which it happened."""
    failure = record.failure
    lines = [f"{record.recipe} failed: {failure.message if failure else ''}"]
    if failure is None or not 0 < failure.step <= len(record.steps):
        return lines, workspace
    step = record.steps[failure.step - 1]
    folder = Path(real(project, step.cwd, records)) if step.cwd else workspace
    first, *more = real(project, step.command, records).splitlines() or [""]
    lines += [
        f"its step {failure.step}, typed to the {TYPED_TO[step.where]}:",
        f"    {first}",
        *(f"    {line}" for line in more),
    ]
    if step.where not in ON_HOST:
        lines += _ended(project, record, failure.step, records)
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
"""Who a step's command was typed to, in words."""


def _ended(project: Project, record: Record, number: int, records: Mapping[str, Record]) -> list[str]:
    """What is said about a step of something that is not there any more: it ended, and how it had been started."""
    step = record.steps[number - 1]
    what = "debugger" if step.where is Where.GDB else "machine"
    lines = [
        f"the {what} has ended with the recipe, as all that it had started; the shell is on the host, with the files they left"
    ]
    begun = [
        (at, earlier)
        for at, earlier in enumerate(record.steps[: number - 1], 1)
        if earlier.where in (Where.HOST, Where.ROOT)
        and earlier.machine == step.machine
        and (earlier.background if what == "machine" else "gdb" in earlier.command.split()[0].rpartition("/")[2])
    ]
    if begun:
        at, earlier = begun[-1]
        command = real(project, earlier.command, records).splitlines()
        lines += [f"it was started in step {at}:", *(f"    {line}" for line in command)]
    return lines


def real(project: Project, text: str, records: Mapping[str, Record]) -> str:
    """`text` of a record with the workspaces of these records for the readable paths."""
    lab: str = project.settings["lab.folder"]
    home = rf"(?:~|\$HOME)/{re.escape(lab[2:])}" if lab.startswith("~/") else re.escape(lab)

    def workspace(found: re.Match[str]) -> str:
        record = records.get(found[1])
        return str(project.store.workspace(record.recipe, record.key)) if record and record.key else found[0]

    return re.sub(rf"{home}/(\w+)", workspace, text)


def environment(project: Project, name: str) -> dict[str, str]:
    """What the recipe's commands see, but for what says how wide and able the terminal is."""
    seen = project.environ(project.catalog.get(name).recipe)
    fixed = {variable: value for variable, value in seen.items() if variable not in ("COLUMNS", "LINES")}
    return {**fixed, "TERM": os.environ.get("TERM", "dumb"), "PS1": f"[{name}] \\w\\$ "}


def _shell(environ: dict[str, str], folder: Path) -> int:
    # What a person's own files set would not be what the recipe had.
    bash = shutil.which("bash", path=environ.get("PATH"))
    command = [bash, "--noprofile", "--norc"] if bash else ["/bin/sh"]
    # Ctrl-C is the shell's; a handler, unlike ignoring, is not inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
