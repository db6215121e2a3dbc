"""HTML of a whole record: its transcript, or the reason why there is none, in a frame with caption and stamp.

All functions are pure functions of the record and the author's options. All HTML is on one line, because it passes through
Markdown again (see `kvmdocs.core.html`).
"""

from __future__ import annotations

from collections.abc import Iterable

from kvmdocs.core.errors import Evidence, GuideError
from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.core.words import Language, words
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render.anchors import NONE_TAKEN, Anchors
from kvmdocs.render.commands import TypedStep, entries
from kvmdocs.render.failure import Link, blocked_box, failure_box
from kvmdocs.render.output import NOTE_NUMBER, Logs
from kvmdocs.render.places import Sources, no_sources
from kvmdocs.render.reasons import reason
from kvmdocs.render.stamp import stamp
from kvmdocs.render.steps import render_steps
from kvmdocs.render.tabs import Tabs, add_tabs, python_of


def no_logs(_name: str) -> None:
    """Return no URL for any log."""


ALONE = Tabs()
"""No tabs beside the session."""


def transcript(
    record: Record,
    options: ShowOptions,
    language: Language,
    *,
    freshness: Freshness,
    logs: Logs = no_logs,
    sources: Sources = no_sources,
    beside: Tabs = ALONE,
) -> str:
    """Render a record: its transcript, or the reason why there is none.

    Args:
        record: The record, of any status.
        options: The block's options.
        language: The language of the page.
        freshness: The record's freshness.
        logs: Gives the URLs of logs.
        sources: Gives the URLs of source locations.
        beside: The contents of the other tabs, and the element ids that the page already has.

    Returns:
        HTML on one line, in which nothing is Markdown syntax.

    Raises:
        GuideError: The section does not exist, a regular expression is invalid, or a note or `highlight` matches nothing.
    """
    if record.status is Status.SKIPPED:
        return skipped(record, options, language, freshness=freshness, beside=beside)
    if record.status is Status.FAILED:
        return failed(record, options, language, freshness=freshness, logs=logs, anchors=beside.anchors)
    labels = words(language)
    body = render_steps(record, _select_steps(record, options), options, labels, logs, sources, beside.anchors)
    session = add_tabs(body, record.recipe, options.section, beside, freshness, labels)
    return _frame(record, session, options, language, freshness)


def skipped(
    record: Record,
    options: ShowOptions,
    language: Language,
    *,
    freshness: Freshness,
    advice: str = "",
    instead: bool = False,
    beside: Tabs = ALONE,
) -> str:
    """Render a recipe that this host cannot run, or that has no record: its name, the reason, how to run it, and its Python.

    Args:
        record: A record with status `SKIPPED`.
        options: The block's options. Notes are ignored, since there are no lines to attach them to.
        language: The language of the page.
        freshness: The record's freshness.
        advice: How to make it run; defaults to the record's advice.
        instead: True if the approved record is shown below.
        beside: The recipe's Python, and the element ids that the page already has.
    """
    labels = words(language)
    title = labels.missing_title if freshness is Freshness.MISSING else labels.skipped_title
    advice = advice or (record.failure.advice if record.failure else "")
    rows = [f'<p class="tr-head">{escape(title)}{labels.colon}<code>{escape(record.recipe)}</code></p>']
    rows.append(f'<p class="tr-reason">{reason(record.reason, language)}</p>')
    if advice:
        rows.append(f"<p><b>{escape(labels.to_run_it)}{labels.colon}</b>{reason(advice, language)}</p>")
    if instead:
        rows.append(f"<p>{escape(labels.instead)}</p>")
    body = f'<div class="tr-box tr-skipped">{"".join(rows)}</div>{python_of(record.recipe, beside, freshness, language)}'
    return _frame(record, body, options, language, freshness)


def failed(
    record: Record,
    options: ShowOptions,
    language: Language,
    *,
    freshness: Freshness,
    logs: Logs = no_logs,
    anchors: Anchors = NONE_TAKEN,
) -> str:
    """Render a recipe that failed: the error, its location, advice, and all steps up to the failure.

    All steps are shown, whichever section the block selects. A page contains them once; later blocks link to them. Notes are
    left out, since the lines that they match may be missing.

    Args:
        record: A record with status `FAILED`.
        options: The block's options.
        language: The language of the page.
        freshness: The record's freshness.
        logs: Gives the URLs of logs.
        anchors: The allocator of element ids on the page.
    """
    labels = words(language)
    body = failure_box(record, labels)
    steps = entries(record, None)
    name, title = attribute(anchors.failure(record.recipe)), escape(labels.up_to_failure)
    if steps and anchors.has(anchors.failure(record.recipe)):
        body += f'<p class="tr-upto"><a href="#{name}">{title}</a></p>'
    elif steps:
        html = render_steps(record, steps, ShowOptions(fold=options.fold), labels, logs)
        body += f'<details class="tr-upto"><summary id="{name}">{title}</summary>{html}</details>'
    return _exclude_from_search(_frame(record, body, options, language, freshness))


def blocked(record: Record, failed: Iterable[Record], options: ShowOptions, language: Language, link: Link) -> str:
    """Render a recipe that was not run because recipes that it depends on failed: their names and errors.

    Args:
        record: Its record, with status `SKIPPED`.
        failed: The records of the failed recipes.
        options: The block's options.
        language: The language of the page.
        link: Gives the URLs of the failed recipes.
    """
    body = blocked_box(record.recipe, failed, link, words(language))
    return _exclude_from_search(_frame(record, body, options, language, Freshness.BLOCKED))


def _exclude_from_search(html: str) -> str:
    """Exclude HTML from the search index, where a failure would look like a valid result.

    It must contain no <article> (see `render.output`).
    """
    return f"<article data-search-exclude>{html}</article>"


def _select_steps(record: Record, options: ShowOptions) -> list[TypedStep]:
    steps = entries(record, options.section)
    if not steps and options.section is not None:
        names = sorted({step.section for step in record.steps if step.section})
        raise GuideError(
            f"recipe {record.recipe} has no section {options.section!r}",
            Evidence(recipe=record.recipe, advice=f"its sections are: {', '.join(names)}" if names else "it has no sections"),
        )
    return steps


def _frame(record: Record, body: str, options: ShowOptions, language: Language, freshness: Freshness) -> str:
    """Put HTML into the frame of a record, with its caption and its stamp."""
    labels = words(language)
    caption = f'<div class="tr-caption"><span class="tr-title">{prose(options.title)}</span></div>' if options.title else ""
    state = freshness if freshness is Freshness.BLOCKED else record.status
    data = f'data-recipe="{attribute(record.recipe)}" data-status="{state.value}"'
    css_class = "tr tr-noted" if NOTE_NUMBER in body else "tr"
    label = attribute(f"{labels.transcript}{labels.colon}{options.title or record.recipe}")
    return (
        f'<div class="{css_class}" role="group" aria-label="{label}" {data}>'
        f"{caption}{body}{stamp(record, language, freshness=freshness)}</div>"
    )
