"""The one way of the command line to a person's terminal: whoever prints, nothing gets there that a terminal obeys, and no secret.

While `guarded` is in force, standard output and error are `GuardedStream`: all that is printed goes through `kvmdocs.core.control_characters.neutral` and through what the
build knows to be secret, be it a command's, MkDocs' or Python's own. A character that the terminal's encoding does not have becomes its number.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO, cast

from kvmdocs.core.control_characters import neutral
from kvmdocs.core.default_settings import DEFAULTS
from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.secrets.environment import secret_values
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings, find_root


class GuardedStream:
    """A stream of text whose reader is a person.

    Args:
        stream: The stream itself.
        mask: Takes secrets out of a text.

    Attributes:
        unguarded: The stream itself, for who moves a terminal's cursor and sees to the texts.
    """

    def __init__(self, stream: TextIO, mask: Callable[[str], str]) -> None:
        self.unguarded = stream
        self._mask = mask

    def write(self, text: str) -> int:
        """Write a text."""
        self.unguarded.write(neutral(self._mask(text)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> io.RawIOBase:
        """The same for UTF-8: click writes bytes where it completes words for a shell, or takes a stream's encoding for a mistake."""
        return _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self.unguarded, name)


class _Bytes(io.RawIOBase):
    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._stream.unguarded.flush()


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself behind a `GuardedStream` one."""
    return getattr(stream, "unguarded", stream)


class _Known:
    """The secrets of the project that a command is about, found out when the first text is printed.

    Attributes:
        root: The project's folder, where it was given.
    """

    def __init__(self) -> None:
        self.root: Path | None = None

    def mask(self, text: str) -> str:
        return self._secrets.mask(text)

    @cached_property
    def _secrets(self) -> Secrets:
        values = DEFAULTS
        with contextlib.suppress(KvmdocsError, OSError):
            values = Settings.load(find_root(self.root)).values
        return Secrets(secret_values(os.environ, values["secrets.variables"], values["secrets.exempt"]))


@contextmanager
def guarded() -> Iterator[_Known]:
    """Guard standard output and error for the length of a ``with``."""
    known = _Known()
    before = {name: stream for name in ("stdout", "stderr") if (stream := getattr(sys, name)) is not None}
    guards = {name: cast("TextIO", GuardedStream(stream, known.mask)) for name, stream in before.items()}
    errors = {name: getattr(stream, "errors", None) for name, stream in before.items()}
    for name, stream in before.items():
        _written_with("backslashreplace", stream)
        setattr(sys, name, guards[name])
    try:
        yield known
    finally:
        for name, stream in before.items():
            if getattr(sys, name) is guards[name]:  # click puts another one there when nobody reads any more
                setattr(sys, name, stream)
            _written_with(errors[name], stream)


def _written_with(errors: str | None, stream: Any) -> None:
    """Say what becomes of characters that a stream's encoding does not have."""
    if errors and hasattr(stream, "reconfigure"):
        with contextlib.suppress(ValueError):  # it is closed
            stream.reconfigure(errors=errors)
