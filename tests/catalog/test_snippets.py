"""Snippets of a guide: its text with them, and where their blocks are written."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.fences import find_fences
from kvmdocs.catalog.site_config import SiteConfig
from kvmdocs.catalog.snippets import Included, has_snippets

BLOCK = '```python exec="on"\n{}()\n```\n'


@pytest.fixture
def site(tmp_path):
    """Return settings of a site with snippets in `parts`, and a function that makes a file."""
    options = {"base_path": ["parts"], "dedent_subsections": True, "check_paths": True}
    (tmp_path / "parts").mkdir()
    return SiteConfig(tmp_path / "mkdocs.yml", {"markdown_extensions": [{"pymdownx.snippets": options}]})


def included(site, text, **parts):
    for name, part in parts.items():
        (site.path.parent / "parts" / f"{name}.md").write_text(part)
    guide = site.docs / "index.md"
    found = Included(guide, text, site)
    blocks = [fence for fence in find_fences(found.text) if fence.is_python]
    return found, [(fence.code, file.name, line) for fence in blocks for file, line in [found.place(fence)]]


def test_a_block_of_a_snippet_has_the_place_it_is_written_at(site):
    text = f'# T\n\n{BLOCK.format("own")}\n--8<-- "a.md"\n\n{BLOCK.format("last")}'
    found, blocks = included(site, text, a=f"x\n\n{BLOCK.format('part')}")
    assert blocks == [("own()", "index.md", 3), ("part()", "a.md", 3), ("last()", "index.md", 9)]
    assert [path.name for path in found.files] == ["a.md"]


def test_snippets_in_snippets_and_in_containers(site):
    text = '!!! note\n\n    --8<-- "a.md"\n'
    _, blocks = included(site, text, a='--8<-- "b.md"\n', b=BLOCK.format("deep"))
    assert blocks == [("deep()", "b.md", 1)]


def test_a_section_of_a_snippet(site):
    part = f"# --8<-- [start:one]\n{BLOCK.format('one')}# --8<-- [end:one]\n{BLOCK.format('two')}"
    _, blocks = included(site, '--8<-- "a.md:one"\n', a=part)
    assert blocks == [("one()", "a.md", 2)]


def test_the_same_block_in_both_is_found_in_the_guide_first(site):
    text = f'{BLOCK.format("same")}\n--8<-- "a.md"\n'
    _, blocks = included(site, text, a=f"\n{BLOCK.format('same')}")
    assert blocks == [("same()", "index.md", 1), ("same()", "a.md", 2)]


def test_a_snippet_that_is_not_there_is_left_to_the_page(site):
    found, blocks = included(site, '--8<-- "none.md"\n')
    assert (found.files, blocks) == ([], [])


def test_only_a_site_with_the_extension_has_snippets(site):
    assert has_snippets('--8<-- "a.md"', site)
    assert not has_snippets("plain", site)
    assert not has_snippets('--8<-- "a.md"', SiteConfig(site.path, {}))
