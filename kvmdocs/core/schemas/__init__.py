"""JSON Schemas of what commands print with ``--json`` and of a site's ``report.json``, a file each; `kvmdocs.cli.documents` says what is in them.

They are files so that whoever reads the output finds them without running anything; a test compares them with what the engine prints.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import msgspec

from kvmdocs.core.control_characters import UNSAFE, in_utf8

NAMES = ("approve", "clean", "diff", "doctor", "list", "report", "run", "status", "why")
"""The commands that have one, and ``report``."""


def read(name: str) -> str:
    """The schema of a command's output, as JSON."""
    return resources.files(__name__).joinpath(f"{name}.json").read_text("utf-8")


def write(document: Any) -> str:
    """A document as JSON, for its readers: indented, with every letter as it is.

    Args:
        document: A dataclass of `kvmdocs.cli.documents`.
    """
    try:
        data = msgspec.json.encode(document)
    except UnicodeEncodeError:  # a lone surrogate, of a path or of a file that somebody else has written
        data = in_utf8(json.dumps(msgspec.to_builtins(document), ensure_ascii=False)).encode()
    # JSON may hold what a terminal obeys but for C0; whoever prints it is to be spared that, and reads the same.
    return UNSAFE.sub(_escaped, msgspec.json.format(data, indent=2).decode())


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
