"""A recipe as the bash script a reader could run: the commands of its record and of those it builds on, stopping at the first failure.

What a debugger was told comes as a file of gdb's commands, run in one go. What was typed into a guest or a monitor cannot be
part of a script; it stands in it as a comment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from kvmdocs.model import Record, Where
from kvmdocs.render.typed import Entry, entries

_SHELLS = (Where.HOST, Where.ROOT)

_HEAD = """\
#!/usr/bin/env bash
# The recipe {name}, as it ran on {host} ({system}) at {started}.
# The same commands in the same order, with those it builds on; it stops at the first that does not end as it did then.
# What the recipe looks for in their output is not checked here.
set -o pipefail
{environment}
exec < /dev/null

check() {{
  if [ "$1" -ne "$2" ]; then
    echo "$3: exit status $2, not $1" >&2
    exit 1
  fi
}}
"""

_PIDS = """
pids=()
end() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null; done
}
trap end EXIT
"""

_LABELS = {Where.GUEST: "in the guest", Where.HMP: "at QEMU's monitor", Where.QMP: "over QMP", Where.GDB: "in gdb"}


def script(records: Iterable[Record], environ: Mapping[str, str], missing: Mapping[str, str] | None = None) -> str:
    """The script.

    Args:
        records: The records, each after those it builds on; the last is the recipe's own.
        environ: Variables that every recipe sees with the same value.
        missing: Recipes it builds on that have no record, and why.

    Returns:
        Its text.
    """
    known = list(records)
    last = known[-1]
    environment = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(environ.items()))
    parts = [
        _HEAD.format(
            name=last.recipe, host=last.host.name, system=last.host.system, started=last.started, environment=environment
        )
    ]
    if any(step.background for record in known for step in record.steps):
        parts.append(_PIDS)
    parts += [f"\n# {name} was not run: {_comment(reason)}\n" for name, reason in (missing or {}).items()]
    parts += [_recipe(record) for record in known]
    return "".join(parts)


def section_script(record: Record, section: str | None) -> str:
    """What a recipe's script has for one of its sections, to be read beside the transcript.

    Args:
        record: A record that passed.
        section: The section; None for the whole recipe.

    Returns:
        Lines of bash; "" when the recipe has no such section.
    """
    return "\n".join(_lines(record, section)).strip("\n")


def _recipe(record: Record) -> str:
    return "\n".join(["", f"# -- {record.recipe} --", *_lines(record, None)]) + "\n"


def _lines(record: Record, wanted: str | None) -> list[str]:
    lines: list[str] = []
    section = wanted
    session: list[str] = []  # what the gdb that was started last is told
    attach = ""
    number = 0
    for entry in entries(record, wanted):
        heading = [f"# {_comment(entry.step.section)}"] if entry.step.section and entry.step.section != section else []
        begins = entry.step.section != section
        section = entry.step.section
        if entry.where is Where.GDB and attach:
            session += [*heading, entry.step.command]
            continue
        if session:
            number += 1
            lines += _debug(record.recipe, number, attach, session)
            session, attach = [], ""
        lines += ["", *heading] if begins else []
        if _starts_gdb(entry):
            attach = entry.step.command
            lines += _changed(entry)
        else:
            lines += _step(record.recipe, entry)
    if session:
        lines += _debug(record.recipe, number + 1, attach, session)
    return lines


def _step(recipe: str, entry: Entry) -> list[str]:
    step = entry.step
    if entry.where not in _SHELLS:
        told = step.command.split("\n")
        where = f"{_LABELS[entry.where]}{f' {step.machine}' if step.machine else ''}"
        return [f"# {where}: {told[0]}", *(f"#   {line}" for line in told[1:])]
    lines = _changed(entry)
    # The commands stand as they were typed, to the letter; the rest is what is to be checked.
    if step.background:
        return [*lines, "# shellcheck disable=all", entry.typed.removesuffix(" &") + " &", 'pids+=("$!")']
    status = step.status or 0
    wanted = 128 - status if status < 0 else status
    return [
        *lines,
        "# shellcheck disable=all",
        "(",
        entry.typed,
        ")",
        f"check {wanted} $? {shlex.quote(f'{recipe}, step {entry.number}')}",
    ]


def _changed(entry: Entry) -> list[str]:
    return [f"{{ {entry.change}; }} || exit 1"] if entry.change else []


def _starts_gdb(entry: Entry) -> bool:
    return entry.where in _SHELLS and entry.step.status is None and re.match(r"\S*gdb\b", entry.step.command) is not None


def _debug(recipe: str, number: int, attach: str, session: list[str]) -> list[str]:
    """The file of gdb's commands, and the command that runs it."""
    name = f"{recipe}-{number}.gdb"
    # The process that was debugged is not there any more; the script's own is the one it started last.
    started = re.sub(r"(?<=-p )\d+|(?<=--pid[= ])\d+", '"${pids[-1]}"', attach)
    text = "".join(f"{command}\n" for command in session)
    mark = "EOF"
    while mark in text.split("\n"):
        mark += "_"
    return [
        f"cat > {name} <<'{mark}'\n{text}{mark}",
        "# shellcheck disable=all",
        f"{started} -batch -x {name}",
        f"check 0 $? {shlex.quote(f'{recipe}, {name}')}",
    ]


def _comment(text: str) -> str:
    return " ".join(text.split())
