"""Settings: what may vary without touching code.

They come, later ones winning, from the engine's defaults below, from ``kvmdocs.toml`` in the project's folder and from the
environment: ``qemu.version`` is ``KVMDOCS_QEMU_VERSION`` there. A setting's type is the type of its default.
A recipe that takes one by ``setting("qemu.version")`` has its value in its key; no other recipe has.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, Place, SettingError

FILE = "kvmdocs.toml"

SIMILARITY = 0.85
"""How alike (`difflib.SequenceMatcher.ratio`) a name is to a setting that was meant by it."""

DEFAULTS: dict[str, Any] = {
    "mode": "live",
    "project.recipes": "recipes",
    "project.docs": ["docs"],
    "project.configs": ["mkdocs.yml"],
    "project.packages": "",
    "project.titles": "",
    "project.tools": [],
    "project.terminals": [],
    "project.root_pages": "",
    "site.edit": "",
    "site.report": "",
    "site.source": "",
    "site.commit": "",
    "site.version": "",
    "site.pdf": "",
    "store.path": "",
    "lab.folder": "~/kvm-lab",
    "host.name": "",
    "limits.cpus": 0,
    "limits.jobs": 0,
    "limits.memory": 0,
    "limits.memory_times": 2.0,
    "limits.overcommit": 2.0,
    "limits.log": 16 * 1024 * 1024,
    "limits.tries_age": 3600,
    "limits.serve": 60.0,
    "network.connect": 4.0,
    "secrets.variables": [],
    "secrets.exempt": [],
}
"""The engine's own settings.

``mode`` says what a build does about stale recipes (`kvmdocs.execution.modes`); ``project.*`` say where recipes (a package's name), guides (a folder, or one for each
language, each with the same pages), site configurations, the table of host packages and the folder of pages
above all languages (`kvmdocs.site.root_pages`) lie, what recipes do in further languages (`kvmdocs.catalog.titles`), and which tools of that table the project's tests need beside what recipes declare (``project.tools``) and which a reader reaches guests and monitors with (``project.terminals``); ``site.edit`` and ``site.report`` are templates of the addresses where a guide is edited and a problem reported (`kvmdocs.site.edit_links`), ``site.source`` is the address a reader clones the project from (`kvmdocs.site.summary.source`), ``site.commit`` names the
commit the site is built from (empty: git is asked), ``site.version`` the version it is published as (`kvmdocs.site.versions`); ``store.path`` where the store is
(empty: the user's cache folder); ``limits.cpus`` and ``limits.memory`` (bytes) bound what runs at once (0: all
there is); ``limits.memory_times`` how many times what a recipe says it needs it may come to use before it is ended (1 GiB at the least; 0: any amount); ``limits.jobs`` how many recipes run at once (0: as many as these have room for); ``limits.overcommit`` is how many times over the processors may be promised to recipes that use all of them,
since a build's own serial parts leave processors idle; ``limits.log`` is the largest log kept of one step, in
bytes; ``limits.tries_age`` how long, in seconds, a tried capability is believed; ``limits.serve`` how long, in
seconds, the last run of a recipe may have taken for ``mkdocs serve`` to run it again by itself; ``network.connect`` how long, in
seconds, a connection to a source may take; ``secrets.variables`` names further variables of the environment whose values are secret, ``secrets.exempt`` those whose are not
although they are called so (`kvmdocs.core.secrets.environment`; ``*`` stands for any text).
"""


@dataclass(frozen=True)
class Setting:
    """A mark in a recipe's signature: take the value of the setting of this name."""

    name: str


def setting(name: str) -> Any:
    """The default of a recipe's parameter that is read from the settings.

    Args:
        name: The setting, such as ``qemu.version``.
    """
    return Setting(name)


