"""Mounts of file systems for tests."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def mounted(*command: str) -> None:
    """Run a mount command; skip the test if mounting is not allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount on this host: {done.stderr.strip()}")
