"""kvmdocs: guides whose commands run.

An author of recipes imports from here: `recipe` turns a function into a recipe, `setting` reads a setting, `Shell` runs
commands, and the error classes end a recipe that cannot go on. Machines, guests and debuggers are in `kvmdocs.lab`, drawings in
`kvmdocs.figures`, and functions for the blocks of guides in `kvmdocs.site.blocks`. Everything else is internal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmdocs.core.errors import (
    CommandFailed,
    Evidence,
    HostLacks,
    KvmdocsError,
    LabFailed,
    RecipeFailed,
    SettingError,
    Skipped,
    SourceRefused,
    TimedOut,
)
from kvmdocs.core.model import Record
from kvmdocs.core.settings import setting
from kvmdocs.recording.recipe import Shown, recipe, set_default_presenter

if TYPE_CHECKING:
    from kvmdocs.recording.recipe import Presenter
    from kvmdocs.recording.shell import Shell
    from kvmdocs.recording.source.check import Tree

__all__ = [
    "CommandFailed",
    "Evidence",
    "HostLacks",
    "KvmdocsError",
    "LabFailed",
    "RecipeFailed",
    "Record",
    "SettingError",
    "Shell",
    "Shown",
    "Skipped",
    "SourceRefused",
    "TimedOut",
    "Tree",
    "recipe",
    "setting",
]


def _publisher() -> Presenter:
    from kvmdocs.site.publisher import default_publisher

    return default_publisher()


def __getattr__(name: str) -> object:
    """Import `Shell` and `Tree` on first use. Their imports take longer than all others together."""
    if name == "Shell":
        from kvmdocs.recording.shell import Shell

        return Shell
    if name == "Tree":
        from kvmdocs.recording.source.check import Tree

        return Tree
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


set_default_presenter(_publisher)