@dataclass(frozen=True)
class Settings:
    """All settings of a project, resolved.

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
            root: The project's folder; a missing ``kvmdocs.toml`` leaves the defaults.
            environ: The environment; the process's own if not given.

        Raises:
            SettingError: The file is no TOML, a name in it is nearly that of a setting, or a value in it or in the environment does not fit its type.
        """
        values = dict(DEFAULTS)
        path = root / FILE
        if path.is_file():
            try:
                told = _flatten(tomllib.loads(path.read_text("utf-8")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                line = re.search(r"\(at line (\d+),", str(error))
                raise SettingError(
                    f"{FILE} cannot be read: {error}",
                    Evidence(place=Place(FILE, int(line[1]) if line else 0), advice="mend the file"),
                ) from error
            _check(told, path)
            values.update(told)
        given = os.environ if environ is None else environ
        said = {name: given[variable(name)] for name in values if variable(name) in given}
        return cls(root, values | {name: _parse(name, text, values[name]) for name, text in said.items()})

    def __getitem__(self, name: str) -> Any:
        """The value of one setting.

        Raises:
            SettingError: There is no setting of that name.
        """
        try:
            return self.values[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.values, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"add it to {FILE}"
            raise SettingError(f"there is no setting {name!r}", Evidence(advice=hint)) from None


def place_of(name: str, root: Path) -> Place:
    """Where a setting gets its value: its environment variable if that is set, else its line in the project's file.

    Returns:
        The file as a whole if the setting has no line of its own there.
    """
    if variable(name) in os.environ:
        return Place(f"the variable {variable(name)}")
    return _line_of(name, root)


def _line_of(name: str, root: Path) -> Place:
    path = root / FILE
    return Place(FILE, line_of_key(path.read_text("utf-8"), name) if path.is_file() else 0)


def line_of_key(text: str, name: str) -> int:
    """The line of a key in the text of a TOML file, counted from 1; 0 if no line has it.

    Args:
        text: The file's text.
        name: The key, with the name of its table in front: ``qemu.version``.
    """
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]+\s*(?:#.*)?$", line):
            table = f"{_bare(header[1])}."
        elif (key := re.match(r"\s*([\w.\"' -]+?)\s*=", line)) and table + _bare(key[1]) == name:
            return number
    return 0


def _bare(key: str) -> str:
    """A key of TOML without quotation marks and without spaces around its dots."""
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def variable(name: str) -> str:
    """The environment variable of a setting: ``KVMDOCS_QEMU_VERSION`` for ``qemu.version``."""
    return "KVMDOCS_" + name.upper().replace(".", "_").replace("-", "_")


@contextmanager
def override_setting(name: str, value: object) -> Iterator[None]:
    """Have this process and those it starts see a value of a setting, whatever the project's file says; None leaves it to that."""
    known = variable(name)
    before = os.environ.get(known)
    if value is not None:
        os.environ[known] = str(value)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(known, None)
        else:
            os.environ[known] = before


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest one upwards with a ``kvmdocs.toml``, else the one with ``mkdocs.yml``, else `start`.

    Args:
        start: Where to begin; the configuration folder that markdown-exec names, or the working directory, if not given.
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


def _check(told: dict[str, Any], path: Path) -> None:
    """Refuse what is nearly a setting of the engine's, values that are not of their default's type, and those that have no form in JSON (dates)."""
    tables = {name.partition(".")[0] for name in DEFAULTS}
    for name, value in told.items():
        # A project has settings of its own, of any name; one that is nearly the engine's is meant to be that.
        meant = difflib.get_close_matches(name, DEFAULTS.keys() - told.keys(), 1, SIMILARITY) if name not in DEFAULTS else []
        if meant:
            raise SettingError(
                f"there is no setting {name!r}",
                Evidence(
                    place=_line_of(name, path.parent),
                    advice=f"did you mean {meant[0]!r}? A name of your own wants to differ more",
                ),
            )
        default = DEFAULTS.get(name)
        number = isinstance(default, float) and type(value) is int
        wanted = type(default).__name__ if default is not None else "text, a number, true, false or a list of these"
        fits = number or type(value) is type(default) if default is not None else _is_plain(value) and name not in tables
        if not fits:
            raise SettingError(
                f"the setting {name!r} cannot be {value!r}",
                Evidence(place=_line_of(name, path.parent), advice=f"give it a value of the right type: {wanted}"),
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return isinstance(value, bool | int | float | str)


def _parse(name: str, text: str, default: Any) -> Any:
    """A value from the environment in the type of the default; lists are split at spaces."""
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]
        if isinstance(default, list):
            return text.split()
        return type(default)(text)
    except (KeyError, ValueError) as error:
        raise SettingError(
            f"{variable(name)}={text!r} is not of the type of {name!r} ({type(default).__name__})",
            Evidence(advice=f"unset {variable(name)} or give it a {type(default).__name__}"),
        ) from error
