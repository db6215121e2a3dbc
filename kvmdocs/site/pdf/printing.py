"""Printing a built site: each language's pages in the order of its navigation, with cover and contents, as one file beside them."""

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

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure import StructureItem
    from mkdocs.structure.nav import Navigation

PREPARE = """
(names, title, before) => {
  // What is folded is unfolded, as the theme does it before it prints; the style sheets say what stays away from paper.
  for (const details of document.querySelectorAll("details")) details.open = true
  // Chromium gives a name to a place only if something on the same page leads there.
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
    """What came of a language.

    Attributes:
        path: The PDF.
        pages: How many sheets it has.
        size: How many bytes it has.
    """

    path: Path
    pages: int
    size: int


@dataclass(frozen=True)
class _Chapter:
    """A line of the navigation: a page, or what stands over some."""

    title: str
    depth: int
    url: str = ""


def print_site(root: Path, configs: list[str], output: Path, name: str, folders: Sequence[Path] = ()) -> list[Printed]:
    """Print every language of a site that is built.

    Args:
        root: The project's folder.
        configs: The configuration of each language's site, relative to it.
        output: Where the languages' sites are.
        name: The file each becomes, in the folder of its site.
        folders: The folder of each language's site; the one in `output` that its configuration names if not given.

    Raises:
        SettingError: The name is none for a PDF.
        GuideError: A page of the navigation is not there.
        HostLacks: There is no Chromium.
        EngineError: Chromium does not do what it is told.
    """
    if "/" in name or not name.endswith(".pdf"):
        raise SettingError(f"site.pdf is {name!r}", Evidence(advice="give it the name of a file, such as handbook.pdf"))
    with Chromium() as chromium:
        return [
            _print_language(chromium, root, root / config, output, name, folder)
            for config, folder in zip_longest(configs, folders)
        ]


def _print_language(chromium: Chromium, root: Path, config_file: Path, output: Path, name: str, folder: Path | None) -> Printed:
    config, chapters = _navigation(config_file)
    site = folder or output / Path(config.site_dir).name
    base = site.absolute().as_uri() + "/"
    targets = _targets(site, chapters, base)
    parts: list[PrintedPage] = []
    entries: list[Bookmark] = []
    lines: list[ContentsLine] = []
    sheets = 0
    for chapter in chapters:
        lines.append(ContentsLine(chapter.title, chapter.depth, chapter.url, sheets + 1 if chapter.url else 0))
        entries.append(Bookmark(chapter.title, chapter.depth, base + chapter.url if chapter.url else ""))
        if not chapter.url:
            continue
        chromium.open(site / chapter.url)
        headings = _prepare(chromium, sorted(targets[base + chapter.url]), chapter.title, sheets)
        entries += [Bookmark(text, chapter.depth + 1, f"{base}{chapter.url}#{anchor}") for anchor, text in headings]
        part = PrintedPage(base + chapter.url, chromium.printed())
        parts.append(part)
        sheets += pages(part.data)
    front = _front(chromium, config, site, root, lines)
    book = Book(base, str(config.site_url or ""))
    facts = {"/Title": config.site_name, "/Subject": config.site_description or "", "/Creator": "kvmdocs"}
    data = book.join([front, *parts], entries, facts)
    write(site / name, data)
    return Printed(site / name, pages(data), len(data))


def _prepare(chromium: Chromium, names: list[str], title: str, before: int) -> list[list[str]]:
    """Make the page that is open fit for the book; returns the anchor and the text of each of its headings."""
    given = ", ".join(json.dumps(value) for value in (names, title, before))
    headings: list[list[str]] = chromium.evaluate(f"() => ({PREPARE})({given})")
    return headings


def _navigation(config_file: Path) -> tuple[MkDocsConfig, list[_Chapter]]:
    """A language's configuration, and what is in its navigation, in order."""
    from mkdocs.config import load_config
    from mkdocs.structure.files import get_files
    from mkdocs.structure.nav import Section, get_navigation
    from mkdocs.structure.pages import Page

    config = load_config(str(config_file))
    chapters: list[_Chapter] = []

    def walk(items: list[StructureItem], depth: int) -> None:
        for item in items:
            if isinstance(item, Page):
                chapters.append(_Chapter(str(item.title), depth, item.file.dest_uri))
            elif isinstance(item, Section):
                chapters.append(_Chapter(str(item.title), depth))
                walk(item.children, depth + 1)

    navigation: Navigation = get_navigation(get_files(config), config)
    walk(navigation.items, 0)
    return config, chapters


def _targets(site: Path, chapters: list[_Chapter], base: str) -> defaultdict[str, set[str]]:
    """The places that the pages' links lead to, by the address of the page they are on.

    Raises:
        GuideError: A page has not been built.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for chapter in chapters:
        if not chapter.url:
            continue
        path = site / chapter.url
        if not path.is_file():
            raise GuideError(f"{path} is not there", Evidence(advice="build the site first: kvmdocs build"))
        for link in _LINK.findall(path.read_text("utf-8")):
            address, fragment = urldefrag(urljoin(base + chapter.url, link))
            found[address].add(unquote(fragment))
    return found


def _front(chromium: Chromium, config: MkDocsConfig, site: Path, root: Path, lines: list[ContentsLine]) -> PrintedPage:
    """Cover and contents."""
    report = site / "report.json"
    known = json.loads(report.read_text("utf-8")) if report.is_file() else {}
    built = known.get("built") or datetime.now(UTC).isoformat(timespec="seconds")
    language = Language.of(str(config.theme.get("language", "en")))
    page = cover(language, config.site_name, config.site_description or "", built, commit(root), known.get("host", {}), lines)
    path = site / ".cover.html"
    path.write_text(page, "utf-8")
    try:
        chromium.open(path)
        return PrintedPage(path.absolute().as_uri(), chromium.printed())
    finally:
        path.unlink()
