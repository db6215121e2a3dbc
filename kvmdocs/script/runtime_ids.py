"""Ids in a record's commands that differ on every run: those of processes and threads that the recipe started.

A recorded command has the id as a reader would have read it off the screen. A script has to find it out again. The record does
not say what a number is, but its position does: after ``gdb -p`` it is a process of the host that was started before, after
``/task/`` a thread that a monitor listed, in a guest's ``kill`` a background process of the guest's shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kvmdocs.core.model import Step, Where

PROCESS = re.compile(
    r"(?:(?<= -p )|(?<=--pid=)|(?<=--pid )|(?<=/proc/)|(?<=\bkill )|(?<=\bkill -[0-9] )|(?<=\bkill -[A-Z]{4} ))"
    r"(?![12]\b)[1-9][0-9]*(?![\w.])"
)
"""Process id. 1 (init) and 2 (kthreadd) are excluded: they do not vary."""
THREAD = re.compile(r"(?<=/task/)[1-9][0-9]*(?!\w)")
_SHELLS = (Where.HOST, Where.ROOT)


@dataclass
class RuntimeIds:
    """Replacements of the ids in a record's commands.

    Attributes:
        after: Lines of bash that must run after a step to save the ids it returned, by the step's number.
        instead: Quoted word of bash for each id in a step's command, by the step's number.
    """

    after: dict[int, list[str]] = field(default_factory=dict)
    instead: dict[int, dict[str, str]] = field(default_factory=dict)

    def put(self, number: int, command: str) -> str:
        """Return a command of the host with its ids replaced by words of bash."""
        words = self.instead.get(number, {})
        for pattern in (PROCESS, THREAD):
            command = pattern.sub(lambda match: words.get(match[0], match[0]), command)
        return command


def find(steps: Sequence[Step], names: Mapping[int, str]) -> RuntimeIds:
    """Find the ids in a record's commands that vary.

    Args:
        steps: Steps of the record.
        names: Name in the script of each background step, by the step's number.
    """
    found = RuntimeIds()
    _Finder(steps, names, found).all()
    return found


@dataclass
class _Finder:
    steps: Sequence[Step]
    names: Mapping[int, str]
    found: RuntimeIds
    words: dict[tuple[str, str], str] = field(default_factory=dict)

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
            self._replace(number, process, self.words.setdefault(("", process), f'"${{pid[{last}]}}"'))
        for thread in dict.fromkeys(THREAD.findall(step.command)):
            word = self.words.get(("thread", thread)) or self._from_monitor(number, thread)
            if word:
                self.words["thread", thread] = word
                self._replace(number, thread, word)

    def _from_monitor(self, number: int, thread: str) -> str:
        """Return the word for a thread id that a monitor listed, which the script saves at that step; "" if none did."""
        for earlier in range(number - 1, 0, -1):
            step = self.steps[earlier - 1]
            threads = re.findall(r'"thread-id": (\d+)', step.output.text) if step.where is Where.QMP else []
            if thread in threads:
                place = threads.index(thread) + 1
                name = f"thread_{number}"
                line = f"{name}=$(grep -o '\"thread-id\": [0-9]*' <<< \"$said\" | sed -n '{place}s/.* //p')"
                self.found.after.setdefault(earlier, []).append(line)
                return f'"${name}"'
        return ""

    def _guest(self, number: int, step: Step, jobs: Sequence[int]) -> None:
        for process in dict.fromkeys(PROCESS.findall(step.command)) if jobs else ():
            key = (f"guest {step.machine}", process)
            if key not in self.words:
                name = f"job_{jobs[-1]}"
                self.found.after.setdefault(jobs[-1], []).append(f"{name}=$background")
                self.words[key] = f"${name}"
            self._replace(number, process, self.words[key])

    def _replace(self, number: int, runtime_id: str, word: str) -> None:
        self.found.instead.setdefault(number, {})[runtime_id] = word
