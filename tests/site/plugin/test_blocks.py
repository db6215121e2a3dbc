"""What a page executes is known: blocks that no page executes, that another plugin brings, and examples."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kvmdocs.core.errors import GuideError
from kvmdocs.site.plugin import blocks
from kvmdocs.site.publisher import Publisher

BLOCK = '```python exec="on"\nfrom {package}.all import hello\nhello.show()\n```\n'
RECIPES = "from kvmdocs import Shell, recipe\n\n@recipe()\ndef hello(sh: Shell) -> None: ...\n"


@pytest.fixture
def project(trial):
    made = trial()
    made.recipes(RECIPES)
    block = BLOCK.format(package=made.package)
    indented = "    " + block.strip().replace("\n", "\n    ").replace("hello.show()", "hello.show()  # an example")
    (made.root / "docs" / "index.md").write_text(f"# T\n\n{block}\nText\n\n{indented}\n")
    return made.project()


def guide(project) -> Path:
    (found,) = project.catalog.pages
    return found


def test_a_site_that_executes_no_block_is_refused(project):
    with pytest.raises(GuideError, match="is not executed") as refused:
        blocks.refuse_unexecuted(project)
    assert str(refused.value.evidence.guides[0]) == "docs/index.md:3"


def test_a_block_that_another_plugin_has_put_in_is_told(project, caplog):
    text = guide(project).read_text()
    with caplog.at_level(logging.WARNING):
        blocks.warn_of_unread(text, guide(project), project)
        assert not caplog.messages
        blocks.warn_of_unread(f'{text}\n```python exec="on"\nother.show()\n```\n', guide(project), project)
    (message,) = caplog.messages
    assert "docs/index.md: another plugin has put a block into this page ('other.show()')" in message


def test_an_example_is_known_while_its_page_is_rendered(project):
    publisher = Publisher(project)
    (example,) = project.catalog.pages[guide(project)].examples
    assert not blocks.is_example(example, publisher)
    publisher.turn_to(guide(project))
    assert blocks.is_example(example, publisher)
    assert not blocks.is_example(project.catalog.pages[guide(project)].blocks[0].code, publisher)
    assert not blocks.is_example(example, None)
