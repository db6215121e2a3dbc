"""Warnings of MkDocs and markdown-exec, with the file and the line they are about.

MkDocs names a page by its path in the folder of guides and gives no line; markdown-exec names no page at all. A filter on their loggers puts
the place in front of what they say: ``docs/en/build/qemu.md:12``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from urllib.parse import unquote, urlsplit

from kvmdocs.catalog.guides import Block, find_blocks
from kvmdocs.catalog.lint import line_of_link, raw_targets
from kvmdocs.core.control_characters import neutral
from kvmdocs.core.errors import Evidence, GuideError, KvmdocsError, Place

CONFIG_LOGGER = "mkdocs.config"
"""Who says something about a configuration, before there are plugins."""

LOGGERS = (
    "mkdocs.structure.pages",
    "mkdocs.structure.nav",
    "mkdocs.commands.build",
    "mkdocs.plugins.markdown_exec._internal.formatters.base",
)
"""Who says something about a page."""

_LINK = re.compile(r"Doc file '(?P<page>[^']+)' contains an? (?:[\w ]+ )?link(?: to)? '(?P<target>[^']+)'")
_NAV = re.compile(r"(?:reference to|relative path to|absolute path to) '(?P<target>[^']+)' is included in the 'nav'")
_OMITTED = re.compile(r'not included in the "nav" configuration:\s+- (?P<page>\S+)')
_BLOCK = re.compile(r"Code block is:\n\n(?P<code>.*?)\n\nOutput is:", re.DOTALL)
_CONFIG = re.compile(r"Config value '(?P<option>[\w.]+)': (?P<said>.*)", re.DOTALL)
_PAGE = re.compile(r"Error (?:reading|building) page '(?P<page>[^']+)':(?P<said>.*)", re.DOTALL)
_QUOTED = re.compile(r"""['"]([^'"\s]+)['"]""")
_MEDIA = re.compile(r"""<(?:img|source|video|audio|track|iframe|embed|script)\b[^<>]*?\s(?:src|poster)=["']([^"']*)["']""")
_HREF = re.compile(r"""<a\b[^<>]*?\shref=["']([^"'#?:]+\.md)(?:#[^"']*)?["']""")


