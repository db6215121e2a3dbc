"""Recipes as a bash script: the commands of their records and of those they build on, up to the first failure.

The script also types the commands for guests, monitors and debuggers, and waits for each answer. A debugger whose commands
came without other steps in between gets them as a file. The functions for that are in ``kvmdocs/script/bash/``.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files

from kvmdocs.core.control_characters import make_visible
from kvmdocs.core.model import Record
from kvmdocs.core.words import Language, duration, words
from kvmdocs.script.apt_mirrors import fill_lines, lookup_lines, mirror_names, variable
from kvmdocs.script.writer import ScriptPart, comment, pieces

_HEAD = """\
#!/usr/bin/env bash
# {title}, as it ran on {host} ({system}) at {started}.
# The same commands in the same order, including the recipes they build on, each recipe in its own folder below {lab}.
# The script stops at the first command whose exit status differs from the recorded one. It does not check the output.
# A recipe that others build on is not run again if a script has run it. To use a folder that was made in another way, give
# --have RECIPE, or --have all for every such folder.
#
{facts}
"""

_WORDS = "# shellcheck disable=SC2016  # guests and debuggers expand their commands themselves\n"

_NEEDS = {
    "start": ("start",),
    "gdb": ("start", "talk", "gdb"),
    "machine": ("start", "talk", "machine"),
}
"""Files with the functions that each kind of line calls, in order."""

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
    """Return the text of a script.

    Args:
        records: Records, each after those it builds on.
        environ: Environment variables that are the same for every recipe.
        missing: Reason by recipe, for recipes that are left out.
        title: Title of the script; the last recipe's name if not given.
        shown: Recipes that the script is for, which it runs every time; the last one if not given.
        mirrors: Default address of each ``<mirror>``, by the name in brackets; the script looks up others in its host's apt
            configuration (`kvmdocs.script.apt_mirrors`).
        lab: Folder of all recipes' folders.
        packages: Command for root that installs the needed packages, by family of distributions.
    """
    records = list(records)
    last = records[-1]
    targets = set(shown) or {last.recipe}
    parts = {record.recipe: pieces(record) for record in records}
    needs = {file for some in parts.values() for part in some for need in part.needs for file in _NEEDS[need]} | {"head"}
    given = mirrors or {}
    body = "".join(_recipe(record, parts[record.recipe], targets, given) for record in records)
    lookups = lookup_lines((step for record in records for step in record.steps), given)
    if lookups:
        needs.add("mirror")
    head = _HEAD.format(
        title=title or f"The recipe {last.recipe}",
        host=comment(last.host.name),
        system=comment(last.host.system),
        started=comment(last.started),
        lab=lab,
        facts=_facts(records, missing or {}, packages or {}, talks="machine" in needs),
    )
    settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environ.items()))
    used = dict.fromkeys(name for record in records for name in mirror_names(record.steps))
    settings += "".join(f': "${{{variable(name)}:={shlex.quote(given[name])}}}"\n' for name in used if name in given)
    found = "".join(f"{line}\n" for line in ("", *lookups)) if lookups else ""
    functions = "\n".join(_bash(file) for file in _ORDER if file in needs)
    return make_visible(f"{head}{_WORDS if 'talk' in needs else ''}{settings}lab={lab}\n\n{functions}{found}{body}")


def section_script(record: Record, section: str | None) -> str:
    """Return the part of a recipe's script for one of its sections, to be read next to the transcript.

    Args:
        record: A record that passed.
        section: Name of the section; None for the whole recipe.

    Returns:
        Lines of bash; "" if the recipe has no such section.
    """
    if section is None:
        return make_visible("\n".join(line for part in pieces(record) for line in part.lines).strip("\n"))
    parts = [part for part in pieces(record) if part.section == section]
    lines = [line for part in parts for line in part.shown or part.lines if line != f"# {comment(section)}"]
    return make_visible("\n".join(lines).strip("\n"))


def _facts(records: list[Record], missing: Mapping[str, str], packages: Mapping[str, str], *, talks: bool) -> str:
    """Return comments about duration, needed tools and packages, and recipes that are left out."""
    took = sum(record.seconds for record in records)
    tools = sorted({comment(tool) for record in records for tool in record.tools} | ({"python3"} if talks else set()))
    needs = f" and needs: {', '.join(tools)}" if tools else ""
    lines = [f"It took {duration(took, words(Language.EN))} there{needs}."]
    lines += [f"{family}, as root: {command}" for family, command in packages.items()]
    lines += [f"{name} is left out: {comment(reason)}" for name, reason in missing.items()]
    return "\n".join(f"# {line}" for line in lines)


def _recipe(record: Record, parts: list[ScriptPart], targets: set[str], given: Collection[str]) -> str:
    """Return one recipe's lines, in a subshell that ends the processes they start. Mirrors in `given` have an address."""
    lines = [line for part in parts for line in part.lines]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    role = "shown" if record.recipe in targets else "input"
    ending = ["trap end EXIT"] if any(part.needs for part in parts) else []
    return "\n".join(
        [
            "",
            f"if due {record.recipe} {role} {digest}; then (",
            *ending,
            *fill_lines(record.steps, given),
            *lines,
            ") || exit 1",
            f"made {record.recipe} {digest}",
            "fi",
            "",
        ]
    )


def _bash(name: str) -> str:
    return files("kvmdocs.script").joinpath("bash", f"{name}.bash").read_text("utf-8")
