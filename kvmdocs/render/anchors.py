"""Element ids of a page's transcripts, unique on the page.

No element with a copy button may lie inside an element with such an id. Material derives the id of a code box from the nearest
id around it, and its copy buttons find their text by that id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from kvmdocs.core.model import SourceLocation


@dataclass(frozen=True)
class Anchors:
    """Allocator of element ids for one transcript.

    Attributes:
        taken: The ids that the page already has.
        prefix: A prefix of every id, for when the ids of the rest of the page are unknown.
    """

    taken: frozenset[str] = field(default_factory=frozenset)
    prefix: str = ""

    def transcript(self, recipe: str, section: str | None) -> str:
        """Return the id of a transcript. A number distinguishes it from earlier transcripts of the same section."""
        name = self.prefix + _slug(f"tr-{recipe}.{section}" if section else f"tr-{recipe}")
        number = 1
        while self.has(numbered := name if number == 1 else f"{name}-{number}"):
            number += 1
        return numbered

    def recipe(self, name: str) -> str:
        """Return the id of a recipe's Python."""
        return f"{self.prefix}py-{_slug(name)}"

    def failure(self, name: str) -> str:
        """Return the id of the steps that a recipe ran before it failed."""
        return f"{self.prefix}failed-{_slug(name)}"

    def place(self, place: SourceLocation) -> str:
        """Return the id of a source location."""
        return f"{self.prefix}{_slug(place.tree)}-{_slug(place.version)}/{_slug(place.path)}:{place.line}"

    def has(self, name: str) -> bool:
        """Check whether the page already has an id."""
        return name in self.taken


NONE_TAKEN = Anchors()
"""The ids of an empty page."""


def names(html: str) -> frozenset[str]:
    """Return the ids in HTML that was made with `Anchors`."""
    return frozenset(unescape(name) for name in re.findall(r' id="([^"]+)"', html))


def _slug(text: str) -> str:
    """Replace the characters that URLs, HTML attributes or CSS selectors would escape."""
    return re.sub(r"[^\w./+-]+", "-", text)
