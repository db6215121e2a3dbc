"""Figures as SVG: drawings, measuring and wrapping of text, and text alternatives."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown import markdown

from kvmdocs.figures import (
    Actor,
    Bar,
    Cell,
    Edge,
    Figure,
    Flow,
    Line,
    Message,
    MessageGroup,
    Node,
    Note,
    Part,
    Span,
    bars,
    flow,
    parts,
    sequence,
    table,
    timeline,
)
from kvmdocs.figures.canvas import Canvas
from kvmdocs.figures.figure import NARROW, WIDE
from kvmdocs.figures.measure import width, wrap
from kvmdocs.figures.timeline import ticks
from kvmdocs.render import Language
from tests.support.render_samples import HOSTILE

ACTORS = [Actor("a", "one"), Actor("b", "two"), Actor("c", "three")]
WORDS = table(("what",), [(Cell("words"),)])


def figure(**more: str) -> Figure:
    return Figure("Title", "What it shows.", **more)


def drawings(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html)]


def texts(svg: ET.Element, look: str = "") -> list[str]:
    return [text.text or "" for text in svg.iter("text") if look in text.get("class", "")]


def boxes(svg: ET.Element, look: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of each rectangle of a look."""
    found = []
    for rect in svg.iter("rect"):
        if look in rect.get("class", "").split():
            x, y, wide, tall = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + wide, y + tall))
    return found


# -- text -------------------------------------------------------------------------------------------------------


def test_text_is_wrapped_where_its_language_allows() -> None:
    assert wrap("the block layer gets it", 100, 13) == ["the block", "layer gets it"]
    assert wrap("中断向量写进去了。", 13 * 4, 13) == ["中断向", "量写进", "去了。"], "no line begins with a full stop"
    assert wrap("中断向量写进去", 13 * 6, 13) == ["中断向量", "写进去"], "no character is alone"
    assert wrap("写（到）盘", 13 * 3, 13) == ["写", "（到）", "盘"]
    assert wrap("one\ntwo", 500, 13) == ["one", "two"]
    assert wrap("kvm_arch_vcpu_ioctl_run", 100, 13, code=True) == ["kvm_arch_", "vcpu_ioctl_", "run"]
    assert wrap("", 100, 13) == [""]


@given(st.text(max_size=80), st.floats(20, 400), st.booleans())
def test_no_line_is_too_wide_and_no_letter_is_lost(text: str, room: float, code: bool) -> None:
    lines = wrap(text, room, 13, code=code)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(width(line, 13, code=code) <= room or len(line.strip()) <= 2 for line in lines)


# -- the figure -------------------------------------------------------------------------------------------------


def every_picture(text: str, href: str = "") -> dict[str, str]:
    """Return one figure of each kind, with `text` as all of its texts."""
    named = Figure(text, text, caption=text)
    words = table((text,), [(Cell(text),)])
    message = Message("a", "b", text, text, href, text)
    nodes = (
        Node("x", (Line(text),)),
        Node("y", (Line(text, "soft"),), "x", href=href),
        Node("z", (Line(text),), shape="store"),
    )
    return {
        "bars": bars(named, [Bar(text, (1, 2), text, text)], (text, text), words),
        "timeline": timeline(named, [Span(text, 0, 1, text)], "s", words),
        "parts": parts(named, text, [Part(text, text, text, 0.5, text)], words),
        "sequence": sequence(
            named, [Actor("a", text), Actor("b", text)], [message, Note(("a",), text), MessageGroup(text, (message,))], words
        ),
        "flow": flow(named, Flow(nodes, (Edge("y", "z", text),))),
    }


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_stays_text(text: str) -> None:
    shown = text[:300]
    for kind, html in every_picture(shown, 'https://example.org/?a="b"&c').items():
        assert "\n" not in html, kind
        assert not re.findall(r"<script|<img|<iframe|<!--|</body", html), kind
        assert len(drawings(html)) >= 1, kind
        once_more = markdown(
            html, extensions=["abbr", "attr_list", "footnotes", "md_in_html", "tables", "pymdownx.superfences"]
        )
        assert once_more.strip() == html, f"{kind}: Markdown made something else of it"


