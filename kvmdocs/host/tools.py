"""Tools of the host: whether they are there, which version they are, and which packages bring them.

A *tool* is what a recipe declares in ``@recipe(tools=…)``. The project's package table (``recipes/packages.toml``) says how each
is tried and what the packages are called in apt, dnf and pacman; a tool the table does not know is taken to be a program
of its name. Programs are looked for on the ``PATH`` that recipes see.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, Place, SettingError

ANSWER = 10.0
"""Seconds a tool may take to say its version."""

MANAGERS = ("apt", "dnf", "pacman")
"""The package managers the table has columns for."""


@dataclass(frozen=True)
class Missing:
    """A tool the host lacks.

    Attributes:
        tool: Its name.
        reason: What was tried and not found, in words.
        check: The tool itself, to try it again.
        use: What it is for; "" if the table does not say.
        packages: The packages that bring it, by package manager.
    """

    tool: str
    reason: str
    check: Tool
    use: str = ""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tool:
    """A line of the package table.

    Attributes:
        name: The tool's name.
        command: A program that must be on ``PATH``.
        module: A library that pkg-config must know.
        files: Files of which one must be there.
        run: A command that must end with status 0.
        static: The program must need no shared library.
        version: What the program is called with to tell its version.
        apt: Packages of Debian, Ubuntu and their kin.
        dnf: Packages of Fedora and its kin.
        pacman: Packages of Arch and its kin.
        use: What it is for.
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
        """A tool from its table.

        Raises:
            ValueError: A key is unknown, a value is of the wrong type, or it is not said how to try the tool in exactly one way.
        """
        if not isinstance(entry, dict):
            raise ValueError("it is no table")  # noqa: TRY004  # one kind of error for all that can be wrong in an entry
        known = {item.name: item.default for item in fields(cls) if item.name != "name"}
        values: dict[str, Any] = {}
        for key, value in entry.items():
            if key not in known:
                raise ValueError(f"there is no key {key!r}; known are {', '.join(known)}")
            values[key] = tuple(value) if isinstance(value, list) else value
            if type(values[key]) is not type(known[key]) or not _all_text(values[key]):
                raise ValueError(f"{key} = {value!r} is not of the right type")
        if sum(bool(values.get(way)) for way in ("command", "module", "files", "run")) != 1:
            raise ValueError("one of command, module, files and run must say how it is tried")
        return cls(name, **values)

    def lacking(self) -> str:
        """What of the tool was not found; "" when it is there."""
        if self.module:
            return self._lacking_module()
        if self.files:
            return "" if self._file() else f"none of {', '.join(self.files)} is there"
        if self.run:
            return "" if _answer(self.run) is not None else f"`{' '.join(self.run)}` does not work"
        found = shutil.which(self.command)
        if found is None:
            return f"no program {self.command} on PATH"
        if self.static and not is_static(Path(found)):
            return f"{found} needs shared libraries; a static one is needed"
        return ""

    def _lacking_module(self) -> str:
        if shutil.which("pkg-config") is None:
            return f"pkg-config is not there to ask for {self.module}"
        return "" if self._ask() else f"pkg-config knows no {self.module}"

    def _file(self) -> Path | None:
        return next((Path(name) for name in self.files if os.path.exists(name)), None)

    def _ask(self) -> str | None:
        """What the tool, or pkg-config for it, says its version is."""
        if self.module:
            text = _answer(("pkg-config", "--modversion", self.module))
        else:
            text = _answer((self.run[0] if self.run else self.command, *self.version))
        return None if text is None else _version_line(text)

    def tell_version(self) -> str | None:
        """The version: what the program says, or the digest of a file; None when it cannot be told."""
        if self.files:
            path = self._file()
            return None if path is None else f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        return self._ask()

    def identity(self) -> str:
        """What changes when another build of the tool is put in place, and is cheap to find out; "" if it is not there.

        All programs of the name on PATH count, not only the first: that one may be a wrapper (ccache, a version
        chooser) which stays as it is when what it starts changes.
        """
        if self.module:
            described = _described(self.module)
            return _state(described) if described else self._ask() or ""
        if self.files:
            path = self._file()
            return _state(str(path)) if path else ""
        return " ".join(_state(path) for path in _all_on_path(self.run[0] if self.run else self.command))


