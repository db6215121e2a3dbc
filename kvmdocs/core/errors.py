"""Everything that can go wrong, as one tree, split by who must act.

::

    KvmdocsError
    ├── AuthorError             a recipe or a guide is wrong; its author mends it
    │   ├── GuideError          a guide names something that is not there, or its block does not run
    │   ├── CatalogError        a recipe is defined twice, is unknown, or is part of a cycle
    │   ├── SettingError        a setting is unknown or has a value that cannot be
    │   ├── RecipeFailed        a recipe ran and did not do what it says
    │   │   ├── CommandFailed   one of its commands ended with a status it must not end with
    │   │   ├── SourceRefused   a download is not what its signature or checksum says it must be
    │   │   ├── TimedOut        it, or one of its steps, took longer than its time limit
    │   │   ├── OutOfMemory     it, with all it started, used more memory than its limit
    │   │   └── LabFailed       a guest, a debugger or a monitor did not do what the recipe waits for
    │   └── ValueNotStorable    a recipe returned something that cannot be kept for later recipes
    ├── OperatorError           the host lacks something; whoever runs the build mends it
    │   ├── HostLacks           a package, a right, disk or network that a recipe needs is not there
    │   └── StoreError          the store cannot be read or written
    ├── EngineError             a bug of kvmdocs itself
    │   └── WorkerLost          a worker process ended without saying how its recipe went
    ├── Skipped                 not an error: a recipe cannot run here, for a reason that has a name
    └── Interrupted             somebody pressed Ctrl-C

An error carries its evidence (`Evidence`), so whoever catches it can say where it happened without having
been there. Exit codes are not here: they belong to the command line alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmdocs.core.control_characters import neutral

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A line of a file an author can open.

    Attributes:
        path: The file, as it is best shown (relative to the project where it can be).
        line: The line, counted from 1; 0 when the file as a whole is meant.
    """

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Evidence:
    """What was seen when something went wrong; every field is optional.

    Attributes:
        guides: The places in guides that asked for the recipe.
        recipe: The recipe's name.
        place: Where in the recipe's source (or the guide) it happened.
        step: The number of the step, counted from 1.
        command: The command of that step, as a reader would type it.
        status: The exit status of that command; negative for a signal.
        tail: The last lines of its output.
        log: Where the whole log is.
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
        """The evidence as lines for a terminal, most important first."""
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
        return [neutral(line) for line in out]


MOST_SAID = 64 * 1024
"""Characters of an exception's text that are taken."""


def said(error: BaseException) -> str:
    """The text of an exception, which may be of anybody's making: it may have none, fail when it is asked for, or be without end."""
    try:
        text = str(error.message if isinstance(error, KvmdocsError) else error)
    except BaseException as worse:  # noqa: BLE001  # whatever it is, what was raised is to be told
        return f"(its text cannot be had: {type(worse).__name__})"
    return shortened(text, MOST_SAID)


def named(error: BaseException) -> str:
    """An exception's class and its text."""
    text = said(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shortened(text: str, most: int) -> str:
    """The beginning and the end of a text that is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]} […] {text[-(most // 2) :]}"


def describe_status(status: int) -> str:
    """An exit status in words: ``exit 2``, or the signal's name for a negative one."""
    if status >= 0:
        return f"exit {status}"
    import signal

    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


class KvmdocsError(Exception):
    """The root of the tree.

    Args:
        message: One sentence that says what is wrong.
        evidence: What was seen.
    """

    def __init__(self, message: str, evidence: Evidence | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence or Evidence()

    def seen(self, **fields: object) -> KvmdocsError:
        """Add evidence that only a caller further up knows; fields already set stay.

        Returns:
            The error itself, so that it can be raised again in one line.
        """
        missing = {
            name: value
            for name, value in fields.items()
            if value not in (None, "", (), 0) and getattr(self.evidence, name) in (None, "", (), 0)
        }
        self.evidence = replace(self.evidence, **missing)  # type: ignore[arg-type]  # names are checked by replace()
        return self

    def __str__(self) -> str:
        """The same as `report`: a traceback that somebody else prints shows the evidence too."""
        return self.report()

    def report(self) -> str:
        """The message and its evidence, for a terminal or a log."""
        return "\n".join([neutral(said(self)), *(f"  {line}" for line in self.evidence.lines())])


class AuthorError(KvmdocsError):
    """A recipe or a guide is wrong."""


class GuideError(AuthorError):
    """A guide names something that is not there, or its block does not run."""


class CatalogError(AuthorError):
    """A recipe is unknown, defined twice, or part of a cycle."""


class SettingError(AuthorError):
    """A setting is unknown or has a value that cannot be."""


class RecipeFailed(AuthorError):
    """A recipe ran and did not do what it says."""


class CommandFailed(RecipeFailed):
    """A command ended with a status that the recipe does not expect."""


class SourceRefused(RecipeFailed):
    """A download is not what its signature, checksum or key's fingerprint says it must be; nothing of it is used."""


class TimedOut(RecipeFailed):
    """A recipe or a step took longer than its time limit."""


class OutOfMemory(RecipeFailed):
    """A recipe, with all it started, used more memory than its limit."""


class LabFailed(RecipeFailed):
    """A guest, a debugger or a monitor did not do what the recipe waits for."""


class ValueNotStorable(AuthorError):
    """A recipe returned something that cannot be kept for later recipes."""


class OperatorError(KvmdocsError):
    """The host lacks something."""


class HostLacks(OperatorError):
    """A package, a right, disk space or the network is missing."""


class StoreError(OperatorError):
    """The store cannot be read or written."""


class EngineError(KvmdocsError):
    """A bug of kvmdocs itself."""


class WorkerLost(EngineError):
    """A worker ended without saying how its recipe went."""


class Skipped(KvmdocsError):
    """A recipe cannot run on this host; the message is the reason."""


class Interrupted(KvmdocsError):
    """Somebody pressed Ctrl-C."""
