"""Parts that commands share: error reports, options, JSON output. Commands import late, so that ``--help`` is quick."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from kvmdocs.core.errors import Evidence, HostLacks, KvmdocsError, SettingError
from kvmdocs.core.exit_codes import INTERRUPTED, exit_code

if TYPE_CHECKING:
    from kvmdocs.cli.documents import Document
    from kvmdocs.execution.project import Project

DOCUMENT_NAMES = ("approve", "clean", "diff", "doctor", "list", "report", "run", "status", "why")
"""Commands that print a document with ``--json``, and ``report``: the keys of `kvmdocs.cli.documents.DOCUMENTS`."""


class CtrlC(KeyboardInterrupt):
    """KeyboardInterrupt that does not override the exit code.

    If a plain KeyboardInterrupt is raised in code that runs from a string (``exec``, as dataclasses and named tuples use it),
    Python kills its own process by SIGINT at exit, even if the exception was caught and another exit code was set (CPython's
    ``run_eval_code_obj`` in Python/pythonrun.c, ``Py_RunMain`` in Modules/main.c).
    """


def _interrupt(*_: Any) -> NoReturn:
    raise CtrlC


@contextmanager
def _sigint_handled() -> Iterator[None]:
    """Let SIGINT raise `CtrlC`, unless it has another handler or is ignored, as in a background job of a shell."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    is_default = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a command's exceptions into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _sigint_handled():
                command(*args, **kwargs)
        except KvmdocsError as error:
            click.echo(f"kvmdocs: {error.report()}", err=True)
            sys.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("kvmdocs: interrupted", err=True)
            sys.exit(INTERRUPTED)

    return run


def open_project(folder: Path | None) -> Project:
    """Return the project for a command that needs one.

    Args:
        folder: The project's folder; found from the working directory if not given.

    Raises:
        SettingError: The folder has no `kvmdocs.toml`, no site configuration and no recipes.
    """
    from kvmdocs.core.settings import FILE
    from kvmdocs.execution.project import Project

    project = Project(folder)
    configs, recipes = project.settings["project.configs"], project.settings["project.recipes"]
    if not any((project.root / name).exists() for name in (FILE, *configs, recipes.replace(".", "/"))):
        advice = f"run it in or below a folder with a {FILE}, or name that folder: kvmdocs -C FOLDER …"
        raise SettingError(f"no project in {project.root}", Evidence(advice=advice))
    return project


@contextmanager
def report_unwritable(path: str | Path, advice: str) -> Iterator[None]:
    """Turn an OSError at writing a file into an error that says what to do.

    Raises:
        HostLacks: The file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise HostLacks(f"{path} cannot be written: {error.strerror}", Evidence(advice=advice)) from error


class RecipeName(click.ParamType):  # type: ignore[type-arg]  # click made it generic after 8.2
    """Name of a recipe, with completion in the shell."""

    name = "recipe"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the recipes whose names begin with `incomplete`; none if the project cannot be read."""
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
    return click.option("--json", "as_json", is_flag=True, help="Print JSON; `kvmdocs schema` prints its JSON Schema.")(command)


def print_json(document: Document) -> None:
    """Print a document as JSON."""
    from kvmdocs.core import json_document

    click.echo(json_document.dump(document))


def in_its_mode(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--mode``."""
    from kvmdocs.core.model import Mode

    @click.option(
        "--mode",
        type=click.Choice([str(mode) for mode in Mode]),
        help="Run stale recipes (live), all (fresh) or none (recorded); default: the setting `mode`.",
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
        help="Most recipes to run at once; default: the setting `limits.jobs`, else as many as fit on the host.",
    )
    @wraps(command)
    def run(*args: Any, jobs: int | None, **kwargs: Any) -> None:
        from kvmdocs.core.settings import override_setting

        with override_setting("limits.jobs", jobs):
            command(*args, **kwargs)

    return run


def with_pdf(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--pdf``."""

    @click.option("--pdf", is_flag=True, help="Also print each language as handbook.pdf next to its pages, which link to it.")
    @wraps(command)
    def run(*args: Any, pdf: bool, **kwargs: Any) -> None:
        from kvmdocs.core.settings import override_setting

        with override_setting("site.pdf", "handbook.pdf" if pdf else None):
            command(*args, **kwargs)

    return run
