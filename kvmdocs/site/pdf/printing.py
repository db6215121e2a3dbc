"""Printing of a built site: one PDF per language with cover, contents and the pages in the order of the navigation."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin

from kvmdocs.core.errors import Evidence, GuideError, SettingError
from kvmdocs.render import Language
from kvmdocs.site.edit_links import commit
from kvmdocs.site.pdf.chromium import Chromium
from kvmdocs.site.pdf.cover import ContentsLine, cover
from kvmdocs.site.pdf.join import Book, Bookmark, PrintedPage, pages, write
from kvmdocs.site.versions import versioned

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure import StructureItem
    from mkdocs.structure.nav import Navigation

PREPARE = """
(names, title, before) => {
  // Open folded parts, as the theme does before printing. Style sheets hide what does not belong on paper.
  for (const details of document.querySelectorAll("details")) details.open = true
  // Chromium writes a named destination only for anchors that a link on the same page leads to.
  const links = document.createElement("nav")
  links.hidden = true
  for (const name of names) {
    const link = document.createElement("a")
    link.href = "#" + name
    links.append(link)
  }
  document.body.append(links)
  const style = document.createElement("style")
  style.textContent = `
    @page {
      size: A4;
      margin: 17mm 16mm 19mm;
      @bottom-left { content: ${JSON.stringify(title)}; color: #5d574d; font: 8pt sans-serif }
      @bottom-right { content: counter(page); color: #5d574d; font: 8pt sans-serif }
    }
    html { counter-reset: page ${before} }`
  document.head.append(style)
  return [...document.querySelectorAll("article h2[id]")].map(heading => {
    const text = heading.cloneNode(true)
    for (const link of text.querySelectorAll(".headerlink")) link.remove()
    return [heading.id, text.textContent.trim()]
  })
}
"""

_LINK = re.compile(r'\shref="([^"#]*#[^"]+)"')


@dataclass(frozen=True)
class Printed:
    """PDF of one language.

    Attributes:
        path: The PDF.
        pages: Number of sheets.
        size: Size in bytes.
    """

    path: Path
    pages: int
    size: int


@dataclass(frozen=True)
class _NavEntry:
    """Entry of the navigation: a page, or a section (without an address).

    Attributes:
        title: Its title.
        depth: Its depth; 0 for the outermost.
        url: Address of the page, relative to the site; "" for a section.
    """

    title: str
    depth: int
    url: str = ""


def print_site(
    root: Path, configs: list[str], output: Path, name: str, folders: Sequence[Path] = (), *, version: str = ""
) -> list[Printed]:
    """Print every language of a built site.

    Args:
        root: The project's folder.
        configs: Configuration file of each language's site, relative to `root`.
        output: Folder that holds the languages' sites.
        name: File name of the PDF in each language's folder.
        folders: Folder of each language's site. Default: the folder in `output` that the configuration names.
        version: Version that the site is published as (`kvmdocs.site.versions`); "" for none.

    Raises:
        SettingError: `name` is not the name of a PDF file.
        GuideError: A page of the navigation is missing.
        HostLacks: Chromium is not installed.
        EngineError: Chromium fails.
    """
    if "/" in name or not name.endswith(".pdf"):
        raise SettingError(f"site.pdf is {name!r}", Evidence(advice="give it the name of a file, such as handbook.pdf"))
    with Chromium() as chromium:
        return [
            _print_language(chromium, root, *_navigation(root / config, version), output, name, folder)
            for config, folder in zip_longest(configs, folders)
        ]


def _print_language(
    chromium: Chromium, root: Path, config: MkDocsConfig, entries: list[_NavEntry], output: Path, name: str, folder: Path | None
) -> Printed:
    site = folder or output / Path(config.site_dir).name
    base = site.absolute().as_uri() + "/"
    targets = _targets(site, entries, base)
    parts: list[PrintedPage] = []
    bookmarks: list[Bookmark] = []
    lines: list[ContentsLine] = []
    sheets = 0
    for entry in entries:
        uri = base + entry.url if entry.url else ""
        lines.append(ContentsLine(entry.title, entry.depth, entry.url, sheets + 1 if uri else 0))
        bookmarks.append(Bookmark(entry.title, entry.depth, uri))
        if not uri:
            continue
        chromium.open(site / entry.url)
        headings = _prepare(chromium, sorted(targets[uri]), entry.title, sheets)
        bookmarks += [Bookmark(text, entry.depth + 1, f"{uri}#{anchor}") for anchor, text in headings]
        part = PrintedPage(uri, chromium.printed())
        parts.append(part)
        sheets += pages(part.data)
    front = _front(chromium, config, site, root, lines)
    book = Book(base, str(config.site_url or ""))
    properties = {"/Title": config.site_name, "/Subject": config.site_description or "", "/Creator": "kvmdocs"}
    data = book.join([front, *parts], bookmarks, properties)
    write(site / name, data)
    return Printed(site / name, pages(data), len(data))


def _prepare(chromium: Chromium, names: list[str], title: str, before: int) -> list[list[str]]:
    """Prepare the open page for printing.

    Args:
        chromium: The browser.
        names: Anchors of the page that links of the site lead to.
        title: Title for the foot of each sheet.
        before: Number of sheets before this page.

    Returns:
        Anchor and text of each heading.
    """
    arguments = ", ".join(json.dumps(value) for value in (names, title, before))
    headings: list[list[str]] = chromium.evaluate(f"() => ({PREPARE})({arguments})")
    return headings


def _navigation(config_file: Path, version: str) -> tuple[MkDocsConfig, list[_NavEntry]]:
    """Load a language's configuration; return it and the entries of its navigation, in order."""
    from mkdocs.config import load_config
    from mkdocs.structure.files import get_files
    from mkdocs.structure.nav import Section, get_navigation
    from mkdocs.structure.pages import Page

    config = load_config(str(config_file))
    if version:  # loading runs no plugin, so the address has no version yet
        versioned(config, version)
    entries: list[_NavEntry] = []

    def walk(items: list[StructureItem], depth: int) -> None:
        for item in items:
            if isinstance(item, Page):
                entries.append(_NavEntry(str(item.title), depth, item.file.dest_uri))
            elif isinstance(item, Section):
                entries.append(_NavEntry(str(item.title), depth))
                walk(item.children, depth + 1)

    navigation: Navigation = get_navigation(get_files(config), config)
    walk(navigation.items, 0)
    return config, entries


