"""Form of an approved record's file: its fields and their types.

The file is data from git, so it is validated before any object is made of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import msgspec

from kvmdocs.core.model import Where
from kvmdocs.recording.value_form import DEEPEST, At

FORM = 1
"""Version of the form."""

Lines = str | list[str]
"""Text; several lines are a list."""
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Permissions = Annotated[str, msgspec.Meta(pattern=r"\A[0-7]{0,4}\Z")]
Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class HostForm(msgspec.Struct, forbid_unknown_fields=True):
    """A host (`kvmdocs.core.model.Host`)."""

    name: str
    system: str
    kernel: str
    machine: str
    cpus: Count
    memory: Count


class PlaceForm(msgspec.Struct, forbid_unknown_fields=True):
    """A place in source code (`kvmdocs.core.model.SourceLocation`)."""

    shown: str
    line: Count
    tree: str
    version: str
    path: str
    function: str = ""
    excerpt: tuple[str, ...] = ()
    first: Count = 1
    astray: str = ""
    patched: bool = False


class StepForm(msgspec.Struct, forbid_unknown_fields=True):
    """A step (`kvmdocs.core.model.Step`)."""

    where: Where
    command: Lines
    section: str | None = None
    machine: str = ""
    cwd: str | None = None
    stdin: Lines | None = None
    mode: Permissions = ""
    background: bool = False
    until: Count = 0
    status: Number | None = None
    seconds: float = 0.0
    output: Lines = ""
    omitted_lines: Count = 0
    omitted_bytes: Count = 0
    tail: Lines = ""


class RecordForm(msgspec.Struct, forbid_unknown_fields=True):
    """A record (`kvmdocs.core.model.Record`)."""

    form: int
    recipe: str
    started: str
    seconds: float
    host: HostForm
    steps: list[StepForm]
    settings: dict[str, Any] = {}
    tools: dict[str, Lines] = {}
    inputs: list[str] = []
    emulated: bool = False
    value: Any = None
    places: list[PlaceForm] = []


class Malformed(ValueError):
    """The file is not a valid approved record.

    Args:
        message: The problem.
        at: Path of the value in the data.
        line: The line, if it is known already; otherwise 0.
    """

    def __init__(self, message: str, at: At = (), line: int = 0) -> None:
        super().__init__(message)
        self.at = at
        self.line = line


def parse(text: str) -> Any:
    """Return the data in JSON text. Numbers that other programs cannot read, and duplicate keys, are errors.

    Raises:
        Malformed: The text is not such JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise Malformed(f"it is no JSON: {error.msg}", line=error.lineno) from error
    except RecursionError:
        line = next((line for at, line, _ in _values(text) if len(at) > 2 * DEEPEST), 0)
        raise Malformed("it is nested too deeply", line=line) from None
    except _JsonError as error:
        raise Malformed(str(error), line=next(error.lines(text), 0)) from None


def convert(data: Any) -> RecordForm:
    """Return the record's form from its data.

    Raises:
        Malformed: A field is missing, unknown, or of another type.
    """
    form = data.get("form") if isinstance(data, dict) else None
    if isinstance(form, int) and form != FORM:
        raise Malformed(f"its form is {form}, and this kvmdocs reads {FORM}", ("form",))
    try:
        return msgspec.convert(data, RecordForm)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        names = re.findall(r"\.(\w+)|\[(\d+)\]", path)
        at = tuple(name or int(number) for name, number in names)
        new = re.search(r"unknown field `(.*)`", message)
        where = f"{path.strip('.`')}: " if path else ""
        raise Malformed(f"{where}{message}", (*at, new[1]) if new else at) from error


class _JsonError(Exception):
    """Error found while JSON is parsed, when its line is not known.

    Args:
        message: The problem.
        literal: The number, or the duplicate key.
    """

    def __init__(self, message: str, literal: str, *, twice: bool = False) -> None:
        super().__init__(message)
        self._literal = literal
        self._twice = twice

    def lines(self, text: str) -> Iterator[int]:
        """Yield the lines that may contain the error, likeliest first."""
        seen: set[At] = set()
        for path, line, literal in _values(text):
            at = tuple(path)
            if at in seen and at[-1] == self._literal if self._twice else literal == self._literal:
                yield line
            seen.add(at)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise _JsonError(f"the key {twice!r} stands twice in one object", twice, twice=True)
    return data


def _refuse(literal: str) -> NoReturn:
    raise _JsonError(f"{literal} is no number that JSON has", literal)


def _finite(literal: str) -> float:
    return number if math.isfinite(number := float(literal)) else _refuse(literal)


def _integer(literal: str) -> int:
    try:
        return int(literal)
    except ValueError:  # Python's default limit is 4300 digits
        raise _JsonError(f"a number of {len(literal)} digits is too long", literal) from None


def line_of(text: str, at: At) -> int:
    """Return the line of JSON in which a value begins.

    If there is no such value, return the line of its nearest container; 0 for the whole text.

    Args:
        text: Valid JSON.
        at: Path of the value.
    """
    nearest, length = 0, 0
    for path, line, _ in _values(text):
        if length < len(path) <= len(at) and path == list(at[: len(path)]):
            nearest, length = line, len(path)
    return nearest


_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def _values(text: str) -> Iterator[tuple[list[str | int], int, str]]:
    """Yield every value in JSON: its path (a list that is modified later), its line, and its first token."""
    at: list[str | int] = []
    line = 1
    wants_key = False
    for part in (found[0] for found in _PART.finditer(text)):
        if part == "\n":
            line += 1
        elif part in "}]":
            del at[-1:]
            wants_key = False
        elif part == ",":
            wants_key = bool(at) and isinstance(at[-1], str)
            if at and isinstance(at[-1], int):
                at[-1] += 1
        elif wants_key and part != ":":
            at[-1:] = [json.loads(part, strict=False)]
            wants_key = False
        elif part != ":":
            yield at, line, part
            if part == "{":
                at.append("")
                wants_key = True
            elif part == "[":
                at.append(0)
