"""Table of the status page: one row for each recipe, readable without a script. `status.js` adds the filter and the sorting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.words import duration
from kvmdocs.core.words import words as common
from kvmdocs.render.icons import mark
from kvmdocs.render.reasons import reason
from kvmdocs.site.status.data import RecipeRow, Report
from kvmdocs.site.status.page import StatusView, names_of
from kvmdocs.site.status.words import StatusWords, day


def table(view: StatusView) -> str:
    """Return every recipe, grouped by the chapter that shows it first."""
    words, report = view.words, view.report
    if not report.recipes:
        return ""
    groups: dict[str, list[RecipeRow]] = {}
    for chapter, row in _in_order(report):
        groups.setdefault(chapter, []).append(row)
    bodies = "".join(_group(chapter, rows, view) for chapter, rows in groups.items())
    heads = "".join(f'<th scope="col" data-sort="{key}">{escape(text)}</th>' for key, text in _columns(words))
    texts = {
        "text": words.filter_text, "state": words.filter_state, "any": words.any_state, "order": words.by_chapter,
        "sort": words.sort, "only": words.only_page, "clear": words.clear, "found": words.found, "none": words.none_found,
    }  # fmt: skip
    data = "".join(f' data-{name}="{attribute(text)}"' for name, text in texts.items())
    states = "".join(f'<option value="{state}">{escape(words.states[state])}</option>' for state in report.counts)
    script = resources.files(__package__).joinpath("status.js").read_text("utf-8")
    return (
        f'<div class="ks" data-search-exclude{data}><template class="ks-states">{states}</template>'
        f'<div class="ks-scroll"><table class="ks-table"><caption>{escape(words.caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>{bodies}</table></div></div><script>{script}</script>"
    )


def _columns(words: StatusWords) -> list[tuple[str, str]]:
    """Return each column's sort key (a ``data-`` attribute of the rows) and head. The first column holds the row heads."""
    return [
        ("recipe", words.recipe),
        ("state", words.state),
        ("builds", words.builds_on),
        ("made", words.ran),
        ("seconds", words.took),
        ("host", words.host),
        ("drift", words.approved),
    ]


def _in_order(report: Report) -> Iterator[tuple[str, RecipeRow]]:
    """Yield each recipe once, with its chapter, in the order of the site. Recipes that no page shows come last."""
    seen: set[str] = set()
    # A page outside all chapters, such as the home page, shows recipes that a chapter explains: the chapter takes precedence.
    for page in sorted(report.pages, key=lambda page: not page.chapter):
        for name in page.recipes:
            if name not in seen:
                seen.add(name)
                yield page.chapter or page.title, report.by_name[name]
    for row in report.recipes:
        if row.recipe not in seen:
            yield "", row


def _group(chapter: str, rows: Iterable[RecipeRow], view: StatusView) -> str:
    name = escape(chapter or view.words.chapter_none)
    head = f'<tr class="ks-chapter"><th colspan="{len(_columns(view.words))}" scope="rowgroup">{name}</th></tr>'
    return f"<tbody>{head}{''.join(_row(row, view) for row in rows)}</tbody>"


def _row(row: RecipeRow, view: StatusView) -> str:
    words = view.words
    host = row.host.name if row.host else ""
    searched = [row.recipe, row.title, *(page.title for page in row.pages), *row.tools, host, row.place]
    keys = {
        "recipe": row.recipe, "state": str(row.state), "builds": " ".join(row.builds_on), "made": row.made,
        "seconds": f"{row.seconds:g}", "host": host, "drift": row.drift.kind if row.drift else "",
        "pages": " ".join(page.url for page in row.pages if page.url), "text": " ".join(searched).lower(),
    }  # fmt: skip
    data = "".join(f' data-{name}="{attribute(text)}"' for name, text in keys.items())
    state = f'<span class="ks-state ks-{row.state}">{mark(row.state)}{escape(words.states[row.state])}</span>'
    builds_on = names_of(row.builds_on, view, "<br>") if row.builds_on else ""
    cells = (state, builds_on, _made(row, view), _took(row, view), escape(host), _approved(row, view))
    heads = [text for _, text in _columns(words)[1:]]
    return (
        f'<tr id="status-{attribute(row.recipe)}"{data}>{_name(row, view)}'
        + "".join(f'<td data-head="{attribute(head)}">{cell or "–"}</td>' for head, cell in zip(heads, cells, strict=True))
        + "</tr>"
    )


def _name(row: RecipeRow, view: StatusView) -> str:
    words = view.words
    pages = ""
    if row.pages:
        links = words.between.join(
            f'<a href="{attribute(view.link(page.anchor))}">{escape(page.title)}</a>' if page.anchor else escape(page.title)
            for page in row.pages
        )
        pages = f'<span class="ks-pages">{escape(words.shown_on)} {links}</span>'
    lang = "" if row.title_language == str(view.language) else f' lang="{attribute(row.title_language)}"'
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in _facts(row, view))
    return (
        f'<th scope="row"><code>{escape(row.recipe)}</code><span class="ks-title"{lang}>{escape(row.title)}</span>{pages}'
        f"<details><summary>{escape(words.details)}</summary><dl>{facts}</dl></details></th>"
    )


def _facts(row: RecipeRow, view: StatusView) -> list[tuple[str, str]]:
    """Return the entries of a row's details: name (text) and value (HTML)."""
    words = view.words
    dependents = [other.recipe for other in view.report.recipes if row.recipe in other.builds_on]
    facts = [(words.why, "<br>".join(reason(text, view.language) for text in row.reasons))] if row.reasons else []
    facts.append((words.used_by, names_of(dependents, view)))
    if row.host:
        processors = words.processors.format(n=row.host.cpus)
        facts.append((words.system, escape(f"{row.host.system}, Linux {row.host.kernel}, {row.host.machine}, {processors}")))
    for name, pairs, between in ((words.tools, row.tools, " "), (words.settings, row.settings, " = ")):
        if pairs:
            lines = (f"<code>{escape(key)}</code>{between}{escape(str(value))}" for key, value in pairs.items())
            facts.append((name, "<br>".join(lines)))
    facts.append((words.defined, f"<code>{escape(row.place)}</code>"))
    if row.key:
        facts.append((words.key, f"<code>{escape(row.key[:12])}</code>"))
    return facts


def _made(row: RecipeRow, view: StatusView) -> str:
    if not row.made:
        return ""
    words = view.words
    age = ""
    if row.age_days is not None:
        age = (words.today, words.yesterday, words.days)[min(row.age_days, 2)].format(n=row.age_days)
    time = f'<time datetime="{attribute(row.made)}">{escape(day(row.made, words))}</time>'
    return f'{time}<small class="ks-age">{escape(age)}</small>'


def _took(row: RecipeRow, view: StatusView) -> str:
    if not row.made:
        return ""
    shared = common(view.language)
    emulated = f'<small title="{attribute(shared.emulated)}">{escape(view.words.emulated)}</small>' if row.emulated else ""
    return escape(duration(row.seconds, shared)) + emulated


def _approved(row: RecipeRow, view: StatusView) -> str:
    words = view.words
    if row.approved is None:
        return escape(words.unapproved)
    when = f"<small>{escape(words.approved_on.format(date=day(row.approved.made, words), host=row.approved.host))}</small>"
    if row.drift:
        drift = words.differs.format(kind=words.drifts[row.drift.kind])
        return f'<a class="ks-drifted" href="#drift-{attribute(row.recipe)}">{escape(drift)}</a>{when}'
    return f"{escape(words.same if row.compared else words.not_compared)}{when}"
