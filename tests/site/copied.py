"""What the copy buttons of a page would give, read from its HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True)
class Transcript:
    """One transcript: its recipe, and the text of each of its buttons."""

    recipe: str
    copies: tuple[str, ...]


class Reader(HTMLParser):
    """Collects them. A transcript is a <div>, so it ends where as many of these have ended as began in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self._depth and given.get("data-recipe"):
            self.found.append((str(given["data-recipe"]), []))
            self._depth = 1
            return
        if self._depth:
            self._depth += tag == "div"
            self.found[-1][1].extend(str(given[name]) for name in ("data-copy", "data-clipboard-text") if given.get(name))

    def handle_endtag(self, tag: str) -> None:
        self._depth -= bool(self._depth and tag == "div")


def transcripts(html: str) -> list[Transcript]:
    """The transcripts of a page."""
    reader = Reader()
    reader.feed(html)
    return [Transcript(recipe, tuple(copies)) for recipe, copies in reader.found]
