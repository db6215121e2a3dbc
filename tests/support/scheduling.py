"""Which tests pytest-xdist hands to a worker together, largest group first: what tests share is then made once, and no worker is idle long at the end.

The mark ``xdist_group`` would say it beside the tests, but pytest-xdist 3.8 writes it into node ids in a way that pytest 9.2 no longer reads: all tests are then dealt
out one by one, and no message says so.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

PAGES = "tests/content/test_every_page.py::test_page["
SITE = "tests/content"
WAITS = "tests/scenarios/test_kills.py"
"""A minute in which little is done. Small groups come last, and alone at the end it would have processors wait for it; so it goes with the largest, which comes first."""


def group(nodeid: str) -> str:
    """The group of a test: its file, or the whole site; each of the site's pages is one by itself."""
    if nodeid.startswith(PAGES):
        return nodeid
    return SITE if nodeid.startswith((f"{SITE}/", WAITS)) else nodeid.partition("::")[0]


class Groups(LoadScopeScheduling):
    """Deals the groups out."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups | None:
    return Groups(config, log) if config.getoption("dist") == "loadfile" else None
