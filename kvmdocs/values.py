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
import math
import os
import stat
import sys
from collections.abc import Callable, Mapping
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
        ValueNotStorable: The value, or something in it, is of a kind that would not come back as it is, or a path lies elsewhere.
    """
    # Exact types: a named tuple or an enumeration's member would come back as the plain tuple or text it is based on.
    kind = type(value)
    if value is None or kind in (bool, int) or (kind is float and math.isfinite(value)) or (kind is str and _is_text(value)):
        return value
    if isinstance(value, Path):
        return {_PATH: _below(value, work)}
    if kind is tuple:
        return {_TUPLE: [encode(item, work) for item in value]}
    if kind is list:
        return [encode(item, work) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") and _is_text(key) for key in value):
        return {key: encode(item, work) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _is_importable(kind):
        fields = {field.name: encode(getattr(value, field.name), work) for field in dataclasses.fields(value) if field.init}
        return {_TYPE: f"{kind.__module__}:{kind.__qualname__}", **fields}
    raise ValueNotStorable(
        f"the {kind.__name__} {_brief(value)} cannot be kept as a recipe's result",
        Evidence(advice="return text, numbers, paths, lists, dictionaries or a frozen dataclass (of a module) of these"),
    )


def without_secrets(data: Any, mask: Callable[[str], str]) -> Any:
    """A value in JSON form with no secret in its texts.

    Args:
        data: The value.
        mask: Takes secrets out of a text.

    Raises:
        ValueNotStorable: A path has one in its name; masked it would lead nowhere.
    """
    if isinstance(data, str):
        return mask(data)
    if isinstance(data, list):
        return [without_secrets(item, mask) for item in data]
    if not isinstance(data, dict):
        return data
    if _PATH in data and (shown := mask(data[_PATH])) != data[_PATH]:
        raise ValueNotStorable(
            f"the returned path {shown!r} has a secret in its name", Evidence(advice="give the file or folder another name")
        )
    return {
        name if name.startswith("$") else mask(name): item if name in (_PATH, _TYPE) else without_secrets(item, mask)
        for name, item in data.items()
    }


def _below(path: Path, work: Path) -> str:
    """A path relative to the folder of workspaces."""
    try:
        relative = Path(os.path.normpath(path)).relative_to(work)
    except ValueError:
        relative = Path()
    if not relative.parts or not _is_text(str(relative)):
        raise ValueNotStorable(
            f"the returned path {_brief(path)} does not lie in a workspace",
            Evidence(advice="return paths below `sh.workspace`; what lies elsewhere may be gone tomorrow"),
        )
    return str(relative)


def _is_text(text: str) -> bool:
    """Whether text can be written as UTF-8; names of files that are not UTF-8 hold lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_importable(kind: type) -> bool:
    """Whether a dataclass is frozen and a later recipe, in a process of its own, finds it by its module and name."""
    frozen = bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]  # every dataclass has it
    return frozen and getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def _brief(value: Any) -> str:
    """A value for a message."""
    return repr(value)[:60]


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
    """SHA-256 of a file or of a tree: the names, kinds, executable bits and contents of all that is in it.

    A ``.git`` folder does not count: its index holds times.

    Raises:
        ValueNotStorable: There is nothing at `path`.
    """
    if path.is_file():
        return hashlib.sha256(_entry_digest(os.path.realpath(path)).encode()).hexdigest()
    if not path.is_dir():
        raise ValueNotStorable(f"the returned path {path} names nothing", Evidence(advice="return what the recipe has made"))
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files + folders):
            entry = os.path.join(folder, name)
            digest.update(f"{os.path.relpath(entry, path)}\0{_entry_digest(entry)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _entry_digest(entry: str) -> str:
    mode = os.lstat(entry).st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(entry)}"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return f"special {stat.S_IFMT(mode)}"
    return f"{'x' if mode & stat.S_IXUSR else '-'} {_file_digest(entry)}"


def _file_digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
