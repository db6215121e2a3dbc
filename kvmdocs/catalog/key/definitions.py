"""Definitions of the project's modules: what each refers to, and what importing its module does.

Names are resolved through imports, submodules and re-exports, in text only.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvmdocs.catalog.key.free_names import Chain, names_in
from kvmdocs.catalog.key.import_effects import effects
from kvmdocs.catalog.key.module_ast import Meaning, Module, canonical, docstrings, local_imports
from kvmdocs.catalog.key.module_files import ModuleFiles
from kvmdocs.catalog.key.plain_data import Kind, has_hooks, kind_of
from kvmdocs.catalog.key.reflection import Words, outside_names
from kvmdocs.core.errors import CatalogError

Place = tuple[str, str]
"""Location of a definition: its module and its name."""

IMPORT = "<import>"
"""Name under which the effects of importing a module count as a definition of it."""


@dataclass(frozen=True)
class Definition:
    """A definition of the project.

    Attributes:
        text: Its name with the digest of its source, without docstrings and comments.
        references: The definitions it refers to.
        docs: Digest of its docstrings.
        dynamic: True if it can reach definitions that it does not name.
        reads_docs: True if it may read docstrings.
        reads_source: True if it may read source.
        kind: Its kind, which says whether it can change something else.
        hooks: True if it may run code when a class is derived from it.
    """

    text: str
    references: tuple[Place, ...]
    docs: str = ""
    dynamic: bool = False
    reads_docs: bool = False
    reads_source: bool = False
    kind: Kind = Kind.OTHER
    hooks: bool = True


class Definitions:
    """Definitions by their place, each read once.

    Args:
        modules: Modules whose definitions count.
    """

    def __init__(self, modules: ModuleFiles) -> None:
        self.modules = modules
        self._found: dict[Place, Definition | None] = {}
        self._meanings: dict[tuple[str, Chain], tuple[Place, ...]] = {}

    def get(self, place: Place) -> Definition | None:
        """Return a definition, cached because most recipes reach the same lab; None if the module has none of that name."""
        if place not in self._found:
            module, name = place
            source = self.modules.get(module)
            if source is None:
                raise CatalogError(f"the source of {module} cannot be read")
            self._found[place] = self._read_effects(source) if name == IMPORT else self._read(source, name)
        return self._found[place]

    def _read(self, source: Module, name: str) -> Definition | None:
        if name not in source.bindings:
            return None
        definition = self._made(source, name, source.bindings[name])
        # No definition is read twice. In a large project the syntax trees would take most of the memory.
        source.bindings[name] = ()
        return definition

    def _read_effects(self, source: Module) -> Definition | None:
        """Return the effects of importing a module as a definition; None if it has none."""
        found = tuple(effects(source.body, Names(self, source)))
        source.body.clear()
        return self._made(source, IMPORT, found) if found else None

    def _made(self, source: Module, name: str, nodes: tuple[ast.AST, ...]) -> Definition:
        text = f"[{', '.join([canonical(node) for node in nodes])}]"
        reached: dict[Place, None] = {}
        outside: set[str] = set()
        special: set[str] = set()
        for node in nodes:
            local = local_imports(node, source.package)
            used, words = names_in(node)
            special |= words
            outside.update(outside_names(source, used, local))
            for chain in used:
                reached.update(dict.fromkeys(self._imported_locally(chain, local) or self.meaning(source, chain)))
        docs = "\0".join(one for node in nodes for one in docstrings(node))
        found = Words.of(outside, special)
        return Definition(
            f"{name} {hashlib.sha256(text.encode()).hexdigest()}",
            tuple(reached),
            hashlib.sha256(docs.encode()).hexdigest() if docs else "",
            found.dynamic,
            found.reads_docs,
            found.reads_source,
            kind_of(nodes),
            has_hooks(nodes),
        )

    def _imported_locally(self, chain: Chain, local: Mapping[str, Sequence[Meaning]]) -> list[Place]:
        """Return the definitions that a name means by an import inside the definition."""
        return [
            place
            for target, name in local.get(chain[0], ())
            for place in self._imported(target, (name, *chain[1:]) if name else chain[1:], set())
        ]

    def meaning(self, source: Module, chain: Chain) -> tuple[Place, ...]:
        """Return the definitions a name with attributes means in a module. Cached: a module's functions share most names."""
        use = (source.name, chain)
        if use not in self._meanings:
            places = [*self._resolve(source, chain, set())]
            if chain[0] == "globals" and "globals" not in source.bindings:
                places += self.all_of(source)
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
        if not self.modules.is_followed(target) or (target, *chain) in seen:
            return
        seen.add((target, *chain))
        module = self.modules.get(target)
        if not chain:
            if module is not None:
                yield from self.all_of(module)
            return
        if module is not None:
            yield from self._resolve(module, chain, seen)
            if chain[0] not in module.bindings and chain[0] not in module.imports and "__getattr__" in module.bindings:
                yield target, "__getattr__"
        if module is None or (module.package == target and chain[0] not in module.bindings):
            submodule = f"{target}.{chain[0]}"
            if self.modules.get(submodule) is not None:
                yield from self._imported(submodule, chain[1:], seen)

    def all_of(self, module: Module) -> Iterator[Place]:
        """Yield all definitions of a module."""
        yield from ((module.name, name) for name in module.bindings)


@dataclass(frozen=True)
class Names:
    """Knowledge about the names of one module (`import_effects.ModuleNames`)."""

    definitions: Definitions
    source: Module

    def acts(self, chain: Chain) -> bool:
        """Check whether a name may stand for code of the project that changes something when it is called."""
        return any(not self._is_plain(place, chain) for place in self.definitions.meaning(self.source, chain))

    def is_own(self, chain: Chain) -> bool:
        """Check whether a name may stand for a definition of the project."""
        return bool(self.definitions.meaning(self.source, chain))

    def is_value(self, chain: Chain) -> bool:
        """Check whether a name may stand for a value of the project that some statement made."""
        places = self.definitions.meaning(self.source, chain)
        return any((one := self.definitions.get(place)) is not None and one.kind is Kind.VALUE for place in places)

    def hooks(self, chain: Chain) -> bool:
        """Check whether a name may stand for a class that runs code when another is derived from it."""
        return any(self._has_hooks(place, set()) for place in self.definitions.meaning(self.source, chain))

    def _is_plain(self, place: Place, chain: Chain) -> bool:
        definition = self.definitions.get(place)
        # An attribute of a value may be a method that changes it.
        is_attribute = chain[-1] != place[1] and definition is not None and definition.kind is not Kind.DATA
        return not is_attribute and self._is_plain_throughout(place, set())

    def _is_plain_throughout(self, place: Place, seen: set[Place]) -> bool:
        """Check whether a definition is plain, and all that it is made of or calls."""
        definition = self.definitions.get(place)
        if definition is None or place in seen or definition.kind in (Kind.DATA, Kind.CLASS):
            return True
        seen.add(place)
        return definition.kind not in (Kind.OTHER, Kind.CONSTRUCTED) and all(
            self._is_plain_throughout(other, seen) for other in definition.references
        )

    def _has_hooks(self, place: Place, seen: set[Place]) -> bool:
        definition = self.definitions.get(place)
        if definition is None or place in seen:
            return False
        seen.add(place)
        # A base class of the project is among the references.
        return definition.hooks or any(
            self._has_hooks(other, seen)
            for other in definition.references
            if (one := self.definitions.get(other)) is not None and one.kind in (Kind.DATA, Kind.CLASS, Kind.CONSTRUCTED)
        )
