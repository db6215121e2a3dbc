"""The reference of the API: complete, in step with the source, made of docstrings that read well; and the page on errors, complete too."""

from __future__ import annotations

import json
import logging
import re
import runpy
from html.parser import HTMLParser

import pytest

import kvmdocs
from kvmdocs import lab
from kvmdocs.catalog.guides import find_blocks
from kvmdocs.core import errors, model
from kvmdocs.core.errors import CatalogError
from kvmdocs.site import reference
from kvmdocs.store.store import add_checksum
from tests.support import ROOT

PAGES = [ROOT / "docs/en/authoring" / f"{name}.md" for name in ("reference", "reference-lab", "reference-records")]
DOCUMENTED = [
    path for page in PAGES for block in find_blocks(page) for path in re.findall(r'"(kvmdocs[\w.]*:\w+)"', block.code)
]

CATALOGUES = sorted((ROOT / "kvmdocs/locale").glob("*/reference.po"), key=str)
RENEW = ".venv/bin/python scripts/translations.py renews {file}; translate what it names:"

FAMILIES = {"KvmdocsError", "AuthorError", "OperatorError", "EngineError"}


@pytest.fixture
def project(trial, monkeypatch):
    made = trial()
    monkeypatch.chdir(made.root)
    return made


def test_every_public_name_is_in_the_reference():
    public = {*kvmdocs.__all__, *lab.__all__}
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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_printed_is_sound_and_says_what_the_source_says(project, language):
    made = reference.reference(*DOCUMENTED, language=language)
    page = Balance()
    page.feed(made)
    assert (page.wrong, page.open) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert "kvmdocs.recording.shell.Shell.section" in page.ids
    assert "run(program: str | Path, *args: Any, **kwargs: Any) -> str" in page.text
    first = {"en": "Run one line of bash as a reader types it", "zh": "像读者输入那样运行一行 bash"}
    assert first.pop(language) in page.text
    assert not any(other in page.text for other in first.values())
    assert "(self" not in page.text
    assert ("参数" in page.text) == (language == "zh")
    assert len(made.split("\n")) == len(DOCUMENTED)  # what has no line breaks is taken for no markup
    # A second time it comes from the store, and is the same.
    kept = list((project.root / "store").rglob("rendered/*.html"))
    assert len(kept) == 1
    assert reference.reference(*DOCUMENTED, language=language) == made
    kept[0].write_bytes(add_checksum(b"kept"))
    assert reference.reference(*DOCUMENTED, language=language) == "kept"


def test_an_object_that_is_not_there_is_refused(project):
    for path in ("kvmdocs.recording.recipe:recipes", "kvmdocs:Shell", "kvmdocs.nothing:x", "nothing_at_all:x"):
        with pytest.raises(CatalogError, match="to document"):
            reference.reference(path)


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "scripts/translations.py"))


def test_the_pages_of_each_language_have_the_same_reference(script):
    assert [file.parent.name for file in CATALOGUES] == ["zh"]
    assert script["documented"]("zh") == script["documented"]("en")
    assert sorted(script["documented"]("en")) == sorted(DOCUMENTED)


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parent.name)
def test_everything_in_the_reference_is_translated_and_nothing_else(file, script):
    said, told = reference.texts(*DOCUMENTED), reference.translations(file)
    missing = [f"#: {' '.join(said[text])}\nmsgid {json.dumps(text, ensure_ascii=False)}" for text in said if text not in told]
    unused = [f"no longer said: {text}" for text in told if text not in said]
    advice = RENEW.format(file=file.relative_to(ROOT))
    assert not missing + unused, "\n".join([advice, *missing, *unused])
    in_order = reference.texts(*script["documented"](file.parent.name))
    assert script["renewed"](file, in_order) == file.read_bytes(), f"{advice} nothing, but entries moved"


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parent.name)
def test_a_translation_has_the_code_and_the_links_of_its_original(file):
    def marked(text):
        return {code for _, code in re.findall(r"(`+)(.+?)\1", text)}, set(re.findall(r"\]\(([^)]*)\)", text))

    told = reference.translations(file)
    assert {text: one for text, one in told.items() if marked(one) != marked(text)} == {}
    # And it reads as the guides do: a space between Chinese and Latin words, none beside Chinese punctuation.
    close = re.compile(
        r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]| [，。；：、（）]|[，。；：、（）] |[\u4e00-\u9fff][,.;:()]"
    )
    spaced = {text: re.sub(r"(`+)(.+?)\1", "`x`", one) for text, one in told.items()}
    assert {text: one for text, one in spaced.items() if close.search(one)} == {}
    assert {text: one for text, one in told.items() if text.endswith(".") != one.endswith("。")} == {}


