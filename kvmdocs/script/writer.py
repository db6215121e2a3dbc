"""A record's steps as lines of bash that do them again: on the host, in guests, at monitors, in debuggers.

What the lines call (``guest``, ``qmp``, ``gdb_do`` …) is in the files of ``kvmdocs/bash/``, which `kvmdocs.script.assemble` puts in front of them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from kvmdocs.core.model import Record, Step, Where
from kvmdocs.render.commands import TypedStep, entries
from kvmdocs.script.runtime_ids import RuntimeIds, find
from kvmdocs.script.sessions import BackgroundProcess, Session, backgrounds, one_line, sessions

READY_LIMIT = 600
"""Seconds a machine of a script has to be ready; on a busy host an emulated one may take a while."""
TRY_LIMIT = 60
"""The same where the record shows nothing that needs the guest, if it does not say how long it lived."""
QUIT = "quit"
"""QMP's command that ends QEMU."""

_HELD = re.compile(r"(?<= -S)(?= |$)")


@dataclass
class ScriptPart:
    """Some lines of a script.

    Attributes:
        section: The section of the recipe that they are of.
        lines: The lines.
        told: What a section shows by itself, where that is not its lines: what a debugger was told stands in a file.
        needs: Which files of ``kvmdocs/bash/`` they call.
    """

    section: str | None
    lines: list[str]
    needs: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def pieces(record: Record) -> list[ScriptPart]:
    """A record's steps as pieces of a script, in order.

    Args:
        record: A record that passed.
    """
    return list(_Scripting(record).all())


class _Scripting:
    def __init__(self, record: Record) -> None:
        self.recipe = record.recipe
        self.steps = record.steps
        self.entries = entries(record, None)
        self.backgrounds = {one.number: one for one in backgrounds(record.steps)}
        self.sessions = sessions(record.steps)
        self.varying: RuntimeIds = find(record.steps, {number: one.name for number, one in self.backgrounds.items()})

    def all(self) -> Iterator[ScriptPart]:
        shown: str | None = None
        for entry in self.entries:
            section = entry.step.section
            for name, lines in self._ended_before(entry):
                yield ScriptPart(section, lines, (name,))
            done, needs = self._step(entry)
            done += self.varying.after.get(entry.number, [])
            if section and section != shown and done:
                done = ["", f"# {comment(section)}", *done]
            shown = section
            yield ScriptPart(section, done, needs, self._told(entry))

    def _step(self, entry: TypedStep) -> tuple[list[str], tuple[str, ...]]:
        step = entry.step
        if entry.number in self.backgrounds:
            return self._start(entry, self.backgrounds[entry.number])
        if entry.where is Where.GUEST:
            command = in_bash(entry.typed, self.varying.instead.get(entry.number, {}))
            return [f"guest {self._machine(step)} {step.status or 0} {command}"], ("machine",)
        if entry.where is Where.HMP:
            return [f"hmp {self._machine(step)} {in_bash(entry.typed)}"], ("machine",)
        if entry.where is Where.QMP:
            return self._qmp(entry), ("machine",)
        if entry.where is Where.GDB or entry.number in {session.start for session in self.sessions}:
            return self._gdb(entry)
        return self._host(entry), ()

    # -- on the host --------------------------------------------------------------------------------------------

    def _host(self, entry: TypedStep) -> list[str]:
        status = entry.step.status or 0
        wanted = 128 - status if status < 0 else status
        what = shlex.quote(f"{self.recipe}, step {entry.number}")
        # Pasted into a nested shell, the line before may end that shell; the outer one then reads this line.
        typed = entry.copied if entry.folder else entry.typed
        lines = [*changed(entry), *as_typed(self.varying.put(entry.number, mirrored(typed)))]
        if entry.step.where is Where.FILE:
            fill = [f"fill {entry.step.command}"] if "<mirror" in (entry.step.stdin or "") else []
            return [*lines, f"check 0 $? {what}", *fill]
        return [*lines, f"check {wanted} $? {what}"]

    def _start(self, entry: TypedStep, one: BackgroundProcess) -> tuple[list[str], tuple[str, ...]]:
        command = entry.typed.removesuffix(" &")
        lines = [*changed(entry), *taste(command)]
        if not one.machine:
            return [*lines, f"start {one.name} {command}"], ("start",)
        lines.append(f"machine {one.name} {command}")
        life = self.steps[one.number - 1]
        if _HELD.search(one_line(command)):
            lines.append(f"ready {one.name} monitor {READY_LIMIT}")
        elif any(step.where is Where.GUEST for step in self._life(one)):
            lines.append(f"ready {one.name} shell {READY_LIMIT}")
        else:
            lines.append(f"ready {one.name} try {round(life.seconds) or TRY_LIMIT}")
        return lines, ("machine",)

    def _life(self, one: BackgroundProcess) -> list[Step]:
        """The steps at a machine, until it ends."""
        return [step for step in self.steps[one.number : one.end] if step.machine == self.steps[one.number - 1].machine]

    def _ended_before(self, entry: TypedStep) -> Iterator[tuple[str, list[str]]]:
        """What ends the processes that had ended before a step."""
        for one in self.backgrounds.values():
            if one.end != entry.number - 1 or one.number > one.end or one.number == entry.number:
                continue
            if not one.machine:
                yield "start", [f'kill_off "${{pid[{one.name}]}}"']
                continue
            life = self._life(one)
            if any(step.where is Where.QMP and f'"execute": "{QUIT}"' in step.command for step in life):
                continue
            told = [step for step in life if step.where is Where.GUEST]
            off = bool(told) and re.search(r"\b(?:poweroff|reboot|halt)\b", told[-1].command)
            yield "machine", [f"{'powered_off' if off else 'stop'} {one.name}"]

    def _machine(self, step: Step) -> str:
        """The name of the machine at which a step was typed: of those with its label the last one started."""
        names = [
            one.name for one in self.backgrounds.values() if one.machine and self.steps[one.number - 1].machine == step.machine
        ]
        return names[-1] if names else shlex.quote(step.machine or "vm")

    def _qmp(self, entry: TypedStep) -> list[str]:
        answer = "error" if entry.step.output.head.startswith('{\n  "error"') else "return"
        name = self._machine(entry.step)
        command = in_bash(entry.typed, {"~": "$HOME"} if "~/" in entry.typed else {})
        after = [f"powered_off {name}"] if f'"execute": "{QUIT}"' in entry.typed else []
        return [f"qmp {name} {answer} {command}", *after]

    # -- in a debugger ------------------------------------------------------------------------------------------

    def _gdb(self, entry: TypedStep) -> tuple[list[str], tuple[str, ...]]:
        session = next(
            (one for one in self.sessions if entry.number == one.start or entry.number in one.told),
            None,
        )
        if session is None:  # a debugger that nothing in the record has started
            return [f"# in gdb: {line}" for line in entry.typed.split("\n")], ()
        if session.whole:
            return self._file(entry, session)
        name = f"gdb{session.number}"
        if entry.number == session.start:
            typed = self.varying.put(entry.number, entry.typed)
            return [*changed(entry), f"debugger {name} {typed}"], ("gdb",)
        return [f"gdb_do {name} {in_bash(entry.typed)}"], ("gdb",)

    def _file(self, entry: TypedStep, session: Session) -> tuple[list[str], tuple[str, ...]]:
        """A debugger that was told all in one go: its commands become a file, which is run where the last of them stands."""
        if entry.number == session.start:
            return changed(entry), ()
        if entry.number != session.told[-1]:
            return [], ()
        file = self._name(session)
        lines: list[str] = []
        section = self.steps[session.start - 1].section
        for number in session.told:
            step = self.steps[number - 1]
            lines += [f"# {comment(step.section)}"] if step.section and step.section != section else []
            lines += step.command.split("\n")
            section = step.section
        mark = "EOF"
        while mark in lines:
            mark += "_"
        started = self.varying.put(session.start, self.entries[session.start - 1].typed)
        return [
            f"cat > {file} <<'{mark}'",
            "set pagination off",
            "set width 96",
            "set trace-commands on",
            *lines,
            mark,
            *taste(started),
            f'timeout --foreground "$limit" {started} {self._given(session)}',
            f"check 0 $? {shlex.quote(f'{self.recipe}, {file}')}",
        ], ("gdb",)

    def _name(self, session: Session) -> str:
        return f"{self.recipe}-{session.number}.gdb"

    def _given(self, session: Session) -> str:
        """How gdb gets its file: so that it ends where it cannot do something, or, if it could not do all, as if it was typed."""
        return f"< {self._name(session)}" if session.refused else f"-batch -x {self._name(session)}"

    def _told(self, entry: TypedStep) -> tuple[str, ...]:
        """What a section shows of a step by itself, if it is one of a debugger's that gets a file."""
        for session in self.sessions:
            if session.whole and entry.number == session.start:
                return (*changed(entry), f"{self.varying.put(entry.number, entry.typed)} {self._given(session)}")
            if session.whole and entry.number in session.told:
                return tuple(f"# {self._name(session)}: {line}" for line in entry.typed.split("\n"))
        return ()


