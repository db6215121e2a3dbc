"""Description of the exception that ended a recipe, as the `Failure` of its record."""

from __future__ import annotations

import traceback
from pathlib import Path

import sh as _sh

from kvmdocs.core.errors import (
    MOST_SAID,
    CommandFailed,
    Evidence,
    KvmdocsError,
    OperatorError,
    Place,
    RecipeFailed,
    TimedOut,
    named,
    said,
    shortened,
)
from kvmdocs.core.model import Failure
from kvmdocs.core.paths import ENGINE
from kvmdocs.recording.shell import Shell

MAX_MESSAGE = 16 * 1024
"""Characters of a message that a record holds."""


def failure(error: BaseException, shell: Shell, root: Path) -> Failure:
    """Return why a recipe failed, as plain data; exceptions of libraries are described in the project's words.

    Args:
        error: The exception.
        shell: Shell of the recipe.
        root: Folder of the project.
    """
    try:
        return _failure(error, shell, root)
    except Exception as worse:  # noqa: BLE001  # a recipe may raise an exception whose attributes or methods raise in turn
        return Failure(RecipeFailed.__name__, f"{type(error).__name__}: no details available ({named(worse)})")


def _failure(error: BaseException, shell: Shell, root: Path) -> Failure:
    explained = _explain(error, shell)
    evidence = explained.evidence
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_in_project(frame.filename, root)]
    place = evidence.place or (Place(frames[-1].filename, frames[-1].lineno or 0) if frames else Place(""))
    # A lack of the host is found before a step begins, so the current step has nothing to do with it.
    number = 0 if isinstance(explained, OperatorError) else evidence.step or (shell.current() or (0, None))[0]
    return Failure(
        error=type(explained).__name__,
        message=shortened(shell.readable(said(explained)), MAX_MESSAGE),
        path=place.path.removeprefix(f"{root}/"),
        line=int(place.line),
        step=int(number),
        advice=shell.readable(evidence.advice),
        tail=shell.readable(evidence.tail),
        traceback=shortened(shell.readable(shortened(_traceback(error), 2 * MOST_SAID)), MOST_SAID),
    )


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as worse:  # noqa: BLE001  # it asks the exception and its causes for their texts
        lines = traceback.format_tb(error.__traceback__)
        return "".join([*lines, named(error), f"\n(the rest is not available: {named(worse)})\n"])


def is_in_project(filename: str, root: Path) -> bool:
    """Check whether a frame is in a recipe or a guide of the project, not in the engine or a library."""
    # Compare with the engine's path, not its name: the folder of a project or of a store may be called kvmdocs, too.
    return filename.startswith(f"{root}/") and not filename.startswith(f"{ENGINE}/") and "site-packages" not in filename


def _explain(error: BaseException, shell: Shell) -> KvmdocsError:
    if isinstance(error, KvmdocsError):
        return error
    number, step = shell.current() or (0, None)
    command = step.command.splitlines()[0] if step else ""
    if isinstance(error, _sh.TimeoutException):
        return TimedOut(f"`{command}` did not end within its time limit", Evidence(step=number))
    if isinstance(error, _sh.ErrorReturnCode):
        return CommandFailed(
            f"`{command}` ended with status {error.exit_code}",
            Evidence(step=number, advice="read its output above; the same run with `--shell` opens a shell there"),
        )
    if isinstance(error, _sh.ForkException):
        # The text of this exception is a traceback; its last line is the cause.
        cause = (said(error).strip().splitlines() or [""])[-1].strip()
        return RecipeFailed(f"`{command}` could not be started: {cause}", Evidence(step=number))
    if isinstance(error, AssertionError):
        text = said(error) or f"{_condition(error)} does not hold"
        return RecipeFailed(f"assertion failed: {text}", Evidence(advice="compare the assertion with the output of the step"))
    if isinstance(error, KeyboardInterrupt):
        return RecipeFailed("the recipe was interrupted")
    return RecipeFailed(named(error))


def _condition(error: AssertionError) -> str:
    """Return the line of an ``assert`` statement, or general words for an assertion that a library makes."""
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return f"`{line}`" if line.startswith("assert ") else "the asserted condition"
