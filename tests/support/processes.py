"""Processes that recipes started."""

from __future__ import annotations

import time

import psutil


def left_of(root):
    """Processes that a recipe of this project started and that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KVMDOCS_RUN", "").startswith(str(root)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def soon_nothing_left(root, seconds=30):
    """Whether no such process is left within some seconds."""
    deadline = time.monotonic() + seconds
    while (left := left_of(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left
