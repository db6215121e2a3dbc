"""The catalog: every recipe of a project, and what its guides ask of them.

Recipes come from the project's package of recipes, and from blocks that define one for their own page. A guide's blocks are
executed once here with a presenter that only notes what they show, which is how a build knows what it has to run.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kvmdocs.catalog.guides import Block, blocks_of
from kvmdocs.catalog.key.cache_key import CodeClosure
from kvmdocs.catalog.lint import (
    check_front_matter,
    check_languages,
    check_options,
    check_references,
    check_turns,
    line_in_block,
)
from kvmdocs.catalog.loader import execute, import_package, missed
from kvmdocs.core.errors import AuthorError, CatalogError, Evidence, GuideError, KvmdocsError, Place
from kvmdocs.core.settings import Settings
from kvmdocs.recording.recipe import Recipe, ShowOptions, presenting


@dataclass(frozen=True)
class CatalogEntry:
    """A recipe and where it is defined.

    Attributes:
        recipe: The recipe.
        module: The module, or for one defined in a block the guide's place (see `Catalog.block_module`).
        place: The line of its definition.
        block: The block that defines it; None for one of a module.
    """

    recipe: Recipe
    module: str
    place: Place
    block: Block | None = None


@dataclass(frozen=True)
class Request:
    """What a block asks for.

    Attributes:
        name: The recipe's name.
        options: How it is to be shown.
        block: The block.
    """

    name: str
    options: ShowOptions
    block: Block


@dataclass
class Read:
    """What came of executing a block while its guide was read.

    Attributes:
        requests: What it asks for.
        error: Why it did not run.
    """

    requests: list[Request] = field(default_factory=list)
    error: KvmdocsError | None = None


@dataclass
class Catalog:
    """All recipes of a project.

    Attributes:
        settings: The project's settings.
        entries: Each recipe by its name.
        requests: What the guides ask for, in the order of guides and blocks.
        code: Finds the code a recipe reaches.
        read: What came of each block that has to do with recipes, by its guide and line.
        blocks: All blocks of each guide that could be read.
        problems: Blocks that did not run and names that are not there; a build reports all of them at once.
    """

    settings: Settings
    entries: dict[str, CatalogEntry] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    problems: list[KvmdocsError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.code = CodeClosure(packages=(self.settings["project.recipes"],))
        self.read: dict[tuple[Path, int], Read] = {}
        self.blocks: dict[Path, list[Block]] = {}
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
            guides: The guides to read; all of ``project.docs`` if not given.

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
        """All Markdown files of the folders in ``project.docs``, sorted."""
        found: set[Path] = set()
        for folder in self.settings["project.docs"]:
            found.update((self.root / folder).rglob("*.md"))
        return sorted(found)

    # -- modules ------------------------------------------------------------------------------------------------

    def load_modules(self) -> None:
        """Import the package of recipes with all its modules and take in what they define."""
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
        """A path below the project's folder without that folder."""
        known = str(path)  # a text is looked up in less time than a path
        if known not in self._shown:
            whole = Path(path)
            self._shown[known] = str(whole.relative_to(self.root)) if whole.is_relative_to(self.root) else known
        return self._shown[known]

    # -- guides -------------------------------------------------------------------------------------------------

    def read_guide(self, guide: Path) -> None:
        """Note what a guide's blocks ask for and the recipes they define; problems are collected, not raised."""
        try:
            text = guide.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            place = Place(self.shown(guide))
            self.problems.append(GuideError(f"{place} cannot be read: {error}", Evidence(place=place)))
            return
        blocks = self.blocks[guide] = blocks_of(guide, text)
        self.problems += [front] if (front := check_front_matter(text, self.shown(guide))) else []
        self.problems += check_references(text, self.shown(guide))
        self.problems += check_options(text, self.shown(guide))
        self.problems += check_turns(text, self.shown(guide))
        sessions: dict[str, dict[str, Any]] = {}
        told: dict[str, str] = {}
        # What a session's later blocks show may be imported or made by an earlier one.
        concerned = {block.session for block in blocks if block.session and concerns(block)}
        for block in blocks:
            if not concerns(block) and block.session not in concerned:
                continue
            names = sessions.setdefault(block.session, {}) if block.session else {}
            source = told.get(block.session, "") if block.session else ""
            read = self.read[guide, block.line] = Read()
            try:
                self._read_block(block, names, source, read.requests)
            except KvmdocsError as error:
                read.error = error
                self.problems.append(error)
            self.requests += read.requests
            told[block.session] = f"{source}\n{block.code}"

    def _read_block(self, block: Block, names: dict[str, Any], before: str, asked: list[Request]) -> None:
        before_names = set(names)
        shown = self.execute(block, names, lambda name, options: asked.append(Request(name, options, block)))
        module = self.block_module(block)
        for name, value in names.items():
            if isinstance(value, Recipe) and name not in before_names and value.function.__module__ == shown:
                self.code.blocks[module] = f"{before}\n{block.code}"
                place = Place(self.shown(block.guide), value.function.__code__.co_firstlineno)
                self.add(CatalogEntry(value, module, place, block))

    def execute(self, block: Block, names: dict[str, Any], note: Callable[[str, ShowOptions], None]) -> str:
        """Execute a block without running or printing anything; `note` is told of each `show()`.

        Returns:
            The name of the module its definitions belong to.

        Raises:
            GuideError: The block raised; the error names the guide's line.
        """
        module = self.block_module(block)
        try:
            with presenting(_RequestCollector(note)), redirect_stdout(io.StringIO()):
                execute(block, names, module, self.shown(block.guide))
        except GuideError as error:
            raise error.seen(advice=self._advice(error.__cause__)) from error.__cause__
        return module

    def block_module(self, block: Block) -> str:
        """The pseudo-module of what a block defines: the same wherever the project lies."""
        return f"{self.shown(block.guide)}:{block.line}"

    def _advice(self, error: BaseException | None) -> str:
        """What to do about a name that a guide takes from a module of recipes and that is not there."""
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
        """Take in a recipe.

        Raises:
            CatalogError: Another recipe of that name is there already, and it is not the same one in another language.
        """
        name = entry.recipe.name
        known = self.entries.get(name)
        if known is not None and not self._same(known, entry):
            raise CatalogError(
                f"two recipes are called {name}: one at {known.place}, one at {entry.place}",
                Evidence(recipe=name, place=entry.place, advice="give one of them another name"),
            )
        self.entries.setdefault(name, entry)

    def _same(self, one: CatalogEntry, other: CatalogEntry) -> bool:
        """Whether two definitions are one: a page and its translation define the same recipe with the same code."""
        if one.block is None or other.block is None:
            return one.module == other.module
        name = one.recipe.name
        return self.code.digest(one.module, name) == self.code.digest(other.module, name)

    def get(self, name: str) -> CatalogEntry:
        """The entry of a recipe.

        Raises:
            CatalogError: There is none of that name.
        """
        if name in self.entries:
            return self.entries[name]
        near = difflib.get_close_matches(name, self.entries, n=1)
        advice = f"did you mean {near[0]!r}?" if near else "`kvmdocs list` names all recipes"
        raise CatalogError(f"there is no recipe {name!r}", Evidence(recipe=name, advice=advice))

    @contextmanager
    def about(self, name: str) -> Iterator[None]:
        """What an author has got wrong here is about a recipe: an error that does not say where it is has the recipe's place.

        Raises:
            AuthorError: The error, with the recipe's name and place.
        """
        try:
            yield
        except AuthorError as error:
            error.seen(recipe=name, place=self.get(name).place)
            raise

    def check_inputs(self) -> None:
        """Note every recipe that builds on one that is not there."""
        for entry in self.entries.values():
            for wanted in entry.recipe.inputs:
                try:
                    self.get(wanted.name)
                except CatalogError as error:
                    message = f"recipe {entry.recipe.name} builds on {wanted.name!r}, which is not there"
                    evidence = Evidence(recipe=entry.recipe.name, place=entry.place, advice=error.evidence.advice)
                    self.problems.append(CatalogError(message, evidence))

    def find_related_problem(self, error: CatalogError) -> KvmdocsError:
        """The problem that was noted of the recipe an error misses: it says who builds on it, and where; else the error itself."""
        missed = repr(error.evidence.recipe)
        return next((noted for noted in self.problems if isinstance(noted, CatalogError) and missed in noted.message), error)

    def shown_recipes(self) -> list[str]:
        """Names of the recipes that guides ask for, each once, in order."""
        return list(dict.fromkeys(request.name for request in self.requests))

    def shown_at(self, name: str, options: ShowOptions | None = None, quoted: str = "") -> tuple[Place, ...]:
        """The places in guides that show a recipe.

        Args:
            name: The recipe's name.
            options: Only those that show it in this way.
            quoted: A text in their blocks, whose line is meant; the block's own if it is empty or not there.
        """
        return tuple(
            Place(self.shown(request.block.guide), line_in_block(request.block, quoted) if quoted else request.block.line)
            for request in self.requests
            if request.name == name and (options is None or _alike(options, request.options))
        )


def _alike(one: ShowOptions, other: ShowOptions) -> bool:
    """Whether two blocks show in the same way; a block that is executed again makes its functions anew."""
    return replace(one, render=None) == replace(other, render=None)


def concerns(block: Block) -> bool:
    """Whether a block has to do with recipes at all; others are left to markdown-exec."""
    return ".show(" in block.code or "@recipe" in block.code


class _RequestCollector:
    """A presenter that only notes what is shown."""

    def __init__(self, note: Callable[[str, ShowOptions], None]) -> None:
        self._note = note

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        del emit
        self._note(recipe.name, options)
