"""Failures that a built site shows, read from its ``report.json``: the file moves with the site, and each build rewrites it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, GuideError
from kvmdocs.site.status.data import State
from kvmdocs.site.status.page import DATA, SCHEMA


def failures(site: Path) -> dict[str, list[str]]:
    """Return the recipes that a built site shows as failed, each with the addresses that show it, relative to the site.

    Args:
        site: Folder of a site, of one of its languages, or one that holds sites.

    Raises:
        GuideError: A report cannot be read.
    """
    failed: dict[str, list[str]] = {}
    for path in sorted(site.rglob(DATA)):
        # An author's own file may have that name; only the plugin's has the schema beside it.
        if (path.parent / SCHEMA).is_file():
            folder = path.parent.relative_to(site)
            for row in _rows(path):
                if row["state"] == State.FAILED:
                    places = [str(folder / page["anchor"]) for page in row["pages"] if page["anchor"]]
                    failed.setdefault(row["recipe"], []).extend(places)
    return failed


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read a report's rows; check the fields that `failures` uses."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())["recipes"]
        for row in rows:
            _ = row["recipe"], row["state"], [page["anchor"] for page in row["pages"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GuideError(f"{path} is no report of a site: {error}", Evidence(advice="build the site again")) from error
    return rows
