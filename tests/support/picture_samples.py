"""Sample figures for a browser, and a script that finds misplaced texts in figures."""

from __future__ import annotations

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
from kvmdocs.render import Language

TEXTS = """
const shown = [...document.querySelectorAll('figure.pic svg')].filter((svg) => svg.getBoundingClientRect().width);
const faults = [];
for (const svg of shown) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map((text) => ({said: text.textContent, at: text.getBoundingClientRect()}));
  for (const {said, at} of texts)
    if (at.left < frame.left - 1 || at.right > frame.right + 1 || at.top < frame.top - 6 || at.bottom > frame.bottom + 6)
      faults.push(`outside: ${said}`);
  texts.forEach(({said, at}, index) => {
    for (const other of texts.slice(index + 1))
      if (Math.min(at.right, other.at.right) - Math.max(at.left, other.at.left) > 1 &&
          Math.min(at.bottom, other.at.bottom) - Math.max(at.top, other.at.top) > 4)
        faults.push(`over another: ${said} / ${other.said}`);
  });
}
return [shown.length, faults];
"""
"""JavaScript that returns the number of visible drawings, and the texts that leave their drawing or overlap another text.

Small overlaps are allowed, since the box of a text extends above and below its letters.
"""


def pictures(language: Language) -> list[str]:
    """Return one figure of each kind, with texts about as long as those in guides."""
    long = {Language.EN: "a coroutine has reached the image file", Language.ZH: "协程已经走到了镜像文件，主循环继续"}[language]
    code = "virtio_blk_handle_request"
    figure = Figure(long, long, language)
    words = table(("what",), [(Cell(long),)])
    actors = [Actor(key, f"{long[:9]} {key}") for key in "abcd"]
    around = [("a", "a"), ("a", "b"), ("b", "c"), ("c", "c"), ("c", "d"), ("d", "d"), ("d", "c"), ("c", "a"), ("a", "d")]
    hops = [Message(one, other, long, code, "https://example.org/") for one, other in around]
    items = [
        Message("a", "c", long),
        MessageGroup(long, (Message("c", "d", long), Note(("c",), long), Message("d", "a", long, answer=True))),
    ]
    rows = [Bar(code, (number, 5), f"{number:,} of {number}", long) for number in (90_000, 40, 3)]
    spans = [Span(long, 0, 1.2, "1,200 ms"), Span(long, 1.2, 1.21, "9.9 ms"), Span(long, 1.21, 4, "2,790 ms")]
    found = [Part(code, long, "TID 123456 · 96.4 %", 0.96, long, look) for look in (1, 2)] + [
        Part(code, long, "TID 7 · 0 %", 0, "")
    ]
    nodes = (Node("q", (Line(long),)), *(Node(key, (Line(long), Line(code, "code"), Line(long, "soft")), "q") for key in "xyz"))
    edges = (Edge("x", "y", long), Edge("x", "z", code), Edge("z", "x", long))
    return [
        sequence(figure, actors, hops, words, numbered=True, held=True),
        sequence(figure, actors, items, words),
        bars(figure, rows, (long, long), words),
        timeline(figure, spans, "s", words),
        parts(figure, long, found, words),
        flow(figure, Flow(nodes, edges, across=True)),
    ]
