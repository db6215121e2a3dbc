"""File systems of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def mounted(*command: str) -> None:
    """Mount something, or skip where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a disk of its own")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
