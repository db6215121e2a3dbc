"""Status page: the state of every recipe of a site, as text, as a table and as data.

Blocks of a guide print its parts::

    ```python exec="on" html="on"
    from kvmdocs.site.status import table
    print(table())
    ```

The blocks use the report of the running build. Without the plugin they have the records, but not the addresses of other pages.
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
    """Return the number of recipes in each state, and when, where and how the site was built, as HTML."""
    return _part(page.summary)


def table() -> str:
    """Return the table of every recipe as HTML: state, inputs, time and host of the run, duration, pages, drift."""
    return _part(rows.table)


def skips() -> str:
    """Return the recipes that the building host could not run, with the reason and what would make them run, as HTML."""
    return _part(page.skips)


def drifts() -> str:
    """Return the differences between records and approved ones as HTML."""
    return _part(page.drifts)


def _part(make: Callable[[StatusView], str]) -> str:
    publisher = presenter()
    if not isinstance(publisher, Publisher):
        # The catalog's reader only collects what a block requests; it needs no output.
        return ""
    return make(view_of(publisher))


def view_of(publisher: Publisher) -> StatusView:
    """Return the view of a publisher's report from the page being rendered. The report is made once per build.

    Raises:
        CatalogError: An approved record cannot be read, or recipes depend on each other in a cycle.
    """
    if "report" not in publisher.kept:
        publisher.kept["report"] = report(publisher)
    return StatusView(
        publisher.kept["report"],
        publisher.language,
        publisher.relative,
        published=bool(publisher.pages),
    )
