"""The status page: how every recipe of a site stands, in words, as a table, and as data.

A guide's blocks print its parts::

    ```python exec="on" html="on"
    from kvmdocs.site.status import table
    print(table())
    ```

They take what the build around them knows. Without the plugin they know the records, but not where other pages are.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmdocs.recording.recipe import presenter
from kvmdocs.site.publisher import Publisher
from kvmdocs.site.status import page, rows
from kvmdocs.site.status.collect import report
from kvmdocs.site.status.page import StatusView

__all__ = ["drifts", "skips", "summary", "table", "view_of"]


def summary() -> str:
    """How many recipes are in which state, and when, where and how the site was built; HTML."""
    return _part(page.summary)


def table() -> str:
    """Every recipe: state, when and where it ran, how long, on which pages it is, drift; HTML."""
    return _part(rows.table)


def skips() -> str:
    """What the building host could not run, why, and what would make it run; HTML."""
    return _part(page.skips)


def drifts() -> str:
    """How records differ from approved ones; HTML."""
    return _part(page.drifts)


def _part(make: Callable[[StatusView], str]) -> str:
    publisher = presenter()
    if not isinstance(publisher, Publisher):
        # Whoever only notes what a block shows wants nothing printed.
        return ""
    return make(view_of(publisher))


def view_of(publisher: Publisher) -> StatusView:
    """A publisher's report, made once a build, seen from the page that is being rendered.

    Raises:
        CatalogError: An approved record cannot be read, or recipes build on each other in a circle.
    """
    if "report" not in publisher.kept:
        publisher.kept["report"] = report(publisher)
    return StatusView(
        publisher.kept["report"],
        publisher.language,
        publisher.relative,
        published=bool(publisher.pages),
    )
