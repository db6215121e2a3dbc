"""Files that the plugin adds to a site, each with a path on the disk: other plugins expect one."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


class GeneratedFiles:
    """Makes files in a temporary folder, which lasts until the site is written."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kvmdocs-site-"))
        # Also at the end of a process whose build ended early.
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def make(self, config: MkDocsConfig, name: str, text: str) -> File:
        """Return a file of the site.

        Args:
            config: The site's configuration.
            name: Its path in the site.
            text: Its content.
        """
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return File.generated(config, name, abs_src_path=str(path))

    def close(self) -> None:
        """Remove the folder."""
        self._finalizer()