@pytest.fixture
def package(tmp_path, monkeypatch, project):
    """A package with a catalogue: what is said of its function, of the argument and of the result."""
    made = tmp_path / "spoken"
    (made / "locale/zh").mkdir(parents=True)
    (made / "__init__.py").write_text("")
    (made / "talk.py").write_text(
        'def say(word):\n    """Say it\n    aloud.\n\n    Once.\n\n    Args:\n        word: The `word`.\n\n    Returns:\n        What.\n    """\n'
    )
    (made / "locale/zh/reference.po").write_text(
        'msgid "Say it aloud."\nmsgstr "大声说。"\n\nmsgid "The `word`."\nmsgstr "`word`。"\n\n#, fuzzy\nmsgid "What."\nmsgstr "猜的。"\n',
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return made


def test_what_has_no_translation_is_shown_in_english_and_says_so(package):
    made = reference.reference("spoken.talk:say", language="zh")
    assert "<p>大声说。</p>" in made
    assert "<dd><p><code>word</code>。</p></dd>" in made
    assert '<div lang="en"><p>Once.</p></div>' in made
    assert '<div lang="en"><p>What.</p></div>' in made, "a guess is no translation"
    assert reference.reference("spoken.talk:say").count("<div") == made.count("<div") - 2


def test_a_catalogue_that_has_changed_is_shown_at_once(package):
    before = reference.reference("spoken.talk:say", language="zh")
    file = package / "locale/zh/reference.po"
    file.write_text(file.read_text("utf-8").replace("大声", "小声"), "utf-8")
    assert reference.reference("spoken.talk:say", language="zh") == before.replace("大声", "小声") != before


@pytest.mark.parametrize("broken", [b"nonsense\n", b'msgid "\xff"\nmsgstr "b"\n'])
def test_a_catalogue_that_cannot_be_read_is_an_error_with_its_place(package, broken):
    file = package / "locale/zh/reference.po"
    file.write_bytes(broken)
    with pytest.raises(CatalogError, match="is no PO file") as caught:
        reference.reference("spoken.talk:say", language="zh")
    assert caught.value.evidence.place.path == str(file)


def test_a_catalogue_is_renewed(package, script):
    """What is new waits to be translated, what is like an old text with the old words, and what nothing says goes."""
    file = package / "locale/zh/reference.po"
    kept = {"Say it aloud.": ["spoken.talk.say"]}
    made = script["renewed"](
        file, {**kept, "The `word`, please.": ["spoken.talk.say"], "Something else entirely": ["spoken.b"]}
    )
    assert list(script["waiting"](made)) == [
        ("The `word`, please.", "spoken.talk.say"),
        ("Something else entirely", "spoken.b"),
    ]
    file.write_bytes(made)
    assert reference.translations(file) == {"Say it aloud.": "大声说。"}
    assert script["renewed"](file, kept).decode().count("msgid") == 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_error_has_its_example_and_its_cure(language):
    page = ROOT / "docs" / language / "authoring/errors.md"
    text = page.read_text("utf-8")
    known = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, errors.KvmdocsError)}
    for name in known - FAMILIES:
        part = re.search(rf"^### {name} \{{ #{name} \}}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert part, name
        assert f'mistakes.show("{name}")' in part[1]
        assert re.search(r"^\*\*(What to do\.|怎么办。)\*\*", part[1], re.MULTILINE), name
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) == known - FAMILIES
    assert set(re.findall(r"^## .*\{ #(\w+Error) \}", text, re.MULTILINE)) == FAMILIES - {"KvmdocsError"}
