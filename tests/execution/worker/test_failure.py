"""Failures of recipes, as their workers describe them."""

from __future__ import annotations

from pathlib import Path

from kvmdocs.execution.worker import failure


def test_a_project_in_a_folder_called_kvmdocs_has_its_places_named():
    root = Path("/home/reader/kvmdocs")
    assert failure.is_in_project(f"{root}/recipes/a.py", root)
    assert not failure.is_in_project(f"{root}/.venv/lib/python3/site-packages/sh/__init__.py", root)
    assert not failure.is_in_project(failure.__file__, Path(failure.__file__).parents[3])
