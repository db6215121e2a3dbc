"""Tables of the KVM guides: every file and line is a link to that line, and was verified in the source."""

from __future__ import annotations

import re

import pytest

from kvmdocs.execution import recipe_values
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import Shown
from kvmdocs.recording.source.stack_frames import spots
from kvmdocs.render import Language, linked
from tests.support import ROOT

LINK = re.compile(r"<a\b[^>]*>.*?</a>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
BELOW = re.compile(r'<div class="tr-peek.*', re.DOTALL)
"""Source lines that the links lead to, below a table."""
TABLES = ("journey", "kvm_functions")


@pytest.fixture(scope="module")
def project():
    return Project(ROOT)


def unlinked(html: str) -> list[str]:
    """Return the files and lines in a text that are not links."""
    return [f"{path}:{line}" for _, _, path, line in spots(TAG.sub(" ", LINK.sub("", BELOW.sub("", html))))]


def tables(project, recipe):
    """Return the guides' output for a recipe's approved record, with its links."""
    record = project.approved.get(recipe)
    value = recipe_values.value(project, record)
    addresses = {(place.path, place.line): project.templates.url(place) for place in record.places}
    shown = Shown(record, "en", lambda path, line: addresses.get((path, line)))
    made = [
        request.options.rendered(value, shown)
        for request in project.catalog.requests
        if request.name == recipe and request.options.render
    ]
    return [(text, linked(text, record.places, project.templates.url, Language.EN)) for text in made]


@pytest.mark.parametrize("recipe", TABLES)
def test_each_line_that_a_table_names_is_a_link(project, recipe):
    named = 0
    for text, html in tables(project, recipe):
        named += len(list(spots(text)))
        assert not unlinked(html), unlinked(html)
    assert named > 40


@pytest.mark.parametrize("recipe", TABLES)
def test_each_of_them_was_checked_in_the_source(project, recipe):
    """A record has a place only if the line is in the function, together with the lines around it."""
    places = {(place.path, place.line): place for place in project.approved.get(recipe).places}
    for text, _ in tables(project, recipe):
        for _, _, path, line in spots(text):
            place = places[path, line]
            assert place.excerpt[line - place.first].strip()


def test_a_line_that_is_no_link_is_noticed(project):
    tabled = [(text, html) for text, html in tables(project, "kvm_functions") if list(spots(text))]
    for text, html in tabled:
        assert unlinked(f"block/blk-mq.c:1 {html}") == ["block/blk-mq.c:1"]
        assert unlinked(linked(text, (), project.templates.url, Language.EN))
