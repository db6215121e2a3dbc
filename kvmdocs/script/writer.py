"""A record's steps as lines of bash that repeat them: on the host, in guests, at monitors, in debuggers.

The functions that these lines call (``guest``, ``qmp``, ``gdb_do`` …) are in the files of ``kvmdocs/script/bash/``, which
`kvmdocs.script.assemble` puts at the beginning of a script.
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
"""Seconds until a machine must be ready. An emulated one on a busy host may take long."""
TRY_LIMIT = 60
"""Seconds to wait for a machine whose record has no guest commands and no duration."""
QUIT = "quit"
"""QMP command that ends QEMU."""

_HELD = re.compile(r"(?<= -S)(?= |$)")


@dataclass
class ScriptPart:
    """Lines of a script for one step.

    Attributes:
        section: Section of the recipe that the step belongs to.
        lines: Lines of bash.
        needs: Kinds of functions that the lines call: ``start``, ``machine`` or ``gdb``.
        shown: Lines to show for the section if they differ from `lines`, as for a debugger whose commands are in a file.
    """

    section: str | None
    lines: list[str]
    needs: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def pieces(record: Record) -> list[ScriptPart]:
    """Return a record's steps as parts of a script, in order.

    Args:
        record: A record that passed.
    """
    return list(_Writer(record).all())


class _Writer:
    def __init__(self, record: Record) -> None:
        self.recipe = record.recipe
        self.steps = record.steps
        self.entries = entries(record, None)
        self.backgrounds = {one.number: one for one in backgrounds(record.steps)}
        self.sessions = sessions(record.steps)
        self.runtime_ids: RuntimeIds = find(record.steps, {number: one.name for number, one in self.backgrounds.items()})

    def all(self) -> Iterator[ScriptPart]:
        last_section: str | None = None
        for entry in self.entries:
            section = entry.step.section
            for need, lines in self._ended_before(entry):
                yield ScriptPart(section, lines, (need,))
            done, needs = self._step(entry)
            done += self.runtime_ids.after.get(entry.number, [])
            if section and section != last_section and done:
                done = ["", f"# {comment(section)}", *done]
            last_section = section
            yield ScriptPart(section, done, needs, self._shown(entry))

    def _step(self, entry: TypedStep) -> tuple[list[str], tuple[str, ...]]:
        step = entry.step
        if entry.number in self.backgrounds:
            return self._start(entry, self.backgrounds[entry.number])
        if entry.where is Where.GUEST:
            command = in_bash(entry.typed, self.runtime_ids.instead.get(entry.number, {}))
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
        expected = 128 - status if status < 0 else status
        what = shlex.quote(f"{self.recipe}, step {entry.number}")
        # An earlier line may end a nested shell; the outer shell, in another folder, then reads this line.
        typed = entry.copied if entry.folder else entry.typed
        lines = [*changed(entry), *as_typed(self.runtime_ids.put(entry.number, mirrored(typed)))]
        if entry.step.where is Where.FILE:
            fill = [f"fill {entry.step.command}"] if "<mirror" in (entry.step.stdin or "") else []
            return [*lines, f"check 0 $? {what}", *fill]
        return [*lines, f"check {expected} $? {what}"]

    def _start(self, entry: TypedStep, one: BackgroundProcess) -> tuple[list[str], tuple[str, ...]]:
        command = entry.typed.removesuffix(" &")
        lines = [*changed(entry), *shellcheck_comment(command)]
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
        """Return the steps at a machine until it ends."""
        return [step for step in self.steps[one.number : one.end] if step.machine == self.steps[one.number - 1].machine]

    def _ended_before(self, entry: TypedStep) -> Iterator[tuple[str, list[str]]]:
        """Yield what the lines need and the lines that end the processes which had ended before a step."""
        for one in self.backgrounds.values():
            if one.end != entry.number - 1 or one.number > one.end or one.number == entry.number:
                continue
            if not one.machine:
                yield "start", [f'kill_off "${{pid[{one.name}]}}"']
                continue
            life = self._life(one)
            if any(step.where is Where.QMP and f'"execute": "{QUIT}"' in step.command for step in life):
                continue
            typed = [step for step in life if step.where is Where.GUEST]
            off = bool(typed) and re.search(r"\b(?:poweroff|reboot|halt)\b", typed[-1].command)
            yield "machine", [f"{'powered_off' if off else 'stop'} {one.name}"]

    def _machine(self, step: Step) -> str:
        """Return the name of the machine at which a step was typed: the last one started with the step's label."""
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
        session = next((one for one in self.sessions if entry.number in (one.start, *one.commands)), None)
        if session is None:  # no step of the record started this debugger
            return [f"# in gdb: {line}" for line in entry.typed.split("\n")], ()
        if session.is_batch:
            return self._file(entry, session)
        name = f"gdb{session.number}"
        if entry.number == session.start:
            typed = self.runtime_ids.put(entry.number, entry.typed)
            return [*changed(entry), f"debugger {name} {typed}"], ("gdb",)
        return [f"gdb_do {name} {in_bash(entry.typed)}"], ("gdb",)

    def _file(self, entry: TypedStep, session: Session) -> tuple[list[str], tuple[str, ...]]:
        """Return the lines of a batch session: at its last command they write all commands to a file and run gdb with it."""
        if entry.number == session.start:
            return changed(entry), ()
        if entry.number != session.commands[-1]:
            return [], ()
        file = self._name(session)
        lines: list[str] = []
        section = self.steps[session.start - 1].section
        for number in session.commands:
            step = self.steps[number - 1]
            lines += [f"# {comment(step.section)}"] if step.section and step.section != section else []
            lines += step.command.split("\n")
            section = step.section
        mark = "EOF"
        while mark in lines:
            mark += "_"
        command = self.runtime_ids.put(session.start, self.entries[session.start - 1].typed)
        return [
            f"cat > {file} <<'{mark}'",
            "set pagination off",
            "set width 96",
            "set trace-commands on",
            *lines,
            mark,
            *shellcheck_comment(command),
            f'timeout --foreground "$limit" {command} {self._input(session)}',
            f"check 0 $? {shlex.quote(f'{self.recipe}, {file}')}",
        ], ("gdb",)

    def _name(self, session: Session) -> str:
        return f"{self.recipe}-{session.number}.gdb"

    def _input(self, session: Session) -> str:
        """Return gdb's arguments for the file: ``-x`` stops at the first error; standard input goes on, for recorded errors."""
        return f"< {self._name(session)}" if session.has_errors else f"-batch -x {self._name(session)}"

    def _shown(self, entry: TypedStep) -> tuple[str, ...]:
        """Return the lines to show for a step of a batch session in its section; () for other steps."""
        for session in self.sessions:
            if session.is_batch and entry.number == session.start:
                return (*changed(entry), f"{self.runtime_ids.put(entry.number, entry.typed)} {self._input(session)}")
            if session.is_batch and entry.number in session.commands:
                return tuple(f"# {self._name(session)}: {line}" for line in entry.typed.split("\n"))
        return ()


