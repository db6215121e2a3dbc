"""The `recipe` decorator and the `Recipe` that it makes.

A recipe's signature declares its place in the graph. The first parameter is the `Shell`. Every other parameter either names
another recipe, whose result it takes, or has a default made by `setting()`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kvmdocs.core.errors import CatalogError, Evidence, GuideError, Place
from kvmdocs.core.model import Record
from kvmdocs.recording.signature import Input, parse_size, parse_time, read_signature, relative

CPUS_ALL = 0
"""Value of `Recipe.cpus` for a recipe that uses all processors available to it."""


class Presenter(Protocol):
    """Handler of `Recipe.show`. The engine installs one that fits the purpose of running a block."""

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        """Make sure that the recipe's record exists, and print it according to `options`."""


@dataclass(frozen=True)
class Shown:
    """Context of a `render` function, besides the recipe's value.

    Attributes:
        record: The record.
        language: Code of the page's language.
        address: Returns the URL of a line of source code by its file, relative to its tree, and its number; None if there is
            none.
    """

    record: Record
    language: str = "en"
    address: Callable[[str, int], str | None] = lambda _path, _line: None


Rendering = Callable[[Any], str] | Callable[[Any, Shown], str]
"""Function from a recipe's value, and optionally a `Shown`, to Markdown or HTML."""


@dataclass(frozen=True)
class ShowOptions:
    """Options of showing a recipe in a block.

    Attributes:
        section: Show only the steps of this section; all for None.
        notes: Text by regular expression; it annotates the commands or output lines that match.
        title: Caption above the transcript.
        fold: Number of output lines after which the rest is folded.
        highlight: Regular expression for output lines to mark.
        render: Function from the recipe's result to Markdown or HTML, which is shown instead of the transcript.
    """

    section: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    fold: int = 24
    highlight: str = ""
    render: Rendering | None = None

    def __post_init__(self) -> None:
        """Check the types of the options.

        Raises:
            GuideError: An option has the wrong type.
        """
        wanted = {
            "section": (isinstance(self.section, str | None), "the name of a section"),
            "notes": (isinstance(self.notes, Mapping), "text by regular expression"),
            "title": (isinstance(self.title, str), "text"),
            "fold": (not isinstance(self.fold, bool) and isinstance(self.fold, int), "a whole number"),
            "highlight": (isinstance(self.highlight, str), "text"),
            "render": (self.render is None or callable(self.render), "a function"),
        }
        for name, (fits, what) in wanted.items():
            if not fits:
                raise GuideError(f"show({name}={getattr(self, name)!r}) is not possible", Evidence(advice=f"give {what}"))

    def rendered(self, value: Any, shown: Shown) -> str:
        """Return the result of `render` for a value."""
        render: Any = self.render
        try:
            required = [one for one in inspect.signature(render).parameters.values() if one.default is one.empty]
        except ValueError:  # a built-in such as `str` may have no signature
            required = []
        return str(render(value, shown) if len(required) > 1 else render(value))


