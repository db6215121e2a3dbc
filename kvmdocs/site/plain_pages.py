"""Pages of a site as Markdown, for programs that read: each beside its page, and all of them in one file.

The addresses are those that https://llmstxt.org proposes: a page's own with ``.md`` behind it, and ``llms-full.txt``; ``llms.txt`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kvmdocs.render.plain_page import as_markdown
from kvmdocs.store.derived import kept

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.store.store import Store

ENDING = ".md"
"""What stands behind the address of a page."""
WHOLE = "llms-full.txt"
"""All pages in one file, at the top of a site."""


@dataclass
class PlainPages:
    """The pages of one build.

    Attributes:
        store: Where pages that were turned into Markdown before are kept.
        without: The file of the site that has no Markdown, the status page: `report.json` is for programs, and it differs in every build.
    """

    store: Store
    without: str = ""
    _texts: dict[str, str] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def take(self, html: str, page: Page) -> None:
        """Turn a page into Markdown; its front matter then says where that is, as ``plain``.

        Args:
            html: The page's content.
            page: The page.
        """
        name = page.file.dest_uri
        if name == self.without:
            return
        text = kept(self.store, [html], lambda: as_markdown(html), ENDING)
        if self.without:
            text = text.replace(f"{self.without}{ENDING}", self.without)
        self._texts[name] = text
        self._addresses[name] = page.canonical_url or ""
        page.meta["plain"] = f"{name}{ENDING}"

    def write(self, config: MkDocsConfig, order: Iterable[str]) -> None:
        """Write them into the site that was built.

        Args:
            config: The site's.
            order: The files of pages in the order in which a reader meets them; others follow.
        """
        if not self._texts:
            return
        folder = Path(config.site_dir)
        for name, text in self._texts.items():
            (folder / f"{name}{ENDING}").write_text(text, "utf-8")
        names = [*(name for name in order if name in self._texts), *self._texts]
        head = f"# {config.site_name}\n\n> {config.site_description or ''}\n"
        parts = [head, *(f"---\n\n<{self._addresses[name] or name}>\n\n{self._texts[name]}" for name in dict.fromkeys(names))]
        (folder / WHOLE).write_text("\n".join(parts), "utf-8")
