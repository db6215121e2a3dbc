"""A record as a reader sees it: what was typed, to whom, what came back, and when and where that was.

Everything here is a pure function of the record and the author's options. All HTML is one line, because it goes through
Markdown once more (see `kvmdocs.core.html`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from kvmdocs.core.control_characters import as_seen
from kvmdocs.core.errors import Evidence, GuideError, describe_status
from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Freshness, Record, Status, Step, Where
from kvmdocs.core.words import Language, RenderWords, duration, words
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import lexers
from kvmdocs.render.anchors import NONE_TAKEN, Anchors
from kvmdocs.render.ansi import plain
from kvmdocs.render.commands import TypedStep, copied, entries, runs
from kvmdocs.render.failure import Link, blocked_box, failure_box
from kvmdocs.render.notes import Notes, Spot, hang, marking
from kvmdocs.render.output import MARK, Logs, Printer, focusable, read, write_marks
from kvmdocs.render.places import Sources, met, no_sources, write_spans
from kvmdocs.render.reasons import reason
from kvmdocs.render.stamp import stamp
from kvmdocs.render.tabs import Beside, python_of, tabbed

_PROMPTS = {
    Where.HOST: ("$ ", "> "),
    Where.ROOT: ("# ", "> "),
    Where.GUEST: ("guest# ", "> "),
    Where.GDB: ("(gdb) ", ">"),
    Where.HMP: ("(qemu) ", ""),
    Where.QMP: ("-> ", "   "),
}
"""The prompt of a first and of a further line. QEMU's own documentation writes ``->`` for what is sent over QMP."""


def no_logs(_name: str) -> None:
    """There are no logs to link to."""


ALONE = Beside()
"""Nothing stands beside the session."""

WORTH_SAYING = 5.0
"""Seconds from which a reader wants to know how long a step takes before typing it."""


def transcript(
    record: Record,
    options: ShowOptions,
    language: Language,
    *,
    freshness: Freshness,
    logs: Logs = no_logs,
    sources: Sources = no_sources,
    beside: Beside = ALONE,
) -> str:
    """A record as HTML: its transcript, or why there is none.

    Args:
        record: The record, of any status.
        options: How the block wants it shown.
        language: The language of the renderer's own words.
        freshness: Whether the record was made by this build.
        logs: Gives the address of a whole log by its file name, or None.
        sources: Gives the address of a place in source code, or None.
        beside: What stands beside the session, and the names its page has left.

    Returns:
        HTML on one line, with nothing in it that Markdown would take for its own.

    Raises:
        GuideError: The section is not there, a pattern is no regular expression, or a note or `highlight` matches nothing.
    """
    if record.status is Status.SKIPPED:
        return skipped(record, options, language, freshness=freshness, beside=beside)
    if record.status is Status.FAILED:
        return failed(record, options, language, freshness=freshness, logs=logs, anchors=beside.anchors)
    shown = _entries(record, options)
    say = words(language)
    body = _steps(record, shown, options, _notes(record, shown, options), say, logs, sources, beside.anchors)
    session = tabbed(body, record.recipe, options.section, beside, freshness, say)
    return _frame(record, session, options, language, freshness)


def skipped(
    record: Record,
    options: ShowOptions,
    language: Language,
    *,
    freshness: Freshness,
    advice: str = "",
    instead: bool = False,
    beside: Beside = ALONE,
) -> str:
    """A recipe that this host cannot run, or that has no record: its name, the reason, what would make it run, and its Python.

    Args:
        record: A record whose status is skipped.
        options: How the block wants it shown; notes have nothing to hang on here.
        language: The language of the renderer's own words.
        freshness: Whether the record was made by this build.
        advice: What would make it run; the record's own advice if not given.
        instead: Whether the approved record follows.
        beside: What the recipe is written in, and the names its page has left.
    """
    say = words(language)
    title = say.missing_title if freshness is Freshness.MISSING else say.skipped_title
    advice = advice or (record.failure.advice if record.failure else "")
    rows = [f'<p class="tr-head">{escape(title)}{say.colon}<code>{escape(record.recipe)}</code></p>']
    rows.append(f'<p class="tr-reason">{reason(record.reason, language)}</p>')
    if advice:
        rows.append(f"<p><b>{escape(say.to_run_it)}{say.colon}</b>{reason(advice, language)}</p>")
    if instead:
        rows.append(f"<p>{escape(say.instead)}</p>")
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
    """A recipe that failed: what went wrong, where, what to do next, and every step up to there, which a page has once.

    All steps are shown, whatever section the block asked for, and notes are left out: what they hang on may not be there.

    Args:
        record: A record whose status is failed.
        options: How the block wants it shown.
        language: The language of the renderer's own words.
        freshness: Whether the record was made by this build.
        logs: Gives the address of a whole log by its file name, or None.
        anchors: The names that the page has left.
    """
    say = words(language)
    body = failure_box(record, say)
    plainly = ShowOptions(title=options.title, fold=options.fold)
    shown = entries(record, None)
    name, what = attribute(anchors.failure(record.recipe)), escape(say.up_to_failure)
    if shown and anchors.has(anchors.failure(record.recipe)):
        body += f'<p class="tr-upto"><a href="#{name}">{what}</a></p>'
    elif shown:
        steps = _steps(record, shown, plainly, Notes(), say, logs)
        body += f'<details class="tr-upto"><summary id="{name}">{what}</summary>{steps}</details>'
    return _unsought(_frame(record, body, options, language, freshness))


