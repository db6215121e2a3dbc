"""kvmdocs: guides whose commands run.

What an author needs is here: `recipe` makes a function a recipe, `setting` takes a value from the settings, `Shell` is what a recipe gets
to run commands with. The lab's machines, debuggers and guests are in `kvmdocs.lab`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmdocs.core.settings import setting
from kvmdocs.recording.recipe import recipe, set_default_presenter

if TYPE_CHECKING:
    from kvmdocs.recording.recipe import Presenter
    from kvmdocs.recording.shell import Shell

__all__ = ["Shell", "recipe", "setting"]


def _publisher() -> Presenter:
    from kvmdocs.site.publisher import default_publisher

    return default_publisher()


def __getattr__(name: str) -> object:
    """`Shell` is imported when it is asked for: what it imports takes longer than all the rest."""
    if name == "Shell":
        from kvmdocs.recording.shell import Shell

        return Shell
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


set_default_presenter(_publisher)
