"""What tests of recipes that fetch sources share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a workspace named as the store names it."""
    workspace = tmp_path / "work" / "recipe-0123456789abcdef"
    workspace.mkdir(parents=True)
    sh = Shell(workspace, PathDisplay(tmp_path / "work"), tmp_path / "logs")
    yield sh
    sh.close()