def changed(entry: TypedStep) -> list[str]:
    """The line that changes the folder."""
    return [f"{{ {entry.change}; }} || exit 1"] if entry.change else []


_TASTE = {
    "SC2016": r"'[^']*[$`]",
    "SC2086": r"\$(?:\w|\{)",
    "SC2046": r"\$\(",
    "SC2038": r"\bfind\b.*\| xargs",
    "SC2010": r"\bls\b.*\| grep",
    "SC2234": r"^test ",
    "SC2009": r"\bps\b.*\| grep",
}
"""What shellcheck finds in commands as they are typed on a page, where nobody's folder has spaces in its name, and how it shows."""


def as_typed(typed: str) -> list[str]:
    """A command to the letter, in a shell of its own as it was then."""
    return [*taste(typed), "(", typed, ")"]


def taste(typed: str) -> list[str]:
    """The comment that lets a command stand as it is typed, if it needs one."""
    codes = [code for code, pattern in _TASTE.items() if re.search(pattern, typed.partition("<<'")[0])]
    return [f"# shellcheck disable={','.join(codes)}"] if codes else []


def in_bash(text: str, varying: dict[str, str] | None = None) -> str:
    """Text as one word of bash.

    Args:
        text: The text, which is not the host's shell's.
        varying: What in it bash is to put in, by what stands there.
    """
    if not varying:
        return shlex.quote(text)
    quoted = re.sub(r'(["`\\$])', r"\\\1", text)
    for there, word in varying.items():
        edge = r"(?<!\w)" if there[0].isalnum() else r"(?<![\w$])"
        quoted = re.sub(rf"{edge}{re.escape(there)}(?!\w)", lambda _found, word=word: word, quoted)  # type: ignore[misc]  # mypy: a default of a lambda
    return f'"{quoted}"'


def mirrored(typed: str) -> str:
    """A command with variables for the addresses that a record does not tell."""
    if "<<'" in typed:
        return typed
    return re.sub(r"<mirror(?:-(\d+))?>", lambda found: f'"$MIRROR{f"_{found[1]}" if found[1] else ""}"', typed)


def comment(text: str) -> str:
    """Text for one line of a comment."""
    return " ".join(text.split())
