"""The addresses that a script has to find out on its reader's host: records do not tell those of the host that made them.

A recipe writes entries for apt, in which ``<mirror>`` stands for the address of its own host's mirror. What is written beside it, suites,
components and keyring, says which archive that is; so the script looks in its own host's apt configuration for an entry of the same archive.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable

from kvmdocs.core.model import Step, Where

_MIRROR = re.compile(r"<(mirror(?:-\d+)?)>")


def hidden(steps: Iterable[Step]) -> list[str]:
    """The names of the addresses that steps do not tell, such as ``mirror-2``, each once."""
    texts = [text for step in steps for text in (step.command, step.stdin or "")]
    return list(dict.fromkeys(name for text in texts for name in _MIRROR.findall(text)))


def variable(name: str) -> str:
    """The variable of a script for such an address."""
    return name.upper().replace("-", "_")


def asking(steps: Iterable[Step], given: Collection[str] = ()) -> list[str]:
    """The lines of a script that ask its host's apt for the addresses in entries for apt; what its reader has given stays.

    Args:
        steps: What all of its recipes did.
        given: Addresses that the script knows already, by name.
    """
    asked = {name: archive for name, archive in _archives(steps).items() if name not in given}
    return [f': "${{{variable(name)}:=$(mirror {shlex.join(archive)})}}"' for name, archive in asked.items()]


def filling(steps: Collection[Step], given: Collection[str] = ()) -> list[str]:
    """The lines of a recipe that put the addresses into a file that was written as the page shows it; each must be known by then.

    Args:
        steps: What the recipe did.
        given: Addresses that the script knows already, by name.
    """
    archives = _archives(steps)
    names = hidden(steps)
    lines = []
    for name in names:
        nowhere = f"; apt of this host has no entry for {archives[name][0]}" if name in archives and name not in given else ""
        lines.append(f': "${{{variable(name)}:?is to be the address that stands as <{name}> on the page{nowhere}}}"')
    fills = " ".join(f'-e "s|<{name}>|${variable(name)}|g"' for name in names)
    return [*lines, f'fill() {{ sed -i {fills} "$1"; }}'] if names else []


def _archives(steps: Iterable[Step]) -> dict[str, tuple[str, str, str]]:
    """Suites of all its entries for apt, and components and keyring of the first one, of each address that stands in one.

    A host that has any of the suites has the archive: so a script made on one release of a distribution works on the next.
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
