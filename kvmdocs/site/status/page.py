"""Parts of the status page other than its table, and the line under a page's title. Each is HTML on one line."""

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
from kvmdocs.render.icons import mark
from kvmdocs.render.reasons import reason
from kvmdocs.site.status.data import Need, PageRow, RecipeRow, Report, State
from kvmdocs.site.status.words import StatusWords, counted, day, recipes, status_words

DATA = "report.json"
"""Address of the report as data, from the top of each language's site."""
SCHEMA = "schemas/report-1.json"
"""Address of its JSON Schema."""
Link = Callable[[str], str]
"""Function that turns an address from the top of the site into one relative to the page."""
REASON_LENGTH = 300
"""Maximum number of characters of a failure's message in the list of failed recipes."""


@dataclass(frozen=True)
class StatusView:
    """Report in one language, with addresses relative to one page.

    Attributes:
        report: The report.
        language: The language.
        link: Function that makes an address relative to the page.
        published: Whether the site has the report as data.
    """

    report: Report
    language: Language
    link: Link
    published: bool = False

    @cached_property
    def words(self) -> StatusWords:
        """The texts in the view's language."""
        return status_words(self.language)


def summary(view: StatusView) -> str:
    """Return the number of recipes in each state, and when, where and how the site was built."""
    words, report = view.words, view.report
    if not report.recipes:
        return f"<p>{escape(words.no_recipes)}</p>"
    when = moment(report.built, common(view.language))
    built = words.built.format(date=when, host=report.host.name, mode=words.modes[report.mode])
    engine = words.with_engine.format(version=metadata.version("kvmdocs"))
    machine = f"{report.host.system}, Linux {report.host.kernel}, {report.host.machine}"
    tiles = "".join(
        f'<li class="ks-tile ks-{state}">{mark(state)}<b>{count}</b> <span>{escape(words.states[state])}</span>'
        f"<small>{escape(words.meanings[state])}</small></li>"
        for state, count in report.counts.items()
    )
    data = ""
    if view.published:
        files = ((DATA, "report.json", words.data), (SCHEMA, "report-1.json", words.schema))
        colon = common(view.language).colon
        links = words.semicolon.join(
            f'<a href="{attribute(view.link(url))}"><code>{name}</code></a>{colon}{escape(text)}' for url, name, text in files
        )
        data = f'<p class="ks-data">{links}</p>'
    total = recipes(len(report.recipes), words)
    return incomplete(view) + (
        f'<div class="ks-summary" data-search-exclude><p class="ks-lead"><b>{escape(total)}</b></p>'
        f'<ul class="ks-tiles">{tiles}</ul>'
        f"<p>{escape(built)} {escape(machine)}{words.semicolon}{escape(engine)}{words.stop}</p>{data}</div>"
    )


def incomplete(view: StatusView, status_page: str | None = "") -> str:
    """Return a box that names the failed recipes of the site and links to where they are shown; "" if none failed.

    Args:
        view: The report.
        status_page: Address of the status page, relative to this page; "" on the status page itself, None if the site has none.
    """
    words, failed = view.words, view.report.failed
    if not failed or view.report.mode == "serve":
        return ""
    colon = common(view.language).colon
    items = []
    for row in failed:
        reasons = "".join(reason(shortened(text, REASON_LENGTH), view.language) for text in row.reasons)
        items.append(f"<li>{_linked(row, view, status_page)}{colon}{reasons}</li>")
    blocked = [row for row in view.report.recipes if row.state is State.BLOCKED]
    names = words.between.join(_linked(row, view, status_page) for row in blocked)
    rest = f"<p><b>{escape(words.not_run)}{colon}</b>{names}</p>" if blocked else ""
    link = f'<p><a href="{attribute(status_page)}">{escape(words.all_stand)}</a></p>' if status_page else ""
    return (
        '<div class="admonition failure ks-incomplete" role="note" data-search-exclude>'
        f'<p class="admonition-title">{escape(words.incomplete)}</p>'
        f"<p>{escape(words.incomplete_is)}</p><ul>{''.join(items)}</ul>{rest}{link}</div>"
    )


def _linked(row: RecipeRow, view: StatusView, status_page: str | None) -> str:
    """Return a recipe's name as a link to the first page that shows it, else to its row on the status page."""
    address = next((view.link(page.anchor) for page in row.pages if page.anchor), "")
    if not address and status_page is not None:
        address = f"{status_page}#status-{row.recipe}"
    name = f"<code>{escape(row.recipe)}</code>"
    return f'<a href="{attribute(address)}">{name}</a>' if address else name


def names_of(names: Iterable[str], view: StatusView, between: str = " ") -> str:
    """Return links to the rows of recipes, separated by the HTML `between`; the word for "nothing" if there are none."""
    # In a narrow column a name is to break at an underscore.
    links = (f'<a href="#status-{attribute(name)}"><code>{escape(name).replace("_", "_<wbr>")}</code></a>' for name in names)
    return between.join(links) or escape(view.words.nothing)


