"""What stands above a transcript while somebody is at work on it: that it is stale, that it is running, that it cannot be shown."""

from __future__ import annotations

from collections.abc import Iterable

from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Freshness
from kvmdocs.core.words import Language, words


def notice(recipe: str, freshness: Freshness, reasons: Iterable[str], language: Language, *, first: bool = False) -> str:
    """A box that says that the record below it is from before a change, and whether a new one is being made.

    Args:
        recipe: The recipe's name.
        freshness: `Freshness.STALE` or `Freshness.RUNNING`.
        reasons: Why it is stale, each in a few words.
        language: The language of the words.
        first: Whether there is no record yet.

    Returns:
        HTML on one line.
    """
    say = words(language)
    running = freshness is Freshness.RUNNING
    title = say.stale_title if not running else say.first_title if first else say.running_title
    rows = [f'<p lang="en">{prose(reason)}</p>' for reason in reasons]
    if not running:
        rows.append(f"<p><b>{escape(say.to_run_it)}{say.colon}</b><code>kvmdocs run {escape(recipe)}</code></p>")
    return _box(freshness.value, recipe, f"{title}{say.colon}", rows)


def problem(recipe: str, message: str, advice: str, language: Language) -> str:
    """A box that says why a block shows nothing.

    Returns:
        HTML on one line.
    """
    say = words(language)
    rows = [f'<p class="tr-reason" lang="en">{prose(message)}</p>']
    if advice:
        rows.append(f'<p><b>{escape(say.next)}{say.colon}</b><span lang="en">{prose(advice)}</span></p>')
    return _box("failed", recipe, f"{say.problem_title}{say.colon}", rows)


def _box(kind: str, recipe: str, title: str, rows: Iterable[str]) -> str:
    head = f'<p class="tr-head">{escape(title)}<code>{escape(recipe)}</code></p>'
    return (
        f'<div class="tr" data-search-exclude data-recipe="{attribute(recipe)}" data-state="{kind}">'
        f'<div class="tr-box tr-{kind}" role="status">{head}{"".join(rows)}</div></div>'
    )
