"""The graph of recipes for a page: a drawing, SVG that takes its colours from the page's theme, and a tree of names where the page is too narrow for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kvmdocs.core import graph
from kvmdocs.core.html import attribute, escape
from kvmdocs.core.words import words as common
from kvmdocs.figures.canvas import rounded
from kvmdocs.render import Language
from kvmdocs.render.icons import mark, shape
from kvmdocs.site.status import layout
from kvmdocs.site.status.data import Report, State
from kvmdocs.site.status.layout import Arrow, GraphLayout, RecipeGroup, lay_out
from kvmdocs.site.status.words import StatusWords, recipes

MARGIN = 6.0
"""Around the drawing, in pixels."""

BEND = 4.0
"""Radius of an arrow's bends, in pixels."""

_HEAD = (
    '<defs><marker id="ks-head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
    '<path class="ks-head" d="M0 0.5L8 4L0 7.5z"/></marker></defs>'
)
"""The end of an arrow."""

Link = Callable[[str], str]
"""Turns an address from the top of the site into one from the page."""


def drawing(report: Report, say: StatusWords, link: Link) -> str:
    """The graph, every recipe a link to where it is shown.

    Args:
        report: How the recipes stand.
        say: The words.
        link: How a page is linked.

    Returns:
        HTML on one line.
    """
    known = report.by_name
    inputs = {row.recipe: tuple(name for name in row.builds_on if name in known) for row in report.recipes}
    laid = lay_out(inputs)
    ways = "".join(_arrow(arrow, laid) for arrow in laid.arrows)
    boxes = "".join(_box(box, report, say, link) for box in laid.boxes)
    width, height = laid.width + 2 * MARGIN, laid.height + 2 * MARGIN
    label = say.graph.format(recipes=recipes(len(known), say))
    return (
        f'<figure class="ks-graph" data-search-exclude><div class="ks-scroll" role="group" aria-label="{attribute(label)}" tabindex="0">'
        f'<svg viewBox="{-MARGIN:g} {-MARGIN:g} {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{_HEAD}{ways}{boxes}</svg></div>'
        f"{_tree(inputs, report, say, link)}"
        f'<figcaption><span class="ks-drawn">{escape(label + say.stop + say.graph_hint)}</span>'
        f'<span class="ks-listed">{escape(say.tree_hint)}</span></figcaption></figure>'
    )


def _tree(inputs: Mapping[str, tuple[str, ...]], report: Report, say: StatusWords, link: Link) -> str:
    """The same as lists within lists."""
    parts = []
    depth = -1
    for row in graph.as_tree(graph.transitive_reduction(inputs)):
        parts.append("<ul>" if row.depth > depth else "</li>" + "</ul></li>" * (depth - row.depth))
        depth = row.depth
        where = _place(report, row.name)
        name = escape(row.name).replace("_", "_<wbr>")
        name = f'<a href="{attribute(link(where))}">{name}</a>' if where else name
        parts.append(f"<li>{'→&nbsp;' if row.again else _state(report.by_name[row.name].state, say)}{name}")
    return f'<div class="ks-tree ks-listed">{"".join(parts)}{"</li></ul>" * (depth + 1)}</div>'


def _state(state: State, say: StatusWords) -> str:
    """The mark of a state, and its name for those who do not see that."""
    return f'{mark(state)}<span class="ks-unseen">{escape(say.states[state])} </span>'


def _place(report: Report, name: str) -> str:
    """Where a recipe is shown, or ""."""
    return next((page.anchor for page in report.by_name[name].pages if page.anchor), "")


def _arrow(arrow: Arrow, laid: GraphLayout) -> str:
    source, target = laid.boxes[arrow.source].names, laid.boxes[arrow.target].names
    return f'<path class="ks-way" marker-end="url(#ks-head)" d="{rounded(arrow.points, BEND)}" data-from="{attribute(" ".join(source))}" data-to="{attribute(" ".join(target))}"/>'


def _box(box: RecipeGroup, report: Report, say: StatusWords, link: Link) -> str:
    frame = (
        f'<rect class="ks-box" x="{box.left:.0f}" y="{box.top:.1f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="4"/>'
    )
    lines = []
    top = box.top + layout.PAD
    for name in box.names:
        row = report.by_name[name]
        written = layout.lines_of(name)
        height = layout.LINE * len(written)
        text = (
            f'<rect class="ks-hit" x="{box.left + 2:.0f}" y="{top:.1f}" width="{box.width - 4:.0f}" height="{height:g}" rx="3"/>'
            + shape(row.state, round(box.left + 11), round(top + layout.LINE / 2, 1))
            + "".join(
                f'<text x="{box.left + 20:.0f}" y="{top + layout.LINE * (number + 0.5) + 4.1:.1f}">{escape(line)}</text>'
                for number, line in enumerate(written)
            )
        )
        top += height
        told = f"<title>{escape(f'{name}{common(Language.of(report.language)).colon}{say.states[row.state]}{say.stop}{row.title}')}</title>"
        # Material's instant navigation takes every `href` for an HTML element's, and stumbles over those of SVG; this one it leaves alone.
        where = _place(report, name)
        tag, href = ("a", f' xlink:href="{attribute(link(where))}"') if where else ("g", "")
        lines.append(f'<{tag} class="ks-node" data-recipe="{attribute(name)}"{href}>{told}{text}</{tag}>')
    return frame + "".join(lines)
