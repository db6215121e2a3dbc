"""What the MkDocs plugin adds to a site so that readers and programs see how its recipes stand.

These are ``report.json`` with its JSON Schema, and a line under the title of each page that shows recipes. The status page itself is a guide like any other (`kvmdocs.site.status`); a site without one has all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mkdocs.structure.files import File, Files

from kvmdocs.core import schemas
from kvmdocs.execution.project import Project
from kvmdocs.site.plugin.under_title import under_title
from kvmdocs.site.publisher import GuidePage
from kvmdocs.site.status.page import DATA, SCHEMA, StatusView, badge, incomplete

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_HEADING = re.compile(r"^#[ \t]+(.+?)(?:[ \t]*\{[^{}]*\})?[ \t]*#*[ \t]*$", re.MULTILINE)


def guide_pages(files: Files, project: Project) -> dict[str, GuidePage]:
    """The page of each guide, by the guide's path in the project, in the order of the site's navigation where there is one.

    Args:
        files: The site's files, after MkDocs has made its navigation.
        project: The project.
    """
    found: dict[str, GuidePage] = {}
    for file in files.documentation_pages():
        page, source = file.page, file.abs_src_path
        if page is None or source is None:
            continue
        above = list(page.ancestors)  # the nearest first
        chapter = str(above[-1].title) if above else ""
        title = str(page.title or _heading(Path(source)) or page.url)
        found[project.catalog.shown(Path(source))] = GuidePage(title, page.url, chapter)
    return found


def in_order(pages: dict[str, GuidePage], urls: list[str]) -> dict[str, GuidePage]:
    """The pages in the order in which a reader meets them; those that are in no navigation come last.

    Args:
        pages: What `guide_pages` gave.
        urls: The addresses of the navigation's pages, in order.
    """
    place = {url: number for number, url in enumerate(urls)}
    return dict(sorted(pages.items(), key=lambda item: place.get(item[1].url, len(place))))


def offer(files: Files, config: MkDocsConfig, view: StatusView, mask: Callable[[str], str] = str) -> None:
    """Add the report, which `mask` takes secrets out of, and its schema to the site."""
    contents = {DATA: mask(schemas.write(view.report)) + "\n", SCHEMA: schemas.read("report")}
    for name, content in contents.items():
        files.append(File.generated(config, name, content=content))


def with_failures(html: str, page: Page, view: StatusView, status_page: str, mask: Callable[[str], str] = str) -> str:
    """The first page's HTML with what of the site failed when it was built, under its title; any other page's, and a complete site's, as it was.

    Args:
        html: The page's main part.
        page: The page.
        view: The report.
        status_page: The address of the status page, from the top of the site; "" where there is none.
        mask: Takes secrets out of a text.
    """
    told = incomplete(view, view.link(status_page) if status_page else None) if page.is_homepage else ""
    return under_title(html, mask(told), page) if told else html


def with_badge(html: str, page: Page, view: StatusView, status_page: str) -> str:
    """A page's HTML with the line that says how its recipes stand, under its title; as it was where it shows none.

    Args:
        html: The page's main part.
        page: The page; ``badge: false`` at the head of its guide leaves the line out.
        view: The report.
        status_page: The address of the status page, from the top of the site; "" where there is none.
    """
    row = view.report.page(page.url)
    if row is None or page.meta.get("badge") is False:
        return html
    line = badge(row, view, f"{view.link(status_page)}?page={quote(page.url)}" if status_page else "")
    return under_title(html, line, page)


def _heading(guide: Path) -> str:
    """The first heading of a guide, for a page to which no navigation gives a title."""
    try:
        found = _HEADING.search(guide.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1] if found else ""
