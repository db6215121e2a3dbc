"""What the copy buttons of a page would give, read from its HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True)
class Copy:
    """What one button gives.

    Attributes:
        where: The prompt it is typed at: ``host``, ``root``, ``guest``, ``gdb``, ``hmp``, ``qmp``; "" for a button that belongs to none.
        text: The text.
    """

    where: str
    text: str


@dataclass(frozen=True)
class Transcript:
    """One transcript: its recipe, and what each of its buttons gives."""

    recipe: str
    copies: tuple[Copy, ...]


class Reader(HTMLParser):
    """Collects them. A transcript is a <div>, so it ends where as many of these have ended as began in it; so does what is typed at one prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[Copy]]] = []
        self._depth = self._run = 0
        self._where = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        looks = given.get("class", "").split()
        if not self._depth and given.get("data-recipe"):
            self.found.append((given["data-recipe"], []))
            self._depth = 1
            return
        if not self._depth:
            return
        self._depth += tag == "div"
        if "tr-run" in looks:
            self._run = self._depth
            self._where = next(look.removeprefix("tr-at-") for look in looks if look.startswith("tr-at-"))
        where = self._where if self._run else ""
        self.found[-1][1].extend(Copy(where, given[name]) for name in ("data-copy", "data-clipboard-text") if given.get(name))

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag == "div":
            self._depth -= 1
            self._run = self._run if self._depth >= self._run else 0


def transcripts(html: str) -> list[Transcript]:
    """The transcripts of a page."""
    reader = Reader()
    reader.feed(html)
    return [Transcript(recipe, tuple(copies)) for recipe, copies in reader.found]
