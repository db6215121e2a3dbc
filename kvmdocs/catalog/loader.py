"""Importing a project's own code: its modules of recipes, and the blocks of its guides. Errors name the line."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import linecache
import pkgutil
import py_compile
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from kvmdocs.catalog.guides import Block
from kvmdocs.core.errors import CatalogError, Evidence, GuideError, KvmdocsError, Place, named, said


def import_package(root: Path, package: str) -> Iterator[ModuleType]:
    """Import a package of the project with all its modules, the package first.

    Raises:
        CatalogError: A module cannot be imported. The error names the line.
    """
    put_on_path(root)
    compile_ahead(root / package.replace(".", "/"))
    importlib.invalidate_caches()  # modules may be newer than the import system's listing of the folder
    top = import_module(root, package)
    yield top
    for name in sorted(info.name for info in pkgutil.walk_packages(top.__path__, f"{package}.")):
        yield import_module(root, name)


def put_on_path(root: Path) -> None:
    """Put a project's folder first on ``sys.path``."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


CHECKED = (0b11).to_bytes(4, "little")
"""Flags of a .pyc file that is validated by a hash of its source (PEP 552)."""


def compile_ahead(folder: Path) -> None:
    """Compile the modules below a folder to .pyc files that are validated by a hash of the source.

    By default Python validates a .pyc file by the source's size and its time in whole seconds. An edit may leave both
    unchanged. A worker would then run other code than the key was computed from.

    Args:
        folder: The folder of the modules. Files that cannot be compiled or written are left to the import.
    """
    if sys.dont_write_bytecode:
        return
    for path in folder.rglob("*.py"):
        with suppress(OSError, py_compile.PyCompileError):
            if not _is_compiled(path):
                py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _is_compiled(path: Path) -> bool:
    """Check whether the .pyc file of a module matches its source."""
    wanted = importlib.util.MAGIC_NUMBER + CHECKED + importlib.util.source_hash(path.read_bytes())
    try:
        with open(importlib.util.cache_from_source(str(path)), "rb") as file:
            return file.read(len(wanted)) == wanted
    except FileNotFoundError:
        return False


def import_module(root: Path, name: str) -> ModuleType:
    """Import a module of the project.

    Raises:
        CatalogError: It cannot be imported. The error names the line.
    """
    # Python would write a .pyc file that is validated by size and time (see `compile_ahead`).
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(name)
    except KvmdocsError as error:
        error.seen(place=raised_in(error, root))
        raise
    except (Exception, SystemExit) as error:
        raise CatalogError(
            f"{name} cannot be imported: {named(error)}",
            Evidence(place=raised_in(error, root), advice=_advice(error)),
        ) from error
    finally:
        sys.dont_write_bytecode = before


def _advice(error: BaseException) -> str:
    """Return advice on a module that cannot be imported."""
    bare = isinstance(error, TypeError) and said(error).startswith("recipe() takes 0 positional arguments")
    return "write @recipe(), with its brackets" if bare else "mend the module"


def raised_in(error: BaseException, root: Path) -> Place | None:
    """Return the innermost place in the project's own code in a traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(_below(Path(error.filename), root), error.lineno or 0)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(root))]
    return Place(_below(Path(frames[-1].filename), root), frames[-1].lineno or 0) if frames else None


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def execute(block: Block, names: dict[str, Any], module: str, path: str) -> None:
    """Execute a block of a guide.

    Args:
        block: The block.
        names: Variables of the session. The block's definitions are added.
        module: The name of the module that its definitions belong to.
        path: The guide's path for messages.

    Raises:
        GuideError: The block raised an exception that is not one of the engine's. The error names the guide's line.
    """
    names.update(__name__=module, print=lambda *_, **__: None)
    _register(module, block, names)
    try:
        # As markdown-exec compiles it: without this module's own `from __future__`.
        program = compile(block.padded(), str(block.file), "exec", dont_inherit=True)
        exec(program, names)  # noqa: S102  # blocks are the project's own code and are meant to be run
    except KvmdocsError as error:
        raise error.seen(guides=(_line_in(error, block, path),)) from error
    except (Exception, SystemExit) as error:
        raise GuideError(f"a block does not run: {named(error)}", Evidence(guides=(_line_in(error, block, path),))) from error


class _BlockModule(ModuleType):
    """Module of a block, which dataclasses, pickle and inspect look up by its name. Its attributes are the session's names."""

    def __init__(self, name: str, file: str, names: dict[str, Any]) -> None:
        super().__init__(name)
        self.__file__ = file
        self._names = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(name) from None


def _register(module: str, block: Block, names: dict[str, Any]) -> None:
    """Register a block's module, and its source for `inspect`: the file itself is Markdown."""
    file = str(block.file)
    sys.modules[module] = _BlockModule(module, file, names)
    lines = [f"{line}\n" for line in block.padded().split("\n")]
    cached = linecache.cache.get(file)
    # An entry without a time is one of ours: Python never drops it.
    before = cached[2] if cached and len(cached) == 4 and cached[1] is None else []
    both = itertools.zip_longest(before, lines, fillvalue="\n")
    merged = [new if new.strip() else old for old, new in both]
    linecache.cache[file] = (sum(map(len, merged)), None, merged, file)


def _line_in(error: BaseException, block: Block, path: str) -> Place:
    if isinstance(error, SyntaxError):
        return Place(path, error.lineno or block.line)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(block.file)]
    return Place(path, (lines[-1] if lines else None) or block.line)


def missed(error: BaseException | None) -> tuple[str, str]:
    """Return the module and the name that an import error misses; "" for both if it is another error."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__, error.name or ""
    if isinstance(error, ImportError):
        return error.name or "", str(error).partition("'")[2].partition("'")[0]
    return "", ""
