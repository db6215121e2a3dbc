"""HTML of a transcript's steps: commands and files behind their prompts, outputs, notes and copy buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from kvmdocs.core.control_characters import make_visible
from kvmdocs.core.errors import describe_status
from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.model import Record, Step, Where
from kvmdocs.core.words import Labels, duration
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import lexers
from kvmdocs.render.anchors import NONE_TAKEN, Anchors
from kvmdocs.render.ansi import plain
from kvmdocs.render.commands import TypedStep, copied, runs
from kvmdocs.render.notes import LinePosition, Notes, attach_notes, compile_highlight
from kvmdocs.render.output import Logs, OutputRenderer, focusable, note_numbers, styled_lines
from kvmdocs.render.places import Sources, find_places, no_sources, write_spans

_PROMPTS = {
    Where.HOST: ("$ ", "> "),
    Where.ROOT: ("# ", "> "),
    Where.GUEST: ("guest# ", "> "),
    Where.GDB: ("(gdb) ", ">"),
    Where.HMP: ("(qemu) ", ""),
    Where.QMP: ("-> ", "   "),
}
"""The prompts of a command's first line and of its further lines. QEMU's documentation writes ``->`` before input to QMP."""

MIN_SHOWN_DURATION = 5.0
"""Seconds. The duration of a step is shown if it is at least this long."""


def render_steps(
    record: Record,
    steps: Sequence[TypedStep],
    options: ShowOptions,
    labels: Labels,
    logs: Logs,
    sources: Sources = no_sources,
    anchors: Anchors = NONE_TAKEN,
) -> str:
    """Render some steps of a record.

    Args:
        record: The record.
        steps: The steps.
        options: The block's options; `notes`, `highlight` and `fold` are used.
        labels: The renderer's words in the language of the page.
        logs: Gives the URLs of logs.
        sources: Gives the URLs of source locations.
        anchors: The allocator of element ids on the page.

    Raises:
        GuideError: A regular expression is invalid, or a note or `highlight` matches nothing.
    """
    notes = attach_notes(options.notes, _note_lines(steps), record.recipe)
    output = chain.from_iterable(map(_output_lines, steps))
    highlight = compile_highlight(options.highlight, output, record.recipe) if options.highlight else None
    places = find_places(((entry.number, _output_lines(entry)) for entry in steps), record.places, sources, labels, anchors)
    renderer = OutputRenderer(record.recipe, max(options.fold, 0), highlight, notes, labels, logs, places)
    return "".join(_run(run, renderer) for run in runs(steps))


def _note_lines(steps: Sequence[TypedStep]) -> Iterator[tuple[LinePosition, str]]:
    """Yield every line that a note may match.

    A wrapped command is also yielded as one line, at the position of its first line, for notes that match no single line of it.
    """
    for entry in steps:
        for index, line in enumerate(entry.shown.split("\n")):
            yield (entry.number, "typed", index), line
        if " \\\n" in entry.typed and entry.step.where is not Where.FILE:
            first = entry.shown.partition(entry.typed)[0].count("\n")
            yield (entry.number, "typed", first), re.sub(r" \\\n\s*", " ", entry.typed)
        for part, lines in styled_lines(entry.step.output).items():
            for index, spans in enumerate(lines):
                yield (entry.number, part, index), plain(spans)


def _output_lines(entry: TypedStep) -> Iterator[str]:
    """Yield the visible lines of a step's output, without styles."""
    return (plain(spans) for part in styled_lines(entry.step.output).values() for spans in part)


def _run(run: Sequence[TypedStep], renderer: OutputRenderer) -> str:
    """Render steps typed at one prompt, below a bar that names the prompt."""
    labels = renderer.labels
    where, machine = run[0].place
    name = labels.badges[where] + (f" · {machine}" if machine else "")
    button = _button(copied(run), labels.copy_run) if len(run) > 1 else ""
    bar = f'<header class="tr-bar" data-search-exclude><span class="tr-badge">{escape(name)}</span>{button}</header>'
    return f'<div class="tr-run tr-at-{where.value}">{bar}{"".join(_step(entry, renderer) for entry in run)}</div>'