def _targets(site: Path, entries: list[_NavEntry], base: str) -> defaultdict[str, set[str]]:
    """Return the anchors that links of the pages lead to, by the address of the page that has them.

    Raises:
        GuideError: A page has not been built.
    """
    anchors: defaultdict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if not entry.url:
            continue
        path = site / entry.url
        if not path.is_file():
            raise GuideError(f"the page {path} is missing", Evidence(advice="build the site first: kvmdocs build"))
        for link in _LINK.findall(path.read_text("utf-8")):
            address, fragment = urldefrag(urljoin(base + entry.url, link))
            anchors[address].add(unquote(fragment))
    return anchors


def _front(chromium: Chromium, config: MkDocsConfig, site: Path, root: Path, lines: list[ContentsLine]) -> PrintedPage:
    """Print cover and contents."""
    path = site / "report.json"
    report = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    built = report.get("built") or datetime.now(UTC).isoformat(timespec="seconds")
    language = Language.of(str(config.theme.get("language", "en")))
    page = cover(language, config.site_name, config.site_description or "", built, commit(root), report.get("host", {}), lines)
    path = site / ".cover.html"
    path.write_text(page, "utf-8")
    try:
        chromium.open(path)
        return PrintedPage(path.absolute().as_uri(), chromium.printed())
    finally:
        path.unlink()