def blocked(record: Record, failed: Iterable[Record], options: ShowOptions, language: Language, link: Link) -> str:
    """A recipe that was not run since others failed: which ones, and what is known of that.

    Args:
        record: Its record, which is skipped.
        failed: The records of those that failed.
        options: How the block wants it shown.
        language: The language of the renderer's own words.
        link: Where the failed recipes are shown.
    """
    body = blocked_box(record.recipe, failed, link, words(language))
    return _unsought(_frame(record, body, options, language, Freshness.BLOCKED))


def _unsought(html: str) -> str:
    """What no search finds: beside other results it would look like one that holds. Nothing inside is an <article> (see `kvmdocs.render.output`)."""
    return f"<article data-search-exclude>{html}</article>"


def _entries(record: Record, options: ShowOptions) -> list[TypedStep]:
    shown = entries(record, options.section)
    if not shown and options.section is not None:
        names = sorted({step.section for step in record.steps if step.section})
        raise GuideError(
            f"recipe {record.recipe} has no section {options.section!r}",
            Evidence(recipe=record.recipe, advice=f"its sections are: {', '.join(names)}" if names else "it has no sections"),
        )
    return shown


def _notes(record: Record, shown: Sequence[TypedStep], options: ShowOptions) -> Notes:
    return hang(options.notes, _lines(shown), record.recipe)


def _lines(shown: Sequence[TypedStep]) -> Iterator[tuple[Spot, str]]:
    """Every line of some steps as a note may match it. A wrapped command is also one line, at its first, where none of its lines will do."""
    for entry in shown:
        for index, line in enumerate(entry.shown.split("\n")):
            yield (entry.number, "typed", index), line
        if " \\\n" in entry.typed and entry.step.where is not Where.FILE:
            begins = entry.shown.partition(entry.typed)[0].count("\n")
            yield (entry.number, "typed", begins), re.sub(r" \\\n\s*", " ", entry.typed)
        for part, lines in read(entry.step.output).items():
            for index, spans in enumerate(lines):
                yield (entry.number, part, index), plain(spans)


def _steps(
    record: Record,
    shown: Sequence[TypedStep],
    options: ShowOptions,
    notes: Notes,
    say: RenderWords,
    logs: Logs,
    sources: Sources = no_sources,
    anchors: Anchors = NONE_TAKEN,
) -> str:
    marked = marking(options.highlight, chain.from_iterable(map(_printed, shown)), record.recipe) if options.highlight else None
    places = met(((entry.number, _printed(entry)) for entry in shown), record.places, sources, say, anchors)
    printer = Printer(record.recipe, max(options.fold, 0), marked, notes, say, logs, places)
    return "".join(_run(run, printer) for run in runs(shown))


def _printed(entry: TypedStep) -> Iterator[str]:
    """Every line of what a step printed that a reader can see, without its looks."""
    return (plain(spans) for part in read(entry.step.output).values() for spans in part)


def _run(run: Sequence[TypedStep], printer: Printer) -> str:
    """Steps typed at one prompt, under a bar that says which."""
    say = printer.say
    where, machine = run[0].place
    name = say.badges[where] + (f" · {machine}" if machine else "")
    button = _button(copied(run), say.copy_run) if len(run) > 1 else ""
    bar = f'<header class="tr-bar" data-search-exclude><span class="tr-badge">{escape(name)}</span>{button}</header>'
    return f'<div class="tr-run tr-at-{where.value}">{bar}{"".join(_step(entry, printer) for entry in run)}</div>'


