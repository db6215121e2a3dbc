"""Arguments of commands for the `sh` package, as `Shell` takes and shows them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import CatalogError, Evidence


def refuse(kwargs: dict[str, Any]) -> None:
    """Refuse options that would leave a command running, or redirect its output, beyond its step."""
    for name in ("_bg", "_iter", "_iter_noblock", "_piped", "_async", "_fg", "_with"):
        if kwargs.get(name):
            raise CatalogError(
                f"a recorded command cannot use the option {name}",
                Evidence(advice="use sh.spawn() for a background process, sh.line() for a pipeline"),
            )


_SPELLING = ("_long_sep", "_long_prefix")
"""Options that control the spelling of command-line options by the `sh` package."""


def words(command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return the arguments that the `sh` package will pass: lists are flattened, keywords become options."""
    options = {name: value for name, value in kwargs.items() if not name.startswith("_") or name in _SPELLING}
    if not options and all(isinstance(arg, str | int | float | Path) and arg is not False for arg in args):
        return [str(arg) for arg in args]
    # The text of a baked command is the only public access to that flattening.
    return shlex.split(str(command.bake(*args, **options)))[1:] if args or options else []
