"""Arguments of the `sh` package, as `Shell` takes them and shows them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import CatalogError, Evidence


def refuse(kwargs: dict[str, Any]) -> None:
    """Refuse what would leave a command running, or its output elsewhere, after its step is over."""
    for name in ("_bg", "_iter", "_iter_noblock", "_piped", "_async", "_fg", "_with"):
        if kwargs.get(name):
            raise CatalogError(
                f"a recorded command cannot take {name}",
                Evidence(advice="use sh.spawn() for a process that goes on, sh.line() for a pipe"),
            )


_SPELLING = ("_long_sep", "_long_prefix")
"""Special arguments that say how the `sh` package writes options."""


def words(command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """The arguments as the `sh` package will pass them: lists flattened, keywords made options."""
    options = {name: value for name, value in kwargs.items() if not name.startswith("_") or name in _SPELLING}
    if not options and all(isinstance(arg, str | int | float | Path) and arg is not False for arg in args):
        return [str(arg) for arg in args]
    # A baked command in text form is the one public view of that flattening.
    return shlex.split(str(command.bake(*args, **options)))[1:] if args or options else []
