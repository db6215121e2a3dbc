"""What a page's transcripts can be jumped to by: names that no other element of the page has.

Nothing that has a copy button may stand in an element with such a name. Material names a box of code after the nearest one around it, and
its buttons copy by that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from kvmdocs.core.model import SourceLocation


@dataclass(frozen=True)
class Anchors:
    """The names that are left for a transcript.

    Attributes:
        taken: The names its page has already.
        prefix: What each name begins with, when it is not known what else the page holds.
    """

    taken: frozenset[str] = field(default_factory=frozenset)
    prefix: str = ""

    def transcript(self, recipe: str, section: str | None) -> str:
        """The name of a transcript; a number tells it from those before it that show the same."""
        name = self.prefix + _word(f"tr-{recipe}.{section}" if section else f"tr-{recipe}")
        number = 1
        while self.has(numbered := name if number == 1 else f"{name}-{number}"):
            number += 1
        return numbered

    def recipe(self, name: str) -> str:
        """The name of a recipe's Python."""
        return f"{self.prefix}py-{_word(name)}"

    def failure(self, name: str) -> str:
        """The name of what a recipe did before it failed."""
        return f"{self.prefix}failed-{_word(name)}"

    def place(self, place: SourceLocation) -> str:
        """The name of a place in source code."""
        return f"{self.prefix}{_word(place.tree)}-{_word(place.version)}/{_word(place.path)}:{place.line}"

    def has(self, name: str) -> bool:
        """Whether the page has a name already."""
        return name in self.taken


NONE_TAKEN = Anchors()
"""The names of a page that has none yet."""


def names(html: str) -> frozenset[str]:
    """The names in HTML that was made with `Anchors`."""
    return frozenset(unescape(name) for name in re.findall(r' id="([^"]+)"', html))


def _word(text: str) -> str:
    """A text without what would have to be written in another way in an address, in HTML or in a style sheet's selector."""
    return re.sub(r"[^\w./+-]+", "-", text)
