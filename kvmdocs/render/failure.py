"""The box that says of a recipe that it failed, or that it was not run since another one failed: which one, at which step, and what was printed last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kvmdocs.core.errors import describe_status
from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Output, Record
from kvmdocs.core.words import RenderWords
from kvmdocs.render.ansi import plain
from kvmdocs.render.output import focusable, read

Link = Callable[[str], str | None]
"""Gives the address, from the page, of the place that shows a recipe; None for none."""


def failure_box(record: Record, say: RenderWords) -> str:
    """The box of a recipe that failed.

    Args:
        record: Its record.
        say: The words.
    """
    return _box(say.failed_title, record.recipe, _told(record, say), say)


def blocked_box(recipe: str, failed: Iterable[Record], link: Link, say: RenderWords) -> str:
    """The box of a recipe that was not run.

    Args:
        recipe: The recipe.
        failed: The records of the recipes that it builds on and that failed.
        link: Where these are shown.
        say: The words.
    """
    return _box(
        say.blocked_title, recipe, (row for record in failed for row in _because(record, link(record.recipe), say)), say
    )


def _because(record: Record, address: str | None, say: RenderWords) -> Iterator[str]:
    name = f"<code>{escape(record.recipe)}</code>"
    yield _row(say.failed_recipe, f'<a href="{attribute(address)}">{name}</a>' if address else name, say)
    yield from _told(record, say)


def _told(record: Record, say: RenderWords) -> Iterator[str]:
    """What is known of a failure, a row each."""
    failure = record.failure
    if failure is None:
        return
    yield f'<p class="tr-reason" lang="en">{prose(failure.message)}</p>'
    if place := f"{failure.path}:{failure.line}" if failure.path and failure.line else failure.path:
        yield _row(say.at, _english(place), say)
    step = record.failed_step
    if step is not None:
        first, *more = step.command.splitlines() or [""]
        yield _row(say.step, f"{failure.step} <code>{escape(first + (' …' if more else ''))}</code>", say)
        if step.status is not None:
            yield _row(say.status, _english(describe_status(step.status)), say)
    if tail := failure.tail or (step.output.last_lines if step else ""):
        yield f"<p><b>{escape(say.last_lines)}{say.colon}</b></p>{_lines(tail)}"
    yield _row(say.next, _english(failure.advice or f"`kvmdocs run {record.recipe}`"), say)


def _lines(text: str) -> str:
    lines = [plain(spans) for part in read(Output(text)).values() for spans in part]
    return f'<pre class="tr-tail"{focusable(lines)}>{escape(chr(10).join(lines))}</pre>'


def _english(text: str) -> str:
    return f'<span lang="en">{prose(text)}</span>'


def _row(name: str, html: str, say: RenderWords) -> str:
    return f"<p><b>{escape(name)}{say.colon}</b>{html}</p>"


def _box(title: str, recipe: str, rows: Iterable[str], say: RenderWords) -> str:
    head = f'<p class="tr-head">{escape(title)}{say.colon}<code>{escape(recipe)}</code></p>'
    return f'<div class="tr-box tr-failed" role="note">{head}{"".join(rows)}</div>'
