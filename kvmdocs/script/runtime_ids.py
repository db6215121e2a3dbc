"""Numbers in a record's commands that are others on every run: the processes of what the recipe started.

A command that was recorded names a process by its number, as the reader who typed it would have read it off the screen. A script has to find the number out
again. Nothing in a record says what a number is, but where it stands does: behind ``gdb -p`` is a process of the host that was started
before, behind ``/task/`` a thread that a monitor has told of, in a guest's ``kill`` what that guest's shell put into the background.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kvmdocs.core.model import Step, Where

PROCESS = re.compile(
    r"(?:(?<= -p )|(?<=--pid=)|(?<=--pid )|(?<=/proc/)|(?<=\bkill )|(?<=\bkill -[0-9] )|(?<=\bkill -[A-Z]{4} ))(?![12]\b)[1-9][0-9]*(?![\w.])"
)
"""A process's number. Those of a kernel's first two, init and kthreadd, do not vary."""
THREAD = re.compile(r"(?<=/task/)[1-9][0-9]*(?!\w)")
_SHELLS = (Where.HOST, Where.ROOT)


@dataclass
class RuntimeIds:
    """What stands for the numbers of a record's commands.

    Attributes:
        after: By a step's number, the lines that must run after that step so that later ones know what it told.
        instead: By a step's number, what stands for each number in its command: a word of bash, in quotes.
    """

    after: dict[int, list[str]] = field(default_factory=dict)
    instead: dict[int, dict[str, str]] = field(default_factory=dict)

    def put(self, number: int, command: str) -> str:
        """A command of the host with words of bash for its numbers."""
        words = self.instead.get(number, {})
        for pattern in (PROCESS, THREAD):
            command = pattern.sub(lambda found: words.get(found[0], found[0]), command)
        return command


def find(steps: Sequence[Step], names: Mapping[int, str]) -> RuntimeIds:
    """Find the numbers in a record's commands that vary.

    Args:
        steps: The record's steps.
        names: The name, in the script, of each step that goes on in the background, by the step's number.
    """
    found = RuntimeIds()
    _Finder(steps, names, found).all()
    return found


@dataclass
class _Finder:
    steps: Sequence[Step]
    names: Mapping[int, str]
    found: RuntimeIds
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def all(self) -> None:
        jobs: dict[str, list[int]] = {}
        last = ""
        for number, step in enumerate(self.steps, 1):
            if number in self.names:
                last = self.names[number]
            elif step.where is Where.GUEST:
                self._guest(number, step, jobs.get(step.machine, []))
                if step.command.rstrip().endswith("&"):
                    jobs.setdefault(step.machine, []).append(number)
            elif step.where in _SHELLS and last:
                self._host(number, step, last)

    def _host(self, number: int, step: Step, last: str) -> None:
        for process in dict.fromkeys(PROCESS.findall(step.command)):
            self._say(number, process, self.known.setdefault(("", process), f'"${{pid[{last}]}}"'))
        for thread in dict.fromkeys(THREAD.findall(step.command)):
            word = self.known.get(("thread", thread)) or self._told(number, thread)
            if word:
                self.known["thread", thread] = word
                self._say(number, thread, word)

    def _told(self, number: int, thread: str) -> str:
        """The word for a thread that a machine monitor has told of, which is remembered when it does."""
        for earlier in range(number - 1, 0, -1):
            step = self.steps[earlier - 1]
            told = re.findall(r'"thread-id": (\d+)', step.output.text) if step.where is Where.QMP else []
            if thread in told:
                place = told.index(thread) + 1
                name = f"thread_{number}"
                line = f"{name}=$(grep -o '\"thread-id\": [0-9]*' <<< \"$said\" | sed -n '{place}s/.* //p')"
                self.found.after.setdefault(earlier, []).append(line)
                return f'"${name}"'
        return ""

    def _guest(self, number: int, step: Step, jobs: Sequence[int]) -> None:
        for process in dict.fromkeys(PROCESS.findall(step.command)) if jobs else ():
            key = (f"guest {step.machine}", process)
            if key not in self.known:
                name = f"job_{jobs[-1]}"
                self.found.after.setdefault(jobs[-1], []).append(f"{name}=$background")
                self.known[key] = f"${name}"
            self._say(number, process, self.known[key])

    def _say(self, number: int, varying: str, word: str) -> None:
        self.found.instead.setdefault(number, {})[varying] = word
