from __future__ import annotations

import pytest

from kvmdocs.core.errors import GuideError
from kvmdocs.core.model import Failure, Freshness, Output, Record, Status, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Language, skipped, stamp
from tests.support.html_dom import Element, parse
from tests.support.render_samples import HOSTILE, LAB, host, make_record, searched, show

MANY = "".join(f"line {number}\n" for number in range(1, 101))


def page(*steps: Step, **options: object) -> Element:
    return parse(show(make_record(*steps), **options))


def texts(elements: list[Element]) -> list[str]:
    return [element.text for element in elements]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", [Where.HOST, Where.GDB, Where.QMP, Where.HMP, Where.GUEST])
def test_hostile_output_is_text_on_one_line(name: str, where: Where) -> None:
    text = HOSTILE[name]
    step = Step(where, text.strip() or "x", Output(text), machine=text[:40])
    html = show(make_record(step), title=text, fold=1000)
    assert len(html.splitlines()) == 1
    root = parse(html)
    assert {element.tag for element in root.all()} <= {
        "div", "header", "footer", "section", "span", "pre", "code", "b", "i", "p", "details", "summary", "dl", "dt", "dd",
        "time", "br", "button", "svg", "circle", "path",
    }  # fmt: skip
    assert [svg.classes for svg in root.all("svg")] == [{"ks-mark", "ks-current"}], "the stamp's own, and none from elsewhere"
    for element in root.all():
        assert not {key for key in element.attributes if key.startswith("on")}
        assert not {"src", "href", "id", "style"} & set(element.attributes)


def test_output_reads_as_it_was() -> None:
    text = "<b>&amp;</b> ```\n\n  {: .x}\ttab\n"
    assert page(host("x", text)).one("pre", "tr-out").text == text.removesuffix("\n")


def test_an_empty_first_line_is_not_lost() -> None:
    assert page(host("x", "\n\nx\n")).one("pre", "tr-out").text == "\n\nx"


def test_no_output_no_box() -> None:
    assert not page(host("x")).all("pre", "tr-out")


@pytest.mark.parametrize(
    ("where", "prompt", "badge"),
    [
        (Where.HOST, "$ ", "host · user shell"),
        (Where.ROOT, "# ", "host · root shell"),
        (Where.GUEST, "guest# ", "guest"),
        (Where.GDB, "(gdb) ", "gdb"),
        (Where.HMP, "(qemu) ", "QEMU monitor"),
        (Where.QMP, "-> ", "QMP"),
    ],
)
def test_prompts_tell_where_one_is(where: Where, prompt: str, badge: str) -> None:
    root = page(Step(where, "x"))
    assert root.one("span", "tr-ps").attributes["data-ps"] == prompt
    assert root.one("span", "tr-badge").text == badge
    assert root.all("code")[0].text == "x", "the prompt is drawn, and so never copied"


def test_a_run_of_steps_has_one_badge_that_names_the_machine() -> None:
    root = page(host("a"), Step(Where.GUEST, "b", machine="inner"), Step(Where.GUEST, "c", machine="inner"), host("d"))
    assert texts(root.all("span", "tr-badge")) == ["host · user shell", "guest · inner", "host · user shell"]


def test_the_button_of_a_step_copies_what_is_typed() -> None:
    root = page(host("echo \"<$HOME>\" 'é' \\\n    && true"))
    box = root.one("div", "tr-cmd")
    assert box.attributes["data-copy"] == f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\necho \"<$HOME>\" 'é' \\\n    && true"
    assert box.one("code").text == box.attributes["data-copy"]


def test_a_button_copies_what_is_typed_at_one_prompt() -> None:
    root = page(host("a"), host("b"), Step(Where.GDB, "c"), Step(Where.GUEST, "d"), Step(Where.GUEST, "e"), host("f"))
    typed = f"mkdir -p {LAB}/sample && cd {LAB}/sample && {{\na\nb\n}}"
    assert [button.attributes["data-clipboard-text"] for button in root.all("button")] == [typed, "d\ne"]


def test_a_file_is_shown_as_a_file_and_copied_as_a_command() -> None:
    root = page(Step(Where.FILE, "init", stdin="#!/bin/sh\necho hi\n", cwd=f"{LAB}/sample"))
    box = root.one("div", "tr-text")
    assert box.one("code").text == "#!/bin/sh\necho hi"
    assert (
        box.attributes["data-copy"]
        == f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\ncat > init <<'EOF'\n#!/bin/sh\necho hi\nEOF"
    )
    assert "init" in root.one("p", "tr-name").text


def test_notes_are_on_the_lines_that_match_and_numbered_in_their_order() -> None:
    root = page(
        host("run --fast", "one\ntwo\ntwo\n"),
        host("stop"),
        notes={"^stop$": "Ends `it`.", "two": "The second.", "--fast": "Quick <b>."},
    )
    assert texts(root.all("sup", "tr-mark")) == ["1", "2", "3"]
    assert root.one("pre", "tr-out").text == "one\ntwo2\ntwo"
    assert texts(root.all("li")) == ["Quick <b>.", "The second.", "Ends it."]
    assert [item.attributes["value"] for item in root.all("li")] == ["1", "2", "3"]
    assert texts(root.all("ol")[1].all("code")) == ["it"]


