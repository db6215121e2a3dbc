"""What stands beside a session, in tabs: the same steps as a script, and the Python that made them.

The tabs are radio buttons and labels in the form of pymdownx.tabbed, so that they work without a script, and Material's own code
keeps the choice over transcripts and pages (``content.tabs.link``). It knows tabs by what their labels say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmdocs.catalog.source_excerpt import SourceExcerpt, Written
from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Freshness
from kvmdocs.core.words import Language, RenderWords, words
from kvmdocs.render import lexers
from kvmdocs.render.anchors import Anchors
from kvmdocs.render.ansi import Spans
from kvmdocs.render.places import merged, write_spans

CURRENT = (Freshness.RAN, Freshness.CACHED, Freshness.NONE, Freshness.MISSING)
"""A record of these is of the recipe as it is written now, or there is none; any other may be of an earlier one."""

PYTHON = "Python"
"""The label of the third tab, in every language."""


@dataclass(frozen=True)
class Beside:
    """What a transcript can show beside its session, and what its page has before it.

    Attributes:
        script: The steps as bash; "" for none.
        python: What was written for them; None for nothing.
        anchors: The names that the page has left.
        whole_script: The address of the page's script, of which `script` is a part; "" where there is none.
    """

    script: str = ""
    python: Written | None = None
    anchors: Anchors = field(default_factory=Anchors)
    whole_script: str = ""


def tabbed(session: str, recipe: str, section: str | None, beside: Beside, freshness: Freshness, say: RenderWords) -> str:
    """A session in the first of its tabs; the session alone when nothing is beside it.

    Args:
        session: Its HTML.
        recipe: The recipe's name.
        section: The section that is shown.
        beside: What stands in the other tabs.
        freshness: Whether the record is of the recipe as it is now.
        say: The words.
    """
    tabs = [(say.session, "", f'<div class="tabbed-block">{session}</div>')]
    if beside.script:
        tabs.append(
            (
                say.script,
                ":script",
                _block("tr-script", _part_of(beside.whole_script, say) + _code(lexers.shell(beside.script))),
            )
        )
    if beside.python:
        tabs.append((PYTHON, ":python", _block("tr-python", _python(recipe, beside.python, beside, freshness, say))))
    if len(tabs) == 1:
        return session
    name = beside.anchors.transcript(recipe, section)
    inputs = "".join(
        f'<input type="radio" id="{attribute(name + end)}" name="{attribute(f"__tabbed_{name}")}"{"" if end else " checked"}>'
        for _, end, _ in tabs
    )
    labels = "".join(f'<label for="{attribute(name + end)}">{escape(label)}</label>' for label, end, _ in tabs)
    # The search index leaves an excluded element at the first end tag of the same name, so no <div> may be in one.
    return (
        f'<div class="tabbed-set tabbed-alternate tr-tabs" data-tabs="{attribute(name)}">{inputs}'
        f'<div class="tabbed-labels" data-search-exclude>{labels}</div>'
        f'<div class="tabbed-content">{"".join(block for *_, block in tabs)}</div></div>'
    )


def python_of(recipe: str, beside: Beside, freshness: Freshness, language: Language) -> str:
    """The Python of a recipe whose session is not shown: a guide shows what it makes of its result, or there is none. A link if the page has it."""
    if beside.python is None:
        return ""
    say = words(language)
    name = beside.anchors.recipe(recipe)
    body = _link(recipe, name, say) if beside.anchors.has(name) else _fold(recipe, beside.python.whole, name, freshness, say)
    return f'<div class="tr-made" data-search-exclude>{body}</div>'


def _block(look: str, body: str) -> str:
    return f'<div class="tabbed-block {look}" data-search-exclude>{body}</div>'


def _part_of(script: str, say: RenderWords) -> str:
    """That a section's script is a part of the page's, whose head has the functions that it calls; "" where the page has none."""
    if not script:
        return ""
    before, name, after = (escape(part) for part in say.part_of.split("|"))
    return f'<p class="tr-name">{before}<a href="{attribute(script)}" download>{name}</a>{after}</p>'


def _python(recipe: str, python: Written, beside: Beside, freshness: Freshness, say: RenderWords) -> str:
    """The lines that opened the section, and one click further the whole recipe; a page has that once."""
    name = beside.anchors.recipe(recipe)
    there = beside.anchors.has(name)
    parts = "".join(f'<p class="tr-name">{_place(part, say)}</p>{_listing(part)}' for part in python.parts)
    if there:
        return parts + _link(recipe, name, say)
    return parts + _fold(recipe, python.whole, name, freshness, say) if parts else _whole(python.whole, name, freshness, say)


def _link(recipe: str, name: str, say: RenderWords) -> str:
    return f'<p class="tr-whole"><a href="{attribute(f"#{name}")}">{_title(recipe, say)}</a></p>'


def _fold(recipe: str, whole: SourceExcerpt, name: str, freshness: Freshness, say: RenderWords) -> str:
    return f"<details><summary>{_title(recipe, say)}</summary>{_whole(whole, name, freshness, say)}</details>"


def _title(recipe: str, say: RenderWords) -> str:
    before, after = (escape(part) for part in say.whole_recipe.split("{recipe}"))
    return f"{before}<code>{escape(recipe)}</code>{after}"


def _whole(whole: SourceExcerpt, name: str, freshness: Freshness, say: RenderWords) -> str:
    now = "" if freshness in CURRENT else f" · {escape(say.as_it_is_now)}"
    # Not around the code: see `kvmdocs.render.anchors`.
    return f'<p class="tr-name" id="{attribute(name)}">{_place(whole, say)}{now}</p>{_listing(whole)}'


def _place(listing: SourceExcerpt, say: RenderWords) -> str:
    form = say.at_line if listing.first == listing.last else say.at_lines
    before, after = form.format(path="\0", first=listing.first, last=listing.last).split("\0")
    return f"{escape(before)}<code>{escape(listing.path)}</code>{escape(after)}"


def _listing(listing: SourceExcerpt) -> str:
    return _code(lexers.file(listing.path, listing.text), listing.first)


def _code(lines: Sequence[Spans], first: int = 0) -> str:
    """A box of code with a copy button of Material's, and with the numbers of its lines if they have any."""
    last = first + len(lines) - 1
    numbers = "&#10;".join(f"{number:>{len(str(last))}}" for number in range(first, last + 1)) if first else ""
    beside = f'<span class="tr-ln" data-ln="{numbers}"></span>' if numbers else ""
    return f"<pre>{beside}<code>{'&#10;'.join(write_spans(merged(spans)) for spans in lines)}</code></pre>"
