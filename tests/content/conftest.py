"""The whole site, built in recorded mode, in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmdocs.pytest_plugin.xdist import once, shared_folder
from tests.support import ROOT
from tests.support.browser import Browser, missing, served
from tests.support.pages import LANGUAGES, Site

HOST = "handbook.localhost"
"""Host name of the site in the tests' browsers. Material's instant navigation follows only addresses in the sitemap, and the
sitemap has the address given to the build; but each worker of pytest-xdist serves that one build at a port of its own."""


def build(folder: Path) -> None:
    """Build both languages from this project's guides and the records that exist."""
    told = {f"KVMDOCS_SITE_URL_{language.upper()}": f"http://{HOST}/{language}/" for language in LANGUAGES}
    done = subprocess.run(
        [sys.executable, "-m", "kvmdocs.cli", "build", "--mode", "recorded", "--output", str(folder)],
        cwd=ROOT,
        check=False,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Site:
    """Build the site once for all workers."""
    shared = shared_folder(pytestconfig)
    folder = shared / "site" if shared else tmp_path_factory.mktemp("site")
    if shared:
        once(shared, "the whole site", lambda: build(folder))
    else:
        build(folder)
    return Site(folder, f"http://{HOST}")


@pytest.fixture(scope="session")
def opened(site: Site) -> Iterator[Browser]:
    if why := missing():
        pytest.skip(why)
    with served(site.folder) as address, Browser({HOST: address.removeprefix("http://")}) as browser:
        clipboard = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        browser.command("Browser.grantPermissions", permissions=clipboard, origin=site.address)
        yield browser


@pytest.fixture
def browser(opened: Browser, site: Site) -> Iterator[Browser]:
    """Yield the browser. Then check that nothing was logged on the console and that no request left the site."""
    opened.size(1400, 900)
    opened.scheme("light")
    opened.messages()
    opened.requests()
    yield opened
    assert opened.messages() == []
    assert {url for url in opened.requests() if not url.startswith(site.address)} == set()
