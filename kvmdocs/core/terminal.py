"""Filter for everything that the command line prints: no control characters, no secrets.

While `guarded` is active, standard output and error are instances of `GuardedStream`. All text, be it from a command, MkDocs or
Python itself, passes through `kvmdocs.core.control_characters.sanitize` and the build's secret masks. A character that the
terminal's encoding lacks is written as its number.
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

from kvmdocs.core.control_characters import sanitize
from kvmdocs.core.default_settings import DEFAULTS
from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.secrets.environment import secret_values
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings, find_root


class GuardedStream:
    """Text stream that is read by a person.

    Args:
        stream: The underlying stream.
        mask: Removes secrets from a text.

    Attributes:
        unguarded: The underlying stream, for code that moves the cursor and filters its text itself.
    """

    def __init__(self, stream: TextIO, mask: Callable[[str], str]) -> None:
        self.unguarded = stream
        self._mask = mask

    def write(self, text: str) -> int:
        """Write a text."""
        self.unguarded.write(sanitize(self._mask(text)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> io.RawIOBase:
        """Binary stream for UTF-8. Click writes bytes for shell completion, and if it mistrusts a stream's encoding."""
        return _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the underlying stream."""
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
    """Return the stream behind a `GuardedStream`, or `stream` itself."""
    return getattr(stream, "unguarded", stream)


class _ProjectSecrets:
    """Secrets of the command's project, determined when the first text is printed.

    Attributes:
        root: The project's folder, if it was given.
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
def guarded() -> Iterator[_ProjectSecrets]:
    """Guard standard output and error for the length of a ``with``."""
    secrets = _ProjectSecrets()
    before = {name: stream for name in ("stdout", "stderr") if (stream := getattr(sys, name)) is not None}
    guards = {name: cast("TextIO", GuardedStream(stream, secrets.mask)) for name, stream in before.items()}
    errors = {name: getattr(stream, "errors", None) for name, stream in before.items()}
    for name, stream in before.items():
        _set_error_handler("backslashreplace", stream)
        setattr(sys, name, guards[name])
    try:
        yield secrets
    finally:
        for name, stream in before.items():
            if getattr(sys, name) is guards[name]:  # click replaces it after a broken pipe
                setattr(sys, name, stream)
            _set_error_handler(errors[name], stream)


def _set_error_handler(errors: str | None, stream: Any) -> None:
    """Set the error handler for characters that a stream's encoding lacks."""
    if errors and hasattr(stream, "reconfigure"):
        with contextlib.suppress(ValueError):  # it is closed
            stream.reconfigure(errors=errors)
