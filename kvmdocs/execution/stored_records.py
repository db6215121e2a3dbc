"""Records that a run takes from the store, and their protection while it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kvmdocs.catalog.key.cache_key import KeyInputs
from kvmdocs.core.model import Record
from kvmdocs.execution.plan import KeyCache
from kvmdocs.execution.project import Project
from kvmdocs.execution.recipe_values import stored
from kvmdocs.execution.run_dirs import StoreLease, defer_sigint
from kvmdocs.host import facts


class StoredRecords:
    """Looks up records by the keys of recipes.

    Args:
        project: The project.
        fresh: Recipes whose records count only if they were made after this run began, by another build.
    """

    def __init__(self, project: Project, fresh: frozenset[str]) -> None:
        self._project = project
        self._fresh = fresh
        self._began = facts.now()
        self._keys = KeyCache(project)
        self._lease: StoreLease | None = None

    def key(self, name: str, records: Mapping[str, Record]) -> str:
        """Return the key of a recipe whose inputs all have records."""
        return self._keys.key(name, records)

    def key_inputs(self, name: str, records: Mapping[str, Record]) -> KeyInputs:
        """Return the inputs of that key."""
        return self._keys.inputs(name, records)

    def take(self, name: str, records: Mapping[str, Record]) -> Record | None:
        """Return the record of a recipe, protected from now on; None if there is none that counts."""
        record = stored(self._project, self.key(name, records))
        if record is None or (name in self._fresh and record.started <= self._began):
            return None
        if self._lease is not None:
            self._lease.hold([record])
            if stored(self._project, record.key) is None:  # another build has begun to make it anew
                return None
        self._project.store.make_latest(record)
        return record

    def protect(self, records: Iterable[Record]) -> None:
        """Protect the artefacts of records, and of those that are taken from now on."""
        if self._lease is None:
            with defer_sigint():
                self._lease = StoreLease(self._project.store)
        self._lease.hold(records)

    def made(self, record: Record) -> None:
        """Protect the artefacts of a record that the run has made, if it protects any."""
        if self._lease is not None:
            self._lease.hold([record])

    def lost(self, records: Mapping[str, Record]) -> list[str]:
        """Return the recipes whose record was taken and is gone: another build began to make it before it was protected."""
        return [name for name, record in records.items() if record.contents and stored(self._project, record.key) is None]

    def forget_keys(self) -> None:
        """Forget all keys, since the record of an input is to be made again."""
        self._keys = KeyCache(self._project)

    def release(self) -> None:
        """End the protection."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
