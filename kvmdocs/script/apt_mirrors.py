"""Addresses of apt mirrors, which a script looks up on its reader's host because records do not contain them.

A recipe writes entries for apt (sources.list(5)) in which ``<mirror>`` stands for the address of its host's mirror. The suites,
components and keyring next to it identify the archive. The script looks for an entry of the same archive in the apt
configuration of the host it runs on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable

from kvmdocs.core.model import Step, Where

_MIRROR = re.compile(r"<(mirror(?:-\d+)?)>")


def mirror_names(steps: Iterable[Step]) -> list[str]:
    """Return the names of the mirrors in steps, such as ``mirror-2``, each once."""
    texts = [text for step in steps for text in (step.command, step.stdin or "")]
    return list(dict.fromkeys(name for text in texts for name in _MIRROR.findall(text)))


def variable(name: str) -> str:
    """Return the script's variable for a mirror: ``MIRROR_2`` for ``mirror-2``."""
    return name.upper().replace("-", "_")


def lookup_lines(steps: Iterable[Step], given: Collection[str] = ()) -> list[str]:
    """Return the lines of a script that look up mirrors in its host's apt configuration, unless the reader has set them.

    Args:
        steps: Steps of all its recipes.
        given: Names of the mirrors that have an address already.
    """
    archives = {name: archive for name, archive in _archives(steps).items() if name not in given}
    return [f': "${{{variable(name)}:=$(mirror {shlex.join(archive)})}}"' for name, archive in archives.items()]


def fill_lines(steps: Collection[Step], given: Collection[str] = ()) -> list[str]:
    """Return the lines of a recipe that check that all mirrors are set and define ``fill``, which puts them into a file.

    Args:
        steps: Steps of the recipe.
        given: Names of the mirrors that have an address already.
    """
    archives = _archives(steps)
    names = mirror_names(steps)
    lines = []
    for name in names:
        reason = f"; apt on this host has no entry for {archives[name][0]}" if name in archives and name not in given else ""
        lines.append(f': "${{{variable(name)}:?set it to the address that the page shows as <{name}>{reason}}}"')
    fills = " ".join(f'-e "s|<{name}>|${variable(name)}|g"' for name in names)
    return [*lines, f'fill() {{ sed -i {fills} "$1"; }}'] if names else []


def _archives(steps: Iterable[Step]) -> dict[str, tuple[str, str, str]]:
    """Return for each mirror the suites of all its entries, and the components and the keyring of the first.

    A host that has one of the suites has the archive, so a script made on one release of a distribution works on the next.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for step in steps:
        for block in (step.stdin or "").split("\n\n") if step.where is Where.FILE else ():
            fields = {
                name.lower(): value.strip()
                for name, colon, value in (line.partition(":") for line in block.split("\n"))
                if colon
            }
            named = _MIRROR.match(fields.get("uris", ""))
            if named and fields.get("suites"):
                first = found.setdefault(named[1], ("", fields.get("components", ""), fields.get("signed-by", "")))
                found[named[1]] = (" ".join(dict.fromkeys(f"{first[0]} {fields['suites']}".split())), *first[1:])
    return found
