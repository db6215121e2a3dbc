"""kvmdocs: guides whose commands run.

An author of recipes finds here all that is not a machine or a picture: `recipe` makes a function a recipe, `setting` takes a value from the
settings, `Shell` is what a recipe runs commands with, and a recipe that cannot go on raises one of the errors. Machines, guests and debuggers are in
`kvmdocs.lab`, pictures in `kvmdocs.figures`, and what the blocks of guides print in `kvmdocs.site.blocks`. Everything else is the engine's own.
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
    """Import `Shell` and `Tree` when they are asked for: what they import takes longer than all the rest."""
    if name == "Shell":
        from kvmdocs.recording.shell import Shell

        return Shell
    if name == "Tree":
        from kvmdocs.recording.source.check import Tree

        return Tree
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


set_default_presenter(_publisher)