def test_a_note_sees_through_colours_and_wrapped_lines() -> None:
    root = page(host("a --one \\\n    --two", "\x1b[31mre\x1b[0md\n"), notes={"one --two": "wrapped", "^red$": "coloured"})
    assert texts(root.all("li")) == ["wrapped", "coloured"]


def test_a_note_on_a_wrapped_command_is_on_the_line_that_matches() -> None:
    notes = {"--two": "its own line", "a --one": "only all of it says that"}
    html = show(make_record(host("a \\\n    --one \\\n    --two")), notes=notes)
    typed = html.partition("<pre>")[2].partition("</pre>")[0].split("&#10;")
    assert ['class="tr-mark"' in line for line in typed] == [False, True, False, True]
    assert texts(parse(html).all("li")) == ["only all of it says that", "its own line"]


def test_a_note_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(GuideError, match="no_such_line"):
        page(host("a", "b\n"), notes={"a": "there", "no_such_line": "text"})


@pytest.mark.parametrize("option", [{"notes": {"(": "x"}}, {"highlight": "("}])
def test_an_invalid_pattern_is_an_error(option: dict[str, object]) -> None:
    with pytest.raises(GuideError, match="not a regular expression"):
        page(host("a"), **option)


def test_an_unknown_section_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(GuideError) as caught:
        page(host("a", section="first"), section="second")
    assert "first" in caught.value.evidence.advice


def test_marked_lines() -> None:
    assert texts(page(host("a", "x1\ny\nx2\n"), highlight="^x").all("mark")) == ["x1", "x2"]


def test_long_output_is_folded_between_its_first_and_last_lines() -> None:
    root = page(host("a", MANY), fold=9)
    boxes = texts(root.all("pre", "tr-out"))
    assert boxes[0].split("\n") == [f"line {number}" for number in range(1, 7)]
    assert boxes[2].split("\n") == ["line 98", "line 99", "line 100"]
    assert root.all("summary")[0].text == "… 91 lines …"
    assert "\n".join(boxes) + "\n" == MANY


def test_paper_has_a_short_fold_and_the_length_of_a_long_one() -> None:
    def looks(lines: int) -> list[set[str]]:
        text = "".join(f"{number}\n" for number in range(lines))
        return [fold.classes for fold in page(host("a", text), fold=3).all("details") if fold.all("pre")]

    assert looks(43) == [{"tr-brief"}]
    assert looks(44) == [set()]


def test_a_noted_or_marked_line_stays_in_sight() -> None:
    root = page(host("a", MANY), fold=9, notes={"line 50$": "here"}, highlight="line 70$")
    hidden = "\n".join(element.text for element in root.all("details") if element.all("pre", "tr-out"))
    assert "line 49\n" in hidden
    assert "line 50" not in hidden
    assert "line 70" not in hidden


def test_a_pattern_that_marks_everything_does_not_unfold_everything() -> None:
    root = page(host("a", MANY), fold=9, highlight="line")
    assert len(root.all("mark")) == 100
    assert root.all("details")[0].all("mark")


def test_what_is_only_in_the_log_is_a_download() -> None:
    output = Output("a\nb\n", "y\nz\n", 1234, 5 << 20, "001.log", 3 << 20)
    root = page(Step(Where.HOST, "x", output), logs=lambda name: f"logs/{name}?a&b")
    links = root.all("a")
    assert {link.attributes["href"] for link in links} == {"logs/001.log?a&b"}
    assert links[0].text == "… 1,234 lines (5 MiB) are only in the log …"
    assert "3 MiB were not kept" in root.one("p", "tr-log").text
    assert texts(root.all("pre", "tr-out")) == ["a\nb", "y\nz"]


def test_without_a_link_the_hole_is_still_named() -> None:
    root = page(Step(Where.HOST, "x", Output("a\n", "z\n", 10, 100, "001.log")))
    assert not root.all("a")
    assert root.one("p", "tr-hole").text == "… 10 lines (100 B) are not kept here; kvmdocs run sample gives them …"


def test_what_is_typed_can_be_searched_and_long_output_cannot() -> None:
    html = show(
        make_record(
            host("needle --in", MANY), host("second", "short answer\n"), Step(Where.GDB, "third", Output(MANY)), seconds=3
        ),
        notes={"needle": "noted"},
    )
    found = searched(html)
    for text in ("needle --in", "second", "short answer", "third", "noted", "after"):
        assert text in found
    for text in ("line 1", "line 50", "bench", "user shell", "lines …", "3f3f"):
        assert text not in found


def test_facts_of_a_step() -> None:
    root = page(host("a", seconds=151.0), host("b", status=2), host("c", status=-9), host("d", background=True, status=-15))
    assert texts(root.all("span", "tr-fact")) == [
        "took 2 min 31 s",
        "exit status 2",
        "killed by SIGKILL",
        "goes on in the background",
    ]


