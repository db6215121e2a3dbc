"""The stamp of a transcript: where, when, how long and with which tools its recipe ran."""

from __future__ import annotations

from datetime import UTC, datetime

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.core.units import size
from kvmdocs.core.words import Labels, Language, age, date, duration, words
from kvmdocs.render.icons import mark

SHOWN_KEY = 12
"""Digits of the key that are shown; enough to distinguish records."""


def stamp(record: Record, language: Language, *, freshness: Freshness) -> str:
    """Return a line with the state, place and time of a run, which unfolds to all other details.

    Args:
        record: The record.
        language: The language of the page.
        freshness: The record's freshness.

    Returns:
        HTML on one line.
    """
    labels = words(language)
    line = [_state(record, freshness, labels)]
    if _ran(record):
        line += [
            escape(record.host.name),
            f'<time datetime="{attribute(record.started)}">{escape(date(record.started, labels))}</time>',
        ]
    if record.status is not Status.SKIPPED:
        line.append(escape(duration(record.seconds, labels)))
    summary = "".join(f'<span class="tr-item">{part}</span>' for part in line)
    if record.emulated:
        summary += f'<span class="tr-item tr-emulated">{escape(labels.emulated)}</span>'
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in _rows(record, labels))
    # No other <footer> may be nested in this one: see output.py on the search index.
    return (
        f'<footer class="tr-stamp" data-search-exclude><details><summary>{summary}</summary><dl>{rows}</dl></details></footer>'
    )


def _ran(record: Record) -> bool:
    """Check whether any step ran. Otherwise the record has no place and no time."""
    return record.status is not Status.SKIPPED or bool(record.steps)


def _state(record: Record, freshness: Freshness, labels: Labels) -> str:
    if freshness is Freshness.RUNNING:
        kind, text = "running", labels.running
    elif freshness is Freshness.STALE and record.status is Status.PASSED:
        kind, text = "stale", labels.stale
    elif record.status is Status.FAILED:
        kind, text = "failed", labels.failed
    elif freshness is Freshness.BLOCKED:
        kind, text = "blocked", labels.blocked
    elif freshness is Freshness.MISSING:
        kind, text = "skipped", labels.missing
    elif record.status is Status.SKIPPED or freshness is Freshness.NONE:
        kind, text = "skipped", labels.skipped
    elif freshness is Freshness.RECORDED:
        kind, text = "recorded", age(record.started, labels, datetime.now(UTC))
    else:
        kind, text = ("ran", labels.ran) if freshness is Freshness.RAN else ("cached", labels.cached)
    # The same icon as on the status page and below page titles.
    state = "current" if kind in {"ran", "cached"} else kind
    return f'<b class="tr-state tr-{kind} ks-{state}">{mark(state)}{escape(text)}</b>'


def _rows(record: Record, labels: Labels) -> list[tuple[str, str]]:
    """Return the rows of the unfolded stamp, as pairs of a name and HTML."""
    rows = [(labels.recipe, f"<code>{escape(record.recipe)}</code>")]
    if _ran(record):
        rows += _run_rows(record, labels)
    if record.status is not Status.SKIPPED:
        rows.append((labels.duration, escape(duration(record.seconds, labels))))
    if record.tools:
        rows.append((labels.tools, _pairs({name: _first_line(version) for name, version in record.tools.items()}, " ")))
    if record.settings:
        rows.append((labels.settings, _pairs({name: str(value) for name, value in record.settings.items()}, " = ")))
    if record.key:  # an approved record has none
        rows.append((labels.key, f"<code>{escape(record.key[:SHOWN_KEY])}</code>"))
    rows.append((labels.repeat, f"<code>kvmdocs run {escape(record.recipe)}</code>"))
    return rows


def _run_rows(record: Record, labels: Labels) -> list[tuple[str, str]]:
    """Return the rows with the place and time of a run."""
    host = record.host
    hardware = labels.hardware_value.format(machine=host.machine, cpus=host.cpus, memory=size(host.memory))
    return [
        (labels.host, escape(host.name)),
        (labels.system, escape(host.system)),
        (labels.kernel, escape(host.kernel)),
        (labels.hardware, escape(hardware)),
        (labels.started, escape(date(record.started, labels))),
    ]


def _first_line(version: str) -> str:
    """Return the first line of a tool's version output."""
    return version.strip().split("\n")[0]


def _pairs(values: dict[str, str], separator: str) -> str:
    return "<br>".join(f"<code>{escape(name)}</code>{separator}{escape(value)}" for name, value in sorted(values.items()))
