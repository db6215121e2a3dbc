"""The cache key of a record: SHA-256 of everything that can change the record, and of nothing else.

`KeyInputs` lists the inputs, and `key` hashes them. Most of this module finds the code that a recipe reaches. It works on
syntax trees: it starts at the recipe's function and follows every name, through imports, to the functions, classes and
constants of the project's recipes and of the engine's lab. Comments, docstrings, line numbers and file names are not in a
syntax tree, or are removed from it.

Names are followed: ``tools.helper``, ``getattr(tools, "helper")``. If a module is used as a value (passed on, or accessed by a
name in a variable), all its definitions count; so do those of a function's own module if the function calls ``globals()``. Code
that is reached without its name in the source is not found: text for ``eval``, ``exec`` or ``importlib.import_module``, imports
of other processes, plug-ins found by entry points. A recipe that uses such code declares the file as `data`.
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

from kvmdocs.catalog.key import free_names as free_names_module
from kvmdocs.catalog.key import module_ast
from kvmdocs.catalog.key.free_names import Chain, free_names
from kvmdocs.catalog.key.module_ast import Module, canonical, local_imports, parse_module
from kvmdocs.core.errors import CatalogError
from kvmdocs.core.model import SCHEMA

LAB = "kvmdocs.lab"
"""The engine's package whose code is part of the key, like the project's own: it determines what a recipe does."""


@dataclass(frozen=True)
class KeyInputs:
    """The inputs of a key.

    Not among them: prose, comments, docstrings, titles, the order and the files of definitions, the working directory, the
    user, time, time zone and locale.

    Attributes:
        recipe: The recipe's name.
        code: Digest of the recipe's function with its decorator's arguments, and of all project code it reaches
            (`CodeClosure.digest`).
        settings: The value of each setting it takes.
        inputs: The result digest of every recipe it builds on, or the reason why that one was skipped.
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


def key(inputs: KeyInputs) -> str:
    """Return the key of a recipe's record: SHA-256 of its inputs.

    Returns:
        64 hexadecimal digits.
    """
    parts = vars(inputs)
    if not inputs.data:
        # Keeps the keys of recipes without data the same as before this input existed.
        parts = {name: part for name, part in parts.items() if name != "data"}
    return hashlib.sha256(_AS_JSON.encode(parts).encode()).hexdigest()


Place = tuple[str, str]
"""Location of a definition: its module and its name."""

Definition = tuple[str, tuple[Place, ...]]
"""A definition: its name with the digest of its source, and the definitions it refers to."""


