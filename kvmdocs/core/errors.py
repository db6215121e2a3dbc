"""Errors of the engine, as one tree, split by who must act.

::

    KvmdocsError
    ├── AuthorError             a recipe or a guide is wrong; its author must correct it
    │   ├── GuideError          a guide refers to something that does not exist, or its block fails
    │   ├── CatalogError        a recipe is unknown, defined twice, or part of a cycle
    │   ├── SettingError        a setting is unknown or has an invalid value
    │   ├── RecipeFailed        a recipe ran and failed
    │   │   ├── CommandFailed   a command ended with an unexpected status
    │   │   ├── SourceRefused   a download does not match its signature or checksum
    │   │   ├── TimedOut        the recipe or a step exceeded its time limit
    │   │   ├── OutOfMemory     the recipe's processes exceeded its memory limit
    │   │   └── LabFailed       a guest, a debugger or a monitor did not do what the recipe waits for
    │   └── ValueNotStorable    a recipe's return value cannot be stored
    ├── OperatorError           the host lacks something; whoever runs the build must provide it
    │   ├── HostLacks           a package, a permission, disk space or the network is missing
    │   └── StoreError          the store cannot be read or written
    ├── EngineError             a bug of kvmdocs itself
    │   └── WorkerLost          a worker process ended without reporting a result
    ├── Skipped                 not an error: a recipe cannot run on this host; the message is the reason
    └── Interrupted             the user pressed Ctrl-C

An error carries its evidence (`Evidence`), so that code further up can report where it happened. Exit codes belong to the
command line: `kvmdocs.core.exit_codes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmdocs.core.control_characters import sanitize

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Line of a file that an author can open.

    Attributes:
        path: The file, relative to the project if possible.
        line: The line, counted from 1; 0 for the file as a whole.
    """

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Evidence:
    """Circumstances of an error. Every field is optional.

    Attributes:
        guides: Places in guides that show the recipe.
        recipe: The recipe's name.
        place: Place of the error in the recipe's source or in the guide.
        step: Number of the step, counted from 1.
        command: Command of that step, as a reader would type it.
        status: Exit status of that command; negative for a signal.
        tail: Last lines of its output.
        log: File with the whole log.
        advice: What to type or change next.
    """

    guides: tuple[Place, ...] = ()
    recipe: str = ""
    place: Place | None = None
    step: int = 0
    command: str = ""
    status: int | None = None
    tail: str = ""
    log: Path | None = None
    advice: str = ""

    def lines(self) -> list[str]:
        """Return the evidence as lines for a terminal, most important first."""
        out = [f"guide    {place}" for place in self.guides]
        if self.recipe:
            out.append(f"recipe   {self.recipe}" + (f" ({self.place})" if self.place else ""))
        elif self.place:
            out.append(f"at       {self.place}")
        if self.command:
            first, *rest = self.command.splitlines()
            out.append(f"step {self.step or '':<4}{first}" + (" …" if rest else ""))
        if self.status is not None:
            out.append(f"status   {describe_status(self.status)}")
        if self.tail:
            out.append("output   " + "\n         ".join(self.tail.splitlines()))
        if self.log:
            out.append(f"log      {self.log}")
        if self.advice:
            out.append(f"next     {self.advice}")
        return [sanitize(line) for line in out]


MOST_SAID = 64 * 1024
"""Largest number of characters used of an exception's text."""


def said(error: BaseException) -> str:
    """Return the text of any exception. The text may be empty or very long, and computing it may fail."""
    try:
        text = str(error.message if isinstance(error, KvmdocsError) else error)
    except BaseException as worse:  # noqa: BLE001  # a foreign __str__ may raise anything
        return f"(its text cannot be had: {type(worse).__name__})"
    return shortened(text, MOST_SAID)


def named(error: BaseException) -> str:
    """Return an exception's class and its text."""
    text = said(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shortened(text: str, most: int) -> str:
    """Return the text, or its beginning and its end if it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]} […] {text[-(most // 2) :]}"


def describe_status(status: int) -> str:
    """Return an exit status in words: ``exit 2``, or the signal's name for a negative one."""
    if status >= 0:
        return f"exit {status}"
    import signal

    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


class KvmdocsError(Exception):
    """Base class of all errors of the engine.

    Args:
        message: One sentence that says what is wrong.
        evidence: Circumstances of the error.
    """

    def __init__(self, message: str, evidence: Evidence | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence or Evidence()

    def seen(self, **fields: object) -> KvmdocsError:
        """Add evidence that only a caller further up knows. Fields that are set already are kept.

        Returns:
            The error itself, so that it can be raised again in one line.
        """
        added = {
            name: value
            for name, value in fields.items()
            if value not in (None, "", (), 0) and getattr(self.evidence, name) in (None, "", (), 0)
        }
        self.evidence = replace(self.evidence, **added)  # type: ignore[arg-type]  # names are checked by replace()
        return self

    def __str__(self) -> str:
        """Return `report`, so that any traceback shows the evidence too."""
        return self.report()

    def report(self) -> str:
        """Return the message and its evidence, for a terminal or a log."""
        return "\n".join([sanitize(said(self)), *(f"  {line}" for line in self.evidence.lines())])


class AuthorError(KvmdocsError):
    """A recipe or a guide is wrong."""


class GuideError(AuthorError):
    """A guide refers to something that does not exist, or its block fails."""


class CatalogError(AuthorError):
    """A recipe is unknown, defined twice, or part of a cycle."""


class SettingError(AuthorError):
    """A setting is unknown or has an invalid value."""


class RecipeFailed(AuthorError):
    """A recipe ran and failed."""


class CommandFailed(RecipeFailed):
    """A command ended with a status that the recipe does not expect."""


class SourceRefused(RecipeFailed):
    """A download does not match its signature, its checksum or the fingerprint of its key. Nothing of it is used."""


class TimedOut(RecipeFailed):
    """A recipe or a step exceeded its time limit."""


class OutOfMemory(RecipeFailed):
    """The processes of a recipe exceeded its memory limit."""


class LabFailed(RecipeFailed):
    """A guest, a debugger or a monitor did not do what the recipe waits for."""


class ValueNotStorable(AuthorError):
    """A recipe's return value cannot be stored for the recipes that build on it."""


class OperatorError(KvmdocsError):
    """The host lacks something."""


class HostLacks(OperatorError):
    """A package, a permission, disk space or the network is missing."""


class StoreError(OperatorError):
    """The store cannot be read or written."""


class EngineError(KvmdocsError):
    """A bug of kvmdocs itself."""


class WorkerLost(EngineError):
    """A worker ended without reporting a result."""


class Skipped(KvmdocsError):
    """A recipe cannot run on this host; the message is the reason."""


class Interrupted(KvmdocsError):
    """The user pressed Ctrl-C."""
