"""Adding a page to the ``nav`` of a MkDocs configuration, whose comments and layout stay as they are."""

from __future__ import annotations

import re

import yaml

from kvmdocs.core.errors import Evidence, GuideError, Place


def with_page(text: str, page: str, title: str, shown: str) -> str:
    """A configuration with one more page in its navigation: behind the last of the page's folder, else at the end.

    Args:
        text: The configuration.
        page: The page, relative to the folder of guides.
        title: Its title.
        shown: The configuration's path as it is best shown.

    Raises:
        GuideError: Its ``nav`` is not a list with a page on each line.
    """
    lines = text.split("\n")
    start, end = _extent(lines)
    folder = page.rpartition("/")[0]
    at, indent = end, _indent(lines[start + 1 : end])
    for number in range(start + 1, end):
        found = re.match(r"(\s*)- (?:.*?:\s+)?[\"']?([\w./-]+\.md)[\"']?\s*(?:#.*)?$", lines[number])
        if found and found[2].rpartition("/")[0] == folder and folder:
            at, indent = number + 1, found[1]
    made = [*lines[:at], f"{indent}- {_quoted(title)}: {page}", *lines[at:]]
    before, after = _pages(lines), _pages(made)
    if not before or page in before or sorted(after) != sorted([*before, page]):
        raise GuideError(
            f"{shown} has a `nav` that cannot be added to",
            Evidence(place=Place(shown, start + 1), advice=f"write the page into it by hand: `- {_quoted(title)}: {page}`"),
        )
    return "\n".join(made)


def _extent(lines: list[str]) -> tuple[int, int]:
    """The line of ``nav:`` and the one after its last entry."""
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
    """A title as a key of YAML."""
    plain = re.fullmatch(r"\w[^:#\"'{}\[\],&*!|>%@`]*", title) and yaml.safe_load(title) == title
    return title if plain else '"' + title.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pages(lines: list[str]) -> list[str]:
    """Every page in a configuration's navigation, in order; of the rest nothing is read, which may have tags that only MkDocs knows."""
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
