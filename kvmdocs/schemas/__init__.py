"""JSON Schemas of what commands print with ``--json`` and of a site's ``report.json``, a file each; `kvmdocs.documents` says what is in them.

They are files so that whoever reads the output finds them without running anything; a test compares them with what the engine prints.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec

NAMES = ("approve", "clean", "diff", "doctor", "list", "report", "run", "status", "why")
"""The commands that have one, and ``report``."""


def read(name: str) -> str:
    """The schema of a command's output, as JSON."""
    return resources.files(__name__).joinpath(f"{name}.json").read_text("utf-8")


def write(document: Any) -> str:
    """A document as JSON, for its readers: indented, with every letter as it is.

    Args:
        document: A dataclass of `kvmdocs.documents`.
    """
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
