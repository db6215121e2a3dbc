"""Checks of a guide before any block runs: front matter, translations, links, options; and the lines of texts in it.

MkDocs names the page of a bad link but not the line, shows invalid front matter as text, and handles one language at a time.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kvmdocs.catalog.guides import Block, is_executed, outside_blocks, python_fences, shows
from kvmdocs.catalog.site_config import find_guides
from kvmdocs.core.control_characters import OVERRIDING, seen
from kvmdocs.core.errors import Evidence, GuideError, Place

_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_REFERENCE = re.compile(r"(?<![\w\]\\])\[([^\[\]^]+)\]\[([^\[\]]*)\]")

_BLOCK_OPTIONS = {
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
"""Options that markdown-exec's validator accepts (1.12)."""
_SOURCE_OPTIONS = {"hl_lines", "linenums", "title", "title_mode"}
"""Options that pymdownx.superfences' validator accepts for the source shown beside a block's output (13.1)."""
_OPTIONS = _BLOCK_OPTIONS | _SOURCE_OPTIONS


def check_languages(root: Path, folders: Iterable[str]) -> list[GuideError]:
    """Return the pages that are missing in some language of a project with one folder of guides for each language.

    Args:
        root: The project's folder.
        folders: The folders of guides, relative to it. A single folder has no errors.
    """
    pages = {folder: {str(path.relative_to(root / folder)) for path in find_guides(root, root / folder)} for folder in folders}
    every = set[str]().union(*pages.values())
    return [_untranslated(page, pages) for page in sorted(every) if any(page not in known for known in pages.values())]


def _untranslated(page: str, pages: dict[str, set[str]]) -> GuideError:
    present = [f"{folder}/{page}" for folder, known in pages.items() if page in known]
    missing = [f"{folder}/{page}" for folder, known in pages.items() if page not in known]
    return GuideError(
        f"the guide {present[0]} is in one language only: there is no {' and no '.join(missing)}"
        if len(present) == 1
        else f"the guide {present[0]} lacks a language: there is no {' and no '.join(missing)}",
        Evidence(
            guides=tuple(Place(path, 1) for path in present),
            advice=f"write {' and '.join(missing)}, or remove from `project.docs` the folders that are no translations",
        ),
    )


def check_front_matter(text: str, path: str) -> GuideError | None:
    """Return the error in a guide's front matter; None if it has no error or no front matter.

    Args:
        text: The guide.
        path: Its path for messages.
    """
    if not re.match(r"---[ \t]*\n", text):
        return None
    import yaml  # few guides have front matter

    front = _FRONT.match(text)
    if front is None:
        return _bad_front(path, 1, "it begins here and never ends", "end it with a line `---`")
    try:
        data = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # The first line of YAML is the guide's second.
        line = mark.line + 2 if mark else 1
        return _bad_front(
            path, line, getattr(error, "problem", None) or str(error), "correct the YAML; quote values that contain a colon"
        )
    if data is not None and not isinstance(data, dict):
        return _bad_front(path, 2, "it has no `name: value` lines", "write `name: value` lines between the two `---`")
    for name in ("title", "description", "template"):
        if data and name in data and not isinstance(data[name], str):
            line = _line_with(front[1], rf"^{name}\s*:") + 1
            return _bad_front(path, line, f"`{name}` is no text: {data[name]!r}", "put the value in quotes")
    return None


def check_references(text: str, path: str) -> list[GuideError]:
    """Return an error for each reference link, ``[text][name]``, without a definition.

    Markdown silently leaves such a link as text.

    Args:
        text: The guide.
        path: Its path for messages.
    """
    if "][" not in text:
        return []
    lines = [(number, re.sub(r"`[^`]*`", "", line)) for number, line in outside_blocks(text)]
    defined = {found[1].lower() for _, line in lines if (found := re.match(r"\s*\[([^\]]+)\]:\s*\S", line))}
    return [
        GuideError(
            f"the link {found[0]} has no address",
            Evidence(guides=(Place(path, number),), advice=f"add a line `[{found[2] or found[1]}]: …`, or write `[…](…)`"),
        )
        for number, line in lines
        for found in _REFERENCE.finditer(line)
        if (found[2] or found[1]).lower() not in defined
    ]


