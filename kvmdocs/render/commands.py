"""What a reader types to do what a record did, to the letter: it is what the copy buttons copy.

A record knows a command, its working directory, what was fed to it and whether it went on in the background. Typed at a
terminal that is a ``cd``, the command, a here-document, an ``&``.

A ``cd`` can fail, and a terminal goes on with the next line. So what is copied joins commands to their ``cd`` by ``&&``. A command that
removes or overwrites what lies in the current directory has its own, also on the page and in scripts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from kvmdocs.core.control_characters import UNSEEN, in_ascii_quotes
from kvmdocs.core.model import Record, Step, Where

_SHELLS = (Where.HOST, Where.ROOT)

_BEGINS = (
    r"(?:^|[\n;&|(){}`\"']|\b(?:do|then|else)\s|\b(?:sudo|doas|exec|execdir|xargs|env|nice|time|timeout|busybox)\s(?:[^;|&\n]*\s)?)"
    r"\s*(?:\w+=\S*\s+)*(?:[\w./~-]*/)?"
)
"""Where a command begins in a line of shell, in quotes and command substitutions too."""

_DESTROYS = re.compile(
    rf"{_BEGINS}(?:rm|rmdir|unlink|shred|mv|dd|truncate|fallocate|wipefs|blkdiscard|mkfs|mkfs\.\w+|mke2fs|mkswap|rsync)(?![\w./=-])"
    rf"|{_BEGINS}find\s[^;|&]*\s-delete\b"
    rf"|{_BEGINS}git\s(?:[^;|&]*\s)?(?:clean|reset|checkout|restore|rm|stash)\b"
)
"""Finds commands that remove or overwrite whatever lies under a name that they are given. One too many does no harm."""

_LIST = re.compile(r";|\|\||(?<![&>])&(?![&>])|\n")
"""Finds what makes a line of shell more than one pipeline, or a chain of such with ``&&``."""


@dataclass(frozen=True)
class TypedStep:
    """A step with what is typed for it.

    Attributes:
        step: The step.
        number: Its number in the record, counted from 1.
        where: Who it is typed to; for a file, the shell that writes it.
        change: The line that changes the working directory first, "" when it is already the right one.
        typed: The command, with what is fed to it and its ``&``; may have several lines.
        folder: The directory that the command must not be reached outside of, "" if it may.
    """

    step: Step
    number: int
    where: Where
    change: str
    typed: str
    folder: str = ""

    @property
    def copied(self) -> str:
        """Everything that is typed for the step; of a host's command, to the letter what the page shows."""
        if self.where is Where.GUEST:
            return _one_line(self.typed)
        change = self.change or (_change(self.folder, make=False) if self.folder else "")
        several = self.step.mode if self.step.where is Where.FILE else _LIST.search(self.typed.replace("\\\n", ""))
        return _only_after(change, self.typed, grouped=bool(several)) if change else self.typed

    @property
    def shown(self) -> str:
        """The text in the step's box: a file's content, else the command as it is typed."""
        if self.step.where is Where.FILE:
            return (self.step.stdin or "").removesuffix("\n")
        return self.typed if self.where is Where.GUEST else self.copied

    @property
    def place(self) -> tuple[Where, str]:
        """The prompt it is typed at: steps with equal places share one."""
        return self.where, self.step.machine


def entries(record: Record, section: str | None) -> list[TypedStep]:
    """The steps of a section (all for None), each with what is typed for it.

    A directory is changed to when it differs from that of the last step shown at the same terminal. It is made as well where the reader of
    the page may not have it: the recipe's own folder, which the store had made, by the first step of the whole recipe; one below it, in
    which a section begins, by the first step there, since the one that made it may be in no section that is shown.
    """
    found: list[TypedStep] = []
    folders: dict[str, str] = {}
    first_folder = next((step.cwd for step in record.steps if step.cwd), None)
    entered: set[str] = set()
    for number, (step, where) in enumerate(zip(record.steps, _places(record.steps), strict=True), 1):
        shown = section is None or step.section == section
        if shown:
            change = ""
            if step.cwd and folders.get(step.machine) != step.cwd:
                first = step.cwd not in entered and _own(step.cwd, record.recipe)
                change = _change(step.cwd, make=first and (step.cwd == first_folder or (section is not None and not found)))
                folders[step.machine] = step.cwd
            found.append(_entry(step, number, where, change))
        entered |= {step.cwd} if step.cwd else set()
    return found


def _entry(step: Step, number: int, where: Where, change: str) -> TypedStep:
    """A step with what is typed for it, given the line that changes the directory."""
    if step.where is Where.FILE:
        harms = re.match(r"['\"]?[/~$]", step.command) is None
    else:
        harms = where in _SHELLS and _DESTROYS.search(step.command) is not None
    return TypedStep(step, number, where, change, _typed(step, where), (step.cwd or "") if harms else "")


