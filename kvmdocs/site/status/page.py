"""The status page's parts beside its table and its graph, and the line under a page's title: HTML on one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from kvmdocs.core.errors import shortened
from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Mode
from kvmdocs.core.settings import variable
from kvmdocs.core.words import date as moment
from kvmdocs.core.words import words as common
from kvmdocs.render import Language
from kvmdocs.render.marks import mark
from kvmdocs.render.reasons import reason
from kvmdocs.site.status.data import Need, PageRow, RecipeRow, Report, State
from kvmdocs.site.status.words import StatusWords, counted, day, recipes, words

DATA = "report.json"
"""The report as data, from the top of each language's site."""
SCHEMA = "schemas/report-1.json"
"""Its JSON Schema."""
Link = Callable[[str], str]
"""Turns an address from the top of the site into one from the page."""
BRIEF = 300
"""Characters that are told of why a recipe failed where all that failed is listed."""


@dataclass(frozen=True)
class StatusView:
    """A report, in a language, seen from a page.

    Attributes:
        report: The report.
        language: The language.
        link: How a page is linked.
        published: Whether the site has the report as data.
    """

    report: Report
    language: Language
    link: Link
    published: bool = False

    @cached_property
    def say(self) -> StatusWords:
        """The words."""
        return words(self.language)


def summary(view: StatusView) -> str:
    """How many recipes are in which state, and when, where and how the site was built."""
    say, report = view.say, view.report
    if not report.recipes:
        return f"<p>{escape(say.no_recipes)}</p>"
    when = moment(report.built, common(view.language))
    built = say.built.format(date=when, host=report.host.name, mode=say.modes[report.mode])
    engine = say.with_engine.format(version=metadata.version("kvmdocs"))
    machine = f"{report.host.system}, Linux {report.host.kernel}, {report.host.machine}"
    tiles = "".join(
        f'<li class="ks-tile ks-{state}">{mark(state)}<b>{count}</b> <span>{escape(say.states[state])}</span>'
        f"<small>{escape(say.meanings[state])}</small></li>"
        for state, count in report.counts.items()
    )
    data = ""
    if view.published:
        links = ((DATA, "report.json", say.data), (SCHEMA, "report-1.json", say.schema))
        colon = common(view.language).colon
        told = say.semicolon.join(
            f'<a href="{attribute(view.link(url))}"><code>{name}</code></a>{colon}{escape(text)}' for url, name, text in links
        )
        data = f'<p class="ks-data">{told}</p>'
    total = recipes(len(report.recipes), say)
    return incomplete(view) + (
        f'<div class="ks-summary" data-search-exclude><p class="ks-lead"><b>{escape(total)}</b></p>'
        f'<ul class="ks-tiles">{tiles}</ul><p>{escape(built)} {escape(machine)}{say.semicolon}{escape(engine)}{say.stop}</p>{data}</div>'
    )


def incomplete(view: StatusView, status_page: str | None = "") -> str:
    """That the site was built although recipes failed, which ones, and where they are shown; "" where none did.

    Args:
        view: The report.
        status_page: The address of the status page, from this page, which may be that page itself; None where there is none.
    """
    say, failed = view.say, view.report.failed
    if not failed or view.report.mode == "serve":
        return ""
    colon = common(view.language).colon
    told = "".join(
        f"<li>{_leading(row, view, status_page)}{colon}{''.join(reason(shortened(text, BRIEF), view.language) for text in row.reasons)}</li>"
        for row in failed
    )
    blocked = [row for row in view.report.recipes if row.state is State.BLOCKED]
    names = say.between.join(_leading(row, view, status_page) for row in blocked)
    rest = f"<p><b>{escape(say.not_run)}{colon}</b>{names}</p>" if blocked else ""
    link = f'<p><a href="{attribute(status_page)}">{escape(say.all_stand)}</a></p>' if status_page else ""
    return (
        f'<div class="admonition failure ks-incomplete" role="note" data-search-exclude><p class="admonition-title">{escape(say.incomplete)}</p>'
        f"<p>{escape(say.incomplete_is)}</p><ul>{told}</ul>{rest}{link}</div>"
    )


def _leading(row: RecipeRow, view: StatusView, status_page: str | None) -> str:
    """A recipe's name as a link to where it is shown, else to its row on the status page."""
    address = next((view.link(page.anchor) for page in row.pages if page.anchor), "")
    if not address and status_page is not None:
        address = f"{status_page}#status-{row.recipe}"
    name = f"<code>{escape(row.recipe)}</code>"
    return f'<a href="{attribute(address)}">{name}</a>' if address else name


def names_of(names: Iterable[str], view: StatusView, between: str = " ") -> str:
    """Return recipes as links to their rows, joined by an HTML text."""
    # A narrow column breaks a name at its underscores.
    links = (f'<a href="#status-{attribute(name)}"><code>{escape(name).replace("_", "_<wbr>")}</code></a>' for name in names)
    return between.join(links) or escape(view.say.nothing)


