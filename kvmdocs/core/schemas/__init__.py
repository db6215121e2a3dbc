"""JSON Schemas of the output of commands with ``--json`` and of a site's ``report.json``, one file each.

The fields are described in `kvmdocs.cli.documents`. The schemas are files, so that readers of the output find them without
running anything. A test compares them with what the engine prints.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import msgspec

from kvmdocs.core.control_characters import UNSAFE, in_utf8

NAMES = ("approve", "clean", "diff", "doctor", "list", "report", "run", "status", "why")
"""The commands that have a schema, and ``report``."""


def read(name: str) -> str:
    """Return the schema of a command's output, as JSON."""
    return resources.files(__name__).joinpath(f"{name}.json").read_text("utf-8")


def write(document: Any) -> str:
    """Return a document as indented JSON, with non-ASCII letters unescaped.

    Args:
        document: A dataclass of `kvmdocs.cli.documents`.
    """
    try:
        data = msgspec.json.encode(document)
    except UnicodeEncodeError:  # a lone surrogate, from a path or a foreign file
        data = in_utf8(json.dumps(msgspec.to_builtins(document), ensure_ascii=False)).encode()
    # JSON escapes only C0. Escape all that a terminal interprets; a parser reads the same.
    return UNSAFE.sub(_escaped, msgspec.json.format(data, indent=2).decode())


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
