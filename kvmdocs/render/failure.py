"""Box for a recipe that failed, or that was not run because another recipe failed: error, failed step and last output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kvmdocs.core.errors import describe_status
from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Output, Record
from kvmdocs.core.words import Labels
from kvmdocs.render.ansi import plain
from kvmdocs.render.output import focusable, styled_lines

Link = Callable[[str], str | None]
"""Maps a recipe's name to the URL, relative to the page, of the place that shows the recipe. None if no page shows it."""


def failure_box(record: Record, labels: Labels) -> str:
    """Return the box of a recipe that failed.

    Args:
        record: The failed recipe's record.
        labels: The renderer's words in the language of the page.
    """
    return _box(labels.failed_title, record.recipe, _failure_rows(record, labels), labels)


def blocked_box(recipe: str, failed: Iterable[Record], link: Link, labels: Labels) -> str:
    """Return the box of a recipe that was not run.

    Args:
        recipe: The recipe's name.
        failed: The records of the failed recipes that it depends on.
        link: Gives the URLs of those recipes.
        labels: The renderer's words in the language of the page.
    """
    rows = (row for record in failed for row in _cause_rows(record, link(record.recipe), labels))
    return _box(labels.blocked_title, recipe, rows, labels)


def _cause_rows(record: Record, url: str | None, labels: Labels) -> Iterator[str]:
    name = f"<code>{escape(record.recipe)}</code>"
    yield _row(labels.failed_recipe, f'<a href="{attribute(url)}">{name}</a>' if url else name, labels)
    yield from _failure_rows(record, labels)


def _failure_rows(record: Record, labels: Labels) -> Iterator[str]:
    """Yield the details of a failure, one row each."""
    failure = record.failure
    if failure is None:
        return
    yield f'<p class="tr-reason" lang="en">{prose(failure.message)}</p>'
    if place := f"{failure.path}:{failure.line}" if failure.path and failure.line else failure.path:
        yield _row(labels.at, _english(place), labels)
    step = record.failed_step
    if step is not None:
        first, *more = step.command.splitlines() or [""]
        yield _row(labels.step, f"{failure.step} <code>{escape(first + (' …' if more else ''))}</code>", labels)
        if step.status is not None:
            yield _row(labels.status, _english(describe_status(step.status)), labels)
    if tail := failure.tail or (step.output.last_lines if step else ""):
        yield f"<p><b>{escape(labels.last_lines)}{labels.colon}</b></p>{_lines(tail)}"
    yield _row(labels.next, _english(failure.advice or f"`kvmdocs run {record.recipe}`"), labels)


def _lines(text: str) -> str:
    lines = [plain(spans) for part in styled_lines(Output(text)).values() for spans in part]
    return f'<pre class="tr-tail"{focusable(lines)}>{escape(chr(10).join(lines))}</pre>'


def _english(text: str) -> str:
    return f'<span lang="en">{prose(text)}</span>'


def _row(name: str, html: str, labels: Labels) -> str:
    return f"<p><b>{escape(name)}{labels.colon}</b>{html}</p>"


def _box(title: str, recipe: str, rows: Iterable[str], labels: Labels) -> str:
    head = f'<p class="tr-head">{escape(title)}{labels.colon}<code>{escape(recipe)}</code></p>'
    return f'<div class="tr-box tr-failed" role="note">{head}{"".join(rows)}</div>'
