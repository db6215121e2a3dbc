"""Pages of a site as Markdown, for programs: each beside its page, and all of them in one file.

The addresses follow https://llmstxt.org: a page's own address followed by ``.md``, and ``llms-full.txt``; ``llms.txt``
lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kvmdocs.render.plain_page import as_markdown
from kvmdocs.store.derived import get_or_make

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.store.store import Store

SUFFIX = ".md"
"""Suffix that is added to the address of a page."""
ALL_PAGES = "llms-full.txt"
"""File with all pages, at the top of a site."""


@dataclass
class PlainPages:
    """The pages of one build.

    Attributes:
        store: The store, which caches pages that were converted before.
        without: The file of the status page, which is not converted: programs have `report.json`, and the page differs in
            every build.
    """

    store: Store
    without: str = ""
    _texts: dict[str, str] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def add(self, html: str, page: Page) -> None:
        """Convert a page to Markdown, and set ``plain`` in its front matter to the address of the result.

        Args:
            html: The page's content.
            page: The page.
        """
        name = page.file.dest_uri
        if name == self.without:
            return
        text = get_or_make(self.store, [html], lambda: as_markdown(html), SUFFIX)
        if self.without:
            text = text.replace(f"{self.without}{SUFFIX}", self.without)
        self._texts[name] = text
        self._addresses[name] = page.canonical_url or ""
        page.meta["plain"] = f"{name}{SUFFIX}"

    def write(self, config: MkDocsConfig, order: Iterable[str]) -> None:
        """Write the pages into the built site.

        Args:
            config: The site's configuration.
            order: The files of the pages in the order of the navigation; other pages follow.
        """
        if not self._texts:
            return
        folder = Path(config.site_dir)
        for name, text in self._texts.items():
            (folder / f"{name}{SUFFIX}").write_text(text, "utf-8")
        names = [*(name for name in order if name in self._texts), *self._texts]
        head = f"# {config.site_name}\n\n> {config.site_description or ''}\n"
        parts = [head, *(f"---\n\n<{self._addresses[name] or name}>\n\n{self._texts[name]}" for name in dict.fromkeys(names))]
        (folder / ALL_PAGES).write_text("\n".join(parts), "utf-8")
