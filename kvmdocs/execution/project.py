"""Project: settings, catalog, store and host, for everything that runs recipes or shows their records."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.core.control_characters import in_utf8
from kvmdocs.core.errors import CatalogError, Evidence, SettingError
from kvmdocs.core.model import Mode, Record, map_texts
from kvmdocs.core.secrets.environment import LEAST, secret_values
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings, find_root, variable
from kvmdocs.host.packages import detect_manager, typed
from kvmdocs.host.probes import Capabilities, ProbeResult
from kvmdocs.host.tools import Tools
from kvmdocs.recording.digests import content_digest
from kvmdocs.recording.recipe import Recipe
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.source.urls import Templates
from kvmdocs.store.approved import Approved, host_secrets
from kvmdocs.store.files import read_cache, write_cache
from kvmdocs.store.store import Store

INHERITED = (
    *("PATH", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy", "ALL_PROXY"),
)
"""Environment variables of the build that every recipe gets: the search path of programs, and the access to the network."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Those of them that hold an address, possibly with a user name and a password."""

FIXED = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "COLUMNS": "100",
    "LINES": "40",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBUGINFOD_URLS": "",
}
"""Environment variables with the same value for every recipe on every host, so that output does not depend on the builder."""


class Project:
    """A documentation project, with what it needs loaded on first use.

    Args:
        root: Folder of the project; searched upwards from the working directory if not given.
        guides: Guides to read; all if not given.
        mode: Mode, unless the environment sets one; "" for the one in the settings.
    """

    def __init__(self, root: Path | None = None, guides: Iterable[Path] | None = None, mode: str = "") -> None:
        self.settings = Settings.load(find_root() if root is None else root.resolve())
        self._mode = mode if mode and variable("mode") not in os.environ else self.settings["mode"]
        self.templates = Templates.load(self.settings)
        self._guides = None if guides is None else list(guides)
        self._returned: dict[str, ReturnTypes] = {}

    @property
    def root(self) -> Path:
        """Folder of the project."""
        return self.settings.root

    @cached_property
    def catalog(self) -> Catalog:
        """Recipes of the project, and the requests of its guides."""
        with gc_paused():
            return Catalog.load(self.settings, self._guides)

    @cached_property
    def store(self) -> Store:
        """Store at the setting ``store.path``, or else in the user's cache folder."""
        path = self.settings["store.path"]
        if not path:
            import platformdirs

            path = platformdirs.user_cache_dir("kvmdocs")
        return Store((self.root / Path(path).expanduser()).resolve())

    @property
    def mode(self) -> Mode:
        """Mode of the build: the policy for stale recipes.

        Raises:
            SettingError: There is no mode of that name.
        """
        try:
            return Mode(self._mode)
        except ValueError:
            advice = f"set KVMDOCS_MODE or `mode` to one of {', '.join(Mode)}"
            raise SettingError(f"unknown mode {self._mode!r}", Evidence(advice=advice)) from None

    @cached_property
    def approved(self) -> Approved:
        """Approved records of the project."""
        return Approved(self.settings, self.returned)

    def returned(self, name: str) -> ReturnTypes:
        """Return the types that a recipe returns; none if there is no such recipe."""
        if name not in self._returned:
            entry = self.catalog.entries.get(name)
            self._returned[name] = ReturnTypes(entry.recipe.function if entry else None)
        return self._returned[name]

    def hidden(self) -> dict[str, str]:
        """Return the replacement for each text of this host that must not be in an approved record."""
        return host_secrets(self.settings, [self.store.path])

    @cached_property
    def capabilities(self) -> Capabilities:
        """Capabilities of the host."""
        return Capabilities(self.settings, self.store)

    # -- inputs of cache keys -----------------------------------------------------------------------------------

    def code_digest(self, name: str) -> str:
        """Return the digest of the code that a recipe reaches."""
        self.catalog.get(name)
        return self._digests[name][0]

    def written_digest(self, name: str) -> str:
        """Return the digest of the files with that code, comments included: a page may show any part of them."""
        self.catalog.get(name)
        return self._digests[name][1]

    @cached_property
    def _digests(self) -> dict[str, tuple[str, str]]:
        """Both digests of each recipe, from the cache in the store while no file that they depend on has changed."""
        entries = self.catalog.entries
        modules = {name: entry.module for name, entry in entries.items()}
        # Guides of each language may define their own recipes, and checkouts may share a store: each combination has its file.
        which = hashlib.sha256(json.dumps([str(self.root), modules], sort_keys=True).encode()).hexdigest()
        path = self.store.root / "code" / f"{which}.json"
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError, AttributeError):
            saved = read_cache(path)
            if (
                all(file_stamp(file) == state for file, state in saved["files"].items())
                and saved["digests"].keys() == modules.keys()
            ):
                return {name: (code, written) for name, (code, written) in saved["digests"].items()}
        code = self.catalog.code
        with gc_paused():
            digests = {name: code.digests(entry.module, name) for name, entry in entries.items()}
        files = code.files() | {
            path for entry in entries.values() if entry.block for path in (entry.block.guide, entry.block.file)
        }
        # An import may mean a new file from then on. The time stamp of its folder shows that.
        watched = {str(file) for file in files} | {str(file.parent) for file in files}
        write_cache(path, {"files": {file: file_stamp(file) for file in sorted(watched)}, "digests": digests})
        return digests

    def code_parts(self, name: str) -> dict[str, str]:
        """Return the digest of each definition that a recipe's code reaches, by its name. `kvmdocs why` compares them."""
        entry = self.catalog.get(name)
        return self.catalog.code.parts(entry.module, name)

    def data_digests(self, recipe: Recipe) -> dict[str, str]:
        """Return the content digest of each file or folder that a recipe declares as data.

        Raises:
            CatalogError: One does not exist.
        """
        if not recipe.data:
            return {}
        folder = Path(recipe.function.__code__.co_filename).parent
        missing = [name for name in recipe.data if not (folder / name).exists()]
        if missing:
            place = self.catalog.get(recipe.name).place
            message = f"recipe {recipe.name} declares data that does not exist: {', '.join(missing)}"
            advice = f"paths are relative to {self.catalog.shown(folder)}"
            raise CatalogError(message, Evidence(recipe=recipe.name, place=place, advice=advice))
        return {name: content_digest(folder / name) for name in recipe.data}

    def shown_settings(self, recipe: Recipe) -> dict[str, Any]:
        """Return the value of each setting that a recipe takes, with secrets masked."""
        settings: dict[str, Any] = self.secrets.everywhere({name: self.settings[name] for name in recipe.settings.values()})
        return settings

    def declared_environ(self, recipe: Recipe) -> dict[str, str | None]:
        """Return the value of each environment variable that a recipe declares, with secrets masked; None if it is not set."""
        values = {name: os.environ.get(name) for name in recipe.environ}
        return {name: None if value is None else self.secrets.mask(value) for name, value in values.items()}

    def environ(self, recipe: Recipe) -> dict[str, str]:
        """Return the environment of a recipe's commands."""
        inherited = {name: os.environ[name] for name in (*INHERITED, *recipe.environ) if name in os.environ}
        return {**inherited, **FIXED, "HOME": str(self.store.home)}

    # -- secrets ------------------------------------------------------------------------------------------------

    @cached_property
    def hidden_values(self) -> dict[str, str]:
        """Replacement for each value in the build's environment that must not be in a record, log, page or message."""
        secret = secret_values(os.environ, self.settings["secrets.variables"], self.settings["secrets.exempt"])
        # Addresses of proxies are private too, and a recipe may print its environment.
        proxies = {os.environ[name]: f"<{name}>" for name in PROXIES if len(os.environ.get(name, "")) >= LEAST}
        return secret | proxies

    @cached_property
    def secrets(self) -> Secrets:
        """Masking of these values, and of texts that have the form of a secret."""
        return Secrets(self.hidden_values)

    def presentable(self, record: Record) -> Record:
        """Return a record with secrets masked and texts that UTF-8 can encode.

        Records from a worker are so already; others, and those from an older engine, may not be.
        """
        return map_texts(record, lambda text: in_utf8(self.secrets.mask(text)))

    # -- tools --------------------------------------------------------------------------------------------------

    @cached_property
    def tools(self) -> Tools:
        """Package table of the project; empty if it has none."""
        table = self.settings["project.packages"]
        return Tools.load(self.root / table) if table else Tools.load(None)

    def all_tools(self) -> tuple[str, ...]:
        """Return every tool that a recipe or the setting ``project.tools`` declares, sorted."""
        declared = {tool for entry in self.catalog.entries.values() for tool in entry.recipe.tools}
        return tuple(sorted(declared | set(self.settings["project.tools"])))

    def missing_tools(self, names: tuple[str, ...]) -> list[str]:
        """Return those of these tools that the host lacks."""
        return [name for name in names if not self._is_installed(name)]

    def _is_installed(self, name: str) -> bool:
        """Check whether the host has a tool. If that takes a process, success is cached for ``limits.tries_age`` seconds."""
        tool = self.tools.get(name)
        if not tool.module and not tool.run:
            return not tool.lacking()
        return self.capabilities.probe_cached(f"tool:{name} {tool.identity()}", lambda: ProbeResult(not tool.lacking())).able

    def install_advice(self, names: tuple[str, ...]) -> str:
        """Return advice on how to install those of these tools that the host lacks."""
        missing = self.tools.missing(names)
        manager = detect_manager()
        command = typed(missing, manager) if manager else ""
        return f"install with: {command}" if command else "install by hand: " + ", ".join(item.tool for item in missing)

    def tool_versions(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return the version of each tool, cached while the tool's file stays the same."""
        return {name: self._version(name) for name in names}

    @cached_property
    def _versions(self) -> dict[str, list[str]]:
        data = read_cache(self.store.root / "tools.json")
        return data if isinstance(data, dict) else {}

    def _version(self, name: str) -> str:
        identity = self.tools.identity(name)
        cached = self._versions.get(name)
        if cached and cached[0] == identity:
            return cached[1]
        version = self.tools.version(name)
        if version is None:
            raise CatalogError(f"the version of {name} cannot be determined")
        version = self.secrets.mask(version)
        self._versions[name] = [identity, version]
        write_cache(self.store.root / "tools.json", self._versions)
        return version


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the cyclic GC while many long-lived objects are created; its cost would grow faster than linearly."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def file_stamp(path: str) -> list[int]:
    """Return what changes when a file is written or a folder changes: mtime and ctime in nanoseconds, size and inode number.

    Raises:
        OSError: It does not exist.
    """
    status = os.stat(path)
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]