@dataclass(frozen=True)
class Recipe:
    """Function that does one thing on a host, with its requirements.

    Attributes:
        function: The function itself.
        name: Its name, unique in the project.
        inputs: Recipes that it builds on.
        settings: Name of the setting for each parameter that takes one.
        tools: Programs and libraries that it needs (names of the project's package table). Their versions are in its key.
        needs: Capabilities of the host that it needs. Each is tried, not looked up.
        facts: Facts of the host that it depends on (`kvmdocs.host.facts.facts`). They are in its key.
        environ: Environment variables that it sees besides the fixed ones. Their values are in its key.
        cpus: Number of processors; `CPUS_ALL` for all available ones.
        memory: Memory that it needs, in bytes. It is killed if it uses far more
            (`kvmdocs.execution.worker.limits.memory_limit`).
        disk: Free disk space that it needs at the start, in bytes.
        timeout: Time limit in seconds.
        resources: Named resources that only one recipe at a time may use.
        expects: Expected duration on a small machine, in seconds, for the announcement before the first run.
        data: Files and folders that it reads, relative to its own file. Their content is in its key.
        stable: Parts of its record that must not drift from the approved record: names of sections, True for all, False for
            none.
    """

    function: Callable[..., Any]
    name: str
    inputs: tuple[Input, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    environ: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 256 << 20
    disk: int = 16 << 20
    timeout: float = 300.0
    resources: tuple[str, ...] = ()
    expects: float = 2.0
    data: tuple[str, ...] = ()
    stable: bool | tuple[str, ...] = False

    @property
    def title(self) -> str:
        """First line of the function's docstring, or its name."""
        doc = inspect.getdoc(self.function)
        return doc.splitlines()[0] if doc else self.name

    @property
    def place(self) -> Place:
        """File and line of the function's definition."""
        code = self.function.__code__
        return Place(relative(code.co_filename), code.co_firstlineno)

    def show(
        self,
        section: str | None = None,
        *,
        notes: Mapping[str, str] | None = None,
        title: str = "",
        fold: int = 24,
        highlight: str = "",
        render: Rendering | None = None,
    ) -> None:
        """Print the recipe's record at the place of the block. Run the recipe first if necessary.

        Args:
            section: Show only the steps of this section.
            notes: Text by regular expression; it annotates the commands or output lines that match.
            title: Caption above the transcript.
            fold: Number of output lines after which the rest is folded.
            highlight: Regular expression for output lines to mark.
            render: Function from the recipe's result to Markdown or HTML, which is shown instead of the transcript. If it has a
                second parameter, it also gets a `Shown`.
        """
        # markdown-exec does not redirect standard output. It puts its own `print` into each block's globals, so a library can
        # print into the page only through the caller's `print`.
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        emit = caller.f_globals.get("print", print) if caller else print
        options = ShowOptions(section, dict(notes or {}), title, fold, highlight, render)
        presenter().show(self, options, emit)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, for example from another recipe's helper or a test."""
        return self.function(*args, **kwargs)


_presenters: list[Presenter] = []
_default_presenter: list[Callable[[], Presenter]] = []


def presenter() -> Presenter:
    """Return the active presenter: the innermost of `presenting`, else the one made by `set_default_presenter`."""
    if not _presenters:
        if not _default_presenter:
            raise CatalogError("no presenter is installed to show recipes", Evidence(advice="import kvmdocs first"))
        _presenters.append(_default_presenter[0]())
    return _presenters[-1]


def set_default_presenter(make: Callable[[], Presenter]) -> None:
    """Set the factory of the presenter that is used when a block runs outside of a build."""
    _default_presenter[:] = [make]


class presenting:  # noqa: N801  # used like a function: `with presenting(collector):`
    """Install a presenter for the length of a ``with``."""

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    def __enter__(self) -> Presenter:
        _presenters.append(self._presenter)
        return self._presenter

    def __exit__(self, *exc: object) -> None:
        _presenters.remove(self._presenter)


def recipe(
    *,
    tools: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    facts: tuple[str, ...] = (),
    environ: tuple[str, ...] = (),
    cpus: int | str = 1,
    memory: int | str = "256M",
    disk: int | str = "16M",
    timeout: float | str = "5m",
    resources: tuple[str, ...] = (),
    expects: float | str = "2s",
    data: tuple[str, ...] = (),
    stable: bool | tuple[str, ...] = False,
) -> Callable[[Callable[..., Any]], Recipe]:
    """Turn a function into a recipe.

    Args:
        tools: Programs and libraries that it needs, by their names in the project's package table.
        needs: Capabilities that it needs, such as ``ptrace`` or ``reach:qemu.mirror``.
        facts: Facts of the host that it depends on, such as ``cpu-flags``.
        environ: Environment variables that it may see.
        cpus: Number of processors, or ``"all"``.
        memory: Memory that it needs, such as ``"2G"``. It is killed if it uses more than twice as much (setting
            ``limits.memory_times``) and more than 1 GiB.
        disk: Free disk space that it needs, such as ``"3G"``.
        timeout: Time limit, such as ``"30m"``.
        resources: Named resources that only one recipe at a time may use.
        expects: Expected duration, for the announcement before the first run.
        data: Files and folders that it reads (``Path(__file__).with_name("boot.S")``), relative to its own file.
        stable: Names of sections whose drift from the approved record fails a test; True for all sections.

    Raises:
        CatalogError: The signature or an argument does not have the form above.
    """
    declared: list[Any] = [tools, needs, facts, environ, resources, data, stable]
    for argument in declared:
        if isinstance(argument, str):
            raise CatalogError(f"{argument!r} is a string where a tuple is expected; write ({argument!r},)")
    if cpus != "all" and not isinstance(cpus, int):
        raise CatalogError(f"cpus={cpus!r} is not a number of processors; write a number or 'all'")

    def make(function: Callable[..., Any]) -> Recipe:
        _refuse_duplicate(function)
        inputs, settings = read_signature(function)
        return Recipe(
            function=function,
            name=function.__name__,
            inputs=inputs,
            settings=settings,
            tools=tuple(tools),
            needs=tuple(needs),
            facts=tuple(facts),
            environ=tuple(environ),
            cpus=CPUS_ALL if cpus == "all" else int(cpus),
            memory=parse_size(memory),
            disk=parse_size(disk),
            timeout=parse_time(timeout),
            resources=tuple(resources),
            expects=parse_time(expects),
            data=tuple(data),
            stable=stable if isinstance(stable, bool) else tuple(stable),
        )

    return make


def _refuse_duplicate(function: Callable[..., Any]) -> None:
    """Refuse a second recipe of the same name in a file, because it would silently replace the first."""
    before = function.__globals__.get(function.__name__)
    first, second = (before.function.__code__ if isinstance(before, Recipe) else None), function.__code__
    if first and first.co_filename == second.co_filename and first.co_firstlineno < second.co_firstlineno:
        raise CatalogError(
            f"recipe {function.__name__} is defined twice",
            Evidence(
                recipe=function.__name__,
                advice=f"give one of them another name; the first is in line {first.co_firstlineno}",
            ),
        )
