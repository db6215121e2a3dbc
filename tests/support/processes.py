"""Processes that recipes have started."""

from __future__ import annotations

import time

import psutil


def left_of(root):
    """Return the running processes that a recipe of this project has started."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KVMDOCS_RUN", "").startswith(str(root)) and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except (psutil.Error, OSError):
            continue
    return processes


def soon_nothing_left(root, seconds=30):
    """Check whether all such processes end within some seconds."""
    deadline = time.monotonic() + seconds
    while (left := left_of(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left
