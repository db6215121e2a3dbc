"""Where each recipe stands in the drawing of the graph.

Recipes with the same neighbours are drawn as one box of several lines, and arrows that follow from others are left out: so a graph of many recipes is still
one that a reader can follow. igraph orders the boxes of each column so that few arrows cross (Sugiyama's method); how tall a box is it does not know, so
where exactly the boxes of a column stand is found here: as near to what igraph gave as they can without overlapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from kvmdocs import graph

Point = tuple[float, float]
"""Across and down, in pixels."""

LINE = 18.0
"""Height of a line in a box, in pixels; all further lengths are in pixels too."""
PAD = 5.0
"""Between a box's edge and its lines, above and below."""
CHARACTER = 6.35
"""Width of a character of a name, in the site's font for code at 10.5 pixels."""
BESIDE = 27.0
"""What a line needs beside its name: the mark before it and the room on both sides."""
GAP = 12.0
"""Between two boxes of a column."""
ALLEY = 30.0
"""Between two columns, for the arrows."""
WAY = 8.0
"""Height that an arrow takes that passes a column."""
LONG = 22
"""Characters from which a name is written on two lines."""
SWEEPS = 24
"""How often the columns are gone through to find their items' places."""


@dataclass(frozen=True)
class Box:
    """Recipes that have the same neighbours.

    Attributes:
        names: The recipes.
        left: Its left edge.
        top: Its upper edge.
        width: Its width.
    """

    names: tuple[str, ...]
    left: float
    top: float
    width: float

    @property
    def height(self) -> float:
        """Its height."""
        return _height(self.names)

    @property
    def middle(self) -> float:
        """How far down its middle is."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Arrow:
    """From a box to one that builds on it.

    Attributes:
        source: Where it comes from, as a place in `Layout.boxes`.
        target: Where it leads.
        points: The way: from the right edge of the one to the left edge of the other, by pairs that lie on both sides of each column it passes.
    """

    source: int
    target: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Layout:
    """The whole drawing.

    Attributes:
        boxes: The boxes.
        arrows: The arrows.
        width: Its width.
        height: Its height.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


def lay_out(inputs: Mapping[str, tuple[str, ...]]) -> Layout:
    """Find a place for every recipe.

    Args:
        inputs: What each recipe builds on; without a circle.
    """
    bundles, edges = bundle(graph.reduced(inputs))
    if not bundles:
        return Layout((), (), 0.0, 0.0)
    columns = columns_of(len(bundles), edges)
    items = [_Item(column, _height(names)) for column, names in zip(columns, bundles, strict=True)]
    chains = []
    for source, target in edges:
        passing = [_Item(column, WAY, passes=True) for column in range(columns[source] + 1, columns[target])]
        items += passing
        chains.append([items[source], *passing, items[target]])
    rows = _ordered(items, chains)
    _settle(rows, chains)
    return _measured(rows, chains, bundles, items[: len(bundles)], edges)


@dataclass(eq=False)
class _Item:
    """What stands in a column: a box, or an arrow that passes."""

    column: int
    height: float
    passes: bool = False
    middle: float = 0.0
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)


