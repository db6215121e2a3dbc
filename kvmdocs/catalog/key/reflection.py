"""Code that reaches definitions without naming them, or that reads its own text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvmdocs.catalog.key.free_names import Chain
from kvmdocs.catalog.key.module_ast import Meaning, Module

_DYNAMIC_NAMES = frozenset(
    {
        *("__import__", "eval", "exec", "compile", "importlib", "pkgutil", "runpy", "sys.modules", "gc", "inspect"),
        *("pydoc", "pickle", "shelve", "sys._getframe", "builtins"),
    }
)
_DYNAMIC_ATTRIBUTES = frozenset(
    {"__globals__", "__subclasses__", "__dict__", "__builtins__", "f_globals", "f_locals", "f_builtins", "tb_frame"}
)
_DOC_NAMES = frozenset({"__doc__", "inspect", "pydoc", "help", "doctest"})
_SOURCE_NAMES = frozenset({"inspect", "linecache", "tokenize"})


@dataclass(frozen=True)
class Words:
    """Results of looking through a definition for such code.

    Attributes:
        dynamic: True if it can reach definitions that it does not name: by ``eval``, by ``sys.modules``, by ``__subclasses__``.
        reads_docs: True if it may read docstrings.
        reads_source: True if it may read source, with comments.
    """

    dynamic: bool
    reads_docs: bool
    reads_source: bool

    @classmethod
    def of(cls, names: Iterable[str], attributes: set[str]) -> Words:
        """Look through the names of a definition.

        Args:
            names: Names of Python and of libraries (`outside_names`).
            attributes: Special attributes (`free_names.names_in`).
        """
        found = set(names)
        return cls(
            not found.isdisjoint(_DYNAMIC_NAMES) or not attributes.isdisjoint(_DYNAMIC_ATTRIBUTES),
            not found.isdisjoint(_DOC_NAMES) or "__doc__" in attributes,
            not found.isdisjoint(_SOURCE_NAMES),
        )


def outside_names(source: Module, chains: Iterable[Chain], local: Mapping[str, Sequence[Meaning]]) -> Iterator[str]:
    """Yield each name of Python or of a library: the builtin, the module, and ``module.attribute``.

    Args:
        source: The module in which the names are used.
        chains: The names with their attributes.
        local: Targets of the imports inside the definition.
    """
    for chain in chains:
        imported = local.get(chain[0]) or source.imports.get(chain[0], ())
        for target, name in imported:
            parts = [*target.split("."), *([name] if name else []), *chain[1:]]
            yield parts[0]
            yield ".".join(parts[:2])
        if not imported and (chain[0] not in source.bindings or chain[0] == "__doc__"):
            yield chain[0]
