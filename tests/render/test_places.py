"""Source locations on a page: links that leave the text unchanged, and excerpts of the source."""

from __future__ import annotations

from kvmdocs.core.model import Freshness, Output, Record, SourceLocation, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Anchors, Language, Tabs, linked, names, transcript
from kvmdocs.render.anchors import NONE_TAKEN
from tests.support.html_dom import Element, parse
from tests.support.render_samples import make_record, show

BACKTRACE = """\
#0  flush (vq=0x7f)
    at ../hw/virtio.c:14
#1  0x55 in push (vq=0x7f) at ../hw/virtio.c:20
#2  0x56 in poll () at ../sysdeps/poll.c:29
"""
EXCERPT = ("", "{", "    <b>split</b>(vq);", "}", "")
FLUSH = SourceLocation("../hw/virtio.c", 14, "qemu", "7.2", "hw/virtio.c", "flush", EXCERPT, 12)
PUSH = SourceLocation("../hw/virtio.c", 20, "qemu", "7.2", "hw/virtio.c", "push", EXCERPT, 18)


def sample(*places: SourceLocation, output: str = BACKTRACE, steps: int = 1) -> Record:
    return make_record(*[Step(Where.GDB, "bt", Output(output))] * steps, places=places)


def page(record: Record, language: Language = Language.EN, anchors: Anchors = NONE_TAKEN) -> Element:
    beside = Tabs(anchors=anchors)
    html = transcript(record, ShowOptions(), language, freshness=Freshness.RAN, sources=address, beside=beside)
    assert len(html.splitlines()) == 1
    return parse(html)


def address(place: SourceLocation) -> str | None:
    return f"https://x.org/v{place.version}/{place.path}?a&b#L{place.line}" if place.tree == "qemu" else None


def links(root: Element) -> list[tuple[str, str]]:
    return [(link.text, link.attributes["href"]) for link in root.all("a", "tr-at")]


def test_a_place_is_a_link_and_the_text_stays_as_it_was() -> None:
    root = page(sample(FLUSH, PUSH))
    assert links(root) == [
        ("../hw/virtio.c:14", "#qemu-7.2/hw/virtio.c:14"),
        ("../hw/virtio.c:20", "#qemu-7.2/hw/virtio.c:20"),
    ]
    lines = {pre.attributes["id"]: pre.one("mark").text for pre in root.one("div", "tr-peek").all("pre")}
    assert lines == {"qemu-7.2/hw/virtio.c:14": EXCERPT[2], "qemu-7.2/hw/virtio.c:20": EXCERPT[2]}
    assert root.one("pre", "tr-out").text == BACKTRACE.removesuffix("\n")
    assert [link.attributes["title"] for link in root.all("a", "tr-at")] == ["flush, qemu 7.2", "push, qemu 7.2"]


def test_a_record_without_places_is_shown_as_ever() -> None:
    root = page(sample())
    assert not root.all("a")
    assert not root.all("div", "tr-peek")


def test_colours_of_a_terminal_are_cut_not_lost() -> None:
    root = page(sample(FLUSH, output="at \x1b[31m../hw/vir\x1b[32mtio.c:14 x\x1b[m y\n"))
    link = root.one("a", "tr-at")
    assert link.text == "../hw/virtio.c:14"
    assert [(span.attributes["class"], span.text) for span in link.all("span")] == [
        ("tr-f1", "../hw/vir"),
        ("tr-f2", "tio.c:14"),
    ]
    assert root.one("pre", "tr-out").text == "at ../hw/virtio.c:14 x y"


def test_the_forms_of_break_and_info_line_are_links_too() -> None:
    root = page(
        sample(FLUSH, output='Breakpoint 1 at 0x5: file ../hw/virtio.c, line 14.\nLine 14 of "../hw/virtio.c" starts\n')
    )
    assert [text for text, _ in links(root)] == ["../hw/virtio.c, line 14", 'Line 14 of "../hw/virtio.c"']