@pytest.mark.parametrize(
    ("freshness", "state"), [(Freshness.RAN, "ran for this build"), (Freshness.CACHED, "cached"), (Freshness.NONE, "skipped")]
)
def test_the_stamp_says_where_when_and_how(freshness: Freshness, state: str) -> None:
    record = make_record(
        host("a"), tools={"gcc": "gcc 12.2.0\nCopyright"}, settings={"qemu.version": "7.2"}, seconds=12.0, emulated=True
    )
    root = parse(stamp(record, Language.EN, freshness=freshness))
    summary = root.one("summary").text
    assert root.one("b", "tr-state").text == state
    sign = {Freshness.NONE: "ks-skipped"}.get(freshness, "ks-current")
    assert [svg.classes for svg in root.all("svg")] == [{"ks-mark", sign}], "the sign that the status page has for it"
    assert sign in root.one("b", "tr-state").classes
    assert "bench" in summary
    assert "23 November 2026, 05:40 UTC" in summary
    assert "times say nothing about speed" in summary
    facts = {row.one("dt").text: row.one("dd").text for row in root.one("dl").all("div")}
    assert facts["Tools"] == "gcc gcc 12.2.0"
    assert facts["Settings"] == "qemu.version = 7.2"
    assert facts["Key"] == "3f3f3f3f3f3f"
    assert facts["Machine"] == "x86_64, 2 processors, 8 GiB memory"
    assert facts["Run it"] == "kvmdocs run sample"


def test_a_skipped_recipe_says_why_and_what_would_make_it_run() -> None:
    record = make_record(status=Status.SKIPPED, reason="no way to `gitlab.com`")
    root = parse(skipped(record, ShowOptions(), Language.EN, freshness=Freshness.NONE, advice="set `qemu.git`"))
    box = root.one("div", "tr-skipped")
    assert "no way to gitlab.com" in box.text
    assert "To run it: set qemu.git" in box.text
    assert "sample" in box.text
    assert root.one("b", "tr-state").text == "skipped"


@pytest.mark.parametrize(
    ("freshness", "state", "title"),
    [(Freshness.NONE, "skipped", "Not run on this host"), (Freshness.MISSING, "no record", "No record")],
)
def test_what_never_ran_has_no_place_and_no_time(freshness: Freshness, state: str, title: str) -> None:
    root = parse(skipped(make_record(status=Status.SKIPPED, reason="r"), ShowOptions(), Language.EN, freshness=freshness))
    assert root.one("p", "tr-head").text.startswith(title)
    assert root.one("summary").text == state
    assert [name.text for name in root.all("dt")] == ["Recipe", "Key", "Run it"]
    assert "Run at" not in root.text
    # A recipe that gave up on the way has been somewhere.
    began = make_record(host("a"), status=Status.SKIPPED, reason="r")
    assert "bench" in parse(skipped(began, ShowOptions(), Language.EN, freshness=Freshness.NONE)).one("summary").text


def failing() -> Record:
    failure = Failure("CommandFailed", "`make` ended with exit status 2", "recipes/qemu.py", 42, 2, "read the log")
    return make_record(host("a", section="one"), host("make", "error: x\n", status=2), status=Status.FAILED, failure=failure)


def test_a_failure_is_shown_as_one_with_every_step_up_to_it() -> None:
    root = parse(show(failing(), section="one", notes={"nothing": "x"}))
    box = root.one("div", "tr-failed").text
    for text in ("make ended with exit status 2", "recipes/qemu.py:42", "read the log"):
        assert text in box
    assert [box.one("code").text.split("\n")[-1] for box in root.all("div", "tr-cmd")] == ["a", "make"]
    assert root.one("pre", "tr-out").text == "error: x"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("record", [make_record(host("a")), failing(), make_record(status=Status.SKIPPED, reason="r")])
def test_the_frame_says_what_it_is(language: Language, record: Record) -> None:
    frame = parse(show(record, language, title="`T`")).one("div", "tr")
    assert frame.attributes["data-recipe"] == "sample"
    assert frame.attributes["data-status"] == record.status.value
    assert "T" in frame.attributes["aria-label"]
    assert frame.one("span", "tr-title").text == "T"


def test_chinese() -> None:
    root = parse(show(make_record(Step(Where.ROOT, "x", Output(MANY)), seconds=61.0), Language.ZH))
    assert root.one("span", "tr-badge").text == "宿主机 · root 终端"
    assert root.all("summary")[0].text == "… 76 行 …"
    assert "1 分 1 秒" in root.one("footer").text


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200f", "\u2028", "\ufeff", "\x1b"])
@pytest.mark.parametrize("where", [Where.HOST, Where.GUEST, Where.GDB, Where.QMP])
def test_what_is_not_seen_is_copied_as_it_is_shown(character: str, where: Where) -> None:
    """An approved record may contain characters that the shell of a recipe rejects."""
    root = page(Step(where, f"echo a{character}b", cwd=None), Step(where, "echo c", cwd=None))
    box = root.all("div", "tr-cmd")[0]
    assert box.attributes["data-copy"] == box.one("code").text
    assert character not in box.attributes["data-copy"]
    assert character not in root.one("button").attributes["data-clipboard-text"]