class Tools:
    """A project's package table.

    Args:
        tools: The tools in it, by name.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = dict(tools)

    @classmethod
    def load(cls, path: Path | None) -> Tools:
        """Read the table; an empty one for None.

        Raises:
            SettingError: The file cannot be read, or a tool in it says what cannot be.
        """
        if path is None:
            return cls({})
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(
                f"the package table cannot be read: {error}",
                Evidence(place=Place(str(path)), advice="mend it or change the setting project.packages"),
            ) from error
        tools = {}
        for name, entry in data.items():
            try:
                tools[name] = Tool.parse(name, entry)
            except ValueError as error:
                raise SettingError(
                    f"the package table's tool {name!r} is wrong: {error}",
                    Evidence(place=Place(str(path)), advice="its first lines say what an entry holds"),
                ) from error
        return cls(tools)

    def __iter__(self) -> Iterator[Tool]:
        """The tools in the order of the table."""
        return iter(self._tools.values())

    def get(self, name: str) -> Tool:
        """The tool of a name; a program of that name if the table does not know it."""
        return self._tools.get(name) or Tool(name, command=name)

    def missing(self, names: Iterable[str]) -> list[Missing]:
        """Those of these tools that the host lacks, each once, in the order given."""
        found = []
        for name in dict.fromkeys(names):
            tool = self.get(name)
            if reason := tool.lacking():
                packages = {manager: getattr(tool, manager) for manager in MANAGERS if getattr(tool, manager)}
                if tool.module and "pkg-config" in self._tools and shutil.which("pkg-config") is None:
                    asking = self._tools["pkg-config"]
                    packages = {manager: (*names, *getattr(asking, manager)) for manager, names in packages.items()}
                found.append(Missing(name, reason, tool, tool.use, packages))
        return found

    def version(self, name: str) -> str | None:
        """The version of a tool, in one line; None when the tool does not say it within its time."""
        return self.get(name).tell_version()

    def identity(self, name: str) -> str:
        """See `Tool.identity`."""
        return self.get(name).identity()


def is_static(program: Path) -> bool:
    """Whether a program is an ELF file that asks for no loader, so that it runs where no library is.

    Read from the program headers, 64-bit ELF only (elf(5)): a dynamic program has a PT_INTERP header.
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
        return False  # not there, or no whole ELF file
    return bool(kinds) and 3 not in kinds  # PT_INTERP


def _all_text(value: Any) -> bool:
    return not isinstance(value, tuple) or all(isinstance(item, str) for item in value)


def _answer(command: tuple[str, ...]) -> str | None:
    """What a command prints, both streams; None if it is not there, fails or takes too long."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        try:
            text = process.communicate(timeout=ANSWER)[0]
        except subprocess.TimeoutExpired:
            # The whole session: a wrapper's child would hold the pipe open and be waited for.
            os.killpg(process.pid, signal.SIGKILL)
            return None
    return None if process.returncode else text.decode("utf-8", "replace")


def _described(module: str) -> str | None:
    """The file that tells pkg-config of a library, found without asking it; None when it lies where only pkg-config looks."""
    told = [
        folder for name in ("PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR") for folder in os.environ.get(name, "").split(os.pathsep)
    ]
    usual = ("/usr/local/lib", "/usr/local/lib/*", "/usr/lib", "/usr/lib/*", "/usr/lib64", "/usr/share")
    patterns = [*filter(None, told), *(f"{folder}/pkgconfig" for folder in usual)]
    return next((path for pattern in patterns for path in sorted(glob.glob(f"{pattern}/{module}.pc"))), None)


def _version_line(text: str) -> str | None:
    """The first line with a digit in it: some programs begin with an empty line or with who wrote them."""
    return next((line.strip() for line in text.splitlines() if any(char.isdigit() for char in line)), None)


def _all_on_path(command: str) -> list[str]:
    """Every program of a name on PATH, links followed, in order."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = (shutil.which(command, path=folder) for folder in folders if folder)
    return list(dict.fromkeys(os.path.realpath(path) for path in found if path))


def _state(path: str) -> str:
    status = os.stat(path)
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"