def test_what_a_reader_should_know_of_a_place_is_said() -> None:
    odd = SourceLocation(
        "../hw/virtio.c", 14, "qemu", "7.2", "hw/virtio.c", "flush", EXCERPT, 12, astray="inlined", patched=True
    )
    title = page(sample(odd)).one("a", "tr-at").attributes["title"]
    assert title.startswith("flush, qemu 7.2. The compiler gives this line to inlined. The distribution's patches move")
    assert "inlined" in page(sample(odd), Language.ZH).one("a", "tr-at").attributes["title"]


def test_the_source_is_there_without_a_network_and_without_a_script() -> None:
    root = page(sample(FLUSH, PUSH))
    peek = root.one("div", "tr-peek")
    assert [summary.text.strip() for summary in peek.all("summary")] == [
        "source at these 2 places",
        "hw/virtio.c:14 flush",
        "hw/virtio.c:20 push",
    ]
    assert peek.all("pre")[0].text == "\n".join(EXCERPT)
    assert peek.all("span", "tr-ln")[0].attributes["data-ln"] == "12\n13\n14\n15\n16"
    assert peek.all("pre")[0].one("mark").text == EXCERPT[2]


def test_a_single_place_is_one_click_away_and_a_place_is_peeked_at_once() -> None:
    root = page(sample(FLUSH, output="f (x) at ../hw/virtio.c:14\n", steps=2))
    assert [summary.text for summary in root.one("div", "tr-peek").all("summary")] == ["hw/virtio.c:14 flush"]


def test_the_lines_lead_to_the_source_browser_and_that_a_tree_may_not_have() -> None:
    assert [link.attributes["href"] for link in page(sample(FLUSH)).one("div", "tr-peek").all("a")] == [
        "https://x.org/v7.2/hw/virtio.c?a&b#L14"
    ]
    root = page(sample(SourceLocation("../hw/virtio.c", 14, "linux", "6.1", "hw/virtio.c", "flush", EXCERPT, 12)))
    assert links(root) == [("../hw/virtio.c:14", "#linux-6.1/hw/virtio.c:14")]
    assert root.one("div", "tr-peek").one("pre")
    assert not root.one("div", "tr-peek").all("a")
    assert "http" not in show(sample(FLUSH)), "the default knows no addresses"


def test_a_page_has_the_lines_once_and_every_link_leads_there() -> None:
    first = show(sample(FLUSH))
    again = page(sample(FLUSH, PUSH), anchors=Anchors(names(first)))
    assert [name for _, name in links(again)] == ["#qemu-7.2/hw/virtio.c:14", "#qemu-7.2/hw/virtio.c:20"]
    assert [pre.attributes["id"] for pre in again.one("div", "tr-peek").all("pre")] == ["qemu-7.2/hw/virtio.c:20"]


def test_a_name_needs_no_quoting_in_an_address() -> None:
    place = SourceLocation("x", 1, "my tree", '7.2%20"#', "a b/ü?.c")
    assert Anchors(prefix="3.").place(place) == "3.my-tree-7.2-20-/a-b/ü-.c:1"


def test_a_table_names_places_too() -> None:
    table = '| `flush` | flush<br>hw/virtio.c:14 | `hw/virtio.c:14` | hw/virtio.c:15 | <b title="hw/virtio.c:14"> |'
    shown = linked(table, [FLUSH], address, Language.EN)
    link = '<a class="tr-at" href="&#35;qemu-7.2/hw/virtio.c:14" title="flush, qemu 7.2">hw/virtio.c:14</a>'
    table_shown, lines = shown.split("\n\n")
    assert table_shown == table.replace("<br>hw/virtio.c:14", f"<br>{link}")
    assert parse(lines).one("pre").one("mark").text == EXCERPT[2]
    assert linked(table, [FLUSH], address, Language.EN, Anchors(names(lines))) == table_shown
    assert linked(table, [], address, Language.EN) == table
