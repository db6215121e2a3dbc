"""The stamp beside a transcript: where and when its recipe ran, with what, for how long."""

from __future__ import annotations

from datetime import UTC, datetime

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.core.words import Language, RenderWords, age, date, duration, size, words
from kvmdocs.render.icons import mark

SHOWN_KEY = 12
"""Digits of the key that a reader sees; enough to tell records apart."""


def stamp(record: Record, language: Language, *, freshness: Freshness) -> str:
    """One line that says whether, where and when a recipe ran, which opens to everything else about the run.

    Args:
        record: The record.
        language: The language of the words.
        freshness: Whether the record was made by this build.

    Returns:
        HTML on one line.
    """
    say = words(language)
    line = [_state(record, freshness, say)]
    if _ran(record):
        line += [
            escape(record.host.name),
            f'<time datetime="{attribute(record.started)}">{escape(date(record.started, say))}</time>',
        ]
    if record.status is not Status.SKIPPED:
        line.append(escape(duration(record.seconds, say)))
    summary = "".join(f'<span class="tr-item">{part}</span>' for part in line)
    if record.emulated:
        summary += f'<span class="tr-item tr-emulated">{escape(say.emulated)}</span>'
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in _facts(record, say))
    # <footer> and nothing nested in it of that name: see output.py on the search index.
    return (
        f'<footer class="tr-stamp" data-search-exclude><details><summary>{summary}</summary><dl>{rows}</dl></details></footer>'
    )


def _ran(record: Record) -> bool:
    """Whether anything ran: what was skipped before its first step has no place and no time."""
    return record.status is not Status.SKIPPED or bool(record.steps)


def _state(record: Record, freshness: Freshness, say: RenderWords) -> str:
    if freshness is Freshness.RUNNING:
        kind, text = "running", say.running
    elif freshness is Freshness.STALE and record.status is Status.PASSED:
        kind, text = "stale", say.stale
    elif record.status is Status.FAILED:
        kind, text = "failed", say.failed
    elif freshness is Freshness.BLOCKED:
        kind, text = "blocked", say.blocked
    elif freshness is Freshness.MISSING:
        kind, text = "skipped", say.missing
    elif record.status is Status.SKIPPED or freshness is Freshness.NONE:
        kind, text = "skipped", say.skipped
    elif freshness is Freshness.RECORDED:
        kind, text = "recorded", age(record.started, say, datetime.now(UTC))
    else:
        kind, text = ("ran", say.ran) if freshness is Freshness.RAN else ("cached", say.cached)
    # The sign that the status page and the line under a page's title have for it, too.
    state = "current" if kind in {"ran", "cached"} else kind
    return f'<b class="tr-state tr-{kind} ks-{state}">{mark(state)}{escape(text)}</b>'


def _facts(record: Record, say: RenderWords) -> list[tuple[str, str]]:
    """What the opened stamp lists, as pairs of a name and HTML."""
    facts = [(say.recipe, f"<code>{escape(record.recipe)}</code>")]
    if _ran(record):
        facts += _run(record, say)
    if record.status is not Status.SKIPPED:
        facts.append((say.duration, escape(duration(record.seconds, say))))
    if record.tools:
        facts.append((say.tools, _pairs({name: _brief(version) for name, version in record.tools.items()}, " ")))
    if record.settings:
        facts.append((say.settings, _pairs({name: str(value) for name, value in record.settings.items()}, " = ")))
    if record.key:  # an approved record has none
        facts.append((say.key, f"<code>{escape(record.key[:SHOWN_KEY])}</code>"))
    facts.append((say.repeat, f"<code>kvmdocs run {escape(record.recipe)}</code>"))
    return facts


def _run(record: Record, say: RenderWords) -> list[tuple[str, str]]:
    """Where and when a recipe ran."""
    host = record.host
    hardware = say.hardware_value.format(machine=host.machine, cpus=host.cpus, memory=size(host.memory))
    return [
        (say.host, escape(host.name)),
        (say.system, escape(host.system)),
        (say.kernel, escape(host.kernel)),
        (say.hardware, escape(hardware)),
        (say.started, escape(date(record.started, say))),
    ]


def _brief(version: str) -> str:
    """The first line of what a tool says of itself."""
    return version.strip().split("\n")[0]


def _pairs(values: dict[str, str], between: str) -> str:
    return "<br>".join(f"<code>{escape(name)}</code>{between}{escape(value)}" for name, value in sorted(values.items()))
