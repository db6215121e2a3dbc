"""Settings of a project.

There are three sources: `kvmdocs.core.default_settings`, ``kvmdocs.toml`` in the project's folder, and the environment, where
``qemu.version`` is ``KVMDOCS_QEMU_VERSION``. A later source overrides an earlier one. A value has the type of the default.

A recipe takes a setting by ``setting("qemu.version")``. Its cache key then contains the value; the keys of other recipes do
not.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.default_settings import DEFAULTS
from kvmdocs.core.errors import Evidence, Place, SettingError

FILE = "kvmdocs.toml"
"""Name of the project's settings file."""

PREFIX = "KVMDOCS_"
"""Beginning of the name of an environment variable that overrides a setting."""

SIMILARITY = 0.85
"""Smallest `difflib.SequenceMatcher.ratio` at which an unknown name counts as a misspelt setting."""

_NOT_SETTINGS = (f"{PREFIX}RUN", f"{PREFIX}LANGUAGE")
"""Variables that the engine itself sets and reads (`kvmdocs.execution.run_dirs.MARK`, `kvmdocs.site.publisher.LANGUAGE`)."""

_FREE_PREFIXES = (f"{PREFIX}SITE_URL_", f"{PREFIX}TEST_")
"""Beginnings of variables for others: ``!ENV`` in MkDocs configurations, and test suites."""


@dataclass(frozen=True)
class Setting:
    """Marker in a recipe's signature: the parameter takes the value of this setting."""

    name: str


def setting(name: str) -> Any:
    """Return the default for a recipe's parameter that takes a setting.

    Args:
        name: Name of the setting, such as ``qemu.version``.
    """
    return Setting(name)


