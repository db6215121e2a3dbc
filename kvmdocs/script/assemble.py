"""Recipes as the bash script a reader could run: the commands of their records and of those they build on, stopping at the first failure.

What was typed into a guest, to a monitor or to a debugger is told to them by the script, too, which waits for the answer; a
debugger that was told all in one go gets a file of commands. The functions for that are in ``kvmdocs/bash/``.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files

from kvmdocs.core.control_characters import as_seen
from kvmdocs.core.model import Record
from kvmdocs.core.words import Language, duration, words
from kvmdocs.script.apt_mirrors import asking, filling, hidden, variable
from kvmdocs.script.writer import ScriptPart, comment, pieces

_HEAD = """\
#!/usr/bin/env bash
# {title}, as it ran on {host} ({system}) at {started}.
# The same commands in the same order, with those they build on, each recipe in a folder of its own below {lab}.
# It stops at the first command that does not end as it did then; what recipes look for in the output is not checked here.
# What others build on and what a script has made already is not made again; --have RECIPE takes a folder that was made otherwise, and
# --have all every such folder.
#
{facts}
"""

_WORDS = "# shellcheck disable=SC2016  # what guests and debuggers are told is for them to expand\n"

_NEEDS = {
    "start": ("start",),
    "gdb": ("start", "talk", "gdb"),
    "machine": ("start", "talk", "machine"),
}
"""For each kind of line, the files with the functions it calls, in order."""

_ORDER = ("head", "mirror", "start", "talk", "machine", "gdb")


def script(
    records: Iterable[Record],
    environ: Mapping[str, str],
    missing: Mapping[str, str] | None = None,
    *,
    title: str = "",
    shown: Iterable[str] = (),
    mirrors: Mapping[str, str] | None = None,
    lab: str = "~/kvm-lab",
    packages: Mapping[str, str] | None = None,
) -> str:
    """The script.

    Args:
        records: The records, each after those it builds on.
        environ: Variables that every recipe sees with the same value.
        missing: Recipes that are left out, and why.
        title: What it is the script of; the last recipe if not given.
        shown: The recipes it is made for, which are run again every time; the last one if not given.
        mirrors: The address that stands for each ``<mirror>`` where a reader gives none, by the name in brackets; for others the script
            asks its host's apt (`kvmdocs.script.apt_mirrors`).
        lab: The readable folder of all recipes.
        packages: What root types to install what it needs, by family of distributions.

    Returns:
        Its text.
    """
    known = list(records)
    asked = set(shown) or {known[-1].recipe}
    made = {record.recipe: pieces(record) for record in known}
    needs = {file for parts in made.values() for part in parts for need in part.needs for file in _NEEDS[need]} | {"head"}
    given = mirrors or {}
    body = "".join(_recipe(record, made[record.recipe], asked, given) for record in known)
    asked_for = asking((step for record in known for step in record.steps), given)
    if asked_for:
        needs.add("mirror")
    last = known[-1]
    head = _HEAD.format(
        title=title or f"The recipe {last.recipe}",
        host=comment(last.host.name),
        system=comment(last.host.system),
        started=comment(last.started),
        lab=lab,
        facts=_facts(known, missing or {}, packages or {}, talks="machine" in needs),
    )
    settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environ.items()))
    used = dict.fromkeys(name for record in known for name in hidden(record.steps))
    settings += "".join(f': "${{{variable(name)}:={shlex.quote(given[name])}}}"\n' for name in used if name in given)
    found = "".join(f"{line}\n" for line in ("", *asked_for)) if asked_for else ""
    functions = "\n".join(_bash(file) for file in _ORDER if file in needs)
    return as_seen(f"{head}{_WORDS if 'talk' in needs else ''}{settings}lab={lab}\n\n{functions}{found}{body}")


def section_script(record: Record, section: str | None) -> str:
    """What a recipe's script has for one of its sections, to be read beside the transcript.

    Args:
        record: A record that passed.
        section: The section; None for the whole recipe.

    Returns:
        Lines of bash; "" when the recipe has no such section.
    """
    if section is None:
        return as_seen("\n".join(line for part in pieces(record) for line in part.lines).strip("\n"))
    parts = [part for part in pieces(record) if part.section == section]
    lines = [line for part in parts for line in part.told or part.lines if line != f"# {comment(section)}"]
    return as_seen("\n".join(lines).strip("\n"))


def _facts(records: list[Record], missing: Mapping[str, str], packages: Mapping[str, str], *, talks: bool) -> str:
    """What a reader wants to know before running it, as comments."""
    took = sum(record.seconds for record in records)
    tools = sorted({comment(tool) for record in records for tool in record.tools} | ({"python3"} if talks else set()))
    needs = f" and needs: {', '.join(tools)}" if tools else ""
    lines = [f"It took {duration(took, words(Language.EN))} there{needs}."]
    lines += [f"{family}, as root: {command}" for family, command in packages.items()]
    lines += [f"{name} is left out: {comment(reason)}" for name, reason in missing.items()]
    return "\n".join(f"# {line}" for line in lines)


def _recipe(record: Record, parts: list[ScriptPart], asked: set[str], given: Collection[str]) -> str:
    """One recipe: its lines in a shell of their own, which ends what they started. The addresses in `given` are known by then."""
    lines = [line for part in parts for line in part.lines]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    what = "shown" if record.recipe in asked else "input"
    ending = ["trap end EXIT"] if any(part.needs for part in parts) else []
    return "\n".join(
        [
            "",
            f"if due {record.recipe} {what} {digest}; then (",
            *ending,
            *filling(record.steps, given),
            *lines,
            ") || exit 1",
            f"made {record.recipe} {digest}",
            "fi",
            "",
        ]
    )


def _bash(name: str) -> str:
    return files("kvmdocs.script").joinpath("bash", f"{name}.bash").read_text("utf-8")
