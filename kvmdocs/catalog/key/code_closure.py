"""Project code that a recipe reaches, found in syntax trees.

The search starts at the recipe's function and follows every name, through imports, to the functions, classes and constants of
the project and of the engine's lab. Comments, docstrings, line numbers and file names are not in a syntax tree, or are removed
from it.

Names are followed: ``tools.helper``, ``getattr(tools, "helper")``. If a module is used as a value (passed on, or accessed by a
name in a variable), all its definitions count. Importing a module runs its statements, so those that can change something else
count as well, of every module that the recipe's module imports (`import_effects`). Code that can reach any definition without
its name (`DYNAMIC`) reaches all definitions of these modules. What text cannot tell, the run observes: modules that only
``importlib`` names, files that are read (`kvmdocs.execution.observed`).
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kvmdocs.catalog.key import definitions as definitions_module
from kvmdocs.catalog.key import free_names, import_effects, module_ast, module_files, plain_data, reflection
from kvmdocs.catalog.key.definitions import IMPORT, Definition, Definitions, Place
from kvmdocs.catalog.key.module_ast import canonical
from kvmdocs.catalog.key.module_files import ModuleFiles

AT_IMPORT = ", which runs at import"
"""Text behind the name of a definition that counts only because importing a module runs it."""


@dataclass
class CodeClosure:
    """Finds the project code that a function reaches.

    Attributes:
        packages: Packages whose code is followed wherever they lie.
        blocks: Source of the blocks that define recipes, by their pseudo-module.
    """

    packages: tuple[str, ...]
    blocks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.modules = ModuleFiles(self.packages, self.blocks)
        self._file_digests: dict[str, bytes] = {}
        self._text_digests: dict[frozenset[str], str] = {}
        self._definitions = Definitions(self.modules)
        self._effects: dict[str, list[Place]] = {}

    def digest(self, module: str, name: str) -> str:
        """Return SHA-256 of the definition of `name` in `module` and of all definitions that count for it.

        Raises:
            CatalogError: The source cannot be read.
        """
        return self.digests(module, name)[0]

    def digests(self, module: str, name: str) -> tuple[str, str]:
        """Return the digest of the code (see `digest`), and the digest of the text that contains it.

        Returns:
            SHA-256 of the definitions that count for `name` in `module`, and SHA-256 of the full text, with comments, of every
            file or block that contains one of them.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached = self.everything(module, name)
        numbers = {place: number for number, place in enumerate(reached)}
        # References count too: two modules may swap the definitions that a name stands for.
        texts = [[one.text, *(numbers[other] for other in one.references if other in numbers)] for one in reached.values()]
        written = self._text_digest(frozenset(place[0] for place in reached))
        if any(one.reads_docs for one in reached.values()):
            texts.append([one.docs for one in reached.values()])
        if any(one.reads_source for one in reached.values()):
            texts.append([written])
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest(), written

    def definitions(self, module: str, name: str) -> dict[Place, Definition]:
        """Return the definitions that `name` in `module` reaches by their names, in the order in which they are found.

        The order depends on the code alone, not on the location of files.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached: dict[Place, Definition] = {}
        self._follow([(module, name)], reached)
        return reached

    def everything(self, module: str, name: str) -> dict[Place, Definition]:
        """Return all definitions that count for `name` in `module`.

        These are the definitions it reaches, the effects of the imports that come with it and what these reach, and all
        definitions of the imported modules if some code reaches definitions without their names.

        Raises:
            CatalogError: The source cannot be read.
        """
        reached = self.definitions(module, name)
        loaded = self.modules.loaded(module)
        if module not in self._effects:
            self._effects[module] = self._sorted((one, IMPORT) for one in loaded)
        self._follow(self._effects[module], reached)
        if any(one.dynamic for one in reached.values()):
            parsed = [source for one in loaded if (source := self.modules.get(one)) is not None]
            self._follow(self._sorted(place for source in parsed for place in self._definitions.all_of(source)), reached)
        return reached

    def _follow(self, places: Iterable[Place], reached: dict[Place, Definition]) -> None:
        """Add definitions and all that they reach, each place with what it reaches before the next one."""
        for start in places:
            todo = [start]
            while todo:
                place = todo.pop()
                if place not in reached and (definition := self._definitions.get(place)):
                    reached[place] = definition
                    todo.extend(definition.references)

    def _sorted(self, places: Iterable[Place]) -> list[Place]:
        """Return the places with a definition, in an order that does not depend on the location of files."""
        found = [(definition.text, place) for place in places if (definition := self._definitions.get(place))]
        return [place for _, place in sorted(found)]

    def parts(self, module: str, name: str) -> dict[str, str]:
        """Return the first digits of each definition's digest, by module and name. `kvmdocs why` compares them.

        Raises:
            CatalogError: The source cannot be read.
        """
        named = self.definitions(module, name)
        # The pseudo-module of a block contains its line, which changes with the prose above it.
        return {
            f"{place[0].partition(':')[0]}.{place[1]}{'' if place in named else AT_IMPORT}": one.text.rpartition(" ")[2][:16]
            for place, one in self.everything(module, name).items()
        }

    def whole(self, module: str) -> str:
        """Return SHA-256 of all statements of a module, without comments and docstrings; "" if it has no source."""
        path = module_files.source_file(module)
        if path is None:
            return ""
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return ""
        return hashlib.sha256(canonical(tree).encode()).hexdigest()

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
            path = module_files.source_file(module)
            self._file_digests[module] = hashlib.sha256(path.read_bytes() if path else b"").digest()
        return self._file_digests[module]

    def files(self) -> set[Path]:
        """Return the files that the digests so far depend on: the files read, and the engine's modules that analyse them."""
        engine = (definitions_module, free_names, import_effects, module_ast, module_files, plain_data, reflection)
        return self.modules.files | {Path(__file__), *(Path(module.__file__ or "") for module in engine)}
