"""Where records and artefacts live, found by key.

::

    <store>/v1/
        records/<key>.json      a passed record; there whole or not at all
        logs/<key>/NNN.log      whole logs of steps that printed more than a record holds
        work/<recipe>-<key>/    a recipe's workspace, and so its artefacts; of use only when its record is there
        failures/<recipe>.json  the last failed record of a recipe
        latest/<recipe>         the key of the last record that passed
        keys/<key>.json         what the key of a passed record was made of
        locks/<key>.lock        held while a recipe runs, so that two builds never run the same one twice
        runs/<id>/              a run under way: who owns it, what its worker was told and said
        home/                   the HOME that recipes see

A workspace never moves: binaries hold the path they were built in, and a debugger looks there for sources. What makes an artefact
valid is its record, and a record appears by a rename after all it speaks of is written. Records, and what spares finding things out again, lie
under a checksum; damaged, or of another schema, they are as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kvmdocs.core.errors import Evidence, StoreError
from kvmdocs.core.model import SCHEMA, Record, Status
from kvmdocs.core.paths import KEY_LENGTH
from kvmdocs.recording import values
from kvmdocs.recording.value_form import ValueRefused, check

if TYPE_CHECKING:
    from filelock import FileLock


class Store:
    """Records and artefacts by key.

    Args:
        path: The store's folder; it is made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / f"v{SCHEMA}"
        self.work = self.root / "work"
        self.home = self.root / "home"
        self.runs = self.root / "runs"

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Record | None:
        """The record of a key, or None when there is none, it is damaged, or an artefact it names is gone."""
        record = self._read(f"{self.root}/records/{key}.json")
        if record is None or record.key != key:
            return None
        if any(not (self.work / path).exists() for path in values.paths(record.value)):
            return None
        return record

    def latest(self, recipe: str) -> Record | None:
        """The last record of a recipe that passed, whatever its key."""
        try:
            key = (self.root / "latest" / recipe).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        record = self._read(self.record_file(key)) if _NAME.fullmatch(key) else None
        return record if record and (record.recipe, record.key) == (recipe, key) else None

    def record_file(self, key: str) -> Path:
        """The file of the record of a key."""
        return self.root / "records" / f"{key}.json"

    def make_latest(self, record: Record) -> None:
        """What is wanted of a recipe again, after an edit that was undone, is its last record again; where nothing can be written it is not."""
        # Said of every record that a build finds, so it is a plain open: a path object costs twice as much.
        with contextlib.suppress(OSError, StoreError):
            with open(f"{self.root}/latest/{record.recipe}", "rb") as file:
                known = file.read()
            if known != record.key.encode():
                atomic_write(self.root / "latest" / record.recipe, record.key.encode(), durable=False)

    def failure(self, recipe: str) -> Record | None:
        """The last failed record of a recipe."""
        return self._read(self.root / "failures" / f"{recipe}.json")

    def ingredients(self, key: str) -> Any:
        """What was kept beside the record of a key by `put_ingredients`; None when nothing was, or it is damaged."""
        try:
            return json.loads((self.root / "keys" / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def _read(self, path: Path | str) -> Record | None:
        """A record from a file; None when the file is missing or not what was written."""
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be read: {error.strerror}",
                Evidence(log=Path(path), advice="see to that file, or set KVMDOCS_STORE_PATH to another folder"),
            ) from error
        body = strip_checksum(data)
        try:
            record = load(body) if body is not None else None
        except ValueError:
            return None
        # One of another schema may be read as if it were of this one, and mean something else.
        return record if record is not None and record.schema == SCHEMA and _is_sound(record) else None

    # -- writing ------------------------------------------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Keep a record: a passed one under its key, a failed one as its recipe's last failure.

        Raises:
            StoreError: It cannot be written; nothing half written is left.
        """
        if record.status is Status.PASSED:
            atomic_write(self.record_file(record.key), sealed(record))
            atomic_write(self.root / "latest" / record.recipe, record.key.encode(), durable=False)
        elif record.status is Status.FAILED:
            atomic_write(self.root / "failures" / f"{record.recipe}.json", sealed(record), durable=False)

    def put_ingredients(self, key: str, data: Any) -> None:
        """Keep what a key was made of, in JSON form.

        Raises:
            StoreError: It cannot be written.
        """
        atomic_write(self.root / "keys" / f"{key}.json", json.dumps(data, indent=1, sort_keys=True).encode(), durable=False)

    def prepare(self, recipe: str, key: str) -> Path:
        """An empty workspace and an empty folder of logs for a run that begins.

        What a run that did not pass left behind is removed. The caller holds the key's lock.

        Returns:
            The workspace.
        """
        workspace = self.workspace(recipe, key)
        try:
            for folder in (workspace, self.logs(key)):
                if folder.exists():
                    remove(folder)
                folder.mkdir(parents=True)
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be written: {error.strerror}",
                Evidence(advice="free space or rights there, or set KVMDOCS_STORE_PATH"),
            ) from error
        return workspace

    def workspace(self, recipe: str, key: str) -> Path:
        """The workspace of a key; its name is what `kvmdocs.core.paths` makes readable."""
        return self.work / f"{recipe}-{key[:KEY_LENGTH]}"

    def logs(self, key: str) -> Path:
        """The folder with the whole logs of a key."""
        return self.root / "logs" / key

    def try_lock(self, key: str) -> FileLock | None:
        """Take the lock of a key, or None when another build holds it. The caller releases it.

        The lock is the operating system's (flock), so it is free again when its holder dies.

        Raises:
            StoreError: The store cannot be written.
        """
        # Imported where something runs: it brings asyncio along, and most builds run nothing.
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
                Evidence(advice="free space or rights there, or set KVMDOCS_STORE_PATH"),
            ) from error
        return lock

    def half_written(self) -> Iterator[Path]:
        """Files that are being written, or were when their writer died; the runs' own are not among them. Nobody reads one."""
        for folder in (
            self.root,
            *(self.root / name for name in ("records", "latest", "failures", "keys", "code", "rendered")),
        ):
            if folder.is_dir():
                yield from (Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(".") and entry.is_file())

    def free(self) -> int:
        """Free bytes on the disk the store lies on."""
        folder = self.path
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is there whole or not at all.

    Args:
        path: The file.
        data: What it holds.
        durable: Whether it is worth waiting for the disk, so that this also holds when the host's power fails. It is not for what only the
            processes of one build read, or what is found out again where it is damaged.

    Raises:
        StoreError: It cannot be written; the old file, if there was one, is as it was.
    """
    fresh: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name says whose it is: a writer that is killed cannot take it away (`kvmdocs.execution.run_dirs.kill_orphans` does).
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{os.getpid()}-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            Evidence(advice="free space on that disk or set KVMDOCS_STORE_PATH to another"),
        ) from error
    finally:
        # Also after Ctrl-C, which is no OSError; when all went well there is nothing of that name any more.
        if fresh is not None:
            with contextlib.suppress(OSError):
                Path(fresh).unlink()


def sealed(record: Record) -> bytes:
    """A record as it lies on the disk: sealed JSON."""
    return add_checksum(dump(record))


def add_checksum(body: bytes) -> bytes:
    """Data with its checksum before it: SHA-256 of what follows, a line end, the data."""
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def strip_checksum(data: bytes) -> bytes | None:
    """What `add_checksum` was given; None when the data is not what was written."""
    checksum, _, body = data.partition(b"\n")
    return body if checksum.decode("ascii", "replace") == hashlib.sha256(body).hexdigest() else None


def read_cache(path: Path) -> Any:
    """JSON that `write_cache` kept; None when there is none, it cannot be read, or it is damaged."""
    try:
        body = strip_checksum(path.read_bytes())
        return None if body is None else json.loads(body)
    except (OSError, ValueError):
        return None


def write_cache(path: Path, data: Any) -> None:
    """Keep JSON that only spares finding something out again; a store that cannot be written forgets it."""
    with contextlib.suppress(StoreError):
        atomic_write(path, add_checksum(json.dumps(data).encode()), durable=False)


def dump(record: Record) -> bytes:
    """A record as JSON."""
    return msgspec.json.encode(record)


def load(data: bytes) -> Record:
    """A record from JSON.

    Raises:
        ValueError: The data is not one.
    """
    try:
        return _decoder().decode(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@lru_cache(maxsize=1)
def _decoder() -> msgspec.json.Decoder[Record]:
    return msgspec.json.Decoder(Record)


_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
"""What may be the name of a file in the store: of a record by its key, of a log."""


def _is_sound(record: Record) -> bool:
    """Whether a record names files of its own only, and its value has the form of one: it is data, and others may write into a store."""
    logs = [step.output.log for step in record.steps if step.output.log is not None]
    if not record.recipe.isidentifier() or not all(_NAME.fullmatch(name) for name in (*logs, record.key or "none")):
        return False
    try:
        check(record.value)
    except ValueRefused:
        return False
    return True


def remove(folder: Path) -> None:
    """Remove a tree, read-only folders in it included (source packages and build systems leave some)."""

    def again(function: Any, path: str, _: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o700)
        function(path)

    # Python 3.12 renamed the argument; both give the function, the path and something about the error.
    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=again)
    else:
        shutil.rmtree(folder, onerror=again)
