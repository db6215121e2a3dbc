"""What of a record goes on while later steps run: processes in the background, machines among them, and debuggers that are told things."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmdocs.core.model import Step, Where, last_until

SHELLS = (Where.HOST, Where.ROOT)

_MACHINE = re.compile(r"(?<= -qmp unix:)([\w.-]+)\.qmp\b")
_DEBUGGER = re.compile(r"\S*gdb\b")
_REFUSED = re.compile(
    r"^(?:No (?:symbol|line|frame|source|breakpoint|registers|struct|type)\b|Cannot |Couldn't |Undefined |Function .* not defined|Attempt to "
    r"|The program (?:is not|has no)|Error |Python Exception|Remote (?:connection|'g')|Invalid |A syntax error|Make breakpoint pending)",
    re.MULTILINE,
)
"""What gdb says when it cannot do what it is told: the first words of its messages, as they stand in its output."""


@dataclass
class BackgroundProcess:
    """A process that goes on while later steps run.

    Attributes:
        name: Its name in the script: a machine's own, or a number.
        number: The number of its step.
        end: The number of the last step begun before it ended; that of the record's last one when nothing says so.
        machine: Whether it is a virtual machine of the lab.
    """

    name: str
    number: int
    end: int
    machine: bool


@dataclass
class Session:
    """What one debugger was told.

    Attributes:
        start: The step that started it.
        told: The steps that told it something.
        number: Its number in the record, counted from 1.
        whole: Whether it was told all of that in one go: then a file of commands does.
        refused: Whether it could not do some of it. A file that is given with ``-x`` ends there.
    """

    start: int
    number: int
    told: list[int] = field(default_factory=list)
    whole: bool = False
    refused: bool = False


def backgrounds(steps: Sequence[Step]) -> list[BackgroundProcess]:
    """The processes of a record that go on while later steps run, and when they end.

    Where nothing says when, a machine ends when another one of its name starts, or with the recipe.
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
    """What each debugger of a record was told. Where several are open, a label tells them apart."""
    found: list[Session] = []
    for number, step in enumerate(steps, 1):
        if starts_debugger(step):
            found.append(Session(number, len(found) + 1))
        elif step.where is Where.GDB:
            open_ones = [one for one in found if steps[one.start - 1].machine == step.machine]
            if open_ones:
                open_ones[-1].told.append(number)
    for one in found:
        told = [steps[number - 1] for number in one.told]
        in_one_go = one.told == list(range(one.start + 1, one.start + 1 + len(told)))
        one.whole = bool(told) and in_one_go
        one.refused = any(_REFUSED.search(step.output.text) for step in told)
    return found


def starts_debugger(step: Step) -> bool:
    """Whether a step of the host is a debugger that was told its commands later."""
    return step.where in SHELLS and step.status is None and not step.background and _DEBUGGER.match(step.command) is not None


def one_line(command: str) -> str:
    """A command on one line."""
    return " ".join(command.replace("\\\n", " ").split())