def skips(view: StatusView) -> str:
    """What the building host could not run, why, and what would make it run."""
    say, rows = view.say, view.report.by_name
    skipped = [
        row for row in rows.values() if row.state is State.SKIPPED or (row.state is State.FAILED and _hence(row.recipe, rows))
    ]
    if not skipped:
        return f"<p>{escape(say.untried if view.report.mode == Mode.RECORDED else say.no_skips)}</p>"
    items = []
    for row in skipped:
        if any(want.kind is Need.RECIPE for want in row.wants):
            continue
        reasons = "".join(f"<p>{reason(_cause(text), view.language)}</p>" for text in row.reasons)
        advice = "".join(f"<li>{text}</li>" for text in _advice(row, view))
        if advice:
            reasons += f"<p><b>{escape(say.to_run_it + common(view.language).colon)}</b></p><ul>{advice}</ul>"
        if hence := _hence(row.recipe, rows):
            reasons += f"<p><b>{escape(say.hence + common(view.language).colon)}</b>{names_of(hence, view)}</p>"
        items.append(
            f'<dt><a href="#status-{attribute(row.recipe)}"><code>{escape(row.recipe)}</code></a></dt><dd>{reasons}</dd>'
        )
    return f'<dl class="ks-skips" data-search-exclude>{"".join(items)}</dl>'


def _cause(reason: str) -> str:
    """A reason without the advice that the engine puts behind it for a terminal."""
    return reason.partition("; install ")[0]


def _hence(name: str, rows: dict[str, RecipeRow]) -> list[str]:
    """What was skipped because a recipe was, directly or by way of others."""
    found: dict[str, None] = {}
    for row in rows.values():  # each after what it builds on
        if any(want.kind is Need.RECIPE and (want.name == name or want.name in found) for want in row.wants):
            found[row.recipe] = None
    return list(found)


def _advice(row: RecipeRow, view: StatusView) -> list[str]:
    """What would make a skipped recipe run, as HTML."""
    say = view.say
    tools = [want.name for want in row.wants if want.kind is Need.TOOL]
    told = [escape(say.wants_tools.format(tools=say.between.join(tools)))] if tools else []
    for want in row.wants:
        if want.kind is Need.CAPABILITY:
            kind, _, argument = want.name.partition(":")
            name, _, value = argument.partition("=")
            text = say.advice.get(kind, say.advice[""]).format(
                variable=variable(name), setting=name, value=value.replace("|", " | "), need=want.name
            )
            told.append(escape(text))
    if any("; install " in reason for reason in row.reasons):
        told += [
            f'<code lang="en">{escape(reason.partition("; install ")[2].partition(": ")[2])}</code>' for reason in row.reasons
        ]
    return told


def drifts(view: StatusView) -> str:
    """How records made here differ from the approved ones, each difference folded."""
    say = view.say
    drifted = [row for row in view.report.recipes if row.drift]
    if not drifted:
        compared = sum(row.compared for row in view.report.recipes)
        return f"<p>{escape(say.no_drift.format(n=compared) if compared else say.uncompared)}</p>"
    return f'<div class="ks-drifts" data-search-exclude>{"".join(_drift(row, view) for row in drifted)}</div>'


def _drift(row: RecipeRow, view: StatusView) -> str:
    say, drift = view.say, row.drift
    assert drift is not None  # the caller has seen to it
    causes = "".join(f'<li lang="en">{escape(cause)}</li>' for cause in drift.causes)
    sections = [section for section in drift.sections if section]
    where = (
        f"{escape(say.sections)} {say.between.join(f'<code>{escape(section)}</code>' for section in sections)}"
        if sections
        else ""
    )
    kinds = {"+": "ks-new", "-": "ks-old", "@": "ks-at"}
    lines = [f'<span class="{kinds.get(line[:1], "ks-same")}">{escape(line) or " "}</span>' for line in drift.diff]
    more = (
        f"<p>{escape(say.omitted.format(n=drift.omitted))} <code>kvmdocs diff {escape(row.recipe)}</code></p>"
        if drift.omitted
        else ""
    )
    return (
        f'<details id="drift-{attribute(row.recipe)}"><summary><code>{escape(row.recipe)}</code> '
        f"<span>{escape(say.drifts[drift.kind])}{where}</span></summary>"
        f"{f'<ul>{causes}</ul>' if causes else ''}"
        f'<pre class="ks-diff" tabindex="0"><code>{"&#10;".join(lines)}</code></pre>{more}</details>'
    )


def badge(page: PageRow, view: StatusView, status_page: str) -> str:
    """The line under the title of a page that shows recipes."""
    say = view.say
    parts = [f"<b>{escape(recipes(len(page.recipes), say))}</b>", f"{mark(page.state)}{escape(counted(page.counts, say))}"]
    if page.hosts:
        parts.append(escape(say.badge_hosts.format(hosts=say.between.join(page.hosts))))
    if page.newest:
        parts.append(f'<time datetime="{attribute(page.newest)}">{escape(day(page.newest, say))}</time>')
    inside = "".join(f"<span>{part}</span>" for part in parts)
    told = f'class="ks-badge ks-{page.state}" data-search-exclude'
    if not status_page:
        return f"<p {told}>{inside}</p>"
    return f'<p {told}><a href="{attribute(status_page)}" title="{attribute(say.badge)}">{inside}</a></p>'