@dataclass
class CodeClosure:
    """Finds the project code that a function reaches.

    Attributes:
        packages: Packages whose code is followed. All other code belongs to a tool or a library.
        blocks: Source of the blocks that define recipes, by their pseudo-module.
    """

    packages: tuple[str, ...]
    blocks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._modules: dict[str, Module | None] = {}
        self._file_digests: dict[str, bytes] = {}
        self._text_digests: dict[frozenset[str], str] = {}
        self._files: set[Path] = set()
        self._definitions: dict[Place, Definition | None] = {}
        self._meanings: dict[tuple[str, Chain], tuple[Place, ...]] = {}

    def digest(self, module: str, name: str) -> str:
        """Return SHA-256 of the definition of `name` in `module` and of all definitions it reaches.

        Raises:
            CatalogError: The source cannot be read.
        """
        return self.digests(module, name)[0]

    def digests(self, module: str, name: str) -> tuple[str, str]:
        """Return the digest of the code (see `digest`), and the digest of the text that contains it.

        Returns:
            SHA-256 of the definitions that `name` in `module` reaches, and SHA-256 of the full text, with comments, of every
            file or block that contains one of them.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached = self.definitions(module, name)
        numbers = {place: number for number, place in enumerate(reached)}
        # References count too: two modules may swap the definitions that a name stands for.
        texts = [[text, *(numbers[other] for other in others if other in numbers)] for text, others in reached.values()]
        code = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        return code, self._text_digest(frozenset(place[0] for place in reached))

    def definitions(self, module: str, name: str) -> dict[Place, Definition]:
        """Return the definitions that `name` in `module` reaches, in the order in which they are found.

        The order depends on the code alone, not on the location of files.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached: dict[Place, Definition] = {}
        todo = [(module, name)]
        while todo:
            place = todo.pop()
            if place not in reached and (definition := self._definition(place)):
                reached[place] = definition
                todo.extend(definition[1])
        return reached

    def parts(self, module: str, name: str) -> dict[str, str]:
        """Return the first digits of each definition's digest, by module and name. `kvmdocs why` compares them.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached = self.definitions(module, name)
        # The pseudo-module of a block contains its line, which changes with the prose above it.
        return {
            f"{place[0].partition(':')[0]}.{place[1]}": text.rpartition(" ")[2][:16] for place, (text, _) in reached.items()
        }

    def _text_digest(self, modules: frozenset[str]) -> str:
        """Return SHA-256 of the full text of some modules and blocks."""
        if modules not in self._text_digests:
            texts = [
                hashlib.sha256(self.blocks[one].encode()).digest() if one in self.blocks else self._file_digest(one)
                for one in sorted(modules)
            ]
            self._text_digests[modules] = hashlib.sha256(b"\0".join(texts)).hexdigest()
        return self._text_digests[modules]

    def _file_digest(self, module: str) -> bytes:
        """Return SHA-256 of a module's full text."""
        if module not in self._file_digests:
            path = _source_file(module)
            self._file_digests[module] = hashlib.sha256(path.read_bytes() if path else b"").digest()
        return self._file_digests[module]

    def files(self) -> set[Path]:
        """Return the files that the digests so far depend on: the files read, and the engine's modules that analyse them."""
        return self._files | {Path(__file__), Path(module_ast.__file__), Path(free_names_module.__file__)}

    def _definition(self, place: Place) -> Definition | None:
        """Return a definition, cached because most recipes reach the same lab; None if the module has none of that name."""
        if place not in self._definitions:
            module, name = place
            source = self._module(module)
            if source is None:
                raise CatalogError(f"the source of {module} cannot be read")
            self._definitions[place] = self._read(source, name)
        return self._definitions[place]

    def _read(self, source: Module, name: str) -> Definition | None:
        if name not in source.bindings:
            return None
        nodes = source.bindings[name]
        text = f"[{', '.join([canonical(node) for node in nodes])}]"
        reached = dict.fromkeys(target for node in nodes for target in self._reached(source, node))
        # No definition is read twice. In a large project the syntax trees would take most of the memory.
        source.bindings[name] = ()
        return f"{name} {hashlib.sha256(text.encode()).hexdigest()}", tuple(reached)

    def _reached(self, source: Module, node: ast.AST) -> Iterator[Place]:
        """Yield the project definitions that the names in `node` refer to."""
        local = local_imports(node, source.package)
        for chain in free_names(node):
            if chain[0] in local:
                for target, name in local[chain[0]]:
                    yield from self._imported(target, (name, *chain[1:]) if name else chain[1:], set())
            else:
                yield from self._meaning(source, chain)

    def _meaning(self, source: Module, chain: Chain) -> tuple[Place, ...]:
        """Return the definitions a name with attributes means in a module. Cached: a module's functions share most names."""
        use = (source.name, chain)
        if use not in self._meanings:
            places = [*self._resolve(source, chain, set())]
            if chain[0] == "globals" and "globals" not in source.bindings:
                places += self._everything(source)
            self._meanings[use] = tuple(places)
        return self._meanings[use]

    def _resolve(self, source: Module, chain: Chain, seen: set[Chain]) -> Iterator[Place]:
        """Yield the definitions a name with attributes means in a module.

        `seen` stops cycles of packages that import themselves.
        """
        first, rest = chain[0], chain[1:]
        if first in source.bindings:
            yield source.name, first
        # A name can be both: imported under `try` and assigned in its `except`.
        for target, name in source.imports.get(first, ()):
            yield from self._imported(target, (name, *rest) if name else rest, seen)
        if first not in source.bindings and first not in source.imports:
            for star in source.stars:
                yield from self._imported(star, chain, seen)

    def _imported(self, target: str, chain: Chain, seen: set[Chain]) -> Iterator[Place]:
        """Follow ``target.a.b`` to a definition, through submodules and re-exports.

        If a module is itself the value, yield all its definitions.
        """
        if not self._is_followed(target) or (target, *chain) in seen:
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

    def _everything(self, module: Module) -> Iterator[Place]:
        """Yield all definitions of a module."""
        yield from ((module.name, name) for name in module.bindings)

    def _is_followed(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in (*self.packages, LAB))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            text = self.blocks.get(name)
            path = _source_file(name) if text is None else None
            if path is not None:
                text = path.read_text("utf-8")
                self._files.add(path)
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
