"""What an author writes: the `recipe` decorator, and what it makes of a function.

A recipe's signature is its place in the graph. The first parameter is the `Shell`; every other one either names
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
"""The value of `Recipe.cpus` for a recipe that uses every processor it is given."""


class Presenter(Protocol):
    """What `Recipe.show` calls: the engine puts one in place, depending on what a block is run for."""

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        """Make sure the recipe's record exists and print it as `options` say."""


@dataclass(frozen=True)
class Shown:
    """What a function that draws or tabulates a record may need beside its value.

    Attributes:
        record: The record.
        language: The language of the page, by its code.
        address: Gives the address of a line of source code by its file, relative to its tree, and its number; None if it has none.
    """

    record: Record
    language: str = "en"
    address: Callable[[str, int], str | None] = lambda _path, _line: None


Rendering = Callable[[Any], str] | Callable[[Any, Shown], str]
"""Turns a recipe's value, and whatever else of its record it asks for with a second parameter, into Markdown or HTML."""


@dataclass(frozen=True)
class ShowOptions:
    """How a block wants a recipe shown.

    Attributes:
        section: Only the steps of this section; all for None.
        notes: Text by regular expression; it hangs on the commands or output lines that match.
        title: A caption above the transcript.
        fold: Lines of output after which the rest is folded away.
        highlight: Regular expression for the output lines to mark.
        render: Turns the recipe's result into Markdown or HTML, which is shown instead of the transcript.
    """

    section: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    fold: int = 24
    highlight: str = ""
    render: Rendering | None = None

    def __post_init__(self) -> None:
        """See that each is what it can be.

        Raises:
            GuideError: One is not.
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
        """What `render` makes of a value."""
        render: Any = self.render
        try:
            wanted = [one for one in inspect.signature(render).parameters.values() if one.default is one.empty]
        except ValueError:  # what is built in, such as `str`, need not tell
            wanted = []
        return str(render(value, shown) if len(wanted) > 1 else render(value))


@dataclass(frozen=True)
class Recipe:
    """A function that does one thing on a host, with what the engine must know to run it.

    Attributes:
        function: The function itself.
        name: Its name, unique in the project.
        inputs: The recipes it builds on.
        settings: Setting taken by each parameter that takes one.
        tools: Programs and libraries it needs (names of the project's package table); their versions are in its key.
        needs: Capabilities of the host it needs; each is tried, not looked up.
        facts: Facts of the host it depends on (`kvmdocs.host.probes.facts`); they are in its key.
        environ: Environment variables it may see besides the fixed ones; their values are in its key.
        cpus: Processors it uses; `CPUS_ALL` for all there are.
        memory: Memory it needs, in bytes; it is ended when it comes to use far more (`kvmdocs.execution.worker.limits.memory_limit`).
        disk: Free disk it needs before it starts, in bytes.
        timeout: Seconds after which it is ended.
        resources: Named things only one recipe at a time may use.
        expects: How long it takes on a small machine, in seconds, for the announcement before the first run.
        data: Files and folders it reads, relative to the file it is written in; their content is in its key.
        stable: What of its record must not drift from the approved one: names of sections, True for all of it, False for nothing.
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
        """The first line of the function's docstring, or its name."""
        doc = inspect.getdoc(self.function)
        return doc.splitlines()[0] if doc else self.name

    @property
    def place(self) -> Place:
        """Where the function is written."""
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
        """Print the recipe's record where the block stands, running the recipe first if that is needed.

        Args:
            section: Show only this section's steps.
            notes: Text by regular expression; it hangs on the commands or output lines that match.
            title: A caption above the transcript.
            fold: Lines of output after which the rest is folded away.
            highlight: Regular expression for output lines to mark.
            render: Turns the recipe's result into Markdown or HTML, which is shown instead of the transcript. With a second
                parameter it also gets what `Shown` has.
        """
        # markdown-exec hands each block a `print` of its own in the block's globals and redirects nothing, so the
        # only way to print *into the page* from a library is through the calling block's name `print`.
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        emit = caller.f_globals.get("print", print) if caller else print
        options = ShowOptions(section, dict(notes or {}), title, fold, highlight, render)
        presenter().show(self, options, emit)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, for instance from another recipe's helper or a test."""
        return self.function(*args, **kwargs)


_presenters: list[Presenter] = []
_default_presenter: list[Callable[[], Presenter]] = []


def presenter() -> Presenter:
    """The presenter in force: the innermost of `presenting`, else the one made by `set_default_presenter`."""
    if not _presenters:
        if not _default_presenter:
            raise CatalogError("nothing is there to show a recipe with", Evidence(advice="import kvmdocs first"))
        _presenters.append(_default_presenter[0]())
    return _presenters[-1]


def set_default_presenter(make: Callable[[], Presenter]) -> None:
    """Say how to make a presenter when a block runs outside of a build that put one in place."""
    _default_presenter[:] = [make]


class presenting:  # noqa: N801  # used like a function: `with presenting(collector):`
    """Put a presenter in place for the length of a ``with``."""

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
    """Make a function a recipe.

    Args:
        tools: Programs and libraries it needs, by their names in the project's package table.
        needs: Capabilities it needs, such as ``ptrace`` or ``reach:qemu.mirror``.
        facts: Facts of the host it depends on, such as ``cpu-flags``.
        environ: Environment variables it may see.
        cpus: Processors it uses, or ``"all"``.
        memory: Memory it needs, such as ``"2G"``; with twice as much (setting ``limits.memory_times``), and 1 GiB at the least, it is ended.
        disk: Free disk it needs, such as ``"3G"``.
        timeout: Its time limit, such as ``"30m"``.
        resources: Named things that only one recipe at a time may use.
        expects: How long it usually takes, for the announcement before the first run.
        data: Files and folders it reads (``Path(__file__).with_name("boot.S")``), relative to the file it is written in.
        stable: Names of its sections in which a test fails when they drift from the approved record; True for all of it.

    Raises:
        CatalogError: The signature or an argument is not of the form above.
    """
    declared: list[Any] = [tools, needs, facts, environ, resources, data, stable]
    for argument in declared:
        if isinstance(argument, str):
            raise CatalogError(f"{argument!r} is one text where several are meant; write ({argument!r},)")
    if cpus != "all" and not isinstance(cpus, int):
        raise CatalogError(f"cpus={cpus!r} is no number of processors; write a number or 'all'")

    def make(function: Callable[..., Any]) -> Recipe:
        _refuse_second(function)
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


def _refuse_second(function: Callable[..., Any]) -> None:
    """See that no recipe of this name stands further up in the same file: the second would silently take the place of the first."""
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
