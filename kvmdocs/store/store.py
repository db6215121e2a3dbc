"""The store of records and artefacts, by cache key.

::

    <store>/v1/
        records/<key>.json      a passed record, written atomically
        logs/<key>/NNN.log      full logs of steps whose output is longer than a record holds
        work/<recipe>-<key>/    a recipe's workspace with its artefacts; valid only together with its record
        failures/<recipe>.json  the last failed record of a recipe
        latest/<recipe>         the key of the last record that passed
        keys/<key>.json         the inputs of the key of a passed record
        fingerprints/<key>.json what the file system says about a record's artefacts (`kvmdocs.store.artefacts`)
        code/<digest>.json      cache of code digests, one file for each checkout and language (`execution.project`)
        rendered/<digest>.html  cache of rendered texts (`kvmdocs.store.derived`)
        tries.json              results of probes (`kvmdocs.host.probes`)
        locks/<key>.lock        held while a recipe runs, so that two builds never run the same one at the same time
        runs/<id>/              a current run: its owner, and the messages to and from its worker
        home/                   the HOME of shells that `kvmdocs run --shell` opens; a recipe has one of its own in its run

A workspace never moves: binaries contain the path they were built in, and a debugger looks there for sources. An artefact is
valid if its record exists. A record appears by an atomic rename, after everything it refers to is written. Records and caches
carry a checksum. A damaged one, or one of another schema, counts as missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kvmdocs.core.errors import Evidence, StoreError
from kvmdocs.core.model import SCHEMA, Record, Status
from kvmdocs.core.paths import KEY_LENGTH
from kvmdocs.recording import digests
from kvmdocs.recording.value_form import ValueRefused, check
from kvmdocs.store.files import add_checksum, atomic_write, remove, strip_checksum

if TYPE_CHECKING:
    from filelock import FileLock


class Store:
    """Records and artefacts by key.

    Args:
        path: The store's folder. It is created on the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / f"v{SCHEMA}"
        self.work = self.root / "work"
        self.home = self.root / "home"
        self.runs = self.root / "runs"

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Record | None:
        """Return the record of a key; None if there is none, it is damaged, or an artefact it names is missing."""
        record = self._read(f"{self.root}/records/{key}.json")
        if record is None or record.key != key:
            return None
        if any(not (self.work / path).exists() for path in digests.paths(record.value)):
            return None
        return record

    def latest(self, recipe: str) -> Record | None:
        """Return the last record of a recipe that passed, whatever its key."""
        try:
            key = (self.root / "latest" / recipe).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        record = self._read(self.record_file(key)) if _NAME.fullmatch(key) else None
        return record if record and (record.recipe, record.key) == (recipe, key) else None

    def record_file(self, key: str) -> Path:
        """Return the path of the record of a key."""
        return self.root / "records" / f"{key}.json"

    def make_latest(self, record: Record) -> None:
        """Make this the recipe's latest record again, for example after an edit was reverted.

        Does nothing on a read-only store.
        """
        # Called for every record that a build finds. A plain open takes half the time of a Path.
        with contextlib.suppress(OSError, StoreError):
            with open(f"{self.root}/latest/{record.recipe}", "rb") as file:
                latest = file.read()
            if latest != record.key.encode():
                atomic_write(self.root / "latest" / record.recipe, record.key.encode(), durable=False)

    def failure(self, recipe: str) -> Record | None:
        """Return the last failed record of a recipe."""
        return self._read(self.root / "failures" / f"{recipe}.json")

    def ingredients(self, key: str) -> Any:
        """Return the inputs of a key, as stored by `put_ingredients`; None if there are none, or they are damaged."""
        try:
            return json.loads((self.root / "keys" / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def _read(self, path: Path | str) -> Record | None:
        """Return the record in a file; None if the file is missing or damaged."""
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be read: {error.strerror}",
                Evidence(log=Path(path), advice="check that file, or set KVMDOCS_STORE_PATH to another folder"),
            ) from error
        body = strip_checksum(data)
        try:
            record = load(body) if body is not None else None
        except ValueError:
            return None
        # A record of another schema may decode without errors and mean something else.
        return record if record is not None and record.schema == SCHEMA and _is_sound(record) else None

    # -- writing ------------------------------------------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Write a record: a passed one under its key, a failed one as its recipe's last failure.

        Raises:
            StoreError: It cannot be written. No partial file is left.
        """
        if record.status is Status.PASSED:
            atomic_write(self.record_file(record.key), sealed(record))
            atomic_write(self.root / "latest" / record.recipe, record.key.encode(), durable=False)
        elif record.status is Status.FAILED:
            atomic_write(self.root / "failures" / f"{record.recipe}.json", sealed(record), durable=False)

    def put_ingredients(self, key: str, data: Any) -> None:
        """Write the inputs of a key, in JSON form.

        Raises:
            StoreError: They cannot be written.
        """
        atomic_write(self.root / "keys" / f"{key}.json", json.dumps(data, indent=1, sort_keys=True).encode(), durable=False)

    def prepare(self, recipe: str, key: str, in_use: Callable[[str], bool] = lambda _name: False) -> Path:
        """Create an empty workspace and an empty folder of logs for a run.

        Remains of a run that did not pass are removed. The caller holds the key's lock.

        Args:
            recipe: The recipe.
            key: The key of the record to make.
            in_use: Tells whether another build uses a workspace of this name. It then stays, and the run gets one with other
                digits.

        Returns:
            The workspace.

        Raises:
            StoreError: The store cannot be written.
        """
        workspace = self._free_workspace(recipe, key, in_use)
        try:
            for folder in (workspace, self.logs(key)):
                if folder.exists():
                    remove(folder)
                folder.mkdir(parents=True)
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be written: {error.strerror}",
                Evidence(advice="free disk space or fix the permissions there, or set KVMDOCS_STORE_PATH"),
            ) from error
        return workspace

    def _free_workspace(self, recipe: str, key: str, in_use: Callable[[str], bool]) -> Path:
        """Return the workspace for a run; not the usual one if another build uses that.

        The record of the key is put aside meanwhile: a build that begins to use it now finds none, and waits for the new one.
        """
        usual, record = self.workspace(recipe, key), self.record_file(key)
        aside = record.with_name(f".{os.getpid()}-{record.name}")
        with contextlib.suppress(OSError):
            os.replace(record, aside)
        if not in_use(usual.name):
            with contextlib.suppress(OSError):
                aside.unlink()
            return usual
        with contextlib.suppress(OSError):
            os.replace(aside, record)
        digits = hashlib.sha256(f"{key} {time.time_ns()}".encode()).hexdigest()[:KEY_LENGTH]
        return self.work / f"{recipe}-{digits}"

    def workspace(self, recipe: str, key: str, name: str = "") -> Path:
        """Return the workspace of a key. `kvmdocs.core.paths` shortens its name for readers.

        Args:
            recipe: The recipe.
            key: The key.
            name: The name of the workspace, if the record has one of its own.
        """
        return self.work / (name or f"{recipe}-{key[:KEY_LENGTH]}")

    def logs(self, key: str) -> Path:
        """Return the folder of the full logs of a key."""
        return self.root / "logs" / key

    def try_lock(self, key: str) -> FileLock | None:
        """Acquire the lock of a key; return None if another build holds it. The caller releases it.

        The lock is a flock(2), so the kernel releases it when its holder dies.

        Raises:
            StoreError: The store cannot be written.
        """
        # Imported late: it imports asyncio, and most builds run nothing.
        from filelock import FileLock, Timeout

        path = self.root / "locks" / f"{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be written: {error.strerror}",
                Evidence(advice="free disk space or fix the permissions there, or set KVMDOCS_STORE_PATH"),
            ) from error
        return lock

    def half_written(self) -> Iterator[Path]:
        """Yield temporary files of writes in progress or interrupted, which nobody reads; not those in ``runs``."""
        for folder in (
            self.root,
            *(self.root / name for name in ("records", "latest", "failures", "keys", "fingerprints", "code", "rendered")),
        ):
            if folder.is_dir():
                yield from (Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(".") and entry.is_file())

    def free(self) -> int:
        """Return the free bytes on the store's disk."""
        folder = self.path
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free


def sealed(record: Record) -> bytes:
    """Return a record's file content: JSON with a checksum."""
    return add_checksum(dump(record))


def dump(record: Record) -> bytes:
    """Return a record as JSON."""
    return msgspec.json.encode(record)


def load(data: bytes) -> Record:
    """Return the record in JSON data.

    Raises:
        ValueError: The data is not a record.
    """
    try:
        return _decoder().decode(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@lru_cache(maxsize=1)
def _decoder() -> msgspec.json.Decoder[Record]:
    return msgspec.json.Decoder(Record)


_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
"""Pattern of a file's name in the store: a record's key, or a log."""


def _is_sound(record: Record) -> bool:
    """Check that a record refers only to its own files and that its value is well-formed. The store may hold foreign data."""
    logs = [step.output.log for step in record.steps if step.output.log is not None]
    if not record.recipe.isidentifier() or not all(_NAME.fullmatch(name) for name in (*logs, record.key or "none")):
        return False
    try:
        check(record.value)
    except ValueRefused:
        return False
    return True
