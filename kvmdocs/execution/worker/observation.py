"""Observation of what a worker's process uses of its project: modules it imports, files it reads, folders it lists.

The text of a recipe does not tell everything in advance: a name may be computed, a file be read at import. Audit events
(PEP 578) tell it as it happens. The record keeps the names; `kvmdocs.execution.observed` adds digests and compares them later.
What a recipe's commands read on their own is not observed, except for files that a command names.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvmdocs.catalog.key.module_files import is_installed, is_pythons
from kvmdocs.recording.background_process import LiveStep

FILE, FOLDER, MODULE, LIBRARY = "file", "folder", "module", "library"
"""Kinds of what is observed. An entry is a kind, a blank and a name: a path in the project, a module, a top-level module."""

_READERS = {"open": FILE, "os.listdir": FOLDER, "os.scandir": FOLDER}
"""Kind of each audit event that reads; its first argument is the path."""

_ENGINE = str(Path(__file__).parents[2])
_SHOWN_ROOT = "<project>"

_IMPORT_SYSTEM = "<frozen importlib"
_SOURCE_READERS = ("linecache.py", "traceback.py", "tokenize.py", "inspect.py")
"""Modules of Python that read source to show it, for example in a traceback."""


class Observer:
    """Observes this process from its creation on.

    Args:
        root: Folder of the project.
        ignored: Folders in it that hold results, such as the store.
    """

    def __init__(self, root: Path, ignored: tuple[Path, ...] = ()) -> None:
        self._root = str(root)
        self._ignored = tuple(f"{folder}{os.sep}" for folder in (_ENGINE, *ignored))
        self._modules = set(sys.modules)
        self._seen: set[str] = set()
        self._paused = False
        sys.addaudithook(self._audit)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Observe nothing for the length of a ``with``: the engine itself reads the project."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def step(self, step: LiveStep) -> None:
        """Note the project's files that a command names, for example a script beside the recipe."""
        folder = self._real(step.cwd or "")
        try:
            words = shlex.split(step.command)
        except ValueError:  # an unfinished quotation
            words = step.command.split()
        for word in words:
            start = word.find(_SHOWN_ROOT)
            path = self._real(word[start:]) if start >= 0 else os.path.join(folder, word) if folder else ""
            if path and os.path.isfile(path):
                self._add(FILE, path)

    def _real(self, shown: str) -> str:
        """Return the path of a file or folder of the project that a record shows; "" for another one."""
        return self._root + shown.removeprefix(_SHOWN_ROOT) if shown.startswith(_SHOWN_ROOT) else ""

    def seen(self) -> tuple[str, ...]:
        """Return what was observed so far, sorted."""
        return tuple(sorted(self._seen | {entry for name in self._new_modules() if (entry := _module_entry(name))}))

    def _new_modules(self) -> set[str]:
        return set(sys.modules) - self._modules

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        kind = _READERS.get(event)
        if kind is None or self._paused:
            return
        # An exception in a hook would become one of the recipe.
        with contextlib.suppress(Exception):
            caller = sys._getframe(1).f_code.co_filename
            if not caller.startswith(_IMPORT_SYSTEM) and not caller.endswith(_SOURCE_READERS):
                self._add(kind, os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(args[0] or "."))))

    def _add(self, kind: str, path: str) -> None:
        """Note a file or folder, if it is the project's and holds no results."""
        if f"{path}{os.sep}".startswith(f"{self._root}{os.sep}") and not f"{path}{os.sep}".startswith(self._ignored):
            self._seen.add(f"{kind} {os.path.relpath(path, self._root)}")


def _module_entry(name: str) -> str:
    """Return the entry of a loaded module; "" if it is part of Python or of the engine."""
    top = name.partition(".")[0]
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is None or top == "kvmdocs" or is_pythons(Path(path)):
        return ""
    return f"{LIBRARY} {top}" if is_installed(Path(path)) else f"{MODULE} {name}"