def _step(entry: TypedStep, printer: Printer) -> str:
    typed = _file(entry, printer) if entry.step.where is Where.FILE else _command(entry, printer.notes)
    facts = _facts(entry.step, printer.say)
    output = printer.output(entry.number, entry.step.output, entry.where)
    peeks = printer.places.peeks(entry.number)
    return f'<div class="tr-step">{typed}{facts}{output}{peeks}{_notes_of(entry, printer.notes)}</div>'


def _command(entry: TypedStep, notes: Notes) -> str:
    """What is typed, each line behind its prompt."""
    first, further = _PROMPTS[entry.where]
    lines = []
    for index, spans in enumerate(lexers.typed(entry.shown, entry.where)):
        marks = write_marks(notes.on((entry.number, "typed", index)))
        lines.append(_prompt(further if index else first) + write_spans(spans) + marks)
    return _box("tr-cmd", entry.copied, lines)


def _file(entry: TypedStep, printer: Printer) -> str:
    """A file to create: its name, its text, and a button that copies the command that writes it."""
    name = entry.step.command
    lines = [
        write_spans(spans) + write_marks(printer.notes.on((entry.number, "typed", index)))
        for index, spans in enumerate(lexers.file(name.strip("'\""), entry.shown))
    ]
    label = f"<b>{escape(printer.say.badges[Where.FILE])}</b> <code>{escape(name)}</code>"
    text = _box("tr-text", entry.copied, lines)
    # The change of folder stands above, with a button of its own: a file's box shows the file and nothing else.
    return f'{_change(entry)}<div class="tr-file"><p class="tr-name">{label}</p>{text}</div>'


def _change(entry: TypedStep) -> str:
    if not entry.change:
        return ""
    spans = lexers.typed(entry.change, entry.where)[0]
    return _box("tr-cmd", entry.change, [_prompt(_PROMPTS[entry.where][0]) + write_spans(spans)])


def _box(look: str, copied_text: str, lines: Sequence[str]) -> str:
    """A box whose copy button gives just what is typed: Material copies the nearest `data-copy`."""
    focus = focusable(copied_text.split("\n"))
    code = f"<pre><code{focus}>{'&#10;'.join(lines)}</code></pre>"
    return f'<div class="{look}" data-copy="{attribute(as_seen(copied_text))}">{code}</div>'


def _prompt(text: str) -> str:
    """A prompt is drawn by the style sheet: so no selection, copy or search ever holds it."""
    return f'<span class="tr-ps" data-ps="{attribute(text)}"></span>'


def _button(text: str, label: str) -> str:
    """A button that Material's clipboard code serves; without JavaScript the style sheet hides it."""
    return f'<button type="button" class="tr-copy" data-clipboard-text="{attribute(as_seen(text))}">{escape(label)}</button>'


def _facts(step: Step, say: RenderWords) -> str:
    """What is worth saying of a step beside its output: it goes on, it took long, it ended otherwise than with 0."""
    facts = []
    if step.background:
        facts.append(("", say.in_background))
    elif step.seconds >= WORTH_SAYING:
        facts.append(("", say.took.format(time=duration(step.seconds, say))))
    if step.status is not None and step.status > 0:
        facts.append((" tr-bad", say.exit_status.format(status=step.status)))
    elif step.status is not None and step.status < 0 and not step.background:
        signal = describe_status(step.status).removeprefix("killed by ")
        facts.append((" tr-bad", say.killed.format(signal=signal)))
    chips = "".join(f'<span class="tr-fact{look}">{escape(text)}</span>' for look, text in facts)
    return f'<p class="tr-facts" data-search-exclude>{chips}</p>' if chips else ""


def _notes_of(entry: TypedStep, notes: Notes) -> str:
    items = "".join(f'<li value="{number}">{prose(text)}</li>' for number, text in notes.of_step(entry.number))
    return f'<ol class="tr-notes">{items}</ol>' if items else ""


def _frame(record: Record, body: str, options: ShowOptions, language: Language, freshness: Freshness) -> str:
    """The frame all of it stands in, with its caption and its stamp."""
    say = words(language)
    caption = f'<div class="tr-caption"><span class="tr-title">{prose(options.title)}</span></div>' if options.title else ""
    state = freshness if freshness is Freshness.BLOCKED else record.status
    names = f'data-recipe="{attribute(record.recipe)}" data-status="{state.value}"'
    look = "tr tr-noted" if MARK in body else "tr"
    label = attribute(f"{say.transcript}{say.colon}{options.title or record.recipe}")
    return (
        f'<div class="{look}" role="group" aria-label="{label}" {names}>'
        f"{caption}{body}{stamp(record, language, freshness=freshness)}</div>"
    )
