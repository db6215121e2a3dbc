"""Blocks of a page: its own, those it includes, and what it would show as source."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.page_blocks import page_blocks

BLOCK = '```python exec="on"\n{}\n```\n'


@pytest.fixture
def root(tmp_path):
    (tmp_path / "mkdocs.yml").write_text("markdown_extensions:\n  - pymdownx.snippets\n")
    (tmp_path / "part.md").write_text(BLOCK.format("part()"))
    (tmp_path / "docs").mkdir()
    return tmp_path


def read(root, text):
    guide = root / "docs" / "index.md"
    guide.write_text(text)
    return page_blocks(root, guide)


def test_blocks_are_numbered_on_the_page(root):
    page = read(root, f'\ufeff{BLOCK.format("one()")}\n--8<-- "part.md"\n\n{BLOCK.format("two()")}')
    assert [(block.number, block.file.name, block.line, block.code) for block in page.blocks] == [
        (0, "index.md", 1, "one()"),
        (1, "part.md", 1, "part()"),
        (2, "index.md", 7, "two()"),
    ]
    assert {block.guide.name for block in page.blocks} == {"index.md"}


def test_an_example_is_no_block(root):
    page = read(root, f"Text\n\n    {BLOCK.format('one()').strip().replace(chr(10), chr(10) + '    ')}\n")
    assert (page.blocks, page.examples, page.problems("docs/index.md")) == ([], {"one()"}, [])


def test_a_block_below_a_mark_without_its_extension_is_an_error(root):
    page = read(root, f"!!! note\n\n    {BLOCK.format('one()').strip().replace(chr(10), chr(10) + '    ')}\n")
    (problem,) = page.problems("docs/index.md")
    assert "`admonition` is not among the `markdown_extensions` of mkdocs.yml" in problem.message
    assert problem.evidence.guides[0].line == 3


def test_a_fence_that_is_none_is_an_error_with_its_line(root):
    (problem,) = read(root, '# T\n\n```python exec="on"\none()\n').problems("docs/index.md")
    assert "never closed" in problem.message
    assert str(problem.evidence.guides[0]) == "docs/index.md:3"
