"""The whole site, as a build in recorded mode makes it, in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from browser import Browser, missing, served
from pages import LANGUAGES, ROOT, Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both languages, built from this project's guides and whatever records there are, served on loopback."""
    folder = tmp_path_factory.mktemp("site")
    with served(folder) as address:
        # Material's instant navigation follows only what the sitemap has, and that has the address that the site is told.
        told = {f"KVMDOCS_SITE_URL_{language.upper()}": f"{address}/{language}/" for language in LANGUAGES}
        build = subprocess.run(
            [sys.executable, "-m", "kvmdocs.cli", "build", "--mode", "recorded", "--output", str(folder)],
            cwd=ROOT,
            check=False,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
        )
        assert build.returncode == 0, build.stdout + build.stderr
        yield Site(folder, address)


@pytest.fixture(scope="session")
def opened(site: Site) -> Iterator[Browser]:
    if why := missing():
        pytest.skip(why)
    with Browser() as browser:
        clipboard = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        browser.command("Browser.grantPermissions", permissions=clipboard, origin=site.address)
        yield browser


@pytest.fixture
def browser(opened: Browser, site: Site) -> Iterator[Browser]:
    """The browser; afterwards the console must have been silent and no request have left the site."""
    opened.size(1400, 900)
    opened.scheme("light")
    opened.messages()
    opened.requests()
    yield opened
    assert opened.messages() == []
    assert {url for url in opened.requests() if not url.startswith(site.address)} == set()
