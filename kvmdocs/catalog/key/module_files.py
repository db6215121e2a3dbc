"""Modules of the project, found by name and parsed. Only text is read; parents of a dotted name may be imported to find it."""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from kvmdocs.catalog.key.module_ast import Module, parse_module
from kvmdocs.core.errors import CatalogError, Evidence, Place

LAB = "kvmdocs.lab"
"""The engine's package whose code is part of the key, like the project's own: it determines what a recipe does."""


class ModuleFiles:
    """Modules whose code counts: the project's own, wherever they lie, those of the lab, and the guides' blocks.

    A module belongs to the project unless it is part of Python, of the engine or of an installed package. So a module beside
    the folder of recipes belongs to it, and a package that is installed in editable form.

    Args:
        packages: Packages that belong to the project wherever they lie.
        blocks: Source of the blocks that define recipes, by their pseudo-module.
    """

    def __init__(self, packages: tuple[str, ...], blocks: dict[str, str]) -> None:
        self._packages = packages
        self._blocks = blocks
        self._modules: dict[str, Module | None] = {}
        self._followed: dict[str, bool] = {}
        self._loaded: dict[str, tuple[str, ...]] = {}
        self.files: set[Path] = set()

    def is_followed(self, module: str) -> bool:
        """Check whether a module's code counts. All other code belongs to a tool or a library."""
        if module in self._blocks:
            return True
        top = module.partition(".")[0]
        if top == "kvmdocs":
            return module == LAB or module.startswith(f"{LAB}.")
        if top not in self._followed:
            self._followed[top] = any(top == package.partition(".")[0] for package in self._packages) or _is_own(top)
        return self._followed[top]

    def get(self, name: str) -> Module | None:
        """Return a module's source, parsed; None if there is no such module, or it has no source."""
        if name not in self._modules:
            text = self._blocks.get(name)
            path = source_file(name) if text is None else None
            if path is not None:
                text = read_source(path)
                self.files.add(path)
            self._modules[name] = None if text is None else parse_module(name, text, path)
        return self._modules[name]

    def loaded(self, name: str) -> tuple[str, ...]:
        """Return the modules that importing a module may import: itself, the packages around it, and what all these import."""
        if name not in self._loaded:
            found: dict[str, None] = {}
            todo = [name]
            while todo:
                one = todo.pop()
                if one in found or not self.is_followed(one) or (module := self._import(one)) is None:
                    continue
                found[one] = None
                todo.extend(module.loads)
                if one not in self._blocks and "." in one:
                    todo.append(one.rpartition(".")[0])
            self._loaded[name] = tuple(found)
        return self._loaded[name]

    def libraries(self, name: str) -> set[str]:
        """Return the top-level modules outside of the project that importing a module may import."""
        modules = [module for one in self.loaded(name) if (module := self.get(one)) is not None]
        return {one.partition(".")[0] for module in modules for one in module.loads if not self.is_followed(one)}

    def _import(self, name: str) -> Module | None:
        """Return a module, unless the name is known to be one of a module that is no package."""
        parent = self._modules.get(name.rpartition(".")[0])
        return None if parent is not None and parent.package != parent.name else self.get(name)


def _is_own(top: str) -> bool:
    """Check whether a top-level module is neither part of Python nor of an installed package."""
    folders = list(_folders(top))
    return bool(folders) and not any(is_installed(folder) or is_pythons(folder) for folder in folders)


def _folders(top: str) -> Iterator[Path]:
    """Yield the file or the folders of a top-level module; nothing if it is built in, or there is none."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is not None and spec.submodule_search_locations is not None:
        yield from map(Path, spec.submodule_search_locations)
    elif spec is not None and spec.origin and spec.has_location:
        yield Path(spec.origin)


def is_installed(path: Path) -> bool:
    """Check whether a path lies in a folder of installed packages."""
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or _is_below(path, "purelib", "platlib")


def is_pythons(path: Path) -> bool:
    """Check whether a path belongs to Python's standard library."""
    return _is_below(path, "stdlib", "platstdlib") and not {"site-packages", "dist-packages"} & set(path.parts)


def _is_below(path: Path, *names: str) -> bool:
    return any(path.is_relative_to(sysconfig.get_path(name)) for name in names)


def read_source(path: Path) -> str:
    """Return the text of a module as Python reads it: with a byte order mark or a line that names an encoding.

    Raises:
        CatalogError: It cannot be decoded.
    """
    try:
        return importlib.util.decode_source(path.read_bytes())
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        advice = "save it as UTF-8, or name its encoding in its first line"
        raise CatalogError(
            f"the module {path.name} cannot be read: {error}", Evidence(place=Place(str(path)), advice=advice)
        ) from error


def source_file(name: str) -> Path | None:
    """Return the source file of a module; None if there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
