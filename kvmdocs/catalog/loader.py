"""Bringing a project's own code into this process: its modules of recipes, and the blocks of its guides. An error says in which line of it."""

from __future__ import annotations

import importlib
import importlib.util
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
        CatalogError: A module cannot be imported; the error names the line.
    """
    put_on_path(root)
    compile_ahead(root / package.replace(".", "/"))
    importlib.invalidate_caches()  # a server or a test may have looked here before a module was written
    top = import_module(root, package)
    yield top
    for name in sorted(info.name for info in pkgutil.walk_packages(top.__path__, f"{package}.")):
        yield import_module(root, name)


def put_on_path(root: Path) -> None:
    """Have a project's folder be where its own modules are looked for first."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


CHECKED = (0b11).to_bytes(4, "little")
"""The flags of a compiled module that is told from its source by a hash (PEP 552)."""


def compile_ahead(folder: Path) -> None:
    """Leave the modules below a folder compiled for the next import, each told from its source by a hash of it.

    By default a compiled module is told from its source by size and whole seconds of age. An edit may keep both, and then a
    worker would run other code than the key was made of.

    Args:
        folder: Where the modules are. What cannot be compiled or written there is left to the import.
    """
    if sys.dont_write_bytecode:
        return
    for path in folder.rglob("*.py"):
        with suppress(OSError, py_compile.PyCompileError):
            if not _is_compiled(path):
                py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _is_compiled(path: Path) -> bool:
    """Whether a module has a compiled form that is of this very source."""
    wanted = importlib.util.MAGIC_NUMBER + CHECKED + importlib.util.source_hash(path.read_bytes())
    try:
        with open(importlib.util.cache_from_source(str(path)), "rb") as file:
            return file.read(len(wanted)) == wanted
    except FileNotFoundError:
        return False


def import_module(root: Path, name: str) -> ModuleType:
    """Import a module of the project's own.

    Raises:
        CatalogError: It cannot be imported; the error names the line.
    """
    # Python itself would leave one compiled in the way that `compile_ahead` avoids.
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
    """What to do about a module that cannot be imported."""
    bare = isinstance(error, TypeError) and said(error).startswith("recipe() takes 0 positional arguments")
    return "write @recipe(), with its brackets" if bare else "mend the module"


def raised_in(error: BaseException, root: Path) -> Place | None:
    """The innermost place of the project's own in a traceback."""
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
        names: What is defined before it; what it defines is put there.
        module: The name of the module that its definitions belong to.
        path: The guide, as it is best shown.

    Raises:
        GuideError: The block raised something that is none of the engine's errors; the error names the guide's line.
    """
    names.update(__name__=module, print=lambda *_, **__: None)
    try:
        program = compile(block.source(), str(block.guide), "exec")
        exec(program, names)  # noqa: S102  # a block is code of the project's own; running it is what it is for
    except KvmdocsError as error:
        raise error.seen(guides=(_line_in(error, block, path),)) from error
    except (Exception, SystemExit) as error:
        raise GuideError(f"a block does not run: {named(error)}", Evidence(guides=(_line_in(error, block, path),))) from error


def _line_in(error: BaseException, block: Block, path: str) -> Place:
    if isinstance(error, SyntaxError):
        return Place(path, error.lineno or block.line)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(block.guide)]
    return Place(path, (lines[-1] if lines else None) or block.line)


def missed(error: BaseException | None) -> tuple[str, str]:
    """The module and the name in it that an error says is not there; "" for both if it says no such thing."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__, error.name or ""
    if isinstance(error, ImportError):
        return error.name or "", str(error).partition("'")[2].partition("'")[0]
    return "", ""
