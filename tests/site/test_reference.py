"""The reference of the API: complete, in step with the source, made of docstrings that griffe reads; the page on errors."""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser

import pytest

import kvmdocs
from kvmdocs import lab
from kvmdocs.catalog.guides import find_blocks
from kvmdocs.core import errors, model
from kvmdocs.core.errors import CatalogError
from kvmdocs.site import reference
from kvmdocs.store.files import add_checksum
from tests.support import ROOT


def documented(language: str) -> list[str]:
    """The objects that the reference's pages show, in their order."""
    pages = [
        ROOT / "docs" / language / "authoring" / f"{name}.md" for name in ("reference", "reference-lab", "reference-records")
    ]
    return [path for page in pages for block in find_blocks(page) for path in re.findall(r'"(kvmdocs[\w.]*:\w+)"', block.code)]


DOCUMENTED = documented("en")

FAMILIES = {"KvmdocsError", "AuthorError", "OperatorError", "EngineError"}


def every_error() -> list[type[errors.KvmdocsError]]:
    return [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, errors.KvmdocsError)]


@pytest.fixture
def project(trial, monkeypatch):
    made = trial()
    monkeypatch.chdir(made.root)
    return made


def test_every_public_name_is_in_the_reference():
    # The errors have a page of their own, which a test below reads.
    public = {*kvmdocs.__all__, *lab.__all__} - {error.__name__ for error in every_error()}
    public |= {name for name, thing in vars(model).items() if isinstance(thing, type) and thing.__module__ == model.__name__}
    assert {path.partition(":")[2] for path in DOCUMENTED} >= public


@pytest.mark.parametrize("path", DOCUMENTED)
def test_docstrings_are_of_the_style_that_is_read(path, caplog):
    """griffe says what it cannot make sense of: an argument that is not there, a section that is none."""
    thing = reference.find(path)
    assert thing.docstring
    with caplog.at_level(logging.WARNING):
        for one in (thing, *reference.public(thing)) if thing.is_class else (thing,):
            one.docstring.parse("google", warn_missing_types=False)
    assert [entry.getMessage() for entry in caplog.records] == []


def test_a_docstring_that_names_what_is_not_there_is_noticed(tmp_path, caplog):
    import griffe

    code = 'def run(name):\n    """Run.\n\n    Args:\n        nome: What.\n    """\n'
    made = griffe.visit("wrong", filepath=tmp_path / "wrong.py", code=code)
    with caplog.at_level(logging.WARNING):
        made["run"].docstring.parse("google", warn_missing_types=False)
    assert "nome" in caplog.text


class Balance(HTMLParser):
    """Whether every tag that is opened is closed, inside the right one."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.text, self.ids = [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data


def test_what_is_printed_is_sound_and_says_what_the_source_says(project):
    made = reference.reference(*DOCUMENTED)
    page = Balance()
    page.feed(made)
    assert (page.wrong, page.open) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert "kvmdocs.recording.shell.Shell.section" in page.ids
    assert "run(program: str | Path, *args: Any, **kwargs: Any) -> str" in page.text
    assert "Parameters" in page.text
    assert "(self" not in page.text
    assert len(made.split("\n")) == len(DOCUMENTED)  # what has no line breaks is taken for no markup
    # A second time it comes from the store, and is the same.
    cached = list((project.root / "store").rglob("rendered/*.html"))
    assert len(cached) == 1
    assert reference.reference(*DOCUMENTED) == made
    cached[0].write_bytes(add_checksum(b"cached"))
    assert reference.reference(*DOCUMENTED) == "cached"


def test_an_object_that_is_not_there_is_refused(project):
    for path in ("kvmdocs.recording.recipe:recipes", "kvmdocs:Shell", "kvmdocs.nothing:x", "nothing_at_all:x"):
        with pytest.raises(CatalogError, match="to document"):
            reference.reference(path)


def test_the_pages_of_each_language_have_the_same_reference():
    assert documented("zh") == documented("en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_error_has_its_example_and_its_cure(language):
    page = ROOT / "docs" / language / "authoring/errors.md"
    text = page.read_text("utf-8")
    known = {error.__name__ for error in every_error()}
    for name in known - FAMILIES:
        part = re.search(rf"^### {name} \{{ #{name} \}}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert part, name
        assert f'mistakes.show("{name}")' in part[1]
        assert re.search(r"^\*\*(What to do\.|怎么办。)\*\*", part[1], re.MULTILINE), name
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) == known - FAMILIES
    assert set(re.findall(r"^## .*\{ #(\w+Error) \}", text, re.MULTILINE)) == FAMILIES - {"KvmdocsError"}
