"""The guides as texts: both languages agree, and every diagram can be drawn."""

from __future__ import annotations

import ast
import json
import re

import pytest

from kvmdocs.catalog.guides import find_blocks
from kvmdocs.figures.fence import draw
from kvmdocs.figures.mermaid import read
from kvmdocs.render import Language
from tests.support import ROOT

ENGLISH, CHINESE = ROOT / "docs" / "en", ROOT / "docs" / "zh"
PAGES = sorted(str(path.relative_to(ENGLISH)) for path in ENGLISH.rglob("*.md"))
FENCE = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def test_both_languages_have_the_same_pages():
    assert sorted(str(path.relative_to(CHINESE)) for path in CHINESE.rglob("*.md")) == PAGES


@pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_home_page_leads_to_every_guide(language):
    home = (language / "index.md").read_text("utf-8")
    linked = set(re.findall(r"[(\"]([\w/-]+\.md)(?:#[\w-]+)?[)\"]", home))
    assert {str(path.relative_to(language)) for path in language.rglob("*.md")} - linked == {"index.md"}


def headings(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    found = re.findall(r"^(#{1,3}) .*?(?:\{[^}]*#([\w-]+)[^}]*\})?$", text, re.MULTILINE)
    return [(len(level), name) for level, name in found]


def shows(code):
    """Return the recipes that a block shows, the section of each, and the number of notes."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "show":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            section = given.get("section") or (node.args[0] if node.args else None)
            notes = given.get("notes")
            patterns = [ast.unparse(key) for key in notes.keys] if isinstance(notes, ast.Dict) else []
            found.append((ast.unparse(node.func.value), section and ast.unparse(section), sorted(patterns)))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_headings_and_blocks_are_in_step(page):
    assert headings(ENGLISH / page) == headings(CHINESE / page)
    assert [shows(block.code) for block in find_blocks(ENGLISH / page)] == [
        shows(block.code) for block in find_blocks(CHINESE / page)
    ]


@pytest.mark.parametrize(
    "page",
    sorted(page for page in (ROOT / "docs").rglob("authoring/*.md")),
    ids=lambda page: str(page.relative_to(ROOT / "docs")),
)
def test_pages_for_authors_stand_behind_those_for_readers_in_search(page):
    boost = re.search(r"\A---\n(?:.*\n)*?search:\n  boost: ([\d.]+)\n(?:.*\n)*?---\n", page.read_text("utf-8"))
    assert boost
    assert float(boost[1]) < 1


def notes_in(page):
    for block in find_blocks(page):
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.keyword) and node.arg == "notes" and isinstance(node.value, ast.Dict):
                yield from (ast.literal_eval(value) for value in node.value.values)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_notes_use_no_markup_but_code(page):
    """The renderer of notes supports only backticks: a link would appear with its brackets."""
    marked = re.compile(r"\]\(|\*\w[^*]*\*")
    assert [note for note in notes_in(page) if marked.search(re.sub(r"`[^`]*`", "", note))] == []


def talks_to_a_guest(page):
    """Return whether a page shows something typed into a guest's shell."""
    records = ROOT / "recipes/approved"
    names = {re.match(r"\w+", name)[0] for block in find_blocks(page) for name, _, _ in shows(block.code)}
    known = (json.loads(path.read_bytes()) for path in records.glob("*.json") if path.stem in names)
    return any(step["where"] == "guest" for record in known for step in record["steps"])


@pytest.mark.parametrize("folder", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_pages_of_kvm_say_how_a_guest_is_typed_to(folder):
    pages = [page for page in (folder / "kvm").glob("*.md") if talks_to_a_guest(page)]
    assert len(pages) > 10
    assert [page.stem for page in pages if "load.md#type" not in page.read_text("utf-8")] == ["load"]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_notes_end_as_sentences_do(page):
    assert [note for note in notes_in(page) if not note.endswith((".", "。"))] == []


def diagrams():
    """Yield every diagram of the guides, by its page and its number there."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for number, code in enumerate(re.findall(r"```mermaid\n(.*?)```", path.read_text("utf-8"), re.DOTALL), 1):
            yield pytest.param(path, code, id=f"{path.relative_to(ROOT / 'docs')}-{number}")


@pytest.mark.parametrize(("path", "code"), list(diagrams()))
def test_every_diagram_is_drawn_has_a_name_and_leads_to_guides(path, code):
    diagram = read(code)
    assert diagram.title, "a reader who does not see it has its accTitle alone"
    assert "<svg" in draw(code, Language.of(path.relative_to(ROOT / "docs").parts[0]))
    broken = [href for href in re.findall(r'click \w+ "([^"#]+)', code) if not (path.parent / href).is_file()]
    assert broken == []
