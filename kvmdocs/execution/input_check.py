"""Check of the artefacts that a recipe is about to use, once in a run."""

from __future__ import annotations

from collections.abc import Mapping

from kvmdocs.core.model import Record
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.recording.recipe import Recipe
from kvmdocs.store import artefacts
from kvmdocs.store.store import Store


class InputCheck:
    """Looks for artefacts that were changed or deleted since their recipe made them.

    Args:
        store: The store.
        listener: Is told of damaged artefacts.
    """

    def __init__(self, store: Store, listener: ProgressListener) -> None:
        self._store = store
        self._listener = listener
        self._sound: set[str] = set()

    def made(self, record: Record) -> None:
        """Note the artefacts of a record that this run has made."""
        artefacts.note(self._store, record)
        self._sound.add(record.recipe)

    def damaged(self, recipe: Recipe, records: Mapping[str, Record]) -> list[str]:
        """Return the inputs of a recipe with damaged artefacts. Their records are removed from the store.

        Args:
            recipe: The recipe.
            records: The records of its inputs.
        """
        wrong = []
        for record in (records[wanted.name] for wanted in recipe.inputs):
            if record.recipe in self._sound or not record.key:
                continue
            self._sound.add(record.recipe)
            if paths := artefacts.damaged(self._store, record):
                self._listener.damaged(record.recipe, paths)
                artefacts.forget(self._store, record)
                wrong.append(record.recipe)
        return wrong
