"""One style sheet of a site in place of several: a browser paints nothing before it has all of them.

They stay apart where they are written, each for one thing. A site without the plugin has them one by one.
"""

from __future__ import annotations

from hashlib import sha256
from posixpath import dirname
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def bundle(files: Files, config: MkDocsConfig) -> None:
    """Put the site's own style sheets into one file, in their order, beside where they were.

    Its name has a digest of what is in it, so no browser shows a page with an old one. Nothing is done where one of the sheets is not a file of the
    site or lies in another folder: what it leads to is relative to where it lies, and their order has a meaning.

    Args:
        files: All files of the site, the theme's among them.
        config: The site's configuration; its ``extra_css`` is changed.
    """
    wanted = [str(path) for path in config.extra_css]
    sheets = [sheet for path in wanted if (sheet := files.get_file_from_path(path)) is not None]
    folders = {dirname(path) for path in wanted}
    if len(wanted) < 2 or len(sheets) < len(wanted) or len(folders) > 1:
        return
    text = "\n".join(sheet.content_string for sheet in sheets)
    name = f"{folders.pop()}/all.{sha256(text.encode()).hexdigest()[:8]}.css".lstrip("/")
    for sheet in sheets:
        files.remove(sheet)
    files.append(File.generated(config, name, content=text))
    config.extra_css = [name]
