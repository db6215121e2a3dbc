"""The catalog: all recipes of a project, and the requests of its guides.

Recipes come from the project's package of recipes, and from blocks that define one for their own page. To find out which
recipes a build needs, each block of a guide is executed once here, with a presenter that only records the calls of `show()`.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvmdocs.catalog.entries import BlockResult, CatalogEntry, Request, RequestCollector
from kvmdocs.catalog.guides import Block, read_guide, shows
from kvmdocs.catalog.key.code_closure import CodeClosure
from kvmdocs.catalog.lint import (
    check_front_matter,
    check_languages,
    check_modes,
    check_options,
    check_references,
    check_turns,
    line_in_block,
)
from kvmdocs.catalog.loader import execute, import_package, missed
from kvmdocs.catalog.page_blocks import PageBlocks, page_blocks
from kvmdocs.catalog.site_config import find_guides
from kvmdocs.core.errors import AuthorError, CatalogError, Evidence, GuideError, KvmdocsError, Place
from kvmdocs.core.settings import Settings
from kvmdocs.recording.recipe import Recipe, ShowOptions, presenting


@dataclass
class Catalog:
    """All recipes of a project.

    Attributes:
        settings: The project's settings.
        entries: The recipes by name.
        requests: The requests of the guides, in the order of guides and blocks.
        code: Finds the code that a recipe reaches.
        read: The result of each executed block, by guide and number on the page.
        pages: The blocks of each guide that could be read.
        problems: Errors of blocks, and unknown names. A build reports all of them at once.
    """

    settings: Settings
    entries: dict[str, CatalogEntry] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    problems: list[KvmdocsError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.code = CodeClosure(packages=(self.settings["project.recipes"],))
        self.read: dict[tuple[Path, int], BlockResult] = {}
        self.pages: dict[Path, PageBlocks] = {}
        self._shown: dict[str, str] = {}

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    @classmethod
    def load(cls, settings: Settings, guides: Iterable[Path] | None = None) -> Catalog:
        """Read a project's recipes and guides.

        Args:
            settings: The project's settings.
            guides: The guides to read; by default all of ``project.docs``.

        Raises:
            CatalogError: A module of recipes cannot be imported, or a name is defined twice.
        """
        catalog = cls(settings)
        catalog.load_modules()
        for guide in catalog.guides() if guides is None else guides:
            catalog.read_guide(guide)
        catalog.problems += check_languages(settings.root, settings["project.docs"])
        catalog.check_inputs()
        return catalog

    def guides(self) -> list[Path]:
        """Return all guides in the folders in ``project.docs``, sorted."""
        return sorted(
            {guide for folder in self.settings["project.docs"] for guide in find_guides(self.root, self.root / folder)}
        )

    # -- modules ------------------------------------------------------------------------------------------------

    def load_modules(self) -> None:
        """Import the package of recipes with all its modules, and add their recipes."""
        package = self.settings["project.recipes"]
        if not (self.root / package.replace(".", "/")).is_dir():
            return
        for module in import_package(self.root, package):
            for value in list(vars(module).values()):
                if isinstance(value, Recipe) and value.function.__module__ == module.__name__:
                    self.add(CatalogEntry(value, module.__name__, self._place(value)))

    def _place(self, recipe: Recipe) -> Place:
        code = recipe.function.__code__
        return Place(self.shown(code.co_filename), code.co_firstlineno)

    def shown(self, path: Path | str) -> str:
        """Return a path relative to the project's folder; a path outside of it unchanged."""
        text = str(path)  # a string hashes faster than a path
        if text not in self._shown:
            full = Path(path)
            self._shown[text] = str(full.relative_to(self.root)) if full.is_relative_to(self.root) else text
        return self._shown[text]

    # -- guides -------------------------------------------------------------------------------------------------

    def read_guide(self, guide: Path) -> None:
        """Record the requests and the recipes of a guide's blocks. Problems are collected, not raised."""
        try:
            text = read_guide(guide)
            page = self.pages[guide] = page_blocks(self.root, guide, text)
        except (OSError, UnicodeDecodeError) as error:
            place = Place(self.shown(guide))
            self.problems.append(GuideError(f"{place} cannot be read: {error}", Evidence(place=place)))
            return
        blocks = page.blocks
        self.problems += page.problems(self.shown(guide))
        self.problems += [wrong for block in blocks if (wrong := check_modes(block, self.shown(block.file)))]
        self.problems += [front] if (front := check_front_matter(text, self.shown(guide))) else []
        self.problems += check_references(text, self.shown(guide))
        self.problems += check_options(text, self.shown(guide))
        self.problems += check_turns(text, self.shown(guide))
        sessions: dict[str, dict[str, Any]] = {}
        sources: dict[str, str] = {}
        # A session's blocks may show what an earlier block of it imports or defines.
        concerned = {block.session for block in blocks if block.session and concerns(block)}
        for block in blocks:
            if not concerns(block) and block.session not in concerned:
                continue
            names = sessions.setdefault(block.session, {}) if block.session else {}
            source = sources.get(block.session, "") if block.session else ""
            read = self.read[guide, block.number] = BlockResult()
            try:
                self._read_block(block, names, source, read.requests)
            except KvmdocsError as error:
                read.error = error
                self.problems.append(error)
            self.requests += read.requests
            sources[block.session] = f"{source}\n{block.code}"

    def _read_block(self, block: Block, names: dict[str, Any], before: str, requests: list[Request]) -> None:
        before_names = set(names)
        module = self.execute(block, names, lambda name, options: requests.append(Request(name, options, block)))
        for name, value in names.items():
            if isinstance(value, Recipe) and name not in before_names and value.function.__module__ == module:
                self.code.blocks[module] = f"{before}\n{block.code}"
                place = Place(self.shown(block.file), value.function.__code__.co_firstlineno)
                self.add(CatalogEntry(value, module, place, block))

    def execute(self, block: Block, names: dict[str, Any], note: Callable[[str, ShowOptions], None]) -> str:
        """Execute a block without running recipes or printing. `note` is called for each `show()`.

        Returns:
            The name of the module that its definitions belong to.

        Raises:
            GuideError: The block raised an error. The message names the guide's line.
        """
        module = self.block_module(block)
        try:
            with presenting(RequestCollector(note)), redirect_stdout(io.StringIO()):
                execute(block, names, module, self.shown(block.file))
        except GuideError as error:
            raise error.seen(advice=self._advice(error.__cause__)) from error.__cause__
        return module

    def block_module(self, block: Block) -> str:
        """Return the name of the module of a block's definitions. It does not depend on the project's location."""
        # Without a dot: Python would look for a package of what stands before it.
        return f"{self.shown(block.file).replace('.', '_')}:{block.line}"

    def _advice(self, error: BaseException | None) -> str:
        """Return advice on an import error of a guide, if the name belongs to the recipes' package; otherwise ""."""
        module, wanted = missed(error)
        package = self.settings["project.recipes"]
        if not module or (module != package and not module.startswith(f"{package}.")):
            return ""
        near = difflib.get_close_matches(wanted, self.entries, n=1)
        return (
            f"did you mean `from {self.entries[near[0]].module} import {near[0]}`?"
            if near
            else "`kvmdocs list` names all recipes"
        )

    # -- entries ------------------------------------------------------------------------------------------------

    def add(self, entry: CatalogEntry) -> None:
        """Add a recipe.

        Raises:
            CatalogError: Another recipe has that name, and is not the same recipe in a translation of the page.
        """
        name = entry.recipe.name
        existing = self.entries.get(name)
        if existing is not None and not self._same(existing, entry):
            raise CatalogError(
                f"two recipes are called {name}: one at {existing.place}, one at {entry.place}",
                Evidence(recipe=name, place=entry.place, advice="give one of them another name"),
            )
        self.entries.setdefault(name, entry)

    def _same(self, one: CatalogEntry, other: CatalogEntry) -> bool:
        """Check whether two definitions are the same recipe.

        A page and its translation define the same recipe with the same code.
        """
        if one.block is None or other.block is None:
            return one.module == other.module
        name = one.recipe.name
        return self.code.digest(one.module, name) == self.code.digest(other.module, name)

    def get(self, name: str) -> CatalogEntry:
        """Return the entry of a recipe.

        Raises:
            CatalogError: There is no recipe of that name.
        """
        if name in self.entries:
            return self.entries[name]
        near = difflib.get_close_matches(name, self.entries, n=1)
        advice = f"did you mean {near[0]!r}?" if near else "`kvmdocs list` names all recipes"
        raise CatalogError(f"there is no recipe {name!r}", Evidence(recipe=name, advice=advice))

    @contextmanager
    def about(self, name: str) -> Iterator[None]:
        """Add a recipe's name and place to an author's error that has none.

        Raises:
            AuthorError: The error, with the recipe's name and place.
        """
        try:
            yield
        except AuthorError as error:
            error.seen(recipe=name, place=self.get(name).place)
            raise

    def check_inputs(self) -> None:
        """Record a problem for every recipe with an unknown input."""
        for entry in self.entries.values():
            for wanted in entry.recipe.inputs:
                try:
                    self.get(wanted.name)
                except CatalogError as error:
                    message = f"recipe {entry.recipe.name} builds on {wanted.name!r}, which is not there"
                    evidence = Evidence(recipe=entry.recipe.name, place=entry.place, advice=error.evidence.advice)
                    self.problems.append(CatalogError(message, evidence))

    def find_related_problem(self, error: CatalogError) -> KvmdocsError:
        """Return the recorded problem about the recipe that an error misses.

        It names the recipe that needs it, and the place. Without such a problem return the error itself.
        """
        missed = repr(error.evidence.recipe)
        return next((noted for noted in self.problems if isinstance(noted, CatalogError) and missed in noted.message), error)

    def shown_recipes(self) -> list[str]:
        """Return the names of the recipes that guides show, without duplicates, in order."""
        return list(dict.fromkeys(request.name for request in self.requests))

    def guides_showing(self, name: str) -> tuple[str, ...]:
        """Return the guides on whose pages a recipe is shown, in order, by their path in the project."""
        return tuple(dict.fromkeys(self.shown(request.block.guide) for request in self.requests if request.name == name))

    def shown_at(self, name: str, options: ShowOptions | None = None, quoted: str = "") -> tuple[Place, ...]:
        """Return the places in guides that show a recipe.

        Args:
            name: The recipe's name.
            options: Restrict the result to blocks that show the recipe with these options.
            quoted: A text in the blocks. Its line is returned, or the block's line if the text is empty or not found.
        """
        return tuple(
            Place(self.shown(request.block.file), line_in_block(request.block, quoted) if quoted else request.block.line)
            for request in self.requests
            if request.name == name and (options is None or request.shows_as(options))
        )


def concerns(block: Block) -> bool:
    """Check whether a block defines or shows recipes. Other blocks are left to markdown-exec."""
    return shows(block.code) or "@recipe" in block.code
