"""Digests of what recipes return: of a value, and of the files and trees that it names."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, ValueNotStorable
from kvmdocs.core.paths import KEY_LENGTH
from kvmdocs.recording.value_form import PATH

IGNORED = frozenset({".git", "__pycache__"})
"""Folders that are no content of a tree: git's index contains times, and running a tree's script compiles its modules."""


def paths(data: Any) -> list[str]:
    """Return all paths in JSON form, relative to the folder of workspaces."""
    if isinstance(data, list):
        return [path for item in data for path in paths(item)]
    if not isinstance(data, dict):
        return []
    if PATH in data:
        return [data[PATH]]
    return [path for item in data.values() for path in paths(item)]


def contents(data: Any, work: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return the content digest of every path in a value in JSON form.

    Args:
        data: The value.
        work: The store's folder of workspaces.
        known: Digests of paths of inputs. Artefacts do not change, and reading a kernel's source tree takes a while.

    Raises:
        ValueNotStorable: A path does not exist.
    """
    return {path: known.get(path) or content_digest(work / path) for path in paths(data)}


def result_digest(data: Any, digests: Mapping[str, str]) -> str:
    """Return the SHA-256 of a value in JSON form and of the content of its paths.

    Args:
        data: The value.
        digests: Result of `contents` for it.
    """
    return hashlib.sha256(json.dumps(_with_content(data, digests), sort_keys=True).encode()).hexdigest()


def _with_content(data: Any, digests: Mapping[str, str]) -> Any:
    if isinstance(data, list):
        return [_with_content(item, digests) for item in data]
    if not isinstance(data, dict):
        return data
    if PATH in data:
        folder, _, rest = data[PATH].partition("/")
        return {PATH: [folder[: -KEY_LENGTH - 1], rest, digests[data[PATH]]]}
    return {key: _with_content(item, digests) for key, item in data.items()}


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file or a tree: names, kinds, executable bits and contents of all entries.

    Folders in `IGNORED` are left out.

    Raises:
        ValueNotStorable: `path` does not exist.
    """
    if path.is_file():
        return hashlib.sha256(_entry_digest(os.path.realpath(path)).encode()).hexdigest()
    if not path.is_dir():
        raise ValueNotStorable(
            f"the returned path {path} does not exist", Evidence(advice="return a file or folder that the recipe has created")
        )
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in IGNORED)
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