@dataclass(frozen=True)
class Settings:
    """Resolved settings of a project.

    Attributes:
        root: The project's folder.
        values: Value of each setting by its dotted name.
    """

    root: Path
    values: dict[str, Any]

    @classmethod
    def load(cls, root: Path, environ: dict[str, str] | None = None) -> Settings:
        """Read the settings of the project in `root`.

        Args:
            root: The project's folder; without ``kvmdocs.toml`` the defaults apply.
            environ: The environment; that of this process if not given.

        Raises:
            SettingError: The file is not TOML, a name in it looks like a misspelt setting, a variable ``KVMDOCS_…`` names no
                setting, or a value does not fit its setting.
        """
        values = dict(DEFAULTS)
        path = root / FILE
        if path.is_file():
            try:
                from_file = _flatten(tomllib.loads(path.read_text("utf-8-sig")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                line = re.search(r"\(at line (\d+),", str(error))
                raise SettingError(
                    f"{FILE} cannot be read: {error}",
                    Evidence(place=Place(FILE, int(line[1]) if line else 0), advice="fix the file"),
                ) from error
            _check_file(from_file, path)
            values.update(from_file)
        environ = dict(os.environ) if environ is None else environ
        variables = {variable(name): name for name in values}
        for unknown in sorted(name for name in environ if name.startswith(PREFIX) and name not in variables):
            _check_unknown(unknown, variables)
        overrides = {name: environ[given] for given, name in variables.items() if given in environ}
        return cls(root, values | {name: _parse(name, text, values[name]) for name, text in overrides.items()})

    def __getitem__(self, name: str) -> Any:
        """Return the value of a setting.

        Raises:
            SettingError: No setting has that name.
        """
        try:
            return self.values[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.values, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"add it to {FILE}"
            raise SettingError(f"there is no setting {name!r}", Evidence(advice=hint)) from None


def place_of(name: str, root: Path) -> Place:
    """Return the source of a setting's value: its environment variable if that is set, else its line in the project's file.

    The line is 0 if the file does not have the setting.
    """
    if variable(name) in os.environ:
        return Place(f"the variable {variable(name)}")
    return _line_of(name, root)


def _line_of(name: str, root: Path) -> Place:
    path = root / FILE
    return Place(FILE, line_of_key(path.read_text("utf-8-sig"), name) if path.is_file() else 0)


def line_of_key(text: str, name: str) -> int:
    """Return the line of a key in a TOML file, counted from 1, or 0 if no line has the key.

    Args:
        text: The file's text.
        name: The key with its table, such as ``qemu.version``.
    """
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]+\s*(?:#.*)?$", line):
            table = f"{_bare(header[1])}."
        elif (key := re.match(r"\s*([\w.\"' -]+?)\s*=", line)) and table + _bare(key[1]) == name:
            return number
    return 0


def _bare(key: str) -> str:
    """Return a TOML key without quotation marks and without spaces around its dots."""
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def variable(name: str) -> str:
    """Return the environment variable of a setting: ``KVMDOCS_QEMU_VERSION`` for ``qemu.version``."""
    return PREFIX + name.upper().replace(".", "_").replace("-", "_")


@contextmanager
def override_setting(name: str, value: object) -> Iterator[None]:
    """Override a setting for this process and its children. ``None`` is a no-op."""
    key = variable(name)
    before = os.environ.get(key)
    if value is not None:
        os.environ[key] = str(value)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = before


def find_root(start: Path | None = None) -> Path:
    """Return the project's folder.

    It is the nearest folder upwards with ``kvmdocs.toml``, else the nearest with ``mkdocs.yml``, else `start`.

    Args:
        start: The first folder to look at. If not given: the configuration folder that markdown-exec sets
            (``MKDOCS_CONFIG_DIR``), or the working directory.
    """
    begin = (start or Path(os.environ.get("MKDOCS_CONFIG_DIR") or ".")).resolve()
    folders = (begin, *begin.parents)
    for mark in (FILE, "mkdocs.yml"):
        for folder in folders:
            if (folder / mark).is_file():
                return folder
    return begin


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _check_file(settings: dict[str, Any], path: Path) -> None:
    """Check the names and values of the file's settings.

    Raises:
        SettingError: A name is nearly that of a setting of the engine, or a value does not fit: it is not of the default's
            type, it is negative, or JSON has no form for it (dates).
    """
    tables = {name.partition(".")[0] for name in DEFAULTS}
    for name, value in settings.items():
        # A project may have settings of its own, so only a name close to one of the engine's is taken for a slip.
        unset = DEFAULTS.keys() - settings.keys()
        near = difflib.get_close_matches(name, unset, 1, SIMILARITY) if name not in DEFAULTS else []
        if near:
            raise SettingError(
                f"there is no setting {name!r}",
                Evidence(
                    place=_line_of(name, path.parent),
                    advice=f"did you mean {near[0]!r}? If it is a setting of your own, give it a name that differs more",
                ),
            )
        default = DEFAULTS.get(name)
        number = isinstance(default, float) and type(value) is int
        wanted = type(default).__name__ if default is not None else "text, a number, true, false or a list of these"
        fits = number or type(value) is type(default) if default is not None else _is_plain(value) and name not in tables
        if fits and not _is_allowed(name, value):
            fits, wanted = False, _NUMBER
        if not fits:
            raise SettingError(
                f"the setting {name!r} cannot be {value!r}",
                Evidence(place=_line_of(name, path.parent), advice=f"give it a value of the right type: {wanted}"),
            )


_NUMBER = "a number that is 0 or more"


def _is_allowed(name: str, value: Any) -> bool:
    """Check whether a value is in the range of its setting. NaN compares as false."""
    return not isinstance(DEFAULTS.get(name), int | float) or value >= 0


def _check_unknown(given: str, variables: Iterable[str]) -> None:
    """Refuse an environment variable that begins with `PREFIX` and neither names a setting nor has another known purpose.

    Args:
        given: The variable.
        variables: The variables of all settings.

    Raises:
        SettingError: The variable is unknown.
    """
    if given in _NOT_SETTINGS or given.startswith(_FREE_PREFIXES):
        return
    bare = [name.removeprefix(PREFIX) for name in (*variables, *_NOT_SETTINGS)]
    near = difflib.get_close_matches(given.removeprefix(PREFIX), bare, 1)
    raise SettingError(
        f"the environment variable {given} names no setting",
        Evidence(
            advice=f"did you mean {PREFIX}{near[0]}? If not, unset {given}"
            if near
            else f"unset {given}, or add the setting to {FILE}"
        ),
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return isinstance(value, bool | int | float | str)


def _parse(name: str, text: str, default: Any) -> Any:
    """Return a value from the environment in the type of the default; a list is split at blanks."""
    key = variable(name)
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]
        if isinstance(default, list):
            return text.split()
        value = type(default)(text)
    except (KeyError, ValueError) as error:
        raise SettingError(
            f"{key}={text!r} is not of the type of {name!r} ({type(default).__name__})",
            Evidence(advice=f"unset {key} or give it a {type(default).__name__}"),
        ) from error
    if not _is_allowed(name, value):
        raise SettingError(f"{key}={text!r} is not possible", Evidence(advice=f"unset {key} or give it {_NUMBER}"))
    return value
