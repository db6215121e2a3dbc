"""A project: its settings, catalog, store and host, put together once for everybody who runs recipes."""

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
from kvmdocs.core.model import Mode, Record, with_texts
from kvmdocs.core.secrets.environment import LEAST, secret_values
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings, find_root, variable
from kvmdocs.host.packages import detect_manager, typed
from kvmdocs.host.probes import Capabilities, ProbeResult
from kvmdocs.host.tools import Tools
from kvmdocs.recording.recipe import Recipe
from kvmdocs.recording.result_types import Returned
from kvmdocs.recording.source.urls import Templates
from kvmdocs.recording.values import content_digest
from kvmdocs.store.approved import Approved, host_secrets
from kvmdocs.store.store import Store, read_cache, write_cache

PASSED_ON = (
    "PATH",
    "USER",
    "LOGNAME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ALL_PROXY",
)
"""Variables of the build's environment that every recipe sees: where programs are, and how the network is reached."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Those of them whose value is an address, with a user's name and password where the proxy wants them."""

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
"""Variables that are the same for every recipe on every host, so that output does not depend on who builds."""


class Project:
    """Everything the engine knows about one project.

    Args:
        root: The project's folder; found from the working directory if not given.
        guides: The guides to read; all if not given.
        mode: What to do about stale recipes, unless the environment says so; what the settings say if "".
    """

    def __init__(self, root: Path | None = None, guides: Iterable[Path] | None = None, mode: str = "") -> None:
        self.settings = Settings.load(find_root() if root is None else root.resolve())
        self._mode = mode if mode and variable("mode") not in os.environ else self.settings["mode"]
        self.templates = Templates.load(self.settings)
        self._guides = None if guides is None else list(guides)
        self._returned: dict[str, Returned] = {}

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    @cached_property
    def catalog(self) -> Catalog:
        """The project's recipes and what its guides ask for."""
        with gc_paused():
            return Catalog.load(self.settings, self._guides)

    @cached_property
    def store(self) -> Store:
        """The store: where the setting ``store.path`` says, else in the user's cache folder."""
        path = self.settings["store.path"]
        if not path:
            import platformdirs

            path = platformdirs.user_cache_dir("kvmdocs")
        return Store((self.root / Path(path).expanduser()).resolve())

    @property
    def mode(self) -> Mode:
        """What is done about stale recipes.

        Raises:
            SettingError: The setting names no mode.
        """
        try:
            return Mode(self._mode)
        except ValueError:
            advice = f"set KVMDOCS_MODE or `mode` to one of {', '.join(Mode)}"
            raise SettingError(f"there is no mode {self._mode!r}", Evidence(advice=advice)) from None

    @cached_property
    def approved(self) -> Approved:
        """The approved records."""
        return Approved(self.settings, self.returned)

    def returned(self, name: str) -> Returned:
        """The types that a recipe returns; none for one that is not there."""
        if name not in self._returned:
            entry = self.catalog.entries.get(name)
            self._returned[name] = Returned(entry.recipe.function if entry else None)
        return self._returned[name]

    def hidden(self) -> dict[str, str]:
        """What of this host must not be in an approved record, and what stands there instead."""
        return host_secrets(self.settings, [self.store.path])

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the host is able to do."""
        return Capabilities(self.settings, self.store)

    # -- what goes into a key -----------------------------------------------------------------------------------

    def code_digest(self, name: str) -> str:
        """Digest of the code a recipe reaches."""
        self.catalog.get(name)
        return self._digests[name][0]

    def written_digest(self, name: str) -> str:
        """Digest of the files a recipe's code lies in, comments and all: of what a page may show of it as it is written."""
        self.catalog.get(name)
        return self._digests[name][1]

    @cached_property
    def _digests(self) -> dict[str, tuple[str, str]]:
        """Both digests of every recipe, from the store when no file that they depend on has changed since."""
        entries = self.catalog.entries
        modules = {name: entry.module for name, entry in entries.items()}
        # Each language's guides may define recipes of their own, so a build of one language has a file of its own; so has each of
        # the project's checkouts that share a store.
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
        files = code.files() | {entry.block.guide for entry in entries.values() if entry.block}
        # A file that appears beside these may be what an import means from then on; its folder's time tells.
        watched = {str(file) for file in files} | {str(file.parent) for file in files}
        write_cache(path, {"files": {file: file_stamp(file) for file in sorted(watched)}, "digests": digests})
        return digests

    def code_parts(self, name: str) -> dict[str, str]:
        """Digest of each definition that a recipe's code reaches, by the definition's name: what `kvmdocs why` compares."""
        entry = self.catalog.get(name)
        return self.catalog.code.parts(entry.module, name)

    def data_digests(self, recipe: Recipe) -> dict[str, str]:
        """Content digest of each file or folder that a recipe declares as its data.

        Raises:
            CatalogError: One is not there.
        """
        if not recipe.data:
            return {}
        folder = Path(recipe.function.__code__.co_filename).parent
        missing = [name for name in recipe.data if not (folder / name).exists()]
        if missing:
            place = self.catalog.get(recipe.name).place
            message = f"recipe {recipe.name} declares data that is not there: {', '.join(missing)}"
            advice = f"paths are relative to {self.catalog.shown(folder)}"
            raise CatalogError(message, Evidence(recipe=recipe.name, place=place, advice=advice))
        return {name: content_digest(folder / name) for name in recipe.data}

    def taken_settings(self, recipe: Recipe) -> dict[str, Any]:
        """The value of each setting a recipe takes, by the setting's name."""
        return {name: self.settings[name] for name in recipe.settings.values()}

    def shown_settings(self, recipe: Recipe) -> dict[str, Any]:
        """The same without secrets."""
        shown: dict[str, Any] = self.secrets.everywhere(self.taken_settings(recipe))
        return shown

    def declared_environ(self, recipe: Recipe) -> dict[str, str | None]:
        """The value of each environment variable a recipe declares; of a secret one only whether it is set."""
        given = {name: os.environ.get(name) for name in recipe.environ}
        return {name: None if value is None else self.secrets.mask(value) for name, value in given.items()}

    def environ(self, recipe: Recipe) -> dict[str, str]:
        """The whole environment a recipe's commands see."""
        passed = {name: os.environ[name] for name in (*PASSED_ON, *recipe.environ) if name in os.environ}
        return {**passed, **FIXED, "HOME": str(self.store.home)}

    # -- what is secret -----------------------------------------------------------------------------------------

    @cached_property
    def hidden_values(self) -> dict[str, str]:
        """What of the build's whole environment must not be in a record, a log, a page or a message, and what is shown instead."""
        secret = secret_values(os.environ, self.settings["secrets.variables"], self.settings["secrets.exempt"])
        # Who goes through which proxy is nobody's business either; a recipe sees its address, and may print all that it sees.
        proxies = {os.environ[name]: f"<{name}>" for name in PROXIES if len(os.environ.get(name, "")) >= LEAST}
        return secret | proxies

    @cached_property
    def secrets(self) -> Secrets:
        """Takes that out of texts, and what is a secret by its form."""
        return Secrets(self.hidden_values)

    def presentable(self, record: Record) -> Record:
        """A record that no worker has made, or that may be of before secrets were taken out: without them, and as UTF-8 can hold it."""
        return with_texts(record, lambda text: in_utf8(self.secrets.mask(text)))

    # -- tools --------------------------------------------------------------------------------------------------

    @cached_property
    def tools(self) -> Tools:
        """The project's package table; empty when it has none."""
        table = self.settings["project.packages"]
        return Tools.load(self.root / table) if table else Tools.load(None)

    def all_tools(self) -> tuple[str, ...]:
        """Every tool that any recipe declares, and those of the setting ``project.tools``, sorted."""
        declared = {tool for entry in self.catalog.entries.values() for tool in entry.recipe.tools}
        return tuple(sorted(declared | set(self.settings["project.tools"])))

    def missing_tools(self, names: tuple[str, ...]) -> list[str]:
        """Those of these tools that the host lacks."""
        return [name for name in names if not self._is_there(name)]

    def _is_there(self, name: str) -> bool:
        """Whether the host has a tool. What takes a process to find out is believed for `limits.tries_age` seconds once it was there."""
        tool = self.tools.get(name)
        if not tool.module and not tool.run:
            return not tool.lacking()
        return self.capabilities.probe_cached(f"tool:{name} {tool.identity()}", lambda: ProbeResult(not tool.lacking())).able

    def install_advice(self, names: tuple[str, ...]) -> str:
        """The command that installs those of these tools that the host lacks."""
        missing = self.tools.missing(names)
        manager = detect_manager()
        command = typed(missing, manager) if manager else ""
        return f"install with: {command}" if command else "install by hand: " + ", ".join(item.tool for item in missing)

    def tool_versions(self, names: tuple[str, ...]) -> dict[str, str]:
        """The version of each tool; asked of the tool once and then believed while its file is the same."""
        return {name: self._version(name) for name in names}

    @cached_property
    def _versions(self) -> dict[str, list[str]]:
        data = read_cache(self.store.root / "tools.json")
        return data if isinstance(data, dict) else {}

    def _version(self, name: str) -> str:
        identity = self.tools.identity(name)
        known = self._versions.get(name)
        if known and known[0] == identity:
            return known[1]
        version = self.tools.version(name)
        if version is None:
            raise CatalogError(f"the version of {name} cannot be told")
        version = self.secrets.mask(version)
        self._versions[name] = [identity, version]
        write_cache(self.store.root / "tools.json", self._versions)
        return version


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Keep Python's collector of garbage from looking again and again at recipes, syntax trees or records, which are none: that grows faster than they do."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def file_stamp(path: str) -> list[int]:
    """What tells whether a file was written or a folder changed: times of data and of the entry in nanoseconds, size, number.

    Raises:
        OSError: It is not there.
    """
    status = os.stat(path)
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]
