"""What can be seen of a guide before any of its blocks runs: its front matter, its translations, and on which line something stands.

MkDocs says which page a bad link is on but not where, shows front matter that is not YAML as text, and knows one language at a time.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kvmdocs.catalog.guides import Block, is_executed, outside_blocks, python_fences
from kvmdocs.core.control_characters import OVERRIDING, seen
from kvmdocs.core.errors import Evidence, GuideError, Place

_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_REFERENCE = re.compile(r"(?<![\w\]\\])\[([^\[\]^]+)\]\[([^\[\]]*)\]")

_OF_BLOCKS = {
    "exec",
    "html",
    "id",
    "idprefix",
    "result",
    "returncode",
    "session",
    "source",
    "tabs",
    "updatetoc",
    "width",
    "workdir",
}
"""What markdown-exec's validator takes (1.12)."""
_OF_CODE = {"hl_lines", "linenums", "title", "title_mode"}
"""What pymdownx.superfences' validator takes for the source beside what a block prints (13.1)."""
_OPTIONS = _OF_BLOCKS | _OF_CODE


def check_languages(root: Path, folders: Iterable[str]) -> list[GuideError]:
    """What is wrong when a project has a folder of guides for each language: every page must be in all of them.

    Args:
        root: The project's folder.
        folders: The folders of guides, relative to it; nothing can be wrong with one alone.
    """
    pages = {folder: {str(path.relative_to(root / folder)) for path in (root / folder).rglob("*.md")} for folder in folders}
    known = set[str]().union(*pages.values())
    return [_untranslated(page, pages) for page in sorted(known) if any(page not in there for there in pages.values())]


def _untranslated(page: str, pages: dict[str, set[str]]) -> GuideError:
    there = [f"{folder}/{page}" for folder, known in pages.items() if page in known]
    missing = [f"{folder}/{page}" for folder, known in pages.items() if page not in known]
    return GuideError(
        f"the guide {there[0]} is in one language only: there is no {' and no '.join(missing)}"
        if len(there) == 1
        else f"the guide {there[0]} lacks a language: there is no {' and no '.join(missing)}",
        Evidence(
            guides=tuple(Place(path, 1) for path in there),
            advice=f"write {' and '.join(missing)}, or list in `project.docs` only folders that are each other's translations",
        ),
    )


def check_front_matter(text: str, path: str) -> GuideError | None:
    """What is wrong with the front matter of a guide; None if nothing is, or if it has none.

    Args:
        text: The guide.
        path: Its path as it is best shown.
    """
    if not re.match(r"---[ \t]*\n", text):
        return None
    import yaml  # few guides have front matter

    found = _FRONT.match(text)
    if found is None:
        return _bad_front(path, 1, "it begins here and never ends", "end it with a line `---`")
    try:
        told = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # The first line of YAML is the guide's second.
        line = mark.line + 2 if mark else 1
        return _bad_front(
            path, line, getattr(error, "problem", None) or str(error), "mend the YAML; quote text that has a colon"
        )
    if told is not None and not isinstance(told, dict):
        return _bad_front(path, 2, "it has no `name: value`", "write `name: value` lines between the two `---`")
    for name in ("title", "description", "template"):
        if told and name in told and not isinstance(told[name], str):
            line = _line_with(found[1], rf"^{name}\s*:") + 1
            return _bad_front(path, line, f"`{name}` is no text: {told[name]!r}", "put the value in quotes")
    return None


def check_references(text: str, path: str) -> list[GuideError]:
    """Links by a name, ``[text][name]``, whose name has no address in the guide: Markdown leaves them as text and says nothing.

    Args:
        text: The guide.
        path: Its path as it is best shown.
    """
    if "][" not in text:
        return []
    lines = [(number, re.sub(r"`[^`]*`", "", line)) for number, line in outside_blocks(text)]
    known = {found[1].lower() for _, line in lines if (found := re.match(r"\s*\[([^\]]+)\]:\s*\S", line))}
    return [
        GuideError(
            f"the link {found[0]} has no address",
            Evidence(guides=(Place(path, number),), advice=f"add a line `[{found[2] or found[1]}]: …`, or write `[…](…)`"),
        )
        for number, line in lines
        for found in _REFERENCE.finditer(line)
        if (found[2] or found[1]).lower() not in known
    ]


def check_turns(text: str, path: str) -> list[GuideError]:
    """Characters that override or isolate the direction of writing: what is copied from such a line is not what is read there.

    Args:
        text: The guide.
        path: Its path as it is best shown.
    """
    return [
        GuideError(
            f"the line has {seen(found[0])} in it, with which it reads otherwise than it is",
            Evidence(guides=(Place(path, number),), advice=f"remove it, or write it as &#x{ord(found[0]):x}; in text"),
        )
        for number, line in enumerate(text.split("\n"), 1)
        if (found := OVERRIDING.search(line))
    ]


def check_options(text: str, path: str) -> list[GuideError]:
    """Options of blocks that nobody knows: markdown-exec passes over them, and a block with a slip in ``exec`` is printed as it is written.

    Args:
        text: The guide.
        path: Its path as it is best shown.
    """
    return [
        _unknown_option(name, near, Place(path, line))
        for line, options in python_fences(text)
        for name in sorted(options.keys() - _OPTIONS)
        if (near := difflib.get_close_matches(name, _OPTIONS, 1)) == ["exec"] or is_executed(options)
    ]


def _unknown_option(name: str, near: list[str], place: Place) -> GuideError:
    told = f"did you mean {near[0]!r}? " if near else ""
    return GuideError(
        f"a block has no option {name!r}",
        Evidence(guides=(place,), advice=f"{told}It has {', '.join(sorted(_OPTIONS))}"),
    )


def _bad_front(path: str, line: int, wrong: str, advice: str) -> GuideError:
    return GuideError(f"the front matter cannot be read: {wrong}", Evidence(guides=(Place(path, line),), advice=advice))


def _line_with(text: str, pattern: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def line_of_link(text: str, target: str) -> int:
    """The line of a guide on which a link, an image or a tag has this target; 0 if it is written nowhere.

    Args:
        text: The guide.
        target: The target as it is written.
    """
    exact = re.compile(rf"(?<![\w/.#%-]){re.escape(target)}(?![\w/.#%-])")
    lines = list(outside_blocks(text))
    # In the way links are written first: a page's name may well stand in its prose, too.
    opened = re.compile(rf"""(?:\]\(\s*<?|\]:\s*<?|(?:href|src)\s*=\s*["']?){exact.pattern}""")
    for pattern in (opened, exact):
        for number, line in lines:
            if pattern.search(line):
                return number
    return 0


def line_in_block(block: Block, text: str) -> int:
    """The line of a guide on which a block has this text as a Python literal; the block's own line if it has not."""
    try:
        tree = ast.parse(block.source())
    except SyntaxError:
        return block.line
    lines = (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text)
    return next(lines, block.line)


def raw_targets(text: str) -> Iterator[tuple[int, str]]:
    """Line and target of each ``src`` and ``href`` that a guide writes as HTML: MkDocs looks at none of them."""
    for number, line in outside_blocks(text):
        plain = re.sub(r"`[^`]*`", "", line)
        for found in re.finditer(r"""<[a-zA-Z][^<>]*?\s(?:src|href|poster)\s*=\s*["']([^"']*)["']""", plain):
            yield number, found[1]