def bundle(inputs: Mapping[str, tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[tuple[int, int]]]:
    """Put recipes with the same neighbours together.

    Returns:
        The bundles, and the edges between them as pairs of places in that list, from what is built on to what builds on it.
    """
    later: dict[str, set[str]] = {name: set() for name in inputs}
    for name, needed in inputs.items():
        for other in needed:
            later[other].add(name)
    alike: dict[object, list[str]] = {}
    for name, needed in inputs.items():
        # What has no neighbours at all has nothing in common.
        which = (frozenset(needed), frozenset(later[name])) if needed or later[name] else ("alone",)
        alike.setdefault(which, []).append(name)
    bundles = [tuple(names) for names in alike.values()]
    where = {name: number for number, names in enumerate(bundles) for name in names}
    edges = {(where[other], where[name]): None for name, needed in inputs.items() for other in needed}
    return bundles, list(edges)


def columns_of(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The column of each bundle: right of all it builds on, and no further left of what builds on it than it must be."""
    below: list[list[int]] = [[] for _ in range(count)]
    above: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        below[target].append(source)
        above[source].append(target)
    order = [int(name) for name in graph.in_order({str(n): tuple(map(str, below[n])) for n in range(count)})]
    column = [0] * count
    for number in order:
        column[number] = max((column[other] + 1 for other in below[number]), default=0)
    for number in reversed(order):
        # Moved to the right it makes the arrows to what builds on it shorter, and those it comes by longer.
        if above[number] and len(above[number]) >= len(below[number]):
            column[number] = min(column[other] for other in above[number]) - 1
    return column


def _ordered(items: Sequence[_Item], chains: Sequence[Sequence[_Item]]) -> list[list[_Item]]:
    """The items of each column in an order in which few arrows cross."""
    import igraph  # a build that draws nothing need not load it

    number = {item: place for place, item in enumerate(items)}
    links = [(number[one], number[other]) for chain in chains for one, other in pairwise(chain)]
    drawn = igraph.Graph(n=len(items), edges=links, directed=True)
    placed = drawn.layout_sugiyama(layers=[item.column for item in items], maxiter=1000)
    rows: list[list[_Item]] = [[] for _ in range(max(item.column for item in items) + 1)]
    for item in sorted(items, key=lambda item: placed[number[item]][0]):
        rows[item.column].append(item)
    return rows


def _settle(rows: Sequence[list[_Item]], chains: Sequence[Sequence[_Item]]) -> None:
    """Give everything its place down its column: near the middle of its neighbours, and nothing over anything else."""
    for chain in chains:
        for one, other in pairwise(chain):
            one.after.append(other)
            other.before.append(one)
    for row in rows:
        _push(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        last = sweep >= SWEEPS - 4
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = []
            for item in row:
                near = [*item.before, *item.after] if last else item.after if sweep % 2 else item.before
                wanted.append(sum(other.middle for other in near) / len(near) if near else item.middle)
            _push(row, wanted)


def _push(row: Sequence[_Item], wanted: Sequence[float]) -> None:
    """Put a column's items as near to where they should be as their order and heights let them.

    That is a regression under the constraint of an order: items that would overlap become a group that stands at the mean of what its members want
    ("pool adjacent violators").
    """
    offsets = [0.0]
    for one, next_one in pairwise(row):
        offsets.append(offsets[-1] + (one.height + next_one.height) / 2 + (0 if one.passes and next_one.passes else GAP))
    groups: list[tuple[float, int]] = []
    for place, want in zip(offsets, wanted, strict=True):
        mean, size = want - place, 1
        while groups and groups[-1][0] >= mean:
            other, more = groups.pop()
            mean = (mean * size + other * more) / (size + more)
            size += more
        groups.append((mean, size))
    middles = [mean for mean, size in groups for _ in range(size)]
    for item, middle, place in zip(row, middles, offsets, strict=True):
        item.middle = middle + place


def _measured(
    rows: Sequence[list[_Item]],
    chains: Sequence[Sequence[_Item]],
    bundles: Sequence[tuple[str, ...]],
    items: Sequence[_Item],
    edges: Sequence[tuple[int, int]],
) -> Layout:
    """The drawing, moved so that nothing is left of 0 or above it."""
    top = min(item.middle - item.height / 2 for row in rows for item in row)
    bottom = max(item.middle + item.height / 2 for row in rows for item in row)
    widths = [0.0] * len(rows)
    for names, item in zip(bundles, items, strict=True):
        widths[item.column] = max(widths[item.column], _width(names))
    lefts = [sum(widths[:column]) + ALLEY * column for column in range(len(rows))]
    boxes = tuple(
        Box(names, lefts[item.column], item.middle - item.height / 2 - top, widths[item.column])
        for names, item in zip(bundles, items, strict=True)
    )
    arrows = []
    for (source, target), chain in zip(edges, chains, strict=True):
        sides = [
            (x, item.middle - top) for item in chain for x in (lefts[item.column], lefts[item.column] + widths[item.column])
        ]
        arrows.append(Arrow(source, target, tuple(sides[1:-1])))
    return Layout(boxes, tuple(arrows), lefts[-1] + widths[-1], bottom - top)


def lines_of(name: str) -> tuple[str, ...]:
    """A name as the lines that it is written on: one, or two for a long one, which would make its whole column wide."""
    breaks = [place + 1 for place, letter in enumerate(name) if letter == "_" and 0 < place < len(name) - 1]
    if len(name) <= LONG or not breaks:
        return (name,)
    best = min(breaks, key=lambda place: max(place, len(name) - place))
    return name[:best], name[best:]


def _height(names: Sequence[str]) -> float:
    return sum(len(lines_of(name)) for name in names) * LINE + 2 * PAD


def _width(names: Sequence[str]) -> float:
    return max(len(line) for name in names for line in lines_of(name)) * CHARACTER + BESIDE
