"""Commands that repeat the steps of a record, exactly as a reader types them and as the copy buttons copy them.

A record has a command, its working directory, its standard input, and whether it ran in the background. At a terminal these
become a ``cd``, the command, a here-document and an ``&``.

If a ``cd`` fails, a terminal continues with the next line. Therefore copied text joins commands to their ``cd`` with ``&&``. A
command that removes or overwrites files in the current directory always has its own ``cd``, on the page and in scripts as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Sequence
from dataclasses import dataclass

from kvmdocs.core.control_characters import UNSEEN, in_ascii_quotes
from kvmdocs.core.model import Record, Step, Where

_SHELLS = (Where.HOST, Where.ROOT)

_COMMAND_START = (
    r"(?:^|[\n;&|(){}`\"']|\b(?:do|then|else)\s"
    r"|\b(?:sudo|doas|exec|execdir|xargs|env|nice|time|timeout|busybox)\s(?:[^;|&\n]*\s)?)"
    r"\s*(?:\w+=\S*\s+)*(?:[\w./~-]*/)?"
)
"""Matches the start of a command in a line of shell, including within quotes and command substitutions."""

_DESTRUCTIVE = re.compile(
    rf"{_COMMAND_START}(?:rm|rmdir|unlink|shred|mv|dd|truncate|fallocate|wipefs|blkdiscard|mkfs|mkfs\.\w+|mke2fs|mkswap|rsync)"
    rf"(?![\w./=-])"
    rf"|{_COMMAND_START}find\s[^;|&]*\s-delete\b"
    rf"|{_COMMAND_START}git\s(?:[^;|&]*\s)?(?:clean|reset|checkout|restore|rm|stash)\b"
)
"""Matches commands that remove or overwrite files named in their arguments. A false positive does no harm."""

_SEPARATOR = re.compile(r";|\|\||(?<![&>])&(?![&>])|\n")
"""Matches separators that make a line of shell more than one pipeline or chain of pipelines with ``&&``."""


@dataclass(frozen=True)
class TypedStep:
    """A step with the text that is typed for it.

    Attributes:
        step: The step.
        number: The step's number in the record, counted from 1.
        where: The program that reads the text; for a file, the shell that writes it.
        change: The command that changes the working directory first; "" if the directory is already right.
        typed: The command with its standard input and ``&``; may have several lines.
        folder: The directory outside of which the command must not run; "" if it may run anywhere.
    """

    step: Step
    number: int
    where: Where
    change: str
    typed: str
    folder: str = ""

    @property
    def copied(self) -> str:
        """All text that is typed for the step. For a command on the host it is exactly the text on the page."""
        if self.where is Where.GUEST:
            return _join_lines(self.typed)
        change = self.change or (_cd(self.folder, make=False) if self.folder else "")
        grouped = self.step.mode if self.step.where is Where.FILE else _SEPARATOR.search(self.typed.replace("\\\n", ""))
        return _after_cd(change, self.typed, grouped=bool(grouped)) if change else self.typed

    @property
    def shown(self) -> str:
        """The text in the step's box: the content of a file, or the command as typed."""
        if self.step.where is Where.FILE:
            return (self.step.stdin or "").removesuffix("\n")
        return self.typed if self.where is Where.GUEST else self.copied

    @property
    def place(self) -> tuple[Where, str]:
        """The prompt at which the step is typed. Steps with equal values share a prompt."""
        return self.where, self.step.machine


def entries(record: Record, section: str | None) -> list[TypedStep]:
    """Return the steps of a section, each with the text that is typed for it.

    A ``cd`` is added if the directory differs from that of the previous step at the same terminal. A ``mkdir`` is added if the
    reader may not have the directory yet: for the recipe's own folder, which the store creates, where a section enters it (a
    page may show no earlier section), and for a folder below it in which a section starts and that no earlier step was in.

    Args:
        record: The record.
        section: The section; None for the whole recipe.
    """
    selected: list[TypedStep] = []
    folders: dict[str, str] = {}
    entered: set[str] = set()
    for number, (step, where) in enumerate(zip(record.steps, _prompts(record.steps), strict=True), 1):
        if section is None or step.section == section:
            change = ""
            if step.cwd and folders.get(step.machine) != step.cwd:
                change = _cd(step.cwd, make=_may_be_missing(step.cwd, record, section, selected, entered))
                folders[step.machine] = step.cwd
            selected.append(_entry(step, number, where, change))
        entered |= {step.cwd} if step.cwd else set()
    return selected


def _may_be_missing(
    folder: str, record: Record, section: str | None, selected: Sequence[TypedStep], entered: Container[str]
) -> bool:
    """Check whether a reader may not have a folder yet to which a step changes.

    Args:
        folder: The folder.
        record: The record.
        section: The section that is shown.
        selected: The steps of it before this one.
        entered: Folders of the record's steps before this one.
    """
    if not _is_own(folder, record.recipe):
        return False
    if re.search(rf"/{re.escape(record.recipe)}/?$", folder):
        return all(one.step.cwd != folder for one in selected)
    return folder not in entered and section is not None and not selected


