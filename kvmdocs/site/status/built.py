"""The failures that a built site shows, read from its own ``report.json``: it goes wherever the site is copied, and a complete build writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, GuideError
from kvmdocs.site.status.data import State
from kvmdocs.site.status.page import DATA, SCHEMA


def failures(site: Path) -> dict[str, list[str]]:
    """The recipes that a built site shows as failed, each with the places that show it, relative to the site.

    Args:
        site: The folder of a site, of one of its languages, or one that holds sites.

    Raises:
        GuideError: A report cannot be read.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(site.rglob(DATA)):
        # A file of that name may be an author's own; the plugin's has its schema beside it.
        if (path.parent / SCHEMA).is_file():
            folder = path.parent.relative_to(site)
            for row in _rows(path):
                if row["state"] == State.FAILED:
                    places = [str(folder / page["anchor"]) for page in row["pages"] if page["anchor"]]
                    found.setdefault(row["recipe"], []).extend(places)
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())["recipes"]
        for row in rows:
            _ = row["recipe"], row["state"], [page["anchor"] for page in row["pages"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GuideError(f"{path} is no report of a site: {error}", Evidence(advice="build the site anew")) from error
    return rows
