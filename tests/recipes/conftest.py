"""Fixtures for tests of recipes that download sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Yield a shell in a workspace named like those of the store."""
    workspace = tmp_path / "work" / "recipe-0123456789abcdef"
    workspace.mkdir(parents=True)
    sh = Shell(workspace, PathDisplay(tmp_path / "work"), tmp_path / "logs")
    yield sh
    sh.close()
