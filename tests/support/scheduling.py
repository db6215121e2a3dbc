"""Groups of tests that pytest-xdist gives to one worker, largest group first.

Shared fixtures are then made once, and no worker idles long at the end. The mark ``xdist_group`` would be the usual way, but
pytest-xdist 3.8 writes it into node ids in a form that pytest 9.2 no longer reads: tests are then distributed one by one,
without a message.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

PAGES = "tests/content/test_every_page.py::test_page["
SITE = "tests/content"
WAITS = "tests/scenarios/test_kills.py"
"""A minute of mostly waiting. As a small group it would run alone at the end, so it joins the largest group, the first one."""


def group(nodeid: str) -> str:
    """Return the group of a test: its file, or the whole site. Each page of the site is a group by itself."""
    if nodeid.startswith(PAGES):
        return nodeid
    return SITE if nodeid.startswith((f"{SITE}/", WAITS)) else nodeid.partition("::")[0]


class Groups(LoadScopeScheduling):
    """Scheduler that distributes the groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups | None:
    return Groups(config, log) if config.getoption("dist") == "loadfile" else None
