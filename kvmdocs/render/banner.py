"""Banners above a transcript in ``mkdocs serve``: the record is stale, the recipe is running, or the block has an error."""

from __future__ import annotations

from collections.abc import Iterable

from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Freshness
from kvmdocs.core.words import Language, words


def notice(recipe: str, freshness: Freshness, reasons: Iterable[str], language: Language, *, first: bool = False) -> str:
    """Return a banner: the record below is out of date, and the recipe may be running again.

    Args:
        recipe: The recipe's name.
        freshness: `Freshness.STALE` or `Freshness.RUNNING`.
        reasons: Why the record is stale, each a short phrase in English.
        language: The language of the page.
        first: True if the recipe has no record yet.

    Returns:
        HTML on one line.
    """
    labels = words(language)
    running = freshness is Freshness.RUNNING
    title = labels.stale_title if not running else labels.first_title if first else labels.running_title
    rows = [f'<p lang="en">{prose(reason)}</p>' for reason in reasons]
    if not running:
        rows.append(f"<p><b>{escape(labels.to_run_it)}{labels.colon}</b><code>kvmdocs run {escape(recipe)}</code></p>")
    return _box(freshness.value, recipe, f"{title}{labels.colon}", rows)


def problem(recipe: str, message: str, advice: str, language: Language) -> str:
    """Return a banner with the error of a block that cannot be shown.

    Args:
        recipe: The recipe's name.
        message: The error, in English.
        advice: How to fix it, in English; "" for none.
        language: The language of the page.

    Returns:
        HTML on one line.
    """
    labels = words(language)
    rows = [f'<p class="tr-reason" lang="en">{prose(message)}</p>']
    if advice:
        rows.append(f'<p><b>{escape(labels.next)}{labels.colon}</b><span lang="en">{prose(advice)}</span></p>')
    return _box("failed", recipe, f"{labels.problem_title}{labels.colon}", rows)


def _box(kind: str, recipe: str, title: str, rows: Iterable[str]) -> str:
    head = f'<p class="tr-head">{escape(title)}<code>{escape(recipe)}</code></p>'
    return (
        f'<div class="tr" data-search-exclude data-recipe="{attribute(recipe)}" data-state="{kind}">'
        f'<div class="tr-box tr-{kind}" role="status">{head}{"".join(rows)}</div></div>'
    )
