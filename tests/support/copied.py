"""Texts of a page's copy buttons, read from its HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True)
class Copy:
    """Text of one button.

    Attributes:
        where: The prompt: ``host``, ``root``, ``guest``, ``gdb``, ``hmp``, ``qmp``; "" for a button without a prompt.
        text: The text.
    """

    where: str
    text: str


@dataclass(frozen=True)
class Transcript:
    """Transcript with its recipe and the texts of its buttons."""

    recipe: str
    copies: tuple[Copy, ...]


class Reader(HTMLParser):
    """Parser that collects transcripts. The depth of ``<div>`` shows where a transcript or a run at one prompt ends."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[Copy]]] = []
        self._depth = self._run = 0
        self._where = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        looks = attributes.get("class", "").split()
        if not self._depth and attributes.get("data-recipe"):
            self.found.append((attributes["data-recipe"], []))
            self._depth = 1
            return
        if not self._depth:
            return
        self._depth += tag == "div"
        if "tr-run" in looks:
            self._run = self._depth
            self._where = next(look.removeprefix("tr-at-") for look in looks if look.startswith("tr-at-"))
        where = self._where if self._run else ""
        names = ("data-copy", "data-clipboard-text")
        self.found[-1][1].extend(Copy(where, attributes[name]) for name in names if attributes.get(name))

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag == "div":
            self._depth -= 1
            self._run = self._run if self._depth >= self._run else 0


def transcripts(html: str) -> list[Transcript]:
    """Return the transcripts of a page."""
    reader = Reader()
    reader.feed(html)
    return [Transcript(recipe, tuple(copies)) for recipe, copies in reader.found]
