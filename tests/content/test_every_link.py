"""Links within the site: every page exists, and every anchor is an element of it."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from tests.support.pages import Site

pytestmark = pytest.mark.slow


class Reader(HTMLParser):
    """Collects the links of a page and the anchors in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.twice: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links |= {given[name] for name in ("href", "src", "xlink:href") if given.get(name)}
        name = given.get("id", "")
        if name:
            self.twice |= {name} & self.anchors
            self.anchors.add(name)


@cache
def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


def pages(site: Site) -> list[Path]:
    return sorted(site.folder.rglob("*.html"))


def wrong(site: Site, path: Path) -> list[str]:
    """Return the broken links of a page."""
    here = f"{site.address}/{path.relative_to(site.folder).as_posix()}"
    found = []
    for link in read(path).links:
        whole, anchor = urldefrag(urljoin(here, link))
        if not whole.startswith(f"{site.address}/"):
            continue
        target = site.folder / unquote(urlsplit(whole).path.lstrip("/"))
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            found.append(f"{link}: no such file")
        elif anchor and target.suffix == ".html" and unquote(anchor) not in read(target).anchors | {"__top"}:
            found.append(f"{link}: no such anchor")
    return found


def test_every_link_within_the_site_leads_somewhere(site: Site) -> None:
    assert len(pages(site)) > 60
    assert {str(path.relative_to(site.folder)): bad for path in pages(site) if (bad := wrong(site, path))} == {}


def test_no_two_elements_of_a_page_have_one_name(site: Site) -> None:
    assert {str(path.relative_to(site.folder)): read(path).twice for path in pages(site) if read(path).twice} == {}


def test_a_link_to_nowhere_is_found(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there"></a><a href="b.html#gone"></a><a href="c.html"></a>', "utf-8")
    (tmp_path / "b.html").write_text('<p id="there"></p>', "utf-8")
    small = Site(tmp_path, site.address)
    assert sorted(wrong(small, tmp_path / "a.html")) == ["b.html#gone: no such anchor", "c.html: no such file"]
