"""Background processes (including machines) and debugger sessions of a record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmdocs.core.model import Step, Where, last_until

SHELLS = (Where.HOST, Where.ROOT)

_MACHINE = re.compile(r"(?<= -qmp unix:)([\w.-]+)\.qmp\b")
_DEBUGGER = re.compile(r"\S*gdb\b")
_GDB_ERROR = re.compile(
    r"^(?:No (?:symbol|line|frame|source|breakpoint|registers|struct|type)\b|Cannot |Couldn't |Undefined "
    r"|Function .* not defined|Attempt to |The program (?:is not|has no)|Error |Python Exception"
    r"|Remote (?:connection|'g')|Invalid |A syntax error|Make breakpoint pending)",
    re.MULTILINE,
)
"""First words of gdb's error messages, at the beginning of a line of its output."""


@dataclass
class BackgroundProcess:
    """A process that runs on while later steps run.

    Attributes:
        name: Name in the script: that of the machine, or ``job`` and the step's number.
        number: Number of its step.
        end: Number of the last step that began before the process ended; the record's last step if its end is unknown.
        machine: Whether it is a virtual machine of the lab.
    """

    name: str
    number: int
    end: int
    machine: bool


@dataclass
class Session:
    """One debugger and the commands typed into it.

    Attributes:
        start: Number of the step that started it.
        number: Number of the session in the record, counted from 1.
        commands: Numbers of the steps typed into it.
        is_batch: Whether no other step lies in between, so that a file of commands does the same.
        has_errors: Whether one of the commands failed. gdb stops a file given with ``-x`` at the first error.
    """

    start: int
    number: int
    commands: list[int] = field(default_factory=list)
    is_batch: bool = False
    has_errors: bool = False


def backgrounds(steps: Sequence[Step]) -> list[BackgroundProcess]:
    """Return the background processes of a record, each with its end.

    If the record does not say when a machine ended, it ends when another one of its name starts, or with the recipe.
    """
    found: list[BackgroundProcess] = []
    for number, step in enumerate(steps, 1):
        if not step.background:
            continue
        machine = _MACHINE.search(one_line(step.command))
        name = machine[1] if machine else f"job{number}"
        for earlier in found:
            if earlier.name == name:
                earlier.end = min(earlier.end, number - 1)
        found.append(BackgroundProcess(name, number, last_until(steps, number) or len(steps), machine is not None))
    return found


def sessions(steps: Sequence[Step]) -> list[Session]:
    """Return the debugger sessions of a record. The steps' labels (`Step.machine`) tell apart those open at the same time."""
    found: list[Session] = []
    for number, step in enumerate(steps, 1):
        if starts_debugger(step):
            found.append(Session(number, len(found) + 1))
        elif step.where is Where.GDB:
            same_label = [session for session in found if steps[session.start - 1].machine == step.machine]
            if same_label:
                same_label[-1].commands.append(number)
    for session in found:
        numbers = session.commands
        session.is_batch = bool(numbers) and numbers == list(range(session.start + 1, session.start + 1 + len(numbers)))
        session.has_errors = any(_GDB_ERROR.search(steps[number - 1].output.text) for number in numbers)
    return found


def starts_debugger(step: Step) -> bool:
    """Check whether a step of the host starts a debugger into which later steps are typed."""
    return step.where in SHELLS and step.status is None and not step.background and _DEBUGGER.match(step.command) is not None


def one_line(command: str) -> str:
    """Return a command on one line."""
    return " ".join(command.replace("\\\n", " ").split())