def skips(view: StatusView) -> str:
    """Return the recipes that the building host could not run, with the reason and what would make them run."""
    words, rows = view.words, view.report.by_name
    skipped = [
        row for row in rows.values() if row.state is State.SKIPPED or (row.state is State.FAILED and _hence(row.recipe, rows))
    ]
    if not skipped:
        return f"<p>{escape(words.untried if view.report.mode == Mode.RECORDED else words.no_skips)}</p>"
    items = []
    for row in skipped:
        if any(want.kind is Need.RECIPE for want in row.wants):
            continue
        reasons = "".join(f"<p>{reason(_cause(text), view.language)}</p>" for text in row.reasons)
        advice = "".join(f"<li>{text}</li>" for text in _advice(row, view))
        if advice:
            reasons += f"<p><b>{escape(words.to_run_it + common(view.language).colon)}</b></p><ul>{advice}</ul>"
        if hence := _hence(row.recipe, rows):
            reasons += f"<p><b>{escape(words.hence + common(view.language).colon)}</b>{names_of(hence, view)}</p>"
        items.append(
            f'<dt><a href="#status-{attribute(row.recipe)}"><code>{escape(row.recipe)}</code></a></dt><dd>{reasons}</dd>'
        )
    return f'<dl class="ks-skips" data-search-exclude>{"".join(items)}</dl>'


def _cause(reason: str) -> str:
    """Return a reason without the installation advice that the engine appends for terminals."""
    return reason.partition("; install ")[0]


def _hence(name: str, rows: dict[str, RecipeRow]) -> list[str]:
    """Return the recipes that were skipped because `name` was, directly or through others."""
    skipped: dict[str, None] = {}
    for row in rows.values():  # in topological order
        if any(want.kind is Need.RECIPE and (want.name == name or want.name in skipped) for want in row.wants):
            skipped[row.recipe] = None
    return list(skipped)


def _advice(row: RecipeRow, view: StatusView) -> list[str]:
    """Return what would make a skipped recipe run: a list of HTML texts."""
    words = view.words
    tools = [want.name for want in row.wants if want.kind is Need.TOOL]
    advice = [escape(words.wants_tools.format(tools=words.between.join(tools)))] if tools else []
    for want in row.wants:
        if want.kind is Need.CAPABILITY:
            kind, _, argument = want.name.partition(":")
            name, _, value = argument.partition("=")
            text = words.advice.get(kind, words.advice[""]).format(
                variable=variable(name), setting=name, value=value.replace("|", " | "), need=want.name
            )
            advice.append(escape(text))
    for text in row.reasons:
        if "; install " in text:
            command = text.partition("; install ")[2].partition(": ")[2]
            advice.append(f'<code lang="en">{escape(command)}</code>')
    return advice


def drifts(view: StatusView) -> str:
    """Return the differences between this host's records and the approved ones, each folded."""
    words = view.words
    drifted = [row for row in view.report.recipes if row.drift]
    if not drifted:
        compared = sum(row.compared for row in view.report.recipes)
        return f"<p>{escape(words.no_drift.format(n=compared) if compared else words.uncompared)}</p>"
    return f'<div class="ks-drifts" data-search-exclude>{"".join(_drift(row, view) for row in drifted)}</div>'


def _drift(row: RecipeRow, view: StatusView) -> str:
    words, drift = view.words, row.drift
    assert drift is not None  # the caller passes rows with drift only
    causes = "".join(f'<li lang="en">{escape(cause)}</li>' for cause in drift.causes)
    sections = [section for section in drift.sections if section]
    names = words.between.join(f"<code>{escape(section)}</code>" for section in sections)
    where = f"{escape(words.sections)} {names}" if sections else ""
    kinds = {"+": "ks-new", "-": "ks-old", "@": "ks-at"}
    lines = [f'<span class="{kinds.get(line[:1], "ks-same")}">{escape(line) or " "}</span>' for line in drift.diff]
    more = (
        f"<p>{escape(words.omitted.format(n=drift.omitted))} <code>kvmdocs diff {escape(row.recipe)}</code></p>"
        if drift.omitted
        else ""
    )
    return (
        f'<details id="drift-{attribute(row.recipe)}"><summary><code>{escape(row.recipe)}</code> '
        f"<span>{escape(words.drifts[drift.kind])}{where}</span></summary>"
        f"{f'<ul>{causes}</ul>' if causes else ''}"
        f'<pre class="ks-diff" tabindex="0"><code>{"&#10;".join(lines)}</code></pre>{more}</details>'
    )


def badge(page: PageRow, view: StatusView, status_page: str) -> str:
    """Return the line under the title of a page that shows recipes.

    Args:
        page: The page.
        view: The report.
        status_page: Address that the line links to, relative to the page; "" for no link.
    """
    words = view.words
    parts = [f"<b>{escape(recipes(len(page.recipes), words))}</b>", f"{mark(page.state)}{escape(counted(page.counts, words))}"]
    if page.hosts:
        parts.append(escape(words.badge_hosts.format(hosts=words.between.join(page.hosts))))
    if page.newest:
        parts.append(f'<time datetime="{attribute(page.newest)}">{escape(day(page.newest, words))}</time>')
    inside = "".join(f"<span>{part}</span>" for part in parts)
    if status_page:
        inside = f'<a href="{attribute(status_page)}" title="{attribute(words.badge)}">{inside}</a>'
    return f'<p class="ks-badge ks-{page.state}" data-search-exclude>{inside}</p>'
