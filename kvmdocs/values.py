"""What a recipe may return, and how it is kept for the recipes that build on it.

Numbers, text, None, lists, tuples, dictionaries, paths below a workspace, and frozen dataclasses of these. A path is kept relative
to the store's folder of workspaces, so a record means the same wherever the store lies.

The *result digest* of a value covers the content of every file and tree it names, but not where they lie: two runs that
leave the same bytes give the same digest, and what builds on them need not run again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvmdocs.errors import Evidence, StoreError, ValueNotStorable
from kvmdocs.names import KEY_LENGTH

_PATH = "$path"
_TUPLE = "$tuple"
_TYPE = "$type"


def encode(value: Any, work: Path) -> Any:
    """Turn a recipe's return value into JSON form.

    Args:
        value: The value.
        work: The store's folder of workspaces.

    Raises:
        ValueNotStorable: The value, or something in it, is of a kind that cannot be kept, or a path lies elsewhere.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        try:
            return {_PATH: str(Path(os.path.normpath(value)).relative_to(work))}
        except ValueError:
            raise ValueNotStorable(
                f"the returned path {value} does not lie in a workspace",
                Evidence(advice="return paths below `sh.workspace`; what lies elsewhere may be gone tomorrow"),
            ) from None
    if isinstance(value, tuple):
        return {_TUPLE: [encode(item, work) for item in value]}
    if isinstance(value, list):
        return [encode(item, work) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: encode(item, work) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {field.name: encode(getattr(value, field.name), work) for field in dataclasses.fields(value)}
        return {_TYPE: f"{kind.__module__}:{kind.__qualname__}", **fields}
    raise ValueNotStorable(
        f"a {type(value).__name__} cannot be kept as a recipe's result",
        Evidence(advice="return text, numbers, paths, lists, dictionaries or a frozen dataclass of these"),
    )


def decode(data: Any, work: Path) -> Any:
    """Turn JSON form back into the value.

    Args:
        data: What `encode` gave.
        work: The store's folder of workspaces.

    Raises:
        StoreError: The data names a type that is not there any more.
    """
    if isinstance(data, list):
        return [decode(item, work) for item in data]
    if not isinstance(data, dict):
        return data
    if _PATH in data:
        return work / data[_PATH]
    if _TUPLE in data:
        return tuple(decode(item, work) for item in data[_TUPLE])
    if _TYPE in data:
        module, _, name = data[_TYPE].partition(":")
        try:
            kind = getattr(importlib.import_module(module), name)
            return kind(**{key: decode(item, work) for key, item in data.items() if key != _TYPE})
        except (ImportError, AttributeError, TypeError) as error:
            raise StoreError(f"a stored result is of type {data[_TYPE]}, which is not there any more") from error
    return {key: decode(item, work) for key, item in data.items()}


def paths(data: Any) -> list[str]:
    """All paths in JSON form, relative to the folder of workspaces."""
    if isinstance(data, list):
        return [path for item in data for path in paths(item)]
    if not isinstance(data, dict):
        return []
    if _PATH in data:
        return [data[_PATH]]
    return [path for item in data.values() for path in paths(item)]


def contents(data: Any, work: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Content digest of every path in a value in JSON form.

    Args:
        data: The value.
        work: The store's folder of workspaces.
        known: Digests of paths that inputs named; an artefact does not change, and a kernel's source tree takes a while to read.

    Raises:
        ValueNotStorable: A path names nothing.
    """
    return {path: known.get(path) or content_digest(work / path) for path in paths(data)}


def result_digest(data: Any, digests: Mapping[str, str]) -> str:
    """SHA-256 of a value in JSON form with the content of what its paths name.

    Args:
        data: The value.
        digests: What `contents` gave for it.
    """
    return hashlib.sha256(json.dumps(_with_content(data, digests), sort_keys=True).encode()).hexdigest()


def _with_content(data: Any, digests: Mapping[str, str]) -> Any:
    if isinstance(data, list):
        return [_with_content(item, digests) for item in data]
    if not isinstance(data, dict):
        return data
    if _PATH in data:
        folder, _, rest = data[_PATH].partition("/")
        return {_PATH: [folder[: -KEY_LENGTH - 1], rest, digests[data[_PATH]]]}
    return {key: _with_content(item, digests) for key, item in data.items()}


def content_digest(path: Path) -> str:
    """SHA-256 of a file, or of a tree: the names, kinds, executable bits and contents of all that is in it.

    A ``.git`` folder does not count: its index holds times.

    Raises:
        ValueNotStorable: There is nothing at `path`.
    """
    if path.is_file():
        return _file_digest(path)
    if not path.is_dir():
        raise ValueNotStorable(f"the returned path {path} names nothing", Evidence(advice="return what the recipe has made"))
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files + [item for item in folders if os.path.islink(os.path.join(folder, item))]):
            entry = os.path.join(folder, name)
            digest.update(f"{os.path.relpath(entry, path)}\0{_entry_digest(entry)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _entry_digest(entry: str) -> str:
    mode = os.lstat(entry).st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(entry)}"
    if not stat.S_ISREG(mode):
        return f"special {stat.S_IFMT(mode)}"
    return f"{'x' if mode & stat.S_IXUSR else '-'} {_file_digest(entry)}"


def _file_digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
