"""State of a site's recipes, for readers and programs: files and lines that the plugin adds.

These are ``report.json`` with its JSON Schema, and a line under the title of each page that shows recipes. The status page
itself is an ordinary guide (`kvmdocs.site.status`); a site without one has all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mkdocs.structure.files import Files

from kvmdocs.core import json_document
from kvmdocs.execution.project import Project
from kvmdocs.site.plugin.generated import GeneratedFiles
from kvmdocs.site.plugin.under_title import insert_under_title
from kvmdocs.site.publisher import GuidePage
from kvmdocs.site.status.data import REPORT_TITLE, Report
from kvmdocs.site.status.page import DATA, SCHEMA, StatusView, badge, incomplete

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_HEADING = re.compile(r"^#[ \t]+(.+?)(?:[ \t]*\{[^{}]*\})?[ \t]*#*[ \t]*$", re.MULTILINE)


def guide_pages(files: Files, project: Project) -> dict[str, GuidePage]:
    """Return the page of each guide, by the guide's path in the project.

    Args:
        files: The site's files, after MkDocs has built the navigation.
        project: The project.
    """
    pages: dict[str, GuidePage] = {}
    for file in files.documentation_pages():
        page, source = file.page, file.abs_src_path
        if page is None or source is None:
            continue
        ancestors = list(page.ancestors)  # the nearest first
        chapter = str(ancestors[-1].title) if ancestors else ""
        title = str(page.title or _heading(Path(source)) or page.url)
        pages[project.catalog.shown(Path(source))] = GuidePage(title, page.url, chapter)
    return pages


def sort_by_navigation(pages: dict[str, GuidePage], urls: list[str]) -> dict[str, GuidePage]:
    """Return the pages in the order of the navigation; pages that are not in it come last.

    Args:
        pages: The result of `guide_pages`.
        urls: The addresses of the navigation's pages, in order.
    """
    position = {url: number for number, url in enumerate(urls)}
    return dict(sorted(pages.items(), key=lambda item: position.get(item[1].url, len(position))))


def add_files(
    files: Files, config: MkDocsConfig, generated: GeneratedFiles, view: StatusView, mask: Callable[[str], str] = str
) -> None:
    """Add the report, with secrets removed by `mask`, and its schema to the site."""
    contents = {
        DATA: mask(json_document.dump(view.report)) + "\n",
        SCHEMA: json_document.schema(Report, "report", REPORT_TITLE),
    }
    for name, content in contents.items():
        files.append(generated.make(config, name, content))


def add_failures(html: str, page: Page, view: StatusView, status_page: str, mask: Callable[[str], str] = str) -> str:
    """Return the home page's HTML with the site's failures under its title; unchanged for other pages, or without failures.

    Args:
        html: The main part of the page.
        page: The page.
        view: The report.
        status_page: The address of the status page, relative to the top of the site; "" if there is none.
        mask: Removes secrets from a text.
    """
    failures = incomplete(view, view.link(status_page) if status_page else None) if page.is_homepage else ""
    return insert_under_title(html, mask(failures), page) if failures else html


def add_badge(html: str, page: Page, view: StatusView, status_page: str) -> str:
    """Return a page's HTML with the state of its recipes under its title; unchanged if it shows none.

    Args:
        html: The main part of the page.
        page: The page; ``badge: false`` in its front matter omits the line.
        view: The report.
        status_page: The address of the status page, relative to the top of the site; "" if there is none.
    """
    row = view.report.page(page.url)
    if row is None or page.meta.get("badge") is False:
        return html
    line = badge(row, view, f"{view.link(status_page)}?page={quote(page.url)}" if status_page else "")
    return insert_under_title(html, line, page)


def _heading(guide: Path) -> str:
    """Return the first heading of a guide, for a page without a title in the navigation; "" if there is none."""
    try:
        match = _HEADING.search(guide.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    return match[1] if match else ""