def test_a_picture_has_a_name_a_description_and_words() -> None:
    html = bars(figure(caption="see `x`"), [Bar("a", (1,), "1")], (), WORDS)
    for svg in drawings(html):
        ids = [svg.get("aria-labelledby"), svg.get("aria-describedby")]
        said = {one.get("id"): one.text for one in svg if one.tag in {"title", "desc"}}
        assert svg.get("role") == "img"
        assert [said[name] for name in ids if name] == ["Title", "What it shows."]
    assert len(set(re.findall(r'id="([^"]+)"', html))) == 4, "both drawings have identifiers of their own"
    assert "<figcaption>see <code>x</code></figcaption>" in html
    assert re.search(r"<details class=\"pic-text\"><summary>The picture in words</summary><div.*<td>words</td>", html)
    assert "图中内容的文字版" in bars(figure(language=Language.ZH), [Bar("a", (1,), "1")], (), WORDS)


def test_a_picture_with_links_is_no_image_for_a_screen_reader() -> None:
    """An element with the role of an image hides its links from screen readers."""
    html = sequence(figure(), ACTORS, [Message("a", "b", "x", "f", "https://example.org/")], WORDS)
    assert {svg.get("role") for svg in drawings(html)} == {"group"}
    assert html.count('<a class="pic-a" xlink:href="https://example.org/">') == 2


def test_only_what_may_have_to_be_scrolled_is_reached_by_the_keyboard() -> None:
    wide = Flow(
        tuple(Node(str(n), (Line("a long word " * 2),)) for n in range(9)),
        tuple(Edge("0", str(n), "because") for n in range(1, 9)),
    )
    assert 'pic-narrow" data-search-exclude tabindex="0"' in flow(figure(), wide)
    narrow = Flow((Node("a", (Line("A"),)),), ())
    assert flow(figure(), narrow).count("<svg") == 1
    assert "pic-only" in flow(figure(), narrow)
    assert 'data-search-exclude tabindex="0"' not in flow(figure(), narrow)


# -- rows for a narrow page -------------------------------------------------------------------------------------


def fan(*more: Edge) -> Flow:
    """Return a node with many successors, for which no layered layout fits on a narrow page."""
    nodes = (Node("top", (Line("the top"),)), *(Node(str(n), (Line(f"box {n}"),), href=f"#{n}") for n in range(9)))
    return Flow(nodes, (*(Edge("top", str(n)) for n in range(9)), *more))


def test_what_fits_no_narrow_page_side_by_side_stands_in_rows() -> None:
    wide, narrow = drawings(flow(figure(), fan(Edge("0", "8"))))
    assert float(narrow.get("width", 0)) == NARROW
    assert "data-search-exclude tabindex" not in flow(figure(), fan())
    assert sorted(texts(wide)) == sorted(text for text in texts(narrow) if not text.startswith("→"))
    tops = [box[1] for box in boxes(narrow, "pic-node")]
    assert tops == sorted(tops)
    for left, top, right, bottom in boxes(narrow, "pic-node"):
        assert 0 <= left < right <= NARROW
        assert 0 <= top < bottom <= float(narrow.get("height", 0))


def test_a_box_that_several_lead_to_stands_once_and_is_named_at_the_others() -> None:
    """It is drawn at the end of the longest path."""
    _, narrow = drawings(flow(figure(), fan(Edge("0", "8"))))
    said = texts(narrow)
    assert said.count("box 8") == 1
    assert said[said.index("box 0") + 1] == "box 8"
    assert said[said.index("the top") + 1] == "→ box 8"
    links = [link.get("{http://www.w3.org/1999/xlink}href") for link in narrow.iter("a")]
    assert links.count("#8") == 2, "both lead there"