@dataclass
class WarningLocations(logging.Filter):
    """The filter.

    Attributes:
        root: The project's folder.
        docs: The folder of the guides being built.
        config: The site's configuration.
        page: The guide being rendered, when there is one.
        told: What blocks have raised and is told anyway, without markdown-exec's traceback through the engine.
        mask: Takes secrets out of a text.
        links: Guide and target of the links that MkDocs has complained of.
    """

    root: Path
    docs: Path
    config: Path
    page: Path | None = None
    told: Sequence[KvmdocsError] = ()
    mask: Callable[[str], str] = str
    links: set[tuple[Path, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def attach(self, *loggers: str) -> None:
        """Begin."""
        for name in loggers or LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self, *loggers: str) -> None:
        """End."""
        for name in loggers or LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the place before what a warning says; only what is told anyway does not pass."""
        message = record.getMessage()
        if _BLOCK.search(message) and any(f"errors.{type(error).__name__}: {error.message}" in message for error in self.told):
            return False
        if record.levelno >= logging.WARNING:
            place = self.place(message)
            # What blocks and commands have printed may be quoted.
            record.msg, record.args = neutral(self.mask(f"{place}: {message}" if place else message)), ()
        return True

    def place(self, message: str) -> Place | None:
        """The place that a message is about; None for one that is about none."""
        if found := _LINK.search(message):
            return self._link(self.docs / found["page"], found["target"])
        if found := _NAV.search(message):
            return self._in_config(found["target"])
        if found := _OMITTED.search(message):
            return Place(self.shown(self.docs / found["page"]), 1)
        if found := _PAGE.search(message):
            return self._first_of(self.docs / found["page"], found["said"])
        if found := _CONFIG.search(message):
            return self._option(found["option"], found["said"])
        if self.page and (found := _BLOCK.search(message)):
            return self._block(dedent(found["code"]))
        return None

    def shown(self, path: Path) -> str:
        """A path below the project's folder without that folder."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _link(self, guide: Path, target: str) -> Place:
        self.links.add((guide, target.partition("#")[0]))
        text = guide.read_text("utf-8") if guide.is_file() else ""
        # An excluded page is named by its path in the folder, not as it is written.
        line = line_of_link(text, target) or line_of_link(text, target.rpartition("/")[2])
        return Place(self.shown(guide), line)

    def _first_of(self, guide: Path, said: str) -> Place:
        """The first line of a guide that has something which a message quotes."""
        lines = guide.read_text("utf-8").split("\n") if guide.is_file() else []
        for word in _QUOTED.findall(said):
            for number, line in enumerate(lines, 1):
                if word in line:
                    return Place(self.shown(guide), number)
        return Place(self.shown(guide))

    def _option(self, option: str, said: str) -> Place:
        """The line of a configuration with what a message quotes, else with the option itself."""
        for word in (*_QUOTED.findall(said), option.partition(".")[0]):
            if (place := self._in_config(word)).line:
                return place
        return Place(self.shown(self.config))

    def _in_config(self, target: str) -> Place:
        """Where a configuration, or the one it inherits, names something."""
        config = self.config
        while config.is_file():
            text = config.read_text("utf-8")
            for number, line in enumerate(text.split("\n"), 1):
                if re.search(rf"(?<![\w./-]){re.escape(target)}(?![\w./-])", line):
                    return Place(self.shown(config), number)
            parent = re.search(r"^INHERIT:\s*(\S+)", text, re.MULTILINE)
            if not parent:
                break
            config = config.parent / parent[1].strip("'\"")
        return Place(self.shown(self.config))

    def _block(self, code: str) -> Place | None:
        assert self.page is not None  # the caller has seen to it
        same = (block for block in find_blocks(self.page) if _plain(block.code) == _plain(code))
        block = next(same, None)
        return Place(self.shown(self.page), block.line) if block else Place(self.shown(self.page))


def _plain(code: str) -> str:
    return indent(dedent(code).strip(), "  ")


@dataclass
class Targets:
    """What pages lead to and MkDocs does not look at: tags written as HTML, and what blocks print.

    Attributes:
        wanted: Guide, its address on the site, and the target as it is written, of each.
    """

    wanted: list[tuple[Path, str, str]] = field(default_factory=list)

    def read(self, html: str, guide: Path, url: str) -> None:
        """Note what a rendered page leads to.

        Args:
            html: The page's content.
            guide: The guide it was made from.
            url: The page's address, relative to the site.
        """
        found = [*_MEDIA.findall(html), *_HREF.findall(html)]
        found += [target for _, target in raw_targets(guide.read_text("utf-8"))]
        self.wanted += [(guide, url, target) for target in dict.fromkeys(found) if _is_local(target)]

    def missing(self, known: set[str], shown: WarningLocations) -> list[GuideError]:
        """What is not there.

        Args:
            known: The addresses of all files of the site, relative to it.
            shown: Says how paths appear.
        """
        gone = [(guide, target) for guide, url, target in self.wanted if not _is_there(target, url, known)]
        return [
            _missing(guide, target, shown) for guide, target in gone if (guide, target.partition("#")[0]) not in shown.links
        ]


def _is_local(target: str) -> bool:
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc and bool(parts.path) and not target.startswith("/")


def _is_there(target: str, url: str, known: set[str]) -> bool:
    folder = url.rpartition("/")[0]
    parts: list[str] = folder.split("/") if folder else []
    for part in unquote(urlsplit(target).path).split("/"):
        if part == ".." and not parts:
            return True  # above this language's site, where others are built
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    return path in known or f"{path}/index.html".lstrip("/") in known


def _missing(guide: Path, target: str, shown: WarningLocations) -> GuideError:
    path = shown.shown(guide)
    text = guide.read_text("utf-8")
    lines = [line for line, written in raw_targets(text) if written == target] or [line_of_link(text, target)]
    made = lines == [0]
    return GuideError(
        f"the page leads to {target!r}, which is not part of the site" + (": a block prints it" if made else ""),
        Evidence(
            guides=_of_blocks(find_blocks(guide), path) if made else tuple(Place(path, line) for line in lines),
            advice="give the file's address as the finished page sees it: what is written as HTML or printed by a block stays as it is",
        ),
    )


def _of_blocks(blocks: Iterable[Block], path: str) -> tuple[Place, ...]:
    return tuple(Place(path, block.line) for block in blocks) or (Place(path),)
