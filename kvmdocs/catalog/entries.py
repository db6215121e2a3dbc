"""Entries and requests of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kvmdocs.catalog.guides import Block
from kvmdocs.core.errors import KvmdocsError, Place
from kvmdocs.recording.recipe import Recipe, ShowOptions


@dataclass(frozen=True)
class CatalogEntry:
    """A recipe and the place of its definition.

    Attributes:
        recipe: The recipe.
        module: Its module; for a recipe defined in a block the pseudo-module of the block (`Catalog.block_module`).
        place: The line of its definition.
        block: The block that defines it; None for a recipe of a module.
    """

    recipe: Recipe
    module: str
    place: Place
    block: Block | None = None


@dataclass(frozen=True)
class Request:
    """A block's request to show a recipe.

    Attributes:
        name: The recipe's name.
        options: How to show it.
        block: The block.
    """

    name: str
    options: ShowOptions
    block: Block

    def shows_as(self, options: ShowOptions) -> bool:
        """Check whether the recipe is shown with these options.

        `render` is ignored: it is a new function each time a block is executed.
        """
        return replace(self.options, render=None) == replace(options, render=None)


@dataclass
class BlockResult:
    """Result of executing a block while its guide was read.

    Attributes:
        requests: The recipes it shows.
        error: The error that stopped it, or None.
    """

    requests: list[Request] = field(default_factory=list)
    error: KvmdocsError | None = None


class RequestCollector:
    """A presenter that only records which recipes are shown."""

    def __init__(self, note: Callable[[str, ShowOptions], None]) -> None:
        self._note = note

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        """Record the recipe's name and options. Print nothing."""
        del emit
        self._note(recipe.name, options)
