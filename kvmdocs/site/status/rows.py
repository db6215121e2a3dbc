"""Table of the status page: one row for each recipe, readable without a script. `status.js` adds the filter and the sorting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.words import duration
from kvmdocs.core.words import words as common
from kvmdocs.render.marks import mark
from kvmdocs.render.reasons import reason
from kvmdocs.site.status.data import RecipeRow, Report
from kvmdocs.site.status.page import StatusView, names_of
from kvmdocs.site.status.words import StatusWords, day


def table(view: StatusView) -> str:
    """Return every recipe, grouped by the chapter that shows it first."""
    say, report = view.say, view.report
    if not report.recipes:
        return ""
    groups: dict[str, list[RecipeRow]] = {}
    for chapter, row in _in_order(report):
        groups.setdefault(chapter, []).append(row)
    bodies = "".join(_group(chapter, rows, view) for chapter, rows in groups.items())
    heads = "".join(f'<th scope="col" data-sort="{key}">{escape(text)}</th>' for key, text in _columns(say))
    texts = {
        "text": say.filter_text, "state": say.filter_state, "any": say.any_state, "order": say.by_chapter, "sort": say.sort,
        "only": say.only_page, "clear": say.clear, "found": say.found, "none": say.none_found,
    }  # fmt: skip
    data = "".join(f' data-{name}="{attribute(text)}"' for name, text in texts.items())
    states = "".join(f'<option value="{state}">{escape(say.states[state])}</option>' for state in report.counts)
    script = resources.files(__package__).joinpath("status.js").read_text("utf-8")
    return (
        f'<div class="ks" data-search-exclude{data}><template class="ks-states">{states}</template>'
        f'<div class="ks-scroll"><table class="ks-table"><caption>{escape(say.caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>{bodies}</table></div></div><script>{script}</script>"
    )


def _columns(say: StatusWords) -> list[tuple[str, str]]:
    """Return each column as the row attribute that it is sorted by (``data-…``) and its head. The first column holds the row heads."""
    return [
        ("recipe", say.recipe),
        ("state", say.state),
        ("builds", say.builds_on),
        ("made", say.ran),
        ("seconds", say.took),
        ("host", say.host),
        ("drift", say.approved),
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
    name = escape(chapter or view.say.chapter_none)
    head = f'<tr class="ks-chapter"><th colspan="{len(_columns(view.say))}" scope="rowgroup">{name}</th></tr>'
    return f"<tbody>{head}{''.join(_row(row, view) for row in rows)}</tbody>"


def _row(row: RecipeRow, view: StatusView) -> str:
    say = view.say
    host = row.host.name if row.host else ""
    searched = [row.recipe, row.title, *(page.title for page in row.pages), *row.tools, host, row.place]
    keys = {
        "recipe": row.recipe, "state": str(row.state), "builds": " ".join(row.builds_on), "made": row.made,
        "seconds": f"{row.seconds:g}", "host": host, "drift": row.drift.kind if row.drift else "",
        "pages": " ".join(page.url for page in row.pages if page.url), "text": " ".join(searched).lower(),
    }  # fmt: skip
    data = "".join(f' data-{name}="{attribute(text)}"' for name, text in keys.items())
    state = f'<span class="ks-state ks-{row.state}">{mark(row.state)}{escape(say.states[row.state])}</span>'
    builds_on = names_of(row.builds_on, view, "<br>") if row.builds_on else ""
    cells = (state, builds_on, _made(row, view), _took(row, view), escape(host), _approved(row, view))
    heads = [text for _, text in _columns(say)[1:]]
    return (
        f'<tr id="status-{attribute(row.recipe)}"{data}>{_name(row, view)}'
        + "".join(f'<td data-head="{attribute(head)}">{cell or "–"}</td>' for head, cell in zip(heads, cells, strict=True))
        + "</tr>"
    )


def _name(row: RecipeRow, view: StatusView) -> str:
    say = view.say
    pages = ""
    if row.pages:
        links = say.between.join(
            f'<a href="{attribute(view.link(page.anchor))}">{escape(page.title)}</a>' if page.anchor else escape(page.title)
            for page in row.pages
        )
        pages = f'<span class="ks-pages">{escape(say.shown_on)} {links}</span>'
    lang = "" if row.title_language == str(view.language) else f' lang="{attribute(row.title_language)}"'
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in _facts(row, view))
    return (
        f'<th scope="row"><code>{escape(row.recipe)}</code><span class="ks-title"{lang}>{escape(row.title)}</span>{pages}'
        f"<details><summary>{escape(say.details)}</summary><dl>{facts}</dl></details></th>"
    )


def _facts(row: RecipeRow, view: StatusView) -> list[tuple[str, str]]:
    """Return the entries of a row's details: name (text) and value (HTML)."""
    say = view.say
    dependents = [other.recipe for other in view.report.recipes if row.recipe in other.builds_on]
    facts = [(say.why, "<br>".join(reason(text, view.language) for text in row.reasons))] if row.reasons else []
    facts.append((say.used_by, names_of(dependents, view)))
    if row.host:
        processors = say.processors.format(n=row.host.cpus)
        facts.append((say.system, escape(f"{row.host.system}, Linux {row.host.kernel}, {row.host.machine}, {processors}")))
    for name, pairs, between in ((say.tools, row.tools, " "), (say.settings, row.settings, " = ")):
        if pairs:
            lines = (f"<code>{escape(key)}</code>{between}{escape(str(value))}" for key, value in pairs.items())
            facts.append((name, "<br>".join(lines)))
    facts.append((say.defined, f"<code>{escape(row.place)}</code>"))
    if row.key:
        facts.append((say.key, f"<code>{escape(row.key[:12])}</code>"))
    return facts


def _made(row: RecipeRow, view: StatusView) -> str:
    if not row.made:
        return ""
    say = view.say
    age = ""
    if row.age_days is not None:
        age = (say.today, say.yesterday, say.days)[min(row.age_days, 2)].format(n=row.age_days)
    return (
        f'<time datetime="{attribute(row.made)}">{escape(day(row.made, say))}</time><small class="ks-age">{escape(age)}</small>'
    )


def _took(row: RecipeRow, view: StatusView) -> str:
    if not row.made:
        return ""
    shared = common(view.language)
    emulated = f'<small title="{attribute(shared.emulated)}">{escape(view.say.emulated)}</small>' if row.emulated else ""
    return escape(duration(row.seconds, shared)) + emulated


def _approved(row: RecipeRow, view: StatusView) -> str:
    say = view.say
    if row.approved is None:
        return escape(say.unapproved)
    when = f"<small>{escape(say.approved_on.format(date=day(row.approved.made, say), host=row.approved.host))}</small>"
    if row.drift:
        drift = say.differs.format(kind=say.drifts[row.drift.kind])
        return f'<a class="ks-drifted" href="#drift-{attribute(row.recipe)}">{escape(drift)}</a>{when}'
    return f"{escape(say.same if row.compared else say.not_compared)}{when}"