def test_a_circle_has_no_rows() -> None:
    _, narrow = drawings(flow(figure(), fan(Edge("8", "0"), Edge("0", "8"))))
    assert float(narrow.get("width", 0)) > NARROW


# -- bars, time lines, parts ------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_figures_say() -> None:
    html = bars(
        figure(), [Bar("much", (300, 100), "400"), Bar("some", (100, 0), "100"), Bar("none", (0,), "0")], ("in", "out"), WORDS
    )
    for svg in drawings(html):
        (first, second, third), (over,) = boxes(svg, "pic-p1"), [box for box in boxes(svg, "pic-p2") if box[2] - box[0] > 12]
        lengths = [second[2] - second[0], over[2] - over[0], third[2] - third[0]]
        assert (first[2] - first[0], first[3] - first[1]) == (12, 10), "the legend"
        assert lengths == pytest.approx([3 * lengths[1], lengths[1], lengths[1]], abs=0.11)
        assert over[0] == pytest.approx(second[2], abs=0.11), "one part after the other"
        assert {"in", "out", "much", "400", "none"} <= set(texts(svg))
    wide, narrow = drawings(html)
    assert (float(wide.get("width", 0)), float(narrow.get("width", 0))) == (WIDE, NARROW)


def test_what_happened_seldom_is_seen() -> None:
    (svg, _) = drawings(bars(figure(), [Bar("much", (100_000,), ""), Bar("one", (1,), "")], (), WORDS))
    assert min(right - left for left, _, right, _ in boxes(svg, "pic-bar")) >= 1.5


