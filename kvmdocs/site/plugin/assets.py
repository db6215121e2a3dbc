"""Style sheets and scripts that the package brings, added to a site of any theme.

They are written for Material for MkDocs: its class for text, its size of a rem, its name of the dark scheme. For other themes
they are translated, and what only Material has is added.
"""

from __future__ import annotations

import re
from importlib.resources import files as resources
from typing import TYPE_CHECKING

from mkdocs.structure.files import Files

from kvmdocs.site.plugin.generated import GeneratedFiles

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

SHEETS = ("palette", "transcript", "picture", "status", "reference")
"""Style sheets, in their order."""

OTHER_SHEETS = (*SHEETS, "other-themes")
SCRIPTS = ("peek",)
OTHER_SCRIPTS = ("copy", *SCRIPTS)

_REM = 1.25
"""Size of Material's rem (20 px) in that of other themes (16 px)."""


def add(files: Files, config: MkDocsConfig, generated: GeneratedFiles) -> None:
    """Add the sheets and scripts to a site, before its own, which may change what they say.

    Args:
        files: All files of the site.
        config: The site's configuration; its ``extra_css`` and ``extra_javascript`` are changed.
        generated: Makes the files.
    """
    is_material = config.theme.name == "material"
    sheets = {f"assets/css/kvmdocs-{name}.css": sheet(name, is_material) for name in (SHEETS if is_material else OTHER_SHEETS)}
    scripts = {f"assets/js/kvmdocs-{name}.js": read(f"{name}.js") for name in (SCRIPTS if is_material else OTHER_SCRIPTS)}
    for path, text in (sheets | scripts).items():
        if files.get_file_from_path(path) is None:
            files.append(generated.make(config, path, text))
    config.extra_css = [*sheets, *(path for path in config.extra_css if str(path) not in sheets)]
    own = [path for path in config.extra_javascript if str(path) not in scripts]
    config.extra_javascript = [*scripts, *own]


def sheet(name: str, is_material: bool) -> str:
    """Return the text of a style sheet.

    Args:
        name: Its name.
        is_material: True for Material for MkDocs.
    """
    text = read(f"{name}.css")
    return text if is_material else translated(text)


def translated(text: str) -> str:
    """Return a style sheet written for Material as one for another theme."""
    # More specific than any rule of a theme for code or tables.
    text = text.replace(".md-typeset", "body:not(#kvmdocs)")
    text = text.replace('[data-md-color-scheme="slate"]', '[data-bs-theme="dark"]').replace(
        '[data-md-color-scheme="default"]', '[data-bs-theme="light"]'
    )
    return re.sub(r"(?<![\w.])(\d*\.?\d+)rem\b", lambda found: f"{float(found[1]) * _REM:.4g}rem", text)


def read(name: str) -> str:
    """Return the text of an asset of the package."""
    return resources("kvmdocs.site").joinpath("assets", name).read_text("utf-8")
