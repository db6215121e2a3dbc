"""One style sheet of a site in place of several: a browser paints nothing before it has loaded all of them.

Their sources stay separate. A site without the plugin loads them one by one.
"""

from __future__ import annotations

from hashlib import sha256
from posixpath import dirname
from typing import TYPE_CHECKING

from mkdocs.structure.files import Files

from kvmdocs.site.plugin.generated import GeneratedFiles

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def bundle(files: Files, config: MkDocsConfig, generated: GeneratedFiles) -> None:
    """Join the site's own style sheets, in their order, into one file in the same folder.

    Its name contains a digest of its content, so that no browser shows a page with an outdated one. Nothing is done if a
    sheet is not a file of the site, or if the sheets are in several folders: their relative links depend on the folder, and
    their order must be kept.

    Args:
        files: All files of the site, including the theme's.
        config: The site's configuration; its ``extra_css`` is changed.
        generated: Makes the file.
    """
    paths = [str(path) for path in config.extra_css]
    sheets = [sheet for path in paths if (sheet := files.get_file_from_path(path)) is not None]
    folders = {dirname(path) for path in paths}
    if len(paths) < 2 or len(sheets) < len(paths) or len(folders) > 1:
        return
    text = "\n".join(sheet.content_string for sheet in sheets)
    name = f"{folders.pop()}/all.{sha256(text.encode()).hexdigest()[:8]}.css".lstrip("/")
    for sheet in sheets:
        files.remove(sheet)
    files.append(generated.make(config, name, text))
    config.extra_css = [name]