def _step(entry: TypedStep, renderer: OutputRenderer) -> str:
    command = _file(entry, renderer) if entry.step.where is Where.FILE else _command(entry, renderer.notes)
    facts = _facts(entry.step, renderer.labels)
    output = renderer.output(entry.number, entry.step.output, entry.where)
    peeks = renderer.places.peeks(entry.number)
    return f'<div class="tr-step">{command}{facts}{output}{peeks}{_note_list(entry, renderer.notes)}</div>'


def _command(entry: TypedStep, notes: Notes) -> str:
    """Render a command, each line behind its prompt."""
    first, further = _PROMPTS[entry.where]
    lines = []
    for index, spans in enumerate(lexers.highlight_command(entry.shown, entry.where)):
        numbers = note_numbers(notes.on((entry.number, "typed", index)))
        lines.append(_prompt(further if index else first) + write_spans(spans) + numbers)
    return _box("tr-cmd", entry.copied, lines)


def _file(entry: TypedStep, renderer: OutputRenderer) -> str:
    """Render a file: its name, its text, and a button that copies the command that writes the file."""
    name = entry.step.command
    lines = [
        write_spans(spans) + note_numbers(renderer.notes.on((entry.number, "typed", index)))
        for index, spans in enumerate(lexers.highlight_file(name.strip("'\""), entry.shown))
    ]
    label = f"<b>{escape(renderer.labels.badges[Where.FILE])}</b> <code>{escape(name)}</code>"
    text = _box("tr-text", entry.copied, lines)
    # The `cd` has a box and a copy button of its own above, since a file's box shows only the file.
    return f'{_cd(entry)}<div class="tr-file"><p class="tr-name">{label}</p>{text}</div>'


def _cd(entry: TypedStep) -> str:
    if not entry.change:
        return ""
    spans = lexers.highlight_command(entry.change, entry.where)[0]
    return _box("tr-cmd", entry.change, [_prompt(_PROMPTS[entry.where][0]) + write_spans(spans)])


def _box(css_class: str, text: str, lines: Sequence[str]) -> str:
    """Return a code box whose copy button copies `text`: Material's button copies the nearest `data-copy`."""
    focus = focusable(text.split("\n"))
    code = f"<pre><code{focus}>{'&#10;'.join(lines)}</code></pre>"
    return f'<div class="{css_class}" data-copy="{attribute(make_visible(text))}">{code}</div>'


def _prompt(text: str) -> str:
    """Return a prompt. The style sheet shows its text, so that it is never selected, copied or indexed."""
    return f'<span class="tr-ps" data-ps="{attribute(text)}"></span>'


def _button(text: str, label: str) -> str:
    """Return a copy button for Material's clipboard code. Without JavaScript the style sheet hides it."""
    return (
        f'<button type="button" class="tr-copy" data-clipboard-text="{attribute(make_visible(text))}">{escape(label)}</button>'
    )


def _facts(step: Step, labels: Labels) -> str:
    """Return chips for a step that continues in the background, took long, or did not exit with status 0."""
    facts = []
    if step.background:
        facts.append(("", labels.in_background))
    elif step.seconds >= MIN_SHOWN_DURATION:
        facts.append(("", labels.took.format(time=duration(step.seconds, labels))))
    if step.status is not None and step.status > 0:
        facts.append((" tr-bad", labels.exit_status.format(status=step.status)))
    elif step.status is not None and step.status < 0 and not step.background:
        signal = describe_status(step.status).removeprefix("killed by ")
        facts.append((" tr-bad", labels.killed.format(signal=signal)))
    chips = "".join(f'<span class="tr-fact{css_class}">{escape(text)}</span>' for css_class, text in facts)
    return f'<p class="tr-facts" data-search-exclude>{chips}</p>' if chips else ""


def _note_list(entry: TypedStep, notes: Notes) -> str:
    items = "".join(f'<li value="{number}">{prose(text)}</li>' for number, text in notes.of_step(entry.number))
    return f'<ol class="tr-notes">{items}</ol>' if items else ""
