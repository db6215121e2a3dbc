"""The key: SHA-256 of all that can change a record, and of nothing else.

`Ingredients` is the list of what counts, and `key` the one place that makes a key of it. The larger part is finding the code a recipe reaches. That is
done on the source, as syntax trees: from the recipe's function along every name it uses, through imports, into every function, class
and constant of the project's recipes and of the engine's lab. Comments, docstrings, line numbers and the file a function lies in are
not in a syntax tree, or are taken out of it.

What is followed is names, and so what is named: ``tools.helper``, ``getattr(tools, "helper")``, and of a module that is used as a value (handed on, or
asked for a name that a variable holds) all that it defines; so of a function's own module when the function calls ``globals()``. Code that is
reached without its name being written down is not seen: what ``eval``, ``exec`` or ``importlib.import_module`` get as text, what another process
imports, plug-ins found by entry points. A recipe that does such a thing declares the file as `data`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvmdocs import source as source_module
from kvmdocs.errors import CatalogError
from kvmdocs.model import SCHEMA
from kvmdocs.source import Module, canonical, chains, local_imports, parse_module

LAB = "kvmdocs.lab"
"""The engine's package whose code counts like the project's own: it decides what a recipe does."""


@dataclass(frozen=True)
class Ingredients:
    """All that a key is made of.

    Not in it: prose, comments, docstrings, titles, the order of definitions, which file they lie in, the working directory, the user, time,
    time zone and locale.

    Attributes:
        recipe: The recipe's name.
        code: Digest of the recipe's function, its decorator's arguments included, and of all project code it reaches (`Code.digest`).
        settings: The value of each setting it takes.
        inputs: The result digest of every recipe it builds on, or why that one was skipped.
        tools: The version of every tool it declares.
        facts: The host facts it declares.
        environ: The environment variables it declares; None for one that is not set.
        data: The content digest of each data file it declares.
        schema: The version of the record's form and of the key.
    """

    recipe: str
    code: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str | None] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


_AS_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=True)


def key(ingredients: Ingredients) -> str:
    """The key of a recipe's record: SHA-256 of its ingredients.

    Returns:
        64 hexadecimal digits.
    """
    parts = vars(ingredients)
    if not ingredients.data:
        # Most recipes have none; and so records that are older than this ingredient stay good.
        parts = {name: part for name, part in parts.items() if name != "data"}
    return hashlib.sha256(_AS_JSON.encode(parts).encode()).hexdigest()


Place = tuple[str, str]
"""Where a definition is: its module and its name."""


@dataclass
class Code:
    """Finds the project code a function reaches.

    Attributes:
        packages: Packages whose code counts; everything else is a tool or a library.
        blocks: Source of the blocks that define recipes, by the pseudo-module name they are known under.
    """

    packages: tuple[str, ...]
    blocks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._modules: dict[str, Module | None] = {}
        self._whole: dict[str, bytes] = {}
        self._texts: dict[Place, str] = {}
        self._edges: dict[Place, tuple[Place, ...]] = {}

    def digest(self, module: str, name: str) -> str:
        """SHA-256 of the definition of `name` in `module` and of all it reaches.

        Raises:
            CatalogError: The source is not there.
        """
        found = self.definitions(module, name)
        numbers = {place: number for number, place in enumerate(found)}
        # Which definition refers to which counts too: two modules may swap what they call by one name.
        texts = [[text, *(numbers[other] for other in others if other in numbers)] for text, others in found.values()]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()

    def definitions(self, module: str, name: str) -> dict[Place, tuple[str, tuple[Place, ...]]]:
        """Digest of each definition reached, and what it refers to, by its module and name, in the order in which they are found.

        That order follows from the code alone: where a file lies plays no part.

        Raises:
            CatalogError: The source is not there.
        """
        found: dict[Place, tuple[str, tuple[Place, ...]]] = {}
        todo = [(module, name)]
        while todo:
            place = todo.pop()
            if place in found:
                continue
            source = self._module(place[0])
            if source is None:
                raise CatalogError(f"the source of {place[0]} cannot be read")
            nodes = source.bindings.get(place[1], ())
            if not nodes:
                continue
            reached = self._next(source, place[1], nodes)
            found[place] = (f"{place[1]} {self._text(*place, nodes)}", reached)
            todo.extend(reached)
        return found

    def parts(self, module: str, name: str) -> dict[str, str]:
        """The first digits of each definition's digest, by its name with its module: for people, who ask what has changed.

        Raises:
            CatalogError: The source is not there.
        """
        found = self.definitions(module, name)
        # A block of a guide is known by its line, which moves with the prose above it.
        return {f"{place[0].partition(':')[0]}.{place[1]}": text.rpartition(" ")[2][:16] for place, (text, _) in found.items()}

    def written(self, module: str, name: str) -> str:
        """SHA-256 of the whole text, comments and all, of every file or block in which something lies that `name` in `module` reaches.

        Raises:
            CatalogError: The source is not there.
        """
        modules = {place[0] for place in self.definitions(module, name)}
        texts = [
            hashlib.sha256(self.blocks[one].encode()).digest() if one in self.blocks else self._file(one)
            for one in sorted(modules)
        ]
        return hashlib.sha256(b"\0".join(texts)).hexdigest()

    def _file(self, module: str) -> bytes:
        """SHA-256 of a module's whole text."""
        if module not in self._whole:
            path = _source_file(module)
            self._whole[module] = hashlib.sha256(path.read_bytes() if path else b"").digest()
        return self._whole[module]

    def files(self) -> set[Path]:
        """The files whose text the digests so far depend on: those read, and the engine's own that reads them."""
        read = {path for name, module in self._modules.items() if module and (path := _source_file(name))}
        return read | {Path(__file__), Path(source_module.__file__)}

    def _next(self, source: Module, name: str, nodes: tuple[ast.AST, ...]) -> tuple[Place, ...]:
        """The definitions that one refers to; found once, since most recipes reach the same lab."""
        place = (source.name, name)
        if place not in self._edges:
            reached = (target for node in nodes for target in self._reached(source, node))
            self._edges[place] = tuple(dict.fromkeys(reached))
        return self._edges[place]

    def _text(self, module: str, name: str, nodes: tuple[ast.AST, ...]) -> str:
        place = (module, name)
        if place not in self._texts:
            text = json.dumps([canonical(node) for node in nodes])
            self._texts[place] = hashlib.sha256(text.encode()).hexdigest()
        return self._texts[place]

    def _reached(self, source: Module, node: ast.AST) -> Iterator[tuple[str, str]]:
        """The project definitions that the names in `node` refer to, by module and name."""
        local = local_imports(node, source.package)
        for chain in chains(node):
            if chain[0] in local:
                for target, name in local[chain[0]]:
                    yield from self._imported(target, (name, *chain[1:]) if name else chain[1:], set())
            else:
                yield from self._resolve(source, chain, set())
                if chain[0] == "globals" and "globals" not in source.bindings:
                    yield from self._everything(source)

    def _resolve(self, source: Module, chain: tuple[str, ...], seen: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
        """What a name and its attributes mean in a module. `seen` ends the search where packages import from themselves."""
        first, rest = chain[0], chain[1:]
        if first in source.bindings:
            yield source.name, first
        # Both may hold: a name that is imported under `try` and set in its `except`.
        for target, name in source.imports.get(first, ()):
            yield from self._imported(target, (name, *rest) if name else rest, seen)
        if first not in source.bindings and first not in source.imports:
            for star in source.stars:
                yield from self._imported(star, chain, seen)

    def _imported(self, target: str, chain: tuple[str, ...], seen: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
        """Follow ``target.a.b`` to a definition, through submodules and re-exports; to all of a module that is itself the value."""
        if not self._counts(target) or (target, *chain) in seen:
            return
        seen.add((target, *chain))
        module = self._module(target)
        if not chain:
            if module is not None:
                yield from self._everything(module)
            return
        if module is not None:
            yield from self._resolve(module, chain, seen)
        if module is None or (module.package == target and chain[0] not in module.bindings):
            submodule = f"{target}.{chain[0]}"
            if self._module(submodule) is not None:
                yield from self._imported(submodule, chain[1:], seen)

    def _everything(self, module: Module) -> Iterator[tuple[str, str]]:
        """All that a module defines."""
        yield from ((module.name, name) for name in module.bindings)

    def _counts(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in (*self.packages, LAB))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            text = self.blocks.get(name)
            path = _source_file(name) if text is None else None
            if path is not None:
                text = path.read_text("utf-8")
            self._modules[name] = None if text is None else parse_module(name, text, path)
        return self._modules[name]


def _source_file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
