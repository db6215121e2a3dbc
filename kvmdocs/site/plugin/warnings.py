"""Warnings of MkDocs and markdown-exec, with the file and line that they refer to.

MkDocs names a page by its path in the folder of guides, without a line; markdown-exec names no page at all. A filter on
their loggers prefixes each warning with its location: ``docs/en/build/qemu.md:12``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from urllib.parse import unquote, urlsplit

from kvmdocs.catalog.guides import find_blocks
from kvmdocs.catalog.lint import line_of_link, raw_targets
from kvmdocs.core.control_characters import sanitize
from kvmdocs.core.errors import Evidence, GuideError, KvmdocsError, Place

CONFIG_LOGGER = "mkdocs.config"
"""Logger of warnings about a configuration, which appear before the plugins are loaded."""

LOGGERS = (
    "mkdocs.structure.pages",
    "mkdocs.structure.nav",
    "mkdocs.commands.build",
    "mkdocs.plugins.markdown_exec._internal.formatters.base",
)
"""Loggers of warnings about pages."""

_LINK = re.compile(r"Doc file '(?P<page>[^']+)' contains an? (?:[\w ]+ )?link(?: to)? '(?P<target>[^']+)'")
_NAV = re.compile(r"(?:reference to|relative path to|absolute path to) '(?P<target>[^']+)' is included in the 'nav'")
_OMITTED = re.compile(r'not included in the "nav" configuration:\s+- (?P<page>\S+)')
_BLOCK = re.compile(r"Code block is:\n\n(?P<code>.*?)\n\nOutput is:", re.DOTALL)
_CONFIG = re.compile(r"Config value '(?P<option>[\w.]+)': (?P<text>.*)", re.DOTALL)
_PAGE = re.compile(r"Error (?:reading|building) page '(?P<page>[^']+)':(?P<text>.*)", re.DOTALL)
_QUOTED = re.compile(r"""['"]([^'"\s]+)['"]""")
_MEDIA = re.compile(r"""<(?:img|source|video|audio|track|iframe|embed|script)\b[^<>]*?\s(?:src|poster)=["']([^"']*)["']""")
_HREF = re.compile(r"""<a\b[^<>]*?\shref=["']([^"'#?:]+\.md)(?:#[^"']*)?["']""")