def runs(found: Sequence[TypedStep]) -> list[list[TypedStep]]:
    """The entries in groups of neighbours that are typed at the same prompt."""
    groups: list[list[TypedStep]] = []
    for entry in found:
        if groups and groups[-1][-1].place == entry.place:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def copied(run: Sequence[TypedStep]) -> str:
    """Everything that is typed for some entries at one prompt.

    Raises:
        ValueError: They are typed at several prompts: in one window what is meant for a guest would reach the host.
    """
    if len({entry.place for entry in run}) > 1:
        raise ValueError("what is typed at several prompts cannot be copied together")
    parts: list[list[TypedStep]] = []
    for entry in run:
        if parts and not entry.change:
            parts[-1].append(entry)
        else:
            parts.append([entry])
    return "\n".join(map(_copied_in_one_folder, parts))


def _copied_in_one_folder(part: Sequence[TypedStep]) -> str:
    """What is typed for entries of which only the first may change the directory: none of them is reached when that fails."""
    first, *others = part
    if not first.change or not others:
        return "\n".join(entry.copied for entry in part)
    lines = [first.typed, *(entry.copied for entry in others)]
    return _only_after(first.change, "\n".join(lines), grouped=True)


def _only_after(change: str, typed: str, *, grouped: bool) -> str:
    """What is typed, joined to a change of directory so that it is not reached when that fails."""
    return f"{change} && {{\n{typed}\n}}" if grouped else f"{change} &&\n{typed}"


def _places(steps: Sequence[Step]) -> list[Where]:
    """Who each step is typed to. A file is written from the shell that is in use, the next one if there is none yet."""
    shell = next((step.where for step in steps if step.where in _SHELLS), Where.HOST)
    places = []
    for step in steps:
        shell = step.where if step.where in _SHELLS else shell
        places.append(shell if step.where is Where.FILE else step.where)
    return places


def _one_line(command: str) -> str:
    """A command for a guest's shell, which takes each line for a whole command, without the breaks it is shown with."""
    return re.sub(r"(\||&&|\{|\bdo|\bthen)\n\s*", r"\1 ", re.sub(r"\s*\\\n\s*", " ", command))


def _own(folder: str, recipe: str) -> bool:
    return re.search(rf"/{re.escape(recipe)}(?:/|$)", folder) is not None


def _change(folder: str, *, make: bool) -> str:
    home, _, rest = folder.partition("~/")
    quoted = f"~/{shlex.quote(rest)}" if not home and rest else shlex.quote(folder)
    return f"mkdir -p {quoted} && cd {quoted}" if make else f"cd {quoted}"


def _typed(step: Step, where: Where) -> str:
    if step.where is Where.FILE:
        chmod = f"\nchmod {step.mode} {step.command}" if step.mode else ""
        return _file(step.command, step.stdin or "") + chmod
    command = step.command
    if step.stdin:
        command = _fed(command, step.stdin) if where in (*_SHELLS, Where.GUEST) else f"{command}\n{step.stdin.rstrip()}"
    if step.background and not step.stdin:
        command += " &"
    return command


def _file(name: str, text: str) -> str:
    """The commands that write a file, its folder included."""
    folder = name.rpartition("/")[0]
    if folder and re.search(r"[\"']", name):  # a quoted name cannot be cut
        folder = f'"$(dirname {name})"'
    make = f"mkdir -p {folder} && " if folder and not folder.endswith("~") else ""
    if text and (quoted := _as_word(text)):
        return f"{make}printf %s {quoted} > {name}"
    return f"{make}cat > {name} {_here(text)}"


def _fed(command: str, text: str) -> str:
    """A command with what it reads; a list or pipe is grouped, else only its last command would read."""
    if re.search(r"[|;&\n]", command.replace("\\\n", "")):
        command = f"{{ {command}; }}"
    if quoted := _as_word(text):
        return f"printf %s {quoted} | {command}"
    return f"{command} {_here(text)}"


def _as_word(text: str) -> str:
    """Text as a word of bash where it cannot be a here-document, which always ends in a newline and shows what is in it; "" where it can."""
    if UNSEEN.search(text):
        return in_ascii_quotes(text)
    return "" if text.endswith("\n") else shlex.quote(text)


def _here(text: str) -> str:
    """A here-document whose end mark is no line of the text."""
    mark = "EOF"
    while mark in text.split("\n"):
        mark += "_"
    return f"<<'{mark}'\n{text}{mark}"
