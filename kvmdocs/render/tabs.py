"""Tabs of a transcript: the session, the same steps as a bash script, and the recipe's Python.

The HTML is that of pymdownx.tabbed: radio buttons and labels, which work without JavaScript. Material's own code keeps the
chosen tab across transcripts and pages (``content.tabs.link``); it identifies tabs by the text of their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmdocs.catalog.source_excerpt import SourceExcerpt, Written
from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Freshness
from kvmdocs.core.words import Labels, Language, words
from kvmdocs.render import lexers
from kvmdocs.render.anchors import Anchors
from kvmdocs.render.ansi import Spans
from kvmdocs.render.places import simplify, write_spans

CURRENT_FRESHNESS = (Freshness.RAN, Freshness.CACHED, Freshness.NONE, Freshness.MISSING)
"""With these, the record is of the recipe as it is written now, or there is no record.

With others, the recipe may have changed since.
"""

PYTHON = "Python"
"""The label of the Python tab, in every language."""


@dataclass(frozen=True)
class Tabs:
    """Contents of a transcript's other tabs, and the element ids that its page already has.

    Attributes:
        script: The steps as bash; "" for no script tab.
        python: The recipe's Python; None for no Python tab.
        anchors: The allocator of element ids on the page.
        whole_script: The URL of the page's script, which contains `script`; "" if the page has none.
    """

    script: str = ""
    python: Written | None = None
    anchors: Anchors = field(default_factory=Anchors)
    whole_script: str = ""


def add_tabs(session: str, recipe: str, section: str | None, beside: Tabs, freshness: Freshness, labels: Labels) -> str:
    """Put a session in the first of several tabs. Return the session unchanged if there is no other tab.

    Args:
        session: The session's HTML.
        recipe: The recipe's name.
        section: The section that is shown; None for the whole recipe.
        beside: The contents of the other tabs.
        freshness: The record's freshness.
        labels: The renderer's words in the language of the page.
    """
    tabs = [(labels.session, "", f'<div class="tabbed-block">{session}</div>')]
    if beside.script:
        script = _part_of(beside.whole_script, labels) + _code(lexers.highlight_shell(beside.script))
        tabs.append((labels.script, ":script", _block("tr-script", script)))
    if beside.python:
        tabs.append((PYTHON, ":python", _block("tr-python", _python(recipe, beside.python, beside, freshness, labels))))
    if len(tabs) == 1:
        return session
    name = beside.anchors.transcript(recipe, section)
    inputs = "".join(
        f'<input type="radio" id="{attribute(name + end)}" name="{attribute(f"__tabbed_{name}")}"{"" if end else " checked"}>'
        for _, end, _ in tabs
    )
    tab_labels = "".join(f'<label for="{attribute(name + end)}">{escape(label)}</label>' for label, end, _ in tabs)
    # Material's search parser ends an excluded element at the first end tag of the same name, so no nested <div> is allowed.
    return (
        f'<div class="tabbed-set tabbed-alternate tr-tabs" data-tabs="{attribute(name)}">{inputs}'
        f'<div class="tabbed-labels" data-search-exclude>{tab_labels}</div>'
        f'<div class="tabbed-content">{"".join(block for *_, block in tabs)}</div></div>'
    )


def python_of(recipe: str, beside: Tabs, freshness: Freshness, language: Language) -> str:
    """Return the Python of a recipe whose session is not shown, since the guide shows only its result or it has no session.

    Args:
        recipe: The recipe's name.
        beside: Its Python, and the element ids that the page already has.
        freshness: The record's freshness.
        language: The language of the page.

    Returns:
        HTML on one line: the folded Python, a link if the page already has it, or "" if there is none.
    """
    if beside.python is None:
        return ""
    labels = words(language)
    name, whole = beside.anchors.recipe(recipe), beside.python.whole
    body = _link(recipe, name, labels) if beside.anchors.has(name) else _fold(recipe, whole, name, freshness, labels)
    return f'<div class="tr-made" data-search-exclude>{body}</div>'


def _block(css_class: str, body: str) -> str:
    return f'<div class="tabbed-block {css_class}" data-search-exclude>{body}</div>'


def _part_of(script: str, labels: Labels) -> str:
    """Return a link to the page's script, which defines the functions that the section calls; "" if there is none."""
    if not script:
        return ""
    before, name, after = (escape(part) for part in labels.part_of.split("|"))
    return f'<p class="tr-name">{before}<a href="{attribute(script)}" download>{name}</a>{after}</p>'


def _python(recipe: str, python: Written, beside: Tabs, freshness: Freshness, labels: Labels) -> str:
    """Return the code that opens the section, and the whole recipe: folded, or as a link if the page already has it."""
    name = beside.anchors.recipe(recipe)
    parts = "".join(f'<p class="tr-name">{_place(part, labels)}</p>{_listing(part)}' for part in python.parts)
    if beside.anchors.has(name):
        return parts + _link(recipe, name, labels)
    if parts:
        return parts + _fold(recipe, python.whole, name, freshness, labels)
    return _whole(python.whole, name, freshness, labels)


def _link(recipe: str, name: str, labels: Labels) -> str:
    return f'<p class="tr-whole"><a href="{attribute(f"#{name}")}">{_title(recipe, labels)}</a></p>'


def _fold(recipe: str, whole: SourceExcerpt, name: str, freshness: Freshness, labels: Labels) -> str:
    return f"<details><summary>{_title(recipe, labels)}</summary>{_whole(whole, name, freshness, labels)}</details>"


def _title(recipe: str, labels: Labels) -> str:
    before, after = (escape(part) for part in labels.whole_recipe.split("{recipe}"))
    return f"{before}<code>{escape(recipe)}</code>{after}"


def _whole(whole: SourceExcerpt, name: str, freshness: Freshness, labels: Labels) -> str:
    now = "" if freshness in CURRENT_FRESHNESS else f" · {escape(labels.as_it_is_now)}"
    # The id is not on an element around the code: see `kvmdocs.render.anchors`.
    return f'<p class="tr-name" id="{attribute(name)}">{_place(whole, labels)}{now}</p>{_listing(whole)}'


def _place(listing: SourceExcerpt, labels: Labels) -> str:
    form = labels.at_line if listing.first == listing.last else labels.at_lines
    before, after = form.format(path="\0", first=listing.first, last=listing.last).split("\0")
    return f"{escape(before)}<code>{escape(listing.path)}</code>{escape(after)}"


def _listing(listing: SourceExcerpt) -> str:
    return _code(lexers.highlight_file(listing.path, listing.text), listing.first)


def _code(lines: Sequence[Spans], first: int = 0) -> str:
    """Return a code box, to which Material adds a copy button.

    `first` is the number of the first line; 0 for no line numbers.
    """
    last = first + len(lines) - 1
    numbers = "&#10;".join(f"{number:>{len(str(last))}}" for number in range(first, last + 1)) if first else ""
    gutter = f'<span class="tr-ln" data-ln="{numbers}"></span>' if numbers else ""
    return f"<pre>{gutter}<code>{'&#10;'.join(write_spans(simplify(spans)) for spans in lines)}</code></pre>"