def changed(entry: TypedStep) -> list[str]:
    """Return the line that changes the folder, if the step does."""
    return [f"{{ {entry.change}; }} || exit 1"] if entry.change else []


_SHELLCHECK = {
    "SC2016": r"'[^']*[$`]",
    "SC2086": r"\$(?:\w|\{)",
    "SC2046": r"\$\(",
    "SC2038": r"\bfind\b.*\| xargs",
    "SC2010": r"\bls\b.*\| grep",
    "SC2234": r"^test ",
    "SC2009": r"\bps\b.*\| grep",
}
"""Warnings of shellcheck that commands typed on a page may cause, each with a regular expression for such commands."""


def as_typed(typed: str) -> list[str]:
    """Return a command as it was typed, in a subshell."""
    return [*shellcheck_comment(typed), "(", typed, ")"]


def shellcheck_comment(typed: str) -> list[str]:
    """Return the comment that turns off shellcheck's warnings about a command; [] if it needs none."""
    codes = [code for code, pattern in _SHELLCHECK.items() if re.search(pattern, typed.partition("<<'")[0])]
    return [f"# shellcheck disable={','.join(codes)}"] if codes else []


def in_bash(text: str, replacements: dict[str, str] | None = None) -> str:
    """Return a text as one word of bash.

    Args:
        text: The text, which the host's shell must not expand.
        replacements: Expressions that bash expands, by the text they replace.
    """
    if not replacements:
        return shlex.quote(text)
    quoted = re.sub(r'(["`\\$])', r"\\\1", text)
    for old, word in replacements.items():
        edge = r"(?<!\w)" if old[0].isalnum() else r"(?<![\w$])"
        quoted = re.sub(rf"{edge}{re.escape(old)}(?!\w)", word.replace("\\", r"\\"), quoted)
    return f'"{quoted}"'


def mirrored(typed: str) -> str:
    """Return a command with the script's variables in place of ``<mirror>``."""
    if "<<'" in typed:
        return typed
    return re.sub(r"<mirror(?:-(\d+))?>", lambda match: f'"$MIRROR{f"_{match[1]}" if match[1] else ""}"', typed)


def comment(text: str) -> str:
    """Return a text on one line, for a comment."""
    return " ".join(text.split())
