"""Blocks of a page: those that markdown-exec executes when the page is rendered, wherever they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kvmdocs.catalog.fences import find_fences
from kvmdocs.catalog.guides import Block, block_of, read_guide, unexecuted
from kvmdocs.catalog.indented_code import in_indented_code, missing_extension
from kvmdocs.catalog.site_config import config_of
from kvmdocs.catalog.snippets import Included, has_snippets
from kvmdocs.core.errors import Evidence, GuideError, Place


@dataclass
class PageBlocks:
    """Blocks of a page.

    Attributes:
        text: The guide's text with its snippets.
        blocks: Its blocks, in order.
        examples: Code of the fences that the page shows as indented code, and that are not executed.
        files: Files that it includes.
        unexecuted: Line and reason of each fence that is written as a block and would be published as source.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    examples: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)
    unexecuted: list[tuple[int, str]] = field(default_factory=list)

    def problems(self, path: str) -> list[GuideError]:
        """Return an error for each block that the page would show as source.

        Args:
            path: The guide's path for messages.
        """
        return [
            GuideError(
                f"this block is not executed, and the page would show its source: {why}",
                Evidence(
                    guides=(Place(path, line),), advice="mend the fence, or put a longer fence around it if it is an example"
                ),
            )
            for line, why in self.unexecuted
        ]


def page_blocks(root: Path, guide: Path, text: str | None = None) -> PageBlocks:
    """Return the blocks of a guide's page.

    Args:
        root: The project's folder.
        guide: The guide.
        text: Its text, if it was read already.

    Raises:
        OSError: The guide cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    own = read_guide(guide) if text is None else text
    config = config_of(root, guide)
    included = Included(guide, own, config) if has_snippets(own, config) else None
    page = PageBlocks(included.text if included else own, files=included.files if included else [])
    page.unexecuted += unexecuted(own)
    code = in_indented_code(page.text, config.extensions)
    for fence in find_fences(page.text):
        if not fence.is_python:
            continue
        if fence.line in code:
            page.examples.add(fence.code)
            if extension := missing_extension(page.text, fence.line):
                line = included.place(fence)[1] if included else fence.line
                page.unexecuted.append((line, f"`{extension}` is not among the `markdown_extensions` of {config.path.name}"))
            continue
        file, line = included.place(fence) if included else (guide, fence.line)
        page.blocks.append(block_of(guide, fence, file, line, len(page.blocks)))
    return page