@dataclass
class WarningLocations(logging.Filter):
    """Filter that prefixes warnings with file:line, and drops those that are reported elsewhere.

    Attributes:
        root: The project's folder.
        docs: The folder of the guides being built.
        config: The site's configuration.
        page: The guide that is being rendered; None if there is none.
        reported: Errors raised by blocks that are reported elsewhere, without markdown-exec's traceback through the engine.
        mask: Removes secrets from a text.
        links: Guide and target of each link that MkDocs has warned about.
    """

    root: Path
    docs: Path
    config: Path
    page: Path | None = None
    reported: Sequence[KvmdocsError] = ()
    mask: Callable[[str], str] = str
    links: set[tuple[Path, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def attach(self, *loggers: str) -> None:
        """Add the filter to loggers, by default to `LOGGERS`."""
        for name in loggers or LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self, *loggers: str) -> None:
        """Remove the filter from loggers, by default from `LOGGERS`."""
        for name in loggers or LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Prefix warnings with file:line. Drop those that are reported elsewhere."""
        message = record.getMessage()
        if _BLOCK.search(message) and any(
            f"errors.{type(error).__name__}: {error.message}" in message for error in self.reported
        ):
            return False
        if record.levelno >= logging.WARNING:
            place = self.place(message)
            # A warning may quote the output of blocks and commands.
            record.msg, record.args = sanitize(self.mask(f"{place}: {message}" if place else message)), ()
        return True

    def place(self, message: str) -> Place | None:
        """Return the location that a message refers to; None if it refers to none."""
        if match := _LINK.search(message):
            return self._link(self.docs / match["page"], match["target"])
        if match := _NAV.search(message):
            return self._in_config(match["target"])
        if match := _OMITTED.search(message):
            return Place(self.display_path(self.docs / match["page"]), 1)
        if match := _PAGE.search(message):
            return self._first_quoted(self.docs / match["page"], match["text"])
        if match := _CONFIG.search(message):
            return self._option(match["option"], match["text"])
        if self.page and (match := _BLOCK.search(message)):
            return self._block(dedent(match["code"]))
        return None

    def display_path(self, path: Path) -> str:
        """Return a path relative to the project's folder, if it is inside of it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _link(self, guide: Path, target: str) -> Place:
        self.links.add((guide, target.partition("#")[0]))
        text = guide.read_text("utf-8") if guide.is_file() else ""
        # MkDocs names an excluded page by its path in the folder of guides, not as the link is written.
        line = line_of_link(text, target) or line_of_link(text, target.rpartition("/")[2])
        return Place(self.display_path(guide), line)

    def _first_quoted(self, guide: Path, text: str) -> Place:
        """Return the first line of a guide that contains a word which the message quotes."""
        lines = guide.read_text("utf-8").split("\n") if guide.is_file() else []
        for word in _QUOTED.findall(text):
            for number, line in enumerate(lines, 1):
                if word in line:
                    return Place(self.display_path(guide), number)
        return Place(self.display_path(guide))

    def _option(self, option: str, text: str) -> Place:
        """Return the line of the configuration with a word that the message quotes, else with the option."""
        for word in (*_QUOTED.findall(text), option.partition(".")[0]):
            if (place := self._in_config(word)).line:
                return place
        return Place(self.display_path(self.config))

    def _in_config(self, target: str) -> Place:
        """Return the line at which the configuration, or one that it inherits, contains a target."""
        config = self.config
        while config.is_file():
            text = config.read_text("utf-8")
            for number, line in enumerate(text.split("\n"), 1):
                if re.search(rf"(?<![\w./-]){re.escape(target)}(?![\w./-])", line):
                    return Place(self.display_path(config), number)
            parent = re.search(r"^INHERIT:\s*(\S+)", text, re.MULTILINE)
            if not parent:
                break
            config = config.parent / parent[1].strip("'\"")
        return Place(self.display_path(self.config))

    def _block(self, code: str) -> Place:
        assert self.page is not None  # checked by the caller
        lines = (block.line for block in find_blocks(self.page) if _normalized(block.code) == _normalized(code))
        return Place(self.display_path(self.page), next(lines, 0))


def _normalized(code: str) -> str:
    return indent(dedent(code).strip(), "  ")


@dataclass
class Targets:
    """Link targets that MkDocs does not check: in tags written as HTML, and in the output of blocks.

    Attributes:
        links: Guide, address of its page, and target as written, of each link.
    """

    links: list[tuple[Path, str, str]] = field(default_factory=list)

    def read(self, html: str, guide: Path, url: str) -> None:
        """Collect the link targets of a rendered page.

        Args:
            html: The page's content.
            guide: The guide that the page was made from.
            url: The page's address, relative to the top of the site.
        """
        targets = [*_MEDIA.findall(html), *_HREF.findall(html)]
        targets += [target for _, target in raw_targets(guide.read_text("utf-8"))]
        self.links += [(guide, url, target) for target in dict.fromkeys(targets) if _is_local(target)]

    def missing(self, files: set[str], locations: WarningLocations) -> list[GuideError]:
        """Return an error for each target that does not exist, unless MkDocs has warned about it.

        Args:
            files: The addresses of all files of the site, relative to its top.
            locations: The filter of MkDocs' warnings.
        """
        return [
            _missing(guide, target, locations)
            for guide, url, target in self.links
            if not _exists(target, url, files) and (guide, target.partition("#")[0]) not in locations.links
        ]


def _is_local(target: str) -> bool:
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc and bool(parts.path) and not target.startswith("/")


def _exists(target: str, url: str, files: set[str]) -> bool:
    folder = url.rpartition("/")[0]
    parts: list[str] = folder.split("/") if folder else []
    for part in unquote(urlsplit(target).path).split("/"):
        if part == ".." and not parts:
            return True  # above this language's site, in the site of another language
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    return path in files or f"{path}/index.html".lstrip("/") in files


def _missing(guide: Path, target: str, locations: WarningLocations) -> GuideError:
    path = locations.display_path(guide)
    text = guide.read_text("utf-8")
    lines = [line for line, written in raw_targets(text) if written == target] or [line_of_link(text, target)]
    printed = lines == [0]
    if printed:
        lines = [block.line for block in find_blocks(guide)] or [0]
    return GuideError(
        f"the page links to {target!r}, which is not part of the site" + (": a block prints it" if printed else ""),
        Evidence(
            guides=tuple(Place(path, line) for line in lines),
            advice="give the file's address as the finished page sees it: MkDocs does not convert links in HTML or output",
        ),
    )