def check_turns(text: str, path: str) -> list[GuideError]:
    """Return an error for each line with characters that override or isolate the text direction.

    Copied text would differ from what is displayed.

    Args:
        text: The guide.
        path: Its path for messages.
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
    """Return an error for each unknown option of a block.

    markdown-exec ignores unknown options, and prints a block whose ``exec`` is misspelt as source.

    Args:
        text: The guide.
        path: Its path for messages.
    """
    return [
        _unknown_option(name, near, Place(path, line))
        for line, options in python_fences(text)
        for name in sorted(options.keys() - _OPTIONS)
        if (near := difflib.get_close_matches(name, _OPTIONS, 1)) == ["exec"] or is_executed(options)
    ]


def check_modes(block: Block, path: str) -> GuideError | None:
    """Return an error for a block that shows a recipe in a mode that would change its transcript.

    Beside a source in tabs or as a console, and with `result`, markdown-exec passes the output through Markdown as text.

    Args:
        block: The block.
        path: The path of its file for messages.
    """
    if not shows(block.code):
        return None
    mode = f'result="{block.result}"' if block.result else f'source="{block.source}"'
    if not block.result and block.source in _EXACT:
        return None
    return GuideError(
        f"a block that shows a recipe cannot have {mode}: its transcript would be changed",
        Evidence(
            guides=(Place(path, block.line),), advice=f"remove it, or use one of {', '.join(filter(None, _EXACT))} as source"
        ),
    )


_EXACT = ("", "above", "below", "material-block")
"""Values of the option `source` with which a transcript stays as it was printed."""


def _unknown_option(name: str, near: list[str], place: Place) -> GuideError:
    hint = f"did you mean {near[0]!r}? " if near else ""
    return GuideError(
        f"a block has no option {name!r}",
        Evidence(guides=(place,), advice=f"{hint}The options are {', '.join(sorted(_OPTIONS))}"),
    )


def _bad_front(path: str, line: int, wrong: str, advice: str) -> GuideError:
    return GuideError(f"the front matter cannot be read: {wrong}", Evidence(guides=(Place(path, line),), advice=advice))


def _line_with(text: str, pattern: str) -> int:
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def line_of_link(text: str, target: str) -> int:
    """Return the line of a guide with a link, an image or a tag to this target; 0 if there is none.

    Args:
        text: The guide.
        target: The target as it is written.
    """
    exact = re.compile(rf"(?<![\w/.#%-]){re.escape(target)}(?![\w/.#%-])")
    lines = list(outside_blocks(text))
    # Link syntax first: the prose may contain the target too.
    opened = re.compile(rf"""(?:\]\(\s*<?|\]:\s*<?|(?:href|src)\s*=\s*["']?){exact.pattern}""")
    for pattern in (opened, exact):
        for number, line in lines:
            if pattern.search(line):
                return number
    return 0


def line_in_block(block: Block, text: str) -> int:
    """Return the line of a guide on which a block has this text as a Python literal; the block's line if it has none."""
    try:
        tree = ast.parse(block.padded())
    except SyntaxError:
        return block.line
    lines = (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text)
    return next(lines, block.line)


def raw_targets(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and target of each ``src`` and ``href`` in a guide's raw HTML, which MkDocs does not check."""
    for number, line in outside_blocks(text):
        plain = re.sub(r"`[^`]*`", "", line)
        for found in re.finditer(r"""<[a-zA-Z][^<>]*?\s(?:src|href|poster)\s*=\s*["']([^"']*)["']""", plain):
            yield number, found[1]
