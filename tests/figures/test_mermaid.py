"""Diagrams in Mermaid's language: parsing, errors, and figures in a page."""

from __future__ import annotations

import pickle

import pytest
from markdown import markdown
from pymdownx.superfences import SuperFencesException

from kvmdocs.core.errors import GuideError
from kvmdocs.figures import Edge, Flow, Line, Message, Note
from kvmdocs.figures.fence import draw, formatter
from kvmdocs.figures.mermaid import SequenceDiagram, read
from kvmdocs.render import Language

FLOW = """\
flowchart LR
  %% a remark
  accTitle: How it goes
  G["gdb<br>vmlinux, kvm.ko"] <-->|"unix socket"| Q
  subgraph Q["QEMU"]
    direction TB
    L["L1"] --> T{"which?"}
  end
  T -- yes --> D[("disk")] & E
  T -.-> G
  E --- D
  click L "kvm/load.md#top"
"""

SEQUENCE = """\
sequenceDiagram
  participant M as QEMU, main thread
  M->>K: make a VM
  loop as long as it runs
    K-->>M: comes back
    Note over M,K: does it,<br>and again
  end
"""


def test_a_flow_chart() -> None:
    diagram = read(FLOW)
    assert diagram.title == "How it goes"
    drawn = diagram.drawn
    assert isinstance(drawn, Flow)
    assert drawn.across
    nodes = {node.key: node for node in drawn.nodes}
    assert list(nodes) == ["G", "Q", "L", "T", "D", "E"]
    assert nodes["G"].lines == (Line("gdb"), Line("vmlinux, kvm.ko", "soft"))
    assert [nodes[key].inside for key in "GQLTDE"] == ["", "", "Q", "Q", "", ""]
    assert [nodes[key].shape for key in "LTDE"] == ["box", "question", "store", "box"]
    assert nodes["L"].href == "kvm/load.html#top"
    assert drawn.edges == (
        Edge("G", "Q", "unix socket", "both"),
        Edge("L", "T"),
        Edge("T", "D", "yes"),
        Edge("T", "E", "yes"),
        Edge("T", "G", dashed=True),
        Edge("E", "D", heads="none"),
    )


def test_a_box_that_is_named_before_its_subgraph_begins_is_drawn_as_one() -> None:
    drawn = read("flowchart TB\n  A --> Q\n  subgraph Q[Queue]\n    B\n  end\n").drawn
    assert isinstance(drawn, Flow)
    assert {node.key: " ".join(line.text for line in node.lines) for node in drawn.nodes} == {"A": "A", "Q": "Queue", "B": "B"}
    assert draw("flowchart TB\n  A --> Q\n  subgraph Q[Queue]\n    B\n  end\n", Language.EN).count("pic-within") == 1


def test_a_sequence_diagram() -> None:
    drawn = read(SEQUENCE).drawn
    assert isinstance(drawn, SequenceDiagram)
    assert [(actor.key, actor.name) for actor in drawn.actors] == [("M", "QEMU, main thread"), ("K", "K")]
    first, block = drawn.items
    assert first == Message("M", "K", "make a VM")
    assert block.text == "as long as it runs"  # type: ignore[union-attr]
    assert block.items == (Message("K", "M", "comes back", answer=True), Note(("M", "K"), "does it,\nand again"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "line 1 of a diagram is ''; supported are flowchart TB, flowchart LR and sequenceDiagram"),
        ("pie\n  a: 1\n", "line 1 of a diagram is 'pie'"),
        ("flowchart TB\n  A --> B\n  A ==> B\n", "line 3 of a diagram cannot be read: 'A ==> B'"),
        ("flowchart TB\n  A -->\n", "line 2 of a diagram cannot be read: 'A -->'"),
        ("flowchart TB\n  subgraph Q\n  A\n", "the subgraph 'Q' of a diagram is not closed with `end`"),
        ('flowchart TB\n  A\n  click B "x.md"\n', "line 3 of a diagram cannot be read"),
        ("sequenceDiagram\n  A->>B\n", "line 2 of a diagram cannot be read: 'A->>B'"),
        ("sequenceDiagram\n  A->>B: x\n  Note over C: y\n", "a note over 'C', which is not a participant"),
        ("sequenceDiagram\n  loop x\n  A->>B: x\n", "the loop 'x' of a diagram is not closed with `end`"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(source: str, said: str) -> None:
    with pytest.raises(GuideError) as refused:
        read(source)
    assert said in refused.value.message


def page(source: str, language: str) -> str:
    fences = [{"name": "mermaid", "class": "mermaid", "format": formatter(language)}]
    text = f"# A page\n\n```mermaid\n{source}```\n\nAfter it.\n"
    return markdown(
        text, extensions=["pymdownx.superfences"], extension_configs={"pymdownx.superfences": {"custom_fences": fences}}
    )


def test_what_draws_fences_can_be_pickled() -> None:
    """Zensical pickles the configuration."""
    drawn = pickle.loads(pickle.dumps(formatter("zh")))
    assert "图中内容的文字版" in drawn(FLOW)


def test_a_fence_is_a_picture_in_the_page() -> None:
    html = page(FLOW, "zh")
    assert html.count("<svg") == 2
    assert ">How it goes</title>" in html
    assert "图中内容的文字版" in html
    assert 'href="kvm/load.html#top"' in html
    assert "<p>After it.</p>" in html
    words = page(SEQUENCE, "en")
    assert "<td>K</td><td>QEMU, main thread</td><td>comes back</td>" in words
    assert "<td>QEMU, main thread; K</td>" in words


def test_a_fence_that_cannot_be_read_ends_the_build() -> None:
    with pytest.raises(SuperFencesException, match="line 2 of a diagram cannot be read"):
        page("flowchart TB\n  A ==> B\n", "en")