def _entry(step: Step, number: int, where: Where, change: str) -> TypedStep:
    """Return a step with the text that is typed for it. `change` is the command that changes the directory."""
    if step.where is Where.FILE:
        destructive = re.match(r"['\"]?[/~$]", step.command) is None
    else:
        destructive = where in _SHELLS and _DESTRUCTIVE.search(step.command) is not None
    return TypedStep(step, number, where, change, _typed(step, where), (step.cwd or "") if destructive else "")


def runs(steps: Sequence[TypedStep]) -> list[list[TypedStep]]:
    """Group consecutive steps that are typed at the same prompt."""
    groups: list[list[TypedStep]] = []
    for entry in steps:
        if groups and groups[-1][-1].place == entry.place:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def copied(run: Sequence[TypedStep]) -> str:
    """Return all text that is typed for some steps at one prompt.

    Raises:
        ValueError: The steps are typed at several prompts. In one window, commands for a guest would run on the host.
    """
    if len({entry.place for entry in run}) > 1:
        raise ValueError("steps typed at several prompts cannot be copied together")
    parts: list[list[TypedStep]] = []
    for entry in run:
        if parts and not entry.change:
            parts[-1].append(entry)
        else:
            parts.append([entry])
    return "\n".join(map(_copied_in_folder, parts))


def _copied_in_folder(part: Sequence[TypedStep]) -> str:
    """Return the text of steps of which only the first may change the directory. If the ``cd`` fails, none of them runs."""
    first, *others = part
    if not first.change or not others:
        return "\n".join(entry.copied for entry in part)
    lines = [first.typed, *(entry.copied for entry in others)]
    return _after_cd(first.change, "\n".join(lines), grouped=True)


def _after_cd(change: str, typed: str, *, grouped: bool) -> str:
    """Join text to a ``cd`` so that it does not run if the ``cd`` fails."""
    return f"{change} && {{\n{typed}\n}}" if grouped else f"{change} &&\n{typed}"


def _prompts(steps: Sequence[Step]) -> list[Where]:
    """Return the program that reads each step.

    A file is written by the shell in use, or by the next one if none is in use yet.
    """
    shell = next((step.where for step in steps if step.where in _SHELLS), Where.HOST)
    prompts = []
    for step in steps:
        shell = step.where if step.where in _SHELLS else shell
        prompts.append(shell if step.where is Where.FILE else step.where)
    return prompts


def _join_lines(command: str) -> str:
    """Join the lines of a wrapped command for a guest, whose shell takes each line for a complete command."""
    return re.sub(r"(\||&&|\{|\bdo|\bthen)\n\s*", r"\1 ", re.sub(r"\s*\\\n\s*", " ", command))


def _is_own(folder: str, recipe: str) -> bool:
    return re.search(rf"/{re.escape(recipe)}(?:/|$)", folder) is not None


def _cd(folder: str, *, make: bool) -> str:
    home, _, rest = folder.partition("~/")
    quoted = f"~/{shlex.quote(rest)}" if not home and rest else shlex.quote(folder)
    return f"mkdir -p {quoted} && cd {quoted}" if make else f"cd {quoted}"


def _typed(step: Step, where: Where) -> str:
    if step.where is Where.FILE:
        chmod = f"\nchmod {step.mode} {step.command}" if step.mode else ""
        return _file_command(step.command, step.stdin or "") + chmod
    command = step.command
    if step.stdin:
        command = _with_stdin(command, step.stdin) if where in (*_SHELLS, Where.GUEST) else f"{command}\n{step.stdin.rstrip()}"
    if step.background and not step.stdin:
        command += " &"
    return command


def _file_command(name: str, text: str) -> str:
    """Return the command that writes a file and creates its folder."""
    folder = name.rpartition("/")[0]
    if folder and re.search(r"[\"']", name):  # cutting a quoted name would unbalance its quotes
        folder = f'"$(dirname {name})"'
    make = f"mkdir -p {folder} && " if folder and not folder.endswith("~") else ""
    if text and (quoted := _quoted(text)):
        return f"{make}printf %s {quoted} > {name}"
    return f"{make}cat > {name} {_here_document(text)}"


def _with_stdin(command: str, text: str) -> str:
    """Return a command with its standard input.

    A list or pipeline is grouped, since otherwise the input would reach only one command.
    """
    if re.search(r"[|;&\n]", command.replace("\\\n", "")):
        command = f"{{ {command}; }}"
    if quoted := _quoted(text):
        return f"printf %s {quoted} | {command}"
    return f"{command} {_here_document(text)}"


def _quoted(text: str) -> str:
    """Return text as a bash word, or "" if a here-document can hold it.

    A here-document cannot hold text that does not end in a newline, and would contain invisible characters as they are.
    """
    if UNSEEN.search(text):
        return in_ascii_quotes(text)
    return "" if text.endswith("\n") else shlex.quote(text)


def _here_document(text: str) -> str:
    """Return text as a here-document with a delimiter that is not a line of the text."""
    delimiter = "EOF"
    while delimiter in text.split("\n"):
        delimiter += "_"
    return f"<<'{delimiter}'\n{text}{delimiter}"
