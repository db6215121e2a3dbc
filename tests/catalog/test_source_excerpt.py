"""The Python of a recipe as it was written: the function, and what opens a section of it."""

from __future__ import annotations

import textwrap

import pytest

from kvmdocs.catalog.source_excerpt import SourceExcerpt, recipe_source
from kvmdocs.core.errors import CatalogError

RECIPES = '''

@recipe(
    tools=("echo",),
)
def shown(sh: Shell) -> None:
    """Say it."""
    # why
    with sh.section("one"), sh.cd("/"):
        sh.echo("1")
    helper(sh)
    for name in ("a", "b"):
        with sh.section(f"lines-{name}"):
            sh.echo(name)
    for key in ("x",):
        with sh.section(key):
            sh.echo(key)


def helper(sh: Shell) -> None:
    with sh.section("two"):
        sh.echo("2")
    with sh.section("one"): sh.echo("again")


class Parts:
    def run(self, sh: Shell) -> None:
        with sh.section("inside"):
            sh.echo("3")


@recipe()
def built(sh: Shell, shown: None) -> None:
    Parts().run(sh)
'''


@pytest.fixture
def catalog(trial):
    return trial().recipes(RECIPES).project().catalog


def lines(catalog, listing: SourceExcerpt) -> list[str]:
    """The same lines, read off the file by number."""
    text = (catalog.root / listing.path).read_text("utf-8").split("\n")[listing.first - 1 : listing.last]
    return textwrap.dedent("\n".join(text)).split("\n")


def test_a_recipe_is_its_function_with_decorator_and_comments(catalog):
    whole = recipe_source(catalog, "shown").whole
    assert whole.text.startswith("@recipe(\n")
    assert "# why" in whole.text
    assert whole.text.endswith("sh.echo(key)")
    assert whole.text.split("\n") == lines(catalog, whole)
    assert whole.path.endswith("/all.py")


@pytest.mark.parametrize(
    ("section", "texts", "functions"),
    [
        ("two", ['with sh.section("two"):\n    sh.echo("2")'], ["helper"]),
        (
            "one",
            ['with sh.section("one"), sh.cd("/"):\n    sh.echo("1")', 'with sh.section("one"): sh.echo("again")'],
            ["shown", "helper"],
        ),
        ("lines-b", ['with sh.section(f"lines-{name}"):\n    sh.echo(name)'], ["shown"]),
        ("anything", ["with sh.section(key):\n    sh.echo(key)"], ["shown"]),
    ],
)
def test_a_section_is_what_opens_it_wherever_that_is(catalog, section, texts, functions):
    parts = recipe_source(catalog, "shown", section).parts
    assert [part.text for part in parts] == texts
    assert [part.function for part in parts] == functions
    assert all(part.text.split("\n") == lines(catalog, part) for part in parts)


def test_a_section_in_a_class_is_found_and_those_of_inputs_are_not(catalog):
    assert [part.text for part in recipe_source(catalog, "built", "inside").parts] == [
        'with sh.section("inside"):\n    sh.echo("3")'
    ]
    assert recipe_source(catalog, "built", "two").parts == ()


def test_without_a_section_there_are_no_parts(catalog):
    assert recipe_source(catalog, "shown").parts == ()


def test_a_recipe_of_a_block_has_the_lines_of_its_guide(trial):
    made = trial()
    made.block(
        "a.md",
        'from kvmdocs import Shell, recipe\n\n@recipe()\ndef inline(sh: Shell) -> None:\n    with sh.section("s"):\n'
        '        sh.echo("x")\n\ninline.show(section="s")',
    )
    catalog = made.project().catalog
    found = recipe_source(catalog, "inline", "s")
    assert found.whole.path == "docs/a.md"
    assert found.whole.text.split("\n") == lines(catalog, found.whole)
    assert found.parts[0].text.split("\n") == lines(catalog, found.parts[0])


def test_a_recipe_that_is_not_there_is_an_error(catalog):
    with pytest.raises(CatalogError, match="no recipe 'absent'"):
        recipe_source(catalog, "absent")


def test_a_file_in_the_middle_of_an_edit_has_no_python_to_show(catalog):
    assert recipe_source(catalog, "shown") is not None
    path = catalog.root / recipe_source(catalog, "shown").whole.path
    path.write_text("def shown(:\n", "utf-8")
    assert recipe_source(catalog, "shown") is None