def test_stretches_stand_where_the_axis_says() -> None:
    for svg in drawings(timeline(figure(), [Span("a", 0, 1, "1 s"), Span("b", 1, 4, "3 s")], "s", WORDS)):
        first, second = boxes(svg, "pic-bar")
        assert second[0] == pytest.approx(first[2], abs=0.11)
        assert second[2] - second[0] == pytest.approx(3 * (first[2] - first[0]), abs=0.3)
        assert {"0 s", "1", "2", "3", "4"} <= set(texts(svg)) or {"0 s", "1", "2", "3"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("end", "wanted"),
    [(1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (7, [0, 2, 4, 6]), (0.3, [0, 0.1, 0.2, 0.3]), (50, [0, 10, 20, 30, 40, 50])],
)
def test_an_axis_has_round_places(end: float, wanted: list[float]) -> None:
    assert ticks(end, 5) == pytest.approx(wanted)


def test_parts_of_one_partner_have_one_box() -> None:
    rows = [
        Part("main", "loop", "1", 0.5),
        Part("CPU 0", "", "2", 1.5, "guest"),
        Part("CPU 1", "", "3", 0, "guest"),
        Part("w", "", "4", 0, "disk"),
    ]
    wide, narrow = drawings(parts(figure(), "process 7", rows, WORDS))
    assert texts(wide).count("guest") == 1
    assert sum("→ guest" in text for text in texts(narrow)) == 2
    for svg in (wide, narrow):
        assert "process 7" in texts(svg)
        full = boxes(svg, "pic-bar")
        assert len(full) == 2, "what did nothing has an empty bar"
        assert full[1][2] - full[1][0] == pytest.approx(2 * (full[0][2] - full[0][0])), "and no bar is more than full"


# -- sequences --------------------------------------------------------------------------------------------------


def test_a_thing_that_goes_from_hand_to_hand() -> None:
    hops = [
        Message("a", "a", "t1", "f1"),
        Message("a", "b", "t2", "f2"),
        Message("b", "c", "t3", "f3"),
        Message("c", "a", "t4", "f4"),
    ]
    for svg in drawings(sequence(figure(), ACTORS, hops, WORDS, numbered=True, held=True)):
        assert texts(svg, "pic-on") == ["1", "2", "3", "4"]
        assert texts(svg, "pic-code") == ["f1", "f2", "f3", "f4"]
        marks = [mark for mark in svg.iter("circle") if float(mark.get("r", 0)) > 5]
        xs = [float(mark.get("cx", 0)) for mark in marks]
        assert xs[0] == xs[3] < xs[1] < xs[2], "each number is on the line of who has it"
        assert [float(m.get("cy", 0)) for m in marks] == sorted(float(m.get("cy", 0)) for m in marks)
        assert [re.search(r"pic-\d", mark.get("class", ""))[0] for mark in marks] == ["pic-1", "pic-2", "pic-3", "pic-1"]  # type: ignore[index]
        held = sorted(boxes(svg, "pic-held"), key=lambda box: box[1])
        assert [(box[0] + box[2]) / 2 for box in held] == pytest.approx(xs, abs=0.2)
        assert [box[3] for box in held[:-1]] == pytest.approx([box[1] for box in held[1:]], abs=0.2), "it is always somebody's"
        assert len([path for path in svg.iter("path") if path.get("class") == "pic-head"]) == 3


def test_a_life_line_is_interrupted_where_a_text_lies_over_it() -> None:
    long, short = "a_name_wider_than_one_column", "f"
    hops = [Message("a", "a", "", short), Message("a", "a", "", long), Message("a", "c", "x", "g")]
    wide, _ = drawings(sequence(figure(), [*ACTORS, Actor("d", "D")], hops, WORDS, numbered=True, held=True))
    lives = [path for path in wide.iter("path") if "pic-life" in path.get("class", "")]
    pieces = {
        float(found[1]): [(float(y), float(end)) for y, end in re.findall(r"M\S+ (\S+?)V([\d.]+)", life.get("d", ""))]
        for life in lives
        if (found := re.match(r"M(\S+) ", life.get("d", "")))
    }
    names = {text.text: float(text.get("y", 0)) for text in wide.iter("text") if "pic-code" in text.get("class", "")}
    first, second, third, _ = sorted(pieces)
    assert len(pieces[first]) == 1, "its own texts stand beside it"
    base = names[long] - 4
    assert not any(begin < base < end for begin, end in pieces[second])
    assert any(begin < names[short] < end for begin, end in pieces[second]), "and where there is none it goes on"
    assert len(pieces[third]) == 1


def test_notes_and_blocks() -> None:
    items = [
        Message("a", "b", "ask"),
        MessageGroup(
            "as long as it runs",
            (Message("b", "c", "do"), Note(("b", "c"), "a remark"), Message("c", "b", "done", answer=True)),
        ),
    ]
    for svg in drawings(sequence(figure(), ACTORS, items, WORDS)):
        (block,), (note,) = boxes(svg, "pic-block"), boxes(svg, "pic-note")
        assert block[0] <= note[0] < note[2] <= block[2]
        assert block[1] < note[1] < note[3] < block[3]
        assert [path.get("class") for path in svg.iter("path") if "pic-dash" in path.get("class", "")] == ["pic-line pic-dash"]
        joined = " ".join(texts(svg))
        assert all(word in joined for word in ("ask", "as long as it runs", "a remark", "done", "three"))


# -- boxes and arrows -------------------------------------------------------------------------------------------


def crosses(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] - 0.2 and other[0] < one[2] - 0.2 and one[1] < other[3] - 0.2 and other[1] < one[3] - 0.2


GRAPH = Flow(
    (
        Node("Q", (Line("QEMU"),)),
        Node("a", (Line("main"), Line("loop", "soft")), "Q"),
        Node("b", (Line("worker"),), "Q"),
        Node("g", (Line("guest"),)),
        Node("d", (Line("disk"),), shape="store"),
    ),
    (Edge("a", "b", "hands over"), Edge("g", "Q", heads="both"), Edge("b", "d"), Edge("d", "a", "not yet", dashed=True)),
)


@pytest.mark.parametrize("across", [True, False])
def test_no_box_lies_on_another_but_in_what_it_is_inside(across: bool) -> None:
    drawn = Flow(GRAPH.nodes, GRAPH.edges, across)
    for svg in drawings(flow(figure(), drawn)):
        (within,), nodes = boxes(svg, "pic-within"), boxes(svg, "pic-node")
        assert len(nodes) == 3, "the store is a path"
        assert not any(crosses(one, other) for one in nodes for other in nodes if one is not other)
        inside = [
            one for one in nodes if within[0] < one[0] and one[2] < within[2] and within[1] < one[1] and one[3] < within[3]
        ]
        assert len(inside) == 2
        labels = [text for text in svg.iter("text") if "pic-halo" in text.get("class", "")]
        at = [(float(text.get("x", 0)), float(text.get("y", 0)) - 4) for text in labels]
        assert [text.text for text in labels] == ["hands over", "not yet"]
        assert not any(crosses((x - 20, y - 4, x + 20, y + 4), node) for x, y in at for node in nodes), (
            "a line's text is on no box"
        )
        assert len([path for path in svg.iter("path") if path.get("class") == "pic-head"]) == 5
        assert len([path for path in svg.iter("path") if "dash" in path.get("class", "")]) == 1


def test_a_line_to_what_holds_boxes_ends_at_its_side() -> None:
    drawn = Flow(GRAPH.nodes[:4], (Edge("a", "b"), Edge("g", "Q", heads="none")))
    for svg in drawings(flow(figure(), drawn)):
        (within,) = boxes(svg, "pic-within")
        ends = [path.get("d", "") for path in svg.iter("path") if path.get("class") == "pic-line"]
        points = [tuple(map(float, re.findall(r"-?[\d.]+", d)[-2:])) for d in ends]
        sides = [abs(y - within[1]) < 0.3 or abs(y - within[3]) < 0.3 for _, y in points]
        assert sides.count(True) == 1


@pytest.mark.parametrize("across", [False, True])
def test_the_text_of_a_line_that_leads_back_lies_in_the_picture(across: bool) -> None:
    again = "not yet as it is wanted, so once more from there"
    drawn = Flow((Node("a", (Line("one"),)), Node("b", (Line("two"),))), (Edge("a", "b"), Edge("b", "a", again)), across)
    svgs = drawings(flow(figure(), drawn))
    assert svgs
    for svg in svgs:
        left, top, wide, tall = (float(number) for number in svg.get("viewBox", "").split())
        label = [text for text in svg.iter("text") if "pic-soft" in text.get("class", "")]
        assert " ".join(text.text or "" for text in label) == again
        for text in label:
            half = width(text.text or "", 11.5) / 2
            assert left <= float(text.get("x", 0)) - half
            assert float(text.get("x", 0)) + half <= left + wide
            assert top <= float(text.get("y", 0)) <= top + tall


def test_the_words_of_boxes_and_arrows_are_their_lines() -> None:
    html = flow(figure(), GRAPH)
    assert "<td>main loop</td><td>lies in</td><td>QEMU</td>" in html
    assert "<td>main loop</td><td>hands over</td><td>worker</td>" in html
    assert "<td>guest</td><td>↔</td><td>QEMU</td>" in html


def test_a_drawing_is_the_same_each_time() -> None:
    assert flow(figure(), GRAPH) == flow(figure(), GRAPH)


def test_numbers_have_one_decimal_and_characters_xml_cannot_hold_are_replaced() -> None:
    canvas = Canvas(10, 10)
    canvas.box((1.26, 0.04), (3, 1 / 3), "x")
    canvas.text((0, 0), "a\x00b\x0c")
    html = canvas.html("n", "d", links=False, ident="i")
    assert 'x="1.3" y="0" width="3" height="0.3"' in html
    assert "a\ufffdb\ufffd" in html
