"""Terms explained at their first occurrence on a page."""

from __future__ import annotations

import re

import pytest
from markdown import Markdown

from kvmdocs.core.errors import GuideError
from kvmdocs.render.glossary import GlossaryExtension, Term, read_entries
from tests.support import ROOT

SMALL = """\
# Glossary

## Some { #some }

### EPT { #ept }

Extended *page* tables: `x` in Intel's words. More of it.

### 协程、coroutine { #coroutine }

可以暂停的函数。另一句。

### MSI, MSI-X { #msi }

Messages. See [there](a.md).
"""


@pytest.fixture
def convert(tmp_path):
    (tmp_path / "glossary.md").write_text(SMALL, "utf-8")
    extension = GlossaryExtension(page=str(tmp_path / "glossary.md"))
    return Markdown(extensions=["attr_list", "toc", "tables", extension]).convert


def marked(html):
    return re.findall(r"<abbr title=\"([^\"]*)\">([^<]*)</abbr>", html)


def test_an_entry_is_its_terms_and_its_first_sentence(tmp_path):
    (tmp_path / "glossary.md").write_text(SMALL, "utf-8")
    assert read_entries(tmp_path / "glossary.md") == [
        Term(("EPT",), "ept", "Extended page tables: x in Intel's words."),
        Term(("协程", "coroutine"), "coroutine", "可以暂停的函数。"),
        Term(("MSI", "MSI-X"), "msi", "Messages."),
    ]


def test_the_first_on_a_page_is_marked_and_no_other(convert):
    html = convert("The EPT, and EPT again.\n\nEPT, MSI-X and MSI.")
    assert marked(html) == [("Extended page tables: x in Intel's words.", "EPT"), ("Messages.", "MSI-X")]
    assert re.sub("<.*?>", "", html) == "The EPT, and EPT again.\nEPT, MSI-X and MSI."
    assert len(marked(convert("EPT"))) == 1  # a new page begins anew


def test_chinese_text_has_no_ends_of_words(convert):
    html = convert("客户机用EPT翻译地址。在协程里，coroutine 也是它。")
    assert [term for _, term in marked(html)] == ["EPT", "协程"]
    assert re.sub("<.*?>", "", html) == "客户机用EPT翻译地址。在协程里，coroutine 也是它。"


@pytest.mark.parametrize("text", ["EPTP", "XEPT", "kvm_EPT", "EPT_x", "EPT2", "coroutine_fn"])
def test_a_part_of_a_word_is_another_word(convert, text):
    assert marked(convert(f"The {text} here.")) == []


def test_several_are_the_same(convert):
    assert [term for _, term in marked(convert("Two coroutines."))] == ["coroutines"]


@pytest.mark.parametrize(
    "text",
    [
        "# The EPT",
        "## The EPT { #a }",
        "See [the EPT](a.md).",
        "Look at `EPT`.",
        "    EPT in a block of code",
        "<div>EPT in the HTML of a transcript</div>",
        "![EPT](a.png)",
    ],
)
def test_headings_links_code_and_html_stay_as_they_are(convert, text):
    assert marked(convert(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "<code>kvm_<wbr>EPT</code> and <a href='x'>virt/EPT.c</a>",
        "| a |\n|---|\n| <code>EPT_<wbr>x</code> |",
        "<code>x *EPT* y</code>",
    ],
)
def test_what_stands_between_tags_written_as_html_is_spared_like_code(convert, text):
    assert "<abbr" not in convert(text)
    assert convert(f"{text}\n\nEPT is.").count("<abbr") == 1


def test_a_tag_that_is_not_closed_spares_no_more_than_its_paragraph(convert):
    assert convert("a <code>EPT b\n\nEPT is.").count("<abbr") == 1


def test_a_table_and_emphasis_are_text(convert):
    html = convert("| a | b |\n|---|---|\n| x | *the EPT* of it |\n")
    assert marked(html)
    assert "<em>the <abbr" in html


def test_the_table_of_contents_and_the_title_have_no_marks(convert, tmp_path):
    md = Markdown(extensions=["toc", GlossaryExtension(page=str(tmp_path / "glossary.md"))])
    md.convert("# EPT\n\n## EPT again\n\nEPT")
    assert "abbr" not in md.toc


def test_the_glossary_itself_is_not_marked(convert):
    assert marked(convert(SMALL)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("### EPT { #ept }\n\n### NPT { #npt }\n\nText.", r"glossary\.md:1: the entry has no text"),
        ("### EPT { #ept }\n", r"glossary\.md:1: the entry has no text"),
        ("### EPT { #a }\n\nA.\n\n### X, EPT { #b }\n\nB.", r"glossary\.md:5: 'EPT' has an entry at line 1 too"),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_its_line(tmp_path, text, message):
    (tmp_path / "glossary.md").write_text(text, "utf-8")
    with pytest.raises(GuideError, match=message):
        read_entries(tmp_path / "glossary.md")


def test_a_glossary_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GuideError, match="cannot be read"):
        Markdown(extensions=[GlossaryExtension(page=str(tmp_path / "none.md"))])


def test_both_languages_explain_the_same():
    english, chinese = (read_entries(ROOT / "docs" / language / "glossary.md") for language in ("en", "zh"))
    assert [entry.anchor for entry in english] == [entry.anchor for entry in chinese]
    assert len(english) >= 40
    for entry in (*english, *chinese):
        assert len(entry.text) <= 200, f"{entry.terms}: too long for a hint"
        assert entry.text[-1] in ".。"
