"""What the commands share: exit codes, options, JSON. They import what they need late, so that ``--help`` is quick."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.exit_codes import INTERRUPTED, exit_code

if TYPE_CHECKING:
    from kvmdocs.cli.documents import Document


class CtrlC(KeyboardInterrupt):
    """Ctrl-C, as a class of its own.

    Where a plain KeyboardInterrupt is raised in code that runs from a string (a dataclass or named tuple that is just being made), Python ends the process by
    SIGINT at its very end, whoever caught the exception and whatever exit code was asked for (CPython's ``run_eval_code_obj`` in Python/pythonrun.c,
    ``Py_RunMain`` in Modules/main.c).
    """


def _interrupt(*_: Any) -> NoReturn:
    raise CtrlC


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Have Ctrl-C raise `CtrlC`, unless somebody has other plans with it, such as a shell whose background jobs ignore it."""
    in_main = threading.current_thread() is threading.main_thread()
    ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _own_interrupt():
                command(*args, **kwargs)
        except KvmdocsError as error:
            click.echo(f"kvmdocs: {error.report()}", err=True)
            sys.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("kvmdocs: interrupted", err=True)
            sys.exit(INTERRUPTED)

    return run


class RecipeName(click.ParamType):  # type: ignore[type-arg]  # click made it generic after 8.2
    """A recipe's name, which a shell can complete."""

    name = "recipe"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The project's recipes whose names begin so; none where there is no sound project."""
        del param
        from kvmdocs.execution.project import Project

        try:
            entries = Project(ctx.find_root().params.get("project")).catalog.entries
        except KvmdocsError:
            return []
        return [
            CompletionItem(name, help=entry.recipe.title)
            for name, entry in sorted(entries.items())
            if name.startswith(incomplete)
        ]


def names_of_recipes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument ``[NAMES]...``."""
    return click.argument("names", nargs=-1, type=RecipeName())(command)


def can_be_json(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="As JSON; `kvmdocs schema` has its JSON Schema.")(command)


def print_json(document: Document) -> None:
    """Print a document as JSON."""
    from kvmdocs.cli.documents import dump

    click.echo(dump(document))


def in_its_mode(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--mode``."""
    from kvmdocs.core.model import Mode

    @click.option(
        "--mode",
        type=click.Choice([str(mode) for mode in Mode]),
        help="Run what is stale (live), everything (fresh) or nothing (recorded); the setting `mode` if not given.",
    )
    @wraps(command)
    def run(*args: Any, mode: str | None, **kwargs: Any) -> None:
        from kvmdocs.execution.modes import use_mode

        with use_mode(mode):
            command(*args, **kwargs)

    return run


def in_its_jobs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--jobs``."""

    @click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        help="Run at most so many recipes at once; the setting `limits.jobs` if not given, else as many as the host has room for.",
    )
    @wraps(command)
    def run(*args: Any, jobs: int | None, **kwargs: Any) -> None:
        from kvmdocs.core.settings import override_setting

        with override_setting("limits.jobs", jobs):
            command(*args, **kwargs)

    return run


def with_pdf(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--pdf``."""

    @click.option("--pdf", is_flag=True, help="Also print each language as handbook.pdf beside its pages, which link to it.")
    @wraps(command)
    def run(*args: Any, pdf: bool, **kwargs: Any) -> None:
        from kvmdocs.core.settings import override_setting

        with override_setting("site.pdf", "handbook.pdf" if pdf else None):
            command(*args, **kwargs)

    return run
