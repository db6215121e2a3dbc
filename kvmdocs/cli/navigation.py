"""Insertion of a page into the ``nav`` of a MkDocs configuration, which keeps its comments and layout."""

from __future__ import annotations

import re

import yaml

from kvmdocs.core.errors import Evidence, GuideError, Place


def with_page(text: str, page: str, title: str, shown: str) -> str:
    """Return a configuration with a page added to its navigation: after the last page of the same folder, else at the end.

    Args:
        text: Text of the configuration.
        page: Path of the page, relative to the folder of guides.
        title: Title of the page.
        shown: Path of the configuration for messages.

    Raises:
        GuideError: Its ``nav`` is not a list with a page on each line.
    """
    lines = text.split("\n")
    start, end = _extent(lines)
    folder = page.rpartition("/")[0]
    at, indent = end, _indent(lines[start + 1 : end])
    for number in range(start + 1, end):
        entry = re.match(r"(\s*)- (?:.*?:\s+)?[\"']?([\w./-]+\.md)[\"']?\s*(?:#.*)?$", lines[number])
        if entry and entry[2].rpartition("/")[0] == folder and folder:
            at, indent = number + 1, entry[1]
    changed = [*lines[:at], f"{indent}- {_quoted(title)}: {page}", *lines[at:]]
    before, after = _pages(lines), _pages(changed)
    if not before or page in before or sorted(after) != sorted([*before, page]):
        raise GuideError(
            f"cannot add a page to the `nav` of {shown}, which is not a list with a page on each line",
            Evidence(place=Place(shown, start + 1), advice=f"add the page by hand: `- {_quoted(title)}: {page}`"),
        )
    return "\n".join(changed)


def _extent(lines: list[str]) -> tuple[int, int]:
    """Return the index of the line ``nav:`` and of the line after its last entry."""
    start = next(number for number, line in enumerate(lines) if re.match(r"nav\s*:", line))
    end = start + 1
    for number in range(start + 1, len(lines)):
        if re.match(r"[ \t]*-|[ \t]+\S", lines[number]):
            end = number + 1
        elif lines[number].strip() and not lines[number].startswith("#"):
            break
    return start, end


def _indent(entries: list[str]) -> str:
    first = next((entry for entry in entries if entry.lstrip().startswith("-")), "  -")
    return first[: len(first) - len(first.lstrip())]


def _quoted(title: str) -> str:
    """Return a title as a YAML key."""
    plain = re.fullmatch(r"\w[^:#\"'{}\[\],&*!|>%@`]*", title) and yaml.safe_load(title) == title
    return title if plain else '"' + title.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pages(lines: list[str]) -> list[str]:
    """Return the pages of the navigation, in order. Only ``nav`` is parsed: the rest may have tags that only MkDocs knows."""
    start, end = _extent(lines)
    try:
        nav = yaml.safe_load("\n".join(lines[start:end]))["nav"]
    except (yaml.YAMLError, TypeError, KeyError):
        return []
    return list(_leaves(nav))


def _leaves(nav: object) -> list[str]:
    if isinstance(nav, dict):
        nav = list(nav.values())
    if isinstance(nav, list):
        return [leaf for entry in nav for leaf in _leaves(entry)]
    return [str(nav)] if nav is not None else []
