"""Tools of the host: whether they exist, their versions, and the packages that contain them.

A *tool* is a name that a recipe declares in ``@recipe(tools=…)``. The project's package table (``recipes/packages.toml``) tells
how to check for each tool, and the names of its packages in apt, dnf and pacman. A tool that is not in the table is a program
of that name. Programs are searched on the ``PATH`` that recipes see.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import struct
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, Place, SettingError
from kvmdocs.host.command import run

VERSION_TIMEOUT = 10.0
"""Seconds a tool may take to print its version."""

MANAGERS = ("apt", "dnf", "pacman")
"""The package managers that the table has columns for."""


@dataclass(frozen=True)
class Missing:
    """A tool that the host lacks.

    Attributes:
        tool: Its name.
        reason: The failed check, in words.
        check: The tool, to check again.
        use: Its purpose; "" if the table does not tell.
        packages: The packages that contain it, by package manager.
    """

    tool: str
    reason: str
    check: Tool
    use: str = ""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tool:
    """An entry of the package table.

    Attributes:
        name: The tool's name.
        command: A program that must be on ``PATH``.
        module: A library that pkg-config must find.
        files: Files of which one must exist.
        run: A command that must end with status 0.
        static: Whether the program must be statically linked.
        version: Arguments with which the program prints its version.
        apt: Packages of Debian, Ubuntu and related distributions.
        dnf: Packages of Fedora and related distributions.
        pacman: Packages of Arch Linux and related distributions.
        use: Its purpose.
    """

    name: str
    command: str = ""
    module: str = ""
    files: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    static: bool = False
    version: tuple[str, ...] = ("--version",)
    apt: tuple[str, ...] = ()
    dnf: tuple[str, ...] = ()
    pacman: tuple[str, ...] = ()
    use: str = ""

    @classmethod
    def parse(cls, name: str, entry: Any) -> Tool:
        """Return the tool of a table entry.

        Raises:
            ValueError: A key is unknown, a value has the wrong type, or the entry does not have exactly one check.
        """
        if not isinstance(entry, dict):
            raise ValueError("it is not a table")  # noqa: TRY004  # one exception type for every error in an entry
        defaults = {item.name: item.default for item in fields(cls) if item.name != "name"}
        values: dict[str, Any] = {}
        for key, value in entry.items():
            if key not in defaults:
                raise ValueError(f"unknown key {key!r}; the keys are {', '.join(defaults)}")
            values[key] = tuple(value) if isinstance(value, list) else value
            if type(values[key]) is not type(defaults[key]) or not _all_text(values[key]):
                raise ValueError(f"{key} = {value!r} has the wrong type")
        if sum(bool(values.get(way)) for way in ("command", "module", "files", "run")) != 1:
            raise ValueError("it needs exactly one of command, module, files and run")
        return cls(name, **values)

    def lacking(self) -> str:
        """Return the failed check; "" if the tool exists."""
        if self.module:
            return self._lacking_module()
        if self.files:
            return "" if self._file() else f"none of {', '.join(self.files)} exists"
        if self.run:
            return "" if _output(self.run) is not None else f"`{' '.join(self.run)}` fails"
        program = shutil.which(self.command)
        if program is None:
            return f"no program {self.command} on PATH"
        if self.static and not is_static(Path(program)):
            return f"{program} needs shared libraries, but must be statically linked"
        return ""

    def _lacking_module(self) -> str:
        if shutil.which("pkg-config") is None:
            return f"pkg-config, which finds {self.module}, is not installed"
        return "" if self._printed_version() else f"pkg-config does not find {self.module}"

    def _file(self) -> Path | None:
        return next((Path(name) for name in self.files if os.path.exists(name)), None)

    def _printed_version(self) -> str | None:
        """Return the version that the tool prints, or pkg-config for it."""
        if self.module:
            text = _output(("pkg-config", "--modversion", self.module))
        else:
            text = _output((self.run[0] if self.run else self.command, *self.version))
        return None if text is None else _version_line(text)

    def tell_version(self) -> str | None:
        """Return the version that the program prints, or the digest of a file; None if there is none."""
        if self.files:
            path = self._file()
            return None if path is None else f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        return self._printed_version()

    def identity(self) -> str:
        """Return a cheap fingerprint that changes when another build of the tool is installed; "" if it does not exist.

        All programs of that name on PATH are part of it. The first one may be a wrapper (ccache, a version chooser) that stays
        the same when the program it starts changes.
        """
        if self.module:
            described = _pc_file(self.module)
            return _file_stamp(described) if described else self._printed_version() or ""
        if self.files:
            path = self._file()
            return _file_stamp(str(path)) if path else ""
        return " ".join(_file_stamp(path) for path in _every_on_path(self.run[0] if self.run else self.command))


class Tools:
    """A project's package table.

    Args:
        tools: Its tools, by name.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = dict(tools)

    @classmethod
    def load(cls, path: Path | None) -> Tools:
        """Read the table; None gives an empty one.

        Raises:
            SettingError: The file cannot be read, or an entry is invalid.
        """
        if path is None:
            return cls({})
        try:
            data = tomllib.loads(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(
                f"the package table cannot be read: {error}",
                Evidence(place=Place(str(path)), advice="correct it, or change the setting project.packages"),
            ) from error
        tools = {}
        for name, entry in data.items():
            try:
                tools[name] = Tool.parse(name, entry)
            except ValueError as error:
                raise SettingError(
                    f"the entry {name!r} of the package table is invalid: {error}",
                    Evidence(place=Place(str(path)), advice="the comment at its top explains the entries"),
                ) from error
        return cls(tools)

    def __iter__(self) -> Iterator[Tool]:
        """Iterate over the tools in the order of the table."""
        return iter(self._tools.values())

    def get(self, name: str) -> Tool:
        """Return the tool of a name; a program of that name if it is not in the table."""
        return self._tools.get(name) or Tool(name, command=name)

    def missing(self, names: Iterable[str]) -> list[Missing]:
        """Return those of the tools that the host lacks, without duplicates, in the given order."""
        missing = []
        for name in dict.fromkeys(names):
            tool = self.get(name)
            if reason := tool.lacking():
                packages = {manager: getattr(tool, manager) for manager in MANAGERS if getattr(tool, manager)}
                if tool.module and "pkg-config" in self._tools and shutil.which("pkg-config") is None:
                    pkg_config = self._tools["pkg-config"]
                    packages = {manager: (*names, *getattr(pkg_config, manager)) for manager, names in packages.items()}
                missing.append(Missing(name, reason, tool, tool.use, packages))
        return missing

    def version(self, name: str) -> str | None:
        """Return the version of a tool in one line; None if the tool does not print it in time."""
        return self.get(name).tell_version()

    def identity(self, name: str) -> str:
        """Return `Tool.identity` of a tool."""
        return self.get(name).identity()


def is_static(program: Path) -> bool:
    """Check whether a program is a statically linked ELF file, which runs without any library.

    Only 64-bit ELF is supported. A dynamic program has a PT_INTERP program header (elf(5)).
    """
    try:
        data = program.read_bytes()[:4096]
        if data[:5] != b"\x7fELF\x02":
            return False
        order = "<" if data[5] == 1 else ">"
        (offset,) = struct.unpack_from(f"{order}Q", data, 32)
        size, count = struct.unpack_from(f"{order}HH", data, 54)
        kinds = [struct.unpack_from(f"{order}I", data, offset + size * number)[0] for number in range(count)]
    except (OSError, IndexError, OverflowError, struct.error):
        return False  # missing, or not a complete ELF file
    return bool(kinds) and 3 not in kinds  # PT_INTERP


def _all_text(value: Any) -> bool:
    return not isinstance(value, tuple) or all(isinstance(item, str) for item in value)


def _output(command: tuple[str, ...]) -> str | None:
    """Return a command's output, both streams; None if it does not exist, fails or takes too long."""
    try:
        done = run(command, VERSION_TIMEOUT, stderr=subprocess.STDOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "replace")


def _pc_file(module: str) -> str | None:
    """Return the .pc file of a library, found without pkg-config; None if it is where only pkg-config looks."""
    configured = [
        folder for name in ("PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR") for folder in os.environ.get(name, "").split(os.pathsep)
    ]
    usual = ("/usr/local/lib", "/usr/local/lib/*", "/usr/lib", "/usr/lib/*", "/usr/lib64", "/usr/share")
    patterns = [*filter(None, configured), *(f"{folder}/pkgconfig" for folder in usual)]
    return next((path for pattern in patterns for path in sorted(glob.glob(f"{pattern}/{module}.pc"))), None)


def _version_line(text: str) -> str | None:
    """Return the first line with a digit. Some programs print an empty line or their authors first."""
    return next((line.strip() for line in text.splitlines() if any(char.isdigit() for char in line)), None)


def _every_on_path(command: str) -> list[str]:
    """Return every program of a name on PATH, in order, with symbolic links resolved."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    paths = (shutil.which(command, path=folder) for folder in folders if folder)
    return list(dict.fromkeys(os.path.realpath(path) for path in paths if path))


def _file_stamp(path: str) -> str:
    status = os.stat(path)
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"
