"""The whole site, as a build in recorded mode makes it, in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import Browser, missing
from pages import LANGUAGES, ROOT, Site


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both languages, built from this project's guides and whatever records there are, served on loopback."""
    folder = tmp_path_factory.mktemp("site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        address = f"http://127.0.0.1:{server.server_port}"
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
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, address)
        server.shutdown()


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
