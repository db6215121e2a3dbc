"""Tabs of a transcript with its script and its Python, which work without JavaScript."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.source_excerpt import SourceExcerpt, Written
from kvmdocs.core.model import Freshness
from kvmdocs.render import Anchors, Language, Tabs, names, python_of
from tests.support.html_dom import Element, parse
from tests.support.render_samples import host, make_record, searched, show

SCRIPT = 'check() { [ "$1" = 0 ]; }\necho <&> "$HOME"'
WHOLE = SourceExcerpt(
    "recipes/a_b.py", 8, '@recipe()\ndef sample(sh):\n    with sh.section("s"):\n        sh.echo("<&>")', "sample"
)
PART = SourceExcerpt("recipes/a_b.py", 10, 'with sh.section("s"):\n    sh.echo("<&>")', "sample")
RECORD = make_record(host("a", "b\n", section="s"), host("c", machine="other", section="s"))


def page(beside: Tabs, language: Language = Language.EN, **options: object) -> Element:
    html = show(RECORD, language, beside=beside, **options)
    assert len(html.splitlines()) == 1
    return parse(html)


def tabs(root: Element) -> list[tuple[str, str]]:
    """Return label and content of each tab."""
    labels = root.one("div", "tabbed-labels").all("label")
    return list(zip([label.text for label in labels], [block.text for block in root.all("div", "tabbed-block")], strict=True))


def test_a_session_alone_has_no_tabs() -> None:
    assert not page(Tabs()).all("input")
    assert show(RECORD) == show(RECORD, beside=Tabs())


def test_each_tab_is_a_radio_button_with_its_label_in_the_theme_s_form() -> None:
    root = page(Tabs(SCRIPT, Written(WHOLE, (PART,))), section="s")
    frame = root.one("div", "tabbed-set")
    assert frame.attributes["data-tabs"]
    inputs = frame.all("input")
    assert [button.attributes["id"] for button in inputs] == ["tr-sample.s", "tr-sample.s:script", "tr-sample.s:python"]
    assert {button.attributes["name"] for button in inputs} == {"__tabbed_tr-sample.s"}
    assert ["checked" in button.attributes for button in inputs] == [True, False, False], "the session is what is seen first"
    assert [label.attributes["for"] for label in frame.all("label")] == [button.attributes["id"] for button in inputs]
    assert [child for child in frame.children if isinstance(child, Element)][:3] == inputs


def test_the_tabs_hold_the_script_and_the_python() -> None:
    (session, first), (script, second), (python, third) = tabs(page(Tabs(SCRIPT, Written(WHOLE, (PART,))), section="s"))
    assert (session, script, python) == ("Session", "Script", "Python")
    assert "host · user shell" in first
    assert second == SCRIPT
    assert third.startswith(f"recipes/a_b.py, lines 10–11{PART.text}")
    assert third.endswith(f"the whole recipe samplerecipes/a_b.py, lines 8–11{WHOLE.text}")


def test_a_script_says_what_it_is_a_part_of_and_its_copy_does_not() -> None:
    block = page(Tabs(SCRIPT, whole_script="../scripts/a&b.sh")).one("div", "tr-script")
    (link,) = block.one("p").all("a")
    assert link.attributes["href"] == "../scripts/a&b.sh"
    assert "the functions that are called here" in block.one("p").text
    assert block.one("pre").text == SCRIPT
    assert "本页脚本" in page(Tabs(SCRIPT, whole_script="x"), Language.ZH).one("div", "tr-script").text


def test_lines_are_numbered_and_no_copy_holds_the_numbers() -> None:
    block = page(Tabs("", Written(WHOLE, (PART,))), section="s").one("div", "tr-python")
    assert [span.attributes["data-ln"] for span in block.all("span", "tr-ln")] == ["10\n11", " 8\n 9\n10\n11"]
    assert [code.text for code in block.all("pre") for code in code.all("code")] == [PART.text, WHOLE.text]


def test_a_whole_recipe_is_shown_at_once() -> None:
    block = page(Tabs("", Written(WHOLE))).one("div", "tr-python")
    assert not block.all("details")
    assert block.one("pre").text == WHOLE.text


def test_a_page_has_a_recipe_once_and_then_a_link_to_it() -> None:
    first = show(RECORD, beside=Tabs("", Written(WHOLE, (PART,))), section="s")
    taken = names(first)
    assert taken == {"tr-sample.s", "tr-sample.s:python", "py-sample"}
    again = page(Tabs("", Written(WHOLE, (PART,)), Anchors(taken)), section="s")
    block = again.one("div", "tr-python")
    assert block.one("a").attributes["href"] == "#py-sample"
    assert [pre.text for pre in block.all("pre")] == [PART.text]
    assert again.one("div", "tabbed-set").all("input")[0].attributes["id"] == "tr-sample.s-2"


def test_nothing_with_a_copy_button_stands_in_an_element_with_a_name() -> None:
    """Material would give all code boxes inside the same id, and every button would copy the first."""
    root = page(Tabs(SCRIPT, Written(WHOLE, (PART,))), section="s")
    named = [element for element in root.all() if "id" in element.attributes]
    assert named
    assert not [element for element in named if element.all("code") and element.all("pre")]


@pytest.mark.parametrize(("freshness", "said"), [(Freshness.RAN, False), (Freshness.CACHED, False), (Freshness.RECORDED, True)])
def test_an_older_record_does_not_pass_today_s_python_off_as_what_ran(freshness: Freshness, *, said: bool) -> None:
    block = page(Tabs("", Written(WHOLE)), freshness=freshness).one("div", "tr-python")
    assert ("as it is now" in block.text) is said


def test_the_row_of_tabs_has_no_button_that_joins_what_is_typed_at_several_prompts() -> None:
    root = page(Tabs(SCRIPT), section="s")
    assert not root.one("div", "tabbed-labels").all("button")
    assert not root.all("div", "tr-caption")
    assert page(Tabs(SCRIPT), section="s", title="T").one("div", "tr-caption").text == "T"


def test_what_stands_beside_a_session_is_not_searched() -> None:
    found = searched(show(RECORD, beside=Tabs("needle-1", Written(SourceExcerpt("p.py", 1, "needle_2", "f"))), section="s"))
    assert "needle" not in found
    assert "Script" not in found
    assert "b" in found


def test_chinese() -> None:
    (session, _), (script, _), (python, text) = tabs(page(Tabs(SCRIPT, Written(WHOLE, (PART,))), Language.ZH, section="s"))
    assert (session, script, python) == ("会话", "脚本", "Python")
    assert "recipes/a_b.py，第 10–11 行" in text


def test_a_recipe_whose_result_is_shown_has_its_python_too() -> None:
    html = python_of("sample", Tabs("", Written(WHOLE)), Freshness.RAN, Language.EN)
    root = parse(html)
    assert root.one("summary").text == "the whole recipe sample"
    assert root.one("pre").text == WHOLE.text
    again = parse(python_of("sample", Tabs("", Written(WHOLE), Anchors(names(html))), Freshness.RAN, Language.EN))
    assert again.one("a").attributes["href"] == "#py-sample"
    assert python_of("sample", Tabs(), Freshness.RAN, Language.EN) == ""


def test_names_where_nothing_is_known_of_the_page() -> None:
    one, other = (names(show(RECORD, beside=Tabs(SCRIPT, Written(WHOLE), Anchors(prefix=f"{n}.")))) for n in (1, 2))
    assert one
    assert not one & other
