"""Fences that a page shows as indented code, though superfences has found them: they are examples.

Only the Markdown parser knows whether four blanks continue an item, an admonition or a tab, or begin code. So it is asked, with
the site's own extensions of that kind, for guides with an indented block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kvmdocs.catalog.fences import find_fences, without_front_matter

STRUCTURE = frozenset(
    {
        *("admonition", "attr_list", "def_list", "extra", "footnotes", "md_in_html", "sane_lists", "tables"),
        *("pymdownx.details", "pymdownx.extra", "pymdownx.fancylists", "pymdownx.quotes", "pymdownx.tabbed"),
        *("pymdownx.blocks.admonition", "pymdownx.blocks.definition", "pymdownx.blocks.details", "pymdownx.blocks.html"),
        *("pymdownx.blocks.tab", "pymdownx.blocks.caption"),
    }
)
"""Markdown extensions that give indentation a meaning. Others are left out: they may need files or settings."""

MARK_EXTENSIONS = {
    "!!!": "admonition",
    "???": "pymdownx.details",
    "???+": "pymdownx.details",
    "===": "pymdownx.tabbed",
}
"""Extension that makes a container of the lines below each of these marks."""

_MARK = re.compile(r"\s*(!!!|\?\?\?\+?|===)(?:\s|$)")
_SHOWN = "kvmdocs-fence-{}-shown"


def in_indented_code(text: str, extensions: Iterable[str]) -> set[int]:
    """Return the lines of the executable fences that are code for a site with these Markdown extensions."""
    fences = [fence for fence in find_fences(text) if fence.options is not None]
    if not any(fence.indent >= 4 for fence in fences):
        return set()
    html = _rendered(without_front_matter(text), extensions)
    return {fence.line for number, fence in enumerate(fences) if _SHOWN.format(number) not in html}


def missing_extension(text: str, line: int) -> str:
    """Return the Markdown extension without which a fence is indented code, by the mark above it; "" for an example."""
    lines = text.split("\n")
    indent = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    for above in reversed(lines[: line - 1]):
        if above.strip() and len(above) - len(above.lstrip()) < indent:
            found = _MARK.match(above)
            return MARK_EXTENSIONS[found[1]] if found else ""
    return ""


def _rendered(text: str, extensions: Iterable[str]) -> str:
    from markdown import Markdown
    from markdown_exec import formatters, validator

    count = -1

    def mark(*_: Any, **__: Any) -> str:
        nonlocal count
        count += 1
        return f"<p>{_SHOWN.format(count)}</p>"

    fences = [{"name": name, "class": name, "format": mark, "validator": validator} for name in formatters]
    known = [name for name in extensions if name in STRUCTURE]
    configs = {"pymdownx.superfences": {"custom_fences": fences}}
    return Markdown(extensions=[*known, "pymdownx.superfences"], extension_configs=configs).convert(text)
