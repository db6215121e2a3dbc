"""Snippets that a guide includes (pymdownx.snippets): the text with them, and where a block in it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvmdocs.catalog.fences import Fence, find_fences
from kvmdocs.catalog.site_config import SiteConfig

EXTENSION = "pymdownx.snippets"
_MARK = re.compile(r"-{1,}8<-{1,}")


def has_snippets(text: str, config: SiteConfig) -> bool:
    """Check whether a guide's text includes snippets on this site."""
    return EXTENSION in config.extensions and bool(_MARK.search(text))


class Included:
    """A guide's text with its snippets.

    Args:
        guide: The guide.
        text: Its text.
        config: The site's settings.
    """

    def __init__(self, guide: Path, text: str, config: SiteConfig) -> None:
        self._guide = guide
        self._own = [(fence.code, fence.line) for fence in find_fences(text)]
        self._files: dict[Path, None] = {}
        self.text = self._expand(text, config)

    @property
    def files(self) -> list[Path]:
        """Files that were included, in order."""
        return list(self._files)

    def place(self, fence: Fence) -> tuple[Path, int]:
        """Return the file and the line in which a fence of the text is written.

        The guide's own fences are found first, in order; then those of the included files.
        """
        for number, (code, line) in enumerate(self._own):
            if code == fence.code:
                del self._own[: number + 1]
                return self._guide, line
        for path in self._files:
            for other in find_fences(path.read_text("utf-8-sig")):
                if other.code == fence.code:
                    return path, other.line
        return self._guide, 1

    def _expand(self, text: str, config: SiteConfig) -> str:
        """Return the text with its snippets; a snippet that is not there is left out, which the page's own pass reports."""
        from markdown import Markdown
        from pymdownx.snippets import SnippetExtension, SnippetPreprocessor

        files = self._files

        class Reader(SnippetPreprocessor):  # type: ignore[misc]  # pymdownx has no types
            """The preprocessor, noting the files it opens."""

            def get_snippet_path(self, path: str) -> Any:
                """Return the path of a snippet, and note it."""
                found = super().get_snippet_path(path)
                if found:
                    files[Path(found)] = None
                return found

        paths = _paths(config.extensions[EXTENSION], config)
        options = SnippetExtension(**paths).getConfigs() | {"check_paths": False, "url_download": False}
        reader = Reader(options, Markdown())
        return "\n".join(reader.run(text.split("\n")))


def _paths(options: Mapping[str, Any], config: SiteConfig) -> dict[str, Any]:
    """Return options with folders that do not depend on the working directory."""
    listed = options.get("base_path", ["."])
    names = [listed] if isinstance(listed, str) else list(listed or ["."])
    places = {"$config_dir": config.path.parent, "$docs_dir": config.docs}
    return {**options, "base_path": [str(places.get(str(name), config.path.parent / str(name))) for name in names]}
